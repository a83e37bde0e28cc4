"""Masks from outside, on the grid of the CT that they were drawn on."""

from dataclasses import dataclass

import numpy as np

from nodestage.cohort import grids, kept, lost_slices, nifti, possible
from nodestage.cohort.drawings import kinds, lattices, names, painting, references
from nodestage.cohort.faults import IntakeError, about, some
from nodestage.cohort.labels import counts, map_labels
from nodestage.core.errors import InputError

KNOWN = {"tumor": {"tumor": 1}, "lymph_nodes": {"negative": 1, "positive": 2}}
NEAREST = "nearest neighbour"
WHOLE = 1e-3  # how far a label may lie from a whole number


@dataclass(frozen=True)
class MaskRules:
    """How the masks of one column of a center are to be read.

    Attributes
    ----------
    role : 'organs', 'tumor' or 'lymph_nodes'
    label_system : {our class: their id(s)}, see `labels.map_labels`; None: ours
    known : {organ: our id}, the `labels` of config/anatomy.yaml
    resample : put a mask on another grid onto the image's, by nearest neighbour
    segments : the center's names of segments, see `drawings.names`; None: ours
    """

    role: str
    label_system: dict | None = None
    known: dict | None = None
    resample: bool = False
    segments: dict | None = None

    @property
    def classes(self):
        """{class of this role: our id}; None for organs without `known`."""
        return KNOWN.get(self.role, self.known)


def read_mask_with_record(path, rules, image=None, *, patient="", column="", source=None):
    """Read and check a mask.

    Parameters
    ----------
    path : file of one of `drawings.kinds.FORMATS`, or a folder with one DICOM SEG or RTSTRUCT
    rules : MaskRules
    image : canonical Volume (or Grid) of the CT that it was drawn on; None leaves the
        mask on the canonical grid of its file
    patient, column : for messages
    source : `references.Source`, the CT as it is stored; needed for masks other than NIfTI where it lies
        off the body's axes, and to compare UIDs

    Returns
    -------
    Volume : uint8 (z, y, x), canonical; all zero is allowed (looked at, nothing there)
    dict : what intake changed or noticed; only counts and fixed words
    """
    from nodestage.core.volumes import Volume

    facts = {}
    role = rules.role
    known = rules.classes
    if known is None:
        raise ValueError("organ masks need `known`, the labels of config/anatomy.yaml")
    with about(patient, column or role):
        labels, affine = _read(path, rules, _target(image, source), source, facts)
        if role != "organs" and image is not None:
            possible.check_share(labels)
        plan = grids.plan(labels.shape, affine)
        facts |= plan.facts
        array, grid = plan(labels, labels=True), plan.grid
        drawn = _volumes(labels, affine)
        if image is not None:
            target = image if isinstance(image, grids.Grid) else grids.of(image)
            array, grid = _onto(array, grid, target, rules.resample, facts)
        if plan.matrix is not None or "resampled" in facts:
            array = kept.restore(labels, affine, array, grid, facts)
        if image is not None and not isinstance(image, grids.Grid):
            named = rules.label_system or "segments" in facts
            possible.check(array, image.array, grid.spacing, known, named)
    skipped = 0 if role == "organs" else lost_slices.count(array)
    if skipped:
        facts.setdefault("slices_skipped", skipped)
    facts["volume_mm3_as_drawn"] = drawn
    facts["volume_mm3"] = _volumes(array, np.diag(grid.spacing))
    facts["empty"] = not array.any()
    facts["touches_edge"] = _touching(array)
    return Volume(array, grid.spacing, grid.origin), facts


def _target(image, source):
    """The stored grid of the image that a mask has to come onto, or None."""
    if source is not None and source.image is not None:
        return source.image.lattice
    if image is None:
        return None
    return lattices.of_grid(image if isinstance(image, grids.Grid) else grids.of(image))


def _read(path, rules, target, source, facts):
    """Our labels (k, j, i) as stored, and the affine of their grid; that of the image where they lie on it."""
    drawing = kinds.opened(path)
    if drawing is None:
        header, stored = nifti.read(path)
        facts |= header.facts
        labels = _whole_numbers(stored, rules.role, rules.label_system, facts)
        return map_labels(labels, rules.label_system, rules.classes), header.affine
    return _drawn(drawing, rules, target, source, facts)


def _drawn(drawing, rules, target, source, facts):
    """`_read` of a mask that isn't NIfTI."""
    wanted = _wanted(drawing, rules, source, facts)
    return _painted(drawing, drawing.lattice(target, wanted), wanted, rules, target, facts)


