"""Tables of centers and of the study, also where a center holds next to nothing."""

import html.parser
import re

import numpy as np
import pytest
from statistics_cohort import METHODS, SETTINGS, one, predictions, sheet

from nodestage import metrics, organs, statistics
from nodestage.core import tables as files_of_rows
from nodestage.report.printed import tables as printed
from nodestage.report.printed import text
from nodestage.statistics import oracle, tables, vocabulary


def center(labels, role="external", **options):
    rows = sheet(labels)
    given = predictions(rows, role, **options)
    return tables.center_tables(tables.CenterRows("here", role, rows, rows), given, SETTINGS, 0)


SMALL = {
    "no positive of seven": [0] * 7,
    "one positive of ten": [1] + [0] * 9,
    "no negative": [1] * 4,
    "one patient": [1],
    "nobody": [],
    "nobody with a label": [None, None],
}


@pytest.mark.parametrize("labels", SMALL.values(), ids=SMALL.keys())
def test_every_small_center_has_every_table_with_numbers_or_reasons(labels, tmp_path):
    found = center(labels)
    tables.write(tmp_path, found)
    for name in found:
        back = files_of_rows.read(tmp_path / name)
        assert len(back) == len(found[name])
        for row in back:
            for value in row.values():
                assert value not in ("nan", "inf", "-inf", "None")
    for row in found["performance.tsv"]:
        assert row["estimate"] is not None or row["note"], row
        assert row["method"] in METHODS
    for row in found["comparisons.tsv"]:
        assert row["difference"] is not None or row["note"], row
    assert {row["method"] for row in found["performance.tsv"]} == set(METHODS)


def test_what_one_class_defines_stands_beside_what_it_does_not():
    found = center([0] * 7)["performance.tsv"]
    undefined = one(found, method="combined", metric="balanced_accuracy")
    assert undefined["estimate"] is None and undefined["note"] == "no positive patient among 7"
    defined = one(found, method="combined", metric="specificity")
    assert 0 <= defined["low_exact"] < defined["high_exact"] <= 1 and defined["n"] == 7
    assert defined["positives"] == 0


def test_one_positive_has_an_auc_without_any_interval():
    row = one(center([1] + [0] * 9)["performance.tsv"], method="combined", metric="auc")
    assert row["estimate"] is not None and row["low"] is row["low_delong"] is None
    assert "fewer than 5 patients with metastasis" in row["note"]
    assert "two patients of each class, got 1 positive" in row["note"]


def test_discovery_with_four_positives_names_the_folds_that_are_left_out():
    found = center([1] * 4 + [0] * 16, role="discovery")["performance.tsv"]
    row = one(found, method="combined", basis="fold_mean", metric="auc")
    assert row["estimate"] is not None and "fold4 left out" in row["note"]
    assert row["n"] == 16 and row["positives"] == 4


def test_perfect_separation_is_finite_and_flagged():
    found = center([0, 1] * 15, effect=100)
    row = one(found["performance.tsv"], method="combined", metric="auc")
    assert row["estimate"] == 1 and row["low"] is row["low_delong"] is None
    assert "separate" in row["note"]
    sensitivity = one(found["performance.tsv"], method="combined", metric="sensitivity")
    assert (
        "every resample gives the same" in sensitivity["note"]
        and 0.7 < sensitivity["low_exact"] < 0.85
    )
    slope = one(found["calibration.tsv"], method="combined", kind="slope")
    assert slope["estimate"] is None and "separate" in slope["note"]


def test_equal_methods_differ_by_nothing_with_p_of_one():
    rows = sheet([0, 1] * 20)
    given = predictions(rows)
    given["radiomics"] = given["combined"]
    found = tables.center_tables(
        tables.CenterRows("here", "external", rows, rows), given, SETTINGS, 0
    )
    for metric in ("balanced_accuracy", "auc", "sensitivity"):
        row = one(found["comparisons.tsv"], reference="radiomics", metric=metric)
        assert row["difference"] == 0 and row["p_bootstrap"] == 1 and row["p_holm"] == 1
        assert row["p_wilcoxon_bootstrap"] == 1
    assert one(found["comparisons.tsv"], reference="radiomics", metric="auc")["p_delong"] == 1


