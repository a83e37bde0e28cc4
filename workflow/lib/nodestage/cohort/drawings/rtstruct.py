"""DICOM RT Structure Sets: contours on the slices of the image.

The rules, which docs/intake.md states too:

- A contour belongs to the slice that its points lie on, to `ON_SLICE` of the distance of slices; one
  between slices, or across them, is an error. Nothing is drawn in between: contours on every second or
  third slice alone are an error, a slice left out here and there is counted.
- A voxel is inside when its center is. A contour in another one of its segment is a hole, one in the hole an island
  again; keyholes are followed; `CLOSEDPLANAR_XOR` is combined by exclusive or.
- A structure that holds no voxel's center keeps the voxel at its middle.
- Points and open lines enclose nothing: they are counted and left out.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from nodestage.cohort import nifti
from nodestage.cohort.drawings.contours import exclusive, nested
from nodestage.cohort.drawings.lattices import Lattice
from nodestage.cohort.drawings.painting import Piece, trimmed
from nodestage.cohort.drawings.uids import References
from nodestage.cohort.faults import IntakeError, some

ON_SLICE = 0.2  # of the distance of slices
CLOSED, XOR = ("CLOSED_PLANAR", "CLOSEDPLANAR"), "CLOSEDPLANAR_XOR"
MAX_POINTS = 50_000_000
MAX_MM = 1e5


@dataclass
class Segment:
    """One ROI: its name, and its closed contours as arrays (n, 3) of LPS mm, with whether they are XOR."""

    name: str
    contours: list[tuple[np.ndarray, bool]] = field(default_factory=list)


class StructureSet:
    """An RTSTRUCT object; `opened` makes one."""

    def __init__(self, segments, references, facts):
        self._segments = segments
        self.names = tuple(segment.name for segment in segments)
        self.references, self.facts = references, facts

    def lattice(self, target: Lattice | None, wanted: Mapping[int, int]) -> Lattice:
        """The image's grid: contours have none. Raises where they don't lie on its slices."""
        if target is None:
            raise IntakeError(
                "contours can't be read without the image that they were drawn on. Correct the image first"
            )
        self._check_slices(target, wanted)
        return target

    def pieces(self, wanted: Mapping[int, int], lattice: Lattice) -> Iterator[tuple[int, Piece]]:
        """Parts of the segments in `wanted`, {index: our id}."""
        for index, label in wanted.items():
            inside, first = _filled(self._segments[index].contours, lattice, self.facts)
            piece = trimmed(inside, (first, 0, 0))
            if piece:
                yield label, piece

    def values(self) -> np.ndarray:
        """Not of this format: its segments have names."""
        raise NotImplementedError

    def _check_slices(self, lattice, wanted):
        """Raise where contours lie between slices, or where all lie outside the image."""
        between, worst, outside, cut, total = 0, 0.0, 0, 0, 0
        for index in wanted:
            for points, _ in self._segments[index].contours:
                indices = lattice.indices(points)
                slices = indices[:, 2]
                off = float(np.abs(slices - np.rint(slices.mean())).max())
                total += 1
                if off > ON_SLICE:
                    between += 1
                    worst = max(worst, off * lattice.step_mm)
                low, high = indices.min(0), indices.max(0)
                beyond = (high < -0.5) | (low > np.array(lattice.shape[::-1]) - 0.5)
                outside += bool(beyond.any())
                over = (low < -0.5) | (high > np.array(lattice.shape[::-1]) - 0.5)
                cut += bool(over.any() and not beyond.any())
        if between:
            raise IntakeError(
                f"{between} of {total} contours don't lie on slices of the image: up to {worst:.2f} mm off one (slices are "
                f"{lattice.step_mm:.4g} mm apart). Were they drawn on another series? Export them on this one"
            )
        if total and outside == total:
            raise IntakeError(
                f"all {total} contours lie outside the image. Is it this patient's, and this phase's?"
            )
        if outside:
            self.facts["contours_outside"] = outside
        if cut:
            self.facts["contours_cut"] = cut


def opened(path: str | Path) -> StructureSet:
    """An RTSTRUCT object with its contours.

    Raises
    ------
    IntakeError where it can't be read
    """
    import pydicom

    try:
        data = pydicom.dcmread(path, force=True)
        references = _references(data)
        rois = {
            int(item.ROINumber): Segment(str(item.get("ROIName") or ""))
            for item in data.get("StructureSetROISequence") or []
        }
        facts: dict = {"mask_format": "rtstruct"}
        _add_contours(data, rois, facts)
    except IntakeError:
        raise
    except Exception as error:  # pydicom raises what a broken header leads it to
        raise IntakeError(
            f"can't be read as RTSTRUCT ({type(error).__name__}): damaged or cut short. {nifti.DAMAGED}",
            f"path: {path}\n{error}",
        ) from error
    return StructureSet(list(rois.values()), references, facts)


def _add_contours(data, rois, facts):
    others = points = 0
    for item in data.get("ROIContourSequence") or []:
        number = int(item.ReferencedROINumber)
        if number not in rois:
            raise IntakeError("contours of a segment without a name. Export it again")
        for contour in item.get("ContourSequence") or []:
            kind = str(contour.get("ContourGeometricType") or "").upper()
            array = _points(contour)
            points += len(array)
            if points > MAX_POINTS:
                raise IntakeError(
                    f"over {MAX_POINTS} points of contours. Export it again with fewer"
                )
            if kind not in (*CLOSED, XOR) or len(array) < 3:
                others += 1
                continue
            rois[number].contours.append((array, kind == XOR))
    if others:
        facts["contours_without_area"] = others


def _points(contour):
    """Points (n, 3), LPS mm. Read from the bytes: numbers as objects would take seconds."""
    raw = contour.get_item("ContourData")
    value = getattr(raw, "value", None)
    if isinstance(value, bytes):
        words = value.split(b"\\") if value else []
        if max(map(len, words), default=0) > 32:  # the standard allows 16
            raise ValueError("a number too long")
        array = np.array(words, "S32").astype(float)
    else:
        array = np.array(contour.get("ContourData") or [], float)
    if (
        array.size % 3
        or not np.isfinite(array).all()
        or (array.size and np.abs(array).max() > MAX_MM)
    ):
        raise IntakeError("a contour whose numbers are no points in mm. Export it again")
    return array.reshape(-1, 3)


def _references(data):
    frames, series, slices = set(), set(), set()
    for frame in data.get("ReferencedFrameOfReferenceSequence") or []:
        frames.add(str(frame.get("FrameOfReferenceUID") or ""))
        for study in frame.get("RTReferencedStudySequence") or []:
            for one in study.get("RTReferencedSeriesSequence") or []:
                series.add(str(one.get("SeriesInstanceUID") or ""))
                for image in one.get("ContourImageSequence") or []:
                    slices.add(str(image.get("ReferencedSOPInstanceUID") or ""))
    frames |= {
        str(item.get("ReferencedFrameOfReferenceUID") or "")
        for item in data.get("StructureSetROISequence") or []
    }
    return References(*(frozenset(uids - {""}) for uids in (frames, series, slices)))


def _filled(contours, lattice, facts):
    """Voxels inside of a segment's contours, bool (k, j, i), of the slices that they lie on; the first of these."""
    by_slice: dict[int, list[tuple[np.ndarray, bool]]] = {}
    for points, xor in contours:
        indices = lattice.indices(points)
        k = int(np.rint(indices[:, 2].mean()))
        if 0 <= k < lattice.shape[0]:
            by_slice.setdefault(k, []).append((indices[:, :2], xor))
    first, last = min(by_slice, default=0), max(by_slice, default=0)
    inside = np.zeros((last - first + 1, *lattice.shape[1:]), bool)
    by_slice = {k - first: many for k, many in by_slice.items()}
    small = []
    for k, many in by_slice.items():
        shape = lattice.shape[1:]
        for how, chosen in (
            (nested, [c for c, xor in many if not xor]),
            (exclusive, [c for c, xor in many if xor]),
        ):
            if chosen:
                pixels, empty = how(chosen, shape)
                inside[k] |= pixels
                small += [(k, chosen[index]) for index in empty]
    _check_gaps(inside, by_slice, facts)
    for k, contour in small:
        _keep(inside, k, contour, facts)
    return inside, first


