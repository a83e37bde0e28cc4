"""Inner cross-fitting: which patients a fold's networks learn from, and which network measures which patient.

Each part of a fold's training patients is measured by an inner attention network that was trained
without it; all other patients by the fold's main network. Segmentation and identification
share this.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from nodestage.core.run import TrainingSet


class Measure(NamedTuple):
    """The network that measures a patient, and whether it learned from that patient."""

    network: str
    in_sample: bool


@dataclass(frozen=True)
class Fold:
    """The patients of one fold.

    Attributes
    ----------
    patients : {patient: {arterial, venous, map, lymph_nodes}}, paths of volumes on the study grid;
        `lymph_nodes` holds 0, 1 (negative), 2 (positive), or is empty where the patient was not
        annotated, who is then left out of every training set; `prepared`, if it is there, is the folder
        that `lymph_nodes.preparation.prepare` made of the four
    train, validation : patients
    inner : disjoint parts of `train`; empty without inner cross-fitting
    """

    patients: dict[str, dict[str, str | Path]]
    train: list[str]
    validation: list[str]
    inner: list[list[str]]

    @property
    def annotated(self) -> list[str]:
        """Training and validation patients with a mask of lymph nodes, sorted."""
        return sorted(p for p in {*self.train, *self.validation} if self.patients[p]["lymph_nodes"])

    def training_sets(self, variants: Iterable[str]) -> dict[str, TrainingSet]:
        """`training_sets` of the annotated patients."""
        train, validation = (
            [p for p in self.annotated if p in subset] for subset in (self.train, self.validation)
        )
        return training_sets(variants, train, validation, self.inner)


def training_sets(
    variants: Iterable[str],
    train: Iterable[str],
    validation: Iterable[str],
    inner: list[list[str]],
) -> dict[str, TrainingSet]:
    """{network: TrainingSet} of all networks of a fold.

    Parameters
    ----------
    variants : names of the fold's main networks
    train, validation : patients with annotations
    inner : disjoint parts of the training patients; `inner0` is the network that learns from all
        but the first part and keeps its last weights
    """
    sets = {name: TrainingSet(sorted(train), sorted(validation)) for name in variants}
    for j, part in enumerate(inner):
        sets[f"inner{j}"] = TrainingSet(sorted(set(train) - set(part)), [])
    return sets


def measured_by(patient: str, subset: str, variant: str, inner: list[list[str]]) -> Measure | None:
    """Which network of a fold measures a patient without having learned from that patient.

    Validation, test and external patients are measured by the fold's main network of the variant.
    A training patient is measured by the inner attention network that left it out; by the main
    network, in-sample, when the fold has no inner networks; and by no other variant.

    Parameters
    ----------
    subset : train, validation, test or external
    variant : plain, attention, …
    inner : as in `training_sets`

    Returns
    -------
    Measure, or None where no network may measure the patient
    """
    if subset != "train":
        return Measure(variant, False)
    if variant != "attention":
        return None
    if not inner:
        return Measure(variant, True)
    (part,) = (j for j, patients in enumerate(inner) if patient in patients)
    return Measure(f"inner{part}", False)
