"""Teacher and student networks of the organs: training and prediction.

A patient in the lists below is `(patient, {phase: image}, labels)`, with phases "arterial" and
"venous"; images and labels are paths (or Volumes) on the study grid.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nodestage.core.errors import InputError
from nodestage.core.names import PHASES
from nodestage.core.run import Run
from nodestage.core.volumes import Vector
from nodestage.nnunet import cropping, fitting
from nodestage.organs.labels import SHARE, Share, clean

TEACHER_CLASSES = 17
STUDENT_CLASSES = 19
Patient = tuple[str, Mapping, object]


@dataclass(frozen=True)
class Training:
    """How a network is trained, and where it goes.

    Attributes
    ----------
    settings : as in `nnunet.plans.make_plans`
    seed : of all random numbers
    output : file of the model
    work : scratch folder, deleted on success
    classes : labels 1..classes are learned; None: all of the network's (17 or 19)
    shown : {patient: labels that the mask shows}; None: every mask shows all of them
    """

    settings: dict
    seed: int
    output: str | Path
    work: str | Path
    classes: int | None = None
    shown: Mapping[str, Collection[int]] | None = None


def train_teacher(
    patients: Sequence[Patient],
    training: Training,
    *,
    validation: Sequence[Patient] = (),
    **options,
) -> dict:
    """Train the single-phase network of the auxiliary center.

    Every phase of a patient is a separate sample, so that the network can read either.

    Parameters
    ----------
    patients, validation : lists of patients (see above); a patient may have one phase only
    training : settings, seed and files
    options : `device`, `threads`, `choose`, as in `nnunet.fitting.fit`

    Returns
    -------
    the model, as `nnunet.fitting.fit` gives it
    """
    samples = (_single_phases(patients), _single_phases(validation))
    return _fit(samples, ["CT"], training, TEACHER_CLASSES, "teacher", **options)


def train_student(
    patients: Sequence[Patient],
    validation: Sequence[Patient],
    training: Training,
    **options,
) -> dict:
    """Train the two-phase network of the discovery center on merged labels.

    The epoch is chosen on `validation` where there is any (`choose="last"` takes the last).
    Other arguments as in `train_teacher`; every patient needs both phases.
    """
    options.setdefault("choose", "best" if validation else "last")
    samples = (_both_phases(patients), _both_phases(validation))
    channels = list(PHASES)
    return _fit(samples, channels, training, STUDENT_CLASSES, "student", **options)


def _fit(samples, channels, training, classes, name, **options):
    labels = classes if training.classes is None else training.classes
    shown = training.shown and {
        code: training.shown[patient]
        for patient in training.shown
        for code in (patient, *(f"{patient}_{phase}" for phase in PHASES))
    }
    task = fitting.Task("organs", channels, labels, training.settings, f"organs.{name}", shown)
    run = Run(
        training.seed,
        training.output,
        training.work,
        f"organs, {name}",
        options.pop("threads", 1),
        options.pop("device", None),
    )
    return fitting.fit(task, *samples, run, **options)


def open_model(path: str | Path):
    """A trained teacher or student, ready to predict many patients."""
    return fitting.open_model(path)


def pseudo_labels(
    teacher,
    arterial: np.ndarray | None,
    venous: np.ndarray | None,
    spacing: Vector,
    **options,
) -> np.ndarray:
    """The teacher's labels from both phases: the label of the highest mean probability.

    Parameters
    ----------
    teacher : from `open_model`
    arterial, venous : HU arrays (z, y, x) on one grid; one of them may be None
    spacing : (z, y, x), mm
    options : `threads`, `step_size`, `mirror`, `device`

    Returns
    -------
    uint8 label map (z, y, x)
    """
    phases = [phase for phase in (arterial, venous) if phase is not None]
    if not phases:
        raise ValueError("both phases are missing")
    if len(phases) == 2 and np.array_equal(phases[0], phases[1]):
        phases = phases[
            :1
        ]  # one phase stands for both: doubled probabilities have the same maximum
    shape, box = phases[0].shape, teacher.box(phases, spacing)
    # All classes of two phases fill the memory at full size: no more than two such arrays at once.
    total = None
    for phase in phases:
        probabilities = teacher.labels([phase[box]], spacing, softmax=True, **options)[1]
        total = probabilities if total is None else np.add(total, probabilities, out=total)
    return cropping.restored(fitting.highest(total), box, shape)


def predict_phase(
    teacher, image: np.ndarray, spacing: Vector, *, share: Share = SHARE, **options
) -> np.ndarray:
    """The teacher's labels on one phase alone (rows of Table III), cleaned.

    image : HU (z, y, x); spacing and `options` as in `pseudo_labels`; share : see `labels.clean`
    """
    return clean(teacher.labels([image], spacing, **options), share)


def predict(
    student,
    arterial: np.ndarray,
    venous: np.ndarray,
    spacing: Vector,
    *,
    share: Share = SHARE,
    **options,
) -> np.ndarray:
    """The student's labels of one patient, with small pieces removed (`labels.clean`).

    Arguments as in `pseudo_labels`; both phases are needed.
    """
    return clean(student.labels([arterial, venous], spacing, **options), share)


def _single_phases(patients):
    samples = []
    for patient, images, labels in patients:
        present = [phase for phase in PHASES if images.get(phase) is not None]
        if not present:
            raise InputError(f"{patient}: has neither phase; give `arterial` or `venous`.")
        samples += [(f"{patient}_{phase}", [images[phase]], labels) for phase in present]
    return samples


def _both_phases(patients):
    samples = []
    for patient, images, labels in patients:
        missing = [phase for phase in PHASES if images.get(phase) is None]
        if missing:
            raise InputError(
                f"{patient}: `{missing[0]}` is missing, but the organs' network learns from both "
                "phases. Add it, leave `organ_set` empty for this patient, or set `substitute_phase`."
            )
        samples.append((patient, [images[phase] for phase in PHASES], labels))
    return samples
