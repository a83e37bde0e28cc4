"""DICOM Segmentation objects: binary, fractional, and label maps.

highdicom reads the object and decodes its frames one by one. Each frame is put where its position
says, on the slices of the image: a series of a tilted gantry has no regular grid that the standard's
readers would build, and slices on which nothing was drawn are left out of most files.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from nodestage.cohort import nifti
from nodestage.cohort.dicom import headers
from nodestage.cohort.drawings.lattices import Lattice, placement
from nodestage.cohort.drawings.painting import Piece, trimmed
from nodestage.cohort.drawings.uids import References
from nodestage.cohort.faults import IntakeError

THRESHOLD = 0.5  # of the maximum of a fractional segment
MAX_FRAMES = 200_000
PIXEL_DATA = b"\xe0\x7f\x10\x00"  # its tag, in little endian
EVEN = 0.1  # of the step: how far a frame may lie from an even row


def quiet_highdicom() -> None:
    """Keep highdicom from showing, as pydicom does, the values that it warns of: they would reach a log."""
    warnings.filterwarnings("ignore", module=r"highdicom(\.|$)")
    logging.getLogger("highdicom").addHandler(logging.NullHandler())
    logging.getLogger("highdicom").propagate = False


quiet_highdicom()


class Segmentation:
    """A SEG object; `opened` makes one."""

    def __init__(self, seg):
        self._seg = seg
        self._kind = str(seg.SegmentationType)
        self.facts = {"mask_format": "dicom_seg"}
        if self._kind == "FRACTIONAL":
            self.facts["fractional_threshold"] = THRESHOLD
        self._numbers = [int(item.SegmentNumber) for item in seg.SegmentSequence]
        self.names = tuple(str(item.get("SegmentLabel") or "") for item in seg.SegmentSequence)
        if self._kind == "LABELMAP" and 0 in self._numbers:
            background = self._numbers.index(0)
            del self._numbers[background]
            self.names = self.names[:background] + self.names[background + 1 :]
        self.references = _references(seg)
        self._frames = _frames(seg)
        if self._kind == "FRACTIONAL" and not 0 < int(seg.MaximumFractionalValue) <= 255:
            raise IntakeError(
                f"its fractional segments have the maximum {int(seg.MaximumFractionalValue)}. Export it again"
            )
        _check_once(self._frames)

    def lattice(self, target: Lattice | None, wanted: Mapping[int, int]) -> Lattice:
        """The image's grid if the frames of `wanted` lie on it, else an even one through these frames."""
        numbers = {self._numbers[index] for index in wanted}
        frames = [f for f in self._frames if f.segment is None or f.segment in numbers]
        if target is not None and all(
            placement(frame.lattice(target), target) is not None for frame in frames
        ):
            return target
        return _even_lattice(frames or self._frames, self._seg)

    def pieces(self, wanted: Mapping[int, int], lattice: Lattice) -> Iterator[tuple[int, Piece]]:
        """Parts of the segments in `wanted`, {index: our id}."""
        labels = {self._numbers[index]: label for index, label in wanted.items()}
        for index, frame in enumerate(self._frames):
            if frame.segment is not None and frame.segment not in labels:
                continue
            where = placement(frame.lattice(lattice), lattice)
            if where is None:
                raise IntakeError(
                    f"frame {index + 1} lies on no slice of its image. Export it again"
                )
            stored = self._decoded(index, frame)
            segments = labels if frame.segment is None else [frame.segment]
            for segment in segments:
                inside = stored == segment if frame.segment is None else stored
                piece = trimmed(*where(inside[None]))
                if piece:
                    yield labels[segment], piece

    def values(self) -> np.ndarray:
        """Not of this format: its segments have names."""
        raise NotImplementedError

    def check_last(self) -> None:
        """Decode the last frame, which a copy that broke off lacks."""
        self._decoded(len(self._frames) - 1, self._frames[-1])

    def _decoded(self, index, frame):
        """A frame as bool (rows, columns), or as numbers of segments in a label map."""
        from nodestage.cohort.dicom.pixels import silenced, without_stderr

        try:
            # highdicom writes a path and a traceback to stderr.
            with silenced(self._seg.file_meta.TransferSyntaxUID), without_stderr():
                stored = self._seg.get_stored_frame(index, as_index=True)
        except Exception as error:  # decoders raise what their C code gives them
            raise IntakeError(
                f"frame {index + 1} of {len(self._frames)} can't be decoded ({type(error).__name__}): damaged or cut "
                f"short. {nifti.DAMAGED}",
                str(error),
            ) from error
        if stored.shape != frame.shape:
            raise IntakeError(f"frame {index + 1} decodes to another size. {nifti.DAMAGED}")
        if frame.segment is None:
            return stored
        if self._kind == "FRACTIONAL":
            return stored >= THRESHOLD * int(self._seg.MaximumFractionalValue)
        return stored > 0


