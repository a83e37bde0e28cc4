"""Attention maps against Eq. 1 and 2 done by hand, and distances against SimpleITK's."""

import tracemalloc

import numpy as np
import pytest
import SimpleITK as sitk

from nodestage import attention

SPACINGS = [(1.0, 1.0, 1.0), (0.8, 0.68, 0.7), (5.0, 0.6, 0.9)]
RANGES = {1: (-2.0, 6.0), 2: (0.0, 3.0), 3: (-1.0, 4.0)}


@pytest.fixture(params=["small", "large"])
def way(request, monkeypatch):
    """Both ways of making a map: by transforms, and by the compiled loops of large volumes."""
    monkeypatch.setattr(attention.maps, "LARGE", 0 if request.param == "large" else 10**9)


def blobs(shape, n, seed):
    """`n` boxes of random size and place, later ones over earlier ones; some in pieces."""
    random = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint8)
    for label in range(1, n + 1):
        for _ in range(random.integers(1, 3)):
            start = [random.integers(0, s - 1) for s in shape]
            size = [random.integers(1, 6) for _ in shape]
            labels[tuple(slice(a, a + b) for a, b in zip(start, size, strict=True))] = label
    return labels


def brute_force(labels, spacing, ranges):
    """Eq. 1 and 2 with every pair of voxels."""
    places = np.stack(np.indices(labels.shape), -1) * np.asarray(spacing)
    scores = {}
    for label, (low, high) in ranges.items():
        inside = labels == label
        if not inside.any():
            continue
        surface = places[inside & has_neighbour_outside(inside)]
        if not len(surface):
            distance = np.full(labels.shape, np.inf)
        else:
            pairs = places[..., None, :] - surface
            distance = np.sqrt((pairs**2).sum(-1)).min(-1)
        distance = np.where(inside, -distance, distance)
        scores[label] = np.where(
            (distance >= low) & (distance <= high),
            1,
            np.clip(
                np.where(distance > high, -(distance - high - 3) / 3, (distance - low + 3) / 3),
                0,
                1,
            ),
        )
    if not scores:
        return np.ones(labels.shape)
    result = np.max(list(scores.values()), axis=0)
    for label, score in scores.items():
        result[labels == label] = score[labels == label]
    return result


def has_neighbour_outside(inside):
    found = np.zeros_like(inside)
    for z, y, x in np.argwhere(inside):
        around = inside[max(z - 1, 0) : z + 2, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        found[z, y, x] = not around.all()
    return found


@pytest.mark.parametrize("mm, expected", [(-2, 1), (18, 1), (19.5, 0.5), (21, 0), (-3.5, 0.5)])
def test_attention_falls_linearly_beyond_both_ends(mm, expected):
    assert attention.trapezium(np.float32([mm]), -2, 18) == pytest.approx(expected)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_map_equals_every_pair_of_voxels(way, spacing, seed):
    labels = blobs((9, 11, 13), 3, seed)
    found = attention.attention_map(labels, spacing, RANGES, threads=2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, brute_force(labels, spacing, RANGES), atol=1e-4)


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(4))
def test_distances_are_those_of_simpleitk(spacing, seed):
    inside = blobs((14, 15, 16), 2, seed) > 0
    image = sitk.GetImageFromArray(inside.astype(np.uint8))
    image.SetSpacing(spacing[::-1])
    expected = sitk.GetArrayFromImage(
        sitk.SignedMaurerDistanceMap(
            image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
        )
    )
    np.testing.assert_allclose(attention.signed_distance(inside, spacing), expected, atol=1e-3)


@pytest.mark.parametrize(
    "labels, expected",
    [
        pytest.param(np.zeros((4, 5, 6), np.uint8), 1, id="no structure: attend everywhere"),
        pytest.param(np.full((4, 5, 6), 1, np.uint8), 0, id="one structure fills the volume"),
    ],
)
def test_maps_without_a_surface(way, labels, expected):
    assert (attention.attention_map(labels, (1, 1, 1), RANGES) == expected).all()


