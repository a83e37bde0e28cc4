"""A simulated patient as files."""

from pathlib import Path

import numpy as np
import SimpleITK as sitk

from nodestage.core import files, volumes
from nodestage.core.names import PHASES
from nodestage.simulator.patient import Patient

_ROLES = ("organs", "tumor", "nodes", "confounders")


def write(patient: Patient, images: str | Path, annotations: str | Path, truth: str | Path) -> None:
    """Write one patient.

    Parameters
    ----------
    patient : Patient
    images, annotations, truth : folders of this patient: `images` gets `arterial.nii.gz` and
        `venous.nii.gz`; `annotations` gets `organs.nii.gz`, `tumor.nii.gz` and
        `lymph_nodes.nii.gz`, whether or not the sheet names them; `truth`, which only evaluation
        may read, gets a map of each role and phase, `field.nii.gz` and `truth.json`
    """
    for phase in PHASES:
        volumes.write_volume(Path(images) / f"{phase}.nii.gz", getattr(patient, phase))
    for role in ("organs", "tumor", "lymph_nodes"):
        volumes.write_volume(Path(annotations) / f"{role}.nii.gz", getattr(patient, role))
    for role in _ROLES:
        for phase in PHASES:
            volumes.write_volume(Path(truth) / f"{role}_{phase}.nii.gz", patient.truth[role][phase])
    _write_field(Path(truth) / "field.nii.gz", patient.truth["field"], patient.venous)
    files.write_json(Path(truth) / "truth.json", patient.truth["record"])


def read(folder: str | Path) -> dict:
    """The truth of one patient as `Patient.truth` holds it."""
    folder = Path(folder)
    truth: dict = {
        role: {phase: volumes.read(folder / f"{role}_{phase}.nii.gz") for phase in PHASES}
        for role in _ROLES
    }
    vectors = sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "field.nii.gz")))
    truth["field"] = np.ascontiguousarray(vectors[..., ::-1])
    truth["record"] = files.read_json(folder / "truth.json")
    return truth


def _write_field(path, field, like):
    """As ITK's displacement field: vectors (x, y, z) in mm, to 1/64 mm, so that they pack well."""
    vectors = np.ascontiguousarray(np.rint(field[..., ::-1] * 64) / 64, dtype=np.float32)
    image = sitk.GetImageFromArray(vectors, isVector=True)
    image.SetSpacing([float(s) for s in reversed(like.spacing)])
    image.SetOrigin([float(o) for o in like.origin])
    with files.whole(path) as temporary:
        volumes.write_image(temporary, image)
