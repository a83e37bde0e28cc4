"""Figures 3 and 4: how one patient's attention map arises, and overlays on the CT.

Every slice is (y, x) from a volume in canonical orientation: the patient's right is on the
left of the picture, front at the top. Spacing is (z, y, x) in mm, as everywhere.
"""

from dataclasses import dataclass

import numpy as np
from matplotlib.colors import ListedColormap

from nodestage.report.figures import style
from nodestage.statistics import vocabulary

WINDOW = (-160, 240)
"""HU, the soft-tissue window of the pictures."""

NODE_COLORS = ("#2ec4b6", "#ff4d5e")
"""Negative and positive lymph nodes."""


@dataclass(frozen=True)
class MapSteps:
    """One slice of a patient on the way from organ labels to the attention map (Figure 3).

    Attributes
    ----------
    image : (y, x), HU
    labels : (y, x), label map of the organs
    distances : {organ: (y, x) signed distance in mm, positive outside}, the organs shown
    scores : {organ: (y, x) in [0, 1]}, Eq. 1 for the same organs
    ranges : {organ: (d_min, d_max)} in mm, as Table II or estimated
    attention : (y, x) in [0, 1], Eq. 2 over all organs
    spacing : (z, y, x), mm
    nodes : (y, x), drawn lymph nodes (1 negative, 2 positive), outlined in CT and map; or None
    """

    image: np.ndarray
    labels: np.ndarray
    distances: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    ranges: dict[str, tuple[float, float]]
    attention: np.ndarray
    spacing: tuple[float, float, float]
    nodes: np.ndarray | None = None


@style.styled
def attention_steps(steps: MapSteps, title=""):
    """How one patient's map arises (Figure 3): labels → distances → scores → maximum."""
    image, nodes, distances = steps.image, steps.nodes, steps.distances
    aspect = steps.spacing[1] / steps.spacing[2]
    organs = list(distances)
    figure = style.new_figure(2.1 * (len(organs) + 2), 6.2)
    grid = figure.add_gridspec(3, len(organs) + 2)
    plain = figure.add_subplot(grid[0, 0])
    _ct(plain, image, aspect)
    plain.set_title("CT" if nodes is None else "CT, nodes drawn")
    first = figure.add_subplot(grid[1, 0])
    _ct(first, image, aspect)
    _organs(first, steps.labels, aspect)
    first.set_title("Organs and vessels")
    for column, organ in enumerate(organs, start=1):
        axes = figure.add_subplot(grid[0, column])
        largest = float(np.abs(distances[organ]).max()) or 1.0
        far = axes.imshow(
            distances[organ], cmap="RdBu_r", vmin=-largest, vmax=largest, aspect=aspect
        )
        figure.colorbar(far, ax=axes, shrink=0.6, label="mm", ticks=[0, int(largest)])
        axes.contour(distances[organ], levels=[0], colors=style.INK, linewidths=0.7)
        axes.set_title(f"{_words(organ)}: distance")
        _bare(axes)
        _trapezium(figure.add_subplot(grid[1, column]), steps.ranges[organ])
        axes = figure.add_subplot(grid[2, column])
        axes.imshow(steps.scores[organ], cmap="inferno", vmin=0, vmax=1, aspect=aspect)
        axes.set_title(f"{_words(organ)}: score")
        _bare(axes)
    last = figure.add_subplot(grid[1, -1])
    _ct(last, image, aspect)
    shown = last.imshow(
        _clear(steps.attention), cmap="inferno", vmin=0, vmax=1, aspect=aspect, alpha=0.6
    )
    last.set_title("Map: the maximum")
    if nodes is not None:
        _outline(plain, nodes)
        _outline(last, nodes)
    figure.colorbar(shown, ax=last, shrink=0.7, ticks=[0, 0.5, 1])
    figure.suptitle(title, x=0.01, ha="left")
    return figure


