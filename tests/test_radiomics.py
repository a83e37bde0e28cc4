"""Radiomics: PyRadiomics' own values, faster, and a reason where there can be none."""

import logging
import subprocess
import sys

import numpy as np
import pytest
import SimpleITK as sitk
from needed import PYRADIOMICS
from scipy import ndimage

from nodestage.core.errors import InputError
from nodestage.methods import radiomics

featureextractor = pytest.importorskip("radiomics.featureextractor", reason=PYRADIOMICS)
extraction = pytest.importorskip("nodestage.methods.radiomics.extraction", reason=PYRADIOMICS)
filters = pytest.importorskip("nodestage.methods.radiomics.filters", reason=PYRADIOMICS)
SPACING = (2.5, 2.0, 2.2)
SHAPE = (33, 44, 41)  # odd sizes: the wavelet transform pads them


def texture(shape=SHAPE, seed=0):
    noise = np.random.default_rng(seed).normal(size=shape)
    image = (ndimage.gaussian_filter(noise, 1) * 450 + 60).astype(np.int16)
    image[:, :4] = -1000  # air: the largest |HU| lies outside the tumor
    return image


def ball(center, radius, shape=SHAPE):
    offsets = [(i - c) / r for i, c, r in zip(np.indices(shape), center, radius, strict=True)]
    return (sum(o**2 for o in offsets) < 1).astype(np.uint8)


def plain(image, mask, spacing=SPACING):
    """PyRadiomics' own call on the whole image, with the committed settings."""

    def as_sitk(array):
        found = sitk.GetImageFromArray(array)
        found.SetSpacing(spacing[::-1])
        return found

    logging.getLogger("radiomics").setLevel(logging.CRITICAL)
    extractor = featureextractor.RadiomicsFeatureExtractor(str(extraction.SETTINGS))
    found = extractor.execute(as_sitk(image), as_sitk(mask))
    return {name: float(np.real(value)) for name, value in found.items()}


def points(*places):
    mask = np.zeros(SHAPE, np.uint8)
    for place in places:
        mask[place] = 1
    return mask


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(ball((16, 22, 20), (5, 7, 7)), id="inside"),
        pytest.param(ball((31, 42, 2), (5, 7, 7)), id="at three borders"),
        pytest.param(ball((9, 22, 12), (3, 5, 5)) | ball((24, 22, 28), (3, 4, 4)), id="two parts"),
        pytest.param(points((16, slice(15, 25), slice(12, 30))), id="one slice"),
    ],
)
def test_features_equal_the_plain_call_on_the_whole_image(mask):
    image = texture()
    ours, theirs = radiomics.features(image, mask, SPACING), plain(image, mask)
    assert list(ours) == list(theirs)
    # LoG comes in float32 and in other order of summation; 1e-5 of its range near 0.
    np.testing.assert_allclose(list(ours.values()), list(theirs.values()), rtol=1e-4, atol=1e-4)


def test_a_crop_with_the_margin_keeps_every_filtered_image():
    image, mask = texture((60, 70, 70)), ball((30, 35, 35), (3, 4, 4), (60, 70, 70))
    box = extraction.bounding_box(mask)
    whole = dict(filters.filtered_images(image, box, SPACING, {"LoG": {"sigma": [2.0]}}))
    full = sitk.LaplacianRecursiveGaussianImageFilter()
    full.SetNormalizeAcrossScale(True)
    full.SetSigma(2.0)
    expected = sitk.GetArrayFromImage(full.Execute(filters.as_sitk(image, SPACING)))[box]
    np.testing.assert_allclose(whole["log-sigma-2-0-mm-3D"], expected, atol=1e-3)


def test_there_are_1688_named_finite_values():
    found = radiomics.features(texture(), ball((16, 22, 20), (4, 5, 5)), SPACING)
    assert len(found) == radiomics.COUNT == 107 + 17 * 93
    assert all(type(v) is float and np.isfinite(v) for v in found.values())
    images = {name.split("_")[0] for name in found}
    assert len(images) == 18
    assert sum(name.startswith("original_") for name in found) == 107


