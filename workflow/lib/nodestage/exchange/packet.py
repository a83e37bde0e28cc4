"""A packet for a hospital whose images may not leave it.

`make packet STUDY=folder OUT=packet` (or `OUT=packet.zip`) puts together the frozen bundle, the
code that scores with it, an empty sample sheet and a commented config. Nothing in it comes from a
patient except the trained networks. There, `make score STUDY=../study` does the rest.
"""

import argparse
import os
import shutil
import sys
import tempfile
import zipfile
from collections import Counter
from pathlib import Path

from nodestage.cohort.clinical import own_columns
from nodestage.cohort.sheet import COLUMNS
from nodestage.core import files
from nodestage.core.errors import InputError, reports_input_errors
from nodestage.core.names import PHASES
from nodestage.exchange import bundle, wheelhouse
from nodestage.exchange.carried import Carried, carried
from nodestage.methods.fusion import published

REPOSITORY = Path(__file__).parents[4]
SHOWN = 10  # names of files in a list on the terminal
TIME = (1980, 1, 1, 0, 0, 0)  # of every file of a zip: equal packets are equal bytes

CONFIG = """\
# Your patients, scored by a frozen model. Everything that decides a score (networks, spacing,
# thresholds, methods, primary endpoint) comes from the bundle; this file cannot change it.
# nodestage/config/README.md explains every key. Check config, sheet and images: make check STUDY=../study

title: {title}

# The frozen model. Paths are relative to this folder.
bundle: ../bundle

# One row per patient; nodestage/docs/intake.md explains the columns. Required: patient, center and
# {phases}. `metastasis` (0 or 1, empty if unknown) shows how well the model does. Some methods
# and the tables use `ct_reported`, sex, age, stages, size and location.
samples: samples.tsv

centers:
  our_hospital: # the name that the sheet's column `center` has; it heads your report
    role: external
    # Added to every HU; only for files that lost their rescale intercept (then -1024).
    # hu_offset: 0
    # false: a patient with one phase is unscored, with a reason. true: that phase is used twice.
    # substitute_phase: false
{masks}
# The file to send back (results/returned/) has one row per patient, without code, date or image.
# false: only summaries of each method, which allow no paired test. Read it before you send it.
# packet: {{rows: true}}

# What each kind of job requests.
# jobs:
#   default: {{threads: 1, mem_mb: 2000, runtime: 30}}
#   predict: {{threads: 4, mem_mb: 16000, runtime: 120}}
"""

MASKS_ARE_GIVEN = """\
    # The model was made with {what} masks drawn by people: give yours in the sheet's column `{what}`.
"""
MASKS_ARE_PREDICTED = """\
    # Your own {what} masks instead of predicted ones, for every patient (the report says so):
    # {what}: {{source: given}}
"""
MASK_COLUMNS = """\
    # The phase on which masks were drawn, and how their ids translate into ours.
    # mask_phase: venous
    # label_system: {spleen: 1, pancreas: 7, ignore: others}
"""

README = """\
# A frozen model to test on your own patients

Your images stay where they are. {installs}

1. `cd nodestage`, then `make bundle BUNDLE=../bundle`, which checks that the model is the frozen one. The last line
   should read `SHA-256 of the manifest: {digest}`;
   ask the team that sent this for that number by another way.{methods}
2. Fill in `study/samples.tsv`, and name your hospital in `study/config.yaml`.
3. `make check STUDY=../study` lists every fault of the sheet and of the image headers.
4. `make score STUDY=../study` scores. Your report is `study/results/report/<your hospital>.html`, the scores are in
   `study/results/predictions/<method>/ensemble/`. Nothing is trained.
5. If you may, send back `study/results/returned/<your hospital>.tsv`, and nothing else. It is plain text: read it first.
   It holds status, scores and calls, or only summaries (`packet: {{rows: false}}` in `study/config.yaml`).

You need Linux and {needs}. `nodestage/docs/hospital.md` explains each step. For research. Not a medical device.
{weights}"""

