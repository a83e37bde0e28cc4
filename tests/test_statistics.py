"""Statistics against pROC, scikit-learn, mlstatkit and plain slow versions."""

import csv
import itertools
from pathlib import Path

import numpy as np
import pytest

from nodestage import statistics
from nodestage.statistics import UndefinedError, bootstrap, rates

PROC = Path(__file__).resolve().parents[2] / "shared" / "data" / "reference" / "delong"


def rows_of(path):
    with open(path, newline="") as handle:
        return [
            {key: value.strip() for key, value in row.items()}
            for row in csv.DictReader(handle, delimiter="\t")
        ]


def cohort(seed=0, n=60, positives=25, effect=0.8, ties=False):
    random = np.random.default_rng(seed)
    y = np.zeros(n, int)
    y[random.permutation(n)[:positives]] = 1
    common = random.normal(size=n)
    a = effect * y + common + random.normal(size=n)
    b = effect / 2 * y + common + random.normal(size=n)
    return (y, np.round(a), np.round(b)) if ties else (y, a, b)


# ---------------------------------------------------------------- ROC


@pytest.mark.skipif(
    not PROC.is_dir(), reason=f"pROC's reference results are not at {PROC.name}/ beside this copy"
)
def test_auc_interval_z_and_p_equal_proc():
    for expected in rows_of(PROC / "expected.tsv"):
        rows = rows_of(PROC / f"case_{int(expected['case']):02d}.tsv")
        y = np.array([int(row["label"]) for row in rows])
        a, b = (np.array([float(row[f"score_{s}"]) for row in rows]) for s in "ab")
        found = statistics.delong_test(y, a, b)
        pairs = {
            "auc_a": found.auc_a,
            "auc_b": found.auc_b,
            "z": found.z,
            "p_value": found.p_value,
        }
        for name, score in (("a", a), ("b", b)):
            pairs[f"ci_{name}_low"], pairs[f"ci_{name}_high"] = statistics.auc_ci(y, score)
        for name, value in pairs.items():
            assert value == pytest.approx(float(expected[name]), abs=1e-10), (expected, name)


def test_delong_equals_mlstatkit():
    mlstatkit = pytest.importorskip("MLstatkit", reason="mlstatkit is a development package")
    for seed in range(3):
        y, a, b = cohort(seed, ties=seed % 2)
        z, p, *_ = mlstatkit.Delong_test(y, a, b)
        found = statistics.delong_test(y, a, b)
        assert abs(found.z) == pytest.approx(abs(z), abs=1e-10)
        assert found.p == pytest.approx(p, abs=1e-10)


@pytest.mark.parametrize("ties", [False, True])
def test_auc_and_delong_equal_the_definition(ties):
    y, a, b = cohort(3, ties=ties)

    def kernel(score):
        x, z = score[y == 1], score[y == 0]
        return (x[:, None] > z) + 0.5 * (x[:, None] == z)

    ka, kb = kernel(a), kernel(b)
    gap = ka - kb
    variance = gap.mean(1).var(ddof=1) / gap.shape[0] + gap.mean(0).var(ddof=1) / gap.shape[1]
    found = statistics.delong_test(y, a, b)
    assert found.auc_a == pytest.approx(ka.mean(), abs=1e-14)
    assert found.auc_b == pytest.approx(kb.mean(), abs=1e-14)
    assert found.z == pytest.approx((ka.mean() - kb.mean()) / np.sqrt(variance), abs=1e-10)


def test_a_worse_than_chance_score_prints_below_one_half():
    y, a, _ = cohort(1, effect=2)
    assert statistics.auc(y, -a) == pytest.approx(1 - statistics.auc(y, a))
    assert statistics.auc(y, -a) < 0.5
    assert statistics.auc_ci(y, -a)[1] < 0.5