@pytest.mark.parametrize(
    "ranges",
    [
        pytest.param({1: (4.0, 11.0), 2: (1.0, 1.0), 3: (0.0, 8.0)}, id="none at the surface"),
        pytest.param({1: (-9.0, -4.0), 2: (-6.0, -2.0), 3: (-4.0, -4.0)}, id="inside alone"),
        pytest.param({1: (0.0, 500.0), 2: (-500.0, 0.0)}, id="beyond the volume; 3 has none"),
    ],
)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_map_equals_whole_volume_distances(way, ranges, spacing):
    """On volumes too large for every pair, where reach is shorter than the volume."""
    labels = blobs((31, 43, 50), 3, seed=7)
    labels[3:20, 10:30, 12:40] = 1  # deep enough to have an inside
    labels[22:, 25:, :17] = 2  # in the volume's corner
    labels[8:10, 12:33, 20] = 3  # thin, within and beside another
    outside, own = np.zeros(labels.shape), np.zeros(labels.shape)
    for label, (low, high) in ranges.items():
        inside = labels == label
        score = attention.trapezium(attention.signed_distance(inside, spacing), low, high)
        outside = np.maximum(outside, score)
        own[inside] = score[inside]
    expected = np.where(np.isin(labels, list(ranges)), own, outside)
    found = [attention.attention_map(labels, spacing, ranges, threads=t) for t in (1, 3)]
    np.testing.assert_array_equal(*found)
    np.testing.assert_allclose(found[0], expected, atol=1e-4)


def test_a_large_map_takes_less_than_three_times_its_own_memory(monkeypatch):
    monkeypatch.setattr(attention.maps, "LARGE", 0)
    labels = blobs((48, 96, 96), 3, 1)
    labels[10:40, 20:70, 20:80] = 1
    attention.attention_map(labels, (1, 1, 1), RANGES)  # what is compiled is loaded
    tracemalloc.start()
    found = attention.attention_map(labels, (1, 1, 1), {1: (-5, 30), 2: (0, 30), 3: (0, 30)})
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.nbytes < peak < 3 * found.nbytes


def test_node_distances_are_those_of_the_whole_volume(way):
    labels = blobs((14, 25, 30), 3, 5)
    nodes = np.random.default_rng(0).random(labels.shape) > 0.995
    whole = np.stack([attention.signed_distance(labels == i, (2, 1, 1))[nodes] for i in (1, 2, 3)])
    nearest, distance = attention.node_distances(labels, nodes, (2, 1, 1), [1, 2, 3])
    np.testing.assert_array_equal(nearest, 1 + whole.argmin(0))
    np.testing.assert_allclose(distance, whole.min(0), atol=1e-4)


def test_a_missing_organ_is_named_and_drops_out_of_the_maximum(way):
    labels = blobs((9, 11, 13), 3, 0)
    without = np.where(labels == 2, 0, labels)
    kept = {i: r for i, r in RANGES.items() if i != 2}
    np.testing.assert_array_equal(
        attention.attention_map(without, (1, 1, 1), RANGES),
        attention.attention_map(without, (1, 1, 1), kept),
    )
    assert attention.missing(without, RANGES) == [2]


def test_estimated_ranges_are_the_extreme_distances_to_the_nearest_structure():
    labels = np.zeros((1, 1, 30), np.uint8)
    labels[0, 0, :5] = 1
    labels[0, 0, 25:] = 2
    nodes = np.zeros_like(labels)
    nodes[0, 0, [6, 9, 22]] = 1
    samples = [attention.node_distances(labels, nodes, (1, 1, 2.0), [1, 2, 3])]
    assert attention.estimate_ranges(samples) == {1: (4.0, 10.0, 2), 2: (6.0, 6.0, 1)}


def test_estimated_ranges_come_back_by_label():
    estimated = {"aorta": [0.0, 28.0, 120], "pancreas": [-5.0, 20.0, 80]}
    found = attention.by_label(estimated, {"pancreas": 11, "aorta": 8, "spleen": 1})
    assert found == {8: (0.0, 28.0), 11: (-5.0, 20.0)}
