"""Organs and vessels around the pancreas: one round of teacher and student (self-learning).

The discovery center annotated a few vessels only. A *teacher* learns 17 classes from the
auxiliary center, one phase at a time, and labels the discovery patients; the vessels
drawn there replace these pseudo labels, and the *student* learns all 19 classes
from both phases. Label numbers are those of `config/anatomy.yaml`.
"""

from nodestage.organs.evaluation import Case, evaluate, evaluate_networks, labels_in
from nodestage.organs.labels import clean, merge
from nodestage.organs.learning import (
    Training,
    open_model,
    predict,
    predict_phase,
    pseudo_labels,
    train_student,
    train_teacher,
)

__all__ = [
    "Case",
    "Training",
    "clean",
    "evaluate",
    "evaluate_networks",
    "labels_in",
    "merge",
    "open_model",
    "predict",
    "predict_phase",
    "pseudo_labels",
    "train_student",
    "train_teacher",
]
