"""A nnU-Net v2 model of the user as a teacher: read as values, its labels translated into ours."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from foreign_model import SPACING, folder_of_a_model

from nodestage.core import checkpoints
from nodestage.core.errors import InputError
from nodestage.nnunet import fitting, foreign, prediction

KNOWN = {"spleen": 1, "liver": 2, "aorta": 3}


def opened(folder, tmp_path, **how):
    """The model as the jobs open it, from the file that the importing job wrote."""
    checkpoints.save(tmp_path / "model.pt", foreign.read(folder, KNOWN, **how))
    return fitting.open_model(tmp_path / "model.pt")


def image(seed=0, shape=(12, 20, 24)):
    return np.random.default_rng(seed).normal(60, 60, shape).astype(np.int16)


def test_folds_are_averaged_and_labels_are_ours(tmp_path):
    plan, states = folder_of_a_model(tmp_path / "m")
    model = opened(tmp_path / "m", tmp_path, label_system={"aorta": "aorta", "spleen": [1]})
    labels, shares = model.labels([image()], SPACING, softmax=True)
    own = {"plans": plan.plans, "dataset_json": plan.dataset_json, "mirror_axes": []}
    own |= {"settings": {"mixed_precision": False}}
    logits = sum(
        prediction.predict_logits(prediction.load(own | {"weights": s}), [image()], SPACING, own)
        for s in states
    )
    theirs = torch.softmax(logits / 2, 0).numpy()
    np.testing.assert_allclose(shares[1], theirs[1], atol=1e-6)
    np.testing.assert_allclose(shares[3], theirs[3], atol=1e-6)
    assert not shares[2].any()  # the tumor of the liver is nothing of ours
    np.testing.assert_allclose(shares[0], theirs[0] + theirs[2], atol=1e-6)
    assert np.array_equal(labels, np.argmax(shares, 0)) and labels.dtype == np.uint8
    assert model.model["learned_labels"] == [1, 3]


def test_labels_of_our_names_and_totalsegmentators_need_no_table(tmp_path):
    labels = {"background": 0, "spleen": 1, "liver": 2, "AORTA": 3, "ignore": 4}
    folder_of_a_model(tmp_path / "m", seeds=(0,), labels=labels)
    model = opened(tmp_path / "m", tmp_path)
    assert model.model["table"] == {"1": 1, "2": 2, "3": 3}
    known = {"right_kidney": 7, "tumor": 1}
    renamed = {"background": 0, "kidney_right": 1, "b": 2, "PDAC": 3}
    (tmp_path / "m/dataset.json").write_text(json.dumps({"labels": renamed}), encoding="utf-8")
    assert foreign.read(tmp_path / "m", known)["table"] == {"1": 7, "3": 1}


def test_a_model_of_turned_axes_or_other_voxels_answers_on_the_images_grid(tmp_path):
    def turned(theirs):
        theirs["transpose_forward"] = [2, 0, 1]

    folder_of_a_model(tmp_path / "m", seeds=(0,), change=turned, spacing=(2.0, 3.0, 2.0))
    model = opened(tmp_path / "m", tmp_path, label_system={"spleen": 1, "liver": 2, "aorta": 3})
    labels, shares = model.labels([image()], SPACING, softmax=True)
    assert labels.shape == image().shape and shares.shape[1:] == image().shape
    # The same network on the image that was turned before.
    folder_of_a_model(tmp_path / "plain", seeds=(0,), spacing=(2.0, 3.0, 2.0))
    plain = opened(tmp_path / "plain", tmp_path, label_system={"spleen": 1, "liver": 2, "aorta": 3})
    at, ahead = (SPACING[2], SPACING[0], SPACING[1]), np.transpose(image(), (2, 0, 1))
    expected = np.transpose(plain.labels([ahead], at), (1, 2, 0))
    assert np.array_equal(labels, expected)
    finer = plain.labels([image(1, (16, 16, 30))], (1.0, 1.5, 2.0))
    assert finer.shape == (16, 16, 30)


class Harmful:
    def __reduce__(self):
        return Path.touch, (Path("harmed"),)


def test_code_in_a_checkpoint_or_in_plans_is_never_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder_of_a_model(tmp_path / "m", seeds=(0,))
    path = tmp_path / "m/fold_0/checkpoint_final.pth"
    content = torch.load(path, weights_only=False)
    torch.save(content | {"logging": Harmful()}, path)
    with pytest.raises(InputError, match=r"fold_0/checkpoint_final.pth is no checkpoint.*without"):
        foreign.read("m", KNOWN)
    assert not Path("harmed").exists()

    def harmful(theirs):
        architecture = theirs["configurations"]["3d_fullres"]["architecture"]
        architecture |= {
            "network_class_name": "os.system",
            "arch_kwargs": {"command": "touch harmed"},
        }

    folder_of_a_model(tmp_path / "n", seeds=(0,), change=harmful)
    with pytest.raises(InputError, match=r"name os.system.*only nnU-Net's own"):
        foreign.read("n", KNOWN)
    assert not Path("harmed").exists()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda m: (m / "plans.json").unlink(), "lacks plans.json"),
        (lambda m: (m / "fold_0/checkpoint_final.pth").unlink(), "lacks fold_"),
        (lambda m: (m / "plans.json").write_text("{}"), "no configuration 3d_fullres"),
        (lambda m: (m / "dataset.json").write_text("{"), "can't be read"),
        (
            lambda m: (m / "dataset.json").write_text('{"labels": {"a": [1, 2]}}'),
            "overlapping regions",
        ),
        (lambda m: (m / "dataset.json").write_text('{"labels": {"a": 1}}'), "none of the nnU-Net"),
    ],
)
def test_what_is_wrong_with_a_folder_is_said(tmp_path, spoil, words):
    folder_of_a_model(tmp_path / "m", seeds=(0,))
    spoil(tmp_path / "m")
    with pytest.raises(InputError, match=words):
        foreign.read(tmp_path / "m", KNOWN)


def test_a_label_system_that_the_model_lacks_is_named(tmp_path):
    folder_of_a_model(tmp_path / "m", seeds=(0,))
    with pytest.raises(InputError, match=r"no label 'splen'. It has Spleen: 1"):
        foreign.read(tmp_path / "m", KNOWN, {"spleen": "splen"})
    with pytest.raises(InputError, match="names 'kidney'"):
        foreign.read(tmp_path / "m", KNOWN, {"kidney": 1})
