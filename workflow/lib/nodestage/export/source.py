"""The hospital's series as objects refer to it, and masks put back on its slices.

Intake brings a series to a grid along the body's axes, and the study grid lies over that. A mask goes
the same way back: every voxel of the series takes the value of the study voxel in which its center lies
(nearest neighbour). Where intake straightened an oblique or tilted series, its slices are not those of the
grid; the centers are where they are in the patient.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom

from nodestage.cohort import grids
from nodestage.cohort.dicom import choosing, slices
from nodestage.cohort.dicom.headers import Frame
from nodestage.cohort.faults import IntakeError
from nodestage.core.volumes import IDENTITY, Volume

ONE = ("StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID")
# What the standard wants of every object, empty where the series has none.
EMPTY = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)


@dataclass(frozen=True)
class Source:
    """A series of CT.

    Attributes
    ----------
    images : headers: one per slice, or the one of a multi-frame file
    frames : its slices, sorted by position
    affine : 4 × 4, indices (i, j, k) to LPS mm
    plan : how its voxels get to the canonical grid
    """

    images: list[pydicom.Dataset]
    frames: list[Frame]
    affine: np.ndarray
    plan: grids.Plan

    @property
    def shape(self) -> tuple[int, int, int]:
        """Slices, rows, columns."""
        return (len(self.frames), *self.frames[0].shape)

    def in_file_order(self, array: np.ndarray) -> np.ndarray:
        """An array (slices, rows, columns) as the frames of `images` lie: multi-frame files may hold others too."""
        if self.frames[0].index is None:
            return array
        out = np.zeros((int(self.images[0].NumberOfFrames), *array.shape[1:]), array.dtype)
        out[[frame.index or 0 for frame in self.frames]] = array
        return out


def read(path: str, series: str = "") -> Source:
    """The series of a folder that the sheet names, its headers alone.

    Raises
    ------
    IntakeError as intake does, and where no object can refer to the series as one
    """
    facts: dict[str, Any] = {}
    chosen = choosing.find(path, series, facts)
    affine = slices.affine(chosen, facts)
    frames = chosen.frames
    paths = list(dict.fromkeys(frame.path for frame in frames))
    if frames[0].index is not None and len(paths) > 1:
        raise IntakeError(
            f"its slices lie in {len(paths)} multi-frame files, to which one object can't refer. Export the series "
            "as single slices, or in one file"
        )
    images: list[pydicom.Dataset] = [
        pydicom.dcmread(path, stop_before_pixels=True, force=True) for path in paths
    ]
    for tag in ONE:
        values = {str(image.get(tag) or "") for image in images}
        if len(values) > 1 or values == {""}:
            what = "no" if values == {""} else f"{len(values)} different"
            raise IntakeError(
                f"its slices carry {what} {tag}: an object can't refer to them as one series. Use the original "
                "series from the archive"
            )
    for image in images:
        for tag in EMPTY:
            if tag not in image:
                setattr(image, tag, None)
        if str(image.PatientSex or "") not in ("M", "F", "O"):
            image.PatientSex = None
    shape = (len(frames), *frames[0].shape)
    return Source(images, frames, affine, grids.plan(shape, affine))


def onto(source: Source, mask: Volume) -> np.ndarray:
    """A mask of the study grid on the series: (slices, rows, columns), of the mask's dtype.

    Each voxel takes the value of the study voxel that holds its center, 0 outside the study grid.
    """
    if not np.allclose(mask.direction, IDENTITY):
        raise ValueError("a mask on the study grid has the identity as its direction")
    origin, spacing = np.array(mask.origin), np.array(mask.spacing[::-1])
    counts = np.array(mask.array.shape[::-1])
    if source.plan.matrix is None:
        return _turned_back(source, mask, origin, spacing, counts)
    out = np.zeros(source.shape, mask.array.dtype)
    inverse = (np.linalg.inv(np.diag(spacing)) @ source.affine[:3, :3]).T
    start = (source.affine[:3, 3] - origin) / spacing
    j, i = np.indices(source.shape[1:])
    for k in range(source.shape[0]):
        at = np.stack([i, j, np.full(i.shape, k)], axis=-1) @ inverse + start
        index = np.floor(at + 0.5).astype(int)
        inside = ((index >= 0) & (index < counts)).all(-1)
        x, y, z = index[inside].T
        out[k][inside] = mask.array[z, y, x]
    return out


def _turned_back(source, mask, origin, spacing, counts):
    """As `onto`, where intake only turned and flipped: axis by axis."""
    grid = source.plan.grid
    takes = []
    for axis in range(3):  # x, y, z
        position = grid.origin[axis] + np.arange(grid.shape[2 - axis]) * grid.spacing[2 - axis]
        index = np.floor((position - origin[axis]) / spacing[axis] + 0.5).astype(int)
        takes.append((np.clip(index, 0, counts[axis] - 1), (index >= 0) & (index < counts[axis])))
    (x, in_x), (y, in_y), (z, in_z) = takes
    canonical = mask.array[np.ix_(z, y, x)]
    canonical[~in_z], canonical[:, ~in_y], canonical[:, :, ~in_x] = 0, 0, 0
    turned = np.flip(canonical, source.plan.flips)
    return np.ascontiguousarray(turned.transpose(np.argsort(source.plan.axes)))


def keep_lost(
    labels: np.ndarray, source: Source, centers: Mapping[int, tuple[float, float, float]]
) -> list[int]:
    """Give structures that fell between the slices of a coarser series their nearest voxel; changes `labels`.

    Parameters
    ----------
    labels : (slices, rows, columns) on the series
    centers : {label: centroid (x, y, z), LPS mm}

    Returns
    -------
    The labels that were lost; each has one voxel now, if it lies within the series and is free
    """
    present = set(np.unique(labels).tolist())
    lost = [label for label in centers if label not in present]
    inverse = np.linalg.inv(source.affine[:3, :3])
    for label in lost:
        i, j, k = np.rint(inverse @ (np.array(centers[label]) - source.affine[:3, 3])).astype(int)
        within = all(0 <= n < m for n, m in zip((k, j, i), labels.shape, strict=True))
        if within and labels[k, j, i] == 0:
            labels[k, j, i] = label
    return lost
