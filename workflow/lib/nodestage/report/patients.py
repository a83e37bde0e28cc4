"""The patients of a center as a report orders them: worst errors first."""

from markupsafe import Markup

from nodestage.report import deciding, numbers
from nodestage.report.explaining import SIDES
from nodestage.report.gallery_pictures import GalleryPictures
from nodestage.report.sources import Cell
from nodestage.statistics import vocabulary

OUTCOMES = {
    "fn": "Missed metastasis",
    "fp": "False alarm",
    "tp": "Metastasis found",
    "tn": "Correctly negative",
    "unknown": "Status unknown",
    "unscored": "No score",
}

VIEWS = {
    "node": "Deciding lymph node",
    "node_tumor": "Deciding lymph node, and the tumor",
    "missed": "Positive node, not called by the model",
    "missed_tumor": "Positive node, not called by the model, and the tumor",
    "tumor": "Tumor, slice with its largest area",
    "middle": "Middle slice: neither node nor tumor",
    "influential_for": "Most influential slice, for metastasis",
    "influential_against": "Most influential slice, against metastasis",
}
EXPLAINED = frozenset({"influential_for", "influential_against"})

SHOWN_SHARES = 3
"""Nodes of which a page shows what they add to a score; the record lists all."""

CLINICAL = {
    "pt_stage": "pT",
    "pn_stage": "pN",
    "tumor_size_cm": "Tumor size, cm",
    "tumor_location": "Location",
    "ct_reported": "CT report",
}

NODE = {
    "volume_mm3": "Volume, mm³",
    "short_axis_mm": "Short axis, mm",
    "p_positive": "Probability positive",
    "station": "Station (guess)",
    "station_share": "Weight of the nearest structure",
    "other_stations": "Station nearly as close",
    "nearest_structure": "Nearest structure",
    "distance_mm": "Distance to it, mm",
}


def normalised(record, method, thresholds):
    """One record as the page uses it.

    Parameters
    ----------
    record : dict with patient and, as far as known, metastasis (0/1), scores ({method: {score,
        probability, call, reason}}), flags (list of text), registration, deciding_node, and the
        clinical columns of the sheet
    method : whose call counts
    thresholds : {method: threshold}

    Returns
    -------
    dict with patient, truth (True, False, None), score and probability (Cell), call, reason,
    outcome (a key of `OUTCOMES`), distance (how far from the decision, 0 if unknown), flags, record
    """
    scored = (record.get("scores") or {}).get(method) or {
        key: record.get(key) for key in ("score", "probability", "call", "reason")
    }
    truth, call = _flag(record.get("metastasis")), _flag(scored.get("call"))
    score = _cell("score", scored.get("score"))
    probability = _cell("probability", scored.get("probability"))
    if not score.defined and call is None:
        outcome = "unscored"
    elif truth is None or call is None:
        outcome = "unknown"
    else:
        outcome = ("t" if truth == call else "f") + ("p" if call else "n")
    threshold = thresholds.get(method)
    if threshold not in (None, "") and score.defined:
        distance = abs(score.number - float(threshold))
    elif probability.defined:
        distance = abs(probability.number - 0.5)
    else:
        distance = 0.0
    return {
        "patient": str(record["patient"]),
        "truth": truth,
        "call": call,
        "score": score,
        "probability": probability,
        "reason": scored.get("reason") or "",
        "outcome": outcome,
        "distance": distance,
        "flags": [str(flag) for flag in record.get("flags") or []],
        "record": record,
    }


def worst_first(patients):
    """Wrong calls by their distance from the decision, then right ones, the closest first."""

    def position(patient):
        wrong = patient["outcome"] in ("fn", "fp")
        last = {"unknown": 2, "unscored": 3}.get(patient["outcome"], 1)
        return (
            0 if wrong else last,
            -patient["distance"] if wrong else patient["distance"],
            patient["patient"],
        )

    return sorted(patients, key=position)


def look_first(patients):
    """Patients with flags or without a score, those with most flags on top."""
    listed = [p for p in patients if p["flags"] or p["outcome"] == "unscored"]
    return sorted(
        listed, key=lambda p: (-len(p["flags"]), p["outcome"] != "unscored", p["patient"])
    )


