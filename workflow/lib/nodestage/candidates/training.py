"""A fold's forests over candidates, and the cuts that its validation patients choose."""

from dataclasses import dataclass

import numpy as np

from nodestage.candidates import forest, scanners
from nodestage.candidates.drawing import redrawn
from nodestage.candidates.prediction import NODE, POSITIVE, classify, inputs, name_of
from nodestage.core import logs, seeds, tables
from nodestage.lymph_nodes.appearance import boxes, densities, edge_widths, margin
from nodestage.metrics.instances import label_instances, matched_pairs

OTHER, NEGATIVE_NODE, POSITIVE_NODE = range(3)  # classes of a candidate
# Cuts of the probability of a positive node: few, for the validation patients are few, and a finer
# choice would follow their noise. Of equally good ones that nearest to the usual one is taken.
CUTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
USUAL = 0.1
NODE_CUTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
REDRAWN = 2  # masks drawn anew of each annotated node
RESCANNED = 4  # masks drawn anew that are measured on the scan as another scanner would show it
KEPT = 0.9  # share of the validation patients' detected nodes that must still be called nodes


def classes_of(instances: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """The class of each candidate, int (n,): not a node, negative node, positive node.

    A candidate is the annotated node that it matches one-to-one (IoU >= 0.3, as everywhere).

    instances : candidates, numbered from 1; annotated : 1 negative, 2 positive; both (z, y, x)
    """
    nodes = label_instances(annotated)
    classes = np.full(int(instances.max(initial=0)), OTHER)
    for node, candidate, _ in matched_pairs(nodes, instances):
        classes[candidate - 1] = int(annotated[nodes == node][0])
    return classes


def annotated_nodes(mask, arterial: np.ndarray, venous: np.ndarray, seed: int) -> list[dict]:
    """Densities and `class` of a patient's annotated nodes, under several outlines and scanners.

    The forest learns from them to classify what a network segments in any hospital: masks that are
    shifted, larger or smaller than a reader's (`REDRAWN`), in scans that are softer, thicker,
    noisier or of other HU than the training center's (`RESCANNED`).

    mask : Volume, 1 negative, 2 positive; arterial, venous : int16 (z, y, x), HU, on its grid;
    seed : of what is drawn
    """
    nodes = label_instances(mask.array)
    if not nodes.any():
        return []
    classes = {n: int(mask.array[nodes == n][0]) for n in range(1, int(nodes.max()) + 1)}
    random = np.random.default_rng(seed)
    images = {"arterial": arterial, "venous": venous}
    edges = edge_widths(images, mask.spacing)
    rows = [
        row | edges
        for drawn in (nodes, *(redrawn(nodes, random) for _ in range(REDRAWN)))
        for row in densities(drawn, images, mask.spacing)
    ]
    for _ in range(RESCANNED):
        rows += _rescanned(redrawn(nodes, random), images, mask.spacing, random)
    return [row | {"class": classes[row["instance"]]} for row in rows]


def _rescanned(nodes, images, spacing, random):
    """Densities of nodes, all as one other scanner shows them."""
    scanner = scanners.draw(random)
    edges = edge_widths(images, spacing, scanner.plane_mm)
    around = scanners.margin(spacing) + margin(spacing)
    rows = []
    for number, box in boxes(nodes, around):
        seen = {name: scanner.scan(image[box], spacing, random) for name, image in images.items()}
        rows += [
            row | edges for row in densities(nodes[box], seen, spacing) if row["instance"] == number
        ]
    return rows


@dataclass(frozen=True)
class FoldCandidates:
    """Candidates of a fold's patients.

    Attributes
    ----------
    train, validation : {patient: rows of its candidates}, from `prediction.joined`, with `class`
        (`classes_of`). Those of training patients must come from networks trained without them.
    annotated : {patient: rows of its annotated nodes}, from `annotated_nodes`, of the training
        patients
    parts : list of lists, disjoint parts of the training patients. The fusion learns from the
        forests' probabilities of training patients, so each part is classified by forests
        without it.
    metastasis : {patient: 0 or 1} of the validation patients, those without candidates too
    """

    train: dict[str, list[dict]]
    validation: dict[str, list[dict]]
    annotated: dict[str, list[dict]]
    parts: list[list[str]]
    metastasis: dict[str, int]


def train_fold(fold: FoldCandidates, seed: int, label: str = "candidates") -> dict:
    """Grow the forests of a fold and choose its cuts.

    What is a node is learned from the training patients' candidates; whether a node is positive
    from those that are nodes, and from the annotated nodes, which are more.

    Returns
    -------
    dict of plain values and tensors: `forests` {all, part0, …: {node, positive}}, `cut` and
    `node_cut` (of the probability of a positive node, and of a node), `note` where nothing could
    be learned
    """
    groups: dict[str, list[str]] = {name_of(None): []}
    groups |= {name_of(i): part for i, part in enumerate(fold.parts)}
    forests = {}
    for name, left_out in groups.items():
        patients = sorted(set(fold.train) - set(left_out))
        rows = [row for p in patients for row in fold.train[p]]
        nodes = [row for row in rows if row["class"] != OTHER]
        nodes += [row for p in patients for row in fold.annotated.get(p, [])]
        forest_seed = seeds.derived(seed, "candidates", name)
        forests[name] = {
            "node": forest.grow(
                inputs(rows, NODE), _classes(rows, lambda kind: kind != OTHER), 2, forest_seed
            ),
            # Of so few numbers each split sees all.
            "positive": forest.grow(
                inputs(nodes, POSITIVE),
                _classes(nodes, lambda kind: kind == POSITIVE_NODE),
                2,
                forest_seed,
                len(POSITIVE),
            ),
        }
    classes = np.array([row["class"] for rows in fold.train.values() for row in rows], np.int64)
    counts = np.bincount(classes, minlength=3).tolist()
    logs.say(
        f"{label}: {counts[POSITIVE_NODE]} positive and {counts[NEGATIVE_NODE]} negative nodes, "
        f"{counts[OTHER]} others among the candidates of {len(fold.train)} patients"
    )
    # The file goes to other hospitals: it names no patient.
    model = {"forests": forests, "cut": USUAL, "node_cut": NODE_CUTS[0], "note": ""}
    if len(classes) in (0, counts[OTHER]):
        model["note"] = "no candidate of the training patients is a node: nothing could be learned"
        logs.say(f"{label}: {model['note']}")
    probabilities = {patient: classify(model, rows) for patient, rows in fold.validation.items()}
    model["cut"] = choose_cut(fold.validation, probabilities, fold.metastasis)
    model["node_cut"] = choose_node_cut(fold.validation, probabilities)
    return model


def _classes(rows, belongs):
    return np.array([int(belongs(row["class"])) for row in rows], np.int64)


def choose_cut(candidates: dict, probabilities: dict, metastasis: dict) -> float:
    """The cut above which the largest candidate's volume orders patients best, of `CUTS`.

    Parameters
    ----------
    candidates, probabilities : {patient: rows}, and `prediction.classify` of these
    metastasis : {patient: 0 or 1}; a patient without candidates has volume 0
    """
    patients = sorted(metastasis)
    positive = np.array([metastasis[p] for p in patients]) == 1
    if positive.all() or not positive.any():
        return USUAL

    def auc(cut):
        largest = np.array(
            [_largest(candidates.get(p, []), probabilities.get(p, []), cut) for p in patients]
        )
        above = np.subtract.outer(largest[positive], largest[~positive])
        return round(float(np.mean((np.sign(above) + 1) / 2)), 9)

    return max(CUTS, key=lambda cut: (auc(cut), -abs(cut - USUAL)))


def choose_node_cut(candidates: dict, probabilities: dict) -> float:
    """The highest of `NODE_CUTS` that keeps `KEPT` of the detected nodes; parameters as `choose_cut`."""
    nodes = [
        probability["p_node"]
        for patient, rows in candidates.items()
        for row, probability in zip(rows, probabilities[patient], strict=True)
        if row["class"] != OTHER
    ]
    kept = [cut for cut in NODE_CUTS if nodes and np.mean(np.array(nodes) > cut) >= KEPT]
    return max(kept, default=NODE_CUTS[0])


def _largest(rows, probabilities, cut):
    """Volume in mm³ of the largest candidate above a cut, 0 without any."""
    above = [
        tables.number(row["volume_mm3"])
        for row, probability in zip(rows, probabilities, strict=True)
        if probability["p_node_positive"] > cut
    ]
    return max(above, default=0.0)
