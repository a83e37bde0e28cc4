"""Masks that show only some of the classes: the others are ignored there, not counted as background."""

import numpy as np
import pytest
import torch
from study_config import study as study_of

from nodestage import organs
from nodestage.cohort import centers, labels
from nodestage.core import totalsegmentator
from nodestage.core.run import Run
from nodestage.core.volumes import Volume
from nodestage.nnunet import fitting, imports, partial
from nodestage.nnunet.trainer import Trainer

SPACING = (2.0, 2.0, 2.0)


def batch(seed=0, classes=4):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 4, 5, 6, generator=generator, requires_grad=True)
    truth = torch.randint(0, classes, (2, 1, 4, 5, 6), generator=generator)
    return logits, truth


def hidden(*rows):
    return torch.tensor(rows, dtype=torch.bool)


@pytest.mark.parametrize("batch_dice", [True, False])
def test_where_every_class_is_shown_the_loss_is_nnunets(batch_dice):
    compound = imports.module("nnunetv2.training.loss.compound_losses")
    dice = imports.module("nnunetv2.training.loss.dice")
    theirs = compound.DC_and_CE_loss(
        {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": False, "ddp": False},
        {},
        dice_class=dice.MemoryEfficientSoftDiceLoss,
    )
    ours = partial.PartialLoss(batch_dice)
    ours.hidden = hidden([False] * 4, [False] * 4)
    logits, truth = batch()
    torch.testing.assert_close(ours(logits, truth), theirs(logits, truth))


@pytest.mark.parametrize("batch_dice", [True, False])
def test_a_class_that_a_sample_does_not_show_is_free_there_and_learned_elsewhere(batch_dice):
    loss = partial.PartialLoss(batch_dice)
    loss.hidden = hidden([False, False, False, True], [False] * 4)
    logits, truth = batch()
    truth[0][truth[0] == 3] = 0
    value = loss(logits, truth)
    value.backward()
    assert torch.isfinite(value) and torch.isfinite(logits.grad).all()
    # Moving probability between background and the hidden class costs nothing in that sample.
    moved = logits.detach().clone()
    both = torch.logsumexp(moved[0, [0, 3]], 0)
    moved[0, 3] = both - 3
    moved[0, 0] = torch.log(torch.exp(both) - torch.exp(moved[0, 3]))
    torch.testing.assert_close(loss(moved, truth), value.detach())
    moved[1, 3] += 1
    assert abs(float(loss(moved, truth) - value)) > 1e-3


def test_what_no_mask_shows_is_background_everywhere():
    assert partial.of(None, 3) is Trainer
    assert partial.of({"a": [1, 2, 3], "b": [1, 2, 3]}, 3) is Trainer
    assert partial.of({"a": [1, 2], "b": [2, 1]}, 3) is Trainer
    trainer = partial.of({"a": [1, 2, 9], "b": [2]}, 3)
    assert trainer.hidden == {"a": [], "b": [1]}
    assert trainer.__name__ != partial.of({"a": [1], "b": [2]}, 3).__name__


def make_patient(seed, shown):
    """Two bright boxes, of which the mask shows some."""
    random = np.random.default_rng(seed)
    truth = np.zeros((16, 16, 20), np.uint8)
    z = random.integers(2, 6)
    truth[z : z + 8, 3:12, 2:9] = 1
    truth[z : z + 8, 3:12, 11:18] = 2
    image = random.normal(0, 10, truth.shape) + 90 * (truth == 1) + 200 * (truth == 2)
    mask = np.where(np.isin(truth, shown), truth, 0).astype(np.uint8)
    return f"p{seed}", {"venous": Volume(image.astype(np.int16), SPACING)}, Volume(mask, SPACING)


def test_a_teacher_learns_each_organ_from_the_center_that_drew_it(tmp_path):
    """Two centers drew one box each. As background they would contradict each other."""
    shown = {f"p{i}": [1 + i % 2] for i in range(4)}
    patients = [make_patient(i, shown[f"p{i}"]) for i in range(4)]
    settings = {
        "patch_size": [16, 16, 16], "features": [6, 12, 12], "batch_size": 2, "convolutions": 1,
        "epochs": 5, "iterations_per_epoch": 10, "initial_lr": 0.05, "momentum": 0.9,
        "mirror_axes": [],
    }  # fmt: skip
    model = organs.train_teacher(
        patients,
        organs.Training(settings, 1, tmp_path / "t.pt", tmp_path / "w", classes=2, shown=shown),
    )
    assert not any("p0" in str(value) for key, value in model.items() if key != "weights")
    assert model["learned"]["value"] > 0.7  # a mark of the box that a mask doesn't show isn't wrong
    teacher = organs.open_model(tmp_path / "t.pt")
    _, phases, truth = make_patient(9, [1, 2])
    found = organs.predict_phase(teacher, phases["venous"].array, SPACING)
    for label in (1, 2):
        a, b = found == label, truth.array == label
        assert 2 * (a & b).sum() / (a.sum() + b.sum()) > 0.8


def test_a_label_outside_of_what_a_center_shows_is_not_learned(tmp_path, monkeypatch):
    class Stop(Exception):
        pass

    seen = []

    def preprocess(code, arrays, labels, *rest):
        seen.append(labels)
        raise Stop

    monkeypatch.setattr(fitting.cases, "preprocess", preprocess)
    _, phases, mask = make_patient(0, [1, 2])
    settings = {"patch_size": [16, 16, 16], "features": [4, 8, 8], "batch_size": 2}
    task = fitting.Task("organs", ["CT"], 2, settings, shown={"p": [2]})
    with pytest.raises(Stop):
        fitting.fit(task, [("p", [phases["venous"]], mask)], [], Run(1, tmp_path / "m", tmp_path))
    assert set(np.unique(seen[0])) == {0, 2}


# ---------------------------------------------------------------- masks made by TotalSegmentator


def test_totalsegmentators_classes_are_ours_by_name(config):
    known = study_of(config).centers.labels
    assert set(totalsegmentator.structures()) <= set(known)
    missing = set(known) - set(totalsegmentator.structures())
    assert missing == {"superior_mesenteric_vein", "sma", "tc_sa", "lga", "cha_pha"}
    for system, aorta, colon in (("totalsegmentator", 52, 20), ("totalsegmentator_v1", 7, 57)):
        mask = np.array([[[0, 1, aorta, colon]]], np.uint8)
        found = labels.map_labels(
            mask, centers.label_system({"label_system": system}, "organs"), known
        )
        assert found.tolist() == [[[0, known["spleen"], known["aorta"], 0]]]
        assert centers.label_system({"label_system": system}, "tumor") is None
    mixed = {"label_system": {"organs": "totalsegmentator", "tumor": {"tumor": 2}}}
    assert centers.label_system(mixed, "organs")["aorta"] == 52
    assert centers.label_system(mixed, "tumor") == {"tumor": 2}


def test_a_center_with_such_masks_shows_no_vessel_that_totalsegmentator_lacks(config):
    made = {"role": "auxiliary", "label_system": "totalsegmentator"}
    names = {number: name for name, number in study_of(config).centers.labels.items()}

    def shown(entry):
        config["simulator"]["centers"]["teaching"] |= entry
        return {names[n] for n in study_of(config).centers.annotated_labels("teaching")}

    assert shown({}) == set(names.values())
    assert shown(made) == set(totalsegmentator.structures())
    assert shown({"annotated": ["aorta"]}) == {"aorta"}
