"""Label maps of 3D Slicer (.nrrd, .seg.nrrd) and of ITK's tools (.mha, .mhd).

A .seg.nrrd names its segments in its header, and segments that overlap lie in several layers:
https://slicer.readthedocs.io/en/latest/developer_guide/modules/segmentations.html
ITK reads the voxels; what it would read without asking (a file elsewhere, more voxels than memory
holds, a grid without an origin) is refused by the header first.
"""

import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from nodestage.cohort import nifti
from nodestage.cohort.drawings.lattices import Lattice
from nodestage.cohort.drawings.painting import Piece, trimmed
from nodestage.cohort.drawings.uids import References
from nodestage.cohort.faults import IntakeError, some
from nodestage.core import files

MAX_HEADER = 4_000_000  # bytes; Slicer keeps terminology and its conversion's settings there
MAX_LAYERS = 64
UNLIKE_HEADER = "cut short, or longer than its header announces"
BYTES = {
    "signed char": 1, "int8": 1, "int8_t": 1, "uchar": 1, "unsigned char": 1, "uint8": 1, "uint8_t": 1,
    "short": 2, "short int": 2, "signed short": 2, "signed short int": 2, "int16": 2, "int16_t": 2,
    "ushort": 2, "unsigned short": 2, "unsigned short int": 2, "uint16": 2, "uint16_t": 2,
    "int": 4, "signed int": 4, "int32": 4, "int32_t": 4, "uint": 4, "unsigned int": 4, "uint32": 4, "uint32_t": 4,
    "longlong": 8, "long long": 8, "int64": 8, "int64_t": 8, "ulonglong": 8, "unsigned long long": 8,
    "uint64": 8, "uint64_t": 8, "float": 4, "double": 8,
    "met_char": 1, "met_uchar": 1, "met_short": 2, "met_ushort": 2, "met_int": 4, "met_uint": 4, "met_long": 8,
    "met_ulong": 8, "met_long_long": 8, "met_ulong_long": 8, "met_float": 4, "met_double": 8,
}  # fmt: skip


class Slicer:
    """A label map with or without names of its segments; `opened` makes one."""

    def __init__(self, path, reader, fields, facts, packed=None):
        self._reader, self._packed = reader, packed
        self.facts = facts
        self.references = References()
        self._segments = _segments(fields) if str(path).lower().endswith(".nrrd") else []
        self.names = tuple(name for name, _, _ in self._segments) or None

    def lattice(self, target: Lattice | None, wanted: Mapping[int, int]) -> Lattice:
        """The file's grid."""
        reader = self._reader
        affine = np.eye(4)
        direction = np.reshape(reader.GetDirection(), (reader.GetDimension(),) * 2)[:3, :3]
        affine[:3, :3] = direction * np.array(reader.GetSpacing()[:3])
        affine[:3, 3] = reader.GetOrigin()[:3]
        return Lattice(tuple(reader.GetSize()[:3][::-1]), affine)

    def pieces(self, wanted: Mapping[int, int], lattice: Lattice) -> Iterator[tuple[int, Piece]]:
        """Parts of the named segments in `wanted`, {index: our id}."""
        layers = self._layers()
        known: dict[int, list[int]] = {}
        for _, value, layer in self._segments:
            known.setdefault(layer, []).append(value)
        if max(known) >= len(layers):
            raise IntakeError(
                f"a segment lies in layer {max(known)}, but the file has {len(layers)}. Save it again"
            )
        for layer, stored in enumerate(layers):
            values = _values(stored)
            strange = [int(v) for v in values if v and v not in known.get(layer, [])]
            if strange:
                raise IntakeError(
                    f"voxels of the value {some(strange)} belong to none of its segments. Save it again in Slicer"
                )
            for index, (_, value, layer_of_segment) in enumerate(self._segments):
                if layer_of_segment != layer or index not in wanted:
                    continue
                piece = trimmed(stored == value)
                if piece:
                    yield wanted[index], piece

    def values(self) -> np.ndarray:
        """Stored values (k, j, i) of a file without names."""
        layers = self._layers()
        if len(layers) > 1:
            raise IntakeError(
                f"{len(layers)} layers without names of segments. Save it as .seg.nrrd, or as one label map"
            )
        return layers[0]

    def _layers(self):
        """Arrays (k, j, i), one per layer."""
        import SimpleITK as sitk

        if self._packed and not _unpacks_to(*self._packed):
            raise IntakeError(f"{UNLIKE_HEADER}. {nifti.DAMAGED}")
        try:
            array = sitk.GetArrayFromImage(self._reader.Execute())
        except (RuntimeError, ValueError, MemoryError) as error:
            raise IntakeError(
                f"its voxels can't be read: cut short or damaged. {nifti.DAMAGED}", str(error)
            ) from error
        return [array] if array.ndim == 3 else list(np.moveaxis(array, -1, 0))