def test_missing_patients_are_named_and_the_worst_case_stands_beside():
    found = center([0, 1] * 15, unscored={"P000", "P001", "P002"})
    missing = found["missing.tsv"]
    assert [(m["method"], m["patient"]) for m in missing] == [
        ("combined", f"P{i:03d}") for i in range(3)
    ]
    assert {m["reason"] for m in missing} == {"no tumor found"}
    row = one(found["performance.tsv"], method="combined", metric="accuracy")
    assert row["n"] == 27 and row["n_all"] == 30
    assert row["worst_case"] == pytest.approx(row["estimate"] * 27 / 30)
    assert row["all_patients"] == pytest.approx((row["estimate"] * 27 + 2) / 30)
    assert "3 of 30 patients without a value" in row["note"]
    full = one(found["performance.tsv"], method="radiomics", metric="accuracy")
    assert full["worst_case"] is None
    pair = one(found["comparisons.tsv"], reference="radiomics", metric="accuracy")
    assert pair["n"] == 27


def test_fold_means_have_their_worst_case_too():
    """Fold 0 tests P000, P005, ...: all of its patients count as wrong there, and only there."""
    unscored = {f"P{i:03d}" for i in range(0, 40, 5)}
    rows = center([0, 1] * 20, "discovery", unscored=unscored)["performance.tsv"]
    row = one(rows, method="combined", metric="accuracy", basis="fold_mean")
    assert row["n"] == 32 and "8 of 40 patients without a value" in row["note"]
    assert row["worst_case"] == pytest.approx(row["estimate"] * 4 / 5)
    assert row["worst_case"] < row["all_patients"] < row["estimate"] + 0.2


def test_a_patient_of_unknown_status_is_listed_for_every_method():
    missing = center([0, 1, None])["missing.tsv"]
    assert [m["reason"] for m in missing] == ["metastasis is not known"] * len(METHODS)


def test_a_report_of_yes_and_no_has_no_auc_and_stays_out_of_the_family():
    found = center([0, 1] * 20)
    row = one(found["performance.tsv"], method="ct_report", metric="auc")
    assert row["estimate"] is None and "does not rank" in row["note"]
    family = [r for r in found["comparisons.tsv"] if r["metric"] == "auc"]
    by_reference = {r["reference"]: r for r in family}
    assert by_reference["ct_report"]["p_holm"] is None
    others = sorted(r["p_delong"] for r in family if r["reference"] != "ct_report")
    assert min(r["p_holm"] for r in family if r["p_holm"] is not None) == pytest.approx(
        min(1, 2 * others[0])
    )
    assert not [r for r in found["roc.tsv"] if r["method"] == "ct_report"]


def test_the_primary_comparison_is_the_declared_one():
    rows = sheet([0, 1] * 20)
    settings = SETTINGS | {
        "primary": {"metric": "auc", "method": "combined", "reference": "a_users_own"}
    }
    found = tables.center_tables(
        tables.CenterRows("here", "external", rows, rows), predictions(rows), settings, 0
    )
    primary = [r for r in found["comparisons.tsv"] if r["primary"]]
    assert [(r["method"], r["reference"], r["metric"]) for r in primary] == [
        ("combined", "a_users_own", "auc")
    ]


def test_a_users_method_stands_in_every_table():
    found = center([0, 1] * 20)
    for name in ("performance.tsv", "roc.tsv", "calibration.tsv", "decision_curve.tsv"):
        assert any(row["method"] == "a_users_own" for row in found[name]), name
    assert any(row["reference"] == "a_users_own" for row in found["comparisons.tsv"])


def test_discovery_has_fold_means_pooled_values_and_both_delong_tests():
    found = center([0, 1, 1] * 20, role="discovery")
    rows = [r for r in found["performance.tsv"] if r["method"] == "combined"]
    assert {r["basis"] for r in rows} == {"fold_mean", "pooled"}
    mean = one(rows, basis="fold_mean", metric="auc")
    assert mean["sd"] > 0 and mean["low"] < mean["estimate"] < mean["high"]
    pair = one(found["comparisons.tsv"], reference="radiomics", metric="auc")
    assert pair["p_delong"] is not None and pair["p_delong_stratified"] is not None
    assert pair["holm_test"] == "p_delong_stratified"
    assert {r["kind"] for r in found["roc.tsv"]} == {"fold_average", "pooled"}