def test_stratified_delong_is_the_mean_of_the_folds():
    y, a, b = cohort(2, n=200, positives=90)
    fold = np.arange(200) % 5
    shifted = a + 100 * fold  # each fold's model on another scale
    found = statistics.delong_test(y, shifted, b, strata=fold)
    differences, variances = [], []
    for k in range(5):
        part = statistics.delong_test(y[fold == k], a[fold == k], b[fold == k])
        differences.append(part.auc_a - part.auc_b)
        variances.append(((part.auc_a - part.auc_b) / part.z) ** 2)
    assert found.z == pytest.approx(np.mean(differences) / np.sqrt(np.sum(variances) / 25))
    assert statistics.delong_test(y, shifted, b).auc_a < found.auc_a


def test_delong_edges_are_answered_or_refused_in_words():
    y = np.array([0, 0, 0, 1, 1])
    a = np.array([1.0, 2, 3, 4, 5])
    assert statistics.delong_test(y, a, a)[2:] == (0.0, 1.0)
    assert statistics.delong_test(y, a, a**3) == (1.0, 1.0, 0.0, 1.0)
    assert statistics.auc_ci(y, a) == (1.0, 1.0)
    with pytest.raises(UndefinedError, match="variance of 0"):
        statistics.delong_test(y, a, np.zeros(5))
    with pytest.raises(UndefinedError, match="no positive patient among 5"):
        statistics.delong_test(np.zeros(5, int), a, a)
    with pytest.raises(UndefinedError, match="two patients of each class, got 1 positive"):
        statistics.auc_ci(np.array([0, 0, 0, 0, 1]), a)
    with pytest.raises(ValueError, match="finite"):
        statistics.auc(y, [1, 2, 3, 4, np.nan])


def test_roc_curve_equals_scikit_learn():
    from sklearn.metrics import roc_curve

    y, a, _ = cohort(5, ties=True)
    fpr, tpr, _ = roc_curve(y, a, drop_intermediate=False)
    found = statistics.roc_curve(y, a)
    assert np.allclose(found[0], fpr) and np.allclose(found[1], tpr)


def test_vertical_average_of_one_curve_is_that_curve():
    y, a, _ = cohort(6)
    fpr, tpr = statistics.roc_curve(y, a)
    grid, mean, spread = statistics.vertical_average([(fpr, tpr)], points=11)
    assert (grid[0], mean[0]) == (0, 0) and mean[-1] == 1 and not spread.any()
    for x, height in zip(grid[1:], mean[1:], strict=True):
        assert height >= max(tpr[fpr <= x + 1e-12]) - 1e-12


# ---------------------------------------------------------------- bootstrap


def plain_metric(y, x, metric):
    from sklearn import metrics as sk

    tn, fp, fn, tp = (
        sk.confusion_matrix(y, x, labels=[0, 1]).ravel()
        if metric not in ("auc", "brier")
        else [0] * 4
    )
    return {
        "auc": lambda: sk.roc_auc_score(y, x),
        "brier": lambda: np.mean((x - y) ** 2),
        "accuracy": lambda: sk.accuracy_score(y, x),
        "balanced_accuracy": lambda: sk.balanced_accuracy_score(y, x),
        "sensitivity": lambda: tp / (tp + fn),
        "specificity": lambda: tn / (tn + fp),
        "ppv": lambda: tp / (tp + fp),
        "npv": lambda: tn / (tn + fn),
    }[metric]()


def values_for(metric, score):
    kind = rates.takes(metric)
    if kind == "call":
        return (score > 0.3).astype(int)
    return 1 / (1 + np.exp(-score)) if kind == "probability" else score


