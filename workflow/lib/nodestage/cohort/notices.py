"""What intake left out, joined or changed of an image or mask, in sentences for `make check` and the pages."""

from nodestage.cohort.faults import some

_LEFT_OUT = {
    "localizer": "localizers",
    "not_ct": "objects that are not CT images",
    "not_dicom": "files that are not DICOM",
    "not_an_image": "DICOM files without an image",
    "not_a_file": "pipes or devices",
    "burned_in_text": "images with burned-in text",
    "picture": "pictures",
    "not_in_hu": "images that are not in HU",
    "without_position": "images without a position",
    "without_spacing": "images without pixel spacing",
    "with_a_lookup_table": "images with a modality lookup table",
    "computed": "projections, subtractions or maps",
    "other_plane": "images of another plane",
    "pieces_of_one_or_two_slices": "slices of pieces of one or two",
}
_SENTENCES = {
    "lossy_compression": "its images were compressed with loss",
    "series_uid_per_slice": "each slice has another series UID; joined by position",
    "uid_per_slice": "each slice has another study or frame-of-reference UID",
    "copies_dropped": "{} copies of slices dropped",
    "gantry_tilt_deg": "gantry tilted by {}°",
    "straightened_deg": "resampled straight, {}° off the body's axes",
    "axes_snapped_deg": "axes {}° off, taken as straight",
    "unit_scaled_to_mm": "scaled to mm by {}",
    "template_sform_ignored": "the sform of a template was ignored for the scanner's qform",
    "qform_cannot_hold_shear": "its sform is sheared, which its qform can't hold; the sform was taken",
    "sform_unusable": "its sform can't be used; the qform was taken",
    "blank_slices": "{} slices hold one value throughout",
    "cut_at_32767_voxels": "{} voxels above 32767 HU cut",
    "padding_value_within_tissue": "its padding value could be tissue; taken as padding at the corners alone",
    "repeated_along_z": "{}",
    "cut_at_hu": "no voxel above {} HU, where many lie: it may have been cut to a window",
    "few_values": "{} gray values between −150 and 250 HU: stored coarsely, or from a picture",
    "border_at_hu": "a side of it holds {} HU throughout: padding that reads as tissue?",
    "air_at_hu": "its air lies near {} HU, not −1000: shifted, or scaled?",
    "fat_at_hu": "its fat lies near {} HU, not −100: shifted, or scaled?",
    "rows_blank": "beside slice {} rows are blank that its neighbor fills: was it cut short?",
    "slices_repeated": "{} slices equal their neighbors, voxel by voxel",
    "slices_alternate": "every second slice fits better than the next one: two phases between one another?",
    "acquisitions": "its slices come from {} acquisitions: is it one phase?",
    "derived": "its headers call it derived: reformatted or computed from other images",
    "thicknesses": "its slices are of {} thicknesses",
    "numbers_missing": "{} numbers are missing among those of its images: is it whole?",
    "images_announced": "its headers announce {} images: is it whole?",
    "rescale_per_slice": "rescale slope and intercept are each slice's own",
}
_MASK_SENTENCES = {
    "segments_missing": "no segment for {}",
    "segments_ignored": "{} segments ignored, as the config says",
    "segments_found": "its segments: {}",
    "series_not_compared": "which series it was drawn on can't be compared, its position can",
    "fractional_threshold": "fractional segments taken from {} of their maximum",
    "mostly_marked": "most of its middle is marked: is it turned inside out, or a mask of the body?",
    "overlap_mm3": "{} mm³ drawn as two classes",
    "contours_without_area": "{} points or open contours left out",
    "contours_outside": "{} contours lie outside the image",
    "contours_cut": "{} contours reach beyond the image and are cut there",
    "slices_skipped": "{} slices within a structure have nothing drawn; it is taken so",
    "straightened_deg": "resampled straight, {}° off the body's axes",
    "axes_snapped_deg": "axes {}° off, taken as straight",
    "unit_scaled_to_mm": "scaled to mm by {}",
    "template_sform_ignored": "the sform of a template was ignored for the scanner's qform",
    "sform_unusable": "its sform can't be used; the qform was taken",
    "snapped_voxels": "{} voxels off its image's grid, put onto it",
    "resampled": "put on its image's grid by {}",
    "foreground_value": "its foreground is {}, taken as 1",
    "small_structures_kept": "{} structures finer than the grid kept as one voxel",
    "structures_outside": "{} structures lie outside the image and are lost",
    "structures_cut": "{} structures are cut by the image's edge",
    "outside_mm3": "{} mm³ drawn outside the image are lost",
}
# Worth a radiologist's look on the quality page; the rest is housekeeping.
WARNINGS = (
    "lossy_compression", "blank_slices", "repeated_along_z", "cut_at_hu", "few_values", "padding_value_within_tissue",
    "border_at_hu", "air_at_hu", "fat_at_hu", "rows_blank", "slices_repeated", "slices_alternate", "acquisitions", "numbers_missing", "images_announced", "thicknesses",
)  # fmt: skip


LOSSES = (
    "slices_skipped",
    "contours_outside",
    "contours_cut",
    "small_structures_kept",
    "structures_outside",
    "structures_cut",
    "outside_mm3",
)


def of_image(record):
    """Sentences on the record of a CT, without a full stop."""
    sentences = [
        f"left out: {count} {_LEFT_OUT.get(reason, reason.replace('_', ' '))}"
        for reason, count in record.get("left_out", {}).items()
    ]
    return sentences + _of(record, _SENTENCES)


def of_mask(record):
    """Sentences on the record of a mask, without a full stop."""
    return _of(record, _MASK_SENTENCES)


def losses(record):
    """Those of `of_mask` that name something drawn and not used."""
    return _of({key: record[key] for key in LOSSES if key in record}, _MASK_SENTENCES)


def warnings(record):
    """Those of `of_image` that a reader of the images must know."""
    left_out = {
        k: v
        for k, v in record.get("left_out", {}).items()
        if k in ("not_in_hu", "without_position")
    }
    return of_image({k: record[k] for k in WARNINGS if k in record} | {"left_out": left_out})


def _of(record, sentences):
    return [text.format(_plain(record[key])) for key, text in sentences.items() if record.get(key)]


def _plain(value):
    if isinstance(value, list):
        return some(value, 20)
    return f"{value:.4g}" if isinstance(value, float) else value


def summary(notices):
    """Lines for the terminal: each sentence once, with the patients and columns that it holds for.

    notices : {(patient, column): list of sentences}
    """
    cells = {}
    for (patient, column), sentences in sorted(notices.items()):
        for sentence in sentences:
            cells.setdefault(sentence, []).append(f"{patient} {column}")
    return [f"  {some(names, 5)}: {sentence}" for sentence, names in cells.items()]
