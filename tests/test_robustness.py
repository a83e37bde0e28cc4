"""Robust radiomics features: their ICC, the changes of mask and image, and a filter without a leak."""

import numpy as np
import pytest
from needed import PYRADIOMICS
from scipy import ndimage
from study_config import default_config, study, with_rows, with_tables

from nodestage.core import tables
from nodestage.methods import base, evidence, radiomics, registry
from nodestage.methods.baselines import radiomics as method
from nodestage.methods.radiomics import robustness as perturbed
from nodestage.statistics import robustness
from nodestage.statistics.agreement import icc_agreement
from nodestage.statistics.undefined import UndefinedError

perturbation = pytest.importorskip("nodestage.methods.radiomics.perturbation", reason=PYRADIOMICS)
extraction = pytest.importorskip("nodestage.methods.radiomics.extraction", reason=PYRADIOMICS)

# Table 2 of Shrout and Fleiss (1979): six targets, four judges.
RATINGS = np.array(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
)
SPACING = (2.5, 2.0, 2.2)
SHAPE = (20, 26, 24)
NAMES = [f"original_firstorder_f{i}" for i in range(radiomics.COUNT)]


def test_the_icc_is_that_of_the_published_example():
    """0.29 is in Shrout and Fleiss; the interval is what R's psych 2.4 (`ICC(sf)`) gives, 0.019 to 0.761."""
    found = icc_agreement(RATINGS)
    assert found.icc == pytest.approx(0.2898, abs=5e-5)
    assert (found.low, found.high) == pytest.approx((0.0188, 0.7611), abs=1e-4)


def test_the_icc_of_many_quantities_is_that_of_each():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(9, 1, 5)) * [0.2, 1, 2, 5, 20] + rng.normal(size=(9, 4, 5))
    together = icc_agreement(values)
    for i in range(values.shape[2]):
        alone = icc_agreement(values[..., i])
        assert [part[i] for part in together] == pytest.approx([float(part) for part in alone])
    assert np.all(together.low < together.icc) and np.all(together.icc < together.high)
    assert together.icc[0] < 0.5 < 0.99 < together.icc[4]


def test_the_icc_of_constants_is_undefined_and_of_equal_measurements_one():
    same, flat = np.repeat(np.arange(5.0)[:, None], 3, axis=1), np.full((5, 3), 0.1)
    found = icc_agreement(np.stack([same, flat], axis=-1))
    assert [part[0] for part in found] == [1, 1, 1] and np.isnan([part[1] for part in found]).all()
    with pytest.raises(UndefinedError, match="1 patients"):
        icc_agreement(RATINGS[:1])


def test_the_interval_of_the_icc_covers_the_true_one():
    rng = np.random.default_rng(3)
    n, k, many = 20, 5, 2000
    values = rng.normal(size=(n, 1, many)) * 2 + rng.normal(size=(n, k, many))
    values += rng.normal(size=(1, k, many)) * 0.5
    true = 4 / (4 + 0.25 + 1)
    found = icc_agreement(values)
    assert np.mean((found.low <= true) & (true <= found.high)) == pytest.approx(0.95, abs=0.02)


# Changes of mask and images