class Frame:
    """Where one frame lies, and of which segment it is (None in a label map)."""

    def __init__(self, segment, position, orientation, spacing, shape):
        self.segment, self.shape = segment, shape
        self.position = np.array(position, float)
        row, column = np.reshape(np.array(orientation, float), (2, 3))
        self.row, self.column = row * float(spacing[1]), column * float(spacing[0])
        numbers = [*self.position, *self.row, *self.column]
        if not np.isfinite(numbers).all() or min(float(s) for s in spacing) <= 0:
            raise ValueError("not finite")
        self.normal = np.cross(row, column)

    def lattice(self, target: Lattice) -> Lattice:
        """The frame as a slice whose next one would follow as in `target`."""
        affine = np.eye(4)
        affine[:3, 0], affine[:3, 1], affine[:3, 3] = self.row, self.column, self.position
        affine[:3, 2] = target.affine[:3, 2]
        return Lattice((1, *self.shape), affine)


def opened(path: str | Path) -> Segmentation:
    """A SEG object, of which the header is read and checked.

    Raises
    ------
    IntakeError where it can't be read, or can't be a mask of a CT
    """
    import highdicom
    import pydicom

    try:
        # A deflated file is unpacked whole, which `kinds` has bounded; of others frames are read one by one.
        deflated = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID.is_deflated
        seg = highdicom.seg.segread(path, lazy_frame_retrieval=not deflated)
        rows, columns, number = int(seg.Rows), int(seg.Columns), int(seg.number_of_frames)
        bits = int(seg.BitsAllocated)
    except Exception as error:  # pydicom and highdicom raise what a broken header leads them to
        raise IntakeError(
            f"can't be read as DICOM SEG ({type(error).__name__}): damaged, cut short, or without what the standard "
            f"requires. {nifti.DAMAGED}",
            f"path: {path}\n{error}",
        ) from error
    if not (
        0 < rows <= headers.MAX_SIDE
        and 0 < columns <= headers.MAX_SIDE
        and 0 < number <= MAX_FRAMES
    ):
        raise IntakeError(
            f"its header announces {number} frames of {rows} × {columns} pixels, at most {MAX_FRAMES} of "
            f"{headers.MAX_SIDE} × {headers.MAX_SIDE} are read. {nifti.DAMAGED}"
        )
    packed = seg.file_meta.TransferSyntaxUID.is_compressed or deflated
    if not packed and _pixel_bytes(path) * 8 >= rows * columns * bits * (number + 1):
        raise IntakeError(
            f"its file holds more than {number} frames of {rows} × {columns} pixels, as its header says. Export it again"
        )
    if not packed and os.path.getsize(path) * 8 < rows * columns * number * bits:
        raise IntakeError(f"cut short: its file holds less than {number} frames. {nifti.DAMAGED}")
    try:
        segmentation = Segmentation(seg)
        segmentation.check_last()
        return segmentation
    except IntakeError:
        raise
    except Exception as error:
        raise IntakeError(
            f"its frames don't say where they lie, or of which segment they are ({type(error).__name__}). Export it again",
            f"path: {path}\n{error}",
        ) from error


