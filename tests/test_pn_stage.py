"""The ordinal model of pN: against statsmodels, without a leak, and its tables against plain counting."""

import io

import numpy as np
import pytest
import torch
from statistics_cohort import one
from study_config import study as built_study

from nodestage.cohort import stages as sheet_stages
from nodestage.core import tables
from nodestage.methods import base, evidence, registry
from nodestage.methods.staging import ordinal
from nodestage.statistics import pn_stage
from nodestage.statistics.undefined import UndefinedError


def drawn(n=200, seed=0):
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 2)) * [1.0, 40.0] + [0, 300]
    latent = 1.3 * x[:, 0] - 0.02 * (x[:, 1] - 300) + random.logistic(size=n)
    return x, np.digitize(latent, [-0.4, 1.1])


def test_without_a_penalty_the_fit_is_that_of_statsmodels():
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    x, classes = drawn()
    found = ordinal.fit(x, classes, ridge=0.0)
    z = (x - x.mean(0)) / x.std(0)
    model = OrderedModel(classes, z, distr="logit")
    theirs = model.fit(method="bfgs", disp=False, gtol=1e-8)
    np.testing.assert_allclose(found["weights"], theirs.params[:2], atol=1e-4)
    np.testing.assert_allclose(
        found["cuts"], model.transform_threshold_params(theirs.params[2:])[1:-1], atol=1e-4
    )
    shares = theirs.model.predict(theirs.params, exog=z)
    np.testing.assert_allclose(ordinal.above(found, x)[:, 1], shares[:, 2], atol=1e-4)


def test_two_classes_are_penalized_logistic_regression():
    from sklearn.linear_model import LogisticRegression

    x, classes = drawn()
    y = (classes > 0).astype(int)
    z = (x - x.mean(0)) / x.std(0)
    theirs = LogisticRegression(C=0.25, tol=1e-9).fit(z, y)
    found = ordinal.fit(x, y, ridge=4.0)
    np.testing.assert_allclose(found["weights"], theirs.coef_[0], atol=1e-4)
    np.testing.assert_allclose(-found["cuts"][0], theirs.intercept_[0], atol=1e-4)


def test_the_gradient_is_that_of_the_loss():
    x, classes = drawn(40)
    z = (x - x.mean(0)) / x.std(0)
    at = np.array([-0.7, 0.2, 0.9, -0.4])
    _, gradient = ordinal._loss(at, z, classes, 1.7)
    steps = np.eye(4) * 1e-6
    slow = [
        (ordinal._loss(at + s, z, classes, 1.7)[0] - ordinal._loss(at - s, z, classes, 1.7)[0])
        / 2e-6
        for s in steps
    ]
    np.testing.assert_allclose(gradient, slow, rtol=1e-5)


def test_separated_classes_and_constant_features_give_finite_weights():
    x = np.column_stack([np.arange(9.0), np.ones(9)])
    found = ordinal.fit(x, np.repeat([0, 1, 2], 3))
    assert (
        np.isfinite(found["weights"] + found["cuts"]).all() and found["cuts"][0] < found["cuts"][1]
    )
    shares = ordinal.above(found, x)
    assert (np.diff(shares[:, 0]) > 0).all() and (shares[:, 0] > shares[:, 1]).all()


def test_an_absent_class_is_refused():
    with pytest.raises(ValueError, match="each class from 0 on"):
        ordinal.fit([[0.0], [1.0]], [0, 2])


# The method


def instance_rows(codes, stages, seed=0, variant="attention"):
    """More and larger positive nodes with the stage, as a fold's table has them."""
    random = np.random.default_rng(seed)
    rows = []
    for code in codes:
        for number in range(1 + random.integers(3) + 2 * stages[code]):
            positive = number < 2 * stages[code] + (random.random() < 0.2)
            rows.append(
                {"patient": code, "variant": variant, "instance": number + 1}
                | {
                    "volume_mm3": float(random.uniform(60, 400)),
                    "p_positive": 0.9 if positive else 0.1,
                }
                | {"p_node_positive": 0.8 if positive else 0.1, "counts": int(positive)}
            )
    return rows


@pytest.fixture
def cohort(tmp_path):
    codes = [f"P{i:02d}" for i in range(36)]
    stages = {code: i % 3 for i, code in enumerate(codes)}
    tables.write(tmp_path / "nodes.tsv", instance_rows(codes, stages))
    return codes, stages, tmp_path


