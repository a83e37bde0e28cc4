"""The figures of a page, each with an alternative text."""

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from nodestage.report import figures, headline, numbers
from nodestage.report.sources import load
from nodestage.statistics import vocabulary


@dataclass(frozen=True)
class Plot:
    """A figure, the prefix of its ids on a page, and its alternative text."""

    figure: object
    prefix: str
    words: str

    @property
    def svg(self):
        """The figure as SVG for a page."""
        return Markup(figures.inline(self.figure, self.prefix))


STUDY_FILES = {
    "roc_ablation": "figure_5a",
    "roc_baselines": "figure_5b",
    "forest": "forest",
    "froc": "froc",
}
"""Plots of the study that are files too: {plot: file name}."""


def write_study(folder, plots):
    """Write the study's plots as files; one without data states that."""
    empty = {"forest": figures.forest, "froc": figures.froc}
    return [
        path
        for plot, name in STUDY_FILES.items()
        for path in figures.save(
            plots[plot].figure if plot in plots else empty.get(plot, figures.roc)([]),
            Path(folder, name),
        )
    ]


def _main_basis(rows, role):
    """Rows of the basis at the top of the page, else of the first that there is."""
    for basis in (headline.BASES[role], "pooled", "ensemble", "fold_mean"):
        if rows.where(basis=basis):
            return rows.where(basis=basis)
    return rows


def roc_kinds(rows):
    """(main rows, rows beside them): the vertical average or the ensemble, and the pooled curve."""
    kinds = rows.values("kind")
    main = [k for k in kinds if k != "pooled"][:1] or kinds[:1]
    return (
        [r.plain() for r in rows if r.text("kind") in main],
        [r.plain() for r in rows if r.text("kind") == "pooled" and "pooled" not in main],
    )


def _roc(performance, curves, role):
    """{name: Plot} of the ROC curves: parts of the model, and the compared methods."""
    plots = {}
    if not curves:
        return plots
    basis = _main_basis(performance, role)
    auc = {r.text("method"): r["estimate"].number for r in basis.where(metric="auc")}
    main, beside = roc_kinds(curves)
    words = vocabulary.terms()
    added = [m for m in curves.values("method") if m not in words["methods"]]
    for part, title, methods in (
        ("ablation", "(a) Ablation", words["ablation"] + added),
        ("baselines", "(b) Baselines", words["baselines"]),
    ):
        values = [
            f"{vocabulary.name('methods', m)} AUC {numbers.fixed(auc[m])}"
            for m in methods
            if m in auc
        ]
        plots[f"roc_{part}"] = Plot(
            figures.roc(main, methods, auc, title, beside),
            f"roc-{part}",
            f"ROC curves, {title[4:].lower()}: {'; '.join(values)}",
        )
    return plots


def of_center(center, tables, there, primary):
    """{name: Plot} of a center: ROC curves, forest, calibration, decision curve.

    Parameters
    ----------
    center : records.Center
    tables : {performance, roc, calibration, decision_curve: Rows}
    there : Rows of the discovery center's performance.tsv, or None
    primary : {method, metric, reference}
    """
    plots = _roc(tables["performance"], tables["roc"], center.role)
    rows = _forest_rows(tables["performance"], center.role, center.name, primary["metric"])
    if not any(numbers.plain_cell(row.get("estimate")).defined for row in rows):
        rows = []  # a plot of undefined estimates alone shows nothing
    elif there is not None:
        rows += _forest_rows(there, "discovery", "Discovery, cross-validated", primary["metric"])
    if rows:
        plots["forest"] = Plot(
            figures.forest(rows, primary["metric"]), "forest", _forest_words(rows, primary)
        )
    plots |= _of_probabilities(tables, primary)
    return plots


def _of_probabilities(tables, primary):
    """Calibration and decision curve of a few methods, so that a reader can distinguish them."""
    plots = {}
    few = [primary["reference"], "tumor_net", "nodes_attention", primary["method"]]
    bins = [r.plain() for r in tables["calibration"] if r["predicted"].defined]
    if bins:
        plots["calibration"] = Plot(
            figures.calibration(bins, few),
            "calibration",
            "Calibration curves: predicted probability against the observed proportion of positive "
            "patients; the diagonal is perfect calibration.",
        )
    if tables["decision_curve"]:
        plots["decision"] = Plot(
            figures.decision_curve(tables["decision_curve"].plain(), few, banded=primary["method"]),
            "decision",
            "Decision curves: net benefit of each method over threshold probabilities, compared "
            "with treating all or none as positive; the band is the interval of "
            f"{vocabulary.name('methods', primary['method'])}.",
        )
    return plots


