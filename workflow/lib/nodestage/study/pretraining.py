"""Which patient networks start from published weights: the section `weights` of the config.

`slices` holds for the networks on nine slices, `crop` for ResNet3D. A method's
`settings.pretrained` takes precedence over both.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from nodestage.core.errors import InputError
from nodestage.methods.fusion import published

METHODS = {
    "slices": ("resnet2d", "deepten", "tumor_net", "combined", "combined_candidates"),
    "crop": ("resnet3d",),
}
WIDTH = 64  # of the published ResNet-18
PUBLISHED = "published"


def applied(config: dict[str, Any]) -> dict[str, Any]:
    """The config whose methods have the weights of its section `weights` among their settings.

    A part that is null, or whose published file is not there (`missing`), changes nothing.

    Raises
    ------
    InputError where a network of another width than 64 would get weights
    """
    chosen = {part: _chosen(config, part) for part in METHODS}
    methods = dict(config["methods"])
    for part, name in _concerned(config):
        weights = chosen[part]
        if weights is None:
            continue
        entry = methods[name]
        settings = entry.get("settings") or {}
        width = settings.get("width", WIDTH)
        if width != WIDTH:
            raise InputError(
                f"methods.{name}: its network has a `width` of {width}, but pretrained weights are for "
                f"{WIDTH}. Set `width: {WIDTH}` under `methods.{name}.settings`, or `weights.{part}: null`."
            )
        methods[name] = entry | {"settings": settings | {"pretrained": weights}}
    return config | {"methods": methods}


def missing(config: Mapping[str, Any]) -> list[str]:
    """A sentence where the config asks for published weights that are not in their folder."""
    there = published.fetched()
    absent = [
        one
        for part, one in published.known().items()
        if _asked(config).get(part) == PUBLISHED
        and one.file not in there
        and any(part == wanted for wanted, _ in _concerned(config))
    ]
    if not absent:
        return []
    named = " and ".join(f"{one.file} ({one.what})" for one in absent)
    those = " and ".join(one.part for one in absent)
    return [
        f"Below the paper: networks from scratch. `weights` asks for {named}, not fetched yet. Run `make "
        f"weights`, or write null for {those} to train from scratch without this notice."
    ]


def check(config: dict[str, Any], base: str | Path = ".") -> None:
    """Raise `InputError` where weights can't be used: a file isn't there, a network is too narrow.

    base : folder from which the paths of the config start
    """
    applied(config)
    for part, weights in _asked(config).items():
        if isinstance(weights, Mapping) and not Path(base, weights["path"]).is_file():
            raise InputError(
                f"weights.{part}: its file is missing. Correct `path`, which starts from the study's "
                "folder, or write null to train from scratch."
            )


def from_scratch(config: Mapping[str, Any], full: Mapping[str, Any]) -> list[str]:
    """What is below the paper: networks without weights where `full` has them, in words."""
    known = published.known()
    scratch: dict[str, list[str]] = {}
    for part, name in _concerned(config, explicit=True):
        settings = config["methods"][name].get("settings") or {}
        if _asked(full).get(part) and not is_pretrained(settings):
            scratch.setdefault(part, []).append(name)
    return [
        f"{', '.join(names)}: from scratch (from weights of {known[part].what})"
        for part, names in scratch.items()
    ]


def is_pretrained(settings: Mapping[str, Any]) -> bool:
    """Whether a method's settings name weights; a bundle keeps their digest without the path."""
    weights = settings.get("pretrained")
    return (
        isinstance(weights, Mapping)
        and weights.get("path") not in (None, "none")
        and bool(weights.get("path") or weights.get("sha256"))
    )


def _asked(config: Mapping[str, Any]) -> Mapping[str, Any]:
    return config.get("weights") or {}  # a bundle may be older than this section


def _chosen(config, part):
    """{path, sha256} of a part's weights, or None."""
    asked = _asked(config).get(part)
    if asked != PUBLISHED:
        return dict(asked) if asked else None
    file = published.known()[part].file
    digest = published.fetched().get(file)
    return {"path": published.PREFIX + file, "sha256": digest} if digest else None


def _concerned(config: Mapping[str, Any], explicit: bool = False) -> Iterable[tuple[str, str]]:
    """(part, method) of the networks that are on; with `explicit` also those whose settings name weights."""
    for part, names in METHODS.items():
        for name in names:
            entry = config["methods"].get(name)
            if entry is None or "file" in entry:
                continue
            if explicit or not is_pretrained(entry.get("settings") or {}):
                yield part, name