CARDS = ("model_card.md", "model_card.html")

WEIGHTS = """
Some patient networks were trained from weights that others published ({names}). Those files are not in this packet; what was
learned from them is. Their terms: {terms}.
"""

WITHOUT_WHEELS = (
    "Nothing here connects to the internet, except that the first `make` installs software."
)
WITH_WHEELS = (
    "Nothing here connects to the internet: the first `make` installs software from `wheels/`."
)
METHODS = """
   `bundle/methods/` holds code that the team added ({names}): read it before you run it."""


def write(folder: str | Path, out: str | Path, wheels: bool = False) -> list[str]:
    """Put a packet together; lines on what it holds, and what of nodestage's folders it left out.

    Parameters
    ----------
    folder : the frozen bundle, a study's `results/bundle`
    out : a folder that isn't there yet, or a file `*.zip`
    wheels : whether all packages come along, for a hospital without internet and compiler

    Raises
    ------
    InputError where the bundle isn't whole, where `out` is there already, or where a package can't
    be had as a wheel
    """
    if not Path(folder, bundle.MANIFEST).is_file():
        raise InputError(
            f"There is no frozen model in {folder} yet: it is made at the end of `make run` "
            "(STUDY=folder for a study of yours). Run that first, or correct STUDY."
        )
    out = Path(out)
    if out.exists():
        raise InputError(f"{out.name} exists already. Name another file or folder, or delete it.")
    if not (REPOSITORY / "workflow/Snakefile").is_file():
        raise InputError(
            "The packet carries the whole of nodestage: call this from its repository."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".packet-") as temporary:
        packet = Path(temporary, out.stem if out.suffix == ".zip" else out.name)
        frozen, code = bundle.read(folder), carried(REPOSITORY)
        _fill(packet, frozen, code)
        installation = wheelhouse.collect(packet / wheelhouse.FOLDER) if wheels else ""
        _write_readme(packet, frozen, bool(wheels))
        if out.suffix == ".zip":
            _zip(packet, out)
        else:
            packet.rename(out)
    return _contents(frozen, code) + ([installation] if installation else [])


def _cards(frozen):
    """The model card, as Markdown and HTML, where the study made it; the manifest doesn't list it."""
    return [path for name in CARDS if (path := Path(frozen.folder, name)).is_file()]


def _contents(frozen: bundle.Frozen, code: Carried) -> list[str]:
    """What a packet holds, for whoever sends it."""
    tops = Counter(name.partition("/")[0] for name in code.files)
    of_code = ", ".join(
        name if name in code.files else f"{name}/ ({n})" for name, n in tops.items()
    )
    lines = [
        f"In bundle/: {len(frozen.digests)} files of the frozen model and its manifest.",
        *(
            f"In bundle/: {card.name}, the model card, with the results of this study."
            for card in _cards(frozen)
        ),
        f"In nodestage/: {len(code.files)} files of nodestage: {of_code}.",
        f"In config/: {', '.join(n.partition('/')[2] for n in code.files if n.startswith('config/'))}.",
        "In study/: an empty sheet and a config to fill in.",
    ]
    if code.changed:
        lines.append(f"Changed since the last commit: {', '.join(code.changed)}.")
    if code.left:
        more = f" … ({len(code.left)} in all)" if len(code.left) > SHOWN else ""
        lines.append(
            f"Left out, since they are links or not part of nodestage: {', '.join(code.left[:SHOWN])}{more}."
        )
    return lines


