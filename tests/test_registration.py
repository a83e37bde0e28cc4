"""The arterial phase laid on the venous one, on phantoms whose true field is known."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from scipy import ndimage

from nodestage import registration
from nodestage.core.errors import InputError
from nodestage.core.volumes import Volume
from nodestage.registration import bands, costs, descriptors, trees
from nodestage.registration.field import Field

SHAPE, SPACING = (40, 60, 60), (4.0, 3.0, 3.0)
REAL = Path(__file__).resolve().parents[2] / "shared/data/real/abdomen_ct"
VENOUS = {1: 60, 2: 110, 3: 150, 4: 30, 5: 120, 6: 700, 7: 90}
ARTERIAL = {1: 60, 2: 60, 3: 320, 4: 45, 5: 100, 6: 700, 7: 140}


def smooth_noise(shape, sigma, seed):
    found = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), sigma)
    return found / np.abs(found).max()


def anatomy(shape=SHAPE, spacing=SPACING, seed=1):
    """Labels of a body with organs of many sizes, (z, y, x)."""
    rng = np.random.default_rng(seed)
    size = np.array(shape) * spacing
    at = np.stack(
        np.meshgrid(
            *[np.arange(n) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij"
        ),
        axis=-1,
    )
    wobble = 6 * smooth_noise(shape, [8 / s for s in spacing], seed + 1)
    out = np.zeros(shape, np.uint8)
    flat = ((at - size / 2) / (size * [2, 0.42, 0.46]))[..., 1:]
    out[(flat**2).sum(axis=-1) < 1] = 1
    for k in range(45):
        label = 2 + k % 6
        middle = size / 2 + rng.uniform(-0.36, 0.36, 3) * size
        radius = rng.uniform(6, 26) if label != 3 else rng.uniform(4, 9)
        form = rng.uniform(0.7, 1.4, 3)
        distance = np.sqrt((((at - middle) / form) ** 2).sum(axis=-1)) + wobble
        out[(distance < radius) & (out > 0)] = label
    return out


def picture(labels, hounsfield, seed, tissue, noise=12):
    """HU of labels and of the tissue's own texture (z, y, x), which moves with it."""
    image = np.full(labels.shape, -1000.0)
    for label, value in hounsfield.items():
        image[labels == label] = value
    blurred = ndimage.gaussian_filter(image + 60 * tissue * (labels > 0), 0.6)
    return (blurred + np.random.default_rng(seed).normal(0, noise, labels.shape)).astype(np.float32)


def true_field(shape, spacing, seed, size_mm=12):
    """A smooth field with an affine part, (z, y, x, 3) in mm."""
    u = np.stack(
        [smooth_noise(shape, [22 / s for s in spacing], seed + k) for k in range(3)], axis=-1
    )
    u *= size_mm
    u += np.random.default_rng(seed).uniform(-5, 5, 3)
    return u


def pull(array, u, spacing, order=1, fill=-1000):
    at = np.meshgrid(*[np.arange(n) for n in array.shape], indexing="ij")
    where = [at[k] + u[..., k] / spacing[k] for k in range(3)]
    return ndimage.map_coordinates(array, where, order=order, mode="constant", cval=fill)


@pytest.fixture(scope="module")
def pair():
    """Fixed venous image, moving arterial one, true displacement and where to measure it."""
    still, tissue = anatomy(), smooth_noise(SHAPE, 1.5, 77)
    u = true_field(SHAPE, SPACING, 5)
    moved = pull(still, u, SPACING, order=0, fill=0)
    inside = ndimage.binary_erosion(moved > 0, iterations=3)
    return {
        "fixed": picture(moved, VENOUS, 1, pull(tissue, u, SPACING, fill=0)),
        "moving": picture(still, ARTERIAL, 2, tissue),
        "tissue": tissue,
        "fixed_labels": moved,
        "moving_labels": still,
        "u": u,
        "inside": inside,
    }


@pytest.fixture(scope="module")
def field(pair):
    return registration.register(pair["fixed"], pair["moving"], SPACING, **registration.COARSE)


