"""nodestage: lymph-node status in pancreatic cancer from two-phase CT. For research. Not a medical device.

Two ways to use it:

  with a model that somebody sends you:   predict one examination, or score a sheet of patients
  with patients of your own:              begin a study, check it, run it, send its model to others

`nodestage COMMAND --help` explains a command. Each command is also one of `make` (make help).
"""

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from nodestage.core.errors import InputError, reports_input_errors
from nodestage.study.folder import CONFIG, REPOSITORY

Main = Callable[[argparse.Namespace], int]


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Run a command; the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    # Snakemake and its jobs find their programs beside this Python, wherever it was called from.
    os.environ["PATH"] = os.pathsep.join(
        [str(Path(sys.executable).parent), os.environ.get("PATH", "")]
    )
    try:
        arguments = _with_more(arguments)
    except ValueError as error:
        print(f"Error: ARGS can't be read ({error}): close its quotes.", file=sys.stderr)
        return 1
    if arguments[:1] == ["plan"]:  # reads its options itself
        from nodestage.study import plan

        return plan.main(arguments[1:])
    options = _parser().parse_args(arguments)
    if not (REPOSITORY / "workflow/Snakefile").is_file():
        raise InputError(
            "nodestage was installed without its workflow. Clone its repository, and install that: "
            "`pip install -e .` in the clone, or `make`."
        )
    return options.main(options)


def _with_more(arguments: list[str]) -> list[str]:
    """The arguments, with the words of `--more=…` (what `make` has in ARGS) right behind the command."""
    more = [a.removeprefix("--more=") for a in arguments if a.startswith("--more=")]
    others = [a for a in arguments if not a.startswith("--more=")]
    return [*others[:1], *(word for text in more for word in shlex.split(text)), *others[1:]]


def _new(options: argparse.Namespace) -> int:
    from nodestage.study import new

    return new.main([f"--preset={options.preset}", "--", options.folder])


def _check(options: argparse.Namespace) -> int:
    from nodestage.study import check

    bundle = [f"--bundle={options.bundle}"] if options.bundle else []
    return check.main([f"--preset={options.preset}", *bundle, "--", _config(options.study)])


def _run(options: argparse.Namespace) -> int:
    from nodestage.report import summary
    from nodestage.study import check

    if options.study and check.main(
        [f"--preset={options.preset}", "--no-images", "--", _config(options.study)]
    ):
        return 1
    code = _snakemake(options, [f"--preset={options.preset}"])
    if not code:
        summary.show(Path(options.study or ".", "results"))
    return code


def _quality(options: argparse.Namespace) -> int:
    for target in ("first_looks", "qualities"):
        code = _snakemake(options, [f"--preset={options.preset}"], target)
        if code:
            return code
    return 0


def _score(options: argparse.Namespace) -> int:
    from nodestage.exchange import bundle
    from nodestage.report import summary
    from nodestage.study import check

    named = [f"--bundle={options.bundle}"] if options.bundle else []
    code = bundle.main(
        [f"--study={options.study}", *(["--", options.bundle] if options.bundle else [])]
    ) or check.main([*named, "--no-images", "--", _config(options.study)])
    code = code or _snakemake(options, ["--score", *named])
    if not code:
        summary.show(Path(options.study, "results"))
    return code


def _packet(options: argparse.Namespace) -> int:
    from nodestage.exchange import packet

    wheels = ["--wheels"] if options.wheels else []
    return packet.main([*wheels, "--", str(Path(options.study, "results/bundle")), options.out])


def _bundle(options: argparse.Namespace) -> int:
    from nodestage.exchange import bundle

    return bundle.main(["--", options.folder])


def _predict(options: argparse.Namespace) -> int:
    from nodestage.predict import predict
    from nodestage.study import examination

    series = {phase: getattr(options, f"{phase}_series") for phase in ("arterial", "venous")}
    scans = examination.Examination(
        folder=options.ct,
        arterial=options.arterial,
        venous=options.venous,
        series={phase: text for phase, text in series.items() if text},
        masks={"organs": options.organs, "tumor": options.tumor},
        columns={"ct_reported": options.ct_reported} if options.ct_reported else {},
        patient=options.patient,
        substitute=options.substitute_phase,
    )
    record = predict(
        scans, options.bundle, options.out, options.cores, options.keep or None, _print
    )
    one = record["methods"][record["declared"]]
    call = {None: f"no call: {one['reason']}", 0: "negative", 1: "positive"}[one["call"]]
    chance = one["probability"]
    _print(f"Call: {call}" + ("" if chance is None else f", calibrated probability {chance:.2f}"))
    for flag in record["flags"]:
        _print(f"Check first: {flag}")
    _print(f"Page: {Path(options.out, options.patient)}.html; record: .json beside it.")
    return 0


def _export(options: argparse.Namespace) -> int:
    from nodestage.core import configs

    config = configs.read(_config(options.study))
    # With a bundle, a study takes its settings from there, as `score` does.
    how = ["--score"] if config.get("bundle") else [f"--preset={options.preset}"]
    form = options.format
    target = f"export/{options.patient}/{form}" if options.patient else f"all_{form}"
    code = _snakemake(options, how, target)
    if not code:
        _print(
            f"Written to {Path(options.study, 'export')}. The files carry the patient's name and number."
        )
    return code


def _snakemake(options, more: Sequence[str], *targets: str) -> int:
    from nodestage.study import run

    words = [f"--study={options.study}", f"--cores={options.cores}", f"--gpus={options.gpus}"]
    words += [f"--memory={options.memory or run.memory_of_machine()}"]
    words += [f"--more={options.snakemake}", *more]
    return run.main([*words, *targets])


