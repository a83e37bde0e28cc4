"""Forest plot: estimates with intervals, by method and center."""

from nodestage.core.tables import number
from nodestage.report.figures import style
from nodestage.statistics import vocabulary
from nodestage.statistics.intervals import collapsed

WIDTH, LEFT, RIGHT, LINE, TOP, BOTTOM = 8.2, 2.15, 2.45, 0.25, 0.45, 0.55
"""Inches: the figure, the columns beside its axes, a line, the margins above and below."""


@style.styled
def forest(rows, metric="balanced_accuracy", chance=None, title=""):
    """One line per row, grouped.

    Parameters
    ----------
    rows : dicts with group, label, estimate, low, high (numbers or text), and optionally
        n, positives, method (for the color), pooled (true: drawn as a diamond); groups in the
        order in which they come
    metric : what is estimated, for the axis
    chance : value of guessing (a line); by the metric if None
    """
    if not rows:
        figure = style.new_figure(7.4, 1.6)
        style.nothing(figure.subplots(), "No estimate to show.")
        return figure
    chance = vocabulary.terms()["chance"].get(metric) if chance is None else chance
    groups = list(dict.fromkeys(row["group"] for row in rows))
    lines = len(rows) + len(groups)
    height = LINE * lines + TOP + BOTTOM
    figure = style.new_figure(WIDTH, height)
    # Positions in inches, not by a layout engine: a browser's letters are not matplotlib's.
    figure.set_layout_engine("none")
    axes = figure.add_axes(
        (LEFT / WIDTH, BOTTOM / height, (WIDTH - LEFT - RIGHT) / WIDTH, LINE * lines / height)
    )
    _limits(axes, rows)
    if chance is not None:
        axes.axvline(chance, color=style.RULE, lw=1.4, zorder=0)
    at = 0
    for group in groups:
        _beside(axes, 0.08 - LEFT, at, group, weight="bold")
        at += 1
        for index, row in enumerate(r for r in rows if r["group"] == group):
            _line(axes, at, row, style.color(row.get("method", ""), index))
            at += 1
    _beside(axes, WIDTH - LEFT - RIGHT + 0.15, -0.85, "n (positive)", weight="bold")
    _beside(axes, WIDTH - LEFT - RIGHT + 1.1, -0.85, "Estimate [95 % CI]", weight="bold")
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_ylim(lines - 0.4, -0.6)
    axes.set_xlabel(vocabulary.name("metrics", metric))
    if title:
        axes.set_title(title)
    axes.grid(True, axis="x")
    axes.set_axisbelow(True)
    return figure


def _line(axes, at, row, tint):
    estimate, low, high = (number(row.get(key)) for key in ("estimate", "low", "high"))
    words = "undefined"
    if estimate == estimate:
        words = f"{estimate:.2f} [no interval]"
        if low < high and not collapsed(low, high):  # neither undefined nor a mere point
            axes.hlines(at, low, high, color=tint, lw=1.7)
            words = f"{estimate:.2f} [{low:.2f}–{high:.2f}]"
        axes.plot(estimate, at, "D" if row.get("pooled") else "s", color=tint, ms=5.5)
    words = words.replace("-", "−")
    size = str(row.get("n") or "")
    if size and str(row.get("positives") or ""):
        size += f" ({row['positives']})"
    if row.get("pooled") and row.get("k"):
        size = f"{row['k']} centers"
    _beside(axes, 0.22 - LEFT, at, row["label"])
    _beside(axes, WIDTH - LEFT - RIGHT + 0.15, at, size)
    _beside(axes, WIDTH - LEFT - RIGHT + 1.1, at, words)


def _beside(axes, inches, at, text, **options):
    """Text at `inches` from the left end of the axes, on the line `at`."""
    width = WIDTH - LEFT - RIGHT
    axes.text(
        inches / width,
        at,
        text,
        va="center",
        fontsize=8.5,
        clip_on=False,
        transform=axes.get_yaxis_transform(),
        **options,
    )


def _limits(axes, rows):
    values = [number(row.get(key)) for row in rows for key in ("estimate", "low", "high")]
    values = [value for value in values if value == value]
    left, right = min(values, default=0.0), max(values, default=1.0)
    if left >= 0 and right <= 1:
        left, right = 0.0, 1.0
    margin = 0.02 * ((right - left) or 1)
    axes.set_xlim(left - margin, right + margin)
