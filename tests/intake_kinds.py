"""Every kind of bad or odd input that intake is tried on, and what must come of it.

`python tests/intake_kinds.py` writes the table of docs/intake.md from what happens; the test beside
it (test_intake_kinds.py) holds each kind against its oracle and the table against what happens.
"""

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from cohort_phantom import (
    CUBE_MM,
    ORIGIN,
    SHAPE,
    SPACING,
    affine_ras,
    cube_mm,
    dicom_series,
    enhanced,
    nifti,
    phantom,
)
from dicom_phantom import add_strangers, compress, in_tilted_frame, plant, tilted, two_series
from drawing_files import (
    Series,
    contours_of,
    slicer_fields,
    write_nrrd,
    write_rtstruct,
    write_seg,
)
from nifti_phantom import KNOWN, cube, quaternion, sheared, shifted, turned, with_value
from sheet_rows import CENTERS, row

from nodestage import cohort
from nodestage.cohort import same
from nodestage.cohort.ct import ct_headers
from nodestage.cohort.drawings.references import Source
from nodestage.core.errors import InputError

PAGE = Path(__file__).parents[1] / "docs" / "intake.md"
BEGIN, END = "<!-- kinds: begin -->", "<!-- kinds: end -->"
EXACT, WITHIN_1_MM, ANY = "exact", "within 1 mm", "any"
# What a record always holds; the rest is what was corrected or left out.
USUAL = {
    "format", "shape", "spacing_mm", "stored_shape", "slices", "frames", "dtype", "volume_mm3", "slice_thickness_mm", "kernel",
    "volume_mm3_as_drawn", "resampled_from", "person", "exam", "mask_format", "segments",
}  # fmt: skip


@dataclass
class Kind:
    """One kind of input.

    case : the kind of fault, in a word, or ""
    words : what it is
    door : `ct`, `mask`, `drawing` (a mask of a DICOM series), `sheet`, `folds`, `overlap` or `same`
    make : what builds it: f(folder) gives the path of a file or folder, or the door's own input
    result : `read`, `corrected` or `refused`
    says : what its message, or the keys of its record, must hold
    oracle : how near the volume must come to the phantom
    more : arguments for the reader
    """

    case: str
    words: str
    door: str
    make: object
    result: str
    says: tuple = ()
    oracle: str = EXACT
    more: dict = field(default_factory=dict)


def ct(case, words, make, result, *says, oracle=EXACT, **more):
    return Kind(case, words, "ct", make, result, says, oracle, more)


def mask(case, words, make, result, *says, oracle=EXACT, role="tumor", **more):
    return Kind(case, words, "mask", make, result, says, oracle, {"role": role, **more})


def drawing(case, words, make, result, *says):
    """A mask in a format with names of segments; `make(folder, series)` gives its path."""
    return Kind(
        case,
        words,
        "drawing",
        lambda folder: make(folder, Series(folder / "ct")),
        result,
        says,
        EXACT,
        {"role": "tumor"},
    )


def seg(folder, series, kind="BINARY", name="tumor"):
    return write_seg(folder / "s.dcm", {name: cube().astype(bool)}, series, kind)


def of_another_series(folder, series):
    return seg(folder, Series(folder / "other", uid="1.2.826.5"))


def rtstruct(change=list):
    """The cube's contours, after `change`."""

    def build(folder, series):
        contours = change(list(contours_of(cube().astype(bool), series.affine)))
        return write_rtstruct(folder / "r.dcm", {"Tumor": contours}, series)

    return build


def nrrd(folder, series, name="tumor"):
    fields = slicer_fields({name: (1, 0)})
    return write_nrrd(folder / "s.seg.nrrd", cube(), series.affine, fields)


def nrrd_without_a_place(folder, series):
    path = write_nrrd(folder / "s.nrrd", cube(), series.affine)
    path.write_bytes(path.read_bytes().replace(b"space: left-posterior-superior\n", b""))
    return path


def cropped(folder, series):
    affine = series.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ (30, 16, 10)
    part = np.ascontiguousarray(cube()[10:20, 16:40, 30:50])
    return write_nrrd(folder / "s.seg.nrrd", part, affine, slicer_fields({"tumor": (1, 0)}))


def sheet(case, words, change, *says):
    """A second patient whose row has a fault; `change` may be a function that gives all rows."""
    rows = change if callable(change) else lambda: [row("P1"), row("P2") | change]
    return Kind(case, words, "sheet", lambda _: rows(), "refused", says)


