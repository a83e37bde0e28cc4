"""Lymph-node segmentation: map, loss, sampler, who learns from whom, and that it learns."""

import contextlib
import dataclasses
import io

import lymph_node_phantom as phantom
import numpy as np
import pytest
import torch
from batchgeneratorsv2.transforms.intensity.brightness import BrightnessAdditiveTransform

from nodestage import metrics
from nodestage.core import checkpoints, volumes
from nodestage.core import instances as table
from nodestage.core.errors import InputError
from nodestage.core.run import TrainingSet
from nodestage.lymph_nodes import crossfitting, instances, prediction, preparation, training
from nodestage.lymph_nodes.augmentation import ImagesOnly, spare_map
from nodestage.lymph_nodes.loss import TverskyLoss
from nodestage.lymph_nodes.network import LymphNodeUNet, build
from nodestage.lymph_nodes.sampling import InformativeLoader
from nodestage.lymph_nodes.trainer import LymphNodeTrainer, LymphNodeTraining
from nodestage.lymph_nodes.variants import VARIANTS
from nodestage.nnunet import network
from nodestage.nnunet.plans import make_plans
from nodestage.nnunet.trainer import Loader, copy_patches, with_shift

ANATOMY = {
    "labels": {"aorta": 8, "pancreas": 11},
    "ranges_mm": {"aorta": [0, 28], "pancreas": [-5, 20]},
    "stations": {"aorta": [16], "pancreas": [17, 18]},
}


@pytest.fixture(scope="module")
def planned():
    return make_plans(
        "lymph_nodes",
        [phantom.SHAPE],
        phantom.SPACING,
        preparation.CHANNELS,
        1,
        phantom.TINY["network"],
    )


def fresh(planned, variant, seed=0, deep_supervision=True):
    torch.manual_seed(seed)
    plans = {**planned.plans, "variant": variant}
    return build(plans, planned.dataset_json, deep_supervision).eval()


def picture(seed=0, attention=None):
    draw = torch.Generator().manual_seed(seed)
    found = torch.randn((2, 3, 16, 24, 24), generator=draw)
    found[:, 2] = torch.rand((2, 16, 24, 24), generator=draw) if attention is None else attention
    return found


# The map in the network


def test_a_feature_changes_no_logit_where_the_map_is_zero(planned):
    net = fresh(planned, "attention")
    x = picture()
    x[:, 2, :8] = 0
    features = net.decoded(x)[1]
    for stage, (feature, head) in enumerate(zip(features, net.decoder.seg_layers, strict=True)):
        changed = feature.clone()
        half = feature.shape[2] // 2
        changed[:, :, :half] += 5 * torch.randn_like(changed[:, :, :half])
        before, after = (head(net.before_head(stage, f, x[:, 2:])) for f in (feature, changed))
        torch.testing.assert_close(before, after, rtol=0, atol=0)
        changed[:, :, half:] += 1
        assert not torch.equal(before, head(net.before_head(stage, changed, x[:, 2:])))


