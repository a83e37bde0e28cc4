"""One examination in, one page and one record out, by a frozen bundle.

    from nodestage.predict import predict
    record = predict("scans/0001", bundle="bundle", out="prediction", show=print)
    record["methods"][record["declared"]]["probability"]

The examination becomes a study of one patient in a temporary folder, on which the workflow runs as
`make score` runs it: the same rules on the same images give the same bytes. Nothing is trained.
For research. Not a medical device.
"""

import contextlib
import io
import re
import shutil
import tempfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nodestage.core import files
from nodestage.core.errors import InputError
from nodestage.exchange import bundle as bundles
from nodestage.report.patient_page import RECORD, REPORT
from nodestage.study import check as checks
from nodestage.study import examination, progress, run
from nodestage.study.examination import CENTER, Examination
from nodestage.study.folder import CONFIG, REPOSITORY

VIEWER = "-viewer"
"""End of the name of the folder in which the scan can be scrolled through; the patient's code stands before it."""

BUNDLES = (REPOSITORY / "results/bundle", REPOSITORY.parent / "bundle")
"""Where a bundle lies if none is named: that of the default study, and that of a packet."""


def predict(
    ct: str | Path | Examination,
    bundle: str | Path | None = None,
    out: str | Path = "prediction",
    cores: int | str = "all",
    keep: str | Path | None = None,
    show: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Score one examination: `{patient}.html`, `{patient}.json` and the folder `{patient}-viewer`.

    Parameters
    ----------
    ct : a DICOM folder that holds both phases (or the one of the model), or an `Examination`
    bundle : folder of a frozen bundle (default: of the default study, or that of the packet)
    out : folder of the page and the record; made if absent
    cores : for Snakemake
    keep : folder in which the study of this examination stays, with all masks; left out, it is
        temporary, made in `out`
    show : takes a line of progress; nothing is shown without it

    Returns
    -------
    The record, as `report.patient_record.record` describes it

    Raises
    ------
    InputError where the images, the bundle or their files can't be used, with what to do
    """
    show = show or (lambda line: None)
    folder = _bundle(bundle)
    frozen = bundles.read(folder)
    named = ct if isinstance(ct, Examination) else Examination(folder=str(ct))
    scans, sentences = examination.located(named, frozen)
    for sentence in sentences:
        show(sentence)
    examination.check(scans, frozen)
    out = Path(out)
    page, record = (out / f"{scans.patient}.{kind}" for kind in ("html", "json"))
    viewer = out / f"{scans.patient}{VIEWER}"
    present = [path for path in (page, record, viewer) if path.exists()]
    if present:
        raise InputError(
            f"{present[0]} exists already. Name another folder or another patient code, or remove it."
        )
    with _folder(out, keep) as study:
        examination.write(study, scans, folder)
        _check(study, scans.patient, show)
        _run(study, scans.patient, str(cores), show)
        _copy(study / "results", scans.patient, page, viewer)
        with files.whole(record) as temporary:
            shutil.copyfile(study / "results/patients" / scans.patient / RECORD, temporary)
    return files.read_json(record)


def _copy(results, patient, page, viewer):
    """The page, and the viewer beside it under a name of its own."""
    with files.whole_folder(viewer) as folder:
        hidden = shutil.ignore_patterns(".*")  # of Snakemake
        source = results / "report/viewer" / CENTER
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=hidden)
    text = (results / "patients" / patient / "page.html").read_text(encoding="utf-8")
    files.write_text(page, text.replace(f"{REPORT}viewer/{CENTER}/", f"{viewer.name}/"))


def _bundle(named):
    """The folder of the bundle, whose manifest is there."""
    folders = [Path(named)] if named else list(BUNDLES)
    for folder in folders:
        if (folder / bundles.MANIFEST).is_file():
            return folder
    if named:
        bundles.read(named)  # says what is missing
    raise InputError(
        "No bundle is named, and none lies in results/bundle or beside this clone. Give the folder of one: "
        "`results/bundle` of a finished study, or `bundle` of a packet."
    )


@contextlib.contextmanager
def _folder(out: Path, keep: str | Path | None) -> Iterator[Path]:
    """Where the study of one patient lies; a temporary one is removed, whatever happens."""
    try:
        if keep:
            Path(keep).mkdir(parents=True, exist_ok=True)
            yield Path(keep).resolve()
            return
        out.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{keep or out} is a file. Name a folder.") from error
    # In `out` rather than /tmp, which may be small, and need not be the hospital's own.
    with tempfile.TemporaryDirectory(dir=out, prefix=".examination-") as temporary:
        yield Path(temporary).resolve()


def _check(study, patient, show):
    """As `make bundle` and `make check`: every file of the bundle, sheet and image headers."""
    show("Checking model and images …")
    printed, wrong = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(wrong):
        failed = bundles.main(["--study", str(study)]) or checks.main([str(study / CONFIG)])
    if failed:
        raise InputError(_faults(wrong.getvalue(), patient))
    for line in _notes(printed.getvalue()):
        show(line)


def _faults(printed, patient):
    """The sentences of `make check` for somebody who wrote no sheet: without its rows and heads."""
    lines = [line.strip().removeprefix("Error: ") for line in printed.splitlines()]
    heads = re.compile(r"Folds and networks are checked|The sample sheet has|\d+ faults? in image")
    kept = [line for line in lines if line and not heads.match(line)]
    row = rf"( of)? ?row 2, patient {re.escape(patient)}(, )?"
    return "\n".join(re.sub(row, "", line) for line in kept)


HEADS = ("The bundle brings code:", "Intake leaves out or changes:", "Look at these:")


def _notes(printed):
    """What `make check` prints below its heads: what is changed of the images, what to look at."""
    lines, inside = [], False
    for line in printed.splitlines():
        inside = line in HEADS or (inside and line.startswith("  "))
        lines += [line] if inside else []
    return lines


def _run(study, patient, cores, show):
    fault = run.fault_of_disks(str(study))
    if fault:
        raise InputError(fault)
    options = Namespace(
        study=str(study),
        preset="",
        score=True,
        bundle="",
        cores=cores,
        gpus="1",
        memory=run.memory_of_machine(),
        more="",
        unlock=False,
        targets=[f"results/patients/{patient}/page.html"],
    )
    wrong = progress.run(run.words(options), show)
    if wrong:
        raise InputError("\n".join(wrong))
