"""Patients with little to go by, through every method.

From masks and scans to rows: tumors of next to no voxels have features and views, or a reason;
methods learn from them; each patient has, by each method, a score or a reason, and the score does
not depend on who else is scored.
"""

import numpy as np
import pytest
import torch

from nodestage.core import predictions
from nodestage.methods import base, radiomics, registry
from nodestage.tumor import slices

SHAPE, SPACING = (16, 24, 26), (2.5, 2.0, 2.2)
SIZE, CROP = 16, (8, 12, 12)
NETWORK = {
    "steps": 2,
    "checks": 1,
    "learning_rate": 0.01,
    "views_per_patient": 1,
    "size": [8, 12, 12],
}
# Late fusion reads scores of the others, whose reasons it hands on (test_fusion.py).
CLASSES = {
    name: registry.load(name) for name in registry.built_in() if name != "combined_radiomics"
}
DEEP = {"resnet2d", "deepten", "resnet3d", "tumor_net", "combined", "combined_candidates"}
RADIOMICS = {"radiomics", "radiomics_ct_report"}
SETS = {"node_graph", "node_order"}  # they see candidates and tumor
NODES = SETS | {
    "node_noisy_or",
    "pn_ordinal",
    "nodes_plain",
    "nodes_attention",
    "nodes_candidates",
    "combined",
    "combined_candidates",
}
CHOSEN_BY = {f"V{i}": i % 2 for i in range(4)}


def ball(radius=3, center=(8, 12, 13)):
    far = [(i - c) ** 2 for i, c in zip(np.indices(SHAPE), center, strict=True)]
    return sum(far) <= radius**2


def at(*places):
    mask = np.zeros(SHAPE, bool)
    for place in places:
        mask[place] = True
    return mask


NOTHING = at()
PANCREAS = ball(5)

# code: tumor, pancreas, scan ("noise" or "flat"), {method: words of its reason}; others score
TUMORS = {
    "no-tumor": (NOTHING, PANCREAS, "noise", dict.fromkeys(RADIOMICS, "no tumor was found")),
    "nothing": (
        NOTHING,
        NOTHING,
        "noise",
        dict.fromkeys(RADIOMICS | DEEP | SETS, "no tumor was found"),
    ),
    "one-voxel": (at((8, 12, 13)), PANCREAS, "noise", dict.fromkeys(RADIOMICS, "one voxel")),
    "two-voxels": (
        at((8, 12, slice(13, 15))),
        PANCREAS,
        "noise",
        dict.fromkeys(RADIOMICS, "2 voxels"),
    ),
    "two-voxels-apart": (
        at((3, 4, 5), (13, 20, 22)),
        PANCREAS,
        "noise",
        dict.fromkeys(RADIOMICS, "no two"),
    ),
    "line": (at((8, 12, slice(8, 18))), PANCREAS, "noise", {}),
    "one-slice": (at((8, slice(9, 14), slice(9, 15))), PANCREAS, "noise", {}),
    "flat": (ball(), PANCREAS, "flat", {}),
    "corner": (at((slice(0, 3), slice(0, 3), slice(23, 26))), PANCREAS, "noise", {}),
    "last-slice": (at((15, slice(9, 14), slice(9, 15))), PANCREAS, "noise", {}),
    "whole-image": (~NOTHING, PANCREAS, "noise", {}),
    "two-parts": (ball(2, (4, 6, 6)) | ball(2, (11, 18, 18)), PANCREAS, "noise", {}),
}
# Methods learn from a dozen good tumors, and from the tiny ones too.
LEARNED_FROM = {f"T{i}": i % 2 for i in range(12)} | {code: i % 2 for i, code in enumerate(TUMORS)}
# code: what is missing beside a good tumor
LACKS = {
    "one-phase": {m: "arterial phase missing" for m in CLASSES if m != "ct_report"},
    "no-nodes-measured": dict.fromkeys(NODES, "the node networks failed"),
    "no-report": dict.fromkeys(("ct_report", "radiomics_ct_report"), "no CT report"),
    "no-stage": {},
    "no-node": {},
}


def scans(seed, bright=0, kind="noise"):
    rng = np.random.default_rng(seed)
    noise = rng.normal(70, 15, (2, *SHAPE)) if kind == "noise" else np.full((2, *SHAPE), 70.0)
    return np.rint(noise + bright).astype(np.int16)


