"""A frozen bundle as a hospital receives it: whether it is whole, and which settings it decides.

`python -m nodestage.exchange.bundle folder` compares every file with the manifest. That shows a file
that was damaged or replaced on the way, not who made the bundle: whoever can write a file can write
a manifest too. Compare the manifest's own digest with the one that the coordinating team gives you.
"""

import argparse
import json
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

import nodestage
from nodestage.core import configs, files
from nodestage.core.errors import InputError, reports_input_errors

MANIFEST = "manifest.json"
PARTS = ("nodestage", "code", "sha256", "settings")
NAME = re.compile(r"(fold[0-9]{1,3}/|methods/)?[A-Za-z0-9_]+\.(pt|json|py)")
# What the manifest holds beyond the keys of a config.
BESIDE = ("anatomy", "simulated")
# Settings of the config that a bundle takes over as they are. Everything else is the hospital's:
# who its patients are, what it sends back, how its jobs run.
BUNDLED = (
    "seed",
    "spacing_mm",
    "registration",
    "substitute_phase",
    "attention",
    "lymph_nodes",
    "identification",
    "radiomics",
    "statistics",
)
SECTIONS = (
    "registration", "attention", "lymph_nodes", "identification", "statistics", "organs", "tumor", "methods",
    "folds", "anatomy",
)  # fmt: skip
MAX_FOLDS = 100
MAY_SET = (*BUNDLED, "organs", "tumor", "methods", "folds", *BESIDE)


@dataclass
class Frozen:
    """An opened bundle.

    Attributes
    ----------
    folder : where it lies
    digests : {file: SHA-256}
    settings : sections of the config that it decides, from spacing to the declared endpoint
    anatomy : dict as `config/anatomy.yaml` has it
    simulated : whether its models learned from simulated patients
    code : {script: digest} of the code that it was frozen with
    changed : scoring steps whose code here is not that of the freezing
    warnings : sentences for the report
    """

    folder: str
    digests: dict
    settings: dict
    anatomy: dict
    simulated: bool
    code: dict
    changed: list = field(default_factory=list)
    warnings: list = field(default_factory=list)

    @property
    def added(self) -> dict[str, str]:
        """{method: sentence} of the methods whose code comes with the bundle, and runs here."""
        sentences = {}
        for name, settings in self.settings["methods"].items():
            if "file" in settings:
                file = f"methods/{Path(settings['file']).name}"
                sentences[name] = (
                    f"The method {name} is code that came with the bundle and runs at this hospital: {file}, SHA-256 "
                    f"{self.digests.get(file)}. It is not part of nodestage: read it, and compare the digest with the "
                    "one that the coordinating team gives."
                )
        return sentences

    def __post_init__(self):
        if self.simulated:
            self.warnings.append(
                "The frozen models learned from simulated patients: no score here says anything "
                "about a real patient."
            )

    def settings_over(self, config: dict) -> dict:
        """What replaces sections of a hospital's config: the bundle's, but for how that hospital's readers rate."""
        readers = (config.get("statistics") or {}).get("readers")
        return self.settings | {"statistics": {**self.settings["statistics"], "readers": readers}}

    def compare_code(self, here: dict[str, str]) -> None:
        """Record for the report which scoring steps differ from the code that the models were frozen with."""
        self.changed = sorted(step for step in self.code if here.get(step) != self.code[step])
        if self.changed:
            steps = ", ".join(self.changed)
            self.warnings.append(
                f"The code here differs from the code that the models were frozen with ({steps}): "
                "scores may differ from those that the coordinating team would get."
            )

    def check_sources(self, sources: dict[str, dict[str, str]]) -> None:
        """Raise `InputError` for predicted masks whose network is not in the bundle.

        Parameters
        ----------
        sources : {center: {organs, tumor: given|predicted}}
        """
        for center, chosen in sources.items():
            for what, source in chosen.items():
                if source == "predicted" and f"{what}.pt" not in self.digests:
                    raise InputError(
                        f"center {center}: its {what} masks can't be predicted, since the bundle has no "
                        f"network for them. Give the masks in the sheet, and leave out `{what}` here."
                    )


def opened(folder: str | Path | None) -> Frozen | None:
    """The bundle that a config names; None where it names none."""
    return read(folder) if folder else None


def read(folder: str | Path) -> Frozen:
    """The bundle in `folder`, with its manifest read and every file there.

    The text of methods that a user added is checked against its digest at once, since it is run.
    Models hold no code, and are checked by the job that unpacks each.
    """
    manifest = _manifest(folder)
    digests, settings = manifest["sha256"], dict(manifest["settings"])
    odd = sorted(file for file in digests if not NAME.fullmatch(file))
    if odd:
        raise InputError(
            f"bundle, {MANIFEST}: {odd[0]!r} is not a file of a bundle. Ask for it again."
        )
    missing = [file for file in digests if not Path(folder, file).is_file()]
    if missing:
        raise InputError(
            f"bundle: {len(missing)} of {len(digests)} files are missing ({', '.join(missing[:5])}). "
            "Copy it again, whole."
        )
    _check_folds(digests, settings)
    for name, method in settings["methods"].items():
        if "file" in method:
            if method["file"] not in digests:
                raise InputError(
                    f"bundle, {MANIFEST}: the file of the method {name} is not among the bundle's. Ask for it again."
                )
            check(Path(folder, method["file"]), method["file"], digests.get(method["file"]))
            method["file"] = str(Path(folder, method["file"]))
    beside = {key: settings.pop(key) for key in BESIDE}
    return Frozen(str(folder), digests, settings, code=manifest["code"], **beside)


