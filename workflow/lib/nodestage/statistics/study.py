"""Tables over all centers: Tables I to VII and the heterogeneity between external centers."""

from collections import Counter

import numpy as np

from nodestage.core import reasons, tables
from nodestage.core.names import MAIN_METRICS
from nodestage.statistics import (
    detection,
    heterogeneity,
    intervals,
    lymph_nodes,
    robustness,
    stations,
)

MEASURES = ("dice", "asd_mm", "hd_mm", "hd95_mm")

ABOUT = ("organ", "structure", "network", "phases", "slices", "spacing_z_mm")
"""What a row of masks against the truth may be about; its other columns belong to a patient."""

NUMBERS = (
    *(f"{metric}_{part}" for metric in MAIN_METRICS for part in ("estimate", "sd", "low", "high")),
    "p_wilcoxon_bootstrap",
    "p_holm",
    "p_delong",
)
"""Columns of Tables VI and VII with every digit, beside the formatted text."""

_ROW_BLOCK = (
    "method",
    *MAIN_METRICS,
    "n",
    "positives",
    "wilcoxon_bootstrap",
    "holm",
    "note",
    *NUMBERS,
)
TABLE_6_COLUMNS = ("basis", *_ROW_BLOCK)
TABLE_7_COLUMNS = ("center", *_ROW_BLOCK)

COLUMNS = {
    "heterogeneity.tsv": heterogeneity.COLUMNS,
    "table_2.tsv": ("structure", "d_min", "d_max", "source", "n"),
    "table_3.tsv": (
        "organ",
        *(f"{measure}{end}" for measure in MEASURES for end in ("", "_sd")),
        "n",
        "n_dice",
        "n_surface",
        "note",
    ),
    "table_4.tsv": lymph_nodes.TABLE_4_COLUMNS,
    "table_5.tsv": lymph_nodes.TABLE_5_COLUMNS,
    "table_6.tsv": TABLE_6_COLUMNS,
    "table_7.tsv": TABLE_7_COLUMNS,
    "table_pdac.tsv": ("measure", "n", "median", "low_quartile", "high_quartile", "note"),
    "node_recall.tsv": detection.RECALL_COLUMNS,
    "stations.tsv": stations.COLUMNS,
    "false_positives.tsv": detection.PLACE_COLUMNS,
    "froc.tsv": detection.FROC_COLUMNS,
    "froc_at.tsv": detection.FROC_AT_COLUMNS,
    "robustness.tsv": robustness.SUMMARY_COLUMNS,
    "signature.tsv": ("method", "feature", "folds_chosen", "folds", "mean_coefficient"),
}


def study_tables(center_results, evaluation, settings, seed=0):
    """All tables of the study.

    Parameters
    ----------
    center_results : {center: {role, performance, comparisons, table_1}}, rows of the center's
        tables, in the order of the tables
    evaluation : dict of rows, each optional: `organs`, `tumor` (per patient), `tumor_chain` (per
        patient and arterial `network`),
        `classes`, `nodes`, `candidates`, `identification` (per patient, all folds together),
        `signature` (per feature, as `baselines.signature.stability` counts them);
        `robustness`: {"fold 0": rows as `robustness.rows` gives them, ...};
        and `ranges`: {"Table II": {structure: (d_min, d_max)}, "fold 0": {structure: (d_min,
        d_max, voxels)}, ...}
    settings : dict with `bootstraps` and `primary`
    seed : int

    Returns
    -------
    {file name: rows}; a table without ground truth in this study is a list without rows
    """
    n = int(settings.get("bootstraps", 1000))
    external = {c: r for c, r in center_results.items() if r["role"] == "external"}
    discovery = next((r for r in center_results.values() if r["role"] == "discovery"), None)
    made = {
        "heterogeneity.tsv": heterogeneity.rows(external, MAIN_METRICS),
        "table_1.tsv": table_1(center_results),
        "table_2.tsv": table_2(evaluation.get("ranges") or {}),
        "table_3.tsv": means(evaluation.get("organs") or []),
        "table_pdac.tsv": medians(_tumor_networks(evaluation)),
        "table_6.tsv": table_6(discovery) if discovery else [],
        "table_7.tsv": table_7(external),
        "signature.tsv": evaluation.get("signature") or [],
        "robustness.tsv": robustness.summary(evaluation.get("robustness") or {}),
    }
    return made | lymph_node_tables(evaluation, n, seed)