def fitted(folder, codes, split, settings=None):
    data = evidence.data({"nodes": [folder / "nodes.tsv"]}, codes, {}, {})
    classes = registry.classes({"pn_ordinal": {}})
    return data, classes, base.fit_family(classes, data, split, {"pn_ordinal": settings or {}}, 1)


def parted(codes, stages):
    train, validation = codes[:24], codes[24:30]
    labels = {code: int(stages[code] > 0) for code in train + validation}
    return base.Split(train, validation, labels, {c: stages[c] for c in train + validation})


def saved(model):
    stream = io.BytesIO()
    torch.save(model, stream)
    return stream.getvalue()


@pytest.mark.parametrize("nodes", ["attention", "candidates"])
def test_the_method_learns_the_stage_from_the_nodes(cohort, nodes):
    codes, stages, folder = cohort
    data, classes, model = fitted(folder, codes, parted(codes, stages), {"nodes": nodes})
    assert model["methods"]["pn_ordinal"]["unfit"] == ""
    rows = {r["patient"]: r for r in base.score_family(model, classes, data, codes[30:])}
    assert all(0 < row["p_n2"] < row["score"] < 1 for row in rows.values())
    for low, high in ((0, 1), (1, 2)):
        mean = {
            s: np.mean([r["score"] for p, r in rows.items() if stages[p] == s]) for s in (low, high)
        }
        assert mean[low] < mean[high]


def test_nothing_is_learned_from_validation_and_test_patients(cohort):
    """The leak test: other stages, labels and nodes of V and S give the same model, byte for byte."""
    codes, stages, folder = cohort
    split = parted(codes, stages)
    before = saved(fitted(folder, codes, split)[2])
    turned = stages | {code: (stages[code] + 1) % 3 for code in codes[24:]}
    tables.write(
        folder / "nodes.tsv",
        instance_rows(codes[:24], stages) + instance_rows(codes[24:], turned, seed=9),
    )
    assert saved(fitted(folder, codes, parted(codes, turned))[2]) == before
    # It would show where a training patient's stage is another.
    moved = {**stages, codes[0]: 2}
    assert saved(fitted(folder, codes, parted(codes, moved))[2]) != before


def test_patients_who_are_scored_have_no_stage(cohort):
    codes, _, _ = cohort
    with pytest.raises(base.Unscored, match="pN is not known"):
        base.Patients(base.Data(), codes).stage(codes[0])


def test_a_fold_is_given_the_stages_of_its_training_and_validation_patients_alone(config):
    config["methods"]["pn_ordinal"] = {}
    made = built_study(config)
    assert made.methods.needs("staging") == {"nodes", "stages"}
    assert [f for f in made.methods.families if "stages" in made.methods.needs(f)] == ["staging"]
    given = made.patients.stages(made.folds.subset(0, "train", "validation"))
    for patient in (*made.folds.subset(0, "test"), *made.patients.of("shengjing")):
        made.patients.rows[patient]["pn_stage"] = "N2"
    assert made.patients.stages(made.folds.subset(0, "train", "validation")) == given
    assert set(given.values()) == {0, 1, 2}
    paths = made.paths.stage_scores("shengjing")
    assert paths == [f"results/staging/fold{f}/scores/shengjing.tsv" for f in made.folds]
    # Whoever scores is handed the same columns as before.
    assert "pn_stage" not in made.patients.clinical([patient])[patient]


def test_too_few_of_a_stage_leave_the_method_unfit(cohort):
    codes, stages, folder = cohort
    few = {c: min(s, 1) for c, s in stages.items()} | {codes[2]: 2}
    model = fitted(folder, codes, parted(codes, few))[2]["methods"]["pn_ordinal"]
    assert model["unfit"].startswith("usable training patients by stage: pN0 8, pN1 15, pN2 1")


def test_a_positive_patient_of_unknown_pn_is_left_out(cohort):
    codes, stages, folder = cohort
    split = parted(codes, stages)
    del split.stages[codes[1]]
    model = fitted(folder, codes, split)[2]["methods"]["pn_ordinal"]
    assert model["left_out"][0] == {"pN is not known": 1}


@pytest.mark.parametrize(
    "stage, status, number",
    [("pN2", "1", 2), ("N1", "1", 1), ("", "0", 0), ("", "1", None), ("n0", "", 0), ("", "", None)],
)
def test_the_stage_of_a_row(stage, status, number):
    assert sheet_stages.of_row({"pn_stage": stage, "metastasis": status}) == number


