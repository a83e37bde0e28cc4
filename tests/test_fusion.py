"""The tumor network and its fusion with the nodes: each block against its definition."""

import dataclasses
import hashlib

import numpy as np
import pytest
import torch

from nodestage.core import learning
from nodestage.core.errors import InputError
from nodestage.core.optimizers import AdamW, Nesterov, one_cycle
from nodestage.methods import base, registry
from nodestage.methods.fusion import encoding, inputs, saliency, training, weights
from nodestage.methods.fusion.network import PatientNetwork, VolumeFeature
from nodestage.methods.fusion.resnet import ResNet18
from nodestage.methods.fusion.settings import network as network_settings
from nodestage.tumor import slices

SETTINGS = {
    "width": 64,
    "steps": 12,
    "optimizer": "sgd",
    "schedule": "polynomial",
    "checks": 6,
    "choose": "best",
    "learning_rate": 0.02,
    "momentum": 0.95,
    "weight_decay": 1e-4,
    "patients_per_batch": 4,
    "views_per_patient": 3,
    "windows_hu": {"arterial": [-39, 228], "venous": [-30, 173]},
    "third_channel": "mask",
    "augmentation": {
        "rotation_degrees": 15,
        "scale": 0.1,
        "shift": 0.05,
        "flip": True,
        "intensity": 0.05,
    },
    "tel": {"width": 64, "codewords": 8, "mask_weighted": False},
    "volume_relu": False,
    "pretrained": {"path": "none", "sha256": ""},
    "freeze": False,
}
SIZE = 32


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def views(bright, seed, usable=True, reason=""):
    """A tumor that is bright or dark in both phases, in noise."""
    if not usable:
        return {"usable": False, "reason": reason, "source": "none"}
    rng = np.random.default_rng(seed)
    images = rng.normal(80, 20, (9, 2, SIZE, SIZE))
    masks = np.zeros((9, SIZE, SIZE), np.uint8)
    masks[:, 10:22, 10:22] = 1
    images[:, :, 10:22, 10:22] += 70 if bright else -70
    return {
        "usable": True,
        "reason": "",
        "source": "tumor",
        "images": images.astype(np.int16),
        "masks": masks,
        "planes": np.repeat(np.arange(3, dtype=np.uint8), 3),
        "crop": images[:2].transpose(1, 0, 2, 3).astype(np.int16),
        "crop_mask": masks[:2],
    }


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """16 patients whose tumor shows the status, 8 of them to test on; two can't be scored."""
    folder = tmp_path_factory.mktemp("slices")
    labels = {f"P{i}": i % 2 for i in range(20)}
    paths = {}
    for number, (name, label) in enumerate(labels.items()):
        paths[name] = folder / f"{name}.npz"
        slices.write(paths[name], views(label == 1, number))
    paths["Q1"] = folder / "Q1.npz"
    slices.write(paths["Q1"], views(True, 0, usable=False, reason="no tumor was found"))
    # The largest of two is what counts; a patient without a positive node has none.
    volumes = {
        name: [100.0, 900.0] if label else [10.0 * i]
        for i, (name, label) in enumerate(labels.items())
    }
    volumes["Q1"] = []
    data = base.Data(paths, {}, {"attention": volumes, "plain": volumes}, {})
    return data, labels


def split(labels):
    names = list(labels)
    return names[:8], names[8:12], names[12:]


def fit(study, names, settings=SETTINGS, labels=None, seed=1, nodes=None):
    data, true = study
    train, validation, _ = split(true)
    known = {name: (labels or true)[name] for name in train + validation}
    classes = {name: registry.load(name) for name in names}
    chosen = {name: (nodes or {}) if name.startswith("nodes") else settings for name in names}
    return base.fit_family(
        classes, data, base.Split(train, validation, known), chosen, seed
    ), classes


@pytest.fixture(scope="module")
def fitted(study):
    return fit(study, ["nodes_plain", "nodes_attention", "tumor_net", "combined"])


# Blocks


@pytest.mark.parametrize("dimensions, side", [(2, 37), (3, 17)])
def test_the_mask_branch_is_the_identity_at_the_start(dimensions, side):
    trunk = ResNet18(dimensions).eval()
    image = torch.randn(2, 3, *[side] * dimensions)
    mask = (torch.randn(2, 1, *[side] * dimensions) > 0).float()
    branch = trunk.mask_branch(mask)
    assert branch.shape == trunk.conv1(image).shape
    assert torch.equal(branch, torch.ones_like(branch))
    assert torch.equal(trunk(image, mask), trunk(image, torch.zeros_like(mask)))


def test_the_mask_branch_learns_where_the_mask_is():
    trunk = ResNet18().eval()
    mask = torch.zeros(1, 1, 32, 32)
    mask[..., 8:24, 8:24] = 1
    trunk(torch.randn(1, 3, 32, 32), mask).sum().backward()
    assert trunk.mask_branch.conv.weight.grad.abs().sum() > 0


