"""A made-up cohort: sheet, predictions, and how tests pick a row of a table."""

import math

import numpy as np

METHODS = ("ct_report", "radiomics", "combined", "a_users_own")


SETTINGS = {"bootstraps": 200, "methods": {"ct_report": {"threshold": False}}}


def sheet(labels, prefix="P"):
    return [
        {
            "patient": f"{prefix}{i:03d}",
            "metastasis": "" if label is None else str(label),
            "ct_reported": str(i % 2),
            "sex": "FM"[i % 2],
            "age": str(50 + i % 30),
            "pt_stage": f"T{1 + i % 3}" if i % 5 else "",
            "pn_stage": "",
            "tumor_size_cm": f"{1 + i % 5}",
            "tumor_location": "head",
        }
        for i, label in enumerate(labels)
    ]


def predictions(rows, role="external", seed=0, effect=1.0, methods=METHODS, unscored=()):
    """Prediction rows as they stand in the files: text, one list a fold or the ensemble."""
    random = np.random.default_rng(seed)
    found = {}
    for method in methods:
        parts = {}
        for i, row in enumerate(rows):
            label = int(row["metastasis"] or 0)
            score = float(random.normal() + effect * label)
            if method == "ct_report":
                score = float(row["ct_reported"])
            scored = row["patient"] not in unscored or method != "combined"
            prediction = {
                "patient": row["patient"],
                "subset": "test" if role == "discovery" else "external",
                "score": repr(score) if scored else "",
                "probability": repr(1 / (1 + math.exp(-score)))
                if scored and method != "ct_report"
                else "",
                "call": str(int(score > 0.5)) if scored else "",
                "reason": "" if scored else "no tumor found",
            }
            part = f"fold{i % 5}" if role == "discovery" else "ensemble"
            parts.setdefault(part, []).append(prediction)
        found[method] = parts
    return found


def one(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    return found[0]