def _painted(drawing, lattice, wanted, rules, target, facts):
    """`_drawn`, by the segments that are wanted and the lattice of the file."""
    if drawing.names is None:
        labels = _whole_numbers(drawing.values(), rules.role, rules.label_system, facts)
        labels = map_labels(labels, rules.label_system, rules.classes)
    else:
        pieces = drawing.pieces(wanted, lattice)
        labels = painting.paint(pieces, lattice.shape, rules.role, facts)
    facts |= drawing.facts
    labels, lattice = _on_image(labels, lattice, target, facts)
    voxel = abs(float(np.linalg.det(lattice.affine[:3, :3])))
    for voxels, volume in (("overlap_voxels", "overlap_mm3"), ("outside_voxels", "outside_mm3")):
        if voxels in facts:
            facts[volume] = round(facts.pop(voxels) * voxel, 3)
    return labels, lattice.affine


def _wanted(drawing, rules, source, facts):
    """{index of a segment: our id} of a drawing that fits its image by UIDs; empty where it has no names."""
    references.check(drawing.references, source, facts)
    if drawing.names is None:
        return {}
    known = KNOWN | {"organs": rules.known or {}}
    chosen = names.choose(drawing.names, rules.role, rules.segments, known)
    facts |= chosen.facts
    return chosen.classes


def _on_image(labels, lattice, target, facts):
    """Labels of a part of the image's slices or of turned axes on its whole stored grid, where they lie on it."""
    where = None
    if target is not None and lattice is not target:
        where = lattices.placement(lattice, target)
    if where is None:
        return labels, lattice
    whole, outside = lattices.paste(*where(labels), target.shape)
    if outside:
        facts["outside_voxels"] = facts.get("outside_voxels", 0) + outside
        if not whole.any():
            raise IntakeError(
                "all that was drawn lies outside its image. Is it this patient's, and this phase's?"
            )
    return whole, target


def mask_headers(path, rules=None, *, patient="", column="", source=None):
    """What the header and a few slices of a mask show.

    Parameters
    ----------
    rules : MaskRules, by which slices from its middle are looked at, or the names of its segments; where these
        can't be a mask's, the whole file is read as a job does, which raises the error. None: values aren't looked at
    source : as in `read_mask_with_record`

    Returns
    -------
    grid : the canonical Grid; None where it depends on an image that can't be read
    facts : what a job would record, as far as a header knows; `segments_found` for the terminal alone
    """
    with about(patient, column):
        drawing = kinds.opened(path)
        if drawing is not None:
            return _drawing_headers(drawing, rules, source)
        header = nifti.read_header(path)
        plan = grids.plan(header.shape, header.affine)
        nifti.check_length(path, header)
        facts = header.facts | plan.facts
        if rules is not None and not _looks_like_labels(path, header, rules, facts):
            read_mask_with_record(path, rules, patient=patient, column=column)
        return plan.grid, facts


def _drawing_headers(drawing, rules, source):
    """`mask_headers` of a mask that isn't NIfTI: contours are filled, other voxels read only where they have no names."""
    facts, target = {}, _target(None, source)
    if rules is None or target is None:
        references.check(drawing.references, source, facts)
        if rules is not None:
            _wanted(drawing, rules, source, facts)
        return None, facts
    wanted = _wanted(drawing, rules, source, facts)
    lattice = drawing.lattice(target, wanted)
    if drawing.names is None or drawing.facts["mask_format"] == "rtstruct":
        _painted(drawing, lattice, wanted, rules, target, facts)
    if lattice is not target and lattices.placement(lattice, target) is not None:
        lattice = target
    plan = grids.plan(lattice.shape, lattice.affine)
    facts |= drawing.facts | plan.facts
    if {"segments_missing", "segments_ignored"} & set(facts):
        facts["segments_found"] = names.quoted(drawing.names)
    return plan.grid, facts


def _looks_like_labels(path, header, rules, facts):
    """Whether some slices from the middle pass for a mask; notes where most of them is marked."""
    try:
        stored = nifti.middle(path, header)
        labels = _whole_numbers(stored, rules.role, rules.label_system, {})
        labels = map_labels(labels, rules.label_system, rules.classes)
        if rules.role != "organs" and possible.share(labels) > possible.MOST:
            facts["mostly_marked"] = True
    except InputError:
        return False
    return True