@style.styled
def overlays(nodes=(), organs=(), title=""):
    """Nodes (drawn, plain, with attention) and organs with their map (Figure 4).

    Parameters
    ----------
    nodes : dicts with patient, image (y, x) in HU, spacing (z, y, x), and the label slices
        truth, plain, attention (1 negative, 2 positive node; None where there is none)
    organs : dicts with patient, image, spacing, labels (y, x), attention (y, x) in [0, 1]
    """
    rows = len(nodes) + len(organs)
    figure = style.new_figure(7.4, 2.5 * max(rows, 1) + 0.4)
    if not rows:
        style.nothing(figure.subplots(), "No patient to show.")
        return figure
    cells = figure.subplots(rows, 3, squeeze=False)
    for row, patient in enumerate(nodes):
        for axes, key, words in zip(
            cells[row],
            ("truth", "plain", "attention"),
            ("Drawn by a reader", "Plain network", "With attention"),
            strict=True,
        ):
            _ct(axes, patient["image"], patient["spacing"][1] / patient["spacing"][2])
            if patient.get(key) is None:
                axes.text(
                    0.5,
                    0.04,
                    "not annotated",
                    color="white",
                    ha="center",
                    transform=axes.transAxes,
                )
            else:
                _outline(axes, patient[key])
            if row == 0:
                axes.set_title(words)
        cells[row][0].set_ylabel(patient["patient"])
    for row, patient in enumerate(organs, start=len(nodes)):
        aspect = patient["spacing"][1] / patient["spacing"][2]
        for axes in cells[row]:
            _ct(axes, patient["image"], aspect)
        _organs(cells[row][1], patient["labels"], aspect)
        cells[row][2].imshow(
            _clear(patient["attention"]), cmap="inferno", vmin=0, vmax=1, alpha=0.6, aspect=aspect
        )
        if row == len(nodes):
            for axes, words in zip(
                cells[row], ("CT", "Organs and vessels", "Attention map"), strict=True
            ):
                axes.set_title(words)
        cells[row][0].set_ylabel(patient["patient"])
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _ct(axes, image, aspect):
    axes.imshow(image, cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1], aspect=aspect)
    _bare(axes)
    for x, side in ((0.03, "R"), (0.97, "L")):
        axes.text(
            x,
            0.5,
            side,
            color="white",
            fontsize=7,
            ha="center",
            va="center",
            transform=axes.transAxes,
        )


def _organs(axes, labels, aspect):
    axes.imshow(
        np.ma.masked_equal(labels, 0),
        cmap="tab20",
        vmin=0,
        vmax=19,
        alpha=0.55,
        aspect=aspect,
        interpolation="nearest",
    )


def _clear(attention):
    """The map without the voxels where it is 0, so that the CT shows through."""
    return np.ma.masked_less(attention, 0.01)


def _bare(axes):
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _outline(axes, labels):
    for label, tint in enumerate(NODE_COLORS, start=1):
        mask = np.asarray(labels) == label
        limits = axes.get_xlim(), axes.get_ylim()
        if mask.any():
            axes.imshow(
                np.ma.masked_equal(mask, False),
                cmap=ListedColormap([tint]),
                alpha=0.35,
                aspect=axes.get_aspect(),
                interpolation="nearest",
            )
            # Half a voxel of rim, so that a node at the border has a closed line.
            axes.contour(
                np.pad(mask, 1).astype(float),
                levels=[0.5],
                colors=[tint],
                linewidths=1.2,
                extent=(-1.5, mask.shape[1] + 0.5, -1.5, mask.shape[0] + 0.5),
            )
            axes.set(xlim=limits[0], ylim=limits[1])


def _trapezium(axes, limits, border=3.0):
    """Eq. 1 as a picture: 1 within the range, falling to 0 over `border` mm."""
    low, high = limits
    axes.plot(
        [low - border - 4, low - border, low, high, high + border, high + border + 4],
        [0, 0, 1, 1, 0, 0],
        color="#d1495b",
        lw=1.6,
    )
    axes.set(xlabel="distance (mm)", ylim=(-0.05, 1.1), yticks=[0, 1], xticks=[low, high])
    axes.set_title("score of a distance", fontsize=8)


def _words(organ):
    return vocabulary.name("structures", organ)
