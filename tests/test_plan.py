"""Numbers of patients for an external validation, against published worked examples."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from scipy.optimize import fsolve

from nodestage.core import tables
from nodestage.statistics import UndefinedError, intervals, sample_size
from nodestage.statistics.sample_size import Expected, fewest
from nodestage.study import plan

Z = NormalDist().inv_cdf(0.975)


@pytest.mark.parametrize(
    "prevalence, auc, patients",
    [
        (0.1, 0.7, 1154),  # Riley and others 2021, section 3.3.1
        (0.5, 0.8, 302),  # the same
        (0.018, 0.8, 4252),  # its section 4, and the tests of the R package pmvalsampsize
        (0.018, 0.75, 5125),  # the same
        (0.048, 0.743, 2027),  # eFalls
    ],
)
def test_patients_for_the_auc_are_the_published_ones(prevalence, auc, patients):
    error = 0.1 / (2 * 1.96)  # they round z
    assert fewest(lambda n: sample_size.auc_error(n, auc, prevalence), error) == patients


@pytest.mark.parametrize(
    "prevalence, error, patients",
    [(0.5, 0.051, 385), (0.1, 0.051, 3461), (0.1, 0.175, 294)],  # Riley 2021, section 3.1.1
)
def test_patients_for_observed_over_expected_are_the_published_ones(prevalence, error, patients):
    width = 2 * math.sinh(Z * error)
    assert fewest(lambda n: sample_size.ratio_width(n, prevalence), width) == patients


def test_observed_over_expected_of_the_heart_valves():
    """pmvalsampsize prints 905 for a width of 1; it raises the standard error in steps of 0.0001."""
    assert fewest(lambda n: sample_size.ratio_width(n, 0.018), 1) == pytest.approx(905, abs=1)


def slopes(expected, width=None, error=None):
    values, weights = sample_size.linear_predictor(expected)
    return fewest(lambda n: sample_size.slope_error(n, values, weights), error or width / (2 * Z))


@pytest.mark.parametrize(
    "prevalence, predictor, error, patients, tolerance",
    [
        # Snell and others 2021: deep vein thrombosis, found by simulated studies.
        (0.22, (-1.75, 1.47), 0.1 / Z, 2430, 0.015),
        # pmvalsampsize's own test, from 1,000 random patients.
        (0.018, (-5, 2.5), 0.051, 4501, 0.02),
    ],
)
def test_patients_for_the_slope_are_those_published_from_simulation(
    prevalence, predictor, error, patients, tolerance
):
    expected = Expected(prevalence, linear_predictor=predictor)
    assert slopes(expected, error=error) == pytest.approx(patients, rel=tolerance)


def normal_with(prevalence, auc):
    """Mean and SD of one normal linear predictor over all patients with this prevalence and AUC."""

    def gap(at):
        values, weights = sample_size.linear_predictor(Expected(0.5, linear_predictor=tuple(at)))
        risk = 1 / (1 + np.exp(-values))
        positive, negative = weights * risk, weights * (1 - risk)
        below = np.cumsum(negative) - negative / 2
        share = positive.sum()
        return share - prevalence, (positive * below).sum() / share / (1 - share) - auc

    return tuple(fsolve(gap, (-2.5, 1.0)))


def test_patients_for_the_slope_agree_with_pavlou():
    """Pavlou and others 2021, R package sampsizeval: 1,536 for SE 0.1, prevalence 0.1, C 0.75."""
    expected = Expected(0.1, linear_predictor=normal_with(0.1, 0.75))
    assert slopes(expected, error=0.1) == pytest.approx(1536, rel=0.02)


def heart_valves():
    """Pearson's type IV with the four moments of Riley and others 2021, section 4, on a fine grid."""
    mean, sd, skewness, kurtosis = -5.8, math.sqrt(5), -0.5, 4
    r = 6 * (kurtosis - skewness**2 - 1) / (2 * kurtosis - 3 * skewness**2 - 6)
    root = math.sqrt(16 * (r - 1) - skewness**2 * (r - 2) ** 2)
    shape = -r * (r - 2) * skewness / root
    values = np.linspace(mean - 60, mean + 40, 100_001)
    at = (values - mean + (r - 2) * skewness * sd / 4) / (sd * root / 4)
    log = -(1 + r / 2) * np.log1p(at**2) - shape * np.arctan(at)
    weights = np.exp(log - log.max())
    weights /= weights.sum()
    center = values - mean
    for power, moment in ((1, 0), (2, sd**2), (3, skewness * sd**3), (4, kurtosis * sd**4)):
        assert (weights * center**power).sum() == pytest.approx(moment, abs=1e-3 * sd**power)
    return values, weights