def test_a_map_of_one_is_the_architecture_without_multiplication(planned):
    guided, unguided = fresh(planned, "attention"), fresh(planned, "map_one", seed=1)
    unguided.load_state_dict(guided.state_dict())
    for a, b in zip(guided(picture(attention=1.0)), unguided(picture(attention=0.3)), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_each_stage_averages_the_map_of_the_stage_before_it(monkeypatch):
    """As good as from full size, and read once: a coarse voxel is never thousands summed up."""
    plan = make_plans(
        "lymph_nodes", [(32, 48, 48)], (2.0, 2.0, 2.0), preparation.CHANNELS, 1,
        {"patch_size": [32, 48, 48], "features": [4, 4, 8, 8]},
    )  # fmt: skip
    net, pooled = fresh(plan, "attention"), []
    x = torch.rand((2, 3, 32, 48, 48), generator=torch.Generator().manual_seed(0))
    at_once = [
        head(net.before_head(stage, feature, x[:, 2:]))
        for stage, (feature, head) in enumerate(
            zip(net.decoded(x)[1], net.decoder.seg_layers, strict=True)
        )
    ]
    pool = torch.nn.functional.adaptive_avg_pool3d
    monkeypatch.setattr(
        "nodestage.lymph_nodes.network.functional.adaptive_avg_pool3d",
        lambda image, size: pooled.append(tuple(image.shape[2:])) or pool(image, size),
    )
    for found, expected in zip(net(x), at_once[::-1], strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert pooled == [(32, 48, 48), (16, 24, 24)]


def test_the_encoder_does_not_see_the_map(planned):
    net = fresh(planned, "attention")
    for a, b in zip(*(net.decoded(picture(attention=v))[1] for v in (0.0, 1.0)), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(net(picture(attention=0.5))[0], net(picture())[0])


def test_plain_is_the_stock_network_on_two_images(planned):
    plans, dataset = planned.plans, planned.dataset_json
    stock = network.build(plans, {**dataset, "channel_names": {"0": "CT", "1": "CT"}}, True).eval()
    wrapped = LymphNodeUNet(stock, blocks=False, attention=False)
    for a, b in zip(stock(picture()[:, :2]), wrapped(picture()), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_every_deep_supervision_head_has_its_block(planned):
    net = fresh(planned, "attention")
    assert len(net.blocks) == len(net.decoder.seg_layers) == 2
    assert [block.conv.kernel_size for block in net.blocks] == [(1, 1, 1)] * 2
    assert fresh(planned, "tversky").blocks is None


# Loss


def test_tversky_is_equation_3_by_hand():
    p1 = np.array([0.9, 0.2, 0.6, 0.1])
    y1 = np.array([1, 0, 0, 1])
    # 2 TP = 2 (0.9 + 0.1), FP = 0.2 + 0.6, FN = 0.1 + 0.9
    expected = -2.0 / (2.0 + 0.5 * 0.8 + 1.5 * 1.0)
    logits = torch.tensor(np.log(np.stack([1 - p1, p1]))).reshape(1, 2, 1, 2, 2)
    labels = torch.tensor(y1).reshape(1, 1, 1, 2, 2)
    assert TverskyLoss(smooth=0)(logits, labels).item() == pytest.approx(expected, abs=1e-6)


def test_tversky_with_equal_weights_is_dice_and_beta_punishes_misses():
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn((2, 2, 4, 4, 4), generator=draw)
    labels = (torch.rand((2, 1, 4, 4, 4), generator=draw) > 0.7).long()
    p, y = torch.softmax(logits, 1)[:, 1], labels[:, 0]
    dice = -(2 * (p * y).sum((1, 2, 3)) / (p.sum((1, 2, 3)) + y.sum((1, 2, 3)))).mean()
    assert TverskyLoss(1, 1, smooth=0)(logits, labels).item() == pytest.approx(
        dice.item(), abs=1e-6
    )
    missing = torch.stack([torch.ones_like(p), -torch.ones_like(p)], 1)
    assert TverskyLoss(0.5, 1.5)(missing, labels) > TverskyLoss(0.5, 0.5)(missing, labels)


def test_a_patch_without_nodes_has_a_finite_loss_and_gradient():
    logits = torch.randn((2, 2, 4, 4, 4), requires_grad=True)
    loss = TverskyLoss()(logits, torch.zeros((2, 1, 4, 4, 4)))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_variant_trains_with_its_own_loss_under_deep_supervision(planned, variant, tmp_path):
    running = trainer_of(planned, variant, tmp_path)
    loss = running._build_loss()
    assert isinstance(loss.loss.dc, TverskyLoss) == VARIANTS[variant].tversky
    outputs = [torch.randn(2, 2, 16, 24, 24), torch.randn(2, 2, 8, 12, 12)]
    targets = [torch.ones(2, 1, *o.shape[2:]) for o in outputs]
    # Two outputs: nnU-Net's weights are 1 and 1/2, of which the coarsest is set to 0.
    found, alone = loss(outputs, targets), loss.loss(outputs[0], targets[0])
    assert found.item() == pytest.approx(alone.item())
    if VARIANTS[variant].tversky:
        expected = torch.nn.functional.cross_entropy(outputs[0], targets[0][:, 0].long())
        batch = running.configuration_manager.batch_dice
        expected = expected + TverskyLoss(0.5, 1.5, batch)(outputs[0], targets[0])
        assert found.item() == pytest.approx(expected.item(), abs=1e-5)


def trainer_of(planned, variant, folder):
    from nodestage.nnunet.environment import environment

    plans = {**planned.plans, "variant": variant, "continue_training": False}
    folders = dict.fromkeys(("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results"), str(folder))
    with environment(**folders):
        device = torch.device("cpu")
        running = LymphNodeTrainer(plans, "3d_fullres", 0, planned.dataset_json, device)
    running.configure(LymphNodeTraining(compile=False), TrainingSet([], []))
    return running


# Augmentation


def training_transforms():
    return LymphNodeTrainer.get_training_transforms(
        (16, 24, 24), (-0.5, 0.5), None, (0, 1, 2), False, use_mask_for_norm=[False] * 3
    )


def test_a_shift_moves_each_phase_by_itself_and_leaves_the_map_alone():
    transforms = training_transforms()
    with_shift(transforms, 0.5)
    spare_map(transforms)
    (shift,) = (
        t
        for t in transforms.transforms
        if isinstance(getattr(t, "transform", t), BrightnessAdditiveTransform)
    )
    torch.manual_seed(0)
    drawn = []
    for _ in range(200):
        before = picture()[0].clone()
        image = shift(image=before.clone(), segmentation=torch.zeros(1, 16, 24, 24))["image"]
        moved = (image - before).flatten(1)
        assert (moved.amax(1) - moved.amin(1)).max() < 1e-5 and not moved[2].any()
        drawn.append(moved[:2, 0].numpy())
    drawn = np.array(drawn)
    assert np.abs(drawn.std(0) - 0.5).max() < 0.1 and np.abs(drawn.mean(0)).max() < 0.1
    assert abs(np.corrcoef(drawn.T)[0, 1]) < 0.2


def test_intensity_augmentation_leaves_the_map_alone():
    always = spare_map(training_transforms())
    touched = [t for t in always.transforms if isinstance(t, ImagesOnly)]
    assert len(touched) == 7  # noise, blur, brightness, contrast, resolution, gamma twice
    for transform in touched:
        transform.transform.apply_probability = 1.0
        inner = transform.transform.transform
        for name in ("p_per_channel",):
            if hasattr(inner, name):
                setattr(inner, name, 1.0)
        image = picture()[0].clone()
        before = image.clone()
        changed = transform(image=image, segmentation=torch.zeros(1, 16, 24, 24))["image"]
        assert torch.equal(changed[2], before[2])
        assert not torch.equal(changed[0], before[0])
        assert not torch.equal(changed[1], before[1])


def test_spatial_augmentation_moves_the_map_with_the_image():
    moving = [
        t for t in spare_map(training_transforms()).transforms if not isinstance(t, ImagesOnly)
    ]
    moving[0].p_rotation = moving[0].p_scaling = 1.0
    image = picture()[0]
    image[0] = image[2]  # an image that is its own map must stay so
    before = image.clone()
    data = {"image": image, "segmentation": torch.zeros((1, 16, 24, 24), dtype=torch.int16)}
    for transform in moving:
        data = transform(**data)
    assert torch.equal(data["image"][0], data["image"][2])
    assert not torch.equal(data["image"][2], before[2])


# Sampler


class Held:
    """A data set in memory, as nnU-Net's loader asks for it."""

    def __init__(self, attention, node=None):
        self.identifiers = ["P0"]
        draw = np.random.default_rng(0)
        self.data = draw.normal(size=(3, *attention.shape)).astype(np.float32)
        self.data[2] = attention
        self.labels = np.zeros((1, *attention.shape), np.int16)
        voxels = np.zeros((0, 4), int)
        if node is not None:
            self.labels[(0, *(slice(n - 3, n + 4) for n in node))] = 1
            voxels = np.array([[0, *node]])
        self.properties = {"class_locations": {1: voxels}}

    def load_case(self, patient):
        return self.data, self.labels, None, self.properties


def loader(held, kind=InformativeLoader, foreground=0.0, moved=1.0):
    from nnunetv2.utilities.label_handling.label_handling import LabelManager

    transforms = spare_map(training_transforms())
    transforms.transforms[0].p_rotation = transforms.transforms[0].p_scaling = moved
    copy_patches(transforms)
    labels = LabelManager({"background": 0, "node": 1}, None)
    np.random.seed(0)
    torch.manual_seed(0)
    return kind(
        held, 2, (22, 34, 34), (16, 24, 24), labels,
        oversample_foreground_percent=foreground, transforms=transforms,
    )  # fmt: skip


def corner_map(shape=(40, 72, 72)):
    attention = np.zeros(shape, np.float32)
    attention[:14, :16, :16] = 1
    return attention


def test_informative_patches_hold_attention_after_augmentation():
    draws = np.zeros(3, int)
    for batch in (next(informative) for informative in [loader(Held(corner_map()))] * 40):
        assert batch["data"].shape == (2, 3, 16, 24, 24)
        assert (batch["data"][:, 2].amax((1, 2, 3)) >= 1e-3).all()
        draws += batch["draws"]
    assert draws[0] == 80 and draws[1] > 40 and draws[2] == 0


def test_foreground_patches_stay_as_nnunet_draws_them():
    held = Held(corner_map(), node=(35, 60, 60))  # an annotated node out of every range
    sampled = loader(held, foreground=1.0)
    batches = [next(sampled) for _ in range(10)]
    assert all((batch["target"] == 1).flatten(1).any(1).all() for batch in batches)
    assert sum(batch["draws"] for batch in batches)[2] > 0


def node_centers(kind, anywhere):
    """Where the node lies in its patch, as a share of the patch: (patches, 3)."""
    sampled = loader(Held(np.ones((40, 72, 72), np.float32), node=(20, 36, 36)), kind, 1.0)
    sampled.foreground_anywhere = anywhere
    found = []
    for batch in (next(sampled) for _ in range(30)):
        for target in batch["target"]:
            place = torch.nonzero(target[0] == 1).double()
            if len(place):
                found.append((place.mean(0).numpy() + 0.5) / target.shape[1:])
    return np.array(found)


@pytest.mark.parametrize("kind", [Loader, InformativeLoader])
def test_a_node_in_the_middle_of_its_patch_gives_itself_away(kind):
    centered, anywhere = node_centers(kind, False), node_centers(kind, True)
    assert len(centered) == 60 and np.abs(centered - 0.5).max() < 0.1
    assert len(anywhere) > 50  # rotation may turn one out of the patch
    assert (anywhere.min(0) < 0.25).all() and (anywhere.max(0) > 0.75).all()
    np.testing.assert_allclose(anywhere.mean(0), 0.5, atol=0.1)


def test_foreground_patches_lie_no_farther_out_than_others():
    sampled = loader(Held(np.ones((40, 72, 72), np.float32), node=(3, 3, 68)), Loader, 1.0)
    sampled.foreground_anywhere = True
    places = {1: np.array([[0, 3, 3, 68]])}
    boxes = [sampled.get_bbox((40, 72, 72), True, places) for _ in range(200)]
    low, high = (np.array([box[end] for box in boxes]) for end in (0, 1))
    np.testing.assert_array_equal(high - low, np.broadcast_to((22, 34, 34), low.shape))
    # Augmentation keeps the middle (16, 24, 24) of a box: the voxel is in all of them.
    assert (low + (3, 5, 5) <= (3, 3, 68)).all() and ((3, 3, 68) < low + (19, 29, 29)).all()
    assert (low + (3, 5, 5) >= 0).all() and (low + (19, 29, 29) <= (40, 72, 72)).all()


def test_a_patient_without_attention_gives_patches_all_the_same():
    batch = next(loader(Held(np.zeros((40, 72, 72), np.float32))))
    assert list(batch["draws"]) == [2, 2, 2]


@pytest.mark.parametrize("moved", [0.0, 1.0])
def test_training_does_not_write_into_the_volumes_that_it_keeps(moved):
    held = Held(np.full((40, 72, 72), 5e-4, np.float32))  # less than counts as attention
    held.labels[:] = -1
    before = held.data.copy(), held.labels.copy()
    sampled = loader(held, moved=moved)
    for _ in range(10):
        next(sampled)
    np.testing.assert_array_equal(held.data, before[0])
    np.testing.assert_array_equal(held.labels, before[1])


# Instances


def test_touching_positive_and_negative_nodes_stay_apart():
    mask = np.zeros((6, 10, 10), np.uint8)
    mask[2:4, 2:4, 2:5] = 1
    mask[2:4, 2:4, 5:8] = 2
    mask[4, 4, 2] = 1  # touches by a corner: the same node
    found = instances.components(mask, (1, 1, 1))
    assert found.dtype == np.uint16 and found.max() == 2
    assert set(found[mask == 1]) != set(found[mask == 2])
    assert (found > 0).sum() == (mask > 0).sum()


def test_small_components_are_dropped_and_the_rest_renumbered():
    mask = np.zeros((4, 9, 9), bool)
    mask[0, 0, 0] = mask[1:3, 4:6, 4:6] = mask[3, 8, 8] = True
    found = instances.components(mask, (2.0, 1.0, 1.0), min_volume_mm3=3.0)
    assert sorted(np.unique(found)) == [0, 1] and (found == 1).sum() == 8
    assert instances.components(mask, (2.0, 1.0, 1.0), 2.0).max() == 3


@pytest.mark.parametrize("length", [1, 2, 9])
def test_a_row_of_pixels_is_as_wide_as_one_pixel(length):
    row = np.ones((1, 1, length), bool)
    assert metrics.short_axis_mm(row, (3.0, 0.5, 0.5)) == pytest.approx(0.5)


@pytest.mark.parametrize("angle", [0, 20, 45, 77])
def test_short_axis_of_a_turned_ellipsoid_is_its_smaller_diameter(angle):
    z, y, x = np.moveaxis((np.moveaxis(np.indices((9, 81, 81)), 0, -1) - [4, 40, 40]) * 0.5, -1, 0)
    a = np.radians(angle)
    along, across = y * np.cos(a) + x * np.sin(a), x * np.cos(a) - y * np.sin(a)
    node = (along / 15) ** 2 + (across / 6) ** 2 + (z / 2) ** 2 <= 1
    assert metrics.short_axis_mm(node, (0.5, 0.5, 0.5)) == pytest.approx(12, abs=0.8)


def test_the_table_names_place_nearest_structure_and_station():
    organs = np.zeros((20, 40, 40), np.uint8)
    organs[:, 5:10, 5:10] = 8
    organs[5:15, 20:30, 20:30] = 11
    found = np.zeros(organs.shape, np.uint16)
    found[10, 8, 14:17] = 1  # beside the aorta, whose border voxels end at x = 9
    found[10, 25, 25] = 2  # inside the pancreas, five voxels from its border
    rows = instances.instance_table(found, (2.0, 1.0, 1.0), organs, ANATOMY, origin=(100, 200, 300))
    assert list(rows[0]) == table.COLUMNS
    assert rows[0]["volume_mm3"] == 6.0
    assert (rows[0]["x"], rows[0]["y"], rows[0]["z"]) == (115.0, 208.0, 320.0)
    assert (rows[0]["nearest_structure"], rows[0]["distance_mm"]) == ("aorta", 6.0)
    assert rows[0]["station"] == "16"
    assert rows[1]["nearest_structure"] == "pancreas" and rows[1]["station"] == "17/18"
    assert rows[1]["distance_mm"] == pytest.approx(-4.0)


def test_distances_are_those_of_the_attention_map():
    from nodestage import attention

    draw = np.random.default_rng(3)
    organs = np.zeros((12, 20, 20), np.uint8)
    organs[2:9, 0:9, 4:13] = 8  # one structure at the volume's edge
    organs[5:12, 11:18, 9:19] = 11
    found = np.zeros(organs.shape, np.uint16)
    for number, place in enumerate(draw.choice(organs.size, 30, replace=False), start=1):
        found[np.unravel_index(place, organs.shape)] = number
    spacing = (2.5, 1.5, 1.0)
    rows = instances.instance_table(found, spacing, organs, ANATOMY)
    for row in rows:
        voxel = found == row["instance"]
        label, distance = attention.node_distances(organs, voxel, spacing, [8, 11])
        assert row["distance_mm"] == pytest.approx(distance[0], abs=1e-4)
        assert ANATOMY["labels"][row["nearest_structure"]] == label[0]


def test_a_patient_without_instances_or_organs_is_a_result():
    nothing = np.zeros((4, 5, 6), np.uint16)
    assert instances.instance_table(nothing, (1, 1, 1), nothing.astype(np.uint8), ANATOMY) == []
    nothing[1, 1, 1] = 1
    (row,) = instances.instance_table(nothing, (1, 1, 1), nothing.astype(np.uint8) * 0, ANATOMY)
    assert row["nearest_structure"] == "" and row["distance_mm"] is None and row["station"] == ""


INNER = [["P0", "P1"], ["P2"]]


@pytest.mark.parametrize(
    "patient, subset, variant, inner, expected",
    [
        ("P0", "train", "attention", INNER, ("inner0", False)),
        ("P2", "train", "attention", INNER, ("inner1", False)),
        ("P0", "train", "attention", [], ("attention", True)),
        ("P0", "train", "plain", INNER, None),
        ("P8", "validation", "plain", INNER, ("plain", False)),
        ("P9", "test", "attention", INNER, ("attention", False)),
        ("X1", "external", "plain", INNER, ("plain", False)),
    ],
)
def test_no_network_measures_a_patient_that_it_learned_from(
    patient, subset, variant, inner, expected
):
    assert crossfitting.measured_by(patient, subset, variant, inner) == expected


# Training of a fold


def digests(path):
    return {name: found["digest"] for name, found in checkpoints.load(path)["networks"].items()}


def texts(value):
    """All texts in a nest of dicts and lists, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for pair in value.items():
            yield from texts(list(pair))
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts(part)


def test_a_fold_has_its_networks_and_its_file_names_no_patient():
    path = phantom.tiny_fold()
    model = checkpoints.load(path)
    assert set(model["networks"]) == {"plain", "attention", "inner0", "inner1"}
    assert not set(phantom.cohort()) & set(texts(model))


def test_an_inner_network_learns_from_no_patient_that_it_measures():
    train, validation, inner = phantom.SPLIT
    sets = training.training_sets(phantom.fold(), ["plain", "attention"])
    for j, part in enumerate(inner):
        patients = sets[f"inner{j}"]
        assert patients.train and not set(patients.train) & set(part)
        assert patients.validation == []
    for patient in train:
        network = crossfitting.measured_by(patient, "train", "attention", inner).network
        assert patient not in sets[network].train
    assert sets["attention"] == (train, validation)


def test_a_training_patients_mask_reaches_only_the_networks_that_see_it(tmp_path):
    """And an undisturbed second run is the same, byte for byte, as the networks not reached."""
    *images, mask = phantom.arrays(0)
    changed = phantom.write(tmp_path, "P0", (*images, np.roll(mask, 9, axis=1)))
    patients = {**phantom.cohort(), "P0": changed}
    log = io.StringIO()
    with contextlib.redirect_stdout(log):
        training.train_fold(phantom.fold(patients), phantom.TINY, phantom.run(tmp_path))
    before, after = digests(phantom.tiny_fold()), digests(tmp_path / "model.pt")
    assert before["inner0"] == after["inner0"]  # learned from P2 and P3
    assert all(before[name] != after[name] for name in ("plain", "attention", "inner1"))
    assert "0.0% as trained on" in log.getvalue()
    assert not (tmp_path / "work").exists()


def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, monkeypatch):
    save, saved = checkpoints.save, []

    def dies_after_a_few(path, value):
        save(path, value)
        saved.append(path)
        if len(saved) in (1, 4):  # in the first network's first epoch, then in the second's
            raise KeyboardInterrupt

    monkeypatch.setattr(checkpoints, "save", dies_after_a_few)
    fold = phantom.fold(split=(*phantom.SPLIT[:2], []))
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            training.train_fold(fold, phantom.TINY, phantom.run(tmp_path))
        assert not (tmp_path / "model.pt").exists()
    training.train_fold(fold, phantom.TINY, phantom.run(tmp_path))
    whole = digests(phantom.tiny_fold())
    assert digests(tmp_path / "model.pt") == {name: whole[name] for name in ("plain", "attention")}


@pytest.mark.parametrize(
    "patients, inner, variants, message",
    [
        ({"P0": {"lymph_nodes": ""}}, [], ["plain"], "sample sheet"),
        ({"P0": {"lymph_nodes": "x"}}, [["P0"]], ["plain"], "folds.inner"),
        ({"P0": {"lymph_nodes": "x"}}, [], ["attentive"], "attentive"),
    ],
)
def test_what_cannot_be_trained_is_an_error_before_any_training(
    tmp_path, patients, inner, variants, message
):
    settings = {**phantom.TINY, "variants": variants}
    fold = phantom.fold(patients, (list(patients), [], inner))
    with pytest.raises(InputError, match=message):
        training.train_fold(fold, settings, phantom.run(tmp_path))


# What is learned


def learned(folder, shuffled=False):
    """An attention network of six patients, whose masks belong to them or to others."""
    names = [f"P{i}" for i in range(6)]
    patients = {p: dict(phantom.cohort()[p]) for p in names}
    if shuffled:
        masks = [patients[p]["lymph_nodes"] for p in names]
        for p, mask in zip(names, masks[1:] + masks[:1], strict=True):
            patients[p]["lymph_nodes"] = mask
    fold = phantom.fold(patients, (names, [], []))
    return training.train_fold(fold, phantom.learning(), phantom.run(folder))


def segmented(model, patient, attention=None, **settings):
    images = phantom.images(patient)
    if attention is not None:
        images = dataclasses.replace(images, attention=attention)
    instances, _ = prediction.predict(model, "attention", images, phantom.TINY | settings)
    return instances > 0


def truth_of(patient):
    return volumes.read(phantom.cohort()[patient]["lymph_nodes"]).array > 0


def dice(a, b):
    return 2 * (a & b).sum() / (a.sum() + b.sum())


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return learned(tmp_path_factory.mktemp("learned"))


def test_it_finds_nodes_of_patients_it_never_saw_and_no_decoy(model):
    for patient in ("P6", "P7"):
        found, truth = segmented(model, patient), truth_of(patient)
        assert dice(found, truth) > 0.7
        attention = volumes.read(phantom.cohort()[patient]["map"]).array
        assert not (found & (attention == 0)).sum() > 0.05 * truth.sum()


def test_masks_of_other_patients_destroy_it(model, tmp_path):
    wrong = learned(tmp_path, shuffled=True)
    right = dice(segmented(model, "P7"), truth_of("P7"))
    assert dice(segmented(wrong, "P7"), truth_of("P7")) < right - 0.4


def test_a_map_shuffled_in_space_collapses_recall(model):
    truth = truth_of("P7")
    attention = volumes.read(phantom.cohort()["P7"]["map"]).array
    shuffled = np.random.default_rng(0).permutation(attention.ravel()).reshape(attention.shape)
    recall = [
        (segmented(model, "P7", a) & truth).sum() / truth.sum() for a in (attention, shuffled)
    ]
    assert recall[0] > 0.75 and recall[1] < recall[0] / 2


def test_windows_without_attention_are_left_out_and_nothing_else_changes(model, monkeypatch):
    """Where the map is above 0 the result equals, bit by bit, that of running every window."""
    attention = volumes.read(phantom.cohort()["P6"]["map"]).array.copy()
    attention[:, :, 20:] = 0  # most windows lie in the dark
    fast = segmented(model, "P6", attention)
    seen = []
    run = prediction.prediction.predict_log_odds
    monkeypatch.setattr(
        prediction.prediction,
        "predict_log_odds",
        lambda *a, **k: run(*a, **{**k, "where": seen.append(k["where"])}),
    )
    slow = segmented(model, "P6", attention)
    assert seen[0].sum() == (attention >= 1e-3).sum()
    np.testing.assert_array_equal(fast[seen[0]], slow[seen[0]])
    assert not fast[:, :, 44:].any()


def test_fewer_windows_find_as_much(model, monkeypatch):
    run, found = [], {}
    build_as_it_is = prediction.build

    def build(*args, **kwargs):
        net = build_as_it_is(*args, **kwargs)
        net.register_forward_pre_hook(lambda _, images: run.append(len(images[0])))
        return net

    monkeypatch.setattr(prediction, "build", build)
    ways = {
        "scan": {},
        "attention": {"windows": "attention"},
        "share": {"min_attention_share": 0.2},
    }
    for name, how in ways.items():
        run.clear()
        mask = segmented(model, "P7", **how)
        found[name] = sum(run), dice(mask, truth_of("P7"))
    for name in ("attention", "share"):
        assert found[name][0] < found["scan"][0]
        assert found[name][1] > found["scan"][1] - 0.1


def test_prediction_does_not_import_the_trainer():
    import subprocess
    import sys

    code = (
        "import sys; from nodestage.lymph_nodes import prediction; "
        "from nodestage.identification import prediction; "
        "print([m for m in sys.modules if 'nnUNetTrainer' in m or m == 'pandas'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# Patients prepared once


def test_patients_who_were_prepared_once_give_the_same_networks(tmp_path):
    prepared = {}
    for patient, paths in phantom.cohort().items():
        folder = tmp_path / "prepared" / patient
        preparation.prepare(patient, paths, phantom.TINY, folder)
        prepared[patient] = {"prepared": str(folder), "lymph_nodes": str(folder)}
    training.train_fold(phantom.fold(prepared), phantom.TINY, phantom.run(tmp_path))
    assert digests(tmp_path / "model.pt") == digests(phantom.tiny_fold())


def test_a_patient_prepared_for_another_network_is_refused(tmp_path):
    network = {**phantom.TINY["network"], "spacing_mm": [5.0, 4.0, 4.0]}
    prepared = {}
    for patient, paths in phantom.cohort().items():
        folder = tmp_path / "prepared" / patient
        preparation.prepare(patient, paths, {**phantom.TINY, "network": network}, folder)
        prepared[patient] = {"prepared": str(folder), "lymph_nodes": str(folder)}
    with pytest.raises(InputError, match=r"P0: .*prepared for a network of other `spacing_mm`"):
        training.train_fold(phantom.fold(prepared), phantom.TINY, phantom.run(tmp_path))