def ball(radius=5, shape=SHAPE):
    offsets = [(i - n // 2) / radius for i, n in zip(np.indices(shape), shape, strict=True)]
    return sum(o**2 for o in offsets) < 1


def texture(seed=0):
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    return (ndimage.gaussian_filter(noise, 1) * 450 + 60).astype(np.int16)


def changes(mask, seed=7):
    phases = np.stack([texture(1), texture(2)])
    made = perturbation.perturbed(phases, mask, SPACING, seed)
    return phases, {name: (images, changed) for name, images, changed in made}


def test_each_change_is_small_and_what_its_name_is():
    mask = ball()
    phases, made = changes(mask)
    assert tuple(made) == perturbation.NAMES
    size = {name: int(changed.sum()) for name, (_, changed) in made.items()}
    assert size["eroded"] < mask.sum() < size["dilated"]
    assert size["shifted"] == size["noise"] == mask.sum()
    assert size["contour"] == pytest.approx(mask.sum(), rel=0.25)
    assert size["regridded"] == pytest.approx(mask.sum(), rel=0.1)
    assert (made["shifted"][1] != mask).any() and (made["contour"][1] != mask).any()
    for name in ("eroded", "dilated", "contour", "shifted"):
        assert made[name][0] is phases
        assert (made[name][1] & mask).sum() > 0.5 * mask.sum()
    assert made["regridded"][0].shape == (2, *(n - 1 for n in SHAPE))
    added = made["noise"][0] - phases
    assert added.std() == pytest.approx(perturbation.noise_hu(phases[0], mask), rel=0.2)


def test_the_same_seed_makes_the_same_changes_and_another_one_others():
    mask = ball()
    first, again, other = (changes(mask, seed)[1] for seed in (7, 7, 8))
    assert all(np.array_equal(first[n][i], again[n][i]) for n in first for i in (0, 1))
    assert (first["contour"][1] != other["contour"][1]).any()


@pytest.mark.parametrize("sd", [3.0, 25.0])
def test_the_noise_of_an_image_is_found_below_its_structure(sd):
    z = np.linspace(-50, 150, 40)[:, None, None]
    image = z + np.random.default_rng(0).normal(0, sd, (40, 40, 40))
    mask = np.zeros(image.shape, bool)
    mask[15:25, 15:25, 15:25] = True
    assert perturbation.noise_hu(image, mask) == pytest.approx(sd, rel=0.1)


def test_values_between_voxels_are_interpolated_linearly():
    z, y, _ = np.indices((4, 5, 1))
    found = perturbation.between_voxels(3 * z + 10 * y)
    np.testing.assert_allclose(found, (3 * z + 10 * y + 6.5)[:-1, :-1])


# Tables


def test_a_patient_whose_tumor_erosion_removes_is_left_out_with_the_reason(tmp_path):
    mask = np.zeros(SHAPE, bool)
    mask[10, 10:13, 10:13] = True
    phases = np.stack([texture(1), texture(2)])
    original = dict.fromkeys(["arterial_a", "venous_a"], 1.0)
    values, reason = perturbed.of_patient(original, phases, mask, SPACING, 0)
    assert values == {} and reason == "eroded: the tumor mask is empty"
    perturbed.write(tmp_path / "P1.tsv", values, reason)
    assert perturbed.read_all([tmp_path / "P1.tsv"]) == ({}, {"P1": reason})


def test_the_features_of_every_change_come_back_as_they_were_written(tmp_path, monkeypatch):
    settings = extraction.settings() | {"imageType": {"Original": {}}}
    monkeypatch.setattr(extraction, "settings", lambda: settings)  # 107 features of 1688, for speed
    monkeypatch.setattr(perturbed, "COUNT", 107)
    mask, phases = ball(4), np.stack([texture(1), texture(2)])
    values, _ = radiomics.of_patient(phases, mask, SPACING)
    original = {f"{p}_{name}": v for p, of in values.items() for name, v in of.items()}
    made, reason = perturbed.of_patient(original, phases, mask, SPACING, 3)
    assert reason == "" and list(made) == ["original", *perturbation.NAMES]
    perturbed.write(tmp_path / "P1.tsv", made)
    assert perturbed.read(tmp_path / "P1.tsv") == (made, "")
    volume = "venous_original_shape_VoxelVolume"
    assert made["eroded"][volume] < made["original"][volume] < made["dilated"][volume]


def patient(rng, robust=("f0", "f1")):
    """Seven versions of a patient's features; those in `robust` differ little, one is constant."""
    values = {}
    for phase in radiomics.PHASES:
        for name in NAMES:
            own = rng.normal()
            noise = 0.05 if name.endswith(tuple(f"_{r}" for r in robust)) else 2.0
            values[f"{phase}_{name}"] = own + noise * rng.normal(size=7)
        values[f"{phase}_{NAMES[-1]}"] = np.zeros(7)
    return {
        change: {name: float(of[i]) for name, of in values.items()}
        for i, change in enumerate(("original", *perturbation.NAMES))
    }


@pytest.fixture(scope="module")
def people():
    rng = np.random.default_rng(2)
    return {f"P{i}": patient(rng) for i in range(8)}


def test_features_are_kept_by_their_icc_and_constant_ones_are_not(people):
    rows = robustness.rows(people, 0.75)
    assert len(rows) == 2 * radiomics.COUNT
    kept = {(row["phase"], row["feature"]) for row in rows if row["kept"]}
    assert {(p, NAMES[i]) for p in radiomics.PHASES for i in (0, 1)} <= kept
    assert len(kept) < 0.02 * len(rows)
    constant = next(row for row in rows if row["feature"] == NAMES[-1])
    assert not constant["kept"] and "same" in constant["note"]
    top = robustness.summary({"fold 0": rows})[0]
    assert (top["level"], top["kept_always"]) == ("all features", len(kept))
    assert sum(r["features"] for r in robustness.summary({"fold 0": rows}) if r["group"] == "phase")
    assert robustness.rows({}, 0.75) == [] and robustness.summary({"fold 0": []}) == []


def test_with_too_few_patients_nothing_is_filtered_and_the_table_states_it(people):
    rows = robustness.rows(dict(list(people.items())[:2]), 0.75)
    assert all(row["kept"] and "not filtered" in row["note"] for row in rows)


# The filter, in a fold


@pytest.fixture(scope="module")
def fold(tmp_path_factory):
    """Features of 24 patients and the table of robust ones; the status is in a robust feature and,
    far better, in one that isn't."""
    folder, rng = tmp_path_factory.mktemp("fold"), np.random.default_rng(4)
    labels = {f"P{i}": i % 2 for i in range(24)}
    for name, label in labels.items():
        values = {
            phase: dict(zip(NAMES, [*rng.normal(size=60), *[1.0] * 1628], strict=True))
            for phase in radiomics.PHASES
        }
        values["venous"][NAMES[0]] += 2.5 * label
        values["venous"][NAMES[5]] = 10.0 * label + 0.01 * rng.normal()
        radiomics.write(folder / f"{name}.tsv", values)
    rows = [
        {"phase": p, "feature": n, "kept": i in (0, 1, 2)}
        for p in radiomics.PHASES
        for i, n in enumerate(NAMES)
    ]
    tables.write(folder / "robustness.tsv", rows, robustness.COLUMNS)
    return folder, labels


@pytest.mark.parametrize("name", ["radiomics", "radiomics_ct_report"])
def test_lasso_chooses_among_robust_features_alone(fold, name):
    folder, labels = fold
    train = list(labels)[:18]
    inputs = {
        "radiomics": [folder / f"{p}.tsv" for p in labels],
        "robustness": [folder / "robustness.tsv"],
    }
    clinical = {p: {"ct_reported": str(i % 3 % 2)} for i, p in enumerate(labels)}
    classes = {name: registry.load(name)}
    chosen = {}
    for robust in (True, False):
        known = inputs if robust else {"radiomics": inputs["radiomics"]}
        data = evidence.data(known, list(labels), clinical, {})
        split = base.Split(train, list(labels)[18:], labels)
        model = base.fit_family(classes, data, split, {name: {"alphas": 20}}, seed=1)
        state = model["methods"][name]["state"]
        chosen[robust] = set(state.get("signature", state)["features"])
    assert f"venous_{NAMES[5]}" in chosen[False] - chosen[True]
    assert f"venous_{NAMES[0]}" in chosen[True]
    assert chosen[True] <= {f"{p}_{NAMES[i]}" for p in radiomics.PHASES for i in (0, 1, 2)}


def test_a_table_without_rows_filters_nothing(tmp_path):
    """No patient of a fold had features under every change."""
    tables.write(tmp_path / "robustness.tsv", robustness.rows({}, 0.75), robustness.COLUMNS)
    inputs = {"robustness": [tmp_path / "robustness.tsv"]}
    assert evidence.data(inputs, [], {}, {}).robust is None


def test_without_a_robust_feature_every_patient_gets_the_prevalence(fold):
    folder, labels = fold
    data = base.Data(features={p: folder / f"{p}.tsv" for p in labels}, robust=set())
    fitted = method.Method({"alphas": 20}, 1)
    state = fitted.fit(base.Patients(data, labels, labels), base.Patients(data, [], labels))
    assert state["features"] == [] and "no feature is robust" in state["note"]


def test_a_fold_filters_by_its_own_training_patients_alone():
    """Who is in a fold's table: no validation, test or external patient, whatever their status."""
    config = default_config(radiomics={"robustness": {"icc": 0.75, "patients": 5}})
    made = study(config)
    union = set()
    for fold in made.folds:
        found = made.folds.perturbed(fold, 5)
        assert len(found) == 5 and set(found) <= set(made.folds.subset(fold, "train"))
        assert all(map(made.patients.is_imaged, found))
        assert made.paths.perturbed(fold) == [f"results/baselines/perturbed/{p}.tsv" for p in found]
        assert made.paths.robustness("baselines", fold) == [
            f"results/baselines/fold{fold}/robustness.tsv"
        ]
        assert made.paths.robustness("fusion", fold) == []
        union |= set(found)
    assert len(union) < 25  # one order for all folds: most patients serve several
    assert len(made.paths.robustness_tables()) == len(made.folds)
    off = study(default_config())
    assert off.paths.robustness_tables() == [] and off.paths.perturbed(0) == []


def test_the_status_of_no_patient_decides_in_whom_robustness_is_measured():
    config = default_config()
    made = study(config)

    def other_status(row):
        row.update(metastasis=str(1 - int(row["metastasis"])) if row["metastasis"] else "")

    changed = with_tables(with_rows(config, other_status).folds, made.folds.tables)
    everybody = list(made.folds.table(0))
    assert changed.patients.metastasis(everybody) != made.patients.metastasis(everybody)
    for fold in made.folds:
        assert changed.perturbed(fold, 5) == made.folds.perturbed(fold, 5)