def test_validation_rows_are_never_counted():
    rows = sheet([0, 1] * 20)
    given = predictions(rows, "discovery")
    before = tables.center_tables(
        tables.CenterRows("here", "discovery", rows, rows), given, SETTINGS, 0
    )
    for parts in given.values():
        parts["fold0"] += [
            {**row, "subset": "validation", "call": "1", "score": "99"} for row in parts["fold1"]
        ]
    assert (
        tables.center_tables(tables.CenterRows("here", "discovery", rows, rows), given, SETTINGS, 0)
        == before
    )


def test_order_of_patients_changes_nothing():
    rows = sheet([0, 1] * 20)
    given = predictions(rows)
    turned = {m: {"ensemble": p["ensemble"][::-1]} for m, p in given.items()}
    assert tables.center_tables(
        tables.CenterRows("here", "external", rows[::-1], rows), turned, SETTINGS, 0
    ) == tables.center_tables(tables.CenterRows("here", "external", rows, rows), given, SETTINGS, 0)


def test_table_1_shows_what_is_missing():
    found = center([0, 1, 1, 0, 1])["table_1.tsv"]
    assert one(found, characteristic="Patients, n")["value"] == "5"
    stage = [r for r in found if r["characteristic"].startswith("pT")]
    assert stage[-1]["level"] == "missing" and stage[-1]["value"] == "1 (20%)"
    assert one(found, characteristic="Lymph-node metastasis, n (%)", level="yes")["value"] == (
        "3 (60%)"
    )
    assert one(found, characteristic="Tumor size, cm", level="median [quartiles]")["value"] == (
        "3.0 [2.0-4.0]"
    )


def test_table_1_gives_the_volumes_of_drawn_nodes_or_says_that_none_are_drawn():
    rows = sheet([0, 1, 1, 0, 1])
    drawn = [
        {"patient": "P000", "class": "negative", "volume_mm3": "100.0"},
        {"patient": "P000", "class": "positive", "volume_mm3": "210.0"},
        {"patient": "P001", "class": "positive", "volume_mm3": "665.4"},
        {"patient": "P001", "class": "positive", "volume_mm3": "804.0"},
    ]
    found = tables.center_tables(
        tables.CenterRows("here", "external", rows, rows, ((), drawn)),
        predictions(rows),
        SETTINGS,
        0,
    )["table_1.tsv"]
    positive = one(found, characteristic="Positive LN volume, mm³", level="median [quartiles]")
    assert (positive["value"], positive["discovery"]) == ("–", "665 [438-735]")
    negative = one(found, characteristic="Negative LN volume, mm³", level="median [quartiles]")
    assert (negative["value"], negative["discovery"]) == ("–", "100 [100-100]")
    assert not [r for r in center([0, 1])["table_1.tsv"] if "LN volume" in r["characteristic"]]


def test_subgroups_add_up_to_the_center():
    found = center([0, 1] * 20, unscored={"P000"})["subgroups.tsv"]
    for subgroup in {row["subgroup"] for row in found}:
        part = [
            r
            for r in found
            if r["subgroup"] == subgroup and r["method"] == "combined" and r["metric"] == "auc"
        ]
        assert sum(r["n"] for r in part) == 39 and sum(r["unscored"] for r in part) == 1


# ---------------------------------------------------------------- the study