def opened(path: str | Path) -> Slicer:
    """A .nrrd, .mha or .mhd file, of which the header is read and checked.

    Raises
    ------
    IntakeError where it can't be a label map of this patient's grid
    """
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # its words hold paths
    nrrd = str(path).lower().endswith(".nrrd")
    fields, begin = _header(path, nrrd)
    facts = {"mask_format": "nrrd" if nrrd else "metaimage"}
    counts, layers, size = (_check_nrrd if nrrd else _check_meta)(fields)
    nifti.check_size(counts)
    if layers > MAX_LAYERS:
        raise IntakeError(f"{layers} layers, at most {MAX_LAYERS} are read. {nifti.DAMAGED}")
    nifti.check_size((*counts[:2], counts[2] * layers))
    packed = _check_length(path, fields, begin, int(np.prod(counts)) * layers * size)
    reader = sitk.ImageFileReader()
    reader.SetImageIO("NrrdImageIO" if nrrd else "MetaImageIO")
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise IntakeError(
            f"its header can't be read. {nifti.DAMAGED}", f"path: {path}\n{error}"
        ) from error
    if tuple(reader.GetSize()[:3]) != counts or reader.GetNumberOfComponents() != layers:
        raise IntakeError("not a label map of three dimensions. Save it as one")
    return Slicer(path, reader, fields, facts, packed)


def _header(path, nrrd):
    """{key in small letters: value} of a header, and where the voxels begin."""
    with open(path, "rb") as handle:
        start = handle.read(MAX_HEADER)
    if nrrd:
        if not re.match(rb"NRRD000\d", start):
            raise IntakeError("not an NRRD file by its content. Save it again, or correct its name")
        end = re.search(rb"\r?\n\r?\n", start)
        if not end:
            raise IntakeError(f"its header doesn't end. {nifti.DAMAGED}")
        lines = start[: end.start()].decode("utf-8", "replace").splitlines()[1:]
        pairs = [
            re.split(r":=|: ?", line, maxsplit=1)
            for line in lines
            if ":" in line and line[:1] != "#"
        ]
        return {key.strip().lower(): value.strip() for key, value in pairs}, end.end()
    fields = {}
    for line in re.finditer(rb"([A-Za-z]\w*)[ \t]*=[ \t]*([^\r\n]*)\r?\n?", start[:65536]):
        key = line.group(1).decode().lower()
        fields[key] = line.group(2).decode("utf-8", "replace").strip()
        if key == "elementdatafile":
            return fields, line.end()
    raise IntakeError("not a MetaImage file by its content. Save it again, or correct its name")


def _numbers(text):
    try:
        return [int(word) for word in text.split()]
    except ValueError:
        return []


def _check_nrrd(fields):
    """(i, j, k) counts, layers, bytes per value; raises on what ITK would take unasked."""
    if "data file" in fields or "datafile" in fields:
        raise IntakeError(
            "its voxels lie in another file. Save it as one .nrrd with the voxels inside"
        )
    if fields.get("encoding", "").lower() not in ("raw", "gzip", "gz"):
        raise IntakeError("its voxels are packed in another way than gzip. Save it again with gzip")
    sizes, dimension = _numbers(fields.get("sizes", "")), fields.get("dimension", "")
    kinds = fields.get("kinds", "").split()
    layered = dimension == "4" and (not kinds or kinds[0] not in ("domain", "space"))
    if len(sizes) != (4 if layered else 3) or dimension not in ("3", "4") or min(sizes) < 1:
        raise IntakeError(
            f"{' × '.join(map(str, sizes)) or 'unknown'} voxels: not one volume. Save the segments of one image as one file"
        )
    if not fields.get("space") or "space directions" not in fields or "space origin" not in fields:
        raise IntakeError(
            "its header doesn't say how it lies in the patient (space, space directions, space origin). Save it again "
            "in Slicer; a guess could swap left and right"
        )
    size = BYTES.get(fields.get("type", "").lower())
    if size is None:
        raise IntakeError("its voxels are not numbers. Save it as a label map")
    return tuple(sizes[-3:]), sizes[0] if layered else 1, size