def _pixel_bytes(path):
    """Length of the pixel data by its own header, 0 where it isn't stated; the pixels aren't read."""
    import pydicom

    with open(path, "rb") as handle:
        data = pydicom.dcmread(handle, stop_before_pixels=True)
        start = handle.read(12)  # of the element at which it stopped
    if start[:4] != PIXEL_DATA:
        return 0
    implicit = data.file_meta.TransferSyntaxUID.is_implicit_VR
    length = int.from_bytes(start[4:8] if implicit else start[8:12], "little")
    return length if length < 0xFFFFFFFF else 0


def _check_once(frames):
    """Raise where a segment has two frames at one place: one of them belongs elsewhere."""
    places = [(f.segment, *np.round(f.position, 2), *np.round(f.row, 3)) for f in frames]
    twice = len(places) - len(set(places))
    if twice:
        raise IntakeError(
            f"{twice} of its {len(frames)} frames lie where another frame of their segment does. Export it again"
        )


def _frames(seg):
    shape = int(seg.Rows), int(seg.Columns)
    shared = seg.SharedFunctionalGroupsSequence[0]
    frames = []
    for item in seg.PerFrameFunctionalGroupsSequence:

        def group(name, item=item):
            return (item.get(name) or shared.get(name))[0]

        segment = None
        if seg.SegmentationType != "LABELMAP":
            segment = int(group("SegmentIdentificationSequence").ReferencedSegmentNumber)
        frames.append(
            Frame(
                segment,
                group("PlanePositionSequence").ImagePositionPatient,
                group("PlaneOrientationSequence").ImageOrientationPatient,
                group("PixelMeasuresSequence").PixelSpacing,
                shape,
            )
        )
    if len(frames) != int(seg.number_of_frames):
        raise ValueError("frames without a place")
    return frames


def _references(seg):
    series = {str(item.SeriesInstanceUID) for item in seg.get("ReferencedSeriesSequence") or []}
    slices = {
        str(instance.ReferencedSOPInstanceUID)
        for item in seg.get("ReferencedSeriesSequence") or []
        for instance in item.get("ReferencedInstanceSequence") or []
    }
    frame = str(seg.get("FrameOfReferenceUID") or "")
    return References(frozenset({frame} - {""}), frozenset(series), frozenset(slices))


def _even_lattice(frames, seg):
    """An even lattice of the frames alone."""
    first = frames[0]
    for frame in frames:
        if not (
            np.allclose(frame.row, first.row, atol=1e-4)
            and np.allclose(frame.column, first.column, atol=1e-4)
        ):
            raise IntakeError(
                "its frames have several orientations or pixel spacings. Export it again, on the slices of its image"
            )
    positions = np.array([frame.position for frame in frames])
    along = positions @ first.normal
    order = np.argsort(along)
    steps = np.diff(along[order])
    steps = steps[steps > 1e-3]
    measures = seg.SharedFunctionalGroupsSequence[0].get("PixelMeasuresSequence") or [{}]
    stated = measures[0].get("SpacingBetweenSlices") or measures[0].get("SliceThickness") or 0
    step = float(steps.min()) if len(steps) else float(stated)
    if not step > 0:
        raise IntakeError("one frame without a thickness. Export it again")
    start, end = positions[order[0]], positions[order[-1]]
    number = int(np.rint((along.max() - along.min()) / step)) + 1
    vector = (end - start) / (number - 1) if number > 1 else first.normal * step
    index = (along - along.min()) / step
    if np.abs(index - np.rint(index)).max() > EVEN:
        raise IntakeError(
            "its frames lie on no slices of its image, and not evenly either. Export it on the image's grid"
        )
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1], affine[:3, 2], affine[:3, 3] = (
        first.row, first.column, vector, start,
    )  # fmt: skip
    nifti.check_size((first.shape[1], first.shape[0], number))
    return Lattice((number, *first.shape), affine)