def series(**given):
    return lambda folder: dicom_series(folder / "d", **given)


def image(array=None, affine=None, name="a.nii.gz", **given):
    """A NIfTI file; the phantom's values where none are given."""
    return lambda folder: nifti(
        folder / name, phantom() if array is None else array, affine, **given
    )


def drawn(array=None, affine=None, **given):
    return lambda folder: nifti(
        folder / "m.nii.gz", cube() if array is None else array, affine, **given
    )


def edited(make, change):
    """A file whose bytes are changed after it was written."""

    def build(folder):
        path = make(folder)
        path.write_bytes(change(bytearray(path.read_bytes())))
        return path

    return build


def both(*makers):
    """Several makers in one folder, of which the first gives the path."""

    def build(folder):
        paths = [make(folder) for make in makers]
        return paths[0]

    return build


def inside(name, **given):
    return lambda folder: dicom_series(folder / "d" / name, **given)


def tag(**values):
    def change(data, k):
        for name, value in values.items():
            setattr(data, name, value)

    return change


def lacking(*names):
    def change(data, k):
        for name in names:
            delattr(data, name)

    return change


def changed(where, by):
    array = phantom()
    array[where] += by
    return array


def at(position):
    return {"positions": position}


def gantry(degrees, background=-3024):
    orientation, positions = tilted(degrees), lambda k: (-48.0, -40.0, -30 + 2.5 * k)
    array = in_tilted_frame(orientation, positions, background)
    return series(
        array=array, orientation=orientation, positions=positions, slopes=(1, 0), signed=True,
        change=tag(GantryDetectorTilt=0),
    )  # fmt: skip


def padded(value):
    array = phantom()
    array[:, :4] = value

    def change(data, k):
        data.add_new("PixelPaddingValue", "SS", value)

    return series(array=array, slopes=(1, 0), signed=True, change=change)


def lossless_jpeg(folder):
    import gdcm

    series()(folder)
    for path in (folder / "d").iterdir():
        reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
        reader.SetFileName(str(path))
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.JPEGLosslessProcess14_1))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(str(path))
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
    return folder / "d"


def unknown_syntax(folder):
    made = dicom_series(folder / "d", encode=compress("1.2.840.10008.1.2.4.90"), keep=range(5))
    path = sorted(made.iterdir())[2]
    known, other = b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.4.99"
    path.write_bytes(path.read_bytes().replace(known, other, 1))
    return made


def broken(size):
    """A series whose last five files were cut to `size` bytes."""

    def build(folder):
        made = series()(folder)
        for path in sorted(made.iterdir())[-5:]:
            path.write_bytes(path.read_bytes()[:size])
        return made

    return build


def cut_slice(folder):
    made = series()(folder)
    path = sorted(made.iterdir())[3]
    path.write_bytes(path.read_bytes()[:-3000])
    return made


def no_preamble(folder):
    made = series()(folder)
    for path in made.iterdir():
        path.write_bytes(path.read_bytes()[132:])
    return made


def overlays(data, k):
    values = np.frombuffer(data.PixelData, "<u2").copy()
    values[::5] |= 0x8000
    data.PixelData = values.tobytes()


def twelve_signed(data, k):
    data.PixelData = (np.frombuffer(data.PixelData, "<i2").astype("<u2") & 0x0FFF).tobytes()


def strangers(folder):
    made = series()(folder)
    add_strangers(made)
    return made


def only_strangers(folder):
    add_strangers(folder / "d")
    return folder / "d"


def chosen_from_two(folder):
    two_series(folder / "d")
    return folder / "d"


def bolus(folder):
    made = series()(folder)
    for n in range(4):
        dicom_series(made / f"bolus{n}", keep=[3], uid="1.2.826.7", array=phantom() + n)
    return made


def other_patient(folder):
    made = dicom_series(folder / "d", keep=range(12))
    return dicom_series(
        made, keep=range(12, 24), change=tag(PatientID="X2"), names=lambda k: f"b{k}"
    )


def frames(folder):
    order = np.random.default_rng(1).permutation(24)
    enhanced(folder / "d" / "x.dcm", order=order)
    return folder / "d"


def two_enhanced(folder):
    enhanced(folder / "d" / "x.dcm", uid="1.2.826.8")
    enhanced(folder / "d" / "y.dcm", phantom() + 30, uid="1.2.826.9")
    return folder / "d"