def _fill(packet, frozen, code):
    for file, digest in frozen.digests.items():
        bundle.check(Path(frozen.folder, file), file, digest)
        _copy(Path(frozen.folder, file), packet / "bundle" / file)
    manifest = Path(frozen.folder, bundle.MANIFEST)
    _copy(manifest, packet / "bundle" / bundle.MANIFEST)
    for card in _cards(frozen):
        _copy(card, packet / "bundle" / card.name)
    for name in code.files:
        _copy(REPOSITORY / name, packet / "nodestage" / name)
    phases = frozen.anatomy.get("phases", PHASES)
    texts = {
        "study/config.yaml": CONFIG.format(
            title="A frozen model, tried here",
            masks=_masks(frozen),
            phases=f"the {phases[0]} phase" if len(phases) == 1 else "the two phases",
        ),
        "study/samples.tsv": "\t".join(_columns(frozen)) + "\n",
    }
    for name, text in texts.items():
        files.write_text(packet / name, text)


def _columns(frozen):
    """Columns of the empty sheet: of the phases that the model takes, and clinical ones of its anatomy."""
    phases = frozen.anatomy.get("phases", PHASES)
    absent = {
        name for phase in PHASES if phase not in phases for name in (phase, f"{phase}_series")
    }
    kept = [column for column in COLUMNS if column not in {"organ_set", *absent}]
    return [*kept, *own_columns(frozen.anatomy.get("clinical", {}))]


def _write_readme(packet, frozen, wheels):
    manifest = Path(frozen.folder, bundle.MANIFEST)
    text = README.format(
        digest=files.digest(manifest),
        methods=_added_methods(frozen),
        weights=_pretrained(frozen),
        installs=WITH_WHEELS if wheels else WITHOUT_WHEELS,
        needs=f"Python {sys.version_info[0]}.{sys.version_info[1]}; no internet, no compiler"
        if wheels
        else "Python 3.11 and a C compiler",
    )
    files.write_text(packet / "README.md", text)


def _zip(packet, out):
    """The folder as one file. Weights hardly shrink, and deflating gigabytes takes minutes."""
    with files.whole(out) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for path in sorted(packet.rglob("*")):
            if path.is_file():
                name = path.relative_to(packet.parent).as_posix()
                entry = zipfile.ZipInfo(name, TIME)
                entry.external_attr = (0o755 if os.access(path, os.X_OK) else 0o644) << 16
                with (
                    open(path, "rb") as source,
                    archive.open(entry, "w", force_zip64=True) as target,
                ):
                    shutil.copyfileobj(source, target)


def _masks(frozen):
    lines = [
        (
            MASKS_ARE_GIVEN if frozen.settings[what]["source"] == "given" else MASKS_ARE_PREDICTED
        ).format(what=what)
        for what in ("organs", "tumor")
    ]
    return "".join([*lines, MASK_COLUMNS])


def _added_methods(frozen):
    added = [name for name, entry in frozen.settings["methods"].items() if "file" in entry]
    return METHODS.format(names=", ".join(added)) if added else ""


def _pretrained(frozen):
    """The packet's sentence on published weights from which a method's networks started."""
    weights = {}
    for name, entry in frozen.settings["methods"].items():
        start = (entry.get("settings") or {}).get("pretrained")
        if isinstance(start, dict) and start.get("sha256") and start.get("path") != "none":
            weights[name] = start["sha256"]
    terms = published.terms_of(weights)
    return WEIGHTS.format(names=", ".join(terms), terms="; ".join(terms.values())) if terms else ""


def _copy(source, target):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    if os.access(source, os.X_OK):
        target.chmod(0o755)


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Make a packet from the command line; the exit status."""
    parser = argparse.ArgumentParser(
        prog="make packet STUDY=folder OUT=folder-or-zip", description=__doc__
    )
    parser.add_argument("bundle", help="the study's results/bundle")
    parser.add_argument("out", help="a new folder, or a file *.zip")
    parser.add_argument("--wheels", action="store_true", help="all packages too (WHEELS=1)")
    options = parser.parse_args(arguments)
    contents = write(options.bundle, options.out, options.wheels)
    print("\n".join(contents))
    print(f"Wrote {options.out}. SHA-256 of the manifest, to be sent by another way:")
    print(files.digest(Path(options.bundle, bundle.MANIFEST)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