def of_coverage(rows, method):
    """{coverage: Plot} of one method's conformal sets; nothing where no coverage is declared.

    Parameters
    ----------
    rows : Rows of coverage.tsv
    method : the declared method; without rows of it the first that has any
    """
    methods = vocabulary.ordered("methods", rows.values("method")) if rows else []
    if not methods:
        return {}
    name = method if method in methods else methods[0]
    within = rows.where(method=name)
    lines = [
        f"{numbers.fixed(row['accuracy'].number)} with {numbers.fixed(row['decided'].number)} decided"
        for row in within
        if row["accuracy"].defined
    ]
    words = f"Accuracy against coverage, {vocabulary.name('methods', name)}: {'; '.join(lines)}"
    return {"coverage": Plot(figures.coverage(within.plain()), "coverage", words)}


def of_registration(people):
    """{registration: Plot} from the patients' records; nothing where none has them."""
    rows = []
    for person in people:
        record = person["record"].get("registration") or {}
        record = {**record, **(record.get("quality") or record.get("similarity") or {})}
        if record.get("after") is not None:
            flagged = bool(record.get("failed") or record.get("warnings"))
            rows.append(
                {
                    "patient": person["patient"],
                    "flagged": flagged,
                    "before": record.get("before"),
                    "after": record["after"],
                }
            )
    if not rows:
        return {}
    words = f"Similarity of the two phases of {len(rows)} patients, before and after registration."
    figure = figures.registration_qc(rows, label="Similarity of structures")
    return {"registration": Plot(figure, "registration", words)}


def of_study(centers, performance, tables, primary):
    """{name: Plot} of the study: forest over the centers, discovery's ROC curves, FROC.

    Parameters
    ----------
    centers : list of records.Center
    performance : {center name: Rows of its performance.tsv}
    tables : {heterogeneity, froc, froc_at: Rows} of the study
    primary : {method, metric, reference}
    """
    plots = {}
    rows = _study_rows(centers, performance, tables["heterogeneity"], primary)
    if rows:
        forest = figures.forest(rows, primary["metric"])
        plots["forest"] = Plot(forest, "forest", _forest_words(rows, primary))
    if tables["froc"]:
        curve = figures.froc([row.plain() for row in tables["froc"]])
        plots["froc"] = Plot(curve, "froc", _froc_words(tables["froc_at"]))
    for center in centers:
        if center.role == "discovery":
            plots |= _roc(performance[center.name], load(center.statistics, "roc.tsv"), center.role)
    return plots


def _study_rows(centers, performance, heterogeneity, primary):
    """Rows of the forest plot: the declared endpoint in each center, and pooled."""
    metric, method = primary["metric"], primary["method"]
    rows = []
    for center in centers:
        row = headline.primary_row(performance[center.name], method, metric, center.role)
        if row is None:
            continue
        group = "Discovery, cross-validated" if center.role == "discovery" else "External centers"
        if center.summarised:
            group = "External, as reported by the center"
        rows.append({**row.plain(), "group": group, "label": center.name, "method": method})
    pooled = {"group": "External centers", "pooled": True, "label": "random effects"}
    return rows + [
        {**row.plain(), **pooled, "method": method}
        for row in heterogeneity.where(metric=metric, method=method)
    ]


def _forest_rows(performance, role, group, metric):
    basis = _main_basis(performance, role).where(metric=metric)
    by_method = {row.text("method"): row for row in basis}
    return [
        {
            **by_method[method].plain(),
            "group": group,
            "label": vocabulary.name("methods", method),
        }
        for method in vocabulary.ordered("methods", by_method)
    ]


def _forest_words(rows, primary):
    lines = [
        f"{row['group']}, {row['label']}: "
        + numbers.fixed(numbers.plain_cell(row.get("estimate")).number)
        for row in rows
    ]
    return f"Forest plot of {vocabulary.name('metrics', primary['metric'])}: {'; '.join(lines)}"


def _froc_words(rows):
    lines = [
        f"{vocabulary.name('variants', row.text('variant'))} "
        f"{numbers.fixed(row['recall'].number)} at {row.text('allowed')}"
        for row in rows
        if row["recall"].defined
    ]
    return "FROC, recall at false positives per patient: " + "; ".join(lines)