@pytest.mark.parametrize("metric", statistics.METRICS)
def test_every_resample_equals_scikit_learn_on_the_drawn_patients(metric):
    y, a, b = cohort(7, n=30, positives=12)
    values = [values_for(metric, np.round(s, 1)) for s in (a, b)]
    found = statistics.distributions(y, values, metric, n=25, seed=3)
    random = np.random.default_rng(3)
    positive = bootstrap.copies_of(random, 25, 12).astype(int)
    negative = bootstrap.copies_of(random, 25, 18).astype(int)
    for i in range(25):
        drawn = np.concatenate(
            [
                np.repeat(np.flatnonzero(y == 1), positive[i]),
                np.repeat(np.flatnonzero(y == 0), negative[i]),
            ]
        )
        for m in range(2):
            expected = plain_metric(y[drawn], values[m][drawn], metric)
            assert found[m, i] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("metric", statistics.METRICS)
def test_estimates_equal_scikit_learn(metric):
    y, a, _ = cohort(8)
    x = values_for(metric, a)
    assert statistics.estimate(y, x, metric) == pytest.approx(plain_metric(y, x, metric), abs=1e-12)


def test_resampling_keeps_the_classes():
    copies = bootstrap.copies_of(np.random.default_rng(0), 500, 17)
    assert (copies.sum(1) == 17).all() and copies.mean() == 1
    assert copies.var(0).mean() == pytest.approx(1 - 1 / 17, abs=0.1)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    y, a, _ = cohort(9)
    assert statistics.bootstrap_ci(y, a, "auc") == statistics.bootstrap_ci(y, a, "auc", seed=0)
    assert statistics.bootstrap_ci(y, a, "auc") != statistics.bootstrap_ci(y, a, "auc", seed=1)


def test_resampled_auc_counts_every_pair_ties_as_halves():
    """Running sums against all pairs written out, also where float32 would not be exact."""
    random = np.random.default_rng(10)
    for p, q, rounded in ((5, 7, 0), (40, 60, 0), (50, 30, 6), (2100, 2100, 1)):
        x, z = random.normal(size=p).round(rounded) + 0.5, random.normal(size=q).round(rounded)
        copies = [bootstrap.copies_of(random, 2, size) for size in (p, q)]
        pairs = (np.sign(x[:, None] - z) + 1) / 2
        slow = [
            a.astype(float) @ pairs @ b.astype(float) / (p * q)
            for a, b in zip(*copies, strict=True)
        ]
        assert rates.weighted("auc", x[None], z[None], *copies)[0] == pytest.approx(slow, abs=1e-12)


def test_fold_mean_interval_resamples_within_folds():
    y, a, _ = cohort(11, n=100, positives=50)
    order = np.argsort(y, kind="stable")
    y, a = y[order], a[order]
    fold = np.arange(100) % 5
    spread = a + 1000 * fold
    low, high = statistics.bootstrap_ci(y, spread, "auc", design=statistics.Design(strata=fold))
    center = statistics.estimate(y, spread, "auc", strata=fold)
    assert low < center < high
    assert center == pytest.approx(
        np.mean([statistics.auc(y[fold == k], a[fold == k]) for k in range(5)])
    )


def test_fold_means_vary_as_much_as_their_variance_says():
    """Two and three patients a class and fold: m draws of m would halve the variance of two."""
    y = np.repeat([1, 0], [10, 15])
    fold = np.concatenate([np.arange(10), np.arange(15)]) % 5
    call = np.array([1, 1, 0, 1, 0, 0, 1, 1, 0, 0] + [0, 0, 1] * 5)
    drawn = statistics.distributions(
        y, [call], "sensitivity", 20000, design=statistics.Design(strata=fold)
    )[0]
    positives = [call[(fold == k) & (y == 1)] for k in range(5)]
    expected = sum(part.var(ddof=1) / len(part) for part in positives) / 25
    assert drawn.var() == pytest.approx(expected, rel=0.05) and expected > 0
    for metric in ("accuracy", "brier"):  # the classes keep their shares
        drawn = statistics.distributions(
            y, [call], metric, 20000, design=statistics.Design(strata=fold)
        )[0]
        center = statistics.estimate(y, call, metric, strata=fold)
        assert drawn.mean() == pytest.approx(center, abs=0.005)
    single = statistics.distributions(
        y, [call], "sensitivity", 50, design=statistics.Design(strata=np.arange(25) % 10)
    )
    assert np.isfinite(single).all()