def study():
    results = {}
    for name, role, n in (
        ("home", "discovery", 60),
        ("east", "external", 40),
        ("west", "external", 30),
    ):
        rows = sheet([0, 1] * (n // 2), prefix=name)
        found = tables.center_tables(
            tables.CenterRows(name, role, rows, rows), predictions(rows, role, seed=n), SETTINGS, 0
        )
        results[name] = {"role": role} | {
            key: found[f"{key}.tsv"] for key in ("performance", "comparisons", "table_1")
        }
    return results


def evaluation():
    found = {"classes": [], "nodes": [], "candidates": [], "identification": []}
    random = np.random.default_rng(0)
    for fold in range(2):
        for i in range(6):
            truth = np.zeros((4, 10, 10), np.uint8)
            truth[1, 1:4, 1:4], truth[2, 6:8, 6:8] = 2, 1
            for variant in ("plain", "attention"):
                instances = metrics.label_instances(truth).astype(np.uint16)
                if variant == "plain":
                    instances[0, 9, :] = 3 + i
                p = {int(k): float(random.random()) for k in np.unique(instances) if k}
                rows = metrics.evaluate_lymph_nodes(truth, instances, p, (2, 1, 1))
                about = {"fold": str(fold), "patient": f"{fold}{i}", "variant": variant}
                for key, some in rows.items():
                    found[key] += [about | row for row in some]
                found["identification"] += [
                    about | {"instance": k, "positive": k % 2, "p_positive": float(random.random())}
                    for k in range(4)
                ]
    return found


def test_study_tables_of_text_equal_those_of_values(tmp_path):
    """What a job reads back from TSV gives the same tables as the values themselves."""
    results, rows = study(), evaluation()
    read_back = {}
    for name, result in results.items():
        read_back[name] = {"role": result["role"]}
        for key in ("performance", "comparisons", "table_1"):
            tables.write(tmp_path, {f"{key}.tsv": result[key]})
            read_back[name][key] = files_of_rows.read(tmp_path / f"{key}.tsv")
    text = {}
    for key, some in rows.items():
        files_of_rows.write(tmp_path / "rows.tsv", some)
        text[key] = files_of_rows.read(tmp_path / "rows.tsv")
    one_way = tables.study_tables(results, rows, SETTINGS, 0)
    other = tables.study_tables(read_back, text, SETTINGS, 0)
    for name in one_way:
        tables.write(tmp_path / "a", {name: one_way[name]})
        tables.write(tmp_path / "b", {name: other[name]})
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name


def test_tables_6_and_7_are_in_the_papers_layout():
    found = tables.study_tables(study(), {}, SETTINGS, 0)
    six = found["table_6.tsv"]
    assert [row["method"] for row in six[:4]] == list(METHODS)
    ours = one(six, method="combined", basis="fold_mean")
    assert ours["wilcoxon_bootstrap"] == "ref" and ours["n"] == 60 and "±" in ours["auc"]
    assert one(six, method="ct_report", basis="pooled")["auc"] == "undefined"
    assert {row["center"] for row in found["table_7.tsv"]} == {"east", "west"}
    assert {row["holm"] for row in found["table_7.tsv"]} <= {"ref", "*", "NS", "undefined"}
    assert [c for c in found["table_1.tsv"][0] if c not in ("characteristic", "level")] == [
        "home",
        "east",
        "west",
    ]


def test_heterogeneity_over_two_centers_has_no_prediction_interval_and_says_so():
    found = tables.study_tables(study(), {}, SETTINGS, 0)["heterogeneity.tsv"]
    row = one(found, method="combined", metric="auc")
    assert row["k"] == 2 and row["low"] < row["estimate"] < row["high"]
    assert row["prediction_low"] is None and "three centers" in row["note"]
    assert one(found, method="ct_report", metric="auc")["estimate"] is None


def test_tables_4_and_5():
    found = tables.lymph_node_tables(evaluation(), 200, 0)
    four = one(found["table_4.tsv"], variant="attention", metric="auc")
    assert (four["nodes"], four["patients"], four["folds"]) == (48, 12, 2)
    assert four["low"] < four["pooled"] < four["high"]
    five = one(found["table_5.tsv"], variant="plain", basis="fold_mean", **{"class": "any"})
    assert five["stage"] == "class-agnostic" and five["pairs_f"] == 12
    assert five["instance_precision"] == pytest.approx(2 / 3) and five["p_f"] < 0.05
    assert five["share_f"] == 1
    ours = one(found["table_5.tsv"], variant="attention", basis="pooled", **{"class": "any"})
    assert ours["f"] == 1 and ours["p_f"] is None and ours["f_low"] is ours["f_high"] is None
    places = found["false_positives.tsv"]
    assert one(places, variant="plain", place="anywhere")["n"] == 12


def outlined(patient, variant, found, missed=0, wrong=0):
    """One patient's row of a class; voxels and nodes have the same counts."""
    rates = metrics.rates(found, wrong, missed)
    counts = {"tp": found, "fp": wrong, "fn": missed}
    return {
        "fold": str(patient % 2),
        "patient": f"P{patient}",
        "variant": variant,
        "class": "any",
        "empty": "both" if rates.dice is None else "",
        "truth_nodes": found + missed,
        **dict(zip(metrics.MEASURES, (*rates, *rates), strict=True)),
        **counts,
        **{f"voxel_{name}": value for name, value in counts.items()},
    }


def test_table_5_compares_variants_on_the_patients_that_both_define(tmp_path):
    """Equal where nodes are drawn; of 20 patients without any, one variant makes some up in 10."""
    rows = []
    for i in range(30):
        nodes = (3, 2 + i % 3) if i < 10 else (0, 0)
        rows.append(outlined(i, "attention", *nodes))
        rows.append(outlined(i, "plain", *nodes, wrong=int(10 <= i < 20)))
    found = tables.lymph_node_tables({"classes": rows}, 200, 0)["table_5.tsv"]
    for basis in ("fold_mean", "patient_mean"):
        row = one(found, variant="plain", basis=basis)
        assert row["dice"] < 0.4 < 0.6 < row["dice_on_pairs"] == row["reference_dice_on_pairs"]
        assert (row["n"], row["n_dice"], row["pairs_dice"], row["pairs_f"]) == (30, 20, 10, 10)
        ours = one(found, variant="attention", basis=basis)
        assert ours["n_dice"] == 10 and ours["dice"] == pytest.approx(row["dice_on_pairs"])
        assert ours["pairs_dice"] is None
    assert one(found, variant="plain", basis="fold_mean")["p_dice"] == 1
    printed.write(tmp_path, {"table_5.tsv": found})
    for ending in ("html", "tex"):
        text = (tmp_path / f"table_5.{ending}").read_text(encoding="utf-8")
        for words in (
            "n, Dice",
            "n, F",
            "Dice, both defined",
            "compare variants on the patients in whom both are defined",
        ):
            assert words in text, (ending, words)


def test_intervals_of_table_5_resample_whole_patients():
    """Against a plain loop; one fold where all patients lack nodes drops out as in the estimate."""
    random = np.random.default_rng(1)
    names = ("tp", "fp", "fn", "voxel_tp", "voxel_fp", "voxel_fn")
    rows = []
    for i in range(30):
        counts = dict(zip(names, map(int, random.integers(0, 5, 6)), strict=True))
        voxels, whole = (
            metrics.rates(*(counts[f"{kind}{c}"] for c in ("tp", "fp", "fn")))
            for kind in ("voxel_", "")
        )
        measures = dict(zip(metrics.MEASURES, (*voxels, *whole), strict=True))
        empty = "both" if voxels.dice is None else ""
        about = {"fold": str(i % 3), "patient": f"P{i}", "variant": "plain", "class": "any"}
        rows.append(about | measures | counts | {"empty": empty, "truth_nodes": 1})
    found = tables.lymph_node_tables({"classes": rows}, 2000, 0)["table_5.tsv"]
    for basis in ("patient_mean", "pooled", "fold_mean"):
        drawn = []
        for _ in range(1500):
            if basis == "fold_mean":
                parts = [random.choice(range(k, 30, 3), 9) for k in range(3)]
                means = [metrics.patient_mean([rows[i] for i in part])["f"] for part in parts]
                drawn.append(np.mean([m for m in means if m is not None]))
            else:
                some = [rows[i] for i in random.integers(0, 30, 30)]
                mean = metrics.pooled if basis == "pooled" else metrics.patient_mean
                drawn.append(mean(some)["f"])
        row = one(found, basis=basis)
        low, high = np.percentile(drawn, [2.5, 97.5])
        assert (row["f_low"], row["f_high"]) == pytest.approx((low, high), abs=0.02)
        assert row["f_low"] < row["f"] < row["f_high"]


def test_nodes_without_a_probability_are_counted_and_nothing_breaks():
    rows = evaluation()
    for row in rows["identification"]:
        row["p_positive"] = "" if row["fold"] == "0" else row["p_positive"]
    for row in rows["candidates"]:
        row["confidence"] = ""
    found = tables.lymph_node_tables(rows, 100, 0)
    four = one(found["table_4.tsv"], variant="attention", metric="auc")
    assert four["folds"] == 1 and "24 instances without a probability" in four["note"]
    assert [row["threshold"] for row in found["froc.tsv"]] == [None, None]
    for row in rows["identification"]:
        row["p_positive"] = ""
    four = tables.lymph_node_tables(rows, 100, 0)["table_4.tsv"]
    assert all(row["mean"] is None and "no node" in row["note"] for row in four)


def test_table_4_speaks_of_nodes_where_a_class_is_missing():
    rows = evaluation()
    for row in rows["identification"]:
        row["positive"] = 0
    for row in tables.lymph_node_tables(rows, 100, 0)["table_4.tsv"]:
        assert "patient" not in row["note"]
        if row["metric"] == "auc":
            assert "no positive node among 48" in row["note"]


def test_printed_tables_name_their_basis_and_star_no_test_that_is_none(tmp_path):
    found = tables.study_tables(study(), {}, SETTINGS, 0)
    tables.write(tmp_path, found)
    printed.write(tmp_path, found)
    for ending in (".tex", ".html"):
        six = (tmp_path / "table_6.tsv").with_suffix(ending).read_text(encoding="utf-8")
        assert "mean of the folds" in six and "folds pooled" in six
        head = re.search(r"toprule\n(.*)|<thead>(.*)</thead>", six).group(0)
        assert "fold_mean" not in six.replace("\\", "") and "ilcoxon" not in head
    kept = files_of_rows.read(tmp_path / "table_6.tsv")[0]
    assert kept["basis"] == "fold_mean" and kept["wilcoxon_bootstrap"]


def test_tables_without_ground_truth_are_empty_and_say_so():
    found = tables.study_tables(study(), {}, SETTINGS, 0)
    for name in ("table_2.tsv", "table_3.tsv", "table_4.tsv", "table_5.tsv", "table_pdac.tsv"):
        assert found[name] == []
    assert "no ground truth" in text.html(printed.printed("table_3.tsv", []))
    assert text.latex(printed.printed("table_3.tsv", [])).startswith("%")


@pytest.mark.parametrize("name, what", [("table_3", "organs"), ("table_pdac", "tumor")])
def test_masks_that_a_center_gives_test_no_network_and_the_table_says_so(tmp_path, name, what):
    found = tables.study_tables(study(), {}, SETTINGS, 0)
    sources = {"organs": "predicted", "tumor": "predicted", what: "given"}
    printed.write(tmp_path, found, sources)
    for ending in ("html", "tex"):
        for table in ("table_3", "table_pdac"):
            text = (tmp_path / f"{table}.{ending}").read_text(encoding="utf-8")
            words = f"{what} masks of the discovery center are given"
            assert (words in text) == (table == name) != ("no ground truth" in text)


def test_tables_2_and_3_and_the_tumors():
    drawn = [
        {
            "patient": p,
            "structure": s,
            "dice": d,
            "asd_mm": a,
            "hd_mm": 3.0,
            "hd95_mm": 2.0,
            "note": "",
        }
        for s in ("aorta", "lga")
        for p, d, a in (("P1", "0.9", "1.0"), ("P2", "0.7", ""))
    ]
    ranges = {"Table II": {"aorta": (0, 28)}, "fold 0": {"aorta": (-1.5, 22.0, 310)}}
    found = tables.study_tables(
        study(), {"organs": drawn, "tumor": drawn[:2], "ranges": ranges}, SETTINGS, 0
    )
    row = one(found["table_3.tsv"], structure="aorta")
    assert len(found["table_3.tsv"]) == 2
    assert row["dice"] == pytest.approx(0.8) and row["n"] == 2 and row["n_surface"] == 1
    assert row["note"] == ""
    tumor = one(found["table_pdac.tsv"], measure="asd_mm")
    assert tumor["median"] == 1 and tumor["note"] == "undefined in 1 of 2 patients"
    assert [r["source"] for r in found["table_2.tsv"]] == ["Table II", "fold 0"]


def test_the_tumors_table_has_rows_of_the_arterial_network_before_and_after_fine_tuning():
    def rows(dice, **about):
        return [
            {"patient": p, **about, "dice": d, "note": ""} for p, d in zip("ab", dice, strict=True)
        ]

    chain = rows(("0.4", "0.5"), network="arterial") + rows(("0.6", "0.7"), network="finetuned")
    evaluation = {"tumor": rows(("0.8", "0.9")), "tumor_chain": chain}
    found = tables.study_tables(study(), evaluation, SETTINGS, 0)["table_pdac.tsv"]
    of_dice = {r["network"]: r["median"] for r in found if r["measure"] == "dice"}
    assert list(of_dice) == ["arterial", "finetuned", "final"]
    assert list(of_dice.values()) == pytest.approx([0.45, 0.65, 0.85])


def test_table_3_has_a_line_for_each_organ_and_network_whatever_a_patients_row_holds():
    spacing = (2.5, 1.0, 1.0)
    truth = np.zeros((8, 12, 12), np.uint8)
    rows = []
    for patient, edge in (("P1", 6), ("P2", 8)):
        truth[2:edge, 2:edge, 2:edge] = 3
        for network, phases in (("teacher", "A"), ("teacher", "V"), ("student", "A+V")):
            found = truth * (network == "student")
            rows += [
                {"patient": patient, "network": network, "phases": phases} | row
                for row in organs.evaluate(truth, found, spacing, {"aorta": 3, "lga": 18})
            ]
    three = tables.study_tables({}, {"organs": rows}, SETTINGS, 0)["table_3.tsv"]
    assert len(three) == 2 * 3 * 2 and {row["n"] for row in three} == {2}
    names = [(row["organ"], row["network"], row["phases"], row["slices"]) for row in three]
    assert names[:2] == [("aorta", "teacher", "A", "study"), ("aorta", "teacher", "A", "thick")]
    assert [organ for organ, *_ in names] == ["aorta"] * 6 + ["lga"] * 6
    ours = one(three, organ="aorta", network="student", slices="thick")
    assert ours["dice"] == 1 and ours["n_dice"] == 2
    theirs = one(three, organ="aorta", phases="V", slices="study")
    assert theirs["n_surface"] == 0 and theirs["note"] == "prediction empty"
    rows[0]["note"] = "prediction empty; venous phase twice"
    three = tables.study_tables({}, {"organs": rows}, SETTINGS, 0)["table_3.tsv"]
    assert three[0]["note"] == "prediction empty; venous phase twice in 1 of 2 patients"


def test_tables_6_and_7_hold_every_digit_beside_the_text():
    results = study()
    found = tables.study_tables(results, {}, SETTINGS, 0)
    for name, about in (("table_6.tsv", {"basis": "pooled"}), ("table_7.tsv", {"center": "east"})):
        center = about.get("center", "home")
        row = one(found[name], method="radiomics", **about)
        for metric in ("auc", "sensitivity"):
            basis = about.get("basis", "ensemble")
            there = one(
                results[center]["performance"], method="radiomics", metric=metric, basis=basis
            )
            for part in ("estimate", "low", "high"):
                assert row[f"{metric}_{part}"] == there[part]
            assert row[metric].startswith(f"{there['estimate']:.3f}")
        test = one(results[center]["comparisons"], reference="radiomics", metric="auc")
        assert row["p_delong"] == test[test["holm_test"]] and row["p_holm"] is not None
        assert one(found[name], method="combined", **about)["p_holm"] is None


def test_the_papers_tables_are_written_as_html_and_latex_too(tmp_path):
    found = tables.study_tables(study(), evaluation(), SETTINGS, 0)
    printed.write(tmp_path, found)
    for name, (number, _) in vocabulary.paper_tables().items():
        page = (tmp_path / name).with_suffix(".html").read_text(encoding="utf-8")
        text = (tmp_path / name).with_suffix(".tex").read_text(encoding="utf-8")
        assert number in page and number in text and "<script" not in page
        if found[name]:
            assert page.count("<tr>") == len(found[name]) + 1 == text.count(r"\\")
        else:
            assert "no ground truth" in page and "no ground truth" in text
    seven = (tmp_path / "table_7.tex").read_text(encoding="utf-8")
    row = one(found["table_7.tsv"], center="east", method="combined")
    assert row["auc"] in seven and "Combined (tumor + nodes)" in seven and "Balanced acc" in seven
    assert "estimate" not in seven and "no test of a difference" in seven
    # Notes stand under the table, each text once, and every row points to its own.
    text = "a yes/no report does not rank patients"
    assert seven.count(text) == 1 < sum(text in row["note"] for row in found["table_7.tsv"])
    assert f" a: auc: {text}" in seven
    lines = [line for line in seven.splitlines() if "& CT report &" in line]
    assert len(lines) == 2 and all("a" in line.rpartition("&")[2] for line in lines)
    assert seven.count("{") == seven.count("}")


def test_layouts_escape_what_they_print():
    rows = [{"method": "<script>&_%", "auc": 0.5, "note": None}]
    table = text.Table(rows, "<b>")
    made = text.html(table)
    assert "<script>" not in made and "<b>" not in made and "0.500" in made and "–" in made
    html.parser.HTMLParser().feed(made)
    assert r"\textless{}script\textgreater{}\&\_\%" in text.latex(table)


def test_what_patients_are_called_and_how_they_are_listed_moves_no_number():
    rows = sheet([0, 1] * 12)
    before = tables.center_tables(
        tables.CenterRows("c", "external", rows, rows), predictions(rows), SETTINGS, 1
    )
    names = {row["patient"]: f"Q{i:03d}" for i, row in enumerate(reversed(rows))}
    found = {
        method: {part: [p | {"patient": names[p["patient"]]} for p in there] for part, there in parts.items()}
        for method, parts in predictions(rows).items()
    }  # fmt: skip
    renamed = [row | {"patient": names[row["patient"]]} for row in rows]
    after = tables.center_tables(
        tables.CenterRows("c", "external", renamed, rows), found, SETTINGS, 1
    )
    assert after == before
    assert any(row["low"] for row in before["performance.tsv"])


# ---------------------------------------------------------------- Oracle


def oracle_case(role):
    """40 patients; the method `all` knows what the oracle knows, `half` knows the tumor's cue."""
    random = np.random.default_rng(4)
    y = np.arange(40) % 2
    cues = random.normal(size=(2, 40)) + y
    knowledge, sheet, parts = {}, [], {"all": {}, "half": {}, "ct_report": {}}
    for i, label in enumerate(y):
        tumor, nodes = cues[:, i]
        knowledge[f"P{i:02}"] = {"tumor": tumor, "nodes": nodes, "both": tumor + nodes}
        sheet.append({"patient": f"P{i:02}", "metastasis": str(label)})
        fold = f"fold{i // 20}" if role == "discovery" else "ensemble"
        subset = "test" if role == "discovery" else "external"
        for method, score in (("all", tumor + nodes), ("half", tumor), ("ct_report", label)):
            # Each fold's model has a scale of its own.
            row = {"patient": f"P{i:02}", "subset": subset, "score": score + 9 * (i // 20)}
            row |= {"probability": "", "call": 1, "reason": ""}
            parts[method].setdefault(fold, []).append(row)
    return y, cues, knowledge, sheet, parts


@pytest.mark.parametrize("role", ["discovery", "external"])
def test_methods_beside_the_oracle(role):
    y, (tumor, nodes), knowledge, sheet, parts = oracle_case(role)
    parts["half"][next(iter(parts["half"]))][0]["score"] = ""  # P00 has no score there
    found = {
        row["method"]: row
        for row in oracle.rows(parts, role, sheet, knowledge, SETTINGS["methods"])
    }
    assert list(found) == ["oracle_tumor", "oracle_nodes", "oracle_both", "all", "half"]
    beside = oracle.rows(parts, role, sheet, knowledge, SETTINGS["methods"], ceiling=0.79)
    assert [row for row in beside if row["method"] != "ceiling_nodes"] == list(found.values())
    assert [(r["auc"], r["n"]) for r in beside if r["method"] == "ceiling_nodes"] == [(0.79, None)]
    fold = np.repeat([0, 1], 20)
    halves = [fold == 0, fold == 1] if role == "discovery" else [fold >= 0]
    shift = 0 if role == "discovery" else 9 * fold

    def area(score, keep=slice(None)):
        parts = [np.flatnonzero(half[keep]) for half in halves]
        return np.mean([statistics.auc(y[keep][i], score[keep][i]) for i in parts])

    assert found["oracle_tumor"]["auc"] == pytest.approx(area(tumor))
    assert found["oracle_both"]["auc"] == pytest.approx(area(tumor + nodes))
    strata = fold if role == "discovery" else None
    low, high = statistics.auc_ci(y, tumor, strata=strata)
    assert (found["oracle_tumor"]["low"], found["oracle_tumor"]["high"]) == (low, high)
    assert found["all"]["auc"] == pytest.approx(area(tumor + nodes + shift))
    if role == "discovery":
        assert found["all"]["difference"] == 0 and found["all"]["p_delong"] == 1
    half, later = found["half"], slice(1, None)
    assert (half["n"], half["positives"]) == (39, 20)
    gap = area(tumor + shift, later) - area(tumor + nodes, later)
    assert half["difference"] == pytest.approx(gap)
    assert half["difference_low"] < gap < half["difference_high"]
    z = (half["difference_high"] - half["difference_low"]) / (2 * 1.959964)
    test = statistics.delong_test(
        y[1:], (tumor + shift)[1:], (tumor + nodes)[1:], None if strata is None else strata[1:]
    )
    assert gap / z == pytest.approx(test.z, rel=1e-6)
    assert half["p_delong"] == pytest.approx(test.p_value)


def test_a_center_of_one_class_has_a_reason_beside_the_oracle():
    _, _, knowledge, sheet, parts = oracle_case("external")
    rows = oracle.rows(parts, "external", sheet[::2], knowledge, SETTINGS["methods"])
    assert len(rows) == 5 and all(row["auc"] is None and row["note"] for row in rows)