# The tables


def test_kappa_equals_scikit_learns():
    from sklearn.metrics import cohen_kappa_score

    random = np.random.default_rng(0)
    truth, call = random.integers(0, 3, (2, 60))
    weights = random.multinomial(60, np.full(60, 1 / 60), 20)
    expected = cohen_kappa_score(truth, call, weights="quadratic")
    assert pn_stage.weighted_kappa(truth, call) == pytest.approx(expected)
    for row, value in zip(weights, pn_stage.weighted_kappa(truth, call, weights), strict=True):
        again = cohen_kappa_score(np.repeat(truth, row), np.repeat(call, row), weights="quadratic")
        assert value == pytest.approx(again)
    with pytest.raises(UndefinedError, match="two stages"):
        pn_stage.weighted_kappa([1, 1], [1, 1])


def scored_center(role):
    random = np.random.default_rng(4)
    rows = [
        {"patient": f"P{i:02d}", "pn_stage": f"N{i % 3}", "metastasis": str(int(i % 3 > 0))}
        for i in range(60)
    ]
    rows[4]["pn_stage"] = ""  # positive, pN unknown
    scores, predictions = {}, {"pn_ordinal": {}, "combined": {}}
    for fold in range(2):
        of_fold, predicted = [], []
        for i, row in enumerate(rows):
            level = 1.5 * (i % 3) + random.normal()
            p1, p2 = (1 / (1 + np.exp(cut - level)) for cut in (0.8, 2.4))
            of_fold.append(
                {"patient": row["patient"], "method": "pn_ordinal", "score": repr(float(p1))}
                | {"reason": "", "p_n2": repr(float(p2))}
            )
            tested = (i // 3) % 2 == fold
            subset = "external" if role == "external" else "test" if tested else "validation"
            predicted.append({"patient": row["patient"], "subset": subset})
        scores[f"fold{fold}"] = of_fold
        predictions["pn_ordinal"][f"fold{fold}"] = predicted
    scores["fold1"][7] |= {"score": "", "p_n2": "", "reason": "no images"}
    return rows, scores, predictions


@pytest.mark.parametrize("role", ["discovery", "external"])
def test_the_tables_equal_counting(role):
    rows, scores, predictions = scored_center(role)
    made = pn_stage.both_tables(predictions, scores, role, rows, n=200)
    truth, above = [], []
    for i, row in enumerate(rows):
        folds = ["fold0", "fold1"] if role == "external" else [f"fold{(i // 3) % 2}"]
        values = [[scores[f][i]["score"], scores[f][i]["p_n2"]] for f in folds]
        if row["pn_stage"] and not any("" in v for v in values):
            truth.append(int(row["pn_stage"][1]))
            above.append(np.array(values, float).mean(0))
    truth, above = np.array(truth), np.array(above)
    call = np.column_stack([1 - above[:, 0], above[:, 0] - above[:, 1], above[:, 1]]).argmax(1)
    line = one(made["pn_stage.tsv"], metric="weighted_kappa")
    assert line["n"] == len(truth) == 58 + (role == "discovery") * (7 // 3 % 2 == 0)
    assert line["estimate"] == pytest.approx(pn_stage.weighted_kappa(truth, call))
    assert line["low"] < line["estimate"] < line["high"]
    assert one(made["pn_stage.tsv"], metric="stage_correct")["estimate"] == pytest.approx(
        np.mean(truth == call)
    )
    for metric, cut in pn_stage.CUMULATIVE.items():
        line = one(made["pn_stage.tsv"], metric=metric)
        assert line["low"] < line["estimate"] < line["high"]
        if role == "external":
            wins = above[truth >= cut, cut - 1][:, None] - above[truth < cut, cut - 1]
            assert line["estimate"] == pytest.approx((wins > 0).mean())
        else:
            assert line["folds"] == 2
    for stage, line in enumerate(made["pn_confusion.tsv"]):
        counts = [line[f"called_pn{k}"] for k in range(3)]
        assert counts == np.bincount(call[truth == stage], minlength=3).tolist()


def test_a_study_without_such_a_method_has_no_rows():
    rows, _, predictions = scored_center("external")
    made = pn_stage.both_tables({"combined": predictions["combined"]}, {}, "external", rows)
    assert made == {"pn_stage.tsv": [], "pn_confusion.tsv": []}