def candidate(volume):
    """A row of a table of candidates."""
    row = dict.fromkeys(("x", "y", "z", "distance_mm", "short_axis_mm"), 5.0)
    row |= {"instance": "1", "volume_mm3": volume, "confidence": 0.9, "p_node": 0.8}
    return row | {"p_node_positive": min(volume / 1000, 0.9), "p_positive": 0.4}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("patients")
    known = LEARNED_FROM | CHOSEN_BY
    good = {code: (ball(), PANCREAS, "noise", {}) for code in [*known, *LACKS]}
    views, features, volumes, clinical = {}, {}, {}, {}
    for seed, (code, (tumor, pancreas, kind, _)) in enumerate({**good, **TUMORS}.items()):
        phases = scans(seed, 60 * known.get(code, 0), kind)
        found = slices.views(*phases, tumor, pancreas, SPACING, slices.ViewSettings(SIZE, CROP))
        found["center_mm"] = np.zeros(3)
        views[code], features[code] = folder / f"{code}.npz", folder / f"{code}.tsv"
        slices.write(views[code], found)
        values = radiomics.of_patient(phases, tumor, SPACING, found["source"])
        radiomics.write(features[code], *values)
        volumes[code] = [50.0 * seed]
        clinical[code] = {"ct_reported": str(seed % 2), "pt_stage": "T2"}
    volumes["no-nodes-measured"], volumes["no-node"] = "the node networks failed", []
    clinical["no-report"]["ct_reported"] = clinical["no-stage"]["pt_stage"] = ""
    return base.Data(
        views,
        features,
        {"plain": volumes, "attention": volumes, "candidates": volumes},
        clinical,
        {"one-phase": "arterial phase missing"},
        noisy_or={
            code: found if isinstance(found, str) else min(sum(found) / 1000, 1.0)
            for code, found in volumes.items()
        },
        candidates={
            code: found if isinstance(found, str) else [*map(candidate, found)]
            for code, found in volumes.items()
        },
    )


@pytest.fixture(scope="module")
def model(study):
    torch.set_num_threads(1)
    settings = dict.fromkeys(DEEP, NETWORK) | {name: {"alphas": 10} for name in RADIOMICS}
    # By the mask, of which a tiny tumor leaves next to nothing on layer4's grid.
    tel = {"width": 8, "codewords": 2, "mask_weighted": True}
    settings |= dict.fromkeys(
        ("deepten", "combined", "combined_candidates"), NETWORK | {"tel": tel}
    )
    labels = LEARNED_FROM | CHOSEN_BY
    stages = {code: label * (1 + i // 2 % 2) for i, (code, label) in enumerate(labels.items())}
    return base.fit_family(
        CLASSES, study, base.Split([*LEARNED_FROM], [*CHOSEN_BY], labels, stages), settings, 1
    )


@pytest.fixture(scope="module")
def rows(study, model):
    found = base.score_family(model, CLASSES, study, [*TUMORS, *LACKS])
    return {(row["patient"], row["method"]): row for row in found}


EXPECTED = {code: words for code, (*_, words) in TUMORS.items()} | LACKS


@pytest.mark.parametrize("patient", TUMORS)
def test_radiomics_have_every_value_or_a_reason(study, patient):
    values, reason = radiomics.read(study.features[patient])
    if wanted := EXPECTED[patient].get("radiomics"):
        assert wanted in reason and values == {}
    else:
        assert reason == "" and len(values) == 2 * radiomics.COUNT
        assert np.isfinite(list(values.values())).all()


@pytest.mark.parametrize("patient", TUMORS)
def test_slices_and_crop_have_their_size_and_show_the_tumor(study, patient):
    tumor, pancreas, *_ = TUMORS[patient]
    found = slices.read(study.slices[patient])
    assert found["usable"] == (tumor.any() or pancreas.any())
    if found["usable"]:
        assert found["source"] == ("tumor" if tumor.any() else "pancreas")
        assert found["images"].shape == (9, 2, SIZE, SIZE) and found["crop"].shape == (2, *CROP)
        assert found["masks"].any(axis=(1, 2)).all(), "a slice without its tumor"
        assert found["crop_mask"].any(), "a crop without its tumor"


@pytest.mark.parametrize("patient", EXPECTED)
def test_every_method_gives_a_score_or_the_reason(rows, patient):
    for method in CLASSES:
        row, words = rows[patient, method], EXPECTED[patient].get(method)
        if words is None:
            assert np.isfinite(row["score"]) and row["reason"] == "", (method, row)
        else:
            assert row["score"] is None and words in row["reason"], (method, row)
    assert len(rows) == len(CLASSES) * len(EXPECTED)


def test_no_score_depends_on_who_else_is_scored(study, model, rows):
    for patient in ("two-voxels", "no-nodes-measured"):
        alone = base.score_family(model, CLASSES, study, [patient])
        assert alone == [rows[patient, method] for method in model["methods"]]
    others = base.score_family(model, CLASSES, study, ["T0", "flat", "no-node", "line"])
    assert [r for r in others if r["patient"] == "line"] == [
        rows["line", method] for method in model["methods"]
    ]


def test_nobody_drops_out_of_the_predictions(study, model, rows):
    """Calls of one fold, and the ensemble of two, have a row for each patient."""
    chosen = base.score_family(model, CLASSES, study, CHOSEN_BY)
    for method in CLASSES:
        scores = {r["patient"]: r["score"] for r in chosen if r["method"] == method}
        declared = registry.built_in()[method]
        calls = {"threshold": declared.threshold, "nonnegative": declared.nonnegative}
        frozen = predictions.freeze({method: scores}, CHOSEN_BY, {method: calls})[method]
        mine = [rows[patient, method] for patient in EXPECTED]
        found = predictions.prediction_rows(
            mine, dict.fromkeys(EXPECTED, "external"), frozen, method
        )
        both = predictions.ensemble([found, found], [frozen, frozen])
        for table in (found, both):
            assert [row["patient"] for row in table] == list(EXPECTED)
            assert all((row["call"] is None) == bool(row["reason"]) for row in table), method
