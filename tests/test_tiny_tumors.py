"""C13: tumors and lymph nodes of next to no voxels, through every stage that looks at them.

Each is a row with a score, or a row with a reason; none stops a run.
"""

import functools
import tempfile
from pathlib import Path

import lymph_node_phantom as phantom
import numpy as np
import pytest

from nodestage import methods, metrics, radiomics
from nodestage.baselines import family as baselines
from nodestage.baselines import signature
from nodestage.fusion import family as fusion
from nodestage.identification import prediction, training
from nodestage.identification.volumes import positive_volumes, volume_feature
from nodestage.lymph_nodes.instances import components, instance_table
from nodestage.registration import carry_mask
from nodestage.tumor import slices
from nodestage.volumes import Volume

SPACING = (2.5, 2.0, 2.2)
SHAPE = (20, 30, 40)
SIZE, CROP = 16, (8, 12, 12)


def voxels(*places):
    mask = np.zeros(SHAPE, bool)
    for place in places:
        mask[place] = True
    return mask


# What the mask is, and the words of the reason why radiomics give none ("": they do).
KINDS = {
    "no voxel": (voxels(), "no tumor was found"),
    "one voxel": (voxels((9, 14, 20)), "one voxel"),
    "two voxels": (voxels((9, 14, slice(20, 22))), "2 voxels"),
    "two voxels apart": (voxels((3, 4, 5), (15, 25, 35)), "no two"),
    "a line": (voxels((9, 14, slice(15, 24))), ""),
    "one slice": (voxels((9, slice(12, 16), slice(15, 24))), ""),
    "at three borders": (voxels((slice(0, 3), slice(0, 3), slice(37, 40))), ""),
    "the last slice": (voxels((19, slice(12, 16), slice(15, 24))), ""),
    "two parts": (voxels((9, 3, slice(1, 6)), (9, 26, slice(34, 39))), ""),
    "the whole image": (np.ones(SHAPE, bool), ""),
    "constant HU": (voxels((slice(8, 12), slice(12, 17), slice(15, 24))), ""),
}


def phases(kind):
    noise = np.random.default_rng(3).normal(60, 30, (2, *SHAPE)).astype(np.int16)
    if kind == "constant HU":
        noise[:, KINDS[kind][0]] = 40
    return noise


@functools.cache
def views(kind):
    mask = KINDS[kind][0]
    pancreas = voxels((slice(5, 15), slice(10, 20), slice(10, 30)))
    return slices.views(*phases(kind), mask, pancreas, SPACING, SIZE, CROP)


@functools.cache
def features(kind):
    mask = KINDS[kind][0]
    source = "tumor" if mask.any() else "none"
    return radiomics.of_patient(phases(kind), mask, SPACING, source)


@pytest.mark.parametrize("kind", KINDS)
def test_C13_radiomics_have_every_value_or_a_reason(kind, tmp_path):
    values, reason = features(kind)
    radiomics.write(tmp_path / "P1.tsv", values, reason)
    values, reason = radiomics.read(tmp_path / "P1.tsv")
    if wanted := KINDS[kind][1]:
        assert wanted in reason and values == {}
    else:
        assert reason == "" and len(values) == 2 * radiomics.COUNT
        assert np.isfinite(list(values.values())).all()


@pytest.mark.parametrize("kind", KINDS)
def test_C13_slices_and_crop_have_their_size_and_show_the_tumor(kind):
    found = views(kind)
    assert found["usable"]
    assert found["source"] == ("tumor" if KINDS[kind][0].any() else "pancreas")
    assert found["images"].shape == (9, 2, SIZE, SIZE) and found["crop"].shape == (2, *CROP)
    assert found["masks"].any(axis=(1, 2)).all(), "a slice without its tumor"
    assert found["crop_mask"].any(), "a crop without its tumor"


@pytest.mark.parametrize("gap", [6, 14, 16, 20, 36])
def test_C13_parts_far_from_each_other_do_not_leave_the_networks_an_empty_place(gap):
    """The centroid of two parts may lie further from both than a slice or a crop reaches."""
    mask = voxels((9, 14, slice(0, 2)), (9, 14, slice(2 + gap, 4 + gap)))
    _, masks, _ = slices.nine_slices(*phases("two parts"), mask, SPACING, SIZE)
    assert masks.any(axis=(1, 2)).all()
    assert slices.crop(mask, mask, SPACING, CROP, fill=0).any()


