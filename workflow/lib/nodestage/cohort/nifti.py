"""NIfTI-1 and -2 files: header, affine, stored values.

nibabel would bring pydicom with it (2 s of a patient's job), and ITK refuses axes
that are not quite at right angles and hides which of qform and sform it took.
The header is 40 fields: https://nifti.nimh.nih.gov/nifti-1/
"""

import gzip
import math
import os
import struct
import zlib
from dataclasses import dataclass

import numpy as np

from nodestage.cohort import grids
from nodestage.cohort.faults import IntakeError, millimeters
from nodestage.core import files

TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
COLOR = {
    128: "color (RGB24)",
    2304: "color (RGBA32)",
    32: "complex",
    1792: "complex",
    1: "bits",
    1536: "float128",
}
SCALE_TO_MM = {1: 1000.0, 2: 1.0, 3: 0.001}  # xyzt_units: meter, millimeter, micron
DAMAGED = "Copy it again, or export it again"
MAX_VOXELS = 700_000_000  # 512 × 512 × 2,600; a job's memory is set for less
MAX_OFFSET = 100_000_000  # bytes of header extensions


@dataclass(frozen=True)
class Header:
    """What a header records of the voxels; `facts` goes into the patient's record."""

    shape: tuple  # (k, j, i)
    dtype: np.dtype
    offset: int
    slope: float
    intercept: float
    affine: np.ndarray  # 4 × 4, indices (i, j, k) to LPS mm
    facts: dict


def is_nifti(path):
    """Whether a path is NIfTI by its name."""
    return str(path).lower().endswith((".nii", ".nii.gz"))


def _open(path):
    if not files.is_regular(path):
        raise IntakeError(
            "not a file (a pipe, a device, or a link that leads nowhere). Correct its path"
        )
    with open(path, "rb") as handle:
        zipped = handle.read(2) == b"\x1f\x8b"  # by content: names lie
    return gzip.open(path, "rb") if zipped else open(path, "rb")


def read_header(path):
    """Read and check the header alone."""
    try:
        with _open(path) as handle:
            start = handle.read(540)
    except (OSError, EOFError, zlib.error) as error:
        raise IntakeError(f"can't be read ({type(error).__name__}). {DAMAGED}") from error
    return _parse(start)


