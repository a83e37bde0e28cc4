"""Training images in nnU-Net's format: normalised, compressed, with the positions of the labels."""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from nodestage.core import files
from nodestage.core.errors import InputError
from nodestage.nnunet import imports
from nodestage.nnunet.network import CONFIGURATION, configuration

GEOMETRY = "geometry.json"


def folder_of(folder, plans):
    """Where nnU-Net looks for the preprocessed cases of these plans below `folder`."""
    return Path(folder, plans["dataset_name"], configuration(plans)["data_identifier"])


def preprocess(patient, channels, labels, spacing, plan, folder):
    """Preprocess one patient by nnU-Net's preprocessor and save it below `folder`.

    A patient who is there already, from the same image, labels and plans, is left as it is.

    Parameters
    ----------
    patient : str
    channels : list of arrays (z, y, x), in the order of the plans' channels
    labels : integer array (z, y, x) or None
    spacing : (z, y, x), mm; must be that of the images that the plan was made for
    plan : Plan
    folder : root below which `training.train` looks for the patients
    """
    plans = plan.plans
    check_spacing(patient, spacing, plans)
    digest = _digest(channels, labels, plans)
    cases = folder_of(folder, plans)
    record = _record(folder, plans, patient)
    if record.exists() and record.read_text() == digest:
        return
    record.unlink(missing_ok=True)
    cases.mkdir(parents=True, exist_ok=True)
    record.parent.mkdir(parents=True, exist_ok=True)
    data, seg, properties = _preprocessed(channels, labels, spacing, plan)
    with tempfile.TemporaryDirectory(dir=record.parent) as temporary:
        _save(data, seg, properties, Path(temporary, patient), configuration(plans)["patch_size"])
        for file in sorted(Path(temporary).iterdir()):
            os.replace(file, cases / file.name)
    record.write_text(digest)


def prepared(patient, channels, labels, spacing, plan, folder):
    """Preprocess one patient once, for every training with these settings, below `folder`.

    `linked` gives it to a training. The arguments are those of `preprocess`; a patient whose
    files are there already is made anew.
    """
    preprocess(patient, channels, labels, spacing, plan, folder)
    geometry = {
        "shape": list(np.shape(channels[0])),
        "spacing": [float(s) for s in spacing],
        "preprocessing": _preprocessing(plan.plans),
    }
    files.write_json(Path(folder, GEOMETRY), geometry)


def geometry(folder):
    """Shape (z, y, x) and spacing (z, y, x; mm) of what `prepared` wrote into `folder`."""
    record = files.read_json(Path(folder, GEOMETRY))
    return tuple(record["shape"]), tuple(record["spacing"])


def linked(patient, source, plan, folder):
    """Give a training that works in `folder` a patient whom `prepared` wrote into `source`.

    Raises `InputError` where that patient was prepared for a network with other voxels or intensities.
    """
    plans = plan.plans
    if files.read_json(Path(source, GEOMETRY))["preprocessing"] != _preprocessing(plans):
        raise InputError(
            f"{patient}: {source} was prepared for a network of other `spacing_mm` or `intensity`. "
            "Delete it, so that it is made anew."
        )
    target = folder_of(folder, plans)
    record = _record(folder, plans, patient)
    for path in (target, record.parent):
        path.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder_of(source, plans).iterdir()):
        link = target / file.name
        link.unlink(missing_ok=True)
        link.symlink_to(file.resolve())
    record.write_text(_record(source, plans, patient).read_text())


def digests(folder, plans, patients):
    """The content digest of each preprocessed patient."""
    missing = [p for p in patients if not _record(folder, plans, p).exists()]
    if missing:
        raise FileNotFoundError(f"not preprocessed: {', '.join(missing)}")
    return {p: _record(folder, plans, p).read_text() for p in patients}


def check_spacing(patient, spacing, plans):
    """Refuse a spacing (z, y, x; mm) other than that of the study grid: a mistake upstream."""
    planned = plans["image_spacing"]
    if not np.allclose(spacing, planned, atol=1e-3):
        raise InputError(
            f"{patient}: the image's spacing is {_mm(spacing)} mm (z, y, x), but the network was "
            f"planned for {_mm(planned)} mm. Resample it to the study grid, or train anew with "
            "`spacing_mm` set to the image's."
        )


def _mm(spacing):
    return " × ".join(f"{float(s):.3f}" for s in spacing)


def _record(folder, plans, patient):
    return Path(folder, plans["dataset_name"], "digests", f"{patient}.txt")


def _preprocessing(plans):
    """What preprocessing takes from the plans, as text: patients prepared by equal ones are equal."""
    return "".join(
        (
            repr(plans["foreground_intensity_properties_per_channel"]),
            repr(configuration(plans)["normalization_schemes"]),
            repr(configuration(plans)["spacing"]),
        )
    )


def _digest(channels, labels, plans):
    sha256 = hashlib.sha256(_preprocessing(plans).encode())
    for array in (*channels, *(() if labels is None else (labels,))):
        array = np.ascontiguousarray(array)
        sha256.update(f"{array.dtype}{array.shape}".encode())
        sha256.update(array.data)
    return sha256.hexdigest()


def _preprocessed(channels, labels, spacing, plan):
    preprocessors = imports.module("nnunetv2.preprocessing.preprocessors.default_preprocessor")
    handlers = imports.module("nnunetv2.utilities.plans_handling.plans_handler")
    manager = handlers.PlansManager(plan.plans)
    seg = None if labels is None else np.asarray(labels, np.int16)[None]
    properties = {"spacing": [float(s) for s in spacing]}
    data, seg, properties = preprocessors.DefaultPreprocessor(verbose=False).run_case_npy(
        np.stack([np.asarray(c, np.float32) for c in channels]),
        seg,
        properties,
        manager,
        manager.get_configuration(CONFIGURATION),
        plan.dataset_json,
    )
    return data.astype(np.float32, copy=False), seg.astype(np.int16, copy=False), properties


def _save(data, seg, properties, path, patch):
    module = imports.module("nnunetv2.training.dataloading.nnunet_dataset")
    blocks, chunks = module.comp_blosc2_params(data.shape, tuple(patch), data.itemsize)
    blocks_seg, chunks_seg = module.comp_blosc2_params(seg.shape, tuple(patch), seg.itemsize)
    module.nnUNetDatasetBlosc2.save_case(
        data,
        seg,
        properties,
        str(path),
        chunks=chunks,
        blocks=blocks,
        chunks_seg=chunks_seg,
        blocks_seg=blocks_seg,
    )
