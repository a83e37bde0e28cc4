"""TRIPOD+AI, CLAIM, METRICS, CLEAR and PROBAST+AI, filled from the run where it has the answer."""

from functools import cache
from pathlib import Path

import yaml

MEANT = {"D": " (for development)", "E": " (for evaluation)"}


@cache
def lists():
    """{list: [{id, part, item, of, run}]} of checklists.yaml."""
    text = Path(__file__).with_name("checklists.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def filled(fields):
    """{list: [{id, part, item, answer}]}; `part` is "" in a list without parts, `answer` None where the item is the authors' to fill.

    Parameters
    ----------
    fields : {name: text}; a field that is absent or empty leaves its items to the authors
    """
    known = {name: str(value) for name, value in fields.items() if value not in (None, "")}
    return {
        name: [
            {
                "id": item["id"],
                "part": item.get("part", ""),
                "item": item["item"] + MEANT.get(item.get("of"), ""),
                "answer": _answer(item.get("run"), known),
            }
            for item in items
        ]
        for name, items in lists().items()
    }


def _answer(template, known):
    if template is None:
        return None
    try:
        return template.format_map(known).strip()
    except KeyError:
        return None