def lymph_node_tables(evaluation, n=1000, seed=0):
    """Tables IV and V; recall by size and station, precision by station, false positives by location, FROC.

    Parameters
    ----------
    evaluation : dict of rows `classes`, `nodes`, `candidates`, `identification`
    """
    classes = evaluation.get("classes") or []
    patients = {}
    for row in classes:
        patients.setdefault(row["variant"], set()).add(row["patient"])
    return {
        "table_4.tsv": lymph_nodes.table_4(evaluation.get("identification") or [], n, seed),
        "table_5.tsv": lymph_nodes.table_5(classes, n=n, seed=seed),
        "stations.tsv": stations.rows(
            evaluation.get("nodes") or [],
            evaluation.get("candidates") or [],
            patients,
            n,
            seed,
        ),
        **detection.detection_tables(
            evaluation.get("nodes") or [],
            evaluation.get("candidates") or [],
            patients,
            n=n,
            seed=seed,
        ),
    }


def table_1(center_results):
    """Table I, one column per center; a level that a center lacks is 0 there, if it reports the characteristic."""
    order, values, reported = [], {}, set()
    for center, result in center_results.items():
        for row in result["table_1"]:
            key = (row["characteristic"], row["level"])
            # The value is this center's; the study's table has a column for `discovery`.
            values.setdefault(key, {})[center] = row["value"]
            reported.add((center, row["characteristic"]))
            if key not in order:
                order.append(key)
    first = list(dict.fromkeys(characteristic for characteristic, _ in order))
    order.sort(key=lambda key: (first.index(key[0]), key[1] == "missing"))
    return [
        {"characteristic": name, "level": level}
        | {
            center: values[name, level].get(
                center, "0 (0%)" if (center, name) in reported else "not reported"
            )
            for center in center_results
        }
        for name, level in order
    ]


def table_2(ranges):
    """Table II: ranges in mm, those used beside those that each fold's training nodes give."""
    lines = []
    for structure in dict.fromkeys(name for part in ranges.values() for name in part):
        for source, part in ranges.items():
            if structure in part:
                low, high, *n = part[structure]
                lines.append(
                    {
                        "structure": structure,
                        "d_min": float(low),
                        "d_max": float(high),
                        "source": source,
                        "n": int(n[0]) if n else None,
                    }
                )
    return lines


def means(rows):
    """Table III: mean and SD of each measure over patients, one line per group (`ABOUT`).

    Lines of one organ are adjacent (the teacher's on one phase, the student's on both). A
    patient without a surface in truth or prediction counts in `n` and Dice, not in `n_surface`;
    `note` counts the reasons.
    """
    lines = []
    for about, part in _grouped(rows):
        line = dict(about)
        for measure in MEASURES:
            values = _known(part, measure)
            line[measure] = float(values.mean()) if len(values) else None
            line[f"{measure}_sd"] = float(values.std(ddof=1)) if len(values) > 1 else None
        line["n"] = len(part)
        line["n_dice"] = len(_known(part, "dice"))
        line["n_surface"] = len(_known(part, "asd_mm"))
        line["note"] = _counted(row.get("note") for row in part)
        lines.append(line)
    names = [line.get("organ", line.get("structure")) for line in lines]
    return [lines[i] for i in sorted(range(len(lines)), key=lambda i: names.index(names[i]))]


def _tumor_networks(evaluation):
    """Rows of the tumor networks, with `network` where more than the final one was evaluated."""
    final, before = evaluation.get("tumor") or [], evaluation.get("tumor_chain") or []
    return before + [{"network": "final"} | row for row in final] if before else final


def medians(rows):
    """Section IV-B: median and quartiles of the tumor's Dice and surface distances."""
    lines = []
    for about, part in _grouped(rows):
        for measure in MEASURES:
            values = _known(part, measure)
            low, middle, high = np.percentile(values, [25, 50, 75]) if len(values) else [None] * 3
            absent = len(part) - len(values)
            lines.append(
                about
                | {
                    "measure": measure,
                    "n": len(values),
                    "median": None if middle is None else float(middle),
                    "low_quartile": None if low is None else float(low),
                    "high_quartile": None if high is None else float(high),
                    "note": f"undefined in {absent} of {len(part)} patients" if absent else "",
                }
            )
    return lines


def table_6(discovery):
    """Table VI in the paper's layout, fold means first, the pooled values after them."""
    return [
        {"basis": basis} | row
        for basis in ("fold_mean", "pooled")
        for row in _block(discovery, basis)
    ]


