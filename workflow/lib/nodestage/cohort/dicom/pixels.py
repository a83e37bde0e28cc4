"""Decoded DICOM pixels as Hounsfield units, slice by slice."""

import hashlib
import io
import os
import threading
from contextlib import contextmanager, redirect_stderr

import numpy as np
import pydicom
from pydicom.pixels import pixel_array
from pydicom.uid import UID

from nodestage.cohort.faults import IntakeError
from nodestage.cohort.grids import AIR

# Packages that decode a syntax; named when a syntax can't be decoded.
DECODERS = {
    "1.2.840.10008.1.2.4.57": "python-gdcm",
    "1.2.840.10008.1.2.4.70": "python-gdcm",
    "1.2.840.10008.1.2.4.80": "pyjpegls",
    "1.2.840.10008.1.2.4.81": "pyjpegls",
    "1.2.840.10008.1.2.4.90": "pylibjpeg-openjpeg",
    "1.2.840.10008.1.2.4.91": "pylibjpeg-openjpeg",
}
# Between these, a padding value could be tissue: it counts only where it reaches a corner.
TISSUE = (-900, 3000)

_lock = threading.RLock()
_last = (None, None)  # path and data set: a multi-frame file is parsed once


def _dataset(path):
    global _last
    if _last[0] != path:
        _last = (path, pydicom.dcmread(path, force=True))
    return _last[1]


def raw(frame):
    """The data set and the stored values (rows, columns) of a frame."""
    try:
        data = _dataset(frame.path)
        syntax = getattr(getattr(data, "file_meta", None), "TransferSyntaxUID", None)
        if syntax is None:
            # Without a file header the standard's default holds.
            syntax = pydicom.uid.ImplicitVRLittleEndian
            data.file_meta = pydicom.dataset.FileMetaDataset()
            data.file_meta.TransferSyntaxUID = syntax
        for name in ("BitsAllocated", "BitsStored", "PixelRepresentation"):
            int(data[name].value)
        beyond = _bytes_beyond(data, UID(syntax))
    except Exception as error:
        raise IntakeError(
            f"the slice at z = {frame.position[2]:.2f} mm has a damaged header ({type(error).__name__}). "
            "Export it again",
            f"{frame.path}: {error}",
        ) from error
    if beyond:
        raise IntakeError(
            f"the slice at z = {frame.position[2]:.2f} mm holds {beyond} bytes more than its header's rows and columns: a part "
            "of it would be lost. Export it again"
        )
    try:
        with silenced(UID(syntax)):
            return data, pixel_array(data, index=frame.index or 0)
    except NotImplementedError as error:
        raise IntakeError(_unknown_syntax(syntax)) from error
    except Exception as error:
        # Decoders raise what their C code gives them; the file is at fault whichever it is.
        if not UID(syntax).is_transfer_syntax or "decoder" in str(error).lower():
            raise IntakeError(_unknown_syntax(syntax)) from error
        raise IntakeError(
            f"the slice at z = {frame.position[2]:.2f} mm can't be decoded ({type(error).__name__}, "
            f"{_name(syntax)}): damaged or cut short. Export it again",
            f"{frame.path}: {error}",
        ) from error


def _bytes_beyond(data, syntax):
    """Bytes of uncompressed pixels beyond what the header announces, where they are a row or more."""
    if not syntax.is_transfer_syntax or syntax.is_compressed or "PixelData" not in data:
        return 0
    row = int(data.Columns) * int(data.BitsAllocated) // 8
    frame = int(data.Rows) * row * int(data.get("SamplesPerPixel") or 1)
    beyond = len(data.PixelData) - frame * int(data.get("NumberOfFrames") or 1)
    return beyond if beyond >= row else 0


@contextmanager
def silenced(syntax):
    """Without what a decoder's C or C++ code prints: it may hold values of the header.

    Decoders write past Python to the process's output, which is a job's log or the terminal.
    """
    if not syntax.is_compressed:
        yield
        return
    with _lock:  # the process has one standard output, whatever thread decodes
        kept = [(fd, os.dup(fd)) for fd in (1, 2)]
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            for fd, _ in kept:
                os.dup2(nowhere, fd)
            yield
        finally:
            for fd, copy in kept:
                os.dup2(copy, fd)
                os.close(copy)
            os.close(nowhere)