def test_texture_encoding_equals_its_formula_by_loops():
    layer = encoding.TextureEncoding(6, width=5, codewords=3).eval()
    feature, mask = torch.randn(2, 6, 2, 3), torch.ones(2, 1, 8, 12)
    x = layer.reduce(feature).detach().numpy()
    c, s = layer.codewords.detach().numpy(), layer.scale.detach().numpy()
    expected = np.zeros((2, 3, 5))
    for b in range(2):
        for row in range(2):
            for column in range(3):
                residual = [x[b, :, row, column] - c[k] for k in range(3)]
                logits = np.array([s[k] * (residual[k] ** 2).sum() for k in range(3)])
                share = np.exp(logits) / np.exp(logits).sum()
                for k in range(3):
                    expected[b, k] += share[k] * residual[k]
    expected = expected.reshape(2, 15)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(
        layer(feature, mask).detach().numpy(), expected, rtol=1e-4, atol=1e-6
    )


def test_the_nearest_codeword_weighs_most_at_the_start():
    layer = encoding.TextureEncoding(4)
    assert ((layer.scale < 0) & (layer.scale > -1)).all()
    assert layer.codewords.shape == (8, 64)


def test_texture_encoding_is_orderless_and_can_look_at_the_tumor_alone():
    layer = encoding.TextureEncoding(4, width=3, codewords=2, mask_weighted=True).eval()
    feature, mask = torch.randn(1, 4, 4, 4), torch.zeros(1, 1, 16, 16)
    mask[..., :8] = 1  # the left half of layer4's grid
    changed = feature.clone()
    changed[..., 2:] += 5
    torch.testing.assert_close(layer(feature, mask), layer(changed, mask))
    empty = torch.zeros_like(mask)
    assert not torch.allclose(layer(feature, empty), layer(changed, empty))
    layer.mask_weighted = False
    torch.testing.assert_close(layer(feature, mask), layer(feature.flip(3), mask))


@pytest.mark.parametrize("relu", [False, True])
def test_eq_7_by_hand(relu):
    network = PatientNetwork(("gap", "tel"), volume_features=1, volume_relu=relu).eval()
    bn, fc = network.volume.bn, network.volume.fc
    bn.running_mean.fill_(400.0)
    bn.running_var.fill_(250.0**2)
    bn.weight.data.fill_(1.3)
    bn.bias.data.fill_(-0.2)
    image, mask, volume = (
        torch.randn(2, 3, 32, 32),
        torch.ones(2, 1, 32, 32),
        torch.tensor([0.0, 665.0]),
    )
    features = network.features(image, mask)
    assert features.shape == (2, 1024)
    normalized = (volume - 400.0) / (250.0**2 + bn.eps) ** 0.5 * 1.3 - 0.2
    added = normalized[:, None] * fc.weight[:, 0][None] + fc.bias[None]
    added = added.clamp(min=0) if relu else added
    torch.testing.assert_close(network(image, mask, volume), network.head(features + added))


def test_the_volume_norm_remembers_every_batch_alike():
    feature = VolumeFeature(4).train()
    batches = [torch.tensor([0.0, 600.0]), torch.tensor([300.0, 1500.0])]
    for batch in batches:
        feature(batch)
    assert feature.bn.running_mean.item() == pytest.approx(np.mean([b.mean() for b in batches]))
    assert feature.bn.running_var.item() == pytest.approx(np.mean([b.var() for b in batches]))


def test_parameter_counts():
    def count(module):
        return sum(p.numel() for p in module.parameters())

    branch, head = 64 * 9 + 64, lambda n: n * 64 + 64 + 64 * 2 + 2
    resnet18 = 11_689_512 - (512 * 1000 + 1000)  # torchvision's, without its classifier
    tel = 512 * 64 + 64 + 2 * 64 + 8 * 64 + 8
    assert count(ResNet18()) == resnet18 + branch
    assert count(PatientNetwork(("gap",))) == resnet18 + branch + head(512)
    assert count(PatientNetwork(("tel",))) == resnet18 + branch + tel + head(512)
    both = resnet18 + branch + tel + head(1024)
    assert count(PatientNetwork(("gap", "tel"))) == both
    assert count(PatientNetwork(("gap", "tel"), volume_features=1)) == both + 2 + 2 * 1024


def test_gap_and_tel_give_different_features():
    network = PatientNetwork(("gap", "tel")).eval()
    feature = network.features(torch.randn(3, 3, 64, 64), torch.ones(3, 1, 64, 64))
    gap, tel = feature[:, :512], feature[:, 512:]
    assert not torch.allclose(gap, tel)
    np.testing.assert_allclose(tel.norm(dim=1).detach(), 1, rtol=1e-5)


# Pretrained weights


