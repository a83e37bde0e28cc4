"""One patient's page: score and call on top, then nodes, pictures, distance from the training patients, flags."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from nodestage.report import controls, deciding, fields, numbers, patients
from nodestage.report.records import Facts, Run
from nodestage.report.sources import Cell
from nodestage.report.writing import write_page
from nodestage.statistics import reference, vocabulary

SHOWN_NODES = 20  # the record lists all
RECORD = "record.json"
REPORT = "../../report/"  # the pages of centers, as seen from results/patients/{patient}

NODE_HEADS = (
    "Node",
    "Probability positive",
    "Short axis, mm",
    "Volume, mm³",
    "Found in",
    "Station",
    "Nearest structure",
)


def page(
    record: Mapping[str, Any],
    run: Run,
    entry: Mapping[str, Any] | None,
    row: Mapping[str, str],
    output: str,
    opens: str | None = None,
) -> None:
    """Write the page of one patient.

    Parameters
    ----------
    record : as `patient_record.record` gives it
    run : what the run reports of itself
    entry : the patient's entry of the center's gallery; None without images
    row : the patient's columns of the sample sheet, as the report has them
    output : path of the HTML file
    opens : address of the patient in the center's viewer, as seen from the page; None without one
    """
    declared = record["declared"]
    thresholds = {m: one["threshold"] for m, one in record["methods"].items()}
    scores = {
        m: {k: "" if one[k] is None else one[k] for k in ("score", "probability", "call", "reason")}
        for m, one in record["methods"].items()
    }
    person = patients.normalised({**row, "scores": scores, "flags": []}, declared, thresholds)
    panel = {**patients.panel(1, person, entry), "volumes": opens}
    context = {
        "record": record,
        "headline": headline(record),
        "rule": _rule(record),
        "notices": fields.notices(Facts(run=run), "patient"),
        "methods_table": _methods(record),
        "node_heads": NODE_HEADS,
        "nodes": [_node(node, i) for i, node in enumerate(record["nodes"][:SHOWN_NODES], start=1)],
        "more_nodes": max(0, len(record["nodes"]) - SHOWN_NODES),
        "moved": moved(record),
        "compared": compared(record),
        "changes": [
            (what.replace("_", " "), "; ".join(sentences))
            for what, sentences in record["changed_at_intake"].items()
        ],
        "panels": [panel],
        "windows": controls.windows(),
        "layers": controls.layers([panel]),
        "explained": bool(record["explained"]),
        "returned": None,
        "one": True,
        "about": _about(record, run),
    }
    write_page(output, "patient.html", f"{record['patient']}: {run.study}", run.study, context)


def headline(record: Mapping[str, Any]) -> Markup:
    """The first sentence: the call of the declared method, its probability and the range over the folds."""
    method = record["declared"]
    one = record["methods"][method]
    name = vocabulary.name("methods", method)
    if one["score"] is None:
        return Markup("{}: no score by {}. {}").format(
            record["patient"], name, _sentence(one["reason"])
        )
    if one["call"] is None:
        call = f"no call ({one['reason']})"
    else:
        call = "called positive" if one["call"] else "called negative"
        call += " for lymph-node metastasis"
    chance = ""
    if one["probability"] is not None:
        chance = Markup(", calibrated probability {}{}").format(
            _shown(method, "probability", one["probability"], 2), _range(method, one)
        )
    return Markup("{}: {}{}.").format(record["patient"], call, chance)


def _range(method, one):
    if not one["probability_of_folds"]:
        return ""
    low, high = one["probability_of_folds"]
    return Markup(" (folds\N{NO-BREAK SPACE}{}–{})").format(
        _shown(method, "probability, lowest fold", low, 2),
        _shown(method, "probability, highest fold", high, 2),
    )


def _rule(record):
    one, folds = record["methods"][record["declared"]], len(record["folds"])
    name = vocabulary.name("methods", record["declared"])
    if folds > 1:
        words = (
            f"{name}, the declared method: mean of {folds} folds’ scores against the mean of their frozen thresholds. "
            "The range is that of the folds’ calibrated probabilities. It shows how much the models differ, and is no "
            "confidence interval of this patient’s risk."
        )
    else:
        words = (
            f"{name}, the declared method, by the one fold that did not learn from this patient."
        )
    if one["threshold"] is not None and one["score"] is not None:
        return Markup("{} Score {}, threshold {}.").format(
            words,
            _shown(record["declared"], "score", one["score"], 3),
            _shown(record["declared"], "threshold", one["threshold"], 3),
        )
    return words


def moved(record: Mapping[str, Any]) -> list[str]:
    """Sentences on what moved the score, as far as a method has an explanation."""
    sentences = []
    positive = [node for node in record["nodes"] if node["positive"]]
    if positive:
        largest = max(positive, key=lambda node: node["volume_mm3"])
        sentences.append(
            f"Of {len(record['nodes'])} lymph nodes found, {len(positive)} are called positive. The largest of these is "
            f"node {largest['node']:.0f}, {largest['volume_mm3']:.0f} mm³."
        )
    elif record["nodes"]:
        sentences.append(
            f"None of the {len(record['nodes'])} lymph nodes found is called positive."
        )
    else:
        sentences.append("No lymph node was found.")
    why = record["explained"]
    if why:
        name = vocabulary.name("methods", why["method"])
        sentences.append(
            f"{name}, fold {why['fold']}: score {numbers.fixed(why['score'], 2)}"
            + (
                f"; {numbers.fixed(why['without_nodes'], 2)} if there were no positive node"
                if why["without_nodes"] is not None
                else ""
            )
            + "."
        )
        where = "tumor" if why["source"] == "tumor" else "organ (no tumor was found)"
        sentences.append(
            f"In the most influential slice, {100 * why['share_inside']:.0f} % of what moved this score lies inside "
            f"the {where}."
        )
    added = record["node_shares"]
    if added and added["nodes"]:
        name = vocabulary.name("methods", "node_graph")
        listed = [deciding.in_words(node) for node in added["nodes"][: patients.SHOWN_SHARES]]
        sentences.append(
            f"Of what lymph nodes add to the score of {name}, fold {added['fold']}, the largest parts come from these: "
            f"{'; '.join(listed)}."
        )
    return sentences


def compared(record: Mapping[str, Any]) -> dict[str, Any]:
    """The section on the training patients: a sentence, and lines of the table (first fold's summary)."""
    comparison = record["training_patients"]
    if comparison is None:
        absent = (
            "The bundle holds no summary of its training patients, or the images were not used."
        )
        return {"sentence": absent, "lines": [], "far": False}
    if comparison["distance"] is None:
        return {"sentence": _sentence(comparison["reason"]), "lines": [], "far": False}
    folds = comparison["folds"]
    far = 2 * comparison["far_in"] > len(folds)
    closer = sorted(one["closer"] for one in folds if one["distance"] is not None)
    share = closer[len(closer) // 2]
    lead = (
        "This examination is unlike those that the models learned from: a score here is an extrapolation."
        if far
        else "This examination is like those that the models learned from."
    )
    sentence = (
        f"{lead} Its distance from their mean is {numbers.fixed(comparison['distance'], 2)} "
        f"(about 1 is usual), larger than that of at least {100 * share:.0f} % of the training patients."
    )
    first = folds[0]
    terms = reference.terms()
    lines = []
    for name, one in first["statistics"].items():
        about = terms[name]
        digits = about["digits"]
        unit = f", {about['unit']}" if about["unit"] else ""
        low, high = (numbers.fixed(end, digits) for end in one["usual"])
        cell = Cell(repr(one["value"]), RECORD, 1, name)
        lines.append(
            {
                "words": f"{about['words']}{unit}",
                "value": numbers.show(cell, digits),
                "usual": f"{low} to {high}",
                "away": numbers.fixed(one["sd_away"], 1),
                "odd": abs(one["sd_away"]) > 2,
            }
        )
    unmeasured = [terms[name]["words"] for name in first["unmeasured"]]
    return {
        "sentence": sentence,
        "far": far,
        "lines": lines,
        "fold": first["fold"],
        "patients": first["patients"],
        "unmeasured": ", ".join(unmeasured),
    }


def _methods(record):
    lines = []
    for method in vocabulary.ordered("methods", record["methods"]):
        one = record["methods"][method]
        unit = vocabulary.terms()["units"].get(method, "")
        score = "–"
        if one["score"] is not None:
            score = _shown(method, "score", one["score"], 0 if unit else 3) + (unit and f" {unit}")
        chance = "–"
        if one["probability"] is not None:
            chance = _shown(method, "probability", one["probability"], 2) + _range(method, one)
        cut = one["threshold"]
        lines.append(
            {
                "name": vocabulary.name("methods", method),
                "main": method == record["declared"],
                "score": score,
                "threshold": "–" if cut is None else numbers.fixed(cut, 0 if unit else 3),
                "probability": chance,
                "call": {None: "–", 0: "negative", 1: "positive"}[one["call"]],
                "reason": one["reason"],
            }
        )
    return lines


def _node(node, line):
    def shown(column, digits):
        return numbers.show(Cell(str(node[column]), "nodes.tsv", line, column), digits)

    return {
        "positive": bool(node["positive"]),
        "cells": (
            f"{node['node']:.0f}",
            shown("p_positive", 2),
            shown("short_axis_mm", 1),
            shown("volume_mm3", 0),
            f"{node['found_in']:.0f} of {node['folds']:.0f}",
            node["station"] or "–",
            vocabulary.name("structures", node["nearest_structure"]) or "–",
        ),
    }


def _about(record, run):
    software = ", ".join(f"{name} {version}" for name, version in sorted(run.versions.items()))
    return [
        ("Model digest", record["model_digest"]),
        ("Folds", ", ".join(map(str, record["folds"]))),
        ("Organ masks", run.organs_source),
        ("Tumor masks", run.tumor_source),
        *run.sizes.items(),
        ("Software", software),
    ]


def _shown(method, column, value, digits):
    return numbers.show(Cell(repr(value), RECORD, 1, f"{method}, {column}"), digits)


def _sentence(text):
    return text[:1].upper() + text[1:] + "." if text else "No reason is recorded."
