"""A registration that failed is noticed, says why, and the patient goes on as the config says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from nodestage import registration
from nodestage.core.volumes import Volume
from nodestage.registration import deform, phases

SHAPE, SPACING = (24, 36, 36), (4.0, 3.0, 3.0)
REAL = Path(__file__).resolve().parents[2] / "shared/data/real/abdomen_ct"


def smooth(sigma, seed, shape=SHAPE):
    found = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return found / np.abs(found).max()


def body(seed, arterial=False, noise=12):
    """A body of three tissues, HU; two calls with one seed are two phases of one patient."""
    image = np.where(smooth(3, seed) > 0.1, 100.0, -100.0)
    image += np.where(smooth(2, seed + 100) > 0.2, 200.0 if arterial else 80.0, 0.0)
    rng = np.random.default_rng(seed + 1000 * arterial)
    return (image + rng.normal(0, noise, SHAPE)).astype(np.int16)


def volume(array, origin=(0.0, 0.0, 0.0)):
    return Volume(array, SPACING, origin)


def align(arterial, **settings):
    return registration.align(
        arterial, volume(body(1)), {**registration.COARSE, **settings}, patient="P1"
    )


def sabotaged(change):
    """`register`, its coefficients changed before their similarity is taken."""

    def run(fixed, moving, spacing, *, valid, threads, **settings):
        found = deform.register(fixed, moving, spacing, valid=valid, threads=threads, **settings)
        wrong = replace(found, coefficients=change(found.coefficients).astype(np.float32))
        straight = replace(found, coefficients=np.zeros_like(found.coefficients))
        pair = deform.Pair(fixed.astype(np.float32), moving, spacing)
        quality = deform.measure(pair, straight, wrong)
        return replace(wrong, quality=quality)

    return run


def test_two_phases_of_one_patient_are_believed():
    _, field, record = align(volume(body(1, arterial=True)))
    assert not record["failed"] and record["reason"] == ""
    assert field.coefficients.any()


def test_a_patient_whom_the_affine_lays_right_already_does_not_fail():
    """The levels can only lose a little of the similarity then."""
    _, _, record = align(volume(body(1, arterial=True), (0.0, 0.0, 24.0)))
    assert not record["failed"], record["reason"]


@pytest.mark.parametrize("kind", ["noise", "smooth noise"])
def test_noise_is_no_more_alike_than_by_chance(kind):
    wild = np.random.default_rng(0).normal(0, 200, SHAPE) if kind == "noise" else 500 * smooth(1, 9)
    laid, field, record = align(volume(wild.astype(np.int16)))
    assert record["failed"] and "no more alike than by chance" in record["reason"]
    assert not field.displacement.any()
    np.testing.assert_array_equal(laid.array, wild.astype(np.int16))


def test_another_patients_volume_upside_down_is_no_more_alike_than_by_chance():
    other = np.ascontiguousarray(body(7, arterial=True)[::-1])
    _, _, record = align(volume(other))
    assert record["failed"] and "no more alike than by chance" in record["reason"]


def test_a_field_worse_than_the_affine_is_noticed(monkeypatch):
    monkeypatch.setattr(phases, "register", sabotaged(lambda c: c + 9.0))
    _, field, record = align(volume(body(1, arterial=True)))
    assert record["failed"] and "is below that of the affine" in record["reason"]
    assert "fold" not in record["reason"]
    assert record["similarity"]["after"] < record["similarity"]["affine"]
    assert not field.displacement.any()


def test_folds_are_noticed(monkeypatch):
    rough = np.random.default_rng(0)
    monkeypatch.setattr(phases, "register", sabotaged(lambda c: c + rough.normal(0, 8, c.shape)))
    _, field, record = align(volume(body(1, arterial=True)))
    assert record["failed"] and "% of the voxels fold" in record["reason"]
    assert record["folded_share"] > 0.001
    assert not field.displacement.any()


def test_folds_are_counted_as_plain_differences_count_them():
    grid = deform.lattice.over(SHAPE, SPACING, 12, 3)
    values = np.random.default_rng(1).normal(0, 12, (int(np.prod(grid.controls)), 3))
    spline = grid.field(values.astype(np.float32))
    field = replace(spline, shape=(70, 100, 100), spacing=(1.0, 1.0, 1.0))
    u = field.displacement
    slope = np.stack([np.stack(np.gradient(u[..., k], 1.0), -1) for k in range(3)], -2)
    plain = np.mean(np.linalg.det(slope + np.eye(3)) <= 0)
    assert plain > 0.01
    assert field.folded() == pytest.approx(plain, rel=0.1)


def test_a_displacement_beyond_the_limit_is_implausible():
    away = volume(body(1, arterial=True), (0.0, 0.0, 24.0))  # the header moved, the patient not
    _, _, believed = align(away)
    assert not believed["failed"], believed["reason"]
    assert believed["displacement_mm"]["p95"] == pytest.approx(24, abs=4)
    _, _, record = align(away, max_displacement_mm=15.0)
    assert record["failed"] and "implausible displacement (2" in record["reason"]


@pytest.mark.parametrize("substitute", [False, True])
def test_the_patient_goes_on_as_substitute_phase_says(substitute):
    noise = volume(np.random.default_rng(0).normal(0, 200, SHAPE).astype(np.int16))
    given = {"arterial": noise, "venous": volume(body(1))}
    venous, arterial, _, record = registration.study_pair(
        given, SPACING, registration.COARSE, substitute, "P1"
    )
    np.testing.assert_array_equal(venous.array, body(1))
    assert "no more alike" in record["reason"]
    assert record["failed"] is not substitute
    assert record.get("substituted") == ("venous" if substitute else None)
    assert (arterial is venous) is substitute


@pytest.mark.parametrize("phase", ["arterial", "venous"])
def test_one_phase_alone_stands_for_both(phase):
    venous, arterial, field, record = registration.study_pair({phase: volume(body(1))}, SPACING)
    assert arterial is venous and not field.displacement.any()
    assert record == {"failed": False, "reason": "", "substituted": phase}


@pytest.mark.skipif(not (REAL / "ct.nii.gz").exists(), reason="the real CT is not at hand")
def test_a_real_ct_upside_down_is_noticed():
    import SimpleITK as sitk

    image = sitk.GetArrayFromImage(sitk.ReadImage(str(REAL / "ct.nii.gz")))
    part = np.clip(image[24:72, 20:84, 24:96], -1000, 1000).astype(np.int16)
    fixed = Volume(part, (3.0, 3.0, 3.0))
    turned = replace(fixed, array=np.ascontiguousarray(part[::-1]))
    _, _, record = registration.align(turned, fixed, registration.COARSE, "P1")
    assert record["failed"] and "no more alike than by chance" in record["reason"]


# ---- sliding at the chest wall


def test_sliding_at_the_chest_wall_does_not_fold():
    """Lungs and liver move 18 mm along a wall with ribs that stays: the true field is torn there."""
    shape, spacing, slide = (36, 48, 56), (4.0, 3.5, 3.5), 18.0
    at = np.stack(
        np.meshgrid(
            *[np.arange(n) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"
        ),
        -1,
    )
    flat = (at - np.array(shape) * spacing / 2) / (np.array(shape) * spacing)
    radius = np.hypot(flat[..., 1] / 0.44, flat[..., 2] / 0.46)
    wall, inner = (radius < 1) & (radius >= 0.78), radius < 0.78
    ribs = wall & (at[..., 0] % 24 < 8) & (radius > 0.84) & (radius < 0.94)

    def picture(shift, arterial, seed):
        moved = [
            ndimage.shift(
                smooth(sigma, k, shape), (shift / spacing[0], 0, 0), order=1, mode="nearest"
            )
            for k, sigma in ((1, 3), (2, 2))
        ]
        image = np.where(moved[0] > 0.1, 60.0, -700.0)
        image = np.where(moved[1] > 0.2, 250.0 if arterial else 120.0, image)
        image = np.where(inner, image, -1000.0)
        image[wall] = 40 + 60 * smooth(1.5, 5, shape)[wall]
        image[ribs] = 600
        return image + np.random.default_rng(seed).normal(0, 12, shape)

    fixed, moving = picture(0, False, 0), picture(slide, True, 1)
    true = np.zeros((*shape, 3))
    true[inner, 0] = slide
    # The true field is no map of the body onto itself at the wall: neighbours part by 18 mm.
    field = registration.register(
        fixed.astype(np.float32), moving.astype(np.float32), spacing, **registration.COARSE
    )
    jacobian = field.jacobian()
    assert (jacobian <= 0).mean() < 0.001 and field.folded() == (jacobian <= 0).mean()
    # It did follow what moved; a wall thinner than the control spacing is dragged along.
    z = at[..., 0]
    seen = (z > 12) & (z < z.max() - slide - 12)
    wrong = np.linalg.norm(field.displacement - true, axis=-1)
    deep = ndimage.binary_erosion(inner, iterations=3) & seen

    assert wrong[deep].mean() < np.linalg.norm(true, axis=-1)[deep].mean() / 4
