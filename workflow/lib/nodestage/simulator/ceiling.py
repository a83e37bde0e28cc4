"""The best that the paper's rule can reach: patients ranked by their largest positive node.

The oracle of `latents` weighs every cue of every node. The paper's rule (section IV-E) keeps one
number, the volume of the largest node called positive, and each false positive may be that node.
So its AUC stays below the oracle's even where all nodes are detected. By Monte Carlo over the laws of
the simulator, without an image.
"""

from dataclasses import dataclass, replace

import numpy as np

from nodestage.simulator import draws, latents


@dataclass(frozen=True)
class Detector:
    """How well nodes are detected and identified.

    Attributes
    ----------
    recall : share of the nodes that are detected, whatever their size
    false_positives : mean number per patient; Poisson, with the sizes and looks of negative nodes
    called_positive : share of the false positives that identification calls positive; None: as it
        calls negative nodes. A network that learned from drawn nodes alone never saw one
    sensitivity, specificity : of the identification of nodes. Both None: an ideal reader, who knows
        the laws of size and appearance and calls a node positive where they make it likelier (classes
        drawn equally often, as in training)
    """

    recall: float = 1.0
    false_positives: float = 0.0
    called_positive: float | None = None
    sensitivity: float | None = None
    specificity: float | None = None

    def __post_init__(self):
        if (self.sensitivity is None) != (self.specificity is None):
            raise ValueError("sensitivity and specificity go together: give both or neither")


IDEAL = Detector()


def auc(settings: dict, detector: Detector = IDEAL, patients: int = 20_000, seed: int = 0) -> float:
    """AUC of the largest positive volume, positive patients against negative ones.

    Parameters
    ----------
    settings : dict, the config's section `simulator`
    detector : what segmentation and identification reach
    patients : simulated patients of each class; 20,000 give a standard error of 0.003 at most
    seed : int

    Returns
    -------
    float; patients without a positive node have volume 0, and ties count as halves
    """
    random = draws.stream(seed, "ceiling")
    negative, positive = (
        np.sort(_largest(settings, detector, patients, status, random)) for status in (False, True)
    )
    below = np.searchsorted(negative, positive, "left")
    not_above = np.searchsorted(negative, positive, "right")
    return float((below + not_above).mean() / 2 / patients)


def _largest(settings, detector, patients, status, random):
    """Volume (patients,) in mm³ of the largest instance called positive, 0 without one."""
    laws = settings["nodes"]
    count = random.choice(latents.MAX_NODES + 1, patients, p=latents.count_law(laws))
    shown = np.zeros(patients, int)
    if status:
        for number in range(1, latents.MAX_NODES + 1):
            who = np.flatnonzero(count == number)
            law = np.clip(latents.positive_law(number, laws), 0, None)
            shown[who] = random.choice(number + 1, len(who), p=law / law.sum())
    index = np.arange(latents.MAX_NODES)
    present = index < count[:, None]
    nodes = _called(settings, detector, index < shown[:, None], random)
    nodes = nodes * (present & (random.random(present.shape) < detector.recall))
    number = random.poisson(detector.false_positives, patients)
    alarm = np.arange(number.max(initial=0)) < number[:, None]
    if detector.called_positive is not None:
        rate = detector.called_positive
        detector = replace(detector, sensitivity=rate, specificity=1 - rate)
    alarms = _called(settings, detector, np.zeros(alarm.shape, bool), random) * alarm
    return np.maximum(nodes.max(axis=1), alarms.max(axis=1, initial=0))


def _called(settings, detector, positive, random):
    """Volumes of instances, 0 where they are called negative; positive : bool (patients, instances)."""
    laws = settings["nodes"]
    shift, log_shift = latents.shifts(settings)
    size = random.normal(size=positive.shape) + log_shift * positive
    appearance = random.normal(size=positive.shape) + shift * positive
    if detector.sensitivity is None:
        called = latents.log_ratio(settings, size, appearance) > 0
    else:
        rate = np.where(positive, detector.sensitivity, 1 - detector.specificity)
        called = random.random(positive.shape) < rate
    middle, spread = draws.log_normal(laws["negative_volume_mm3"])
    volume = np.exp(middle + spread * size)
    return np.clip(volume, laws["min_volume_mm3"], laws["max_volume_mm3"]) * called