def _check_meta(fields):
    """As `_check_nrrd`, of MetaImage."""
    counts = _numbers(fields.get("dimsize", ""))
    if fields.get("ndims") != "3" or len(counts) != 3 or min(counts) < 1:
        raise IntakeError(
            f"{' × '.join(map(str, counts)) or 'unknown'} voxels: not one volume. Save it as one"
        )
    placed = any(key in fields for key in ("offset", "position", "origin"))
    turned = any(key in fields for key in ("transformmatrix", "rotation", "orientation"))
    if not placed or not turned:
        raise IntakeError(
            "its header doesn't say how it lies in the patient (TransformMatrix, Offset). Save it again; a guess could "
            "swap left and right"
        )
    size = BYTES.get(fields.get("elementtype", "").lower())
    channels = fields.get("elementnumberofchannels", "1")
    if size is None or channels != "1":
        raise IntakeError("its voxels are not one number each. Save it as a label map of integers")
    return tuple(counts), 1, size


def _check_length(path, fields, begin, needed):
    """Raise where a file is shorter or longer than its header announces, as far as can be known without unpacking.

    Returns
    -------
    (path, first byte, bytes unpacked) for `_unpacks_to`; None where nothing is packed
    """
    where, first = Path(path), begin
    data = fields.get("elementdatafile", "LOCAL")
    if data.upper() != "LOCAL":
        where, first = Path(path).parent / data, 0
        # ITK would follow any path that stands there, lists and numbered files included.
        if Path(data).name != data or not where.exists() or not files.is_regular(where):
            raise IntakeError(
                "the file with its voxels (ElementDataFile) is not beside it. Save it as one .mha, or copy both files"
            )
    arrived = os.path.getsize(where) - first
    packed = fields.get("encoding", "raw").lower() != "raw"
    if packed:  # gzip, whose last bytes announce a length too; it may lie
        right = arrived >= 18 and (files.unpacked_length(where) - needed) % (1 << 32) == 0
    elif fields.get("compresseddata", "").lower() == "true":
        packed = right = True
    else:
        right = arrived == needed
    if not right:
        what = "" if packed else f": {arrived} bytes of {needed}"
        raise IntakeError(f"{UNLIKE_HEADER}{what}. {nifti.DAMAGED}")
    return (where, first, needed) if packed else None


def _unpacks_to(path, first, needed):
    """Whether a zlib stream holds exactly so many bytes; it is unpacked piece by piece, and no further."""
    unpack, size = zlib.decompressobj(zlib.MAX_WBITS | 32), 0
    try:
        with open(path, "rb") as handle:
            handle.seek(first)
            while size <= needed and (chunk := handle.read(1 << 18)):
                while chunk and size <= needed:
                    size += len(unpack.decompress(chunk, 1 << 24))
                    chunk = unpack.unconsumed_tail
    except zlib.error:
        return False
    return size == needed and unpack.eof


def _segments(fields):
    """[(name, value, layer)] of a .seg.nrrd's header; empty where it names none."""
    numbers = sorted(
        int(match.group(1))
        for key in fields
        if (match := re.fullmatch(r"segment(\d{1,5})_name", key))
    )
    segments = []
    for number in numbers:

        def field(name, usual, number=number):
            text = fields.get(f"segment{number}_{name}", str(usual))
            if not re.fullmatch(r"\d{1,9}", text):
                raise IntakeError(
                    f"segment {number + 1} has no number for its {name}. Save it again in Slicer"
                )
            return int(text)

        # Before version 4.11 each segment had a layer of its own, with the value 1.
        old = f"segment{number}_labelvalue" not in fields
        segments.append(
            (
                fields[f"segment{number}_name"],
                field("labelvalue", 1),
                field("layer", number if old else 0),
            )
        )
    return segments


def _values(stored):
    """Distinct values of an array of integers."""
    if stored.dtype.kind not in "iu":
        raise IntakeError(
            "values with a fraction beside names of segments. Save it again in Slicer"
        )
    if stored.min() >= 0 and stored.max() <= 65535:
        return np.flatnonzero(np.bincount(stored.ravel()))
    return np.unique(stored)
