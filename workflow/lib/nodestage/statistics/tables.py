"""Every patient-level table of one center, from its prediction rows and its sheet rows."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nodestage.core import tables
from nodestage.statistics import (
    abstention,
    characteristics,
    cohort,
    comparisons,
    curves,
    draw_next,
    intervals,
    operating,
    performance,
    pn_stage,
    readers,
    recalibration,
    subgroups,
    uncertainty,
)
from nodestage.statistics.study import COLUMNS as STUDY_COLUMNS
from nodestage.statistics.study import lymph_node_tables, study_tables

__all__ = [
    "COLUMNS",
    "CenterRows",
    "center_tables",
    "lymph_node_tables",
    "reported_tables",
    "study_tables",
    "write",
]

COLUMNS = {
    "performance.tsv": performance.COLUMNS,
    "comparisons.tsv": comparisons.COLUMNS,
    "missing.tsv": ("method", "patient", "reason"),
    "roc.tsv": curves.ROC_COLUMNS,
    "calibration.tsv": curves.CALIBRATION_COLUMNS,
    "decision_curve.tsv": curves.DECISION_COLUMNS,
    "subgroups.tsv": subgroups.COLUMNS,
    "operating_point.tsv": operating.COLUMNS,
    "recalibration.tsv": recalibration.COLUMNS,
    "coverage.tsv": abstention.COLUMNS,
    "uncertainty.tsv": uncertainty.COLUMNS,
    "pn_stage.tsv": pn_stage.COLUMNS,
    "pn_confusion.tsv": pn_stage.CONFUSION_COLUMNS,
    "draw_next_patients.tsv": draw_next.PATIENT_COLUMNS,
    "draw_next_nodes.tsv": draw_next.NODE_COLUMNS,
    "readers.tsv": readers.COLUMNS,
    "reader_comparisons.tsv": readers.COMPARISON_COLUMNS,
    "table_1.tsv": characteristics.COLUMNS,
} | STUDY_COLUMNS


@dataclass(frozen=True)
class CenterRows:
    """The patients of one center, and those of the discovery center beside them.

    Attributes
    ----------
    center : name, for messages
    role : discovery or external
    rows, discovery : the sample sheet's rows of this and of the discovery center
    nodes : drawn lymph nodes of this and of the discovery center, see `characteristics.rows`
    stages : {fold0: rows of scores with pN, ...} of the methods that predict it
    undrawn : {patient: folds that score it} of those without drawn nodes
    instances : {fold0: rows of tables of their instances, ...}
    """

    center: str
    role: str
    rows: list[dict]
    discovery: list[dict]
    nodes: Sequence[Sequence] = ((), ())
    stages: dict[str, list[dict]] = field(default_factory=dict)
    undrawn: dict[str, list[str]] = field(default_factory=dict)
    instances: dict[str, list[dict]] = field(default_factory=dict)


def center_tables(patients: CenterRows, predictions, settings, seed, frozen=None):
    """All tables of one center.

    Parameters
    ----------
    patients : of the center
    predictions : {method: {fold0: rows, ..., ensemble: rows}}, in the order of the tables; for
        an external center the ensemble's rows alone will do
    settings : dict with, optionally, `bootstraps` (1000), `primary` {metric, method, reference}
        `methods` {method: {threshold: false}} for one whose call is its score, and `conformal`
        {coverage, by_class}, and `readers` {positive_from}
    seed : int
    frozen : {fold0: {method: its frozen record}, ...}, where an operating point or a coverage is declared

    Returns
    -------
    {file name: rows}. No cohort is too small: what it does not define is None with a reason.
    """
    role = patients.role
    if role not in ("discovery", "external"):
        raise ValueError(
            f"{patients.center}: a center of the role {role} has no patient-level table"
        )
    n = int(settings.get("bootstraps", 1000))
    primary = comparisons.endpoint(settings.get("primary"))
    options = settings.get("methods")
    scored = cohort.by_content(
        [
            cohort.scored(method, parts, role, patients.rows, options)
            for method, parts in predictions.items()
        ]
    )
    shown = (primary["method"], primary["reference"])
    return {
        "performance.tsv": [row for s in scored for row in performance.rows(s, n, seed)],
        "comparisons.tsv": comparisons.rows(scored, primary["method"], primary, n, seed),
        "missing.tsv": [row for s in scored for row in s.missing],
        "roc.tsv": [row for s in scored for row in curves.roc_rows(s)],
        "calibration.tsv": [row for s in scored for row in curves.calibration_rows(s)],
        "decision_curve.tsv": curves.decision_rows(scored, n, seed),
        "subgroups.tsv": subgroups.rows(
            scored, patients.rows, shown, n, seed, settings.get("min_cell", 0)
        ),
        "operating_point.tsv": [
            row for s in scored for row in operating.rows(s, frozen or {}, n, seed)
        ],
        "recalibration.tsv": [
            row for s in scored if role == "external" for row in recalibration.rows(s, n, seed)
        ],
        **abstention.both_tables(scored, predictions, frozen or {}, settings.get("conformal")),
        **pn_stage.both_tables(predictions, patients.stages, role, patients.rows, n, seed),
        **draw_next.both_tables(
            predictions.get(primary["method"]) or {}, patients.undrawn, patients.instances
        ),
        **readers.both_tables(
            next((s for s in scored if s.method == primary["method"]), None),
            patients.rows,
            settings.get("readers"),
        ),
        "table_1.tsv": characteristics.rows(
            patients.rows, patients.discovery, patients.nodes, settings.get("clinical")
        ),
    }


def reported_tables(performance, patients, positives, discovery_rows):
    """Tables of a center that sent summaries alone; tables that need one row per patient are empty.

    Parameters
    ----------
    performance : rows as `performance.rows` gives them, as the center reports them
    patients, positives : int, those whose status is known, and those with metastasis
    discovery_rows : the sample sheet's rows of the discovery center
    """
    known = [{"metastasis": "1"}] * positives + [{"metastasis": "0"}] * (patients - positives)
    empty = {name: [] for name in COLUMNS if name not in STUDY_COLUMNS}
    return empty | {
        "performance.tsv": [_reported(row) for row in performance],
        "table_1.tsv": characteristics.rows(known, discovery_rows),
    }


def _reported(row):
    """A row of performance.tsv with notes on its interval, which follow from its counts; the file has none."""
    row = dict.fromkeys(COLUMNS["performance.tsv"]) | row
    n, positives = (int(row[key]) for key in ("n", "positives"))
    notes = []
    if row["estimate"] not in (None, ""):
        has_interval = row["low"] not in (None, "")
        notes = intervals.reported(row["metric"], positives, n - positives, has_interval)
    return row | {"note": "; ".join(filter(None, [row["note"], *notes]))}


def write(folder, made):
    """Write every table of `made` ({file name: rows}), an empty one with its columns alone."""
    for name, rows in made.items():
        columns = dict.fromkeys(column for row in rows for column in row)
        tables.write(Path(folder) / name, rows, list(columns or COLUMNS[name]))