def excluded(patients):
    """[(reason, n)] of the patients that aren't analysed, the most frequent first."""
    counts = {}
    for patient in patients:
        if patient["outcome"] == "unscored":
            reason = patient["reason"] or "no score, and no reason recorded"
        elif patient["outcome"] == "unknown":
            reason = "lymph-node status or call unknown"
        else:
            continue
        counts[reason] = counts.get(reason, 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def outcome_boxes(patients):
    """The last two boxes of the flow diagram."""
    counts = {key: sum(p["outcome"] == key for p in patients) for key in OUTCOMES}
    return [
        (
            f"{counts['tp'] + counts['fn']} with metastasis",
            [f"{counts['tp']} called positive", f"{counts['fn']} called negative"],
        ),
        (
            f"{counts['tn'] + counts['fp']} without metastasis",
            [f"{counts['tn']} called negative", f"{counts['fp']} called positive"],
        ),
    ]


def panel(number, patient, entry, pictures=None):
    """One patient's panel in the gallery.

    Parameters
    ----------
    number : int from 1, of which the panel's id is made (never of the patient's code)
    entry : the patient's entry of the gallery file, or None
    pictures : GalleryPictures; None keeps them in the page
    """
    addresses = (pictures or GalleryPictures()).of(number, entry["pictures"]) if entry else {}
    record = patient["record"]
    lines = [("Lymph-node status", _status(patient["truth"]))]
    if patient["score"].defined:
        lines.append(("Score", numbers.show(patient["score"], 2)))
    if patient["probability"].defined:
        lines.append(("Calibrated probability", numbers.show(patient["probability"], 2)))
    lines.append(("Call", _call(patient)))
    node = record.get("deciding_node") or (entry or {}).get("facts", {}).get("deciding_node") or {}
    lines += [
        (f"{label} (node)" if key == "volume_mm3" else label, _shown(key, node[key]))
        for key, label in NODE.items()
        if node.get(key) not in (None, "")
    ]
    lines += _explained((entry or {}).get("facts", {}).get("explained"))
    lines += _shares((entry or {}).get("facts", {}).get("node_shares"))
    lines += [
        (label, _shown(key, record[key], words=True))
        for key, label in CLINICAL.items()
        if record.get(key) not in (None, "")
    ]
    return {
        "id": f"patient-{number}",
        "number": number,
        "patient": patient["patient"],
        "outcome": patient["outcome"],
        "words": OUTCOMES[patient["outcome"]],
        "lines": lines,
        "flags": patient["flags"],
        "reason": patient["reason"],
        "order": repr(patient["score"].number) if patient["score"].defined else "",
        "views": [_view(patient["patient"], view, addresses) for view in entry["views"]]
        if entry
        else [],
    }


def _explained(facts):
    """How much of the explained network's score came from the image and from the nodes."""
    if not facts:
        return []
    where = f"{vocabulary.name('methods', facts['method'])}, fold {facts['fold']}"
    lines = [(f"Score by {where}", _shown("network_score", facts["score"]))]
    if facts.get("own_call", facts["positive"]) != facts["positive"]:
        call = "positive" if facts["own_call"] else "negative"
        lines.append(("Call of this network", f"{call}, unlike the patient’s call"))
    if facts["without_nodes"] is not None:
        without = _shown("score_without_nodes", facts["without_nodes"])
        lines.append(("Its score without nodes", without))
    if facts["source"] == "tumor":
        inside = f"{100 * facts['share_inside']:.0f} %"
        lines.append(("Saliency inside the tumor", inside))
    return lines


def _shares(facts):
    """The nodes that add most to the score of `node_graph`."""
    if not facts:
        return []
    name = f"{vocabulary.name('methods', 'node_graph')}, fold {facts['fold']}"
    nodes = [deciding.in_words(node) for node in facts["nodes"][:SHOWN_SHARES]]
    return [(f"Of what nodes add to {name}", "; ".join(nodes) or "no node adds to it")]


def _view(patient, view, addresses):
    words = VIEWS.get(view["name"], view["name"])
    side_mm = view["mm_per_pixel"] * view["width"]
    return {
        **view,
        "words": words,
        "bar": round(100 * 50 / side_mm, 2),
        "sides": dict(zip(("left", "right", "top"), SIDES[view["plane"]], strict=True)),
        "alt": f"{patient}: {words.lower()}, {view['plane']} slice {view['slice']} of "
        f"{view['slices']}",
        "bases": [(phase, addresses[f"{view['name']}.{phase}.jpg"]) for phase in view["phases"]],
        "overlays": [
            (layer, addresses[f"{view['name']}.{layer}.png"])
            for layer in view["layers"]
            if f"{view['name']}.{layer}.png" in addresses
        ],
    }


def _flag(value):
    text = str(value).strip()
    return {"1": True, "0": False, "True": True, "False": False, "1.0": True, "0.0": False}.get(
        text
    )


def _status(truth):
    return {True: "metastasis", False: "no metastasis", None: "unknown"}[truth]


def _call(patient):
    if patient["call"] is None:
        return f"none: {patient['reason']}" if patient["reason"] else "none"
    return "positive" if patient["call"] else "negative"


def _cell(column, value):
    text = "" if value is None or value != value else str(value)
    return Cell(text, "facts", 0, column)


def _shown(key, value, words=False):
    if key == "tumor_location":
        return vocabulary.name("locations", value)
    if key == "nearest_structure":
        return vocabulary.name("structures", value)
    if isinstance(value, (list, tuple)):
        return ", ".join(str(v) for v in value)
    cell = _cell(key, value)
    if key == "ct_reported":
        return {"1": "suspicious nodes", "0": "no suspicious node"}.get(cell.text, cell.text)
    if words or not cell.defined or key in ("station", "other_stations"):
        return str(cell)
    digits = 0 if key == "volume_mm3" else 1 if key.endswith("_mm") else 2
    return Markup("{}").format(numbers.show(cell, digits))