def _whole_numbers(stored, role, label_system, facts):
    """Labels as whole numbers 0 … 65535, or an error with the values."""
    if stored.dtype.kind == "f":
        bad = stored.size - int(np.count_nonzero(np.isfinite(stored)))
        if bad:
            raise IntakeError(
                f"{bad} of {stored.size} voxels are NaN or infinite. Set them to 0, or export again"
            )
    values = _distinct(stored)
    if values is None or values[0] < -WHOLE or len(values) > 256 or values[-1] > 65535:
        low, high = float(stored.min()), float(stored.max())
        many = "over 256" if values is None or len(values) > 256 else len(values)
        raise IntakeError(
            f"{many} distinct values from {low:.6g} to {high:.6g}: an image, not a mask. "
            "Were image and mask exchanged in the sheet?"
        )
    if np.abs(values - np.rint(values)).max() <= WHOLE and not _is_lone(
        values, 255, role, label_system
    ):
        small = np.uint8 if values[-1] < 255.5 else np.int32
        return (np.rint(stored) if stored.dtype.kind == "f" else stored).astype(small, copy=False)
    # A mask saved as a picture: background and one other value. Only where one class exists.
    if role == "tumor" and not label_system and len(values) == 2 and values[0] == 0:
        facts["foreground_value"] = round(float(values[1]), 6)
        return (stored > 0).astype(np.uint8)
    raise IntakeError(
        f"values {some(f'{v:.6g}' for v in values)}: labels are whole numbers"
        + (" (255 could mean either kind of lymph node)" if role == "lymph_nodes" else "")
        + ". Save it again as integers, without scaling"
    )


def _is_lone(values, picture, role, label_system):
    return role != "organs" and not label_system and list(np.rint(values)) == [0, picture]


def _distinct(stored, limit=256):
    """Sorted distinct values, or None if there are clearly more than `limit`."""
    values = np.unique(stored.ravel()[:: max(1, stored.size // 65536)])
    for plane in stored:
        # Most planes hold nothing new, and asking that is cheaper than sorting them.
        if len(values) > limit:
            return None
        if (
            stored.dtype.kind in "iu"
            and values[0] >= 0
            and plane.min() >= 0
            and plane.max() <= 65535
        ):
            in_plane = np.flatnonzero(np.bincount(plane.ravel()))
        else:
            in_plane = np.unique(plane)
        values = np.union1d(values, in_plane)
    return values


def _onto(array, grid, target, resample, facts):
    """The mask on the image's grid: equal up to rounding, or an error, or resampled on request."""
    shift = grids.apart(grid, target)
    if shift <= grids.MATCH_VOXELS:
        if shift > 1e-9:
            facts["snapped_voxels"] = round(shift, 6)
        return array, target
    share = grids.overlap(target, grid)
    both = f"mask {grid}, image {target}"
    if share == 0:
        raise IntakeError(
            f"does not overlap with its image in space: {both}. Is it this patient's, and this phase's?"
        )
    if not resample:
        off = "" if np.isinf(shift) else f" ({shift:.2f} voxels apart)"
        raise IntakeError(
            f"not on the grid of its image{off}: {both}. Export it on the image's grid; or correct `mask_phase` "
            "of its center if it was drawn on the other phase; or set `resample_masks: true` there"
        )
    facts["resampled"] = NEAREST
    facts["image_covered"] = round(share, 4)
    return _nearest(array, grid, target), target


def _nearest(array, grid, target):
    """Nearest neighbour along each axis by itself: both grids have the same axes."""
    picks, inside = [], []
    for axis in range(3):
        where = target.origin[2 - axis] + np.arange(target.shape[axis]) * target.spacing[axis]
        index = np.rint((where - grid.origin[2 - axis]) / grid.spacing[axis]).astype(int)
        inside.append((index >= 0) & (index < grid.shape[axis]))
        picks.append(np.clip(index, 0, grid.shape[axis] - 1))
    nearest = array[np.ix_(*picks)]
    return nearest * (
        inside[0][:, None, None] & inside[1][None, :, None] & inside[2][None, None, :]
    )


def _volumes(labels, affine):
    """{label: mm³}; the voxel's volume is the determinant, right for sheared grids too."""
    voxel = abs(float(np.linalg.det(np.asarray(affine)[:3, :3])))
    number = counts(labels)
    return {str(v): round(int(number[v]) * voxel, 3) for v in np.flatnonzero(number) if v}


def _touching(array):
    from nodestage.cohort.image_quality import touching

    return touching(array)