def published(folder, change=lambda found: None, module="", wrap=False):
    """A file in torchvision's format, with its digest."""
    trunk = ResNet18()
    # Rotated, so that they differ from what a fresh network starts with, yet stay sane.
    found = {k: v.flip(0) * 1.01 if v.ndim else v for k, v in trunk.state_dict().items()}
    found = {module + k: v for k, v in found.items() if not k.startswith("mask_branch")}
    found |= {f"{module}fc.weight": torch.randn(1000, 512), f"{module}fc.bias": torch.randn(1000)}
    change(found)
    path = folder / "resnet18.pth"
    torch.save({"state_dict": found} if wrap else found, path)
    return {"path": str(path), "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}, found


@pytest.mark.parametrize("module, wrap", [("", False), ("module.", True)])
def test_pretrained_weights_load_in_full(tmp_path, module, wrap):
    pretrained, found = published(tmp_path, module=module, wrap=wrap)
    trunk = ResNet18()
    assert weights.load(trunk, pretrained).startswith("pretrained, sha256")
    own = trunk.state_dict()
    assert len(found) == 122
    for key, value in found.items():
        if "fc." not in key:
            assert torch.equal(own[key.removeprefix(module)], value)


def test_old_files_without_batch_counters_load(tmp_path):
    def drop(found):
        for key in [k for k in found if k.endswith("num_batches_tracked")]:
            del found[key]

    pretrained, found = published(tmp_path, drop)
    assert len(found) == 102
    assert weights.load(ResNet18(), pretrained).startswith("pretrained")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda f: f.pop("layer3.1.bn2.weight"), "1 keys missing .'layer3.1.bn2.weight'"),
        (lambda f: f.pop("fc.bias"), "1 keys missing .'fc.bias'"),
        (lambda f: f.update({"layer5.weight": torch.zeros(1)}), "1 too many .'layer5.weight'"),
        (lambda f: f.update({"conv1.weight": torch.zeros(64, 4, 7, 7)}), "1 of another shape"),
    ],
)
def test_a_missing_additional_or_misshapen_key_is_an_error(tmp_path, change, words):
    pretrained, _ = published(tmp_path, change)
    with pytest.raises(InputError, match=words):
        weights.load(ResNet18(), pretrained)


def test_another_digest_and_a_missing_file_are_errors(tmp_path):
    pretrained, _ = published(tmp_path)
    with pytest.raises(InputError, match="sha256"):
        weights.load(ResNet18(), pretrained | {"sha256": "0" * 64})
    with pytest.raises(InputError, match=r"sha256. is empty"):
        weights.load(ResNet18(), pretrained | {"sha256": ""})
    with pytest.raises(InputError, match="missing"):
        weights.load(ResNet18(), pretrained | {"path": str(tmp_path / "nothing.pth")})


def test_frozen_layers_stay_as_pretrained(tmp_path, study):
    pretrained, found = published(tmp_path)
    settings = SETTINGS | {"pretrained": pretrained, "freeze": True, "steps": 2, "checks": 1}
    model, _ = fit(study, ["tumor_net"], settings)
    state = model["methods"]["tumor_net"]["state"]
    assert state["origin"].startswith("pretrained")
    assert str(tmp_path) not in repr(model["methods"]["tumor_net"]["settings"])
    for key in ("conv1.weight", "layer3.1.bn2.running_mean", "layer2.0.conv1.weight"):
        assert torch.equal(state["weights"][f"trunk.{key}"], found[key])
    assert not torch.equal(
        state["weights"]["trunk.layer4.1.conv2.weight"], found["layer4.1.conv2.weight"]
    )
    assert state["weights"]["trunk.mask_branch.conv.weight"].abs().sum() > 0


# Input


def test_hu_windows_and_channels():
    images = torch.tensor([-1024.0, -39, 228, 3000]).reshape(1, 1, 2, 2).repeat(1, 2, 1, 1)
    phases = inputs.scaled(images, SETTINGS["windows_hu"])
    assert phases[0, 0].flatten().tolist() == pytest.approx([0, 0, 1, 1])
    mask = torch.tensor([0.0, 1, 0, 1]).reshape(1, 1, 2, 2)
    image = inputs.channels(phases, mask)
    mean, std = inputs.NORMALIZATION[2]
    torch.testing.assert_close(image[:, 2:], (mask - mean[2]) / std[2])
    third = inputs.channels(phases, mask, "mean")[:, 2:]
    torch.testing.assert_close(third, (phases.mean(1, keepdim=True) - mean[2]) / std[2])


@pytest.mark.parametrize("shape", [(24, 24), (6, 24, 24)])
def test_augmentation_moves_mask_and_phases_alike(shape):
    mask = torch.zeros(8, 1, *shape)
    mask[..., 6:14, 9:19] = 1
    phases = mask.repeat(1, 2, *[1] * len(shape)) * 0.8
    options = SETTINGS["augmentation"] | {"intensity": 0}
    drawn = inputs.draw(8, options, torch.Generator().manual_seed(3))
    moved, moved_mask = inputs.augment(phases, mask, drawn)
    assert not torch.equal(moved_mask, mask)
    assert set(moved_mask.unique().tolist()) == {0.0, 1.0}
    overlap = ((moved[:, :1] > 0.4) == (moved_mask > 0)).float().mean()
    assert overlap > 0.97


