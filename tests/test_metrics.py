"""Metrics against plain slow versions, SimpleITK and MONAI, and the rules for empty masks."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk

from nodestage import metrics
from nodestage.metrics import lymph_nodes, surfaces

SPACING = (2.5, 0.8, 1.1)


def blobs(seed, shape=(12, 16, 14), n=4):
    """An instance label map of `n` random boxes."""
    random = np.random.default_rng(seed)
    labels = np.zeros(shape, np.uint16)
    for label in range(1, n + 1):
        low = [random.integers(0, s - 4) for s in shape]
        size = random.integers(1, 5, 3)
        labels[tuple(slice(a, a + b) for a, b in zip(low, size, strict=True))] = label * 3
    return labels


def sphere(shape, center, radius, spacing=(1, 1, 1)):
    grid = np.meshgrid(*[np.arange(s) for s in shape], indexing="ij")
    distance = sum(((g - c) * s) ** 2 for g, c, s in zip(grid, center, spacing, strict=True))
    return distance <= radius**2


# ---------------------------------------------------------------- voxels


def test_voxel_rates_of_a_known_pair():
    truth = np.array([1, 1, 1, 0, 0, 0], bool).reshape(1, 1, 6)
    prediction = np.array([0, 1, 1, 1, 1, 0], bool).reshape(1, 1, 6)
    assert metrics.overlap(truth, prediction) == (4 / 7, 2 / 3, 2 / 4)


@pytest.mark.parametrize(
    ("truth", "prediction", "expected"),
    [
        (0, 0, (None, None, None)),
        (0, 1, (0.0, None, 0.0)),
        (1, 0, (0.0, 0.0, 0.0)),
        (1, 1, (1.0, 1.0, 1.0)),
    ],
)
def test_rules_for_empty_masks(truth, prediction, expected):
    shape = (2, 3, 4)
    truth, prediction = np.full(shape, truth), np.full(shape, prediction)
    assert metrics.overlap(truth, prediction) == expected
    assert metrics.dice(truth, prediction) == expected[0]
    assert metrics.recall(truth, prediction) == expected[1]
    assert metrics.precision(truth, prediction) == expected[2]


def test_masks_of_two_shapes_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        metrics.dice(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)))


# ---------------------------------------------------------------- surfaces


def plain_surface(mask):
    """Surface voxels in physical coordinates, by looking at each neighbour."""
    found = []
    for voxel in np.argwhere(mask):
        for step in itertools.product((-1, 0, 1), repeat=3):
            other = voxel + step
            inside_image = all(0 <= o < s for o, s in zip(other, mask.shape, strict=True))
            if inside_image and not mask[tuple(other)]:
                found.append(voxel)
                break
    return np.array(found) * SPACING


@pytest.mark.parametrize("seed", range(6))
def test_surface_distances_equal_brute_force(seed):
    a, b = blobs(seed) > 0, blobs(seed + 100) > 0
    points = [plain_surface(a), plain_surface(b)]
    between = np.sqrt(((points[0][:, None] - points[1][None]) ** 2).sum(-1))
    there, back = between.min(1), between.min(0)
    asd, hd, hd95 = metrics.surface_distances(a, b, SPACING)
    assert asd == pytest.approx(np.concatenate([there, back]).mean(), abs=1e-5)
    assert hd == pytest.approx(max(there.max(), back.max()), abs=1e-5)
    assert hd95 == pytest.approx(max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-5)


def test_surface_is_the_zero_of_simpleitk_signed_distance():
    mask = sphere((14, 30, 28), (6, 14, 15), 9, SPACING)
    mask[:, :, 20:] = False
    image = sitk.GetImageFromArray(mask.astype(np.uint8))
    image.SetSpacing(SPACING[::-1])
    distance = sitk.SignedMaurerDistanceMap(image, squaredDistance=False, useImageSpacing=True)
    assert np.array_equal(
        surfaces._surface(mask), (np.abs(sitk.GetArrayFromImage(distance)) < 1e-3) & mask
    )


def test_surface_distances_agree_with_monai_on_our_surfaces():
    monai = pytest.importorskip("monai.metrics.utils", reason="MONAI is a development package")
    a = sphere((16, 24, 24), (8, 12, 12), 8)
    b = sphere((16, 24, 24), (7, 13, 10), 7)
    edges = [surfaces._surface(mask) for mask in (a, b)]
    there = np.asarray(monai.get_surface_distance(edges[0], edges[1], spacing=SPACING))
    back = np.asarray(monai.get_surface_distance(edges[1], edges[0], spacing=SPACING))
    found = metrics.surface_distances(a, b, SPACING)
    assert found.asd == pytest.approx(np.concatenate([there, back]).mean(), abs=1e-5)
    assert found.hd == pytest.approx(max(there.max(), back.max()), abs=1e-5)
    assert found.hd95 == pytest.approx(
        max(np.percentile(there, 95), np.percentile(back, 95)), abs=1e-5
    )


def test_cropping_does_not_change_distances():
    a, b = np.zeros((2, 30, 40, 40), bool)
    a[10:14, 10:20, 10:18] = True
    b[11:16, 12:20, 9:18] = True
    small = metrics.surface_distances(a[8:18, 8:22, 7:20], b[8:18, 8:22, 7:20], SPACING)
    assert metrics.surface_distances(a, b, SPACING) == small


def test_masks_without_a_surface_have_no_distance_but_a_reason():
    full, none = np.ones((3, 3, 3), bool), np.zeros((3, 3, 3), bool)
    one = none.copy()
    one[1, 1, 1] = True
    assert metrics.surface_distances(one, none, SPACING) == (None, None, None)
    assert metrics.surface_distances(one, full, SPACING) == (None, None, None)
    assert metrics.surface_distances(one, one, SPACING) == (0, 0, 0)
    assert metrics.evaluate_segmentation(one, none, SPACING) == {
        "dice": 0.0,
        "asd_mm": None,
        "hd_mm": None,
        "hd95_mm": None,
        "note": "prediction empty",
    }
    assert metrics.evaluate_segmentation(full, one, SPACING)["note"] == "a mask fills the image"


# ---------------------------------------------------------------- instances


def plain_matching(truth, prediction, iou):
    """The best assignment by trying every one."""
    true = [truth == i for i in np.unique(truth[truth > 0])]
    found = [prediction == i for i in np.unique(prediction[prediction > 0])]
    table = np.array([[(t & p).sum() / (t | p).sum() for p in found] for t in true])
    best = (0.0, 0)
    choices = list(range(len(found))) + [None] * len(true)
    for chosen in set(itertools.permutations(choices, len(true))):
        values = [table[i, j] for i, j in enumerate(chosen) if j is not None and table[i, j] >= iou]
        best = max(best, (sum(values), len(values)))
    return best[1], len(found) - best[1], len(true) - best[1]


@pytest.mark.parametrize("seed", range(8))
def test_matching_equals_trying_every_assignment(seed):
    truth = blobs(seed, n=3)
    prediction = np.roll(truth, 1, axis=seed % 3) * (truth % 2 == truth % 2)
    prediction = np.where(blobs(seed + 50, n=1) > 0, 40, prediction)
    assert metrics.match_instances(truth, prediction) == plain_matching(truth, prediction, 0.3)


def test_two_pieces_of_one_node_are_one_hit_and_one_false_positive():
    truth = np.zeros((1, 1, 10), int)
    truth[..., :10] = 1
    prediction = np.array([1] * 5 + [2] * 5).reshape(1, 1, 10)
    assert metrics.match_instances(truth, prediction) == (1, 1, 0)


def test_iou_of_exactly_the_limit_is_a_match():
    truth = np.array([1] * 10).reshape(1, 1, 10)
    prediction = np.array([7] * 3 + [0] * 7).reshape(1, 1, 10)
    assert metrics.match_instances(truth, prediction, iou=0.3) == (1, 0, 0)
    assert metrics.match_instances(truth, prediction, iou=0.31) == (0, 1, 1)


def test_greedy_matching_would_lose_a_node():
    truth = np.array([1] * 6 + [2] * 6).reshape(1, 1, 12)
    prediction = np.array([3, 3] + [4] * 7 + [0, 0, 0]).reshape(1, 1, 12)
    # 4 overlaps 1 (4 of 9) more than 2 (3 of 10), yet giving it to 2 matches both.
    assert metrics.match_instances(truth, prediction, iou=0.3) == (2, 0, 0)


def test_touching_nodes_of_two_classes_stay_apart():
    mask = np.zeros((3, 3, 6), np.uint8)
    mask[1, 1, 1:3], mask[1, 1, 3:5] = 1, 2
    labels = metrics.label_instances(mask)
    assert labels.max() == 2 and labels[1, 1, 2] != labels[1, 1, 3]


def test_diagonal_voxels_are_one_instance():
    mask = np.zeros((2, 2, 2), np.uint8)
    mask[0, 0, 0] = mask[1, 1, 1] = 1
    assert metrics.label_instances(mask).max() == 1


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        ([(0, 0)], 0.8),
        ([(0, i) for i in range(5)], 0.8),
        ([(i, j) for i in range(3) for j in range(3)], 2.4),
    ],
)
def test_short_axis_of_known_shapes(pixels, expected):
    mask = np.zeros((3, 8, 8), bool)
    for y, x in pixels:
        mask[1, y + 2, x + 2] = True
    assert metrics.short_axis_mm(mask, (2.5, 0.8, 0.8)) == pytest.approx(expected)


def test_short_axis_of_an_oblique_ellipse():
    y, x = np.mgrid[-40:41, -40:41] / 4.0
    along, across = (x + y) / 2**0.5, (x - y) / 2**0.5
    mask = ((along / 8) ** 2 + (across / 3) ** 2 <= 1)[None]
    assert metrics.short_axis_mm(mask, (1, 0.25, 0.25)) == pytest.approx(6.0, abs=0.4)


# ---------------------------------------------------------------- lymph nodes


def patient():
    """Two true nodes (one of each class), one found, one false positive inside an organ."""
    truth = np.zeros((6, 12, 12), np.uint8)
    truth[1:3, 1:4, 1:4], truth[1:3, 8:10, 8:10] = 2, 1
    instances = np.zeros_like(truth, dtype=np.uint16)
    instances[1:3, 1:4, 1:4], instances[4, 5, 5] = 5, 9
    organs = np.zeros_like(truth)
    organs[4:] = 11
    return truth, instances, {5: 0.7, 9: 0.2}, organs


def test_evaluation_of_one_patient():
    truth, instances, p_positive, organs = patient()
    context = metrics.Context(organs=organs, attention=np.ones(truth.shape))
    found = metrics.evaluate_lymph_nodes(truth, instances, p_positive, SPACING, context=context)
    rows = {row["class"]: row for row in found["classes"]}
    assert (rows["any"]["tp"], rows["any"]["fp"], rows["any"]["fn"]) == (1, 1, 1)
    assert rows["any"]["f"] == 0.5 and rows["positive"]["f"] == 1 and rows["negative"]["f"] == 0
    assert rows["positive"]["dice"] == 1
    positive = next(n for n in found["nodes"] if n["class"] == "positive")
    assert positive["found"] == 1 and positive["found_as"] == "positive"
    assert positive["volume_mm3"] == pytest.approx(18 * np.prod(SPACING))
    false = next(c for c in found["candidates"] if c["node"] is None)
    assert false["place"] == "inside an organ"


def test_places_of_false_positives():
    mask = np.zeros((1, 1, 4), bool)
    mask[..., :2] = True
    organs, attention = np.zeros((1, 1, 4)), np.zeros((1, 1, 4))
    assert metrics.place_of(mask) is None
    assert metrics.place_of(mask, organs, attention) == "beyond range"
    attention[:] = 0.4
    assert metrics.place_of(mask, organs, attention) == "in range"
    organs[..., :2] = 3
    assert metrics.place_of(mask, organs, attention) == "inside an organ"


def test_a_patient_without_any_node_is_counted_and_left_out():
    empty = np.zeros((4, 4, 4), np.uint8)
    found = metrics.evaluate_lymph_nodes(empty, empty, {}, SPACING)
    assert found["nodes"] == [] and found["candidates"] == []
    truth, instances, p_positive, _ = patient()
    other = metrics.evaluate_lymph_nodes(truth, instances, p_positive, SPACING)
    rows = [found["classes"][0], other["classes"][0]]
    mean = metrics.patient_mean(rows)
    assert (mean["n"], mean["both_empty"], mean["n_f"], mean["f"]) == (2, 1, 1, 0.5)
    assert metrics.pooled(rows)["f"] == 0.5


def test_patient_means_and_pooled_values_differ_as_they_should():
    rows = [
        lymph_nodes._class_row(*pair, *pair, 0.3)
        for pair in (
            (np.eye(3)[None] > 0, np.eye(3)[None] > 0),
            (np.ones((1, 3, 3)) > 0, np.zeros((1, 3, 3)) > 0),
        )
    ]
    assert metrics.patient_mean(rows)["dice"] == 0.5
    assert metrics.pooled(rows)["dice"] == pytest.approx(6 / 15)


def test_froc_by_hand():
    candidates = [
        {"confidence": 0.9, "node": 1},
        {"confidence": 0.8, "node": None},
        {"confidence": 0.8, "node": 2},
        {"confidence": 0.1, "node": None},
    ]
    curve = metrics.froc(candidates, truth_nodes=4, patients=2)
    assert [(p["false_positives_per_patient"], p["recall"]) for p in curve] == [
        (0.0, 0.25),
        (0.5, 0.5),
        (1.0, 0.5),
    ]
    assert metrics.froc([], 4, 2) == []
    assert metrics.froc(candidates[1:2], 0, 1)[0]["recall"] is None


def test_recall_by_size_and_station_and_false_positives_by_place():
    nodes = [
        {"short_axis_mm": 4, "station": "8", "found": 0},
        {"short_axis_mm": 5, "station": "8", "found": 1},
        {"short_axis_mm": 12, "station": None, "found": 1},
    ]
    sizes = {row["group"]: row["recall"] for row in metrics.recall_by(nodes, "short_axis")}
    assert sizes == {"< 5 mm": 0, "5-10 mm": 1, "> 10 mm": 1}
    stations = {row["group"]: row["n"] for row in metrics.recall_by(nodes, "station")}
    assert stations == {"8": 2, "unknown": 1}
    candidates = [{"node": None, "place": "in range"}, {"node": 3, "place": None}]
    places = metrics.false_positives_by_place(candidates, patients=2)
    assert {row["place"]: row["per_patient"] for row in places} == {
        "inside an organ": 0,
        "beyond range": 0,
        "in range": 0.5,
    }
