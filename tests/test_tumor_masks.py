"""PDAC masks: arterial network, pseudo masks, venous network."""

import numpy as np
import pytest

from nodestage.core.errors import InputError
from nodestage.core.run import Run
from nodestage.core.volumes import Volume
from nodestage.tumor import masks

SPACING = (2.5, 2.2, 2.2)
SETTINGS = {
    "patch_size": [16, 16, 16],
    "features": [4, 8, 8],
    "batch_size": 2,
    "convolutions": 1,
    "epochs": 5,
    "iterations_per_epoch": 10,
    "initial_lr": 0.05,
    "momentum": 0.9,
}


def make_patient(seed, shape=(18, 20, 22)):
    """A tumor that is dark in the arterial and bright in the venous phase."""
    random = np.random.default_rng(seed)
    axes = np.ogrid[tuple(slice(n) for n in shape)]
    center = [random.uniform(0.35, 0.65) * n for n in shape]
    mask = sum((a - c) ** 2 for a, c in zip(axes, center, strict=True)) < 5**2
    phases = {
        "arterial": Volume((random.normal(80, 15, shape) - 120 * mask).astype(np.int16), SPACING),
        "venous": Volume((random.normal(40, 15, shape) + 120 * mask).astype(np.int16), SPACING),
    }
    return f"p{seed}", phases, Volume(mask.astype(np.uint8), SPACING)


def test_the_chain_carries_a_mask_from_the_arterial_to_the_venous_phase(tmp_path):
    masks.train_arterial(
        [make_patient(i) for i in range(3)],
        SETTINGS,
        Run(seed=1, output=tmp_path / "arterial.pt", work=tmp_path / "w1"),
    )
    arterial = masks.open_model(tmp_path / "arterial.pt")
    unlabelled = [make_patient(i) for i in range(10, 13)]
    pseudo = []
    for patient, phases, truth in unlabelled:
        found = masks.pseudo_mask(arterial, phases["arterial"].array, SPACING)
        assert masks.evaluate(truth.array, found, SPACING)["dice"] > 0.75
        pseudo.append((patient, phases, truth.with_array(found)))
    masks.train_final(
        pseudo, SETTINGS, Run(seed=1, output=tmp_path / "venous.pt", work=tmp_path / "w2")
    )
    venous = masks.open_model(tmp_path / "venous.pt")
    _, phases, truth = make_patient(20)
    found = masks.predict(venous, phases["venous"].array, SPACING)
    assert masks.evaluate(truth.array, found, SPACING)["dice"] > 0.75
    # It reads its own phase: on the other, where the tumor is dark, it finds nothing of it.
    wrong = masks.predict(venous, phases["arterial"].array, SPACING)
    assert (masks.evaluate(truth.array, wrong, SPACING)["dice"] or 0) < 0.3


def test_the_final_network_may_start_from_the_arterial_one(tmp_path):
    patients = [make_patient(i) for i in range(3)]
    arterial = masks.train_arterial(patients, SETTINGS, Run(1, tmp_path / "a.pt", tmp_path / "w"))
    # So slow a training leaves the weights almost where they were.
    still = SETTINGS | {"epochs": 1, "iterations_per_epoch": 1, "initial_lr": 1e-9}
    scratch = masks.train_final(patients, still, Run(1, tmp_path / "s.pt", tmp_path / "w"))
    run = Run(1, tmp_path / "i.pt", tmp_path / "w")
    started = masks.train_final(patients, still, run, initial=arterial)
    name = next(n for n, w in arterial["weights"].items() if w.dim() == 5)
    assert (started["weights"][name] - arterial["weights"][name]).abs().max() < 1e-6
    assert (scratch["weights"][name] - arterial["weights"][name]).abs().max() > 1e-2


def test_the_arterial_network_is_trained_on_with_its_pseudo_masks(tmp_path):
    patients = [make_patient(i) for i in range(3)]
    arterial = masks.train_arterial(patients, SETTINGS, Run(1, tmp_path / "a.pt", tmp_path / "w"))
    still = SETTINGS | {"epochs": 1, "iterations_per_epoch": 1, "initial_lr": 1e-9}
    empty = make_patient(4)
    empty = (*empty[:2], empty[2].with_array(0 * empty[2].array))  # says nothing, and is left out
    run = Run(1, tmp_path / "f.pt", tmp_path / "w")
    tuned = masks.train_finetuned([*patients, empty], still, run, arterial)
    name = next(n for n, w in arterial["weights"].items() if w.dim() == 5)
    assert (tuned["weights"][name] - arterial["weights"][name]).abs().max() < 1e-6
    assert masks.phases_of(masks.open_model(tmp_path / "f.pt")) == ["arterial"]
    assert tuned["learned"]["network"] == "tumor, arterial, fine-tuned"
    with pytest.raises(InputError, match="in none of 1 patients"):
        masks.train_finetuned([empty], still, run, arterial)


