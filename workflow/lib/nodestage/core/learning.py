"""Whether a trained network has fitted its own training data.

A network that ranks or segments even its training patients no better than by chance was not
trained: its scores of other patients carry no information about the images. Every training puts a record
of `fitted` into its model (`learned`), and names the remedy when it falls short.
"""

import re

import numpy as np

from nodestage.core import logs, tables

AUC, DICE = "AUC", "Dice"
# Below these values on its own training data a network has not learned. Scores drawn at random pass
# an AUC of 0.75 in one of 40 trainings on 20 patients, more seldom on more.
LIMITS = {AUC: 0.75, DICE: 0.3}
COLUMNS = ("stage", "fold", "network", "measure", "value", "limit", "loss", "learned", "remedy")


def enough(measure: str, value: float | None) -> bool:
    """Whether a network has fitted its training data; an undefined value is no sign that it hasn't."""
    return value is None or value >= LIMITS[measure]


def auc(positive, score) -> float | None:
    """Area under the ROC curve, ties counted as halves; None where one class is missing.

    Parameters
    ----------
    positive : 0 or 1, one for each patient or node
    score : float, likewise
    """
    positive, score = np.asarray(positive, bool), np.asarray(score, float)
    higher, lower = score[positive][:, None], score[~positive][None]
    if not higher.size or not lower.size:
        return None
    return float(((higher > lower) + 0.5 * (higher == lower)).mean())


def fitted(network: str, measure: str, value: float | None, loss: float, remedy: str) -> dict:
    """The record of one training, plain values; warns at once where the network has not learned.

    Parameters
    ----------
    network : as the log names it ("tumor, venous", "combined")
    measure : `AUC` or `DICE`, of `value`, on the data that the network learned from
    value : None where it is undefined; the training did not fail then
    loss : final training loss
    remedy : what to change, as a sentence without its period
    """
    record = {
        "network": network,
        "measure": measure,
        "value": None if value is None else float(value),
        "loss": float(loss),
        "remedy": remedy,
    }
    shown = "undefined" if value is None else f"{value:.2f}"
    print(f"{network}: final loss {loss:.3f}, {measure} on its training data {shown}", flush=True)
    if warning(record):
        logs.say(f"Warning: {warning(record)}")
    return record


def warning(record: dict) -> str:
    """What is wrong with a training and what to change, or nothing where it has learned."""
    value, limit = record["value"], LIMITS[record["measure"]]
    if enough(record["measure"], value):
        return ""
    return (
        f"{record['network']} has not fitted its own training data: {record['measure']} {value:.2f}, "
        f"below {limit:g}. Its results carry no information about the images. {record['remedy']}."
    )


def records(model) -> list[dict]:
    """All records of `fitted` within a model's file, in the order of the file."""
    if isinstance(model, dict):
        of_model = [model["learned"]] if isinstance(model.get("learned"), dict) else []
        return of_model + [
            r for key, part in model.items() if key != "learned" for r in records(part)
        ]
    if isinstance(model, (list, tuple)):
        return [record for part in model for record in records(part)]
    return []


def row(record: dict, stage: str, fold: str) -> dict:
    """One row of results/statistics/evaluation/learning.tsv; `fold` is empty for a study's network."""
    return {
        **record,
        "stage": stage,
        "fold": fold,
        "limit": LIMITS[record["measure"]],
        "learned": not warning(record),
    }


def sentences(rows: list[dict]) -> list[str]:
    """Warnings for a page about networks that have not learned, one for each stage and remedy.

    Parameters
    ----------
    rows : of learning.tsv, as text
    """
    groups: dict[tuple[str, str], list[dict]] = {}
    for row in rows:
        groups.setdefault((row["stage"], row["remedy"]), []).append(row)
    warnings = []
    for trained in groups.values():
        bad = [row for row in trained if row["learned"] == "0"]
        if not bad:
            continue
        names = list(dict.fromkeys(re.sub(r", fold \d+", "", row["network"]) for row in bad))
        values = sorted(tables.number(row["value"]) for row in bad)
        reached = f"{values[0]:.2f}" + (f" to {values[-1]:.2f}" if len(values) > 1 else "")
        count = f" in {len(bad)} of {len(trained)} trainings" if len(trained) > 1 else ""
        one = len(names) == 1
        noun, verb, whose = ("network", "has", "its") if one else ("networks", "have", "their")
        warnings.append(
            f"The {noun} {_joined(names)} {verb} not fitted {whose} own training data{count}: "
            f"{bad[0]['measure']} {reached}, below {bad[0]['limit']}. Results that build on it carry no "
            f"information about the images. {bad[0]['remedy']}."
        )
    return warnings


def _joined(names: list[str]) -> str:
    """`lymph nodes (plain, attention)`: what names share before their first comma is named once."""
    heads = {name.partition(", ")[0] for name in names}
    if len(heads) == 1 and all(", " in name for name in names):
        return f"{heads.pop()} ({', '.join(name.partition(', ')[2] for name in names)})"
    return "; ".join(names)