def test_no_change_drawn_is_no_change_made():
    still = dict.fromkeys(["rotation_degrees", "scale", "shift", "intensity"], 0) | {"flip": False}
    drawn = inputs.draw(2, still, torch.Generator().manual_seed(0))
    phases, mask = torch.rand(2, 2, 9, 9), (torch.rand(2, 1, 9, 9) > 0.5).float()
    same, same_mask = inputs.augment(phases, mask, drawn)
    torch.testing.assert_close(same, phases, atol=1e-5, rtol=0)
    assert torch.equal(same_mask, mask)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_all_that_a_network_sees_follows_it_to_a_card(dimensions):
    shape = (24, 24) if dimensions == 2 else (8, 24, 24)
    pooling = ("gap", "tel") if dimensions == 2 else ("gap",)
    drawn = inputs.draw(4, SETTINGS["augmentation"], torch.Generator().manual_seed(0))
    images = torch.zeros(4, 2, *shape, dtype=torch.int16)
    masks, volumes = torch.zeros(4, 1, *shape, dtype=torch.uint8), torch.zeros(4)
    # A device of shapes without values: what stays on the CPU fails there as beside a card.
    network = PatientNetwork(pooling, volume_features=1, dimensions=dimensions).to("meta")
    network.volume.bn.momentum = 0.1  # ours counts batches, and there a count has no value
    logits = training.logits_of(network, images, masks, volumes, SETTINGS, drawn)
    assert (logits.device.type, tuple(logits.shape)) == ("meta", (4, 2))
    logits.sum().backward()
    assert {p.grad.device.type for p in network.parameters()} == {"meta"}


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_memory_order_of_a_cpu_changes_no_step(dimensions):
    shape = (32, 32) if dimensions == 2 else (8, 24, 24)
    seen = training.Views(
        torch.randint(-100, 200, (8, 3, 2, *shape), dtype=torch.int16),
        torch.randint(0, 2, (8, 3, 1, *shape), dtype=torch.uint8),
        torch.zeros(8),
        np.arange(8) % 2,
    )
    losses = []
    for order in (None, torch.contiguous_format):
        torch.manual_seed(1)
        network = PatientNetwork(("gap",), dimensions=dimensions, width=8)
        learner = training.PatientLearner(network, seen, seen, SETTINGS, 0)
        if order:
            network.to(memory_format=order)
        learner.optimizer.rate = 0.001
        losses.append([learner.step(number) for number in range(2)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-3)


# Methods


def scores(model, classes, data, patients, method):
    rows = base.score_family(model, classes, data, patients)
    return {r["patient"]: r["score"] for r in rows if r["method"] == method}


def auc(found, labels):
    pairs = [
        (found[a] > found[b]) + 0.5 * (found[a] == found[b])
        for a in found
        for b in found
        if labels[a] > labels[b]
    ]
    return float(np.mean(pairs))


def test_a_family_learns_and_its_model_survives_the_file(tmp_path, study, fitted):
    (data, labels), (model, classes) = study, fitted
    test = split(labels)[2]
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=True)
    rows = base.score_family(loaded, classes, data, test)
    assert rows == base.score_family(model, classes, data, test)
    assert [set(row) for row in rows] == [{"patient", "method", "score", "reason"}] * 4 * len(test)
    for name in classes:
        assert auc(scores(loaded, classes, data, test, name), labels) > 0.9, name
    state = loaded["methods"]["combined"]["state"]
    assert state["origin"] == "from scratch"
    assert 1 <= state["step"] <= SETTINGS["steps"]
    assert len(state["train_loss"]) == len(state["validation_loss"]) == SETTINGS["checks"]
    kept = state["step"] * SETTINGS["checks"] // SETTINGS["steps"]
    assert state["validation_loss"][kept - 1] == min(state["validation_loss"])


