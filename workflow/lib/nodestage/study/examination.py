"""One examination as a study: a config, a bundle and a sheet with one row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from nodestage.cohort.clinical import CLINICAL, own_columns
from nodestage.cohort.dicom import phases
from nodestage.cohort.faults import about
from nodestage.cohort.sheet import COLUMNS
from nodestage.core import files, tables
from nodestage.core.errors import InputError
from nodestage.core.names import PHASES
from nodestage.exchange.bundle import Frozen
from nodestage.study.centers import SOURCES
from nodestage.study.folder import CONFIG, check_name

CENTER = "examination"
SHEET = "samples.tsv"
PATIENT = "examination"


@dataclass(frozen=True)
class Examination:
    """Images of one patient.

    Attributes
    ----------
    arterial, venous : NIfTI files or DICOM folders; "" where a phase is missing
    series : {arterial, venous: which series of the folder}, as in the sheet's columns
    masks : {organs, tumor: file}, drawn on the venous phase, for a bundle without networks for them
    columns : further columns of the sheet that a method may read: ct_reported, age, …
    patient : study code, the name of the files
    substitute : whether one phase may be used for both
    folder : a DICOM folder that holds every phase of the model, instead of `arterial` and `venous`
    """

    arterial: str = ""
    venous: str = ""
    series: Mapping[str, str] = field(default_factory=dict)
    masks: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    patient: str = PATIENT
    substitute: bool = False
    folder: str = ""


def in_folder(
    path: str | Path, series: Mapping[str, str] | None = None, needed: Sequence[str] = PHASES
) -> tuple[dict, list[str]]:
    """The phases of a model in a DICOM folder.

    Parameters
    ----------
    path : folder with the series; where one phase is needed also a file, which holds it
    series : {phase: series}; left out, of two phases the series acquired first is the arterial one, and of
        one phase it is the only CT series
    needed : the phases of the model, one or two

    Returns
    -------
    fields of an `Examination`, and sentences on what was decided

    Raises
    ------
    InputError where the folder is absent or isn't one, or the phase of a series isn't clear
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"CT: there is nothing at {path}. Correct the path.")
    named = {phase: text for phase, text in (series or {}).items() if text}
    sentences: list[str] = []
    if len(needed) == 1:
        if set(named) - set(needed):
            raise InputError(
                f"CT: this model needs the {needed[0]} phase alone. Name no other series than `{needed[0]}_series`."
            )
        if path.is_dir() and not named:
            with about("", "CT"):
                sentences = [phases.alone(str(path), needed[0])]
        return {needed[0]: str(path), "series": named}, sentences
    if not path.is_dir():
        raise InputError(
            f"CT: {path} is a file. Give the folder that holds the DICOM series of both phases, or two "
            "NIfTI files as `arterial` and `venous`."
        )
    if named and len(named) < len(PHASES):
        raise InputError(
            "CT: name the series of both phases, `arterial_series` and `venous_series`, or of neither."
        )
    if not named:
        with about("", "CT"):
            named, sentences = phases.by_time(str(path))
    return {"arterial": str(path), "venous": str(path), "series": named}, sentences


def located(examination: Examination, frozen: Frozen) -> tuple[Examination, list[str]]:
    """The examination with a file or folder for each phase, and sentences on what was decided.

    Raises `InputError` as `in_folder` does, or where a folder is given beside a phase.
    """
    if not examination.folder:
        return examination, []
    if examination.arterial or examination.venous:
        raise InputError(
            "Give one folder that holds every phase, or `arterial` and `venous`, not both."
        )
    fields, sentences = in_folder(examination.folder, examination.series, _phases(frozen))
    return replace(examination, folder="", **fields), sentences


def _phases(frozen):
    """The phases of a bundle's model."""
    return frozen.anatomy.get("phases", PHASES)


def check(examination: Examination, frozen: Frozen) -> None:
    """Raise `InputError` where a phase or a mask is missing that the bundle needs, or a column is unknown."""
    needed = _phases(frozen)
    absent = [phase for phase in needed if not getattr(examination, phase)]
    if absent and len(needed) == 1:
        raise InputError(
            f"This model needs the {needed[0]} phase alone. Give it as `{needed[0]}`: a NIfTI file or a DICOM folder."
        )
    if len(absent) == len(PHASES):
        raise InputError(
            "No image is named. Give the folder that holds both phases, or two NIfTI files as `arterial` "
            "and `venous`."
        )
    if absent and not (examination.substitute or frozen.settings.get("substitute_phase")):
        raise InputError(
            f"The {absent[0]} phase is missing, and this model needs both. Give `{absent[0]}`, or allow that the other "
            "phase is used in its place (--substitute-phase); the page then says so."
        )
    for mask in SOURCES:
        if not examination.masks.get(mask) and f"{mask}.pt" not in frozen.digests:
            raise InputError(
                f"The bundle has no network for {mask} masks: it was made with masks drawn by people. Give this "
                f"examination's as `{mask}`."
            )
    read = (*CLINICAL, *own_columns(frozen.anatomy.get("clinical", {})))
    unknown = sorted({*examination.columns} - {*read})
    if unknown:
        raise InputError(f"{unknown[0]} is no column that a method reads: {', '.join(read)}.")


def write(folder: str | Path, examination: Examination, bundle: str | Path) -> None:
    """Write the study of one examination; paths in it are absolute.

    Parameters
    ----------
    folder : made if absent
    examination : checked before (`check`)
    bundle : folder of the frozen bundle
    """
    folder = Path(folder)
    check_name(folder)
    folder.mkdir(parents=True, exist_ok=True)
    masks = {mask: path for mask, path in examination.masks.items() if path}
    center: dict = {"role": "external", **{mask: {"source": "given"} for mask in masks}}
    if examination.substitute:
        center["substitute_phase"] = True
    config = {
        "title": "One examination",
        "bundle": str(Path(bundle).resolve()),
        "samples": SHEET,
        "centers": {CENTER: center},
    }
    named = {phase: getattr(examination, phase) for phase in PHASES}
    row = {
        "patient": examination.patient,
        "center": CENTER,
        **{what: str(Path(path).resolve()) for what, path in {**named, **masks}.items() if path},
        **{f"{phase}_series": text for phase, text in examination.series.items()},
        **examination.columns,
    }
    files.write_text(folder / CONFIG, yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    added = [column for column in examination.columns if column not in COLUMNS]
    tables.write(folder / SHEET, [row], [*COLUMNS, *added])
