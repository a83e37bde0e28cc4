"""Annotated patients as the lymph-node networks read them: each prepared once, for every fold.

Apart from the trainings: preparing takes neither nnU-Net's trainer nor a network.
"""

from pathlib import Path

import numpy as np

from nodestage.core import volumes
from nodestage.core.errors import InputError
from nodestage.nnunet import cases, cropping, plans

CHANNELS = ["arterial", "venous", "noNorm"]  # the map keeps its values


def prepare(patient: str, paths: dict, settings: dict, folder: str | Path) -> None:
    """Prepare one annotated patient for the networks of every fold, as nnU-Net reads patients.

    What is done to an image depends on the config alone, on no label, intensity or other patient.

    Parameters
    ----------
    patient : code, for messages and the files' names
    paths : `arterial`, `venous`, `map`, `lymph_nodes`: volumes on the study grid
    settings : as in `training.train_fold`; of its `network`, `spacing_mm` and `intensity` matter
    folder : for `training.train_fold`, as the patient's `prepared`
    """
    channels, labels, spacing = case(patient, paths)
    plan = plans.make_plans(
        "lymph_nodes", [labels.shape], spacing, CHANNELS, 1, settings["network"]
    )
    cases.prepared(patient, channels, labels, spacing, plan, folder)


def case(patient, paths):
    """Channels, labels and spacing of one patient, of the body alone, for `cases.preprocess`.

    Parameters
    ----------
    patient : code, for messages
    paths : `arterial`, `venous`, `map`, `lymph_nodes`: volumes on the study grid

    Returns
    -------
    list of three arrays (z, y, x); uint8 (z, y, x), 1 in a lymph node; mm (z, y, x)

    Raises
    ------
    InputError where they do not lie on one grid
    """
    mask = volumes.read(paths["lymph_nodes"])
    images = [volumes.read(paths[channel]) for channel in ("arterial", "venous", "map")]
    for channel, image in zip(("arterial", "venous", "map"), images, strict=True):
        if not volumes.same_grid(image, mask):
            raise InputError(
                f"{patient}: the `lymph_nodes` mask ({mask.array.shape} voxels) and the {channel} "
                f"volume ({image.array.shape}) do not lie on one grid. Both must come from "
                "the registration of this study."
            )
    labels = (mask.array > 0).astype(np.uint8)
    box = cropping.training_box([image.array for image in images[:2]], mask.spacing, labels)
    return [image.array[box] for image in images], labels[box], mask.spacing
