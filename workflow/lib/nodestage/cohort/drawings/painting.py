"""Segments that may overlap, as one label map.

Segments of one class are joined. Where two classes of one mask overlap, a voxel that was drawn as
negative and positive lymph node is positive, and one of two organs belongs to the smaller one, which
the larger one would swallow. An overlap that can't be meant is an error: most of a negative node, or
of an organ, lies in another class.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from nodestage.cohort.faults import IntakeError

MOST = 0.5  # of a structure: beyond, two classes mean the same thing


@dataclass(frozen=True)
class Piece:
    """A part of a segment on its lattice.

    Attributes
    ----------
    corner : index (k, j, i) of the first voxel
    inside : bool array (k, j, i)
    """

    corner: tuple[int, ...]
    inside: np.ndarray


def trimmed(inside: np.ndarray, corner: tuple[int, ...] = (0, 0, 0)) -> Piece | None:
    """The box of a bool array (k, j, i) that holds all of it; None where it is empty."""
    box = []
    for axis in range(3):
        used = np.flatnonzero(inside.any(tuple(other for other in range(3) if other != axis)))
        if not len(used):
            return None
        box.append(slice(int(used[0]), int(used[-1]) + 1))
    first = tuple(start + side.start for start, side in zip(corner, box, strict=True))
    return Piece(first, inside[tuple(box)].copy())


def paint(
    pieces: Iterable[tuple[int, Piece]], shape: tuple[int, ...], role: str, facts: dict
) -> np.ndarray:
    """A label map (k, j, i), uint8, of pieces of classes.

    Parameters
    ----------
    pieces : (our id, Piece), several of one class if need be; they may reach beyond the lattice
    shape : of the lattice, (k, j, i)
    role : organs, tumor or lymph_nodes
    facts : takes `overlap_voxels` and `outside_voxels`, where there are any

    Raises
    ------
    IntakeError where all lies outside the lattice, or most of a structure in another class
    """
    parts: dict[int, list[Piece]] = {}
    outside = inside = 0
    for label, piece in pieces:
        part, lost = _within(piece, shape)
        outside += lost
        if part:
            inside += 1
            parts.setdefault(label, []).append(part)
    if outside:
        facts["outside_voxels"] = outside
        if not inside:
            raise IntakeError(
                "all that was drawn lies outside its image. Is it this patient's, and this phase's?"
            )
    joined = {label: _joined(many) for label, many in sorted(parts.items())}
    order = sorted(joined, key=lambda label: -np.count_nonzero(joined[label].inside))
    if role == "lymph_nodes":
        order = sorted(joined)  # negative, then positive on top
    labels, overlap = np.zeros(shape, np.uint8), 0
    for label in order:
        piece = joined[label]
        part = labels[_box(piece)]
        overlap += int(np.count_nonzero(part[piece.inside]))
        part[piece.inside] = label
    if overlap:
        facts["overlap_voxels"] = overlap
        _check_what_is_left(labels, joined, role)
    return labels


def _within(piece, shape):
    """A piece without what lies outside the lattice (None: all of it), and how many voxels that is."""
    low = np.maximum(piece.corner, 0)
    high = np.minimum(np.add(piece.corner, piece.inside.shape), shape)
    if (high <= low).any():
        return None, int(np.count_nonzero(piece.inside))
    box = tuple(slice(a - c, b - c) for a, b, c in zip(low, high, piece.corner, strict=True))
    part = trimmed(piece.inside[box], tuple(int(n) for n in low))
    whole = int(np.count_nonzero(piece.inside))
    return part, whole - (int(np.count_nonzero(part.inside)) if part else 0)


def _box(piece):
    return tuple(
        slice(first, first + length)
        for first, length in zip(piece.corner, piece.inside.shape, strict=True)
    )


def _joined(pieces):
    """Several pieces as one."""
    if len(pieces) == 1:
        return pieces[0]
    low = np.min([piece.corner for piece in pieces], axis=0)
    high = np.max([np.add(piece.corner, piece.inside.shape) for piece in pieces], axis=0)
    inside = np.zeros(high - low, bool)
    for piece in pieces:
        box = _box(Piece(tuple(np.subtract(piece.corner, low)), piece.inside))
        inside[box] |= piece.inside
    return Piece(tuple(int(n) for n in low), inside)


def _check_what_is_left(labels, joined, role):
    """Raise where most of a structure lies in another class."""
    import cc3d

    for label, piece in joined.items():
        lost = piece.inside & (labels[_box(piece)] != label)
        if not lost.any():
            continue
        if role != "lymph_nodes":
            share = np.count_nonzero(lost) / np.count_nonzero(piece.inside)
            if share > MOST:
                raise IntakeError(
                    f"{share:.0%} of the voxels of class {label} belong to a smaller class too. Do two classes of `segments` "
                    "mean the same structure? Correct the segments or the config"
                )
            continue
        nodes = cc3d.connected_components(piece.inside, connectivity=26)
        voxels = np.bincount(nodes.ravel())[1:]
        twice = np.bincount(nodes[lost], minlength=len(voxels) + 1)[1:]
        number = int(np.count_nonzero(twice > MOST * voxels))
        if number:
            raise IntakeError(
                f"{number} {'node is' if number == 1 else 'nodes are'} drawn as negative and as positive. Remove one of "
                "the two"
            )
