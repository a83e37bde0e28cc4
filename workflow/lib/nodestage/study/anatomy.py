"""The anatomy of a study: built in for pancreatic cancer, or a file that the config names.

Structures with label numbers and distance ranges, lymph-node stations, the organ that holds the
tumor, and the phases. A bundle holds the anatomy that its models learned with.
"""

import difflib
from pathlib import Path
from typing import Any

import yaml

from nodestage.core import configs
from nodestage.core.errors import InputError
from nodestage.core.names import PHASES
from nodestage.exchange.bundle import Frozen
from nodestage.study import schema

REPOSITORY = Path(__file__).parents[4]
BUILT_IN = REPOSITORY / "config" / "anatomy.yaml"
SCHEMA = Path(__file__).parents[3] / "schemas" / "anatomy.schema.yaml"
ESTIMATED = "estimated"


def path_of(config: dict[str, Any], base: str | Path = "") -> Path:
    """The anatomy file of a study.

    Parameters
    ----------
    config : dict whose `anatomy` names a file: a path from the study's folder, or the name of a file
        of nodestage's `config/`; None or absent: the built-in anatomy
    base : the study's folder

    Raises
    ------
    InputError where no such file is there
    """
    named = config.get("anatomy")
    if not isinstance(named, str) or not named:
        return BUILT_IN
    there = [path for path in (Path(base, named), BUILT_IN.parent / named) if path.is_file()]
    if not there:
        raise InputError(
            f"`anatomy` names {named}, which is not a file of the study's folder, nor of nodestage's config/. "
            "Correct the path, or leave `anatomy` out for pancreatic cancer."
        )
    return there[0]


def read(path: str | Path, check: bool = True) -> dict[str, Any]:
    """The anatomy of a file, complete.

    Parameters
    ----------
    path : YAML file
    check : whether every value is compared with the schema (0.3 s); the main process does it once

    Raises
    ------
    InputError that lists every fault of the file
    """
    anatomy = configs.read(path)
    if check:
        check_anatomy(anatomy, Path(path).name)
    return complete(anatomy)


def structures(
    config: dict[str, Any], bundle: Frozen | None = None, base: str | Path = ""
) -> list[str] | None:
    """Names of structures that a config may use; None: those of the built-in anatomy.

    Read before the config is checked, so a file with faults gives None, and is reported later.
    """
    labels = bundle.anatomy.get("labels") if bundle else None
    if bundle is None and isinstance(config.get("anatomy"), str):
        labels = configs.read(path_of(config, base)).get("labels")
    return list(labels) if isinstance(labels, dict) else None


def of_study(
    config: dict[str, Any], bundle: Frozen | None = None, base: str | Path = "", check: bool = True
) -> dict[str, Any]:
    """The anatomy that a study uses: the bundle's where one scores, else its file's."""
    if bundle is None:
        return read(path_of(config, base), check)
    if check:
        check_anatomy(bundle.anatomy, "the bundle's anatomy")
    return complete(bundle.anatomy)


def complete(anatomy: dict[str, Any]) -> dict[str, Any]:
    """A valid anatomy with the keys that it leaves out."""
    organ = anatomy.get("tumor_organ", "pancreas")
    built_in = configs.load(BUILT_IN) if "vessels" not in anatomy else {"vessels": []}
    return {
        "cancer": "pancreatic cancer" if organ == "pancreas" else f"{in_words(organ)} cancer",
        "tumor_organ": organ,
        "phases": list(PHASES),
        "vessels": [name for name in built_in["vessels"] if name in anatomy["labels"]],
        "stations": {},
        "clinical": {},
        "drawn_only": [],
    } | anatomy


def in_words(structure: str) -> str:
    """The name of a structure inside a sentence: `left_kidney` is "left kidney"."""
    return structure.replace("_", " ")


def check_anatomy(anatomy: dict[str, Any], name: str) -> None:
    """Raise one `InputError` that lists every fault of an anatomy.

    Parameters
    ----------
    anatomy : as a file holds it
    name : of the file, for the message
    """
    rules = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    faults = schema.faults_of(anatomy, rules)
    sentences = [f"{schema.dotted(path)}: {text}" for (path, _), text in faults.items()]
    if not faults:
        sentences = [*_numbers(anatomy["labels"]), *_unknown_structures(anatomy)]
        sentences += [*_without_range(anatomy), *_drawn_before(anatomy)]
    if sentences:
        head = f"{name} has {len(sentences)} {'fault' if len(sentences) == 1 else 'faults'}:"
        raise InputError("\n".join([head, *(f"  {sentence}" for sentence in sentences)]))


def _numbers(labels):
    """Sentences on label numbers that two structures have, or that are left out."""
    names: dict[int, list[str]] = {}
    for name, number in labels.items():
        names.setdefault(number, []).append(name)
    shared = [
        f"labels: {' and '.join(same)} have the number {number}. Give each structure its own number."
        for number, same in names.items()
        if len(same) > 1
    ]
    gaps = [str(number) for number in range(1, max(names)) if number not in names]
    if gaps and not shared:
        return [
            f"labels: no structure has the number {', '.join(gaps)}. Number them from 1 to {len(labels)} without gaps "
            "(numbers of your masks: `label_system` of a center)."
        ]
    return shared


