"""The cues behind a patient, drawn before any image, and what an oracle makes of them.

Tumor and node cue are independent given the status. The oracle knows the laws and the draws, not
the pictures: no method that sees the pictures can do better in the long run.
"""

import math

from nodestage.simulator import draws

MAX_NODES = 10


def latent_draws(seed: int, row: dict, settings: dict) -> dict:
    """Status, cues and oracle scores of one patient.

    Parameters
    ----------
    seed : int
    row : dict, the patient's row of the sample sheet
    settings : dict, the config's section `simulator`

    Returns
    -------
    dict with `positive` (bool), `tumor_cue` (standard normal in negative patients, shifted by
    `tumor_effect` in positive ones), `nodes` (list of dicts with `positive`, `volume_mm3`,
    `appearance`) and `oracle` (log likelihood ratios `tumor`, `nodes`, `both`)
    """
    patient = row["patient"]
    random = draws.stream(seed, patient, "latents")
    unknown = random.random()
    if row["metastasis"]:
        positive = row["metastasis"] == "1"
    else:
        positive = unknown < settings["centers"][row["center"]]["prevalence"]
    effect = settings["tumor_effect"]
    tumor_cue = random.normal() + (effect if positive else 0.0)
    nodes = _nodes(positive, settings, draws.stream(seed, patient, "nodes"))
    tumor = effect * tumor_cue - effect**2 / 2
    node = _node_score(nodes, settings)
    return {
        "positive": positive,
        "tumor_cue": tumor_cue,
        "nodes": nodes,
        "oracle": {"tumor": tumor, "nodes": node, "both": tumor + node},
    }


def _nodes(positive, settings, random):
    """Nodes of one patient. Their number does not depend on the status: only what they are does."""
    laws = settings["nodes"]
    count = _pick(count_law(laws), random.random())
    shown = _pick(positive_law(count, laws), random.random())
    marks = [i < (shown if positive else 0) for i in range(count)]
    shift, log_shift = shifts(settings)
    middle, spread = draws.log_normal(laws["negative_volume_mm3"])
    nodes = []
    for mark in marks:
        size, appearance = random.normal(), random.normal()
        volume = math.exp(middle + spread * (size + (log_shift if mark else 0.0)))
        nodes.append(
            {
                "positive": mark,
                "size_cue": size + (log_shift if mark else 0.0),
                "appearance": appearance + (shift if mark else 0.0),
                "volume_mm3": min(max(volume, laws["min_volume_mm3"]), laws["max_volume_mm3"]),
                "missed": random.random() < laws["labels_miss"],
            }
        )
    return nodes


def shifts(settings: dict) -> tuple[float, float]:
    """Shift of appearance and of log volume (both in SD) between negative and positive nodes."""
    laws = settings["nodes"]
    negative, spread = draws.log_normal(laws["negative_volume_mm3"])
    positive, _ = draws.log_normal(laws["positive_volume_mm3"])
    effect = settings["node_effect"]
    # Sizes differ as printed from an effect of 0.5 on; below, they draw together with it.
    return effect, min(2 * effect, 1.0) * (positive - negative) / spread


def log_ratio(settings: dict, size, appearance):
    """Log likelihood ratio, positive against negative, of nodes with these cues (float or arrays)."""
    shift, log_shift = shifts(settings)
    return shift * appearance - shift**2 / 2 + log_shift * size - log_shift**2 / 2


def count_law(laws: dict) -> list[float]:
    """P(number of nodes) for 0 to 10: negative binomial with the set mean."""
    mean, shape = laws["mean_count"], 3.0
    p = shape / (shape + mean)
    law = [
        math.exp(math.lgamma(n + shape) - math.lgamma(shape) - math.lgamma(n + 1))
        * p**shape
        * (1 - p) ** n
        for n in range(MAX_NODES + 1)
    ]
    return [value / sum(law) for value in law]


def positive_law(count: int, laws: dict) -> list[float]:
    """P(number of positive nodes shown | number of nodes) in a positive patient.

    A set share of all positive patients shows none (those without any node among them); the
    others show 1 + Poisson, as far as there are nodes.
    """
    if count == 0:
        return [1.0]
    some = 1 - count_law(laws)[0]
    shown = min((1 - laws["none_shown"]) / some, 1.0)
    rate = laws["mean_positive"] - 1
    law = [1 - shown] + [
        shown * math.exp(-rate) * rate ** (k - 1) / math.factorial(k - 1) for k in range(1, count)
    ]
    return law + [1 - sum(law)]


def _node_score(nodes, settings):
    """Log likelihood ratio of the nodes seen without their labels.

    Sum over the number k of positive ones of P(k) times the mean, over all choices of k nodes, of
    the product of their likelihood ratios: an elementary symmetric polynomial over a binomial.
    """
    count = len(nodes)
    symmetric = [1.0] + [0.0] * count
    for node in nodes:
        ratio = math.exp(log_ratio(settings, node["size_cue"], node["appearance"]))
        for k in range(count, 0, -1):
            symmetric[k] += ratio * symmetric[k - 1]
    law = positive_law(count, settings["nodes"])
    ratio = sum(law[k] * symmetric[k] / math.comb(count, k) for k in range(count + 1))
    return round(
        math.log(ratio), 9
    )  # a rounding error must not become a cue, in a null study above all


def _pick(law, at):
    """The index whose part of a probability law covers `at`."""
    below = 0.0
    for index, share in enumerate(law):
        below += share
        if at < below:
            return index
    return len(law) - 1
