"""The compared methods, the radiomics signature, and a method that a user brings."""

import hashlib

import numpy as np
import pytest
import torch

from nodestage.cohort import clinical
from nodestage.core.errors import InputError, TrainingError
from nodestage.methods import base, radiomics, registry
from nodestage.methods.baselines import resnet3d, signature
from nodestage.methods.fusion import weights
from nodestage.methods.fusion.network import PatientNetwork
from nodestage.methods.fusion.resnet import ResNet18
from nodestage.tumor import slices

LASSO = {"alphas": 30, "inner_folds": 4, "max_iter": 2000, "C": 1.0}
NETWORK = {
    "width": 64,
    "steps": 2,
    "optimizer": "sgd",
    "schedule": "polynomial",
    "checks": 1,
    "choose": "best",
    "learning_rate": 0.01,
    "momentum": 0.95,
    "weight_decay": 1e-4,
    "patients_per_batch": 4,
    "views_per_patient": 1,
    "windows_hu": {"arterial": [-39, 228], "venous": [-30, 173]},
    "third_channel": "mask",
    "augmentation": {
        "rotation_degrees": 10,
        "scale": 0.1,
        "shift": 0.05,
        "flip": True,
        "intensity": 0.05,
    },
    "tel": {"width": 64, "codewords": 8, "mask_weighted": False},
    "volume_relu": False,
    "pretrained": None,
    "freeze": False,
    "size": [8, 24, 24],
}
SETTINGS = {
    "ct_report": {},
    "radiomics": LASSO,
    "radiomics_ct_report": LASSO,
    "resnet2d": NETWORK,
    "deepten": NETWORK,
    "resnet3d": NETWORK,
}
NAMES = [f"feature{i}" for i in range(radiomics.COUNT)]
STRONG = "arterial_feature7"


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    yield
    torch.set_num_threads(threads)


def features(label, rng):
    """100 features of noise a phase, one of them replaced by the cue; the rest constant."""
    noise = {
        phase: np.append(rng.normal(size=100), np.ones(len(NAMES) - 100))
        for phase in radiomics.PHASES
    }
    values = {phase: dict(zip(NAMES, noise[phase], strict=True)) for phase in radiomics.PHASES}
    values["arterial"]["feature7"] = 40 + 25 * label + rng.normal() * 4
    values["venous"]["feature3"] = 5.0  # constant
    return values


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """40 patients; `STRONG` shows the status, the CT report in four of five."""
    folder = tmp_path_factory.mktemp("study")
    rng = np.random.default_rng(5)
    labels = {f"P{i}": i % 2 for i in range(40)}
    tables, paths, clinical = {}, {}, {}
    for i, (name, label) in enumerate(labels.items()):
        tables[name] = folder / f"{name}.tsv"
        radiomics.write(tables[name], features(label, rng))
        wrong = i % 10 in (4, 5)
        clinical[name] = {
            "ct_reported": str(1 - label if wrong else label),
            "metastasis": str(label),
        }
        paths[name] = folder / f"{name}.npz"
        masks = np.zeros((9, 24, 24), np.uint8)
        masks[:, 8:16, 8:16] = 1
        images = rng.normal(60 + 60 * label, 20, (9, 2, 24, 24)).astype(np.int16)
        slices.write(
            paths[name],
            {
                "usable": True,
                "reason": "",
                "source": "tumor",
                "images": images,
                "masks": masks,
                "planes": np.repeat(np.arange(3, dtype=np.uint8), 3),
                "crop": images.transpose(1, 0, 2, 3).copy(),
                "crop_mask": masks,
            },
        )
    tables["Q1"] = folder / "Q1.tsv"
    radiomics.write(tables["Q1"], {}, "the tumor mask has one voxel")
    clinical["Q1"] = {"ct_reported": "1"}
    clinical["Q2"] = {"ct_reported": None}
    return base.Data(paths, tables, {}, clinical), labels


def split(labels):
    names = list(labels)
    return names[:16], names[16:20], names[20:]


def fit(study, names, labels=None, train=None):
    data, true = study
    known = labels or true
    t, v, _ = split(true)
    classes = {name: registry.load(name) for name in names}
    model = base.fit_family(classes, data, base.Split(train or t, v, known), SETTINGS, seed=3)
    return model, classes