def table_7(external):
    """Table VII in the paper's layout, a block of rows per center."""
    return [
        {"center": center} | row
        for center, result in external.items()
        for row in _block(result, "ensemble")
    ]


def _block(result, basis):
    """One line per method: `estimate ± SD [low-high]` of five metrics, two marks, then `NUMBERS`.

    `wilcoxon_bootstrap` is the paper's mark (balanced accuracy), `holm` that of the paired
    bootstrap after Holm's adjustment: * for p < 0.05, NS, ref, or undefined. `p_delong` is by
    fold where there are folds.
    """
    marks, p_delong = {}, {}
    for row in result["comparisons"]:
        in_family = "outside_family" not in reasons.codes_of(row["note"])
        if row["metric"] == "balanced_accuracy" and in_family:
            marks[row["reference"]] = (row["p_wilcoxon_bootstrap"], row["p_holm"])
            marks[row["method"]] = "ref"
        if row["metric"] == "auc":
            p_delong[row["reference"]] = row[row["holm_test"]]
    lines = {}
    for row in result["performance"]:
        if row["basis"] == basis and row["metric"] in MAIN_METRICS:
            lines.setdefault(row["method"], {})[row["metric"]] = row
    block = []
    for method, cells in lines.items():
        main = cells["balanced_accuracy"]
        mark = marks.get(method)
        wilcoxon, holm = ("ref", "ref") if mark == "ref" else map(_mark, mark or (None, None))
        p_values = (None, None) if mark in (None, "ref") else mark
        about = {}  # each reason once, with its metrics
        for metric, cell in cells.items():
            for part in filter(None, cell["note"].split("; ")):
                about.setdefault(part, []).append(metric.replace("_", " "))
        notes = [
            part if len(some) == len(cells) else f"{', '.join(some)}: {part}"
            for part, some in about.items()
        ]
        block.append(
            {"method": method}
            | {metric: estimate_words(cell) for metric, cell in cells.items()}
            | {
                "n": int(tables.number(main["n"])),
                "positives": int(tables.number(main["positives"])),
                "wilcoxon_bootstrap": wilcoxon,
                "holm": holm,
                "note": "; ".join(notes),
            }
            | {
                f"{metric}_{part}": _value(cell[part])
                for metric, cell in cells.items()
                for part in ("estimate", "sd", "low", "high")
            }
            | {
                "p_wilcoxon_bootstrap": _value(p_values[0]),
                "p_holm": _value(p_values[1]),
                "p_delong": _value(p_delong.get(method)),
            }
        )
    return block


def estimate_words(row):
    """`0.633 ± 0.021 [0.599-0.669]`, without what is undefined; `undefined` without a value.

    Where the bootstrap gives no interval, a share has its exact one, `1.000 [exact 0.832-1.000]`,
    and an AUC DeLong's, if there is one.
    """
    value, sd = (tables.number(row[key]) for key in ("estimate", "sd"))
    if np.isnan(value):
        return "undefined"
    words = f"{value:.3f}"
    if not np.isnan(sd):
        words += f" ± {sd:.3f}"
    for kind, end in (("", ""), ("exact ", "_exact"), ("DeLong ", "_delong")):
        low, high = (tables.number(row[f"{key}{end}"]) for key in ("low", "high"))
        if not (np.isnan(low) or intervals.collapsed(low, high)):
            return f"{words} [{kind}{low:.3f}-{high:.3f}]"
    return words


def _value(text):
    value = tables.number(text)
    return None if np.isnan(value) else float(value)


def _mark(p):
    p = tables.number(p)
    if np.isnan(p):
        return "undefined"
    return "*" if p < 0.05 else "NS"


def _grouped(rows):
    """(names, rows) of each group, in the order in which groups first appear."""
    groups = {}
    for row in rows:
        about = {key: row[key] for key in ABOUT if key in row}
        groups.setdefault(tuple(about.items()), (about, []))[1].append(row)
    return list(groups.values())


def _counted(notes):
    """`prediction empty in 2 of 4 patients`; a note of every patient has no numbers."""
    notes = [(note or "").split("; ") for note in notes]
    parts = Counter(part for note in notes for part in note if part)
    return "; ".join(
        part if n == len(notes) else f"{part} in {n} of {len(notes)} patients"
        for part, n in parts.items()
    )


def _known(rows, measure):
    values = np.array([tables.number(row.get(measure)) for row in rows], float)
    return values[~np.isnan(values)]