def error(displacement, pair, where=None):
    """Target error in mm, mean and 95th percentile."""
    found = np.sqrt(((displacement - pair["u"]) ** 2).sum(axis=-1))
    found = found[pair["inside"] if where is None else where & pair["inside"]]
    return found.mean(), np.percentile(found, 95)


def affine_of(field):
    """The field without its B-spline."""
    return replace(field, coefficients=np.zeros_like(field.coefficients))


def dice(a, b):
    return 2 * np.sum(a & b) / (a.sum() + b.sum())


def volume(array, spacing=SPACING, origin=(0.0, 0.0, 0.0)):
    return Volume(array, spacing, origin)


# ---- the parts against slow, plain versions


def test_descriptors_equal_their_definition():
    rng = np.random.default_rng(0)
    image = rng.normal(size=(9, 8, 10)).astype(np.float32) * 100
    step = 1
    found = descriptors.codes(image, np.ones(image.shape, np.uint8), step)
    padded = np.pad(image, 3, mode="edge").astype(float)
    reach = step * np.eye(3, dtype=int)
    neighbours = [s * reach[k] for k in range(3) for s in (1, -1)]
    pairs = [
        (a, b)
        for i, a in enumerate(neighbours)
        for b in neighbours[i + 1 :]
        if not np.array_equal(a, -b)
    ]
    assert len(pairs) == 12
    for voxel in [(4, 4, 5), (0, 0, 0), (8, 7, 9), (3, 7, 0)]:
        patch = [
            np.array([z, y, x]) + voxel + 3
            for z in (-1, 0, 1)
            for y in (-1, 0, 1)
            for x in (-1, 0, 1)
        ]
        ssd = np.array(
            [
                sum((padded[tuple(p + a)] - padded[tuple(p + b)]) ** 2 for p in patch)
                for a, b in pairs
            ]
        )
        ssd -= ssd.min()
        level = [(s / ssd.mean() < descriptors.STEPS).sum() for s in ssd]
        assert sorted(level) == sorted(
            bin((int(found[voxel]) >> 5 * c) & 31).count("1") for c in range(12)
        )


def test_contrast_does_not_change_descriptors_but_structure_does():
    image = smooth_noise((20, 20, 20), 2, 3).astype(np.float32) * 100
    known = np.ones(image.shape, np.uint8)
    one = descriptors.codes(image, known)
    assert costs.mean_distance(one, descriptors.codes(300 - 2 * image, known)) < 0.5
    assert costs.mean_distance(one, descriptors.codes(image[::-1].copy(), known)) > 8