def _keep(inside, k, contour, facts):
    """Give a contour without a voxel's center the voxel at its middle, unless a neighbour is drawn."""
    i, j = (int(n) for n in np.rint(contour.mean(0)))
    if not (0 <= j < inside.shape[1] and 0 <= i < inside.shape[2]):
        return
    around = tuple(slice(max(n - 1, 0), n + 2) for n in (k, j, i))
    if not inside[around].any():
        inside[k, j, i] = True
        facts["small_structures_kept"] = facts.get("small_structures_kept", 0) + 1


def _check_gaps(inside, by_slice, facts):
    """Raise where contours skip slices all along; count slices skipped within a structure."""
    drawn = sorted(by_slice)
    steps = np.diff(drawn)
    skipped = [
        (low, high)
        for low, high in itertools.pairwise(drawn)
        if high - low > 1 and (inside[low] & inside[high]).any()
    ]
    if len(skipped) > 1 and (steps > 1).all():
        raise IntakeError(
            f"a segment's contours skip slices all along (they lie {some(sorted(set(steps.tolist())), 3)} slices apart). Nothing "
            "is drawn in between: fill in the slices where it was drawn (interpolate contours), and export it again"
        )
    if skipped:
        number = sum(high - low - 1 for low, high in skipped)
        facts["slices_skipped"] = facts.get("slices_skipped", 0) + number
