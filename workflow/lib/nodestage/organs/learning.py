"""Teacher and student networks of the organs: training and prediction.

A patient in the lists below is `(patient, {phase: image}, labels)`, with phases "arterial" and
"venous"; images and labels are paths (or Volumes) on the study grid.
"""

import numpy as np

from nodestage.core.errors import InputError
from nodestage.core.names import PHASES
from nodestage.nnunet import fitting
from nodestage.organs.labels import SHARE, clean

TEACHER_CLASSES = 17
STUDENT_CLASSES = 19


def train_teacher(
    patients, settings, *, seed, output, work, validation=(), classes=TEACHER_CLASSES, **how
):
    """Train the single-phase network of the auxiliary center.

    Every phase of a patient is a sample of its own, so that the network reads either.

    Parameters
    ----------
    patients, validation : lists of patients (see above); a patient may have one phase only
    settings : dict, as in `nnunet.plans.make_plans`
    seed : int
    output : file of the model
    work : scratch folder, deleted on success
    classes : labels 1..classes are learned
    how : `device`, `threads`, `choose`
    """
    return fitting.fit(
        "organs",
        _single_phases(patients),
        _single_phases(validation),
        ["CT"],
        classes,
        settings,
        seed=seed,
        output=output,
        work=work,
        label="organs, teacher",
        **how,
    )


def train_student(
    patients, validation, settings, *, seed, output, work, classes=STUDENT_CLASSES, **how
):
    """Train the two-phase network of the discovery center on merged labels.

    The epoch is chosen on `validation` where there is any (`choose="last"` takes the last).
    Other arguments as in `train_teacher`; every patient needs both phases.
    """
    how.setdefault("choose", "best" if validation else "last")
    return fitting.fit(
        "organs",
        _both_phases(patients),
        _both_phases(validation),
        list(PHASES),
        classes,
        settings,
        seed=seed,
        output=output,
        work=work,
        label="organs, student",
        **how,
    )


def open_model(path):
    """A trained teacher or student, ready to predict many patients."""
    return fitting.open_model(path)


def pseudo_labels(teacher, arterial, venous, spacing, **how):
    """What the teacher sees in both phases: the label of the highest mean probability.

    Parameters
    ----------
    teacher : from `open_model`
    arterial, venous : HU arrays (z, y, x) on one grid; one of them may be None
    spacing : (z, y, x), mm
    how : `threads`, `step_size`, `mirror`, `device`

    Returns
    -------
    uint8 label map (z, y, x)
    """
    phases = [phase for phase in (arterial, venous) if phase is not None]
    if not phases:
        raise ValueError("neither phase is given")
    total = sum(teacher.labels([phase], spacing, softmax=True, **how)[1] for phase in phases)
    return np.argmax(total, axis=0).astype(np.uint8)


def predict_phase(teacher, image, spacing, *, share=SHARE, **how):
    """The teacher's labels on one phase alone (rows of Table III), cleaned.

    image : HU (z, y, x); spacing and `how` as in `pseudo_labels`; share : see `labels.clean`
    """
    return clean(teacher.labels([image], spacing, **how), share)


def predict(student, arterial, venous, spacing, *, share=SHARE, **how):
    """The student's labels of one patient, with small pieces removed (`labels.clean`).

    Arguments as in `pseudo_labels`; both phases are needed.
    """
    return clean(student.labels([arterial, venous], spacing, **how), share)


def _single_phases(patients):
    samples = []
    for patient, images, labels in patients:
        given = [phase for phase in PHASES if images.get(phase) is not None]
        if not given:
            raise InputError(f"{patient}: has neither phase; give `arterial` or `venous`.")
        samples += [(f"{patient}_{phase}", [images[phase]], labels) for phase in given]
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
