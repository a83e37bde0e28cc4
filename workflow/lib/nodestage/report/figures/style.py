"""One look for every figure: Agg, colors for color-blind readers, exact SVG."""

import io
import re
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from nodestage.core import files

INK = "#1b1d21"
"""Text and axes; a page replaces this by its text color."""

RULE = "#c8ccd2"
"""Grid lines; a page replaces this by its line color."""

COLORS = {
    "combined": "#d1495b",
    "combined_candidates": "#8f1d30",
    "combined_radiomics": "#4c1a57",
    "tumor_net": "#1f84c9",
    "nodes_attention": "#009e73",
    "nodes_plain": "#cc79a7",
    "nodes_candidates": "#00674b",
    "node_graph": "#4a7c2c",
    "node_order": "#94b85c",
    "node_noisy_or": "#2f5d8a",
    "radiomics": "#e08e0b",
    "radiomics_ct_report": "#8a6d00",
    "ct_report": "#7a7f87",
    "resnet3d": "#56a3d9",
    "resnet2d": "#7a6fe0",
    "deepten": "#2a9d8f",
}
SPARE = ["#4d4d4d", "#a05195", "#2f6db5", "#6a994e", "#bc6c25"]
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1))]

SETTINGS = {
    "font.size": 9,
    "font.family": "sans-serif",
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.titlecolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "grid.color": RULE,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "svg.fonttype": "none",
    # A patient code with a dollar sign is a code, not a formula.
    "text.parse_math": False,
    "axes.unicode_minus": True,
}


def color(method, index=0):
    """A method's color; an added method takes the spare color of its index."""
    return COLORS.get(method, SPARE[index % len(SPARE)])


def styled(draw):
    """Run a drawing function in the project's style, independent of the user's matplotlibrc."""

    def wrapped(*arguments, **options):
        with rc_context(SETTINGS):
            return draw(*arguments, **options)

    wrapped.__doc__ = draw.__doc__
    wrapped.__name__ = draw.__name__
    return wrapped


def new_figure(width, height, **options):
    """A figure outside pyplot: no global state, no window, freed when forgotten."""
    figure = Figure(figsize=(width, height), layout="constrained", **options)
    FigureCanvasAgg(figure)
    return figure


def svg(figure, salt="nodestage", dpi="figure"):
    """The figure as SVG text, pictures in it at `dpi`; equal figures give equal text."""
    buffer = io.BytesIO()
    with rc_context({**SETTINGS, "svg.hashsalt": salt}):
        figure.savefig(
            buffer,
            format="svg",
            dpi=dpi,
            transparent=True,
            metadata={"Date": None, "Creator": None},
        )
    return buffer.getvalue().decode("utf-8")


def inline(figure, prefix):
    """SVG for the inside of an HTML page.

    Its ids begin with `prefix`, so that two figures on a page don't share any, and its ink
    follows the page's text color (dark mode).
    """
    text = svg(figure, salt=prefix)
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\sid="|url\(#|href="#)', rf"\g<1>{prefix}-", text)
    text = text.replace(INK, "currentColor").replace(RULE, "var(--rule)")
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt" ', "", text, count=1)


def save(figure, stem, formats=("svg", "png"), dpi=200):
    """Write `stem`.svg and `stem`.png; the paths written."""
    paths = []
    for form in formats:
        path = Path(f"{stem}.{form}")
        if form == "svg":
            white = svg(figure, dpi=dpi).replace(
                "<defs>",
                '<rect width="100%" height="100%" style="fill: #ffffff"/>\n <defs>',
                1,
            )
            files.write_text(path, white)
        else:
            with files.whole(path) as temporary, rc_context(SETTINGS):
                figure.savefig(temporary, dpi=dpi, facecolor="white", metadata={"Software": None})
        paths.append(path)
    return paths


def nothing(axes, sentence):
    """Write into the figure why it is empty."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, sentence, ha="center", va="center", wrap=True, transform=axes.transAxes)