def test_the_heart_valves_slope_is_near_the_published_number():
    """Published: 9,835, from a million draws; the moments that are printed are rounded."""
    values, weights = heart_valves()
    patients = fewest(lambda n: sample_size.slope_error(n, values, weights), 0.051)
    assert patients == pytest.approx(9835, rel=0.08)


def test_the_heart_valves_net_benefit_is_near_the_published_number():
    """Published: 6,443 at a threshold of 8 %, with the model's own sensitivity and specificity there."""
    values, weights = heart_valves()
    risk = 1 / (1 + np.exp(-values))
    positive, negative, above = weights * risk, weights * (1 - risk), risk >= 0.08
    shares = positive[above].sum() / positive.sum(), negative[~above].sum() / negative.sum()
    patients = fewest(lambda n: sample_size.benefit_error(n, 0.018, *shares, 0.08), 0.051)
    assert patients == pytest.approx(6443, rel=0.02)


def test_net_benefit_equals_the_formula_in_the_published_code():
    prevalence, sens, spec, at, error = 0.72, 0.6, 0.88, 0.8, 0.051
    w = (1 - prevalence) / prevalence * at / (1 - at)
    published = (
        sens * (1 - sens) / prevalence
        + w**2 * spec * (1 - spec) / (1 - prevalence)
        + w**2 * (1 - spec) ** 2 / (prevalence * (1 - prevalence))
    ) / error**2
    patients = fewest(lambda n: sample_size.benefit_error(n, prevalence, sens, spec, at), error)
    assert patients == math.ceil(published)


def test_a_linear_predictor_from_prevalence_and_auc_is_calibrated_and_has_both():
    values, weights = sample_size.linear_predictor(Expected(0.018, auc=0.8))
    risk = 1 / (1 + np.exp(-values))
    assert (weights * risk).sum() == pytest.approx(0.018, abs=1e-9)
    half = len(values) // 2
    # pmvalsampsize asks its users for the negatives' mean, and uses -4.7 here.
    assert (values[:half] * weights[:half]).sum() / weights[:half].sum() == pytest.approx(
        -4.7, abs=0.01
    )
    negative, positive = np.split(values, 2)
    below = np.cumsum(weights[:half] / weights[:half].sum())
    at = np.searchsorted(negative, positive) - 1
    assert (weights[half:] / 0.018 * below[np.maximum(at, 0)])[at >= 0].sum() == pytest.approx(
        0.8, abs=1e-3
    )


def test_slope_error_is_that_of_simulated_studies():
    rng = np.random.default_rng(1)
    expected, n = Expected(0.4, auc=0.75), 400
    values, weights = sample_size.linear_predictor(expected)
    found = []
    for _ in range(300):
        logit = rng.choice(values, n, p=weights)
        y = rng.random(n) < 1 / (1 + np.exp(-logit))
        beta = np.zeros(2)
        design = np.stack([np.ones(n), logit], 1)
        for _ in range(8):
            p = 1 / (1 + np.exp(-design @ beta))
            beta += np.linalg.solve(
                design.T @ (design * (p * (1 - p))[:, None]), design.T @ (y - p)
            )
        found.append(beta[1])
    assert np.std(found) == pytest.approx(sample_size.slope_error(n, values, weights), rel=0.12)


@pytest.mark.parametrize("share, width", [(0.9, 0.1), (0.6, 0.2), (0.75, 0.15)])
def test_shares_have_wilsons_interval_of_the_wanted_width(share, width):
    n = fewest(lambda n: sample_size.share_width(n, share), width)
    for patients, wider in ((n, False), (n - 1, True)):
        low, high = intervals.wilson(share * patients, patients)
        assert (high - low > width) == wider