def _unknown_structures(anatomy):
    """Sentences on names that are no label."""
    labels, sentences = anatomy["labels"], []
    for key in ("ranges_mm", "stations", "vessels", "drawn_only"):
        for name in anatomy.get(key) or ():
            if name not in labels:
                sentences.append(
                    f"{key}: {name!r} is not a structure of `labels`{_near(name, labels)}. "
                    "Add its label number, or correct the name."
                )
    organ = anatomy.get("tumor_organ", "pancreas")
    if organ not in labels:
        sentences.append(
            f"tumor_organ: {organ!r}{'' if 'tumor_organ' in anatomy else ', the default,'} is not a structure of "
            f"`labels`{_near(organ, labels)}. Name the structure that holds the tumor: {', '.join(labels)}."
        )
    return sentences


def _without_range(anatomy):
    """Sentences on stations along structures around which no lymph node is looked for."""
    return [
        f"ranges_mm: {name!r} has stations, but no range. Give `{name}: [minimum, maximum]` in mm, "
        f"`{name}: {ESTIMATED}`, or take it out of `stations`."
        for name in anatomy.get("stations") or ()
        if name in anatomy["labels"] and name not in anatomy["ranges_mm"]
    ]


def _drawn_before(anatomy):
    """Sentences on structures of `drawn_only` that are not numbered last."""
    labels, drawn = anatomy["labels"], set(anatomy.get("drawn_only") or ())
    last = max((n for name, n in labels.items() if name not in drawn), default=0)
    if not last:
        return ["drawn_only: it names every structure. Leave out what auxiliary centers draw."]
    return [
        f"drawn_only: {name!r} has the number {labels[name]}, below that of a structure that auxiliary centers draw. "
        "Give the structures of `drawn_only` the highest numbers."
        for name in sorted(drawn & set(labels))
        if labels[name] < last
    ]


def _near(name, known):
    nearest = difflib.get_close_matches(str(name), list(known), 1)
    return f" (did you mean {nearest[0]!r}?)" if nearest else ""


def check_against_config(anatomy: dict[str, Any], config: dict[str, Any]) -> None:
    """Raise one `InputError` where settings of a config don't fit its anatomy.

    Parameters
    ----------
    anatomy : complete
    config : the whole config, valid
    """
    faults = [*_ranges_without_numbers(anatomy, config), *_another_organ(anatomy, config)]
    if len(anatomy["phases"]) == 1:
        faults += _of_two_phases(anatomy["phases"][0], config)
    if faults:
        raise InputError("\n".join(["The config doesn't fit its anatomy:", *faults]))


def _ranges_without_numbers(anatomy, config):
    unknown = [name for name, limits in anatomy["ranges_mm"].items() if limits == ESTIMATED]
    if unknown and config["attention"]["ranges"] != ESTIMATED:
        yield (
            f"  attention.ranges: the anatomy has no numbers for {', '.join(unknown)}. Use `ranges: {ESTIMATED}`, "
            "which takes all ranges from each fold's training patients, or give the numbers in `ranges_mm`."
        )


def _another_organ(anatomy, config):
    organ = anatomy["tumor_organ"]
    for key in ("piece", "without_mask"):
        if config["tumor"].get(key) == "pancreas" != organ:
            yield f"  tumor.{key}: `pancreas`, but the tumor is one of the {in_words(organ)}. Write `organ`."


def _of_two_phases(phase, config):
    """Settings that need a second phase, in a study that has one."""
    if config["tumor"].get("phases") == "both":
        yield f"  tumor.phases: `both`, but the study has one phase ({phase}). Write `venous`."
    for name, center in _centers(config).items():
        masks = center.get("mask_phase") or phase
        others = set(masks.values() if isinstance(masks, dict) else [masks]) - {phase}
        if others:
            yield (
                f"  center {name}, mask_phase: {others.pop()}, but the study has one phase ({phase}). "
                "Leave `mask_phase` out."
            )


def _centers(config):
    """The centers that the study uses, by name."""
    at = config if config["samples"] is not None else config["simulator"]
    return {name: center or {} for name, center in at["centers"].items()}


def with_phase_of_masks(anatomy: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """A config in which the masks of a study with one phase belong to that phase.

    Parameters
    ----------
    anatomy, config : as in `check_against_config`, which refuses another phase
    """
    if len(anatomy["phases"]) > 1:
        return config
    (phase,) = anatomy["phases"]
    centers = {name: center | {"mask_phase": phase} for name, center in _centers(config).items()}
    if config["samples"] is not None:
        return config | {"centers": centers}
    return config | {"simulator": config["simulator"] | {"centers": centers}}