def test_permuted_labels_destroy_what_the_true_ones_teach(study, fitted):
    (data, labels), (model, classes) = study, fitted
    test = split(labels)[2]
    # Half of each class gets the other label, so that none of the tumor's cue remains.
    permuted = {name: (i // 2) % 2 for i, name in enumerate(labels)}
    wrong, _ = fit(study, ["combined"], labels=permuted)

    def gap(model):
        found = scores(model, classes, data, test, "combined")
        return np.mean([found[p] for p in test if labels[p]]) - np.mean(
            [found[p] for p in test if not labels[p]]
        )

    assert abs(gap(wrong)) < 0.4 * gap(model)


def test_volume_and_image_both_move_the_combined_score(study, fitted):
    (data, _), (model, classes) = study, fitted

    def score(slices_of, volume):
        changed = base.Data(
            {"X": data.slices[slices_of]},
            {},
            {v: {"X": [volume]} for v in ("attention", "plain")},
            {},
        )
        return {m: scores(model, classes, changed, ["X"], m)["X"] for m in classes}

    plain, larger, other = score("P12", 0.0), score("P12", 900.0), score("P13", 0.0)
    assert larger["combined"] != plain["combined"] != other["combined"]
    assert larger["tumor_net"] == plain["tumor_net"] != other["tumor_net"]
    assert larger["nodes_attention"] == 900.0 and other["nodes_attention"] == 0.0


@pytest.mark.parametrize("how, expected", [("largest", 900.0), ("mean", 500.0), ("total", 1000.0)])
def test_the_nodes_may_count_by_their_mean_or_total_volume(study, how, expected):
    data, labels = study
    settings = {"volume": how}
    model, classes = fit(study, ["nodes_plain", "nodes_attention"], nodes=settings)
    for name in classes:
        assert scores(model, classes, data, ["P1"], name) == {"P1": expected}
    deep = registry.load("combined")(SETTINGS | settings, 0)
    _, values, _ = deep.gather(base.Patients(data, ["P1", "P0"], labels))
    assert deep._views(values).volumes.tolist() == [expected, 0.0]


class Window(torch.nn.Module):
    """A network that reads the arterial phase in a corner, and nothing else."""

    def forward(self, image, mask, volume):
        seen = image[:, 0, 4:9, 20:30].sum((1, 2)) * 0.01
        return torch.stack([torch.zeros_like(seen), seen + volume], 1)


def test_a_pixels_part_is_its_gradient_times_its_distance_from_the_mean():
    images = torch.randint(-39, 173, (3, 2, 32, 32), dtype=torch.int16)
    masks, volume = torch.zeros(3, 1, 32, 32, dtype=torch.uint8), torch.tensor(0.3)
    parts, found = saliency.pixel_parts(Window(), images, masks, volume, SETTINGS)
    scaled = (images[:, 0].double() + 39) / (228 + 39)
    expected = torch.zeros(3, 32, 32, dtype=torch.double)
    slope = 0.01 / inputs.NORMALIZATION[2][1][0]
    away = scaled - scaled.mean((1, 2), keepdim=True)
    expected[:, 4:9, 20:30] = slope * away[:, 4:9, 20:30]
    np.testing.assert_allclose(parts, expected, atol=1e-6)
    image = inputs.channels(inputs.scaled(images, SETTINGS["windows_hu"]), masks.float())
    seen = image[:, 0, 4:9, 20:30].sum((1, 2)) * 0.01 + 0.3
    np.testing.assert_allclose(found, torch.sigmoid(seen), rtol=1e-5)
    heat = saliency.heat(parts[0])
    assert (
        heat.max() == 1 and heat[4:9, 20:30].sum() > 0.7 * heat.sum() and heat[20:, :15].max() == 0
    )
    assert saliency.heat(np.zeros((8, 8))).max() == 0


@pytest.fixture(scope="module")
def explained(study, fitted):
    (data, labels), (model, classes) = study, fitted
    found = {}
    for name in ("tumor_net", "combined"):
        one = model["methods"][name]
        method = classes[name](one["settings"], one["seed"])
        method.state = one["state"]
        found[name] = saliency.explain(method, base.Patients(data, [*split(labels)[2], "Q1"]))
    return found


@pytest.mark.parametrize("name", ["tumor_net", "combined"])
def test_saliency_peaks_in_the_tumor_that_shows_the_status(explained, name):
    assert len(explained[name]) == 8
    for one in explained[name].values():
        place = np.unravel_index(one["map"].argmax(), one["map"].shape)
        assert all(8 <= p < 24 for p in place)
        assert one["facts"]["share_inside"] == pytest.approx(
            one["map"][one["mask"] > 0].sum() / one["map"].sum()
        )


def test_what_glows_moves_the_score_and_what_does_not_glow_does_not(study, fitted, explained):
    """The brightest pixels put to the slice's mean, against as many others drawn at random."""
    method = registry.load("tumor_net")(SETTINGS, 0)
    method.state = fitted[0]["methods"]["tumor_net"]["state"]
    network, rng = method.network(), np.random.default_rng(0)
    moved = {"glowing": [], "random": []}
    for one in explained["tumor_net"].values():
        order = one["map"].ravel().argsort()
        chosen = {"glowing": order[-100:], "random": rng.permutation(order[:-100])[:100]}
        for which, pixels in chosen.items():
            changed = one["image"].reshape(2, -1).copy()
            changed[:, pixels] = changed.mean(1, keepdims=True)
            both = np.stack([one["image"], changed.reshape(one["image"].shape)])
            masks = torch.from_numpy(np.stack([one["mask"]] * 2)[:, None])
            _, found = saliency.pixel_parts(
                network, torch.from_numpy(both), masks, torch.tensor(0.0), method.settings
            )
            moved[which].append(abs(found[0] - found[1]))
    assert np.mean(moved["glowing"]) > 3 * np.mean(moved["random"])


def test_the_slice_that_is_shown_spoke_most_for_the_call(study, fitted, explained):
    (data, _), (model, classes) = study, fitted
    for name, found in explained.items():
        assert "Q1" not in found  # without slices there is nothing to explain
        known = scores(model, classes, data, list(found), name)
        method = classes[name](model["methods"][name]["settings"], 0)
        method.state = model["methods"][name]["state"]
        for patient, one in found.items():
            facts = one["facts"]
            assert facts["score"] == pytest.approx(known[patient], abs=1e-6)
            assert facts["positive"] == (known[patient] > 0.5)
            view = method._views(method.gather(base.Patients(data, [patient]))[1])
            _, each = saliency.pixel_parts(
                method.network(), view.images[0], view.masks[0], view.volumes[0], method.settings
            )
            extreme = max(each) if facts["positive"] else min(each)
            assert each[facts["view"]] == extreme == np.float32(facts["view_score"])
            np.testing.assert_array_equal(one["image"], view.images[0, facts["view"]])


def test_the_slice_follows_the_call_that_the_page_shows(study, fitted, explained):
    """An external patient's call is the ensemble's, whatever the one network says."""
    (data, _), (model, classes) = study, fitted
    one = model["methods"]["combined"]
    method = classes["combined"](one["settings"], one["seed"])
    method.state = one["state"]
    patient, own = next(iter(explained["combined"].items()))
    called = not own["facts"]["positive"]
    found = saliency.explain(method, base.Patients(data, [patient]), calls={patient: called})
    facts = found[patient]["facts"]
    assert facts["positive"] == called and facts["own_call"] != called
    assert own["facts"]["own_call"] == own["facts"]["positive"]
    assert facts["score"] == own["facts"]["score"]
    assert (facts["view_score"] > own["facts"]["view_score"]) == called


def test_the_score_without_nodes_is_that_of_volume_zero(study, fitted, explained):
    (data, labels), (model, classes) = study, fitted
    none = base.Data(data.slices, {}, {"attention": dict.fromkeys(labels, ())}, {})
    bare = scores(model, classes, none, list(explained["combined"]), "combined")
    for patient, one in explained["combined"].items():
        assert one["facts"]["without_nodes"] == pytest.approx(bare[patient], abs=1e-6)
    assert all(one["facts"]["without_nodes"] is None for one in explained["tumor_net"].values())


def test_a_score_does_not_depend_on_who_else_is_scored(study, fitted):
    (data, labels), (model, classes) = study, fitted
    test = split(labels)[2]
    together = base.score_family(model, classes, data, test)
    for name in (test[0], test[-1]):
        alone = base.score_family(model, classes, data, [name])
        assert alone == [row for row in together if row["patient"] == name]


def test_training_is_deterministic_and_each_method_has_its_own_seed(study):
    settings = SETTINGS | {"steps": 2, "checks": 1}
    first, _ = fit(study, ["tumor_net"], settings)
    second, _ = fit(study, ["nodes_plain", "tumor_net"], settings)
    other, _ = fit(study, ["tumor_net"], settings, seed=2)
    a, b, c = (m["methods"]["tumor_net"]["state"]["weights"] for m in (first, second, other))
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not torch.equal(a["head.0.weight"], c["head.0.weight"])


def test_no_label_of_a_test_patient_reaches_a_model(study):
    data, labels = study
    train, validation, test = split(labels)
    settings = {"tumor_net": SETTINGS | {"steps": 2, "checks": 1}}
    classes = {"tumor_net": registry.load("tumor_net")}
    states = []
    for flipped in (False, True):
        known = {n: 1 - v if flipped and n in test else v for n, v in labels.items()}
        model = base.fit_family(classes, data, base.Split(train, validation, known), settings, 1)
        states.append(model["methods"]["tumor_net"]["state"]["weights"])
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_who_lacks_something_has_a_reason(study, fitted):
    (data, _), (model, classes) = study, fitted
    volumes = {"attention": {"P1": "the node networks failed", "P3": [5.0]}}
    data = base.Data(data.slices, {}, volumes, {}, {"P3": "arterial phase missing"})
    rows = base.score_family(model, classes, data, ["P1", "Q1", "R1", "P3"])
    found = {(r["patient"], r["method"]): (r["score"], r["reason"]) for r in rows}
    assert len(rows) == 16
    assert found["P1", "combined"] == (None, "the node networks failed")
    assert all(found["P3", m] == (None, "arterial phase missing") for m in classes)
    assert found["P1", "tumor_net"][0] is not None
    assert found["Q1", "tumor_net"] == (None, "no tumor was found")
    assert found["R1", "tumor_net"] == (None, "no tumor slices were made")
    assert found["R1", "nodes_plain"] == (None, "no lymph nodes were measured")


def test_one_class_to_learn_from_leaves_reasons_not_an_error(study):
    data, labels = study
    train, validation, test = split(labels)
    known = dict.fromkeys(train + validation, 1)
    classes = {"tumor_net": registry.load("tumor_net")}
    model = base.fit_family(
        classes, data, base.Split(train, validation, known), {"tumor_net": SETTINGS}, 1
    )
    row = base.score_family(model, classes, data, test[:1])[0]
    assert row["score"] is None and "8 of 8" in row["reason"]


@pytest.mark.parametrize("choose, patients", [("best", 0), ("last", 4)])
def test_without_validation_patients_or_when_asked_the_last_step_stays(study, choose, patients):
    data, labels = study
    train, validation, _ = split(labels)
    settings = {"tumor_net": SETTINGS | {"steps": 3, "checks": 3, "choose": choose}}
    classes = {"tumor_net": registry.load("tumor_net")}
    model = base.fit_family(
        classes, data, base.Split(train, validation[:patients], labels), settings, 1
    )
    state = model["methods"]["tumor_net"]["state"]
    assert state["step"] == 3 and len(state["validation_loss"]) == (3 if patients else 0)


def test_patients_are_dealt_into_even_batches_pass_after_pass():
    batches = training._batches(11, 4, torch.Generator().manual_seed(0))
    for _ in range(3):
        one_pass = [next(batches) for _ in range(3)]
        assert sorted(map(len, one_pass)) == [3, 4, 4]
        assert sorted(torch.cat(one_pass).tolist()) == list(range(11))


def test_a_network_that_learned_records_it_and_one_that_did_not_is_a_warning(study, capsys):
    settings = SETTINGS | {
        "width": 8,
        "optimizer": "adam",
        "schedule": "one_cycle",
        "choose": "last",
    }
    learned, _ = fit(study, ["tumor_net"], settings | {"steps": 40, "learning_rate": 0.005})
    record = learned["methods"]["tumor_net"]["state"]["learned"]
    assert record["network"] == "tumor_net" and record["measure"] == "AUC"
    assert record["value"] > 0.9 and record["loss"] < 0.3
    assert "Warning" not in capsys.readouterr().out
    # The same network, its training cut to one step that moves nothing.
    idle, _ = fit(study, ["tumor_net"], settings | {"steps": 1, "learning_rate": 1e-9})
    (found,) = learning.records(idle)
    said = capsys.readouterr().out
    if found["value"] < 0.75:
        assert "Warning: tumor_net has not fitted its own training data" in said
        assert "Raise `steps` (now 1)" in said and "methods.tumor_net.settings" in said
    else:
        assert "Warning" not in said


@pytest.mark.parametrize("width", [8, 16])
def test_width_scales_every_layer(width):
    network = PatientNetwork(("gap", "tel"), volume_features=1, width=width).eval()
    image, mask = torch.randn(2, 3, 32, 32), torch.ones(2, 1, 32, 32)
    assert network.trunk(image, mask).shape == (2, 8 * width, 1, 1)
    assert network.features(image, mask).shape == (2, 8 * width + 8 * 64)
    assert network.trunk.layer2[0].conv1.weight.shape == (2 * width, width, 3, 3)
    assert network(image, mask, torch.zeros(2)).shape == (2, 2)


def test_pretrained_weights_need_their_own_width(tmp_path):
    pretrained, _ = published(tmp_path)
    with pytest.raises(InputError, match=r"of another shape.*`width` of 64"):
        weights.load(ResNet18(width=16), pretrained)


def test_one_cycle_rises_over_a_quarter_and_falls_to_nothing():
    found = [one_cycle(i / 400) for i in range(400)]
    assert found[0] == pytest.approx(0.04) and max(found) == found[100] == 1
    assert found[50] == pytest.approx(0.52) and found[250] == pytest.approx(0.5)
    assert found[-1] < 1e-4


def test_our_adam_steps_are_those_of_torchs():
    ours, theirs = torch.nn.Linear(5, 3), torch.nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    step = AdamW(ours.parameters(), 0.9, 0.05)
    adam = torch.optim.AdamW(theirs.parameters(), 0.1, betas=(0.9, 0.999), weight_decay=0.05)
    for number in range(5):
        x = torch.randn(4, 5)
        step.rate = adam.param_groups[0]["lr"] = 0.1 / (number + 1)
        adam.zero_grad()
        ours(x).square().sum().backward()
        theirs(x).square().sum().backward()
        step.step()
        adam.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_our_steps_are_those_of_torchs_sgd():
    ours, theirs = torch.nn.Linear(5, 3), torch.nn.Linear(5, 3)
    theirs.load_state_dict(ours.state_dict())
    step = Nesterov(ours.parameters(), 0.95, 0.01)
    sgd = torch.optim.SGD(theirs.parameters(), 0.1, momentum=0.95, weight_decay=0.01, nesterov=True)
    for number in range(5):
        x = torch.randn(4, 5)
        step.rate = 0.1 / (number + 1)
        sgd.param_groups[0]["lr"] = step.rate
        sgd.zero_grad()
        ours(x).square().sum().backward()
        theirs(x).square().sum().backward()
        step.step()
        sgd.step()
    torch.testing.assert_close(ours.weight, theirs.weight)
    torch.testing.assert_close(ours.bias, theirs.bias)


def test_an_unknown_setting_is_refused_and_a_branch_is_laid_over_the_defaults():
    found = network_settings({"tel": {"codewords": 4}, "pretrained": None})
    assert found["tel"] == {"width": 64, "codewords": 4, "mask_weighted": False}
    assert found["learning_rate"] == 5e-4
    with pytest.raises(InputError, match=r"tel\.codeword is unknown"):
        network_settings({"tel": {"codeword": 4}})


def test_cross_entropy_stays_finite_at_certainty():
    assert np.isfinite(training.cross_entropy([0.0, 1.0], [1, 0]))
    assert training.cross_entropy([0.5, 0.5], [1, 0]) == pytest.approx(np.log(2))


def test_methods_of_candidates_read_what_is_said_of_candidates(study):
    data, labels = study
    told = dataclasses.replace(
        data,
        volumes={"candidates": {p: [50.0, 400.0] if y else [] for p, y in labels.items()}},
        noisy_or={p: 0.8 if y else 0.1 for p, y in labels.items()},
    )
    names = ["nodes_candidates", "combined_candidates"]
    model, classes = fit((told, labels), names)
    state = model["methods"]["combined_candidates"]["state"]["weights"]
    assert state["volume.fc.weight"].shape[1] == 2
    larger = dataclasses.replace(told, volumes={"candidates": {p: [9000.0] for p in labels}})
    surer = dataclasses.replace(told, noisy_or=dict.fromkeys(labels, 0.99))
    before, volume, chance = (
        {row["method"]: row["score"] for row in base.score_family(model, classes, d, ["P12"])}
        for d in (told, larger, surer)
    )
    assert (before["nodes_candidates"], chance["nodes_candidates"]) == (0.1, 0.99)
    assert volume["nodes_candidates"] == 0.1
    assert len({found["combined_candidates"] for found in (before, volume, chance)}) == 3


def test_methods_of_candidates_score_nobody_where_nothing_is_said_of_candidates(study):
    rows = base.score_family(*fit_nodes_candidates(study), study[0], ["P12"])
    assert [row["reason"] for row in rows] == ["no candidates were measured"]


def late(scores, labels, of=("a", "b")):
    """`combined_radiomics` fitted on these scores, and the data that it read."""
    data = base.Data(scores=scores)
    train, validation, _ = split(labels)
    known = {name: labels[name] for name in train + validation}
    classes = {"combined_radiomics": registry.load("combined_radiomics")}
    settings = {"combined_radiomics": {"of": list(of)}}
    model = base.fit_family(classes, data, base.Split(train, validation, known), settings, 1)
    return model, classes, data


def scores_of(labels, seed=0):
    """Two methods' scores on scales that differ, of all patients but the training ones."""
    draw = np.random.default_rng(seed)
    _, validation, tested = split(labels)
    names = [*validation, *tested]
    return {
        method: {p: float(scale * draw.normal() + shift) for p in names}
        for method, scale, shift in (("a", 0.1, 0.5), ("b", 300.0, 1000.0))
    }


def test_late_fusion_is_the_mean_of_scores_in_units_of_the_validation_patients():
    labels = {f"P{i}": i % 2 for i in range(20)}
    scores, (_, validation, tested) = scores_of(labels), split(labels)
    model, classes, data = late(scores, labels)
    rows = base.score_family(model, classes, data, tested)
    for row in rows:
        parts = []
        for method in ("a", "b"):
            known = [scores[method][p] for p in validation]
            parts.append((scores[method][row["patient"]] - np.mean(known)) / np.std(known))
        assert row["score"] == pytest.approx(np.mean(parts))


def test_late_fusion_uses_neither_labels_nor_scores_of_tested_patients():
    labels = {f"P{i}": i % 2 for i in range(20)}
    scores, (train, _, tested) = scores_of(labels), split(labels)
    before = late(scores, labels)[0]
    assert late(scores, {p: 1 - y for p, y in labels.items()})[0] == before
    for method in scores.values():
        method.update(dict.fromkeys([*train, *tested], 7.0))
    # Scores of training patients never reach it: `evidence.data` reads tables that lack them.
    assert late(scores, labels)[0] == before


def test_late_fusion_says_what_is_missing():
    labels = {f"P{i}": i % 2 for i in range(20)}
    scores, (_, validation, tested) = scores_of(labels), split(labels)
    scores["b"][tested[0]] = "no tumor was found"
    model, classes, data = late(scores, labels)
    first, second = base.score_family(model, classes, data, tested[:2])
    assert (first["score"], first["reason"]) == (None, "no tumor was found")
    assert second["score"] is not None
    rows = base.score_family(model, classes, data, tested[:1])
    assert [row["reason"] for row in rows] == ["no tumor was found"], "a center without a score"
    scores["a"].update(dict.fromkeys(validation, 0.5))
    unfit = late(scores, labels)[0]["methods"]["combined_radiomics"]["unfit"]
    assert unfit == "all validation patients have the same score by a"


def fit_nodes_candidates(study):
    return fit(study, ["nodes_candidates"])
