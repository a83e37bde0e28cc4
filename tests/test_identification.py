"""Identification: crops, the head upon a trained backbone, who learned from whom, that it learns."""

import copy
import functools
import tempfile
from pathlib import Path

import lymph_node_phantom as phantom
import numpy as np
import pytest
import torch

from nodestage.core import checkpoints, volumes
from nodestage.core.errors import InputError
from nodestage.identification import prediction, training
from nodestage.identification.crops import crops, positives_of
from nodestage.identification.network import IdentificationNetwork
from nodestage.identification.volumes import positive_volumes, volume_feature
from nodestage.lymph_nodes.instances import components
from nodestage.lymph_nodes.network import build
from nodestage.nnunet.prediction import load

TINY = {"crop": [8, 12, 12], "epochs": 2, "iterations_per_epoch": 2, "batch_size": 4}
LEARNING = {
    "crop": [8, 12, 12],
    "epochs": 6,
    "iterations_per_epoch": 20,
    "batch_size": 8,
    "learning_rate": 0.03,
}


def segmentation(name="attention"):
    return checkpoints.load(phantom.tiny_fold())["networks"][name]


def trained(folder, patients, settings=TINY, split=phantom.SPLIT):
    fold = phantom.fold(patients, split)
    return training.train_fold(fold, phantom.tiny_fold(), settings, phantom.run(folder))


@functools.cache
def tiny_fold():
    return trained(Path(tempfile.mkdtemp(prefix="identification")), phantom.cohort())


# Crops and features


def test_a_crop_is_centered_at_its_instance_and_zero_beyond_the_volume():
    images = np.arange(3 * 10 * 12 * 12, dtype=np.float32).reshape(3, 10, 12, 12) + 1
    instances = np.zeros((10, 12, 12), np.uint16)
    instances[4:7, 5:8, 5:8] = 1
    instances[0, 0, 0] = 2
    pictures, inside = crops(images, instances, (5, 7, 7))
    assert pictures.shape == (2, 3, 5, 7, 7) and inside.shape == (2, 5, 7, 7)
    np.testing.assert_array_equal(pictures[0], images[:, 3:8, 3:10, 3:10])
    assert inside[0].sum() == 27 and inside[0, 1:4, 2:5, 2:5].all()
    assert (pictures[1, :, :2] == 0).all() and (pictures[1, :, :, :3] == 0).all()
    np.testing.assert_array_equal(pictures[1, :, 2, 3, 3], images[:, 0, 0, 0])
    assert inside[1].sum() == 1


def test_a_node_whose_middle_is_not_its_own_still_has_a_place_in_its_crop():
    instances = np.zeros((3, 40, 40), np.uint16)
    instances[1, 0, :] = instances[1, -1, :] = instances[1, :, 0] = instances[1, :, -1] = 1
    assert crops(np.zeros((3, 3, 40, 40), np.float32), instances, (4, 4, 4))[1].any()


def test_features_are_those_of_the_bottleneck_and_of_the_inside_alone():
    network = IdentificationNetwork(load(segmentation(), build)).eval()
    images = torch.randn(2, 3, 8, 12, 12)
    inside = torch.zeros(2, 8, 12, 12)
    inside[:, 3:5, 4:6, 4:6] = 1
    bottleneck, fine = network.backbone.features(images)
    pooled = torch.stack([f[:, 3:5, 4:6, 4:6].mean((1, 2, 3)) for f in fine])
    expected = network.head(torch.cat([bottleneck.mean((2, 3, 4)), pooled], 1))
    torch.testing.assert_close(network(images, inside), expected)
    wider = torch.ones_like(inside)
    assert not torch.allclose(network(images, wider), expected)


def test_the_map_reaches_the_attention_network_and_not_the_plain_one():
    images = torch.randn(1, 3, 8, 12, 12)
    images[:, 2] = 1
    other = images.clone()
    other[:, 2, :, :, 6:] = 0
    inside = torch.zeros(1, 8, 12, 12)
    inside[:, :, :, 2:9] = 1
    for name, same in (("attention", False), ("plain", True)):
        network = IdentificationNetwork(load(segmentation(name), build)).eval()
        assert torch.equal(network(images, inside), network(other, inside)) == same


def test_it_starts_from_the_weights_of_its_segmentation():
    exported = segmentation()
    torch.manual_seed(5)
    started = IdentificationNetwork(load(exported, build)).backbone.state_dict()
    torch.manual_seed(5)
    random = IdentificationNetwork(build(exported["plans"], exported["dataset_json"])).backbone
    for name, value in exported["weights"].items():
        assert torch.equal(started[name], value)
    assert any(not torch.equal(random.state_dict()[n], v) for n, v in started.items())


def test_another_start_gives_another_network(tmp_path):
    """What is learned depends on the segmentation, not on data and seed alone."""
    elsewhere = checkpoints.load(phantom.tiny_fold())
    for value in elsewhere["networks"]["attention"]["weights"].values():
        value += 0.05
    checkpoints.save(tmp_path / "segmentation.pt", elsewhere)
    fold = phantom.fold(split=(*phantom.SPLIT[:2], []))
    other = training.train_fold(fold, tmp_path / "segmentation.pt", TINY, phantom.run(tmp_path))
    assert digest(other, "plain") == digest(tiny_fold(), "plain")
    assert digest(other, "attention") != digest(tiny_fold(), "attention")