def big_endian(folder):
    import nibabel

    plain = nibabel.Nifti1Image(phantom().transpose(2, 1, 0), affine_ras())
    swapped = nibabel.Nifti1Image(plain.get_fdata(), plain.affine, plain.header.as_byteswapped())
    nibabel.save(swapped, folder / "a.nii.gz")
    return folder / "a.nii.gz"


def nifti_2(folder):
    import nibabel

    nibabel.save(
        nibabel.Nifti2Image(phantom().transpose(2, 1, 0), affine_ras()), folder / "a.nii.gz"
    )
    return folder / "a.nii.gz"


def rotated(degrees, first, second):
    angle, turn = np.radians(degrees), np.eye(4)
    turn[first, first] = turn[second, second] = np.cos(angle)
    turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
    return turn @ affine_ras()


def moved_sform(mm, axis=2):
    affine = affine_ras()
    affine[axis, 3] += mm
    return affine


def in_meters():
    affine = affine_ras()
    affine[:3] /= 1000
    return affine


def reoriented(order, signs, array):
    return array.transpose(order)[tuple(slice(None, None, s) for s in signs)]


def written(name, content):
    def make(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return make


def dicom_folder(change=None, **given):
    return series(change=change, **given)


def at_the_top():
    array = cube()
    array[-1, 20, 20] = 1
    return array


def in_air():
    """The id of the pancreas in the air beside the phantom."""
    return np.where(phantom() < -900, np.uint8(11), np.uint8(0))


def many(patients):
    return [{"patient": f"P{k}", "metastasis": str(k % 2)} for k in range(patients)]


KINDS = [
    # ---- DICOM: the stack of slices
    ct("", "a plain series, file names and instance numbers in no order", series(), "read"),
    ct("gap", "three slices missing", series(keep=[k for k in range(24) if k not in (8, 9, 10)]),
       "refused", "3 slices missing", "2.5 mm"),
    ct("gap", "one slice missing near an end", series(keep=[k for k in range(24) if k != 1]),
       "refused", "1 slice missing"),
    ct("gap", "lower half at 5 mm, upper at 2.5 mm", series(keep=[0, 2, 4, 6, 8, 10, *range(12, 24)]),
       "refused", "2.5 mm"),
    ct("gap", "positions rounded to ± 0.0005 mm",
       series(**at(lambda k: (-48, -40, -30 + 2.5 * k + (0.0005 if k % 3 else -0.0005)))),
       "read", oracle=WITHIN_1_MM),
    ct("gap", "a slice 2 mm beside the others",
       series(**at(lambda k: (-48 + 2 * (k == 7), -40, -30 + 2.5 * k))), "refused", "beside"),
    ct("gap", "slice thickness unlike the distance of slices", series(change=tag(SliceThickness=5)), "read"),
    ct("gap", "two slices alone", series(keep=[3, 4]), "refused", "no axial CT"),
    ct("duplicates", "the series twice, under another UID", both(series(), inside("copy", uid="1.2.826.2")),
       "corrected", "copies_dropped"),
    ct("duplicates", "the slices twice, under the same UID", both(series(), inside("copy")), "corrected",
       "copies_dropped"),
    ct("duplicates", "other pixels at six positions",
       both(series(), inside("copy", array=changed(slice(5, 11), 3))), "refused", "6 of 24 positions"),
    ct("tilt", "gantry tilted by 12°, tilt tag 0, padding −3024", gantry(12), "corrected",
       "gantry_tilt_deg", oracle=WITHIN_1_MM),
    ct("tilt", "gantry tilted by −20°", gantry(-20), "corrected", "gantry_tilt_deg", oracle=WITHIN_1_MM),
    ct("tilt", "padding −2000, by its tag", padded(-2000), "corrected", "padding_voxels", oracle=WITHIN_1_MM),
    ct("tilt", "a padding value that is tissue elsewhere", padded(40), "corrected",
       "padding_value_within_tissue", oracle=WITHIN_1_MM),
    # ---- DICOM: what else lies in the folder
    ct("other images", "localizer, dose report, capture, DICOMDIR, Thumbs.db, text, empty file", strangers,
       "corrected", "left_out"),
    ct("other images", "localizer and reports without the series", only_strangers, "refused", "no axial CT"),
    ct("other images", "an empty folder", lambda folder: folder, "refused", "empty"),
    ct("other images", "two series, none chosen", chosen_from_two, "refused", "2 CT series", "`series`"),
    ct("other images", "two series, one chosen by its number", chosen_from_two, "read", series="5"),
    ct("other images", "a chosen series that is not there", chosen_from_two, "refused", "number 7", series="7"),
    ct("other images", "two phases under one series UID",
       both(series(change=tag(AcquisitionNumber=1)),
            inside("b", array=phantom() + 20, change=tag(AcquisitionNumber=2))),
       "refused", "2 CT series", "#2"),
    ct("other images", "slices of bolus tracking beside the series", bolus, "corrected", "left_out"),
    ct("other images", "another patient's slices in the folder", other_patient, "refused", "2 patients"),
    ct("other images", "a material map (rescale type other than HU)", series(change=tag(RescaleType="MGML")),
       "refused", "not in hu"),
    # ---- DICOM: frames, encodings, values
    ct("multi-frame", "enhanced multi-frame CT, frames shuffled", frames, "read"),
    ct("multi-frame", "two enhanced files", two_enhanced, "refused", "2 CT series"),
    ct("multi-frame", "RLE", series(encode=compress("1.2.840.10008.1.2.5")), "read"),
    ct("multi-frame", "JPEG-LS", series(encode=compress("1.2.840.10008.1.2.4.80")), "read"),
    ct("multi-frame", "JPEG 2000", series(encode=compress("1.2.840.10008.1.2.4.90")), "read"),
    ct("multi-frame", "lossless JPEG", lossless_jpeg, "read"),
    ct("multi-frame", "deflated", series(encode=compress("deflated")), "read"),
    ct("multi-frame", "signed pixels", series(signed=True, slopes=(1, 0)), "read"),
    ct("multi-frame", "a transfer syntax that nobody reads", unknown_syntax, "refused", "1.2.840.10008.1.2.4.99"),
    ct("multi-frame", "a slice cut short", cut_slice, "refused", "cut short"),
    ct("", "no preamble", no_preamble, "read"),
    ct("", "12 bits with an overlay in the high bits", series(stored=12, change=overlays), "read"),
    ct("", "12 bits, signed", series(stored=12, signed=True, slopes=(1, 0), change=twelve_signed), "read"),
    ct("", "rescale slope and intercept of each slice's own",
       series(slopes=lambda k: (1, -1024 - 2 * k)), "corrected", "rescale_per_slice"),
    ct("", "rescale intercept lost", series(change=lacking("RescaleIntercept", "RescaleSlope")),
       "refused", "shifted by 1024", "hu_offset"),
    ct("", "rescale intercept lost, `hu_offset: -1024` set",
       series(change=lacking("RescaleIntercept", "RescaleSlope")), "corrected", "hu_offset", hu_offset=-1024),
    ct("", "feet first, slices reversed",
       series(array=phantom()[:, ::-1, ::-1], orientation=(-1, 0, 0, 0, -1, 0),
              **at(lambda k: (-48 + 63 * 1.5, -40 + 63 * 1.5, -30 + 2.5 * k))), "corrected", "reoriented"),
    ct("names", "folder `Münster/静脉 期 (1)`", inside("Münster/静脉 期 (1)"), "read"),
    ct("identity", "identifiers in every text field, dates, private tags", series(change=plant), "read"),
    ct("half a transfer", "the last files of a copy are empty", broken(0), "refused", "5 of 24 files", "5 empty"),
    ct("half a transfer", "the last files end within their header", broken(300), "refused", "5 cut short"),
    ct("split series", "a series UID for each slice",
       series(change=lambda d, k: setattr(d, "SeriesInstanceUID", f"1.2.826.{k + 50}")), "corrected", "series_uid_per_slice"),
    ct("split series", "another kernel in every second slice",
       series(change=lambda d, k: setattr(d, "ConvolutionKernel", f"B{30 + k % 2}f")), "refused", "ConvolutionKernel differs"),
    ct("split series", "kVp that changes within the series",
       series(change=lambda d, k: setattr(d, "KVP", 80 if k > 20 else 120)), "refused", "KVP differs in 3 of 24"),
    ct("", "a rescale slope of 1e30", series(change=tag(RescaleSlope=1e30)), "refused", "rescale slope 1e+30"),
    ct("", "compressed with loss", series(change=tag(LossyImageCompression="01")), "corrected", "lossy_compression"),
    # ---- NIfTI: geometry
    ct("skewed grid", "axes 1e-4 rad from a right angle", image(affine=sheared(1e-4)), "corrected",
       "axes_snapped_deg", oracle=WITHIN_1_MM),
    ct("skewed grid", "axes sheared by 0.3°", image(affine=sheared(np.radians(0.3))), "corrected",
       "straightened_deg", oracle=WITHIN_1_MM),
    ct("skewed grid", "axes sheared by 8°", image(affine=sheared(np.radians(8))), "corrected", "shear_deg", oracle=ANY),
    ct("", "an oblique scan, 15°", image(affine=rotated(15, 0, 1)), "corrected", "straightened_deg", oracle=ANY),
    ct("", "axes 40° off", image(affine=rotated(40, 1, 2)), "refused", "40.0° off"),
    ct("organs", "another of the 48 orientations, header and voxels together",
       image(reoriented((2, 0, 1), (1, -1, 1), phantom()), turned((2, 0, 1), (1, -1, 1))), "corrected",
       "reoriented"),
    ct("", "qform alone", image(qform=quaternion(), scode=0), "read"),
    ct("", "qform and sform 30 mm apart", image(qform=quaternion(affine_ras()[:3, 3] + [0, 0, 30])),
       "refused", "30.00 mm apart"),
    ct("", "a template's sform beside the scanner's qform",
       image(affine=moved_sform(20, 0), qform=quaternion(), scode=4), "corrected", "template_sform_ignored"),
    ct("", "neither qform nor sform", image(scode=0), "refused", "neither qform nor sform"),
    ct("", "meters", image(affine=in_meters(), units=1), "corrected", "unit_scaled_to_mm"),
    ct("", "voxels of 250 mm", image(affine=affine_ras(spacing=(250.0, 1.5, 1.5))), "refused", "250 mm"),
    ct("multi-frame", "NIfTI (x, y, z, 1)", image(phantom()[None]), "corrected", "single_axes_dropped"),
    ct("multi-frame", "NIfTI (x, y, z, 2)", image(np.stack([phantom()] * 2)), "refused", "more than one volume"),
    ct("multi-frame", "NIfTI of one slice", image(phantom()[0]), "refused", "one slice"),
    ct("grid", "a child's small field of view, 0.3 mm pixels", image(affine=affine_ras(spacing=(0.625, 0.3, 0.3))),
       "read", oracle=ANY),
    # ---- NIfTI: storage and values
    ct("", "float storage", image(dtype="f8"), "read"),
    ct("", "unsigned storage, scaled", image(((phantom().astype(int) + 1024) // 2).astype("u2"), slope=2,
       inter=-1024), "corrected", "scaled_storage"),
    ct("", "big-endian", big_endian, "corrected", "scaled_storage"),
    ct("", "NIfTI-2", nifti_2, "read"),
    ct("", "gzip under the name .nii", edited(image(name="a.nii.gz"), bytes), "read"),
    ct("", "padding −32768", image(with_value(-32768, 50, "i2")), "corrected", "padding_voxels", oracle=WITHIN_1_MM),
    ct("", "metal above int16", image(with_value(50000, 3)), "corrected", "cut_at_32767_voxels", oracle=ANY),
    ct("values", "NaN", image(with_value(np.nan, 17)), "refused", "17 of"),
    ct("values", "infinity", image(with_value(np.inf, 17)), "refused", "17 of"),
    ct("", "HU shifted by 1024", image(phantom() + 1024), "refused", "hu_offset: -1024"),
    ct("", "HU shifted by −1024", image(phantom() - 1024), "refused", "hu_offset: 1024"),
    ct("values", "a mask in the CT's column", image((phantom() > 0).astype("i2")), "refused", "exchanged"),
    ct("values", "negative HU wrapped in unsigned storage", image(phantom().view("u2")), "refused", "wrapped in unsigned"),
    ct("values", "z scores", image((phantom() - phantom().mean()) / phantom().std()), "refused", "normalised"),
    ct("values", "cut to a window", image(np.clip(phantom(), -160, 240)), "refused", "cut to a window"),
    ct("values", "a CT scaled to 0–1", image((phantom() + 1000) / 2000), "refused", "unit range"),
    ct("", "a file cut in the middle", edited(image(), lambda b: bytes(b[: len(b) // 2])), "refused", "cut short"),
    ct("", "a wrong checksum", edited(image(), lambda b: bytes(b[:-6]) + bytes([b[-6] ^ 255]) + bytes(b[-5:])),
       "refused", "damaged"),
    ct("", "Analyze 7.5", edited(image(name="a.nii"), lambda b: bytes(b[:344]) + bytes(4) + bytes(b[348:])),
       "refused", "Analyze"),
    ct("", "a color image", edited(image(name="a.nii"), lambda b: bytes(b[:70]) + bytes([128, 0]) + bytes(b[72:])),
       "refused", "color"),
    ct("", "a complex image", edited(image(name="a.nii"), lambda b: bytes(b[:70]) + bytes([32, 0]) + bytes(b[72:])),
       "refused", "complex"),
    ct("", "an NRRD file", written("a.nrrd", b"NRRD0004" * 50), "refused", "neither NIfTI nor DICOM"),
    ct("", "a path to nothing", lambda folder: folder / "absent.nii.gz", "refused", "not there"),
    Kind("", "two phases far apart in space", "overlap", lambda _: 430.0, "refused", ("does not overlap",)),
    Kind("", "one image in both phases, once as DICOM and once as NIfTI", "same",
         lambda _: [("P1", "arterial"), ("P1", "venous")], "refused", ("the same image as arterial",)),
    Kind("", "one image with two patients", "same", lambda _: [("P1", "venous"), ("P2", "venous")],
         "refused", ("the same image as venous of P1",)),
    # ---- masks
    mask("grid", "mask 1e-5 mm off the image", drawn(affine=shifted(1e-5)), "corrected", "snapped_voxels"),
    mask("grid", "mask half a voxel off", drawn(affine=shifted(0.75)), "refused", "not on the grid"),
    mask("grid", "mask 5 mm off", drawn(affine=shifted(5.0)), "refused", "not on the grid"),
    mask("grid", "mask 5 mm off, `resample_masks: true`", drawn(affine=shifted(5.0)), "corrected", "resampled",
         oracle=ANY, resample=True),
    mask("grid", "mask one slice short", drawn(cube()[:-1]), "refused", "64 × 64 × 23"),
    mask("grid", "mask drawn on the other phase's 5 mm slices",
         drawn(cube()[::2], affine_ras(spacing=(5.0, 1.5, 1.5), origin=(-48.0, -40.0, -28.75))), "refused", "5 mm"),
    mask("grid", "mask in another axis order",
         drawn(reoriented((2, 0, 1), (1, -1, 1), cube()), turned((2, 0, 1), (1, -1, 1))), "corrected", "reoriented"),
    mask("", "mask elsewhere in space, `resample_masks: true`", drawn(affine=shifted(900)), "refused",
         "does not overlap", resample=True),
    mask("values", "mask as float64 {0, 1}", drawn(cube("f8")), "read"),
    mask("values", "mask {0, 0.9999999}", drawn(cube("f8", 0.9999999)), "read"),
    mask("values", "tumor mask {0, 255}", drawn(cube("u1", 255)), "corrected", "foreground_value"),
    mask("values", "tumor mask 1/255 by its slope", drawn(slope=1 / 255), "corrected", "foreground_value"),
    mask("values", "mask with NaN", drawn(with_value(np.nan, 9)), "refused", "NaN"),
    mask("values", "an id too many", drawn(cube("u1", 25)), "refused", "id 25", role="organs"),
    mask("values", "nodes numbered one by one: 1, 2, 3", drawn(cube() + 2 * at_the_top()), "refused",
         "1 = negative, 2 = positive", "not a separate number", role="lymph_nodes"),
    mask("values", "node mask {0, 255}", drawn(cube("u1", 255)), "refused", "255", role="lymph_nodes"),
    mask("values", "a value between two ids", drawn(cube("f4", 1.5)), "refused", "1.5", role="organs"),
    mask("values", "a negative value", drawn(cube("i2", -1)), "refused", "-1"),
    mask("values", "the CT itself in the mask's column", drawn(phantom()), "refused", "an image, not a mask"),
    mask("values", "mask all zero", drawn(np.zeros(SHAPE, "u1")), "corrected", "empty", oracle=ANY),
    mask("", "an organ where there is air: part of another tool's ids", drawn(in_air()), "refused",
         "HU", "label_system", role="organs"),
    mask("organs", "mask that touches the upper edge", drawn(at_the_top()),
         "corrected", "touches_edge", oracle=ANY),
    mask("", "another tool's class ids without `label_system`", drawn(cube("u1", 63)), "refused", "id 63",
         role="organs"),
    mask("", "the same with `label_system`", drawn(cube("u1", 63)), "read", role="organs",
         label_system={"spleen": 63}),
    # ---- masks of viewers and planning systems
    drawing("", "DICOM SEG", seg, "read"),
    drawing("", "DICOM SEG, fractional", lambda f, s: seg(f, s, "FRACTIONAL"), "corrected", "fractional_threshold"),
    drawing("", "DICOM SEG, label map", lambda f, s: seg(f, s, "LABELMAP"), "read"),
    drawing("", "DICOM SEG of another series", of_another_series, "refused", "refers to another series"),
    drawing("", "DICOM SEG with a name that the config doesn't know", lambda f, s: seg(f, s, name="CANARY"), "refused",
            "1 of its 1 segments has a name"),
    drawing("", "RTSTRUCT", rtstruct(), "read"),
    drawing("", "RTSTRUCT, contours 1.2 mm off the slices", rtstruct(lambda c: [one + (0, 0, 1.2) for one in c]), "refused",
            "don't lie on slices"),
    drawing("", "RTSTRUCT, contours on every other slice", rtstruct(lambda c: [*c[::2], c[-1] + (0, 0, 2.5)]), "refused",
            "2 slices apart"),
    drawing("", ".seg.nrrd of 3D Slicer", nrrd, "read"),
    drawing("", ".seg.nrrd cropped to what was drawn", cropped, "read"),
    drawing("", ".nrrd that doesn't say how it lies", nrrd_without_a_place, "refused", "how it lies in the patient"),
    # ---- the sheet
    sheet("names", "code `A+B`", {"patient": "A+B"}, "patient"),
    sheet("names", "code `../p`", {"patient": "../p"}, "patient"),
    sheet("names", "code of 65 letters", {"patient": "a" * 65}, "patient"),
    sheet("names", "a date of birth in the code", {"patient": "Mueller_03.05.1961"},
          "'03.05.1961' reads as a date"),
    sheet("names", "one code at two centers", lambda: [row("001"), row("001", "beta", venous="o.nii.gz")], "row 2 too"),
    sheet("names", "`p1` beside `P1`", lambda: [row("p1"), row("P1")], "as 'p1'"),
    sheet("", "a center that the config lacks", {"center": "alfa"}, "did you mean 'alpha'"),
    sheet("", "`metastasis` that is no 0 or 1", {"metastasis": "yes"}, "0 or 1"),
    sheet("", "`metastasis` empty in the discovery center", {"metastasis": ""}, "empty in the discovery"),
    sheet("", "`metastasis` against `pn_stage`", {"pn_stage": "N0"}, "contradicts"),
    sheet("", "a decimal comma", {"age": "61,5"}, "decimal point"),
    sheet("", "an age of 161", {"age": "161"}, "0 to 120"),
    sheet("", "a tumor size in millimeters", {"tumor_size_cm": "31"}, "centimeters"),
    sheet("", "an organ mask without `organ_set`", {"organs": "o.nii"}, "organ_set"),
    sheet("", "a patient without any image", {"venous": "", "lymph_nodes": ""}, "both arterial and venous"),
    sheet("", "a mask on a phase that isn't given", {"venous": "", "arterial": "a.nii"}, "venous phase"),
    sheet("", "an external patient who would train",
          lambda: [row("P1"), row("E", "beta", organs="o.nii", organ_set="train")], "Nothing learns"),
    Kind("few patients", "too few patients for the folds", "folds", lambda _: many(6), "refused", ("fold",)),
]  # fmt: skip


@dataclass
class Outcome:
    """What came of a kind: `result` as in `Kind`, the message or the facts noted, the volume."""

    result: str
    text: str = ""
    noted: dict = field(default_factory=dict)
    volume: object = None


def tried(kind, folder):
    """Put one kind through its door."""
    folder = Path(folder)
    try:
        volume, record = DOORS[kind.door](kind, kind.make(folder), folder)
    except InputError as error:
        return Outcome("refused", str(error))
    noted = {
        k: v for k, v in record.items() if k not in USUAL and v not in (False, None, 0, {}, [])
    }
    return Outcome("corrected" if noted else "read", "", noted, volume)


def _ct(kind, path, folder):
    return cohort.read_ct_with_record(path, patient="P1", column="venous", **kind.more)


def _mask(kind, path, folder):
    volume = cohort.read_ct(nifti(folder / "ct.nii", phantom()))
    role = kind.more["role"]
    more = {"known": KNOWN} if role == "organs" else {}
    rules = cohort.MaskRules(**more, **kind.more)
    return cohort.read_mask_with_record(path, rules, volume, patient="P1", column=role)


def _drawing(kind, path, folder):
    series, role = folder / "ct", kind.more["role"]
    return cohort.read_mask_with_record(
        path,
        cohort.MaskRules(role),
        cohort.read_ct(series),
        patient="P1",
        column=role,
        source=Source("venous", {"venous": ct_headers(series)}),
    )


def _sheet(kind, rows, folder):
    cohort.check_sheet(rows, CENTERS, files=False)
    return None, {}


def _folds(kind, rows, folder):
    cohort.make_folds(rows, 5, 1)
    return None, {}


def _overlap(kind, away, folder):
    near = cohort.read_ct(nifti(folder / "a.nii", phantom()))
    far = affine_ras(origin=(ORIGIN[0], ORIGIN[1], ORIGIN[2] + away))
    cohort.check_overlap(
        near, cohort.read_ct(nifti(folder / "b.nii", phantom(), far)), patient="P1"
    )
    return None, {}


def _same(kind, places, folder):
    paths = (nifti(folder / "a.nii", phantom()), dicom_series(folder / "b"))
    arrays = [cohort.read_ct(path).array for path in paths]
    same.check({p: same.digest(a) for p, a in zip(places, arrays, strict=True)})
    return None, {}


DOORS = {
    "ct": _ct, "mask": _mask, "drawing": _drawing, "sheet": _sheet, "folds": _folds, "overlap": _overlap, "same": _same,
}  # fmt: skip


def as_it_should_be(kind, volume):
    """Whether what was read is the phantom (or its cube, of a mask), as nearly as the kind says."""
    if kind.oracle == ANY or volume is None:
        return True
    if kind.oracle == WITHIN_1_MM:
        return bool(np.abs(cube_mm(volume) - CUBE_MM).max() < 1 and volume.array.min() >= -1024)
    truth = cube() if kind.door in ("mask", "drawing") else phantom()
    return bool(
        np.array_equal(volume.array, truth)
        and np.allclose(volume.spacing, SPACING, atol=1e-5)
        and np.allclose(volume.origin, ORIGIN, atol=1e-3)
    )


def table(outcomes):
    """The lines of docs/intake.md between the marks."""
    counts = {r: sum(o.result == r for o in outcomes) for r in ("read", "corrected", "refused")}
    lines = [
        BEGIN,
        "",
        f"{len(KINDS)} kinds: {counts['read']} read as they are, {counts['corrected']} corrected or noted in the "
        f"record, {counts['refused']} refused. Written by `python tests/intake_kinds.py`, held by a test.",
        "",
        "| kind | input | what comes of it |",
        "| --- | --- | --- |",
    ]
    for kind, outcome in zip(KINDS, outcomes, strict=True):
        lines.append(f"| {kind.case} | {kind.words} | {_said(outcome)} |")
    return "\n".join([*lines, "", END])


def _said(outcome):
    if outcome.result == "read":
        return "read"
    if outcome.result == "corrected":
        noted = ", ".join(f"`{k}`: {_plain(v)}" for k, v in sorted(outcome.noted.items()))
        return f"read; {noted}"
    text = outcome.text.removeprefix("The sample sheet has 1 fault:").strip().replace("|", "\\|")
    text = re.sub(r"(?<=:)\s*\n\s*", " ", text)
    text = re.sub(r"\s*\n\s*", "; ", text)
    text = text if len(text) <= 330 else text[:330].rsplit(" ", 1)[0] + " …"
    return f"**refused**: {text}"


def _plain(value):
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {_plain(v)}" for k, v in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return " ".join(_plain(v) for v in value)
    return {True: "yes"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def main():
    outcomes = []
    for kind in KINDS:
        with TemporaryDirectory() as folder:
            outcomes.append(tried(kind, folder))
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + table(outcomes) + rest.split(END)[1], encoding="utf-8")
    print(f"{len(KINDS)} kinds of input: {PAGE.name} is written")


if __name__ == "__main__":
    sys.exit(main())
