"""Table I: who the patients are, this center's beside the discovery center's."""

import numpy as np

from nodestage.core import tables

COLUMNS = ("characteristic", "level", "value", "discovery")

COUNTED = {
    "sex": "Sex, n (%)",
    "metastasis": "Lymph-node metastasis, n (%)",
    "pt_stage": "pT stage, n (%)",
    "pn_stage": "pN stage, n (%)",
    "tumor_location": "Tumor location, n (%)",
    "ct_reported": "CT-reported LN status, n (%)",
}
MEASURED = {"age": "Age, years", "tumor_size_cm": "Tumor size, cm"}
NODES = {"positive": "Positive LN volume, mm³", "negative": "Negative LN volume, mm³"}
MEDIAN = "median [quartiles]"
WORDS = {
    "metastasis": {"0": "no", "1": "yes"},
    "ct_reported": {"0": "negative", "1": "positive"},
    "sex": {"f": "female", "m": "male"},
}
ORDER = ("sex", "age", "metastasis", "pt_stage", "pn_stage", "tumor_size_cm", "tumor_location", "ct_reported")  # fmt: skip


def rows(sheet_rows, discovery_rows, nodes=((), ()), clinical=None):
    """Counts with percentages, medians with quartiles; missing values have a separate line.

    Parameters
    ----------
    sheet_rows, discovery_rows : rows of the sample sheet of either center; a column that no row
        here has is left out
    nodes : drawn lymph nodes of either center, rows with `class` (positive or negative) and
        `volume_mm3`; without any in either there is no line on them
    clinical : {column: whether it holds numbers} of the study's additional clinical columns

    Returns
    -------
    list of dicts with `COLUMNS`
    """
    clinical = clinical or {}
    parts = (sheet_rows, discovery_rows)
    lines = [_line("Patients, n", "", [str(len(part)) for part in parts])]
    known = {key for row in sheet_rows for key in row} if sheet_rows else set(ORDER)
    for key in (key for key in ORDER if key in known):
        lines += _counted(key, parts) if key in COUNTED else _measured(key, parts)
    for key, measured in clinical.items():
        lines += _measured(key, parts) if measured else _counted(key, parts)
    return lines + (_node_volumes(nodes) if any(nodes) else [])


def _name(key, unit=", n (%)"):
    """The line's name; of an additional clinical column its name in words."""
    words = key.replace("_", " ")
    return COUNTED.get(key) or MEASURED.get(key) or f"{words[0].upper()}{words[1:]}{unit}"


def _counted(key, parts):
    values = [[_word(key, row.get(key)) for row in part] for part in parts]
    levels = sorted({v for part in values for v in part if v is not None})
    lines = [
        _line(_name(key), level, [_share(part.count(level), len(part)) for part in values])
        for level in levels
    ]
    return lines + _absent(_name(key), [part.count(None) for part in values], parts)


def _measured(key, parts):
    values = [np.array([tables.number(row.get(key)) for row in part], float) for part in parts]
    known = [part[~np.isnan(part)] for part in values]
    lines = [_line(_name(key, ""), MEDIAN, [_median(part) for part in known])]
    absent = [len(part) - len(k) for part, k in zip(values, known, strict=True)]
    return lines + _absent(_name(key, ""), absent, parts)


def _node_volumes(nodes):
    """Node by node, so that a patient with many nodes counts as often, as in the paper."""
    return [
        _line(name, MEDIAN, [_median(_volumes(part, label)) for part in nodes])
        for label, name in NODES.items()
    ]


def _volumes(nodes, label):
    return [float(node["volume_mm3"]) for node in nodes if node["class"] == label]


def _absent(name, counts, parts):
    if not any(counts):
        return []
    shares = [_share(n, len(part)) for n, part in zip(counts, parts, strict=True)]
    return [_line(name, "missing", shares)]


def _line(name, level, values):
    return dict(zip(COLUMNS, (name, level, *values), strict=True))


def _word(key, value):
    text = "" if value is None else str(value).strip()
    if text == "" or text.lower() == "nan":
        return None
    if key in ("metastasis", "ct_reported"):
        text = f"{float(text):g}"
    return WORDS.get(key, {}).get(text.lower(), text)


def _share(n, total):
    return f"{n} ({100 * n / total:.0f}%)" if total else "0"


def _median(values):
    if not len(values):
        return "–"
    low, middle, high = np.percentile(values, [25, 50, 75])
    digits = 0 if middle >= 20 else 1
    return f"{middle:.{digits}f} [{low:.{digits}f}-{high:.{digits}f}]"