# Augmentation and sampling


def test_flips_move_map_and_instance_along_and_noise_spares_the_map():
    draw = np.random.default_rng(0)
    images = draw.normal(size=(16, 3, 6, 8, 8)).astype(np.float32)
    images[:, 0] = images[:, 2]
    inside = (images[:, 2] > 1).astype(np.float32)
    before = images.copy()
    flipped, moved = training.augment(images.copy(), inside.copy(), draw, noise=0.0)
    np.testing.assert_array_equal(flipped[:, 0], flipped[:, 2])
    np.testing.assert_array_equal(moved, flipped[:, 2] > 1)
    assert not np.array_equal(flipped, before)
    noisy, _ = training.augment(before.copy(), inside.copy(), draw, noise=0.5)
    np.testing.assert_array_equal(np.sort(noisy[:, 2], None), np.sort(before[:, 2], None))
    assert not np.array_equal(noisy[:, 0], noisy[:, 2])


def test_positives_are_drawn_as_often_as_negatives():
    positive = np.arange(21) == 7
    draw = np.random.default_rng(0)
    for size in (8, 5):
        drawn = [training.balanced(positive, size, draw) for _ in range(200)]
        assert np.mean(np.concatenate(drawn) == 7) == pytest.approx(0.5, abs=0.05)
        assert len(drawn[0]) == size


def test_the_validation_loss_weighs_both_classes_alike():
    class Certain(torch.nn.Module):
        def forward(self, images, inside):
            return torch.tensor([[2.0, 0.0]]).repeat(len(images), 1)

    pictures, inside = np.zeros((4, 3, 2, 2, 2), np.float16), np.ones((4, 2, 2, 2), bool)
    examples = training.Examples([(pictures, inside, np.array([True, False, False, False]), "")])
    expected = np.mean([np.log1p(np.exp(2.0)), np.log1p(np.exp(-2.0))])
    assert training.balanced_cross_entropy(Certain(), examples, 3) == pytest.approx(
        expected, abs=1e-6
    )
    assert training.balanced_cross_entropy(Certain(), training.Examples([]), 3) is None


# Training of a fold


def digest(model, name):
    return checkpoints.digest(model["networks"][name]["weights"])


def test_a_fold_has_its_networks_and_loads_as_plain_weights(tmp_path):
    model = tiny_fold()
    assert set(model["networks"]) == {"attention", "plain", "inner0", "inner1"}
    checkpoints.save(tmp_path / "again.pt", model)
    again = checkpoints.load(tmp_path / "again.pt")
    assert digest(again, "inner1") == digest(model, "inner1")


def test_a_training_patients_classes_reach_only_the_networks_that_see_them(tmp_path):
    *images, mask = phantom.arrays(0)
    swapped = np.where(mask > 0, 3 - mask, 0).astype(np.uint8)
    patients = {**phantom.cohort(), "P0": phantom.write(tmp_path, "P0", (*images, swapped))}
    model = trained(tmp_path, patients)
    assert digest(model, "inner0") == digest(tiny_fold(), "inner0")
    for name in ("attention", "plain", "inner1"):
        assert digest(model, name) != digest(tiny_fold(), name)


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    save, saved = checkpoints.save, []

    def dies(path, value):
        save(path, value)
        saved.append(path)
        if len(saved) in (1, 4):
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", dies)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            trained(tmp_path, phantom.cohort())
    model = trained(tmp_path, phantom.cohort())
    for name in model["networks"]:
        assert digest(model, name) == digest(tiny_fold(), name)


def test_without_a_positive_node_the_network_is_a_constant_and_says_so(tmp_path):
    patients = {}
    for i in range(5):
        found = phantom.arrays(i, positive=0)
        patients[f"P{i}"] = phantom.write(tmp_path, f"P{i}", found)
    model = trained(tmp_path, patients, split=(*phantom.SPLIT[:2], []))
    network = model["networks"]["attention"]
    n = sum(components(phantom.arrays(i, positive=0)[3], phantom.SPACING).max() for i in range(4))
    assert network["weights"] is None and "no positive lymph node" in network["note"]
    assert network["constant"] == pytest.approx(1 / (n + 2))
    instances = components(phantom.arrays(0)[3], phantom.SPACING)
    found = prediction.classify(model, "attention", phantom.images("P0"), instances)
    assert (found == network["constant"]).all() and len(found) > 0


def test_a_crop_that_the_network_cannot_halve_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"next size up is \[12, 12, 12\]"):
        trained(tmp_path, phantom.cohort(), {**TINY, "crop": [9, 12, 12]})


# Prediction