@contextmanager
def without_stderr():
    """Without what Python code writes to `sys.stderr`.

    One thread at a time: where two took turns, the first would give the stream back while the second
    has it, and the second would leave the first's behind, in which all later errors are lost.
    """
    with _lock, redirect_stderr(io.StringIO()):
        yield


def _name(syntax):
    """A transfer syntax by its number, and by its name where the standard has one."""
    uid = UID(syntax)
    return f"{uid.name} ({uid})" if uid.name != str(uid) else str(uid)


def _unknown_syntax(syntax):
    needed = DECODERS.get(str(syntax), "python-gdcm or pylibjpeg-openjpeg")
    return (
        f"its pixels are in the transfer syntax {_name(syntax)}, for which no decoder is installed. "
        f"Install {needed} if that reads it, or export as Explicit VR Little Endian (1.2.840.10008.1.2.1)"
    )


def digest(frame):
    """A fingerprint of the frame's HU: equal images have equal ones, however they are stored."""
    return hashlib.sha256(to_hu(frame, {}).tobytes()).hexdigest()


def to_hu(frame, facts, air=AIR):
    """HU of a frame, int32 (rows, columns), padding at `air`; counts go into `facts`."""
    data, stored = raw(frame)
    if stored.shape != frame.shape:
        raise IntakeError(
            f"the slice at z = {frame.position[2]:.2f} mm decodes to {stored.shape}, not {frame.shape}. Export it again"
        )
    padding = _padding(data, stored, frame, facts)
    stored = _stored_bits(data, stored)
    slope, intercept = frame.slope, frame.intercept
    if float(slope).is_integer() and float(intercept).is_integer():
        hu = stored.astype(np.int64) * int(slope) + int(intercept)
    else:
        hu = np.rint(stored * slope + intercept)
    hu = np.clip(hu, -(2**31), 2**31 - 1).astype(np.int32)
    if padding is not None:
        hu[padding] = air
        facts["padding_voxels"] = facts.get("padding_voxels", 0) + int(np.count_nonzero(padding))
    return hu


def _stored_bits(data, stored):
    """Without what old exports hide in the bits above BitsStored (overlays)."""
    allocated, used = int(data.BitsAllocated), int(data.BitsStored)
    if used >= allocated or stored.dtype.kind not in "iu":
        return stored
    wide = stored.astype(np.int64)
    shift = int(data.get("HighBit", used - 1)) - used + 1
    value = (wide >> max(shift, 0)) & ((1 << used) - 1)
    if int(data.PixelRepresentation) == 1:
        value = np.where(value >= 1 << (used - 1), value - (1 << used), value)
    return value


def _padding(data, stored, frame, facts):
    """Boolean mask of padded pixels, or None."""
    value = data.get("PixelPaddingValue")
    if not isinstance(value, int):
        return None
    # The tag's sign may be read wrongly: compare the bits.
    bits = (1 << int(data.BitsAllocated)) - 1
    low = int(value) & bits
    limit = data.get("PixelPaddingRangeLimit")
    high = low if not isinstance(limit, int) else int(limit) & bits
    low, high = min(low, high), max(low, high)
    unsigned = stored.astype(np.int64) & bits
    padded = (unsigned >= low) & (unsigned <= high)
    if not padded.any():
        return None
    as_read = int(value)
    if int(data.PixelRepresentation) == 1 and as_read > bits >> 1:
        as_read -= bits + 1
    if TISSUE[0] < as_read * frame.slope + frame.intercept < TISSUE[1]:
        padded = _from_corners(padded)
        facts["padding_value_within_tissue"] = True
    return padded


def _from_corners(mask):
    """The parts of a 2D mask that hold a corner of the image."""
    from scipy import ndimage

    parts, _ = ndimage.label(mask)
    corners = {int(parts[y, x]) for y in (0, -1) for x in (0, -1)} - {0}
    return np.isin(parts, list(corners))
