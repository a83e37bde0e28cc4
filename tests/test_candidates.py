"""Candidates: what they look like, forests as plain arrays, who grows them, who chooses the cuts."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from scipy import ndimage

from nodestage.candidates import forest, patients, prediction, scanners, training
from nodestage.candidates.drawing import redrawn
from nodestage.core import checkpoints
from nodestage.core.volumes import Volume
from nodestage.lymph_nodes import appearance, sharpness

VESSELS = [2]  # the aorta; 1 is the spleen


# What a candidate looks like


def ball(shape, center, radius, spacing):
    grid = np.moveaxis(np.indices(shape), 0, -1) * spacing
    return np.sqrt(((grid - np.multiply(center, spacing)) ** 2).sum(-1)) <= radius


def scene(spacing=(2.0, 1.5, 1.5), move=0):
    """A ball of 100 HU in fat of -100 beside the spleen, and a rod inside the aorta."""
    shape = (24, 40, 40)
    instances = np.zeros(shape, np.uint16)
    node = ball(shape, (8 + move, 20, 20), 6, spacing)
    instances[node] = 1
    instances[3:21, 32:34, 34:36] = 2
    venous = np.full(shape, -100, np.int16)
    venous[instances > 0] = 100
    arterial = np.where(node, 60, venous).astype(np.int16)
    organs = np.zeros(shape, np.uint8)
    organs[:, 20:, :10] = 1
    organs[:, 30:36, 32:38] = 2
    attention = np.ones(shape, np.float32)
    images = {"arterial": arterial, "venous": venous, "attention": attention, "organs": organs}
    return instances, images | {"log_odds": np.where(node, 3.0, -np.inf)}, spacing


def test_appearance_of_a_ball_and_of_a_rod():
    ball_row, rod = appearance.appearance(*scene(), VESSELS)
    assert set(ball_row) == {"instance", *appearance.COLUMNS}
    assert ball_row["short_mm"] == pytest.approx(ball_row["long_mm"], rel=0.1)
    assert ball_row["filling"] == pytest.approx(1, abs=0.1) and ball_row["depth_mm"] > 5
    assert rod["elongation"] < 0.15 and rod["long_mm"] > 30
    assert ball_row["venous_mean"] == 100 and ball_row["arterial_mean"] == 60
    assert ball_row["venous_minus_arterial"] == 40 and rod["venous_minus_arterial"] == 0
    assert ball_row["venous_ring"] == -100 and ball_row["venous_ring_fat"] == 1
    assert (ball_row["in_vessel"], rod["in_vessel"], rod["in_organ"]) == (0, 1, 1)
    assert rod["organ_mm"] == 0 and ball_row["organ_mm"] > 5
    assert ball_row["log_odds_max"] == 3 and rod["log_odds_max"] == -appearance.MOST_LOG_ODDS
    assert all(np.isfinite(list(row.values())).all() for row in (ball_row, rod))


def test_appearance_does_not_tell_where_a_candidate_lies():
    here, _ = appearance.appearance(*scene(), VESSELS)
    there, _ = appearance.appearance(*scene(move=5), VESSELS)
    assert here == pytest.approx(there)


def test_a_candidate_of_one_voxel_at_the_edge_of_the_volume_has_every_number():
    instances, *others = scene()
    instances = np.zeros_like(instances)
    instances[0, 0, 0] = 1
    (row,) = appearance.appearance(instances, *others, VESSELS)
    assert np.isfinite(list(row.values())).all() and row["elongation"] <= 1


def test_densities_are_those_of_the_appearance():
    instances, images, spacing = scene()
    whole = appearance.appearance(instances, images, spacing, VESSELS)
    phases = {name: images[name] for name in ("arterial", "venous")}
    for row, dense in zip(whole, appearance.densities(instances, phases, spacing), strict=True):
        names = ("instance", "log_volume", *appearance.DENSITIES)
        assert dense == {name: pytest.approx(row[name]) for name in names}


def blurred(radius):
    """A ball of 100 HU in fat of -100, as a scan on a coarse grid shows it."""
    spacing = (2.5, 2.2, 2.2)
    node = ball((21, 25, 25), (10, 12, 12), radius, spacing)
    sigma = np.divide(appearance.BLUR_MM / 2.355, spacing)
    image = ndimage.gaussian_filter(200.0 * node, sigma) - 100
    return node.astype(np.uint16), {"arterial": image, "venous": image}, spacing


@pytest.mark.parametrize("radius", [3.0, 5.0, 9.0])
def test_the_density_without_its_surroundings_does_not_depend_on_a_nodes_size(radius):
    instances, images, spacing = blurred(radius)
    (row,) = appearance.densities(instances, images, spacing)
    assert row["venous_unmixed"] == pytest.approx(100, abs=0.1)
    assert row["venous_unmixed_sd"] == pytest.approx(0, abs=0.1)
    assert row["venous_mean"] < row["venous_inner"] <= 100


# Nodes drawn anew


def test_a_node_drawn_anew_lies_where_it_lay_and_differs_at_its_edge():
    spacing = (1.0, 1.0, 1.0)
    nodes = ball((24, 24, 24), (12, 12, 12), 5, spacing).astype(np.uint16)
    nodes[2, 2, 2] = 2
    draw = np.random.default_rng(0)
    drawn = [redrawn(nodes, draw) for _ in range(20)]
    for one in drawn:
        assert set(np.unique(one)) == {0, 1, 2} and ndimage.label(one == 1)[1] == 1
        both = ((one == 1) & (nodes == 1)).sum()
        assert 2 * both / ((one == 1).sum() + (nodes == 1).sum()) > 0.7
    sizes = [(one == 1).sum() for one in drawn]
    assert min(sizes) < (nodes == 1).sum() < max(sizes)
    same = redrawn(nodes, np.random.default_rng(0))
    np.testing.assert_array_equal(same, drawn[0])


def test_annotated_nodes_are_drawn_anew_with_their_class():
    array = np.zeros((12, 20, 20), np.uint8)
    array[4:8, 4:8, 4:8], array[4:8, 12:16, 12:16] = 1, 2
    image = np.where(array == 2, 60, 100).astype(np.int16)
    mask = Volume(array, (2.0, 2.0, 2.0))
    rows = training.annotated_nodes(mask, image, image, seed=1)
    assert [row["class"] for row in rows] == [1, 2] * (1 + training.REDRAWN + training.RESCANNED)
    assert all(set(prediction.POSITIVE) < set(row) for row in rows)
    assert rows[0]["venous_mean"] == 100 and rows[1]["venous_mean"] == 60
    assert len({row["log_volume"] for row in rows}) > 2
    assert rows == training.annotated_nodes(mask, image, image, seed=1)
    empty = Volume(np.zeros_like(array), mask.spacing)
    assert training.annotated_nodes(empty, image, image, seed=1) == []


# Other scanners


def body(shape=(12, 80, 80), spacing=(2.0, 1.0, 1.0)):
    """A cylinder of 50 HU in air, as a sharp scan shows it."""
    y, x = np.indices(shape[1:]) - 39.5
    return np.where(y**2 + x**2 < 30**2, 50.0, -1000.0) * np.ones(shape), spacing


@pytest.mark.parametrize("fwhm", [2.0, 3.0, 4.0])
def test_the_width_of_edges_is_that_of_the_blur(fwhm):
    image, spacing = body()
    soft = ndimage.gaussian_filter(image, [0, fwhm / 2.355, fwhm / 2.355])
    noisy = soft + np.random.default_rng(0).normal(0, 10, soft.shape)
    assert sharpness.edge_mm(noisy.astype(np.int16), spacing) == pytest.approx(fwhm, rel=0.15)
    assert sharpness.edge_mm(image, spacing, fwhm) == pytest.approx(fwhm, rel=0.15)
    lost = np.where(soft < -999, -3024, soft)  # what lies outside of the scanner's circle
    assert sharpness.edge_mm(lost, spacing) == pytest.approx(fwhm, rel=0.15)


def test_a_scan_without_edges_has_the_usual_width():
    assert sharpness.edge_mm(np.full((5, 30, 30), 40, np.int16), (2, 1, 1)) == sharpness.USUAL_MM
    assert sharpness.edge_mm(np.full((1, 3, 3), 40, np.int16), (2, 1, 1)) == sharpness.USUAL_MM


def test_another_scanner_blurs_shifts_and_adds_noise():
    image, spacing = body()
    softer = scanners.Scanner(3.0, 3.0, 0.0, 7.0)
    seen = softer.scan(image, spacing, np.random.default_rng(0))
    assert seen[6, 40, 40] == pytest.approx(57, abs=0.01)
    assert sharpness.edge_mm(seen, spacing) == pytest.approx(3, rel=0.15)
    noisy = scanners.Scanner(2.0, 2.0, 6.0, 0.0).scan(image, spacing, np.random.default_rng(0))
    assert noisy[:, 30:50, 30:50].std() == pytest.approx(6, rel=0.1)
    drawn = [scanners.draw(np.random.default_rng(seed)) for seed in range(50)]
    assert all(0 <= one.plane_mm <= scanners.PLANE_MM for one in drawn)
    assert np.std([one.shift_hu for one in drawn]) == pytest.approx(scanners.SHIFT_HU, rel=0.3)


def test_nodes_in_a_box_look_as_in_the_whole_scan(monkeypatch):
    """Only the surroundings of a node are given to another scanner, since a whole scan is large."""
    image, spacing = body((20, 80, 80))
    nodes = np.zeros(image.shape, np.uint8)
    nodes[8:11, 36:42, 20:26] = 1
    nodes[8:11, 36:42, 27:33] = 2
    image = image + 60 * (nodes > 0)
    softer = scanners.Scanner(3.5, 3.5, 0.0, 0.0)
    monkeypatch.setattr(scanners, "draw", lambda random: softer)
    monkeypatch.setattr(training, "REDRAWN", 0)
    monkeypatch.setattr(training, "RESCANNED", 1)
    monkeypatch.setattr(training, "redrawn", lambda nodes, random: nodes)
    rows = training.annotated_nodes(Volume(nodes, spacing), image, image, seed=0)[2:]
    whole = softer.scan(image, spacing, np.random.default_rng(0))
    phases = {"arterial": whole, "venous": whole}
    expected = appearance.densities(training.label_instances(nodes), phases, spacing)
    for row, one in zip(rows, expected, strict=True):
        assert {name: row[name] for name in one} == pytest.approx(one, abs=1e-3)


def test_what_is_positive_is_learned_for_softer_scanners_too():
    """Positive nodes are darker; a soft scan makes every node darker, most of all its small ones."""
    spacing, draw = (2.5, 2.0, 2.0), np.random.default_rng(0)
    scene, _ = body((24, 80, 80), spacing)

    def patient(fwhm, noise):
        mask, image = np.zeros(scene.shape, np.uint8), np.where(scene > 0, -90.0, scene)
        for number, (y, x) in enumerate([(26, 26), (26, 52), (52, 26), (52, 52)]):
            node = ball(scene.shape, (12, y, x), draw.uniform(4, 7), spacing)
            mask[node] = 1 + number % 2
            image[node] = (90, 60)[number % 2] + draw.normal(0, 4)
        width = fwhm / 2.355 / np.array(spacing)
        image = ndimage.gaussian_filter(image, width) + draw.normal(0, noise, image.shape)
        return Volume(mask, spacing), image.astype(np.int16)

    def rows(fwhm, noise, count):
        return [
            training.annotated_nodes(mask, image, image, seed)
            for seed, (mask, image) in enumerate(patient(fwhm, noise) for _ in range(count))
        ]

    def error(names, train, kept):
        learned = [row for part in train for row in part[:kept]]
        classes = np.array([int(row["class"] == 2) for row in learned])
        grown = forest.grow(prediction.inputs(learned, names), classes, 2, 0, len(names))
        tested = [row for part in soft for row in part[:4]]
        said = forest.probabilities(grown, prediction.inputs(tested, names))[:, 1]
        return np.mean([abs(p - (row["class"] == 2)) for p, row in zip(said, tested, strict=True)])

    sharp, soft = rows(2.0, 8, 12), rows(4.5, 8, 6)
    alone = [name for name in prediction.POSITIVE if name not in appearance.SCAN]
    before = error(alone, sharp, 4 * (1 + training.REDRAWN))
    assert error(prediction.POSITIVE, sharp, None) < 0.8 * before


# Forests


def table(n=300, columns=6, seed=0):
    draw = np.random.default_rng(seed)
    values = draw.normal(size=(n, columns))
    return values, (values[:, 0] > 0).astype(int) + (values[:, 1] * values[:, 2] > 0.3)


def test_a_forest_of_arrays_says_what_scikit_learn_says():
    from sklearn.ensemble import ExtraTreesClassifier

    values, classes = table()
    fitted = ExtraTreesClassifier(
        forest.TREES, min_samples_leaf=forest.SMALLEST_LEAF, random_state=7
    )
    fitted.fit(values.astype(np.float32), classes)
    asked, _ = table(seed=1)
    np.testing.assert_allclose(
        forest.probabilities(forest.grow(values, classes, 3, seed=7), asked),
        fitted.predict_proba(asked.astype(np.float32)),
        atol=1e-12,
    )


def test_a_forest_survives_its_file(tmp_path):
    values, classes = table()
    grown = forest.grow(values, classes, 3)
    checkpoints.save(tmp_path / "model.pt", {"forests": {"all": grown}})
    held = torch.load(tmp_path / "model.pt", weights_only=True)["forests"]["all"]
    np.testing.assert_array_equal(
        forest.probabilities(held, values), forest.probabilities(grown, values)
    )


def test_a_class_without_rows_has_probability_zero_and_no_rows_say_nothing():
    values, _ = table()
    found = forest.probabilities(forest.grow(values, np.full(len(values), 1), 3), values)
    np.testing.assert_allclose(found, np.tile([0, 1, 0], (len(values), 1)))
    np.testing.assert_array_equal(
        forest.probabilities(forest.grow(values[:0], np.zeros(0, int), 3), values[:2])[:, 1:], 0
    )


# A fold


def test_a_candidate_is_the_node_that_it_matches():
    annotated = np.zeros((4, 12, 12), np.uint8)
    annotated[1:3, 1:4, 1:4], annotated[1:3, 7:10, 7:10] = 1, 2
    instances = np.zeros_like(annotated, np.uint16)
    instances[1:3, 1:4, 1:5], instances[1:3, 7:10, 7:10], instances[0, 11, 0] = 1, 2, 3
    instances[3, 1:4, 1:4] = 4  # touches the first node's place, but shares no voxel with it
    expected = [training.NEGATIVE_NODE, training.POSITIVE_NODE, training.OTHER, training.OTHER]
    assert training.classes_of(instances, annotated).tolist() == expected


def rows_of(patient, draw, n=8):
    """Candidates whose class shows in two of their numbers; a few nodes among others."""
    classes = draw.choice([0, 0, 0, 1, 2], n)
    found = []
    for i, kind in enumerate(classes):
        row = dict.fromkeys(appearance.COLUMNS, 0.0)
        row |= {"log_odds_max": 4.0 * (kind > 0), "venous_inner": 4.0 * (kind == 2)}
        row = {name: value + float(draw.normal()) for name, value in row.items()}
        row |= {"patient": patient, "variant": "attention", "instance": str(i + 1)}
        row |= {"volume_mm3": 100.0 + 50 * i}
        found.append(row | {"class": int(kind)})
    return found


def fold(train=30, validation=12, seed=0):
    draw = np.random.default_rng(seed)
    train, validation = (
        {f"{name}{i}": rows_of(f"{name}{i}", draw) for i in range(n)}
        for name, n in (("T", train), ("V", validation))
    )
    names = sorted(train)
    metastasis = {p: int(any(r["class"] == 2 for r in rows)) for p, rows in validation.items()}
    annotated = {p: [row for row in rows if row["class"]] for p, rows in train.items()}
    parts = [names[:10], names[10:20], names[20:]]
    return training.FoldCandidates(train, validation, annotated, parts, metastasis)


def weights(model, name):
    return [checkpoints.digest(found) for found in model["forests"][name].values()]


def test_a_fold_tells_nodes_from_others_in_patients_whom_it_never_saw():
    model = training.train_fold(fold(), seed=1)
    others = fold(seed=5).train
    answers = [
        (row["class"], answer["p_node"], answer["p_node_positive"], answer["is_node"])
        for rows in others.values()
        for row, answer in zip(rows, prediction.classify(model, rows), strict=True)
    ]
    kind, node, positive, called = (np.array(part) for part in zip(*answers, strict=True))
    assert node[kind > 0].mean() > node[kind == 0].mean() + 0.3
    assert positive[kind == 2].mean() > positive[kind < 2].mean() + 0.3
    assert called[kind > 0].mean() > 0.8 and called[kind == 0].mean() < 0.5
    assert model["note"] == ""


def test_the_probabilities_of_a_training_patient_do_not_depend_on_its_own_classes():
    before = training.train_fold(fold(), seed=1)
    changed = copy.deepcopy(fold())
    for row in (*changed.train["T0"], *changed.annotated["T0"]):
        row["class"] = {0: 2, 1: 2, 2: 1}[row["class"]]
    after = training.train_fold(changed, seed=1)
    (index,) = (i for i, part in enumerate(changed.parts) if "T0" in part)
    assert weights(before, f"part{index}") == weights(after, f"part{index}")
    assert weights(before, "all") != weights(after, "all")


def test_validation_patients_grow_no_tree_and_choose_both_cuts():
    before = training.train_fold(fold(), seed=1)
    flipped = {p: 1 - y for p, y in fold().metastasis.items()}
    changed = dataclasses.replace(fold(), metastasis=flipped)
    for rows in changed.validation.values():
        for row in rows:
            row["class"] = 0
    after = training.train_fold(changed, seed=1)
    assert all(weights(before, name) == weights(after, name) for name in before["forests"])
    assert (before["cut"], before["node_cut"]) != (after["cut"], after["node_cut"])


def test_a_fold_without_found_nodes_says_so_and_still_answers():
    empty = dataclasses.replace(fold(), annotated={})
    for rows in empty.train.values():
        for row in rows:
            row["class"] = 0
    model = training.train_fold(empty, seed=1)
    assert "nothing could be learned" in model["note"]
    answers = prediction.classify(model, empty.validation["V0"])
    assert all(answer["p_node"] == 0 and answer["counts"] == 0 for answer in answers)
    assert prediction.classify(model, []) == []


def test_the_cut_orders_the_validation_patients_best():
    candidates = {
        "V0": [{"volume_mm3": 100}],
        "V1": [{"volume_mm3": 900}],
        "V2": [{"volume_mm3": 200}],
    }
    said = {
        p: [{"p_node_positive": x}] for p, x in zip(candidates, (0.45, 0.12, 0.35), strict=True)
    }
    # Above 0.15 the large candidate of the negative patient no longer counts.
    metastasis = {"V0": 1, "V1": 0, "V2": 1, "V3": 0}
    assert training.choose_cut(candidates, said, metastasis) == 0.15
    assert training.choose_cut(candidates, said, {"V0": 1, "V2": 1}) == training.USUAL
    said["V2"][0]["p_node_positive"] = 0.12
    metastasis = {"V0": 1, "V1": 0, "V2": 0}
    assert training.choose_cut(candidates, said, metastasis) >= 0.15


# A patient's numbers


def test_a_patients_numbers_from_its_candidates():
    rows = [
        {"volume_mm3": "120.0", "counts": "1", "p_node_positive": "0.5"},
        {"volume_mm3": "900.0", "counts": "0", "p_node_positive": "0.2"},
        {"volume_mm3": "80.0", "counts": "1", "p_node_positive": "0.25"},
    ]
    assert patients.counted_volumes(rows) == [120.0, 80.0]
    assert patients.noisy_or(rows) == pytest.approx(1 - 0.5 * 0.8 * 0.75)
    instances = np.array([[[0, 1, 2, 3]]])
    for number, (row, node) in enumerate(zip(rows, (1, 0, 1), strict=True), start=1):
        row |= {"instance": str(number), "is_node": str(node), "p_node": "0.75"}
    left, positive, confidence = patients.called_nodes(instances, rows)
    assert left.tolist() == [[[0, 1, 0, 3]]]
    assert positive == {1: 1.0, 3: 1.0} and confidence == {1: 0.75, 3: 0.75}
    assert patients.counted_volumes([]) == [] and patients.noisy_or([]) == 0.0