def test_clusters_widen_the_interval_of_correlated_instances():
    random = np.random.default_rng(12)
    patient = np.repeat(np.arange(40), 6)
    y = np.repeat(random.integers(0, 2, 40), 6)
    call = np.repeat(random.integers(0, 2, 40), 6)
    wide = statistics.bootstrap_ci(y, call, "accuracy", design=statistics.Design(clusters=patient))
    narrow = statistics.bootstrap_ci(y, call, "accuracy")
    assert wide[1] - wide[0] > 1.5 * (narrow[1] - narrow[0])


def test_bootstrap_of_one_class_gives_what_is_defined():
    y, call = np.zeros(7, int), np.array([0, 0, 1, 0, 0, 1, 0])
    assert statistics.bootstrap_ci(y, call, "specificity")[0] < 5 / 7
    with pytest.raises(UndefinedError, match="no positive patient among 7"):
        statistics.bootstrap_ci(y, call, "balanced_accuracy")
    with pytest.raises(UndefinedError, match="nobody was called positive"):
        statistics.estimate(np.array([0, 1]), np.array([0, 0]), "ppv")


def test_one_patient_one_positive_and_separation():
    with pytest.raises(UndefinedError, match="fewer than 5 patients with metastasis"):
        statistics.bootstrap_ci([1], [1], "sensitivity")
    with pytest.raises(UndefinedError, match="fewer than 5 patients with metastasis"):
        statistics.bootstrap_ci(np.array([0] * 9 + [1]), np.arange(10.0)[::-1], "auc")
    from scipy.stats import binomtest

    for k, n in ((0, 7), (3, 9), (7, 7)):
        assert statistics.exact_interval(k, n) == pytest.approx(
            tuple(binomtest(k, n).proportion_ci(method="exact")), abs=1e-12
        )
    low, high = statistics.exact_interval(7, 7)
    assert 0.5 < low < 0.7 and high == 1


def test_paired_difference_shares_resamples():
    y, a, b = cohort(13, n=200, positives=90)
    found = statistics.paired_bootstrap(y, a, b, "auc")
    assert found.low < found.difference < found.high
    swapped = statistics.paired_bootstrap(y, b, a, "auc")
    assert swapped.difference == pytest.approx(-found.difference)
    assert swapped.p_value == found.p_value
    assert statistics.paired_bootstrap(y, a, a, "auc") == (0, None, None, 1)


# ---------------------------------------------------------------- the paper's Table VII


def range_of_ends(k, positives, m, negatives, metric, seeds=100):
    """Smallest and largest interval ends that the rule prints over many seeds."""
    y = np.repeat([1, 0], [positives, negatives])
    call = np.concatenate([np.arange(positives) < k, np.arange(negatives) >= m]).astype(int)
    ends = np.array(
        [statistics.bootstrap_ci(y, call, metric, seed=seed) for seed in range(seeds)]
    ).round(3)
    return ends.min(0) - 1e-9, ends.max(0) + 1e-9


@pytest.mark.parametrize(
    ("true_positives", "positives", "true_negatives", "negatives", "printed"),
    [
        # External 1, ours, and external 2, ours: sensitivity, specificity, accuracy, balanced.
        (
            19, 39, 70, 93,
            {
                "sensitivity": (0.333, 0.641),
                "specificity": (0.667, 0.839),
                "accuracy": (0.598, 0.742),
                "balanced_accuracy": (0.538, 0.713),
            },
        ),
        (
            22, 37, 17, 22,
            {
                "sensitivity": (0.432, 0.757),
                "specificity": (0.591, 0.909),
                "accuracy": (0.542, 0.780),
                "balanced_accuracy": (0.570, 0.797),
            },
        ),
    ],
)  # fmt: skip
def test_table_vii_intervals_follow_from_its_counts(
    true_positives, positives, true_negatives, negatives, printed
):
    for metric, (low, high) in printed.items():
        least, most = range_of_ends(true_positives, positives, true_negatives, negatives, metric)
        assert least[0] <= low <= most[0], (metric, "low")
        assert least[1] <= high <= most[1], (metric, "high")