def test_data_term_equals_plain_loops():
    rng = np.random.default_rng(1)
    one = rng.integers(0, 1 << 60, (5, 4, 6)).astype(np.uint64)
    two = rng.integers(0, 1 << 60, (5, 4, 6)).astype(np.uint64)
    one[0, 0, 0] |= descriptors.INVALID
    two[2, 2, 2] |= descriptors.INVALID
    found = costs.data_term(one, two, 3, 1)
    outside = round(costs.mean_distance(one, two))
    slow = np.zeros((2, 2, 2, 3, 3, 3))
    for place in np.ndindex(one.shape):
        for d in np.ndindex(3, 3, 3):
            if (int(one[place]) | int(two[place])) >> 63:
                continue
            to = np.array(place) + d - 1
            cost = outside
            if (to >= 0).all() and (to < one.shape).all() and not int(two[tuple(to)]) >> 63:
                cost = bin((int(one[place]) ^ int(two[tuple(to)])) & int(descriptors.BITS)).count(
                    "1"
                )
            slow[tuple(np.array(place) // 3) + d] += cost / 27
    np.testing.assert_allclose(found, slow.reshape(8, 27), rtol=1e-5)
    np.testing.assert_array_equal(found, costs.data_term(one, two, 3, 1, threads=2))


LABELS = 2.0 * (np.array(list(np.ndindex(3, 3, 3))) - 1)


def joint_costs(cost, tree, start):
    """Cost of every combination of labels of four nodes, (27, 27, 27, 27)."""
    total = (
        cost[0][:, None, None, None] + cost[1][None, :, None, None]
        + cost[2][None, None, :, None] + cost[3][None, None, None, :]
    )  # fmt: skip
    for i, j in enumerate(tree.parent):
        if j >= 0:
            gap = (start[i] + LABELS)[:, None] - (start[j] + LABELS)[None]
            table = 0.03 * (gap**2).sum(axis=-1)
            shape = [1, 1, 1, 1]
            shape[i] = shape[j] = 27
            total = total + (table if i < j else table.T).reshape(shape)
    return total


def four_nodes(seed=2):
    rng = np.random.default_rng(seed)
    cost = rng.random((4, 27)).astype(np.float32)
    values = rng.random((1, 2, 2)).astype(np.float32)
    return cost, values, rng.normal(0, 1, (4, 3)).astype(np.float32)


def test_tree_inference_equals_brute_force():
    cost, values, start = four_nodes()
    tree = trees.spanning_tree(values)
    total = joint_costs(cost, tree, start)
    best = np.unravel_index(np.argmin(total), total.shape)
    found = trees.best(cost, [tree], start, 2.0, 0.03)
    # Between labels the answer may lie up to half a step from the best label.
    assert np.abs(found - LABELS[list(best)]).max() <= 1.0 + 1e-5
    np.testing.assert_allclose(found, trees.best(cost, [tree, tree], start, 2.0, 0.03), atol=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_several_trees_add_their_min_marginals(seed):
    cost, values, start = four_nodes(seed)
    spanning = [trees.spanning_tree(values, seed=number or None) for number in range(3)]
    added = np.zeros((4, 27))
    for tree in spanning:
        total = joint_costs(cost, tree, start)
        for node in range(4):
            added[node] += total.min(axis=tuple(k for k in range(4) if k != node))
    found = trees.best(cost, spanning, start, 2.0, 0.03)
    assert np.abs(found - LABELS[added.argmin(axis=1)]).max() <= 1.0 + 1e-5


def test_spanning_tree_joins_every_node_once():
    order, parent = trees.spanning_tree(
        np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    )
    assert sorted(order) == list(range(60))
    seen = set()
    for node in order:
        assert parent[node] == -1 or parent[node] in seen
        seen.add(node)


def test_resampling_to_a_coarser_grid_does_not_alias():
    checker = np.indices((24, 24, 24)).sum(axis=0) % 2 * 200.0
    coarse = registration.to_study_grid(
        volume(checker.astype(np.int16), (1.0, 1.0, 1.0)), (3, 3, 3)
    )
    assert coarse.array.shape == (8, 8, 8)
    assert np.ptp(coarse.array) <= 30


@pytest.mark.parametrize("spacing", [(2.0, 1.5, 1.5), (0.8, 0.7, 0.7), (5.0, 2.0, 2.0)])
def test_study_grid_keeps_every_structure_in_its_place(spacing):
    array = np.zeros((20, 30, 34), np.int16)
    array[6:12, 8:20, 10:25] = 1000
    before = Volume(array, (2.5, 1.2, 1.2), (-10.0, 20.0, 300.0))
    after = registration.to_study_grid(before, spacing)
    for one, two in zip(middle(before), middle(after), strict=True):
        assert one == pytest.approx(two, abs=0.15)
    assert after.array.dtype == np.int16


def middle(found):
    at = ndimage.center_of_mass(found.array.astype(float))
    return [found.origin[2 - k] + at[k] * found.spacing[k] for k in range(3)]


# ---- the field


def test_a_spline_field_is_its_own_displacement_warp_and_jacobian():
    rng = np.random.default_rng(4)
    affine = np.eye(3, 4) + 0.02 * rng.normal(size=(3, 4))
    found = Field(
        (12, 14, 16), (2.0, 1.5, 1.5), affine, rng.normal(0, 1, (3, 6, 6, 6)).astype(np.float32),
        (-4.0, -4.0, -4.0), (8.0, 8.0, 8.0),
    )  # fmt: skip
    d = found.displacement
    axes = np.meshgrid(
        *[np.arange(n) * s for n, s in zip(found.shape, found.spacing, strict=True)], indexing="ij"
    )
    points = np.stack(axes, axis=-1).reshape(-1, 3)
    np.testing.assert_allclose(d.reshape(-1, 3), found.move(points) - points, atol=1e-4)
    slope = np.stack([np.stack(np.gradient(d[..., k], *found.spacing), -1) for k in range(3)], -2)
    slow = np.linalg.det(slope + np.eye(3))
    inner = (slice(2, -2),) * 3
    np.testing.assert_allclose(found.jacobian()[inner], slow[inner], atol=0.02)
    image = rng.normal(size=found.shape).astype(np.float32)
    warped = found.warp(image, fill=np.nan)
    plain = pull(image, d, found.spacing, fill=np.nan)
    both = np.isfinite(plain)
    np.testing.assert_allclose(warped[both], plain[both], atol=1e-4)


def test_inverse_takes_every_point_back(field):
    inverse = field.inverse()
    rng = np.random.default_rng(0)
    points = rng.uniform(0.15, 0.85, (500, 3)) * np.array(SHAPE) * SPACING
    back = inverse.move(field.move(points))
    assert np.sqrt(((back - points) ** 2).sum(axis=1)).max() < 0.3


def test_written_field_comes_back(field, tmp_path):
    grid = volume(np.zeros(SHAPE, np.int16), SPACING, (3.0, -7.0, 11.0))
    path = tmp_path / "field.nii.gz"
    registration.write_field(path, field, grid)
    again = registration.read_field(path, grid)
    np.testing.assert_allclose(again.displacement, field.displacement, atol=2e-3)
    np.testing.assert_allclose(again.affine, field.affine, atol=1e-4)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match="cut short"):
        registration.read_field(path, grid)


# ---- registration


def test_error_falls_far_below_that_of_the_affine(pair, field):
    before = error(np.zeros_like(pair["u"]), pair)
    affine = error(affine_of(field).displacement, pair)
    after = error(field.displacement, pair)
    assert affine[0] < before[0]
    assert after[0] < 0.72 * affine[0]
    assert after[0] < 2.6  # voxels are 4 × 3 × 3 mm
    assert after[1] < 5.0
    assert field.quality["after"] > field.quality["affine"] > field.quality["before"]


def test_it_does_not_fold(field):
    assert field.folded() < 0.001


def test_labels_come_to_lie_on_each_other(pair, field):
    warped = field.warp_labels(pair["moving_labels"])
    gains = []
    for label in range(2, 8):
        one, two = warped == label, pair["fixed_labels"] == label
        assert one.sum() == pytest.approx(two.sum(), rel=0.2)
        gains.append(dice(one, two) - dice(pair["moving_labels"] == label, two))
    assert min(gains) > 0
    assert np.mean(gains) > 0.12


def test_contrast_of_the_phase_does_not_matter(pair, field):
    same = picture(pair["moving_labels"], VENOUS, 3, pair["tissue"])
    other = registration.register(pair["fixed"], same, SPACING, **registration.COARSE)
    assert error(field.displacement, pair)[0] < 1.5 * error(other.displacement, pair)[0] + 0.2


def test_both_directions_are_inverse_to_each_other(pair, field):
    back = registration.register(pair["moving"], pair["fixed"], SPACING, **registration.COARSE)
    rng = np.random.default_rng(1)
    at = np.argwhere(ndimage.binary_erosion(pair["inside"], iterations=2))
    points = at[rng.choice(len(at), 500)] * np.array(SPACING)
    round_trip = np.sqrt(((back.move(field.move(points)) - points) ** 2).sum(axis=1))
    assert round_trip.mean() < 1.5


def test_the_same_image_stays_where_it_is(pair):
    found = registration.register(pair["fixed"], pair["fixed"], SPACING, **registration.COARSE)
    size = np.sqrt((found.displacement[pair["inside"]] ** 2).sum(axis=-1))
    assert size.mean() < 0.2
    assert size.max() < 1.0


def test_same_input_same_bytes_whatever_the_threads(pair, field):
    again = registration.register(
        pair["fixed"], pair["moving"], SPACING, threads=2, **registration.COARSE
    )
    np.testing.assert_array_equal(again.coefficients, field.coefficients)
    np.testing.assert_array_equal(again.affine, field.affine)


def test_it_finds_a_large_shift_of_the_whole_body(pair):
    far = np.roll(pair["fixed"], (4, -5, 6), axis=(0, 1, 2))
    affine_alone = registration.COARSE | {"grid_mm": [], "step_mm": [], "radius": []}
    found = registration.register(pair["fixed"], far, SPACING, **affine_alone)
    at = np.array([[80.0, 90.0, 90.0]])
    np.testing.assert_allclose(found.move(at) - at, [[16, -15, 18]], atol=2)


# ---- phases on the study grid


def test_identical_phases_are_untouched_by_position():
    array = np.random.default_rng(0).integers(-1000, 1000, (8, 9, 10)).astype(np.int16)
    found = registration.to_study_grid(volume(array), SPACING)
    np.testing.assert_array_equal(found.array, array)


@pytest.mark.parametrize("cut", [0.3, 0.45])
def test_a_phase_cut_off_is_registered_where_it_is_and_marked_elsewhere(pair, field, cut):
    first = int(SHAPE[0] * cut)
    arterial = volume(pair["moving"][first:], SPACING, (0.0, 0.0, first * SPACING[0]))
    laid, part, record = registration.align(
        arterial, volume(pair["fixed"]), registration.COARSE, patient="P1"
    )
    assert not record["failed"], record["reason"]
    assert record["valid_share"] == pytest.approx(1 - cut, abs=0.12)
    outside = (part.displacement[..., 0] + np.arange(SHAPE[0])[:, None, None] * SPACING[0]) < (
        first - 1
    ) * SPACING[0]
    assert (laid.array[outside] == -1024).all()
    height = np.arange(SHAPE[0])[:, None, None] * SPACING[0] + pair["u"][..., 0]
    seen = height > first * SPACING[0]
    assert error(part.displacement, pair, seen)[0] < 1.6 * error(field.displacement, pair, seen)[0]
    assert error(part.displacement, pair, seen)[0] < error(0 * pair["u"], pair, seen)[0] / 1.5
    assert part.folded() < 0.001


def test_thick_slices_are_registered(pair):
    thick = registration.to_study_grid(volume(pair["moving"].astype(np.int16)), (8.0, 3.0, 3.0))
    laid, field, record = registration.align(thick, volume(pair["fixed"]), registration.COARSE)
    assert not record["failed"], record["reason"]
    assert laid.array.shape == SHAPE
    assert laid.array.dtype == np.int16
    after, affine = (error(f.displacement, pair)[0] for f in (field, affine_of(field)))
    assert after < 0.85 * affine


def test_phases_that_share_no_space_are_refused(pair):
    arterial = volume(pair["moving"], SPACING, (0.0, 0.0, 900.0))
    with pytest.raises(InputError, match=r"P7: arterial and venous don't overlap.*740 mm"):
        registration.align(arterial, volume(pair["fixed"]), registration.COARSE, patient="P7")


def test_a_sliver_of_overlap_is_a_failure(pair):
    arterial = volume(pair["moving"], SPACING, (0.0, 0.0, 38 * 4.0))
    _, _, record = registration.align(arterial, volume(pair["fixed"]), registration.COARSE)
    assert record["failed"]
    assert "share" in record["reason"]


@pytest.mark.parametrize("seed", [0, 1])
def test_noise_is_a_failure(pair, seed):
    noise = np.random.default_rng(seed).normal(0, 200, SHAPE).astype(np.int16)
    laid, field, record = registration.align(
        volume(noise), volume(pair["fixed"]), registration.COARSE
    )
    assert record["failed"]
    assert record["reason"]
    assert not field.displacement.any()
    np.testing.assert_array_equal(laid.array, noise)


def test_another_body_is_less_alike(pair, field):
    other = picture(anatomy(seed=50)[::-1, ::-1], ARTERIAL, 9, smooth_noise(SHAPE, 1.5, 5))
    _, _, record = registration.align(volume(other), volume(pair["fixed"]), registration.COARSE)
    assert record["similarity"]["after"] < field.quality["after"] - 0.02


@pytest.mark.parametrize("value", [-1024, 0, 40])
def test_an_empty_phase_is_a_failure(pair, value):
    empty = volume(np.full(SHAPE, value, np.int16))
    _, field, record = registration.align(empty, volume(pair["fixed"]), registration.COARSE)
    assert record["failed"]
    assert not field.displacement.any()


def test_nothing_valid_moves_nothing(pair):
    nowhere = np.zeros(SHAPE, bool)
    found = registration.register(
        pair["fixed"], pair["moving"], SPACING, valid=(None, nowhere), **registration.COARSE
    )
    assert not found.displacement.any()
    assert found.quality["overlap"] == 0


def test_unknown_settings_are_named():
    with pytest.raises(InputError, match="gird_mm"):
        registration.align(volume(np.zeros(SHAPE)), volume(np.zeros(SHAPE)), {"gird_mm": [3]})


# ---- masks


def test_a_mask_on_the_same_grid_is_the_mask():
    mask = volume(np.random.default_rng(0).integers(0, 4, (6, 7, 8)).astype(np.uint8))
    assert registration.carry_mask(mask, None, mask) is mask


@pytest.mark.parametrize("radius", [1.2, 2.0, 3.5, 8.0])
def test_structures_keep_their_volume_on_a_coarser_grid(radius):
    shape, fine, coarse = (60, 80, 80), (0.8, 0.7, 0.7), (2.5, 2.0, 2.0)
    at = np.stack(
        np.meshgrid(*[np.arange(n) * s for n, s in zip(shape, fine, strict=True)], indexing="ij"),
        -1,
    )
    mask = np.zeros(shape, np.uint8)
    for label, center in ((1, (15.3, 20.1, 18.2)), (2, (31.2, 37.7, 36.4))):
        mask[((at - center) ** 2).sum(axis=-1) <= radius**2] = label
    drawn = volume(mask, fine)
    grid = registration.to_study_grid(volume(mask.astype(np.int16), fine), coarse)
    found = registration.carry_mask(drawn, None, grid)
    for label in (1, 2):
        true = (mask == label).sum() * np.prod(fine)
        got = (found.array == label).sum() * np.prod(coarse)
        assert got > 0
        assert abs(got - true) < max(6.0, 0.1 * true)


def test_a_mask_follows_the_field(pair, field):
    drawn = volume(pair["moving_labels"])
    found = registration.carry_mask(drawn, field, volume(pair["fixed"]))
    scores = [dice(found.array == k, pair["fixed_labels"] == k) for k in range(2, 8)]
    assert np.mean(scores) > 0.75


# ---- a real CT


@pytest.mark.skipif(not (REAL / "ct.nii.gz").exists(), reason="the real CT is not at hand")
def test_real_anatomy_comes_back_from_a_known_field():
    image = sitk.GetArrayFromImage(sitk.ReadImage(str(REAL / "ct.nii.gz"))).astype(np.float32)
    organs = sitk.GetArrayFromImage(sitk.ReadImage(str(REAL / "organs.nii.gz")))
    part = (slice(24, 72), slice(20, 84), slice(24, 96))
    image, organs, spacing = image[part], organs[part], (3.0, 3.0, 3.0)
    u = true_field(image.shape, spacing, 9, 14)
    rng = np.random.default_rng(0)
    fixed = pull(image, u, spacing) + rng.normal(0, 10, image.shape)
    arterial = image + rng.normal(0, 10, image.shape)
    for label, change in zip(np.unique(organs)[1:], rng.uniform(-80, 150, 100), strict=False):
        arterial[organs == label] += change
    found = registration.register(fixed, arterial, spacing, **registration.COARSE)
    inside = ndimage.binary_erosion(pull(organs, u, spacing, 0, 0) > 0)
    inside[:6] = inside[-6:] = False
    truth = {"u": u, "inside": inside}
    affine = error(affine_of(found).displacement, truth)
    after = error(found.displacement, truth)
    assert after[0] < 0.5 * affine[0]
    assert after[0] < 2.5
    assert found.folded() < 0.001


def test_spline_weights_reproduce_straight_lines():
    start, weights = bands.spline(12, 5.0, -10.0, np.linspace(0, 35, 20))
    line = -10.0 + 5.0 * np.arange(12)
    found = [(w * line[s : s + 4]).sum() for s, w in zip(start, weights, strict=True)]
    np.testing.assert_allclose(found, np.linspace(0, 35, 20), atol=1e-4)