def read(path):
    """Header and stored values, scaled only where the header has a slope.

    Returns
    -------
    header : Header
    stored : array (k, j, i) in the file's type, or float32 or float64 where it is scaled
    """
    header = read_header(path)
    count = int(np.prod(header.shape))
    needed = header.offset + count * header.dtype.itemsize
    try:
        with _open(path) as handle:
            # What the header announces and one byte: a few MB can unpack to any number of GB. Asking
            # for that byte also makes gzip compare the checksum.
            raw = handle.read(needed + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise IntakeError(
            f"cut short or damaged: its compressed stream ends badly ({type(error).__name__}). {DAMAGED}"
        ) from error
    if len(raw) < needed:
        raise IntakeError(f"cut short: {len(raw)} bytes of {needed}. {DAMAGED}")
    if len(raw) > needed:
        raise IntakeError(
            f"holds more than the {needed} bytes that its header announces: damaged, or not what it seems. {DAMAGED}"
        )
    stored = np.frombuffer(raw, header.dtype, count, header.offset).reshape(header.shape)
    return header, _scaled(stored, header)


def middle(path, header, slices=12):
    """Some slices from the middle of a file, for a look at their values; raises where the file is cut short.

    Parameters
    ----------
    header : Header of the file, as `read_header` gives it
    slices : how many, at most

    Returns
    -------
    array (k, j, i), scaled as `read` does
    """
    check_length(path, header)
    number = min(slices, header.shape[0])
    plane = int(np.prod(header.shape[1:])) * header.dtype.itemsize
    start = header.offset + plane * ((header.shape[0] - number) // 2)
    try:
        with _open(path) as handle:
            handle.seek(start)
            raw = handle.read(plane * number)
    except (OSError, EOFError, zlib.error) as error:
        raise IntakeError(
            f"cut short or damaged: its compressed stream ends badly ({type(error).__name__}). {DAMAGED}"
        ) from error
    if len(raw) < plane * number:
        raise IntakeError(f"cut short: it ends before its last slice. {DAMAGED}")
    stored = np.frombuffer(raw, header.dtype).reshape(number, *header.shape[1:])
    return _scaled(stored, header)


def check_length(path, header):
    """Raise `IntakeError` where a file has fewer or more bytes than its header announces.

    A gzip file ends with the length of what it holds; where that differs, or the file has several
    parts, it is read to its end.
    """
    needed = header.offset + int(np.prod(header.shape)) * header.dtype.itemsize
    with open(path, "rb") as handle:
        zipped = handle.read(2) == b"\x1f\x8b"
    if zipped:
        whole = files.unpacked_length(path) == needed % (1 << 32)
    else:
        whole = os.path.getsize(path) == needed
    if not whole:
        read(path)


def _scaled(stored, header):
    stored = stored.astype(header.dtype.newbyteorder("="), copy=False)
    if (header.slope, header.intercept) != (1.0, 0.0):
        # Two bytes and their scale fit float32; a CT of 512 × 512 × 300 is 0.3 GB so.
        kind = np.float32 if header.dtype.itemsize <= 2 else np.float64
        stored = stored * kind(header.slope) + kind(header.intercept)
    return stored


def _parse(start):
    if len(start) < 348:
        raise IntakeError(f"too short to be NIfTI ({len(start)} bytes). {DAMAGED}")
    for order in "<>":
        (size,) = struct.unpack_from(order + "i", start)
        if size in (348, 540):
            break
    else:
        raise IntakeError("not a NIfTI file, whatever its name. Convert it to .nii.gz")
    first = _parse_1(start, order) if size == 348 else _parse_2(start, order)
    facts = {}
    dims = _volume_dims(first["dim"], facts)
    code = first["datatype"]
    if code not in TYPES:
        raise IntakeError(
            f"its voxels are {COLOR.get(code, f'of type {code}')}. Give a gray image of integers or floats"
        )
    slope, intercept = first["slope"], first["intercept"]
    if slope == 0 or np.isnan(slope):
        slope, intercept = 1.0, 0.0  # by the standard: not scaled
    if not (np.isfinite(slope) and np.isfinite(intercept)):
        raise IntakeError(
            f"its header scales its values by {slope:.3g} and adds {intercept:.3g}. Convert the original series again"
        )
    if (slope, intercept) != (1.0, 0.0):
        facts["scaled_storage"] = True
    affine = _affine(first, dims, facts)
    return Header(
        dims[::-1],
        np.dtype(order + TYPES[code]),
        _offset(first["offset"], size),
        slope,
        intercept,
        affine,
        facts,
    )


def _offset(value, size):
    """Where voxels begin; some writers leave 0 or nonsense for "right behind the header"."""
    minimum = {348: 352, 540: 544}[size]
    if np.isfinite(value) and value > MAX_OFFSET:
        raise IntakeError(f"its voxels are said to begin at byte {value:.3g}. {DAMAGED}")
    return int(value) if np.isfinite(value) and value > minimum else minimum


def _parse_1(start, order):
    def get(form, at):
        values = struct.unpack_from(order + form, start, at)
        return values if len(values) > 1 else values[0]

    magic = start[344:348]
    if magic == b"ni1\0":
        raise IntakeError("half of a .hdr/.img pair. Convert it to one .nii.gz")
    if magic != b"n+1\0":
        raise IntakeError(
            "an Analyze file: it does not record which side is left. Convert the original to .nii.gz"
        )
    return {
        "dim": get("8h", 40),
        "datatype": get("h", 70),
        "pixdim": get("8f", 76),
        "offset": get("f", 108),
        "slope": get("f", 112),
        "intercept": get("f", 116),
        "units": start[123],
        "qform": get("h", 252),
        "sform": get("h", 254),
        "quaternion": get("6f", 256),
        "srow": get("12f", 280),
    }


def _parse_2(start, order):
    if len(start) < 540:
        raise IntakeError(f"too short to be NIfTI-2 ({len(start)} bytes). {DAMAGED}")

    def get(form, at):
        values = struct.unpack_from(order + form, start, at)
        return values if len(values) > 1 else values[0]

    return {
        "dim": get("8q", 16),
        "datatype": get("h", 12),
        "pixdim": get("8d", 104),
        "offset": get("q", 168),
        "slope": get("d", 176),
        "intercept": get("d", 184),
        "units": get("i", 500),
        "qform": get("i", 344),
        "sform": get("i", 348),
        "quaternion": get("6d", 352),
        "srow": get("12d", 400),
    }


def _volume_dims(dim, facts):
    """(i, j, k) counts; later axes must be single."""
    if not 1 <= dim[0] <= 7 or any(n < 1 for n in dim[1 : dim[0] + 1]):
        raise IntakeError(f"its header gives the dimensions {dim}. {DAMAGED}")
    counts = [int(n) for n in dim[1 : dim[0] + 1]]
    shown = " × ".join(map(str, counts))
    if any(n > 1 for n in counts[3:]):
        raise IntakeError(
            f"{shown}: more than one volume in a file. Split it, and give each phase its own file"
        )
    if len(counts) < 3 or counts[2] < 2:
        raise IntakeError(f"{shown}: one slice, not a volume. Give the whole series")
    check_size(counts[:3])
    if len(counts) > 3:
        facts["single_axes_dropped"] = len(counts) - 3
    return tuple(counts[:3])


def check_size(counts):
    """Refuse more voxels than any CT of the abdomen has, before memory is asked for."""
    number = math.prod(int(n) for n in counts)
    if number > MAX_VOXELS:
        raise IntakeError(
            f"its header announces {' × '.join(map(str, counts))} = {number:.3g} voxels, at most "
            f"{MAX_VOXELS:.3g} are read. {DAMAGED}, cut to the abdomen"
        )


def _affine(first, dims, facts):
    """The affine to LPS mm, from sform and qform, which must not contradict each other."""
    scale = SCALE_TO_MM.get(first["units"] & 7, 1.0)
    if scale != 1.0:
        facts["unit_scaled_to_mm"] = scale
    sform = qform = None
    if first["sform"] > 0:
        sform = np.vstack([np.reshape(first["srow"], (3, 4)), [0, 0, 0, 1]])
        if not np.isfinite(sform).all() or abs(np.linalg.det(sform[:3, :3])) < 1e-12:
            facts["sform_unusable"] = True
            sform = None
    if first["qform"] > 0:
        qform = _qform(first)
    if sform is None and qform is None:
        raise IntakeError(
            "neither qform nor sform says how the image lies in the patient. "
            "Convert it from the DICOM series again; a guess could swap left and right"
        )
    chosen = sform if sform is not None else qform
    if sform is not None and qform is not None:
        chosen = _agree(sform, qform, first, dims, facts)
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ chosen
    lps[:3] *= scale
    return lps


def _agree(sform, qform, first, dims, facts):
    corner = np.array(
        [[i, j, k, 1] for i in (0, dims[0] - 1) for j in (0, dims[1] - 1) for k in (0, dims[2] - 1)]
    )
    off = float(np.linalg.norm(((sform - qform) @ corner.T)[:3], axis=0).max())
    step = float(np.linalg.norm(sform[:3, :3], axis=0).min())
    if off <= 0.1 * step:
        return sform
    unit = sform[:3, :3] / np.linalg.norm(sform[:3, :3], axis=0)
    shear = np.degrees(np.abs(unit.T @ unit - np.eye(3)).max())
    if shear > grids.SNAP_DEG:
        facts["qform_cannot_hold_shear"] = True  # a quaternion can't; the sform is the truth
        return sform
    if first["sform"] in (3, 4) and first["qform"] in (1, 2):
        facts["template_sform_ignored"] = True  # Talairach or MNI space, not the scanner's
        return qform
    spacing = [millimeters(np.linalg.norm(a[:3, :3], axis=0)) for a in (qform, sform)]
    raise IntakeError(
        f"its qform and sform lie up to {off:.2f} mm apart (voxels of {spacing[0]} and {spacing[1]} mm). "
        "Delete the wrong one, or convert the DICOM series again"
    )


def _qform(first):
    b, c, d, *shift = (float(v) for v in first["quaternion"])
    a = np.sqrt(max(0.0, 1.0 - (b * b + c * c + d * d)))
    rotation = np.array(
        [
            [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
            [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
            [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - b * b - c * c],
        ]
    )
    pixdim = np.array(first["pixdim"][:4], float)
    steps = pixdim[1:4] * [1, 1, -1 if pixdim[0] < 0 else 1]
    affine = np.eye(4)
    affine[:3, :3] = rotation * steps
    affine[:3, 3] = shift
    return affine