def test_plain_resampling_would_not_reproduce_table_vii():
    """Accuracy of external 1, radiomics (131 patients): 0.626 to 0.710 needs the classes held fixed."""
    least, most = range_of_ends(2, 39, 86, 92, "accuracy", seeds=200)
    assert least[0] <= 0.626 <= most[0] and least[1] <= 0.710 <= most[1]
    random = np.random.default_rng(0)
    right = np.repeat([1, 0], [88, 43])
    plain = np.percentile(right[random.integers(0, 131, (1000, 131))].mean(1), [2.5, 97.5])
    assert plain[0] < 0.61 and plain[1] > 0.73


# ---------------------------------------------------------------- tests and families


def test_mcnemar_by_hand_and_its_edges():
    from scipy.stats import binomtest

    y = np.ones(20, int)
    a, b = np.zeros(20, int), np.zeros(20, int)
    a[:9], b[8:10] = 1, 1
    assert statistics.mcnemar(y, a, b) == pytest.approx(binomtest(1, 9).pvalue)
    assert statistics.mcnemar(y, a, a) == 1
    with pytest.raises(UndefinedError):
        statistics.mcnemar([], [], [])


def test_holm_leaves_undefined_comparisons_out():
    assert statistics.holm([0.01, None, 0.04, float("nan"), 0.03]) == pytest.approx(
        [0.03, None, 0.06, None, 0.06]
    )
    assert statistics.holm([None, None]) == [None, None]
    assert statistics.holm([]) == []


def test_holm_equals_statsmodels_where_all_are_defined():
    from statsmodels.stats.multitest import multipletests

    random = np.random.default_rng(0)
    for size in (1, 2, 9):
        p = np.round(random.random(size) ** 3, 2)
        assert statistics.holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_wilcoxon_on_bootstrap_calls_chance_significant():
    """What it can't tell: two models without any difference, and yet p < 0.05."""
    found = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        y = np.repeat([0, 1], 60)
        a, b = random.integers(0, 2, 120), random.integers(0, 2, 120)
        found.append(statistics.wilcoxon_on_bootstrap(y, a, b, seed=seed) < 0.05)
    assert np.mean(found) > 0.8
    assert statistics.wilcoxon_on_bootstrap(y, a, a) == 1


def test_signed_rank_share_equals_scipy_on_each_resample():
    from scipy.stats import wilcoxon

    random = np.random.default_rng(1)
    a = np.round(random.normal(0.1, 0.3, 60), 1)
    b = np.round(random.normal(0, 0.3, 60), 1)
    again = np.random.default_rng(5)
    found = []
    for _ in range(40):
        drawn = np.round((a - b), 12)[again.integers(0, 60, 60)]
        found.append(wilcoxon(drawn, method="approx").pvalue < 0.05)
    assert statistics.signed_rank_share(a, b, n=40, seed=5) == np.mean(found)
    assert statistics.signed_rank(a, a) == 1
    x = random.normal(0.3, 1, 12)
    assert statistics.signed_rank(x, 0 * x) == pytest.approx(wilcoxon(x).pvalue)
    assert statistics.signed_rank([1, np.nan], [1, 0]) == 1


@pytest.mark.parametrize("gaps", [[1, 1, 1, 1, 1], [1, 2, 2, -1, 3, 0], [-1, 1, 2, 2, 2, 5, 5]])
def test_signed_rank_with_ties_counts_every_choice_of_signs(gaps):
    from scipy.stats import rankdata

    kept = np.array([gap for gap in gaps if gap])
    ranks = rankdata(abs(kept))
    center = ranks.sum() / 2
    drawn = [
        ranks[np.array(signs)].sum() for signs in itertools.product([False, True], repeat=len(kept))
    ]
    far = np.abs(ranks[kept > 0].sum() - center)
    expected = np.mean(np.abs(np.array(drawn) - center) >= far - 1e-9)
    assert statistics.signed_rank(gaps, np.zeros(len(gaps))) == pytest.approx(expected)


