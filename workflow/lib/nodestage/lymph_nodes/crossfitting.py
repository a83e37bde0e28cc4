"""Inner cross-fitting: which of a fold's networks learns from whom, and which measures whom.

Each part of a fold's training patients has an inner attention network that never saw it and that
measures it; the others are measured by the fold's own network. Segmentation and identification
share this.
"""

from typing import NamedTuple


class Measure(NamedTuple):
    """The network that measures a patient, and whether it learned from that patient."""

    network: str
    in_sample: bool


def learners(variants, train, validation, inner):
    """{network: (patients it learns from, patients it is chosen on)}, both sorted.

    Parameters
    ----------
    variants : names of the fold's own networks
    train, validation : patients who can teach, and who can judge
    inner : list of lists, disjoint parts of the training patients; `inner0` is the network that
        learns from all but the first part, and is chosen on nobody
    """
    found = {name: (sorted(train), sorted(validation)) for name in variants}
    for j, part in enumerate(inner):
        found[f"inner{j}"] = (sorted(set(train) - set(part)), [])
    return found


def measured_by(patient, subset, variant, inner):
    """Which network of a fold measures a patient without having learned from that patient.

    Validation, test and external patients are measured by the fold's own network of the variant.
    A training patient is measured by the inner attention network that left it out; by the main
    network, in-sample, when the fold has no inner networks; and by no other variant.

    Parameters
    ----------
    subset : train, validation, test or external
    variant : plain, attention, …
    inner : as `learners` takes it

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