def test_C13_a_tumor_in_one_piece_is_centered_as_before():
    """The centroid of a ring lies in its hole, and stays the center."""
    ring = voxels((9, slice(10, 19), slice(10, 19)))
    ring[9, 12:17, 12:17] = False
    _, masks, _ = slices.nine_slices(*phases("a line"), ring, (2.0, 2.0, 2.0), SIZE)
    rows, columns = np.nonzero(masks[0])
    assert (rows.mean(), columns.mean()) == (SIZE // 2, SIZE // 2)


@pytest.fixture(scope="module")
def patients(tmp_path_factory):
    """A patient of each kind, twice, with either status, as the patient-level methods see them."""
    folder = tmp_path_factory.mktemp("tiny")
    seen, tables, labels = {}, {}, {}
    for i, kind in enumerate([*KINDS, *KINDS]):
        patient = f"P{i:02d}"
        labels[patient] = i % 2
        seen[patient], tables[patient] = folder / f"{patient}.npz", folder / f"{patient}.tsv"
        slices.write(seen[patient], views(kind))
        radiomics.write(tables[patient], *features(kind))
    volumes = {variant: dict.fromkeys(labels, 0.0) for variant in ("plain", "attention")}
    return methods.Data(seen, tables, volumes, {}), labels


def test_C13_every_method_learns_from_them_and_scores_them_or_says_why_not(patients):
    data, labels = patients
    deep = {"epochs": 1, "patients_per_batch": 4, "views_per_patient": 1, "size": [8, 12, 12]}
    weighted = deep | {"tel": {"width": 8, "codewords": 2, "mask_weighted": True}}
    settings = {
        "radiomics": {"alphas": 5, "inner_folds": 2},
        "resnet3d": deep,
        "deepten": weighted,
        "combined": weighted,
    }
    known = {**baselines.METHODS, **fusion.METHODS}
    classes = {name: known[name] for name in settings}
    model = methods.fit_family(classes, data, labels, list(labels), [], settings, 1)
    rows = methods.score_family(model, classes, data, list(labels))
    assert len(rows) == len(settings) * len(labels)
    for row in rows:
        kind = [*KINDS, *KINDS][int(row["patient"][1:])]
        lacking = KINDS[kind][1] if row["method"] == "radiomics" else ""
        assert (row["score"] is None) == bool(lacking), row
        assert lacking in row["reason"]
    # Nobody's score depends on who else is scored.
    for method in settings:
        alone = methods.score_family(model, classes, data, ["P01"])
        assert [r for r in alone if r["method"] == method] == [
            r for r in rows if r["method"] == method and r["patient"] == "P01"
        ]


def test_C13_what_stands_in_for_a_missing_value_comes_from_the_training_part():
    """Medians are those of the patients that the signature was fitted on, whoever is scored."""
    rng = np.random.default_rng(0)
    labels = np.arange(40) % 2
    values = np.stack([labels * 3.0 + rng.normal(size=40), rng.normal(size=40)], axis=1)
    values[:4, 0] = np.nan
    names = ["a", "b"]
    state = signature.fit(values, labels, names, signature.settings_of({}), 0)
    median = dict(zip(state["features"], state["medians"], strict=True))["a"]
    assert median == pytest.approx(np.nanmedian(values[:, 0]))
    missing = signature.log_odds(state, {"a": float("nan"), "b": 0.0})
    assert missing == pytest.approx(signature.log_odds(state, {"a": median, "b": 0.0}))


# Lymph nodes


def one_voxel(place=(12, 20, 24)):
    mask = np.zeros(phantom.SHAPE, np.uint8)
    mask[place] = 2
    return mask


@pytest.mark.parametrize("place", [(12, 20, 24), (0, 0, 0), (31, 47, 47)])
def test_C13_a_lymph_node_of_one_voxel_is_measured(place):
    instances = components(one_voxel(place), phantom.SPACING)
    organs = np.zeros(phantom.SHAPE, np.uint8)
    organs[12, 10, 10] = 1  # and an organ of one voxel
    anatomy = {"labels": {"aorta": 1}, "ranges_mm": {"aorta": [0, 28]}, "stations": {"aorta": [16]}}
    (row,) = instance_table(instances, phantom.SPACING, organs, anatomy)
    assert row["volume_mm3"] == pytest.approx(np.prod(phantom.SPACING))
    assert row["short_axis_mm"] == pytest.approx(2.0)
    assert np.isfinite(row["distance_mm"]) and row["station"] == "16"
    assert volume_feature(positive_volumes([{**row, "p_positive": 0.5}])) == row["volume_mm3"]
    found = metrics.match_instances(one_voxel(place) > 0, one_voxel(place) > 0)
    assert (found.tp, found.fp, found.fn) == (1, 0, 0)
    surface = metrics.surface_distances(one_voxel(place) > 0, one_voxel() > 0, phantom.SPACING)
    away = np.linalg.norm(np.subtract(place, (12, 20, 24)) * phantom.SPACING)
    assert surface.hd == pytest.approx(away)


@functools.cache
def identified():
    """Identification of a fold, one of whose training patients has nodes of one voxel alone."""
    folder = Path(tempfile.mkdtemp(prefix="tiny"))
    arterial, venous, attention, _ = phantom.arrays(0)
    nodes = one_voxel() + one_voxel((0, 0, 0)) // 2  # one positive, one negative in the corner
    patients = phantom.cohort() | {
        "P0": phantom.write(folder, "P0", (arterial, venous, attention, nodes))
    }
    settings = {"crop": [8, 12, 12], "epochs": 1, "iterations_per_epoch": 2, "batch_size": 4}
    return training.train_fold(
        patients, *phantom.SPLIT, phantom.tiny_fold(), settings, 1, folder / "m.pt", folder / "work"
    )


@pytest.mark.parametrize("place", [(12, 20, 24), (0, 0, 0), (31, 47, 47)])
def test_C13_a_lymph_node_of_one_voxel_teaches_and_is_identified(place):
    arterial, venous, attention, _ = phantom.arrays(1)
    instances = components(one_voxel(place), phantom.SPACING)
    for name in ("attention", "plain"):
        (p,) = prediction.classify(
            identified(), name, arterial, venous, attention, instances, phantom.SPACING
        )
        assert 0 <= p <= 1


@pytest.mark.parametrize("size", [1, 2])
def test_C13_a_drawn_node_of_a_voxel_is_still_there_on_a_coarser_grid(size):
    fine = np.zeros((40, 60, 60), np.uint8)
    fine[21, 31, 31 : 31 + size] = 2
    mask = Volume(fine, (0.8, 0.7, 0.7))
    grid = Volume(np.zeros((13, 20, 20), np.int16), (2.5, 2.1, 2.1))
    carried = carry_mask(mask, None, grid)
    assert (carried.array == 2).sum() == 1
    (place,) = np.argwhere(carried.array == 2) * grid.spacing
    assert np.abs(place - np.multiply((21, 31, 31), mask.spacing)).max() < 2.5