def test_five_equal_differences_are_no_stronger_evidence_than_five_patients_can_be():
    assert statistics.signed_rank([0.1] * 5, [0] * 5) == pytest.approx(2 / 2**5)


def test_smallest_difference_is_2_8_standard_errors():
    assert statistics.smallest_difference(0.05) == pytest.approx(0.05 * 2.8016, abs=1e-4)


# ---------------------------------------------------------------- calibration


def test_calibration_of_a_perfect_model_and_of_an_overconfident_one():
    random = np.random.default_rng(0)
    logit = random.normal(size=20_000)
    y = (random.random(20_000) < 1 / (1 + np.exp(-logit))).astype(int)
    good = statistics.calibration_line(y, 1 / (1 + np.exp(-logit)))
    assert good["slope"][0] == pytest.approx(1, abs=0.05)
    assert good["intercept"][0] == pytest.approx(0, abs=0.05)
    extreme = statistics.calibration_line(y, 1 / (1 + np.exp(-(2 * logit + 1))))
    assert extreme["slope"][0] == pytest.approx(0.5, abs=0.03)
    assert extreme["intercept"][0] < -0.5


@pytest.mark.parametrize(
    "probability, sizes",
    [
        ([0.3] * 11 + [0.9], [12]),
        ([0.1] + [0.3] * 11, [12]),
        ([0.1] * 6 + [0.2] * 2 + [0.9] * 7, [6, 9]),
        ([0.5, 0.6], [2]),
    ],
)
def test_no_group_of_a_calibration_curve_is_smaller_than_promised(probability, sizes):
    y = np.arange(len(probability)) % 2
    found = statistics.calibration_curve(y, np.array(probability), least=5)
    assert [row["n"] for row in found] == sizes


def test_calibration_edges():
    y = np.array([0, 0, 1, 1])
    assert statistics.calibration_line(y, [0.1, 0.2, 0.8, 0.9])["slope"] == (None,) * 3
    assert statistics.calibration_line(y, [0.5] * 4)["slope"] == (None,) * 3
    assert np.isfinite(statistics.calibration_line(y, [0, 0.0, 1, 1])["intercept"]).all()
    with pytest.raises(UndefinedError, match="no negative patient"):
        statistics.calibration_line([1, 1], [0.2, 0.3])


def test_calibration_curve_holds_every_patient_once():
    y, a, _ = cohort(14, n=100, positives=40)
    rows = statistics.calibration_curve(y, values_for("brier", a))
    assert sum(row["n"] for row in rows) == 100 and sum(row["positives"] for row in rows) == 40
    assert all(row["low"] <= row["observed"] <= row["high"] for row in rows)
    assert len(statistics.calibration_curve(y[:3], np.full(3, 0.5))) == 1
    # Equal probabilities stay together, and what they leave over joins its neighbour.
    many = np.array([0.1] * 11 + [0.9])
    assert [row["n"] for row in statistics.calibration_curve(np.arange(12) % 2, many)] == [12]
    random = np.random.default_rng(1)
    for _ in range(20):
        some = np.round(random.random(47), 1)
        groups = statistics.calibration_curve(random.integers(0, 2, 47), some)
        assert sum(row["n"] for row in groups) == 47 and all(row["n"] >= 5 for row in groups)
        means = [row["predicted"] for row in groups]
        assert means == sorted(means)


def test_decision_curve_by_hand():
    y = np.array([1, 0, 0, 0])
    row = statistics.decision_curve(y, np.array([0.9, 0.6, 0.1, 0.1]), [0.5])[0]
    assert row["net_benefit"] == pytest.approx(0.25 - 0.25)
    assert row["net_benefit_all"] == pytest.approx(0.25 - 0.75)
    assert statistics.estimate(y, [1, 0, 0, 0], "brier") == 0


