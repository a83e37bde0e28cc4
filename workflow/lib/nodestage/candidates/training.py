"""A fold's forests over candidates, and the cuts that its validation patients choose."""

import zlib

import numpy as np

from nodestage.candidates import forest
from nodestage.candidates.prediction import NODE, POSITIVE, classify, inputs, name_of
from nodestage.core import logs, tables
from nodestage.lymph_nodes.appearance import densities
from nodestage.metrics.instances import label_instances, matched_pairs

OTHER, NEGATIVE_NODE, POSITIVE_NODE = range(3)  # classes of a candidate
# Cuts of the probability of a positive node: few, for the validation patients are few, and a finer
# choice would follow their noise. Of equally good ones that nearest to the usual one is taken.
CUTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
USUAL = 0.1
NODE_CUTS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
KEPT = 0.9  # share of the validation patients' found nodes that must still be called nodes


def classes_of(instances: np.ndarray, annotated: np.ndarray) -> np.ndarray:
    """The class of each candidate, int (n,): not a node, negative node, positive node.

    A candidate is the annotated node that it matches one-to-one (IoU >= 0.3, as everywhere).

    instances : candidates, numbered from 1; annotated : 1 negative, 2 positive; both (z, y, x)
    """
    nodes = label_instances(annotated)
    found = np.full(int(instances.max(initial=0)), OTHER)
    for node, candidate, _ in matched_pairs(nodes, instances):
        found[candidate - 1] = int(annotated[nodes == node][0])
    return found


def annotated_nodes(mask, arterial: np.ndarray, venous: np.ndarray) -> list[dict]:
    """Densities and `class` of a patient's annotated nodes.

    mask : Volume, 1 negative, 2 positive; arterial, venous : int16 (z, y, x), HU, on its grid
    """
    nodes = label_instances(mask.array)
    rows = densities(nodes, {"arterial": arterial, "venous": venous}, mask.spacing)
    return [row | {"class": int(mask.array[nodes == row["instance"]][0])} for row in rows]


def train_fold(
    train: dict,
    validation: dict,
    annotated: dict,
    parts: list,
    metastasis: dict,
    seed: int,
    label: str = "candidates",
) -> dict:
    """Grow the forests of a fold and choose its cuts.

    What is a node is learned from the training patients' candidates; whether a node is positive
    from those that are nodes, and from the annotated nodes themselves, which are more.

    Parameters
    ----------
    train, validation : {patient: rows of its candidates}, from `prediction.joined`, with `class`
        (`classes_of`). Those of training patients must come from networks that never saw them.
    annotated : {patient: rows of its annotated nodes}, from `appearance.densities` with `class`,
        of the training patients
    parts : list of lists, disjoint parts of the training patients. The fusion learns from what
        forests say of training patients, so each part is classified by forests without it.
    metastasis : {patient: 0 or 1} of the validation patients, those without candidates too
    seed : int

    Returns
    -------
    dict of plain values and tensors: `forests` {all, part0, …: {node, positive}}, `cut` and
    `node_cut` (of the probability of a positive node, and of a node), `note` where nothing could
    be learned
    """
    groups = {name_of(None): []} | {name_of(i): part for i, part in enumerate(parts)}
    forests = {}
    for name, left_out in groups.items():
        patients = sorted(set(train) - set(left_out))
        rows = [row for p in patients for row in train[p]]
        nodes = [row for row in rows if row["class"] != OTHER]
        nodes += [row for p in patients for row in annotated.get(p, [])]
        own_seed = zlib.crc32(f"{seed} candidates {name}".encode())
        forests[name] = {
            "node": _grown(rows, NODE, lambda kind: kind != OTHER, own_seed),
            "positive": _grown(nodes, POSITIVE, lambda kind: kind == POSITIVE_NODE, own_seed),
        }
    classes = np.array([row["class"] for rows in train.values() for row in rows], np.int64)
    counts = np.bincount(classes, minlength=3).tolist()
    logs.say(
        f"{label}: {counts[POSITIVE_NODE]} positive and {counts[NEGATIVE_NODE]} negative nodes, "
        f"{counts[OTHER]} others among the candidates of {len(train)} patients"
    )
    # The file goes to other hospitals: it names no patient.
    model = {"forests": forests, "cut": USUAL, "node_cut": NODE_CUTS[0], "note": ""}
    if len(classes) in (0, counts[OTHER]):
        model["note"] = "no candidate of the training patients is a node: nothing could be learned"
        logs.say(f"{label}: {model['note']}")
    said = {patient: classify(model, rows) for patient, rows in validation.items()}
    model["cut"] = choose_cut(validation, said, metastasis)
    model["node_cut"] = choose_node_cut(validation, said)
    return model


def _grown(rows, columns, belongs, seed):
    classes = np.array([int(belongs(row["class"])) for row in rows], np.int64)
    return forest.grow(inputs(rows, columns), classes, 2, seed)


def choose_cut(candidates: dict, said: dict, metastasis: dict) -> float:
    """The cut above which the largest candidate's volume orders patients best, of `CUTS`.

    Parameters
    ----------
    candidates, said : {patient: rows} and what `prediction.classify` says of them
    metastasis : {patient: 0 or 1}; a patient without candidates has volume 0
    """
    patients = sorted(metastasis)
    positive = np.array([metastasis[p] for p in patients]) == 1
    if positive.all() or not positive.any():
        return USUAL

    def auc(cut):
        largest = np.array(
            [_largest(candidates.get(p, []), said.get(p, []), cut) for p in patients]
        )
        above = np.subtract.outer(largest[positive], largest[~positive])
        return round(float(np.mean((np.sign(above) + 1) / 2)), 9)

    return max(CUTS, key=lambda cut: (auc(cut), -abs(cut - USUAL)))


def choose_node_cut(candidates: dict, said: dict) -> float:
    """The highest of `NODE_CUTS` that keeps `KEPT` of the found nodes; parameters as `choose_cut`."""
    nodes = [
        answer["p_node"]
        for patient, rows in candidates.items()
        for row, answer in zip(rows, said[patient], strict=True)
        if row["class"] != OTHER
    ]
    kept = [cut for cut in NODE_CUTS if nodes and np.mean(np.array(nodes) > cut) >= KEPT]
    return max(kept, default=NODE_CUTS[0])


def _largest(rows, said, cut):
    """Volume in mm³ of the largest candidate above a cut, 0 without any."""
    above = [
        tables.number(row["volume_mm3"])
        for row, answer in zip(rows, said, strict=True)
        if answer["p_node_positive"] > cut
    ]
    return max(above, default=0.0)