def test_a_network_of_both_phases_reads_each_in_its_place(tmp_path):
    masks.train_final(
        [make_patient(i) for i in range(3)],
        SETTINGS,
        Run(seed=1, output=tmp_path / "both.pt", work=tmp_path / "w"),
        phases=("arterial", "venous"),
    )
    model = masks.open_model(tmp_path / "both.pt")
    assert masks.phases_of(model) == ["arterial", "venous"]
    _, phases, truth = make_patient(20)
    images = {phase: image.array for phase, image in phases.items()}
    found = masks.predict(model, images, SPACING)
    assert masks.evaluate(truth.array, found, SPACING)["dice"] > 0.75
    small, large = (masks.predict(model, images, SPACING, threshold=t) for t in (0.99, 0.01))
    assert (small <= found).all() and (found <= large).all()
    assert small.sum() < found.sum() < large.sum()
    changed = {"arterial": images["venous"], "venous": images["arterial"]}
    wrong = masks.predict(model, changed, SPACING)
    assert (masks.evaluate(truth.array, wrong, SPACING)["dice"] or 0) < 0.3


def test_without_any_pseudo_mask_the_venous_network_says_what_to_do(tmp_path):
    patient, phases, mask = make_patient(0)
    with pytest.raises(InputError, match=r"in none of 1 patients.*epochs"):
        masks.train_final(
            [(patient, phases, mask.with_array(0 * mask.array))],
            SETTINGS,
            Run(seed=1, output=tmp_path / "m.pt", work=tmp_path / "w"),
        )


def test_phase_and_mask_on_different_grids_are_refused(tmp_path):
    patient, phases, mask = make_patient(0)
    with pytest.raises(InputError, match="p0: phases and mask are not on one grid"):
        masks.train_arterial(
            [(patient, phases, Volume(mask.array[1:], SPACING))],
            SETTINGS,
            Run(seed=1, output=tmp_path / "m.pt", work=tmp_path / "w"),
        )


def test_the_largest_piece_stays():
    mask = np.zeros((4, 4, 9), np.uint8)
    mask[0, 0, :2] = 1
    mask[1, 1, 4:8] = 1
    found = masks.largest_piece(mask)
    assert found.sum() == 4 and found[1, 1, 4:8].all()
    assert masks.largest_piece(0 * mask).sum() == 0


def test_an_empty_mask_has_a_row():
    empty = np.zeros((4, 4, 4), np.uint8)
    one = empty.copy()
    one[1, 1, 1] = 1
    row = masks.evaluate(one, empty, (2.0, 1.0, 1.0))
    assert (row["truth_mm3"], row["predicted_mm3"], row["dice"]) == (2.0, 0.0, 0.0)
    assert row["asd_mm"] is None
    assert masks.evaluate(empty, empty, (2.0, 1.0, 1.0))["dice"] is None


def pieces():
    """A large piece in the liver, a small one at the pancreas; voxels of 2 mm."""
    mask, pancreas = np.zeros((10, 20, 40), np.uint8), np.zeros((10, 20, 40), bool)
    mask[2:8, 2:12, 2:12] = 1
    mask[4:6, 8:10, 30:33] = 1
    pancreas[4:6, 8:12, 34:40] = True  # 2 voxels beside the small piece
    return mask, pancreas


def test_the_tumor_is_the_piece_at_the_pancreas():
    mask, pancreas = pieces()
    found = masks.tumor_piece(mask, pancreas, (2.0, 2.0, 2.0))
    assert found.dtype == np.uint8 and found.sum() == 12 and found[4, 8, 30] == 1
    assert masks.largest_piece(mask).sum() == 600


@pytest.mark.parametrize("where", ["nowhere", "far"])
def test_where_no_piece_lies_at_the_pancreas_the_largest_stays(where):
    mask, pancreas = pieces()
    mask[:, :, 20:] = 0
    pancreas &= where == "far"
    assert masks.tumor_piece(mask, pancreas, (2.0, 2.0, 2.0)).sum() == 600
    assert not masks.tumor_piece(np.zeros_like(mask), pancreas, (2.0, 2.0, 2.0)).any()