def _config(study: str) -> str:
    return f"{study}/{CONFIG}"


def _print(line: str) -> None:
    print(line, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="nodestage",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, run: Main, short: str, more: str = "") -> argparse.ArgumentParser:
        one = commands.add_parser(
            name,
            help=short,
            description=f"{short}.\n\n{more}" if more else f"{short}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        one.set_defaults(main=run)
        return one

    _add_predict(add("predict", _predict, "score one examination with a model", PREDICT))
    score = add("score", _score, "score the patients of a sheet with a model", SCORE)
    score.add_argument("study", help="folder with config.yaml and samples.tsv, as a packet has it")
    score.add_argument("--bundle", default="", help="another model than the one config.yaml names")
    _add_machine(score)
    _add_export(add("export", _export, "write results as DICOM for your viewer or PACS", EXPORT))
    one = add("bundle", _bundle, "check that a model is complete and unchanged")
    one.add_argument("folder", help="the model: a folder with manifest.json")

    one = add("new", _new, "begin a study: a folder with a config and an empty sheet")
    one.add_argument("folder", help="made if absent; existing files stay")
    one.add_argument("--preset", default="", help="default: full size (config/paper.yaml)")
    one = add("check", _check, "list every fault of the sheet and the images, in minutes")
    one.add_argument("study", help="folder with config.yaml and the sheet")
    one.add_argument("--preset", default="", help="default: what the study's file `preset` names")
    one.add_argument("--bundle", default="", help="check for scoring with this model")
    run = add("run", _run, "run a study; without a folder the simulated one")
    run.add_argument("study", nargs="?", default="", help="folder with config.yaml and the sheet")
    run.add_argument("--preset", default="", help="default: what the study's file `preset` names")
    _add_machine(run)
    one = add("quality", _quality, "make the pages on the images, before the long part")
    one.add_argument("study", nargs="?", default="", help="folder with config.yaml and the sheet")
    one.add_argument("--preset", default="", help="default: what the study's file `preset` names")
    _add_machine(one)
    one = add("packet", _packet, "pack the model for a hospital that keeps its images")
    one.add_argument("out", help="a new folder, or a file *.zip")
    one.add_argument("--study", default=".", help="a finished study (default: the simulated one)")
    one.add_argument("--wheels", action="store_true", help="with all packages, for no internet")
    add("plan", lambda options: 0, "count the patients that an external validation needs")
    return parser


def _add_predict(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "ct",
        nargs="?",
        default="",
        help="DICOM folder with the series of both phases, or of the model's one",
    )
    add("--arterial", default="", help="arterial phase: NIfTI file or DICOM folder")
    add("--venous", default="", help="venous phase: NIfTI file or DICOM folder")
    for phase in ("arterial", "venous"):
        words = "series number of the phase, or '#2' for the second that the message lists"
        add(f"--{phase}-series", default="", help=words)
    add("--bundle", default="", help="the model: a folder with manifest.json")
    add("--out", default="prediction", help="folder of the page and the record (prediction)")
    add("--patient", default="examination", help="code for the page; no name, no hospital's number")
    add("--substitute-phase", action="store_true", help="use one phase for a missing other, too")
    add("--organs", default="", help="organ mask, for a model without a network for organs")
    add("--tumor", default="", help="tumor mask, likewise")
    add("--ct-reported", default="", choices=["0", "1"], help="nodes suspicious by the CT report")
    add("--cores", default="all", help="processor cores to use (all)")
    add("--keep", default="", help="folder in which all masks stay, for `nodestage export`")


def _add_export(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("study", help="folder of a finished study, or the one that `predict --keep` left")
    add("--format", required=True, choices=["seg", "sr", "keyimages"], help="see above")
    add("--patient", default="", help="one patient's code (default: all whose images are DICOM)")
    add("--preset", default="", help="default: what the study's file `preset` names")
    _add_machine(parser)


def _add_machine(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--cores", default="all", help="processor cores to use (all)")
    add("--gpus", default="1", help="GPUs that all jobs share (1)")
    add("--memory", default="", help="MB that all jobs may take (nine tenths of the machine's)")
    add("--snakemake", default="", help="more options for Snakemake, quoted as in a shell")


PREDICT = """\
  nodestage predict SCANS/0001 --bundle bundle --out prediction
  nodestage predict --arterial a.nii.gz --venous v.nii.gz --bundle bundle

The folder holds the two CT series of one examination, arterial and venous (portal venous)
phase; other series and images of other kinds may lie there too, if you name the two. It takes
minutes, without a GPU longer. A model of one phase needs that series alone. You get prediction/examination.html, which any browser opens, and the same as .json: score,
calibrated probability and its range over the model's folds, the call, the lymph nodes found, what
moved the score, flags on the images, and how far the examination is from those the model learned
from. Nothing leaves this computer. For research: do not decide on a patient's treatment by it."""

SCORE = """\
Fill in the sheet first (docs/hospital.md). You get a report in results/report/, and one text
file in results/returned/, which you may send back once you have read it."""

EXPORT = """\
  seg        DICOM segmentations: lymph nodes called positive and negative, tumor, organs, on the
             series that you gave, with coded names
  sr         a structured report (TID 1500): size and probability of each lymph node, the score
  keyimages  pictures with outlines (secondary capture), for a viewer that shows no segmentations

The files carry the patient's name and number as the series does. They lie in STUDY/export/, are
for your hospital alone, and are part of no packet and of no file that is sent back."""


if __name__ == "__main__":
    sys.exit(main())