def _check_folds(digests, settings):
    """Raise `InputError` unless every fold has the same files: a list that was cut would score with fewer models."""
    folds: dict[str, set] = {f"fold{k}": set() for k in range(settings["folds"]["n"])}
    for file in digests:
        folder, _, name = file.rpartition("/")
        if folder.startswith("fold"):
            folds.setdefault(folder, set()).add(name)
    every = set().union(*folds.values())
    lacking = [f"{fold}/{name}" for fold, names in folds.items() for name in sorted(every - names)]
    if lacking or len(folds) != settings["folds"]["n"]:
        what = f"lacks {lacking[0]}" if lacking else f"lists {len(folds)} folds"
        raise InputError(
            f"bundle: {MANIFEST} {what}, but the model has {settings['folds']['n']} folds with the same files. Copy it again; "
            "if that doesn't help, ask the coordinating team."
        )


def check(path: str | Path, name: str, digest: str | None) -> None:
    """Raise `InputError` unless the file at `path` has this SHA-256."""
    if files.digest(path) != digest:
        raise InputError(
            f"bundle: {name} is not the file that was frozen (its SHA-256 is not the manifest's). "
            "Copy it again; if that doesn't help, ask the coordinating team."
        )


def _manifest(folder):
    path = Path(folder, MANIFEST)
    if not path.is_file():
        raise InputError(
            f"bundle: there is no {MANIFEST} in the folder. Name the folder that holds it "
            "(`bundle` in config.yaml starts from the study's folder)."
        )
    try:
        files.check_regular(path, MANIFEST)
        text = path.read_bytes().decode("utf-8")
        manifest = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"bundle: {MANIFEST} can't be read ({type(error).__name__}: {str(error)[:200]}). Copy it again."
        ) from error
    if not isinstance(manifest, dict):
        raise InputError(f"bundle: {MANIFEST} is not that of a bundle. Copy it again.")
    absent = [part for part in PARTS if part not in manifest]
    version = manifest.get("nodestage", "unknown")
    if absent or version != nodestage.__version__:
        raise InputError(
            f"bundle: it was frozen with nodestage {version}, and this is {nodestage.__version__}"
            + (f" (its {MANIFEST} lacks {', '.join(absent)})" if absent else "")
            + ". Score with the code that came with it."
        )
    _check_form(manifest)
    return manifest


def _without_doubles(pairs):
    """A JSON object as a dict; `ValueError` where a key stands twice, of which one would be lost."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return dict(pairs)


def _check_form(manifest):
    """Raise `InputError` unless the parts of a manifest have their usual form."""

    def texts(part):
        return isinstance(part, dict) and all(isinstance(value, str) for value in part.values())

    settings = manifest["settings"]
    wrong = [part for part in ("code", "sha256") if not texts(manifest[part])]
    if not isinstance(settings, dict):
        wrong.append("settings")
    else:
        methods = settings.get("methods")
        if not isinstance(methods, dict) or not all(isinstance(m, dict) for m in methods.values()):
            wrong.append("settings.methods")
        elif not all(isinstance(m.get("file", ""), str) for m in methods.values()):
            wrong.append("settings.methods (file)")
        forms = dict.fromkeys(SECTIONS, dict) | {"seed": int, "simulated": bool}
        wrong += [
            f"settings.{key}"
            for key, form in forms.items()
            if not isinstance(settings.get(key), form) and key != "methods"
        ]
        folds = settings.get("folds")
        if isinstance(folds, dict) and not (
            isinstance(folds.get("n"), int) and 1 <= folds["n"] <= MAX_FOLDS
        ):
            wrong.append("settings.folds.n")
        beyond = sorted(set(settings) - set(MAY_SET))
        if beyond:
            raise InputError(
                f"bundle: {MANIFEST} would set {', '.join(beyond)}, which is this hospital's to decide. Don't use it; ask "
                "the coordinating team for the bundle as it was frozen."
            )
    if wrong:
        raise InputError(
            f"bundle: {MANIFEST} has another form than a bundle's ({', '.join(wrong)}). Copy it again; if that "
            "doesn't help, ask the coordinating team."
        )


def _named(study):
    """The bundle that a study's config names."""
    if not study:
        raise InputError("Name a bundle: its folder, or --study and a study's folder.")
    config = configs.read(Path(study, "config.yaml"))
    if not config.get("bundle"):
        raise InputError("config.yaml of the study names no `bundle`: give its folder there.")
    return Path(study, config["bundle"])


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Check a bundle from the command line; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m nodestage.exchange.bundle", description=__doc__
    )
    parser.add_argument(
        "folder", nargs="?", help="the bundle; left out: the one that --study names"
    )
    parser.add_argument("--study", help="folder of a study whose config.yaml names a bundle")
    options = parser.parse_args(arguments)
    folder = options.folder or _named(options.study)
    frozen = read(folder)
    for file, digest in frozen.digests.items():
        check(Path(folder, file), file, digest)
    print(f"{len(frozen.digests)} files are as they were frozen.")
    for sentence in frozen.added.values():
        print(sentence)
    print(f"SHA-256 of the manifest: {files.digest(Path(folder, MANIFEST))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
