"""The figures of a page, each with the words for those who don't see it."""

from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

from nodestage.report import figures, headline, numbers
from nodestage.report.sources import load
from nodestage.statistics import vocabulary


@dataclass(frozen=True)
class Plot:
    """A figure, the prefix of its ids on a page, and what it shows in words."""

    figure: object
    prefix: str
    words: str

    @property
    def svg(self):
        return Markup(figures.inline(self.figure, self.prefix))


STUDY_FILES = {
    "roc_ablation": "figure_5a",
    "roc_baselines": "figure_5b",
    "forest": "forest",
    "froc": "froc",
}
"""Plots of the study that are files too, and what they are called there."""


def write_study(folder, plots):
    """Write the study's plots as files; one that there is nothing to draw of says so."""
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
    """Rows of the basis that heads the page, else of the first that there is."""
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


def of_center(center, role, tables, there, primary):
    """{name: Plot} of a center: ROC curves, forest, calibration, decision curve.

    Parameters
    ----------
    tables : {performance, roc, calibration, decision_curve: Rows}
    there : Rows of the discovery center's performance.tsv, or None
    primary : {method, metric, reference}
    """
    plots = {}
    basis = _main_basis(tables["performance"], role)
    auc = {r.text("method"): r["estimate"].number for r in basis.where(metric="auc")}
    if tables["roc"]:
        main, beside = roc_kinds(tables["roc"])
        for part, title in (("ablation", "(a) Ablation"), ("baselines", "(b) Baselines")):
            chosen = vocabulary.terms()[part]
            if part == "ablation":
                chosen = chosen + [
                    m
                    for m in tables["roc"].values("method")
                    if m not in vocabulary.terms()["methods"]
                ]
            plots[f"roc_{part}"] = Plot(
                figures.roc(main, chosen, auc, title, beside),
                f"roc-{part}",
                f"ROC curves, {title[4:].lower()}: "
                + "; ".join(
                    f"{vocabulary.name('methods', m)} AUC {numbers.fixed(auc[m])}"
                    for m in chosen
                    if m in auc
                ),
            )
    rows = _forest_rows(tables["performance"], role, center, primary["metric"])
    if there is not None:
        rows += _forest_rows(there, "discovery", "Discovery, cross-validated", primary["metric"])
    if rows:
        plots["forest"] = Plot(
            figures.forest(rows, primary["metric"]), "forest", _forest_words(rows, primary)
        )
    plots |= _of_probabilities(tables, primary)
    return plots


def _of_probabilities(tables, primary):
    """Calibration and decision curve of the few methods that a reader can tell apart there."""
    plots = {}
    few = [primary["reference"], "tumor_net", "nodes_attention", primary["method"]]
    bins = [r.plain() for r in tables["calibration"] if r["predicted"].defined]
    if bins:
        plots["calibration"] = Plot(
            figures.calibration(bins, few),
            "calibration",
            "Calibration curves: predicted probability against the observed share of positive "
            "patients; the diagonal is perfect.",
        )
    if tables["decision_curve"]:
        plots["decision"] = Plot(
            figures.decision_curve(tables["decision_curve"].plain(), few),
            "decision",
            "Decision curves: net benefit of each method over threshold probabilities, beside "
            "treating all or none as positive.",
        )
    return plots


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


def of_study(found, home, heterogeneity, primary, froc=(), froc_at=()):
    """{name: Plot} of the study: forest over the centers, discovery's ROC curves, FROC.

    Parameters
    ----------
    found : list of {center, role, statistics, performance, summarised}
    home : the entry of the discovery center, or None
    heterogeneity, froc, froc_at : Rows of the study's tables of these names
    """
    plots = {}
    metric, method = primary["metric"], primary["method"]
    rows = []
    for entry in found:
        row = headline.primary_row(entry["performance"], method, metric, entry["role"])
        if row is None:
            continue
        group = "Discovery, cross-validated" if entry["role"] == "discovery" else "External centers"
        if entry.get("summarised"):
            group = "External, as reported by the center"
        rows.append({**row.plain(), "group": group, "label": entry["center"], "method": method})
    for row in heterogeneity.where(metric=metric, method=method):
        rows.append(
            {
                **row.plain(),
                "group": "External centers",
                "pooled": True,
                "label": "random effects",
                "method": method,
            }
        )
    if rows:
        plots["forest"] = Plot(figures.forest(rows, metric), "forest", _forest_words(rows, primary))
    if froc:
        curve = figures.froc([row.plain() for row in froc])
        plots["froc"] = Plot(curve, "froc", _froc_words(froc_at))
    if home:
        curves = load(home["statistics"], "roc.tsv")
        tables = {"roc": curves, "performance": home["performance"]}
        empty = load(None, "")
        tables |= {"calibration": empty, "decision_curve": empty}
        found_here = of_center(home["center"], "discovery", tables, None, primary)
        plots |= {name: plot for name, plot in found_here.items() if name.startswith("roc")}
    return plots


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
