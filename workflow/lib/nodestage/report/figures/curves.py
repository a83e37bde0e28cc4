"""ROC, FROC, calibration and decision curves, from rows of the statistics tables."""

from nodestage.core.tables import number
from nodestage.report.figures import style
from nodestage.statistics import vocabulary


def _series(rows, x, y, by="method"):
    """{method: (x values, y values)} in the order of the rows; rows with an empty cell left out."""
    series = {}
    for row in rows:
        a, b = number(row.get(x)), number(row.get(y))
        if a == a and b == b:
            xs, ys = series.setdefault(row[by], ([], []))
            xs.append(a)
            ys.append(b)
    return series


@style.styled
def roc(rows, methods=None, auc=None, title="", pooled=()):
    """ROC curves of several methods (Figure 5).

    Parameters
    ----------
    rows : dicts with method, fpr, tpr, one per point of a curve, in order
    methods : which methods to draw, in order; all of them if None
    auc : {method: AUC} for the legend
    title : str
    pooled : rows of the same kind, drawn thin and dotted beside the main curves
        (the pooled curve beside the vertical average over folds)
    """
    curves, beside = _series(rows, "fpr", "tpr"), _series(pooled, "fpr", "tpr")
    methods = [m for m in (methods or vocabulary.ordered("methods", curves)) if m in curves]
    figure = style.new_figure(4.3, 4.6)
    axes = figure.subplots()
    if not methods:
        style.nothing(axes, "No ROC curve: no method has scores in both classes here.")
        return figure
    axes.plot([0, 1], [0, 1], color=style.RULE, lw=1, zorder=0)
    for index, method in enumerate(methods):
        main = method == "combined"
        value = (auc or {}).get(method)
        label = vocabulary.name("methods", method)
        if value is not None and value == value:
            label += f"  {value:.2f}"
        tint = style.color(method, index)
        axes.plot(
            *curves[method],
            color=tint,
            lw=2.4 if main else 1.3,
            ls="-" if main else style.DASHES[index % len(style.DASHES)],
            label=label,
            zorder=3 if main else 2,
        )
        if method in beside:
            axes.plot(*beside[method], color=tint, lw=0.8, ls=":", alpha=0.7, zorder=1)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
    axes.set(xlabel="1 − specificity", ylabel="Sensitivity", title=title)
    axes.grid(True)
    axes.set_axisbelow(True)
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=1 if len(methods) < 4 else 2,
        title="Method and AUC" if auc else None,
        title_fontsize=8,
    )
    return figure


@style.styled
def calibration(rows, methods=None, predicted="predicted", observed="observed", title=""):
    """Observed share of positive patients against the predicted probability.

    Parameters
    ----------
    rows : dicts with method, `predicted`, `observed` and, if known, low, high, n (a bin's
        interval and size), one per bin
    """
    rows = [row for row in rows if number(row.get(observed)) == number(row.get(observed))]
    curves = _series(rows, predicted, observed)
    methods = [m for m in (methods or vocabulary.ordered("methods", curves)) if m in curves]
    figure = style.new_figure(4.3, 4.4)
    axes = figure.subplots()
    if not methods:
        style.nothing(axes, "No calibration curve: no method has probabilities here.")
        return figure
    axes.plot([0, 1], [0, 1], color=style.RULE, lw=1, zorder=0)
    for index, method in enumerate(methods):
        x, y = curves[method]
        tint = style.color(method, index)
        main = method == "combined"
        axes.plot(
            x,
            y,
            color=tint,
            marker="os^Dv"[index % 5],
            ms=5,
            lw=1.8 if main else 1.1,
            ls=style.DASHES[index % len(style.DASHES)],
            label=vocabulary.name("methods", method),
            zorder=3 if main else 2,
        )
        for row in rows:
            low, high = number(row.get("low")), number(row.get("high"))
            if row["method"] == method and low == low and high == high:
                axes.vlines(number(row[predicted]), low, high, color=tint, lw=0.9, alpha=0.6)
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    axes.set(xlabel="Predicted probability", ylabel="Observed share positive", title=title)
    axes.grid(True)
    axes.set_axisbelow(True)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