def test_sensitivity_needs_about_buderers_number_of_patients():
    """Buderer 1996, as documented in ssclip: 820 for sensitivity 0.8 ± 0.05, prevalence 0.3 (Wald)."""
    n = fewest(lambda n: sample_size.share_width(n * 0.3, 0.8), 0.1)
    assert n == pytest.approx(820, rel=0.02)


def test_metrics_fall_with_patients_and_follow_what_is_expected():
    full = Expected(0.4, 0.75, sensitivity=0.7, specificity=0.65, risk_threshold=0.3)
    metrics = sample_size.metrics(full)
    assert [m.name for m in metrics] == list(plan.WIDTHS)
    for metric in metrics:
        widths = [metric.width_of(n) for n in (30, 60, 120, 1000)]
        assert widths == sorted(widths, reverse=True)
    assert [m.name for m in sample_size.metrics(Expected(0.4))] == ["observed_expected"]


@pytest.mark.parametrize(
    "changed, words",
    [
        ({"prevalence": 1.0}, "prevalence must lie between 0 and 1"),
        ({"auc": 0.5}, "AUC must lie between 0.5 and 1"),
        ({"sensitivity": 1.2}, "sensitivity must lie"),
        ({"risk_threshold": 0.0}, "risk threshold must lie"),
        ({"slope": 0.0}, "slope must be above 0"),
        ({"linear_predictor": (0.0, 0.0)}, "SD of the linear predictor"),
    ],
)
def test_impossible_expectations_are_refused(changed, words):
    with pytest.raises(UndefinedError, match=words):
        sample_size.metrics(Expected(**({"prevalence": 0.4} | changed)))


def test_the_command_prints_each_metric_and_the_largest_number(capsys):
    words = "--prevalence 0.1 --auc 0.7 --sensitivity 0.8 --specificity 0.6 --patients 100"
    assert plan.main([f"--more={words}"]) == 0
    text = capsys.readouterr().out
    auc = next(line for line in text.splitlines() if line.startswith("AUC"))
    assert auc.split() == ["AUC", "0.70", "0.10", "1,153", "116", "0.34"]  # √(1153 / 100) × 0.1
    assert "Calibration slope" in text and "calibration slope needs most" in text
    assert "Net benefit" not in text  # no risk threshold was given


@pytest.mark.parametrize(
    "words, message",
    [
        ("", "--prevalence 0.4"),
        ("--prevalence 1.4", "prevalence must lie between 0 and 1, got 1.4"),
        ("--prevalence 0.4 --width auc", "write a metric and a width"),
        ("--prevalence 0.4 --width nothing=0.1", "Metrics: auc, balanced_accuracy"),
        ("--prevalence 0.4 --lp-mean 0", "belong together"),
        ("--prevalence 0.4 --patients 0", "--patients must be 1 or more"),
        ("--expected nowhere", "There is no performance.tsv in nowhere"),
        ("--prevalence '0.4", "close its quotes"),
    ],
)
def test_the_command_names_what_is_wrong(capsys, words, message):
    assert plan.main([f"--more={words}"]) == 1
    assert message in capsys.readouterr().err


def test_the_command_reads_a_centers_table(tmp_path, capsys):
    row = {"method": "combined", "basis": "fold_mean", "n": 200, "positives": 80}
    rows = [
        row | {"metric": metric, "estimate": value}
        for metric, value in (("auc", 0.75), ("sensitivity", 0.7), ("specificity", ""))
    ]
    tables.write(tmp_path / "performance.tsv", rows, list(rows[0]))
    assert plan.main(["--expected", str(tmp_path), "--auc", "0.8"]) == 0
    text = capsys.readouterr().out
    assert "prevalence of metastasis: 0.400" in text and "Specificity" not in text
    assert next(line for line in text.splitlines() if line.startswith("AUC")).split()[1] == "0.80"
    assert plan.main(["--expected", str(tmp_path), "--method", "other"]) == 1
    assert "It has combined" in capsys.readouterr().err
