"""Subgroups by how patients were scanned, limits of the net benefit, accuracy against coverage."""

import cohort_phantom
import numpy as np
import pytest

from nodestage.cohort import ct, scanning
from nodestage.cohort.dicom import kernels
from nodestage.report import plots
from nodestage.report.sources import Cell, Row, Rows
from nodestage.statistics import calibration, cohort, curves, subgroups
from nodestage.statistics.undefined import UndefinedError


@pytest.mark.parametrize(
    "kernel, sharpness",
    [
        ("B20f", "smooth"), ("B30f", "smooth"), ("I31f\\3", "smooth"), ("Br40d\\3", "medium"),
        ("Qr36", "medium"), ("B70f", "sharp"), ("STANDARD", "medium"), ("Bone Plus", "sharp"),
        ("SOFT", "smooth"), ("B", "medium"), ("YA", "smooth"), ("FC08", "medium"), ("FC13-H", "medium"),
        ("FC51", "sharp"), ("", ""), ("Mueller^Hans", ""), ("B3", ""),
    ],
)  # fmt: skip
def test_a_kernel_is_known_by_its_vendors_name_alone(kernel, sharpness):
    assert kernels.sharpness(kernel) == sharpness


def test_columns_come_from_the_venous_record_and_the_contrast():
    records = {
        "arterial": {"spacing_mm": [1.0, 0.7, 0.7], "kernel": "sharp"},
        "venous": {"spacing_mm": [3.0, 0.8, 0.78], "slice_thickness_mm": 5.0, "kernel": "smooth"},
    }
    found = scanning.of_center({"P1": records, "P2": {}}, {"P1": {"portal_arterial": 88.0}})
    assert found["P1"] == {
        "slice_mm": 3.0, "thickness_mm": 5.0, "pixel_mm": 0.78, "kernel": "smooth",
        "portal_arterial_hu": 88.0,
    }  # fmt: skip
    assert set(found["P2"].values()) == {None}
    alone = scanning.of_patient({"arterial": records["arterial"]}, {})
    assert (alone["slice_mm"], alone["kernel"], alone["thickness_mm"]) == (1.0, "sharp", None)


def scored(n=60, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    rows = [
        {
            "patient": f"P{i}",
            "subset": "external",
            "score": s,
            "probability": s,
            "call": int(s > 0.5),
        }
        | {"reason": ""}
        for i, s in enumerate(np.clip(0.5 + 0.2 * (y - 0.5) + rng.normal(0, 0.2, n), 0.01, 0.99))
    ]
    sheet = [{"patient": f"P{i}", "metastasis": str(label)} for i, label in enumerate(y)]
    return cohort.scored("combined", {"ensemble": rows}, "external", sheet), sheet


def test_groups_by_the_scan_keep_the_minimal_cell_and_others_do_not():
    one, sheet = scored()
    for i, row in enumerate(sheet):
        row |= {"slice_mm": 1.5 if i < 8 else 3.0 if i < 40 else 5.0, "sex": "f" if i < 6 else "m"}
        row |= {"kernel": None, "pixel_mm": 0.7, "age": "64" if i % 3 else "65"}
    rows = subgroups.rows([one], sheet, ["combined"], n=50, min_cell=5)
    by = {(r["subgroup"], r["group"], r["metric"]): r for r in rows}
    assert {s for s, _, _ in by} == {"sex", "age", "phases", "slice distance"}
    small = by["slice distance", "up to 1.5 mm", "auc"]
    assert small["estimate"] is None and "fewer than 5 patients" in small["note"]
    assert by["sex", "f", "auc"]["estimate"] is not None  # 3 of each class, not by the scan
    large = by["slice distance", "over 1.5 to 3 mm", "auc"]
    assert 0 < large["low"] < large["estimate"] < large["high"] <= 1 and large["n"] == 32
    assert by["slice distance", "over 3 mm", "auc"]["n"] == 20
    assert by["age", "65 or older", "auc"]["n"] == 20


def test_a_group_that_holds_everybody_and_columns_that_nobody_has_are_left_out():
    one, sheet = scored()
    for row in sheet:
        row |= {"slice_mm": 2.5, "kernel": ""}
    assert {r["subgroup"] for r in subgroups.rows([one], sheet, ["combined"], n=20)} == {"phases"}


def test_a_dicom_series_gives_thickness_and_kernel_and_no_text(tmp_path):
    def with_scan(data, k):
        data.SliceThickness, data.ConvolutionKernel = "3.5", "B30f"

    cohort_phantom.dicom_series(tmp_path / "ct", change=with_scan)
    _, record = ct.read_ct_with_record(tmp_path / "ct", patient="P1", column="venous")
    assert (record["slice_thickness_mm"], record["kernel"]) == (3.5, "smooth")
    assert "B30f" not in str(record)


# Net benefit


def test_the_limits_of_the_net_benefit_are_those_of_a_plain_bootstrap():
    rng = np.random.default_rng(1)
    y = rng.random(80) < 0.4
    p = np.clip(0.3 * y + rng.uniform(0, 0.7, 80), 0, 1)
    found = calibration.net_benefit_limits(y, p, [0.3], n=4000, seed=2)[0]
    values = []
    for _ in range(4000):
        some = rng.integers(0, 80, 80)
        values.append(calibration.decision_curve(y[some], p[some], [0.3])[0]["net_benefit"])
    assert found == pytest.approx(np.percentile(values, [2.5, 97.5]), abs=0.015)
    with pytest.raises(UndefinedError, match="4 patients of a class"):
        calibration.net_benefit_limits([1] * 4 + [0] * 20, np.full(24, 0.5), [0.3])


def test_each_point_of_a_decision_curve_has_limits_around_it_but_that_of_nobody():
    one, _ = scored()
    rows = curves.decision_rows([one], n=200, seed=1)
    by = {(row["method"], round(row["threshold"], 2)): row for row in rows}
    for (method, _), row in by.items():
        if method == "none":
            assert (row["net_benefit"], row["low"], row["high"]) == (0, None, None)
        else:
            assert row["low"] <= row["net_benefit"] <= row["high"]
    assert by["combined", 0.3]["low"] < by["combined", 0.3]["high"]
    few, _ = scored(8)
    assert {row["low"] for row in curves.decision_rows([few], n=50)} == {None}


# Accuracy against coverage


def coverage(*points):
    columns = (
        "method",
        "wanted",
        "declared",
        "decided",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
    )
    made = [
        Row({c: Cell(str(v), "coverage.tsv", i, c) for c, v in zip(columns, point, strict=True)})
        for i, point in enumerate(points, 1)
    ]
    return Rows(made, "coverage.tsv", columns)


def test_the_figure_of_coverage_has_every_level_at_which_somebody_is_decided():
    rows = coverage(
        ("combined", 0.8, 1, 0.9, 0.7, 0.5, 0.85),
        ("combined", 0.9, 0, 0.6, 0.8, 0.55, 0.95),
        ("combined", 0.95, 0, 0.0, "", "", ""),
        ("radiomics", 0.8, 1, 0.2, 0.1, 0.0, 0.3),
    )
    plot = plots.of_coverage(rows, "combined")["coverage"]
    assert "0.70 with 0.90 decided; 0.80 with 0.60 decided" in plot.words
    (axes,) = plot.figure.axes
    assert sorted(line.get_xdata()[0] for line in axes.lines) == [0.6, 0.9]
    assert [text.get_text() for text in axes.texts] == ["0.8", "0.9"]
    assert plots.of_coverage(Rows(), "combined") == {}