@style.styled
def decision_curve(rows, methods=None, title="", banded=""):
    """Net benefit against the threshold probability.

    Parameters
    ----------
    rows : dicts with method, threshold, net_benefit and, if known, low and high; the methods `all`
        and `none` are the strategies without a model
    banded : the method whose interval is drawn as a band; bands of all would hide each other
    """
    curves = _series(rows, "threshold", "net_benefit")
    plain = {"all": "Treat as positive: all", "none": "Treat as positive: none"}
    models = [m for m in (methods or vocabulary.ordered("methods", curves)) if m in curves]
    models = [m for m in models if m not in plain]
    figure = style.new_figure(4.3, 4.4)
    axes = figure.subplots()
    if not models:
        style.nothing(axes, "No decision curve: no method has probabilities here.")
        return figure
    for method, label in plain.items():
        if method in curves:
            axes.plot(
                *curves[method],
                color=style.INK,
                lw=0.9,
                ls="-" if method == "none" else ":",
                label=label,
            )
    for index, method in enumerate(models):
        axes.plot(
            *curves[method],
            color=style.color(method, index),
            lw=2.2 if method == "combined" else 1.2,
            ls="-" if method == "combined" else style.DASHES[index % len(style.DASHES)],
            label=vocabulary.name("methods", method),
        )
        if method == banded:
            _band(
                axes, [row for row in rows if row["method"] == method], style.color(method, index)
            )
    top = max(max(curves[m][1]) for m in models)
    # Below the axis lies harm without bound as the threshold nears 1; the reader needs its start.
    axes.set(xlim=(0, 1), ylim=(-0.25 * max(top, 0.1), 1.15 * max(top, 0.1)))
    axes.set(xlabel="Threshold probability", ylabel="Net benefit", title=title)
    axes.grid(True)
    axes.set_axisbelow(True)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def _band(axes, rows, color):
    """Interval around a curve, where its rows have one."""
    ends = [[number(row.get(c)) for c in ("threshold", "low", "high")] for row in rows]
    ends = [values for values in ends if values == [v for v in values if v == v]]
    if ends:
        axes.fill_between(*zip(*ends, strict=True), color=color, alpha=0.15, lw=0)


@style.styled
def coverage(rows, title=""):
    """Accuracy of the decided patients against the share that is decided, with exact intervals.

    Parameters
    ----------
    rows : dicts of one method with wanted, declared (1 or 0), decided, accuracy, accuracy_low,
        accuracy_high; one without an accuracy is left out
    """
    columns = ("wanted", "declared", "decided", "accuracy", "accuracy_low", "accuracy_high")
    points = [{c: number(row.get(c)) for c in columns} for row in rows]
    points = [p for p in points if p["accuracy"] == p["accuracy"]]
    figure = style.new_figure(4.3, 3.6)
    axes = figure.subplots()
    if not points:
        style.nothing(axes, "No patient is decided at any coverage.")
        return figure
    tint = style.color("combined", 0)
    for point in points:
        x, main = point["decided"], point["declared"] == 1
        axes.vlines(x, point["accuracy_low"], point["accuracy_high"], color=tint, lw=1, alpha=0.6)
        axes.plot(
            x,
            point["accuracy"],
            "o",
            ms=7 if main else 4,
            color=tint,
            mfc=tint if main else "white",
        )
        axes.annotate(
            f"{point['wanted']:g}",
            (x, point["accuracy"]),
            xytext=(5, 4),
            textcoords="offset points",
            fontsize=7,
        )
    axes.set(xlim=(-0.02, 1.05), ylim=(-0.02, 1.05))
    axes.set(xlabel="Share of patients decided", ylabel="Accuracy of those decided", title=title)
    axes.grid(True)
    axes.set_axisbelow(True)
    return figure


@style.styled
def froc(rows, title=""):
    """Recall of lymph nodes against false positives per patient, one line per variant.

    Parameters
    ----------
    rows : dicts with variant, false_positives_per_patient, recall, one per point, from the
        strictest threshold on
    """
    curves = _series(rows, "false_positives_per_patient", "recall", by="variant")
    figure = style.new_figure(4.3, 4.2)
    axes = figure.subplots()
    if not curves:
        style.nothing(axes, "No FROC curve: no variant proposed a node, or none is drawn.")
        return figure
    for index, (variant, (wrong, recall)) in enumerate(curves.items()):
        tint = style.color(
            {"plain": "nodes_plain", "attention": "nodes_attention"}.get(variant), index
        )
        axes.step(
            [0, *wrong],
            [0, *recall],
            where="post",
            color=tint,
            lw=2.2 if variant == "attention" else 1.4,
            ls="-" if variant == "attention" else style.DASHES[1 + index % 3],
            label=vocabulary.name("variants", variant),
        )
        axes.plot(wrong[-1], recall[-1], "o", color=tint, ms=5)
    axes.set(xlim=(0, None), ylim=(-0.01, 1.01))
    axes.set(xlabel="False positives per patient", ylabel="Recall of drawn nodes", title=title)
    axes.grid(True)
    axes.set_axisbelow(True)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