def classified(model, name, patient, instances=None):
    if instances is None:
        mask = volumes.read(phantom.cohort()[patient]["lymph_nodes"]).array
        instances = components(mask, phantom.SPACING)
    return prediction.classify(model, name, phantom.images(patient), instances)


def test_a_patient_without_instances_is_a_result():
    nothing = np.zeros(phantom.SHAPE, np.uint16)
    assert len(classified(tiny_fold(), "attention", "P6", nothing)) == 0
    assert prediction.class_aware(nothing, []).max() == 0


def test_probabilities_do_not_depend_on_who_shares_the_batch():
    mask = volumes.read(phantom.cohort()["P6"]["lymph_nodes"]).array
    instances = components(mask, phantom.SPACING)
    together = classified(tiny_fold(), "attention", "P6", instances)
    alone = [
        classified(tiny_fold(), "attention", "P6", (instances == i).astype(np.uint16))[0]
        for i in range(1, len(together) + 1)
    ]
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_the_prior_moves_probabilities_and_not_their_order():
    mask = volumes.read(phantom.cohort()["P6"]["lymph_nodes"]).array
    instances = components(mask, phantom.SPACING)
    shift = training.prior_shift(18, 82, "training")
    assert training.prior_shift(18, 82, "balanced") == 0
    model = copy.deepcopy(tiny_fold())
    drawn = classified(model, "attention", "P6", instances)
    model["networks"]["attention"]["shift"] = shift
    found = classified(model, "attention", "P6", instances)
    # Bayes: a node drawn from either class alike has odds of 82 to 18 times those among all.
    np.testing.assert_allclose(found / (1 - found), drawn / (1 - drawn) * 18 / 82, rtol=1e-6)


def test_class_aware_mask_holds_negative_and_positive_instances():
    instances = np.array([[[0, 1, 2, 3]]], np.uint16)
    found = prediction.class_aware(instances, [0.2, 0.5, 0.9])
    assert found.tolist() == [[[0, 1, 2, 2]]] and found.dtype == np.uint8


def test_touching_nodes_of_both_classes_are_two_examples():
    mask = np.zeros((4, 8, 8), np.uint8)
    mask[1:3, 2:5, 2:4], mask[1:3, 2:5, 4:6] = 1, 2
    assert sorted(positives_of(mask, components(mask, (1, 1, 1)))) == [False, True]


def test_it_learns_to_tell_positive_nodes_and_permuted_classes_bring_it_to_chance(tmp_path):
    names = [f"P{i}" for i in range(6)]
    split = (names, [], [])
    test = {p: phantom.cohort()[p] for p in ("P6", "P7")}
    model = trained(tmp_path, phantom.cohort(), LEARNING, split)
    rows = prediction.on_ground_truth(model, "plain", test)
    # The record of what it fitted is what it says of its own training nodes.
    own = prediction.on_ground_truth(model, "plain", {p: phantom.cohort()[p] for p in names})
    learned = model["networks"]["plain"]["learned"]
    assert (learned["measure"], learned["value"]) == ("AUC", pytest.approx(rank(own), abs=0.01))
    assert list(rows[0]) == ["patient", "instance", "positive", "p_positive"]
    assert rank(rows) > 0.85
    patients, draw = {}, np.random.default_rng(1)
    for i, name in enumerate(names):
        *images, mask = phantom.arrays(i)
        instances = components(mask, phantom.SPACING)
        classes = np.concatenate([[0], draw.integers(1, 3, instances.max())]).astype(np.uint8)
        patients[name] = phantom.write(tmp_path, name, (*images, classes[instances]))
    wrong = prediction.on_ground_truth(trained(tmp_path, patients, LEARNING, split), "plain", test)
    assert rank(wrong) < rank(rows)


def rank(rows):
    """Share of positive-negative pairs in which the positive has the higher probability."""
    p = np.array([row["p_positive"] for row in rows])
    y = np.array([row["positive"] for row in rows], bool)
    return float((p[y][:, None] > p[~y][None]).mean())


# The patient's feature


@pytest.mark.parametrize(
    "how, p_positive, expected",
    [
        ("largest", (0.9, 0.5, 0.2), 300.0),
        ("total", (0.9, 0.5, 0.2), 400.0),
        ("mean", (0.9, 0.5, 0.2), 200.0),
        ("largest", (0.3, 0.49, 0.2), 0.0),
        ("mean", (0.3, "", 0.2), 0.0),
        ("largest", (0.9, 0.5, 0.6), 900.0),
    ],
)
def test_volume_of_positive_nodes(how, p_positive, expected):
    rows = [
        {"volume_mm3": volume, "p_positive": p}
        # as numbers, and as text read from a table
        for volume, p in zip((100.0, "300.0", 900.0), p_positive, strict=True)
    ]
    assert volume_feature(positive_volumes(rows), how) == expected


def test_a_patient_without_nodes_has_volume_zero():
    assert [volume_feature([], how) for how in ("largest", "mean", "total")] == [0.0, 0.0, 0.0]


def test_another_measure_of_the_nodes_is_refused():
    with pytest.raises(InputError, match="largest, mean, total"):
        volume_feature([1.0], "median")
