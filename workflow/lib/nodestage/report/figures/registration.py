"""Quality of the registration, patient by patient."""

from nodestage.core.tables import number
from nodestage.report.figures import style


@style.styled
def registration_qc(rows, before="before", after="after", label="Mutual similarity", title=""):
    """How well the two phases agree before and after registration.

    Parameters
    ----------
    rows : dicts with patient, `before`, `after` (numbers or text), flagged (true: drawn in red)
    label : the axis: what `before` and `after` measure
    """
    rows = [row for row in rows if number(row.get(after)) == number(row.get(after))]
    rows = sorted(rows, key=lambda row: (number(row[after]), str(row.get("patient"))))
    figure = style.new_figure(7.2, 3.2)
    axes = figure.subplots()
    if not rows:
        style.nothing(axes, "No patient with two registered phases.")
        return figure
    for x, row in enumerate(rows):
        tint = "#c62828" if row.get("flagged") else "#0072b2"
        low, high = number(row.get(before)), number(row[after])
        if low == low:
            axes.vlines(x, low, high, color=tint, lw=1, alpha=0.6)
            axes.plot(x, low, "o", mfc="none", color=tint, ms=4)
        axes.plot(x, high, "o", color=tint, ms=4)
    if len(rows) <= 40:
        axes.set_xticks(range(len(rows)), [row["patient"] for row in rows], rotation=90)
        axes.tick_params(axis="x", labelsize=7)
    else:
        axes.set_xlabel(f"{len(rows)} patients, in the order of the result")
        axes.set_xticks([])
    axes.set(ylabel=label, title=title)
    axes.grid(True, axis="y")
    axes.set_axisbelow(True)
    return figure
