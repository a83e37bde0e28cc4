"""Intake: the sample sheet, CT volumes and masks from outside, and the folds.

Everything from outside enters the workflow here. What can be corrected is corrected
and counted in a record; everything else is an `InputError` with the patient, the
sheet's column, what is wrong in numbers, and how to fix it.

Names load on first use: reading a sheet costs neither NumPy nor SimpleITK, and
a NIfTI file does not cost pydicom.
"""

import importlib

_HOME = {
    "IntakeError": "faults",
    "read_sheet": "sheet",
    "check_sheet": "sheet_check",
    "series_of": "sheet",
    "mask_phase": "centers",
    "label_system": "centers",
    "COLUMNS": "sheet",
    "make_folds": "folds",
    "read_folds": "folds",
    "inner_folds": "folds",
    "chunk_of": "folds",
    "map_labels": "labels",
    "read_ct": "ct",
    "read_ct_with_record": "ct",
    "ct_grid": "ct",
    "check_overlap": "ct",
    "read_mask_with_record": "masks",
    "MaskRules": "masks",
    "quality": "image_quality",
    "touching": "image_quality",
    "phase_contrast": "image_quality",
    "median_spacing": "image_quality",
    "check_headers": "check",
    "check_headers_and_notices": "check",
}
__all__ = sorted(_HOME)


def __getattr__(name):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