def test_random_effects_by_hand():
    estimate, variance = np.array([0.6, 0.7, 0.55]), np.array([0.002, 0.004, 0.003])
    found = statistics.random_effects(estimate, variance)
    logit = np.log(estimate / (1 - estimate))
    v = variance / (estimate * (1 - estimate)) ** 2
    w = 1 / v
    mean = (w * logit).sum() / w.sum()
    q = (w * (logit - mean) ** 2).sum()
    tau2 = max(0, (q - 2) / (w.sum() - (w**2).sum() / w.sum()))
    w = 1 / (v + tau2)
    center = (w * logit).sum() / w.sum()
    assert found["estimate"] == pytest.approx(1 / (1 + np.exp(-center)))
    assert found["tau2"] == pytest.approx(tau2) and found["q"] == pytest.approx(q)
    assert found["prediction_low"] < found["low"] < found["high"] < found["prediction_high"]
    assert statistics.random_effects(estimate[:2], variance[:2])["prediction_low"] is None
    alike = statistics.random_effects([0.6, 0.6], [0.002, 0.004])  # tau2 would be negative
    assert alike["tau2"] == 0 and alike["estimate"] == pytest.approx(0.6)
    assert alike["low"] < 0.6 < alike["high"]
    with pytest.raises(UndefinedError, match="two centers"):
        statistics.random_effects([0.5], [0.1])
    with pytest.raises(UndefinedError, match="variance is 0"):
        statistics.random_effects([0.4, 0.6], [1e-33, 0.02])


# ---------------------------------------------------------------- simulation, a small one


def test_permuted_labels_give_chance():
    random = np.random.default_rng(3)
    y, a, _ = cohort(15, n=120, positives=55, effect=3)
    areas = [statistics.auc(random.permutation(y), a) for _ in range(300)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.01)


def test_coverage_and_size_in_a_small_simulation():
    """300 cohorts of 59 patients: nominal 95 % within what Monte Carlo allows."""
    from scipy.stats import norm

    truth = float(norm.cdf(0.5 / 2**0.5))
    covered, rejected = {"delong": 0, "bootstrap": 0}, {"delong": 0, "bootstrap": 0}
    for seed in range(300):
        random = np.random.default_rng(seed)
        y = np.repeat([1, 0], [37, 22])
        a, b = (random.normal(size=59) + 0.5 * y for _ in range(2))
        intervals = {
            "delong": statistics.auc_ci(y, a),
            "bootstrap": statistics.bootstrap_ci(y, a, "auc", n=300, seed=seed),
        }
        for name, (low, high) in intervals.items():
            covered[name] += low <= truth <= high
        rejected["delong"] += statistics.delong_test(y, a, b).p < 0.05
        rejected["bootstrap"] += (
            statistics.paired_bootstrap(y, a, b, "auc", 300, seed).p_value < 0.05
        )
    for name in covered:
        assert 0.89 < covered[name] / 300 < 0.98, (name, covered)
        assert 0.01 < rejected[name] / 300 < 0.10, (name, rejected)


def test_every_pair_of_tiny_cohorts_ends_in_numbers_or_reasons():
    """All labels and calls of one to three patients: never an unplanned exception."""
    for n in (1, 2, 3):
        for y in itertools.product((0, 1), repeat=n):
            for x in itertools.product((0, 1), repeat=n):
                for metric in statistics.METRICS:
                    for function in (statistics.estimate, statistics.bootstrap_ci):
                        options = {"n": 20} if function is statistics.bootstrap_ci else {}
                        value, reason = statistics.answer(function, y, x, metric, **options)
                        assert (value is None) == bool(reason)
                        assert value is None or np.all(
                            (0 <= np.array(value)) & (np.array(value) <= 1)
                        )