@pytest.mark.parametrize(
    "mask",
    [
        pytest.param(points((16, 20, slice(10, 20))), id="a line"),
        pytest.param(points((16, slice(15, 18), slice(10, 20))), id="one slice"),
        pytest.param(points((slice(0, 3), slice(0, 3), slice(38, 41))), id="image corner"),
        pytest.param(points((16, 20, slice(10, 14)), (25, 9, slice(10, 14))), id="two parts"),
    ],
)
@pytest.mark.parametrize(
    "image", [texture(), np.full(SHAPE, 40, np.int16), np.zeros(SHAPE, np.int16)]
)
def test_small_and_flat_tumors_have_1688_finite_values(mask, image):
    found = radiomics.features(image, mask, SPACING)
    assert len(found) == radiomics.COUNT
    assert all(np.isfinite(v) for v in found.values())


@pytest.mark.parametrize("shape", [(1, 12, 14), (3, 5, 4)])
def test_an_image_thinner_than_the_filters_still_has_every_value(shape):
    image, mask = texture((20, 20, 20))[: shape[0], 4 : 4 + shape[1], : shape[2]], np.zeros(shape)
    mask[:, 1:4, 1:4] = 1
    assert len(radiomics.features(image, mask, SPACING)) == radiomics.COUNT


@pytest.mark.parametrize(
    "mask, words",
    [
        (points(), "empty"),
        (points((5, 6, 7)), "one voxel"),
        (points((5, 6, 7), (20, 6, 7)), "no two"),
        (points((5, 6, 7), (5, 6, 8)), "2 voxels"),
    ],
)
def test_a_tumor_too_small_gives_a_reason(mask, words):
    with pytest.raises(radiomics.Unscorable, match=words):
        radiomics.features(texture(), mask, SPACING)
    phases = np.stack([texture(), texture()])
    values, reason = radiomics.of_patient(phases, mask, SPACING)
    assert values == {} and words in reason


def test_a_mask_on_another_grid_and_an_image_with_nan_are_refused():
    with pytest.raises(InputError, match="grid"):
        radiomics.features(texture(), np.ones((3, 3, 3)), SPACING)
    image = texture().astype(np.float32)
    image[3, 3, 3] = np.nan
    with pytest.raises(InputError, match="1 voxels"):
        radiomics.features(image, ball((16, 22, 20), (4, 5, 5)), SPACING)


def test_one_phase_in_place_of_both_is_computed_once(monkeypatch):
    computed = []

    def counted(image, mask, spacing):
        computed.append(image)
        return {"mean": float(image.mean())}

    monkeypatch.setattr("nodestage.methods.radiomics.patient.features", counted)
    mask = ball((16, 22, 20), (4, 5, 5))
    values, _ = radiomics.of_patient(np.stack([texture()] * 2), mask, SPACING)
    assert len(computed) == 1 and values["arterial"] == values["venous"]
    values, _ = radiomics.of_patient(np.stack([texture(), texture() + 5]), mask, SPACING)
    assert len(computed) == 3 and values["venous"]["mean"] > values["arterial"]["mean"]


def test_a_patients_table_comes_back_as_it_was_written(tmp_path):
    phases = np.stack([texture(seed=1), texture(seed=2)])
    values, reason = radiomics.of_patient(phases, ball((16, 22, 20), (4, 5, 5)), SPACING)
    radiomics.write(tmp_path / "P1.tsv", values, reason)
    found, reason = radiomics.read(tmp_path / "P1.tsv")
    assert reason == "" and len(found) == 2 * radiomics.COUNT
    name = "original_glcm_Contrast"
    assert found[f"venous_{name}"] == values["venous"][name] != values["arterial"][name]


def test_a_patient_without_tumor_has_a_table_with_the_reason(tmp_path):
    phases = np.stack([texture(), texture()])
    values, reason = radiomics.of_patient(
        phases, ball((16, 22, 20), (4, 5, 5)), SPACING, "pancreas"
    )
    radiomics.write(tmp_path / "P1.tsv", values, reason)
    assert radiomics.read(tmp_path / "P1.tsv") == (
        {},
        "no tumor was found; radiomics need its mask",
    )


def test_the_patients_job_imports_neither_torch_nor_pandas():
    code = (
        "import sys; from nodestage import radiomics; from nodestage.methods.radiomics import extraction;"
        "print(sorted({'torch', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