@pytest.fixture(scope="module")
def fitted(study):
    return fit(study, ["ct_report", "radiomics", "radiomics_ct_report"])


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


# CT report and radiomics


def test_the_strong_feature_is_found_and_scores_survive_the_file(tmp_path, study, fitted):
    (data, labels), (model, classes) = study, fitted
    test = split(labels)[2]
    torch.save(model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=True)
    assert base.score_family(loaded, classes, data, test) == base.score_family(
        model, classes, data, test
    )
    state = loaded["methods"]["radiomics"]["state"]
    assert STRONG in state["features"] and "venous_feature3" not in state["features"]
    for method in ("radiomics", "radiomics_ct_report"):
        found = scores(loaded, classes, data, test, method)
        assert all(0 < value < 1 for value in found.values())
        assert auc(found, labels) > 0.9, method
    reports = scores(loaded, classes, data, test, "ct_report")
    assert set(reports.values()) == {0.0, 1.0}
    assert np.mean([reports[p] == labels[p] for p in test]) == 0.8


def test_permuted_labels_bring_radiomics_to_chance(study):
    data, labels = study
    train, _, test = split(labels)
    found = []
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(len(train))
        # As many of each class change as keep their label.
        permuted = dict(labels)
        for label in (0, 1):
            own = [train[i] for i in order if labels[train[i]] == label]
            permuted.update(dict.fromkeys(own[: len(own) // 2], 1 - label))
        model, classes = fit(study, ["radiomics"], permuted)
        found.append(auc(scores(model, classes, data, test, "radiomics"), labels))
    assert abs(np.mean(found) - 0.5) < 0.2


def test_the_stacked_model_weighs_signature_and_report(study, fitted):
    state = fitted[0]["methods"]["radiomics_ct_report"]["state"]
    assert state["on_signature"] > 0 and state["on_report"] > 0
    (data, labels), (model, classes) = study, fitted
    changed = {name: {"ct_reported": "1"} for name in data.clinical}
    other = base.Data(data.slices, data.features, {}, changed)
    patient = next(p for p in split(labels)[2] if data.clinical[p]["ct_reported"] == "0")
    before = scores(model, classes, data, [patient], "radiomics_ct_report")[patient]
    after = scores(model, classes, other, [patient], "radiomics_ct_report")[patient]
    assert after > before


def test_out_of_fold_signatures_never_saw_their_own_label(study):
    _, labels = study
    train = split(labels)[0]
    method = registry.load("radiomics_ct_report")(LASSO, 1)
    rng = np.random.default_rng(0)
    table = rng.normal(size=(len(train), 50))
    y = np.asarray([labels[p] for p in train])
    folds = signature.inner_folds(y, LASSO["inner_folds"], 1)
    assert sorted(np.concatenate([out for _, out in folds])) == list(range(len(train)))
    held_out = method._held_out(table, y, NAMES[:50])
    rest, out = folds[0]
    state = signature.fit(table[rest], y[rest], NAMES[:50], LASSO, 1)
    expected = [
        signature.log_odds(state, dict(zip(NAMES[:50], row, strict=True))) for row in table[out]
    ]
    np.testing.assert_allclose(held_out[out], expected)


def test_what_stands_in_for_a_missing_value_comes_from_the_training_part():
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


def test_the_signature_equals_the_same_steps_in_scikit_learn():
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LassoCV, LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(1)
    y = np.arange(24) % 2
    x = rng.normal(size=(24, 40)) * rng.uniform(0.1, 300, 40) + 20
    x[:, 5] += y * 300
    x[3, 8] = np.nan
    names = NAMES[:40]
    state = signature.fit(x, y, names, LASSO, 9)
    impute, scale = SimpleImputer(strategy="median"), StandardScaler()
    scaled = scale.fit_transform(impute.fit_transform(x))
    lasso = LassoCV(alphas=30, cv=signature.inner_folds(y, 4, 9), max_iter=2000).fit(scaled, y)
    chosen = np.flatnonzero(lasso.coef_)
    assert state["features"] == [names[i] for i in chosen]
    model = LogisticRegression(max_iter=10_000).fit(scaled[:, chosen], y)
    new = rng.normal(size=40) * 100
    new[8] = np.nan
    expected = model.decision_function(scale.transform(impute.transform(new[None]))[:, chosen])[0]
    assert signature.log_odds(state, dict(zip(names, new, strict=True))) == pytest.approx(expected)


def test_pure_noise_leaves_the_intercept_and_says_so():
    y = np.asarray([0] * 12 + [1] * 6)
    state = signature.fit(np.full((18, 5), 3.0), y, NAMES[:5], LASSO, 0)
    assert state["features"] == [] and "no feature varies" in state["note"]
    score = signature.probability(signature.log_odds(state, {}))
    assert score == pytest.approx(1 / 3)


def test_lasso_that_keeps_nothing_leaves_the_intercept(monkeypatch):
    monkeypatch.setattr(signature, "_lasso", lambda *_: (0.5, np.empty(0, int), ""))
    state = signature.fit(
        np.random.default_rng(0).normal(size=(8, 3)), np.arange(8) % 2, NAMES[:3], LASSO, 0
    )
    assert state["coefficients"] == [] and state["intercept"] == 0.0
    assert state["note"].startswith("LASSO kept no feature")


def test_a_single_positive_patient_leaves_the_intercept_and_one_class_is_no_model():
    x = np.random.default_rng(0).normal(size=(8, 3))
    state = signature.fit(x, np.eye(8, dtype=int)[0], NAMES[:3], LASSO, 0)
    assert state["features"] == [] and "one training patient" in state["note"]
    with pytest.raises(base.Unfit, match="0 of 8"):
        signature.fit(x, np.zeros(8, int), NAMES[:3], LASSO, 0)


def test_perfect_separation_is_finite_and_flagged():
    y = np.arange(20) % 2
    x = np.random.default_rng(0).normal(size=(20, 6))
    x[:, 2] = y * 1000.0
    state = signature.fit(x, y, NAMES[:6], LASSO, 0)
    assert np.isfinite(state["coefficients"]).all()
    assert "separated" in state["note"]


def test_stability_counts_the_folds_that_chose_a_feature():
    states = [
        {"features": ["a", "b"], "coefficients": [1.0, -1.0]},
        {"features": ["b"], "coefficients": [-3.0]},
        {"features": [], "coefficients": []},
    ]
    assert signature.stability(states, ["a", "b", "c"]) == [
        {"feature": "b", "folds_chosen": 2, "folds": 3, "mean_coefficient": -2.0},
        {"feature": "a", "folds_chosen": 1, "folds": 3, "mean_coefficient": 1.0},
    ]


def test_what_a_patient_lacks_is_the_reason(study, fitted):
    (data, _), (model, classes) = study, fitted
    rows = base.score_family(model, classes, data, ["Q1", "Q2"])
    found = {(r["patient"], r["method"]): (r["score"], r["reason"]) for r in rows}
    assert found["Q1", "ct_report"] == (1.0, "")
    assert found["Q1", "radiomics"] == (None, "the tumor mask has one voxel")
    assert found["Q2", "ct_report"] == (None, "no CT report of the lymph nodes")
    assert found["Q2", "radiomics"] == (None, "no radiomics features were computed")
    assert all(value is None for (p, m), (value, _) in found.items() if m == "radiomics_ct_report")


def test_no_method_sees_the_label_among_the_clinical_columns(study):
    data, _ = study
    row = base.Patients(data, ["P0"]).clinical("P0")
    assert set(row) == set(clinical.CLINICAL) and not {"metastasis", "pn_stage"} & set(row)


def test_a_report_that_is_neither_0_nor_1_is_refused():
    data = base.Data(clinical={"P1": {"ct_reported": "2"}})
    with pytest.raises(InputError, match=r"P1: ct_reported is '2'"):
        base.Patients(data, ["P1"]).ct_report("P1")


def test_a_training_patient_without_features_is_left_out_and_counted(study):
    _, labels = study
    model, _ = fit(study, ["radiomics"], labels | {"Q1": 1}, train=[*split(labels)[0], "Q1"])
    assert model["methods"]["radiomics"]["left_out"][0] == {"the tumor mask has one voxel": 1}


# Networks


def test_every_network_trains_and_scores(study):
    data, _ = study
    names = ["resnet2d", "deepten", "resnet3d"]
    model, classes = fit(study, names)
    rows = base.score_family(model, classes, data, ["P30", "P31", "Q1"])
    assert len(rows) == 9
    assert all(0 <= r["score"] <= 1 for r in rows if r["patient"] != "Q1")
    assert [r["reason"] for r in rows if r["patient"] == "Q1"] == ["no tumor slices were made"] * 3
    heads = [model["methods"][name]["state"]["weights"]["head.0.weight"] for name in names]
    assert [tuple(h.shape) for h in heads] == [(64, 512)] * 3


def test_the_3d_network_has_the_published_number_of_parameters():
    def count(module):
        return sum(p.numel() for p in module.parameters())

    trunk = ResNet18(3)
    # 7^3 and 3^3 kernels, batch norms, and the three 1^3 shortcuts of type B.
    conv = 343 * 3 * 64 + 27 * (4 * 64 * 64 + 64 * 128 + 3 * 128 * 128)
    conv += 27 * (128 * 256 + 3 * 256 * 256 + 256 * 512 + 3 * 512 * 512)
    shortcuts = 64 * 128 + 128 * 256 + 256 * 512
    norms = 2 * (5 * 64 + 5 * 128 + 5 * 256 + 5 * 512)
    branch = 64 * 27 + 64
    assert count(trunk) == conv + shortcuts + norms + branch
    published = {k for k in trunk.state_dict() if not k.startswith("mask_branch")} | {
        "fc.weight",
        "fc.bias",
    }
    assert len(published) == 122


def test_the_3d_network_equals_monais_with_the_published_strides(tmp_path):
    monai = pytest.importorskip("monai.networks.nets")
    theirs = monai.resnet18(
        spatial_dims=3,
        n_input_channels=3,
        num_classes=1039,
        conv1_t_stride=(1, 2, 2),
        bias_downsample=False,
        shortcut_type="B",
    ).eval()
    path = tmp_path / "r3d18.pth"
    torch.save({"state_dict": theirs.state_dict()}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    trunk = ResNet18(3).eval()
    assert len(theirs.state_dict()) == 122
    published = sum(p.numel() for p in theirs.parameters())
    own = sum(p.numel() for n, p in trunk.named_parameters() if "mask_branch" not in n)
    assert own + 512 * 1039 + 1039 == published
    assert weights.load(trunk, {"path": str(path), "sha256": digest}).startswith("pretrained")
    image, mask = torch.randn(1, 3, 8, 32, 32), torch.ones(1, 1, 8, 32, 32)
    with torch.no_grad():
        ours = theirs.fc(trunk(image, mask).flatten(2).mean(2))
        torch.testing.assert_close(ours, theirs(image), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("change", ["missing", "extra"])
def test_3d_weights_with_another_key_are_refused(tmp_path, change):
    found = {k: v for k, v in ResNet18(3).state_dict().items() if not k.startswith("mask_branch")}
    found |= {"fc.weight": torch.zeros(1039, 512), "fc.bias": torch.zeros(1039)}
    if change == "missing":
        del found["layer2.0.downsample.0.weight"]
    else:
        found["layer2.0.downsample.0.bias"] = torch.zeros(128)
    path = tmp_path / "r3d18.pth"
    torch.save({"state_dict": found}, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match="downsample"):
        weights.load(ResNet18(3), {"path": str(path), "sha256": digest})


def test_a_small_tumor_is_not_lost_when_the_crop_is_made_coarser():
    mask = np.zeros((16, 48, 48), np.uint8)
    mask[7, 23, 25] = 1
    found = {"crop": np.zeros((2, 16, 48, 48), np.int16), "crop_mask": mask}
    phases, small = resnet3d.Method(NETWORK, 0)._view(found)
    assert phases.shape == (1, 2, 8, 24, 24) and small.shape == (1, 1, 8, 24, 24)
    assert small.sum() == 1 and small[0, 0, 3, 11, 12] == 1


def test_texture_encoding_in_3d_is_refused():
    with pytest.raises(ValueError, match="two-dimensional"):
        PatientNetwork(("tel",), dimensions=3)


# A method of one's own

DUMMY = '''
"""Age as a score."""


class Method:
    def __init__(self, settings, seed):
        self.settings = settings

    def fit(self, train, validation):
        ages = [float(train.clinical(p)["age"]) for p in train.names]
        return {"mean": sum(ages) / len(ages), "positive": int(sum(train.labels(train.names)))}

    def predict(self, patients):
        found = {}
        for patient in patients.names:
            age = patients.clinical(patient)["age"]
            gap = self.settings["sign"] * (float(age) - self.state["mean"]) if age else "no age"
            found[patient] = gap
        return found
'''


def test_a_users_method_is_one_file(tmp_path):
    (tmp_path / "by_age.py").write_text(DUMMY)
    data = base.Data(clinical={f"P{i}": {"age": str(50 + i)} for i in range(6)})
    classes = {"by_age": registry.from_file("by_age", tmp_path / "by_age.py")}
    labels = {"P0": 0, "P1": 1, "P2": 0}
    model = base.fit_family(
        classes,
        data,
        base.Split(["P0", "P1", "P2"], [], labels),
        {"by_age": {"sign": -1}},
        seed=0,
    )
    torch.save(model, tmp_path / "model.pt")
    model = torch.load(tmp_path / "model.pt", weights_only=True)
    assert model["methods"]["by_age"]["state"] == {"mean": 51.0, "positive": 1}
    assert base.score_family(model, classes, data, ["P5", "P9"]) == [
        {"patient": "P5", "method": "by_age", "score": -4.0, "reason": ""},
        {"patient": "P9", "method": "by_age", "score": None, "reason": "no age"},
    ]


@pytest.mark.parametrize(
    "name, text, words",
    [
        ("by-age", DUMMY, "method name"),
        ("by_age", "class Method:\n    def fit(self, a, b): ...\n", "with predict"),
        ("by_age", "", "fit, predict"),
    ],
)
def test_a_file_that_is_no_method_is_refused(tmp_path, name, text, words):
    (tmp_path / "m.py").write_text(text)
    with pytest.raises(InputError, match=words):
        registry.from_file(name, tmp_path / "m.py")
    with pytest.raises(InputError, match=r"missing|method name"):
        registry.from_file(name, tmp_path / "none.py")


def test_a_state_that_is_not_plain_and_a_result_that_is_none_are_refused():
    class Numpy:
        def __init__(self, settings, seed): ...
        def fit(self, train, validation):
            return {"mean": np.float64(3)}

        def predict(self, patients):
            return {}

    with pytest.raises(TypeError, match=r"odd.state.mean is a float64"):
        base.fit_family({"odd": Numpy}, base.Data(), base.Split([], [], {}), {}, 0)
    model = {"methods": {"odd": {"settings": {}, "seed": 0, "state": {}, "unfit": ""}}}
    with pytest.raises(TrainingError, match="no result for P1"):
        base.score_family(model, {"odd": Numpy}, base.Data(), ["P1"])


def test_stability_is_counted_over_the_models_of_the_folds(tmp_path):
    from nodestage.core import checkpoints

    def fitted(state):
        return {"settings": {}, "seed": 1, "state": state, "unfit": "" if state else "one class"}

    folds = [
        ({"features": ["a", "b"], "coefficients": [1.0, -2.0]}, {"features": ["b"]}),
        ({"features": ["b"], "coefficients": [-1.0]}, {"features": []}),
        (None, {"features": ["c"]}),
    ]
    paths = []
    for k, (alone, stacked) in enumerate(folds):
        stacked = {"signature": {**stacked, "coefficients": [0.5] * len(stacked["features"])}}
        methods_of = {
            "radiomics": fitted(alone),
            "radiomics_ct_report": fitted(stacked),
            "resnet2d": fitted({"weights": torch.zeros(3)}),
        }
        paths.append(tmp_path / f"{k}.pt")
        checkpoints.save(paths[-1], {"format": 1, "methods": methods_of})
    rows = signature.chosen(paths)
    assert [tuple(row.values()) for row in rows] == [
        ("radiomics", "b", 2, 2, -1.5),
        ("radiomics", "a", 1, 2, 1.0),
        ("radiomics_ct_report", "b", 1, 3, 0.5),
        ("radiomics_ct_report", "c", 1, 3, 0.5),
    ]
