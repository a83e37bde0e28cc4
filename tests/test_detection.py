"""Recall by size and station, false positives by place, FROC: against plain counting and loops."""

import numpy as np
import pytest

from nodestage import metrics
from nodestage.lymph_nodes import instances
from nodestage.lymph_nodes.prediction import highest_probability
from nodestage.statistics import detection

PATIENTS = [f"P{i:02d}" for i in range(12)]


def one(rows, **wanted):
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    assert len(found) == 1, (wanted, len(found))
    return found[0]


def made(seed=0):
    """Rows of two variants: attention finds the same nodes and makes fewer false positives."""
    random = np.random.default_rng(seed)
    nodes, candidates = [], []
    for patient in PATIENTS[:-1]:  # the last one has neither node nor candidate
        for node in range(1, 1 + random.integers(1, 4)):
            size, station = float(random.uniform(3, 14)), random.choice(["8", "5/6", "10", ""])
            for variant, chance in (("plain", 0.5), ("attention", 0.7)):
                found = random.random() < chance
                nodes.append(
                    {
                        "variant": variant,
                        "patient": patient,
                        "node": node,
                        "class": "positive" if node == 1 else "negative",
                        "short_axis_mm": size,
                        "station": station,
                        "found": int(found),
                    }
                )
                if found:
                    sure = round(float(random.uniform(0.5, 1)), 2)
                    candidates.append(
                        {"variant": variant, "patient": patient, "node": node, "place": None}
                        | {"confidence": sure}
                    )
        for variant, n in (("plain", 4), ("attention", 1)):
            candidates += [
                {"variant": variant, "patient": patient, "node": None}
                | {"place": metrics.PLACES[int(random.integers(3))]}
                | {"confidence": round(float(random.uniform(0.5, 0.9)), 2)}
                for _ in range(random.integers(0, n + 1))
            ]
    return nodes, candidates


@pytest.fixture(scope="module")
def tables():
    nodes, candidates = made()
    patients = {variant: set(PATIENTS) for variant in ("plain", "attention")}
    return detection.detection_tables(nodes, candidates, patients, n=400, seed=3)


def resampled(value, n=400, seed=3):
    """The interval of `value(codes)` the slow way: a list of patients a resample."""
    drawn = np.random.default_rng(seed).integers(0, len(PATIENTS), (n, len(PATIENTS)))
    values = [value(np.array(PATIENTS)[places]) for places in drawn]
    return np.percentile([v for v in values if v is not None], [2.5, 97.5])


def share_found(nodes, variant, codes, keep):
    found = [
        node["found"]
        for code in codes
        for node in nodes
        if (node["variant"], node["patient"]) == (variant, code) and keep(node)
    ]
    return sum(found) / len(found) if found else None


def test_recall_of_a_size_class_and_its_interval_equal_counting(tables):
    nodes, _ = made()
    small = [n for n in nodes if n["variant"] == "plain" and n["short_axis_mm"] < 5]
    row = one(tables["node_recall.tsv"], variant="plain", by="short_axis", group="< 5 mm")
    assert (row["n"], row["found"]) == (len(small), sum(n["found"] for n in small))

    def recall(codes):
        return share_found(nodes, "plain", codes, lambda n: n["short_axis_mm"] < 5)

    np.testing.assert_allclose((row["low"], row["high"]), resampled(recall), atol=1e-9)


def test_a_difference_in_recall_pairs_the_patients(tables):
    nodes, _ = made()
    row = one(tables["node_recall.tsv"], variant="plain", by="class", group="positive")

    def gap(codes):
        ours, theirs = (
            share_found(nodes, v, codes, lambda n: n["class"] == "positive")
            for v in ("attention", "plain")
        )
        return ours - theirs

    assert row["difference"] == pytest.approx(gap(PATIENTS))
    interval = (row["difference_low"], row["difference_high"])
    np.testing.assert_allclose(interval, resampled(gap), atol=1e-9)
    reference = one(tables["node_recall.tsv"], variant="attention", by="class", group="positive")
    assert reference["difference"] is None


def test_false_positives_of_a_place_equal_counting_over_all_patients(tables):
    _, candidates = made()
    for place in metrics.PLACES:
        wrong = [c for c in candidates if c["variant"] == "plain" and c["place"] == place]
        row = one(tables["false_positives.tsv"], variant="plain", place=place)
        assert row["n"] == len(wrong) and row["per_patient"] == len(wrong) / 12

        def per_patient(codes, wrong=wrong):
            return sum(c["patient"] == code for code in codes for c in wrong) / len(codes)

        np.testing.assert_allclose((row["low"], row["high"]), resampled(per_patient), atol=1e-6)
    total = one(tables["false_positives.tsv"], variant="plain", place=detection.ANYWHERE)
    assert total["n"] == sum(c["node"] is None for c in candidates if c["variant"] == "plain")
    assert total["difference"] < 0 and total["difference_high"] < 0  # attention makes fewer


def test_a_variant_is_counted_over_its_own_patients():
    """Plain was evaluated in two of four patients: four false positives there are two a patient."""
    nodes = [
        {"variant": v, "patient": p, "node": 1, "class": "positive", "short_axis_mm": 6.0}
        | {"station": "8", "found": int(i % 2)}
        for v, patients in (("plain", "AB"), ("attention", "ABCD"))
        for i, p in enumerate(patients)
    ]
    candidates = [
        {"variant": "plain", "patient": p, "node": None, "place": "in range", "confidence": 0.9}
        for p in "AABB"
    ]
    patients = {"plain": ["A", "B"], "attention": list("ABCD")}
    found = detection.detection_tables(nodes, candidates, patients, n=100)
    row = one(found["false_positives.tsv"], variant="plain", place=detection.ANYWHERE)
    assert (row["per_patient"], row["patients"], row["difference"]) == (2, 2, None)
    assert [p["false_positives_per_patient"] for p in found["froc.tsv"]] == [2]
    assert {r["recall"] for r in found["froc_at.tsv"] if r["allowed"] < 2} == {0}
    recall = one(found["node_recall.tsv"], variant="attention", by="class", group="positive")
    assert (recall["n"], recall["recall"], recall["patients"]) == (4, 0.5, 4)


def test_recall_within_allowed_false_positives_is_read_from_the_curve(tables):
    nodes, candidates = made()
    mine = [c for c in candidates if c["variant"] == "plain"]
    n = sum(node["variant"] == "plain" for node in nodes)
    curve = metrics.froc(mine, n, 12)
    assert [{"variant": "plain", **p} for p in curve] == [
        r for r in tables["froc.tsv"] if r["variant"] == "plain"
    ]
    for allowed in detection.FALSE_POSITIVES:
        row = one(tables["froc_at.tsv"], variant="plain", allowed=allowed)
        inside = [p for p in curve if p["false_positives_per_patient"] <= allowed]
        assert row["recall"] == pytest.approx(inside[-1]["recall"])
        assert row["threshold"] == inside[-1]["threshold"]

    def recall(codes, allowed=1):
        chosen = [c for code in codes for c in mine if c["patient"] == code]
        truth = sum(
            (node["variant"], node["patient"]) == ("plain", code)
            for code in codes
            for node in nodes
        )
        inside = [
            p
            for p in metrics.froc(chosen, truth, len(codes))
            if p["false_positives_per_patient"] <= allowed
        ]
        return inside[-1]["recall"] if inside else 0.0

    row = one(tables["froc_at.tsv"], variant="plain", allowed=1)
    np.testing.assert_allclose((row["low"], row["high"]), resampled(recall), atol=1e-9)


def test_a_curve_that_ends_early_says_so(tables):
    row = one(tables["froc_at.tsv"], variant="attention", allowed=8)
    assert "all candidates together make" in row["note"]


def test_size_classes_run_from_small_to_large_and_empty_ones_are_shown():
    nodes = [{"short_axis_mm": 12, "found": 1}, {"short_axis_mm": 3, "found": 0}]
    rows = metrics.recall_by(nodes, "short_axis")
    assert [(r["group"], r["n"], r["recall"]) for r in rows] == [
        ("< 5 mm", 1, 0),
        ("5-10 mm", 0, None),
        ("> 10 mm", 1, 1),
    ]


def test_stations_stand_in_their_order_and_the_unknown_last():
    nodes = [{"station": s, "found": 1} for s in ("10", "", "5/6/12", "8", "18")]
    groups = [row["group"] for row in metrics.recall_by(nodes, "station")]
    assert groups == ["5/6/12", "8", "10", "18", "unknown"]


def test_without_any_patient_every_table_is_empty():
    assert set(map(len, detection.detection_tables([], [], {}).values())) == {0}


def test_patients_without_nodes_or_candidates_leave_rows_with_reasons():
    found = detection.detection_tables([], [], {"plain": ["P1"], "attention": ["P1"]}, n=50)
    assert all(row["recall"] is None and row["note"] for row in found["node_recall.tsv"])
    assert all(row["recall"] is None and row["note"] for row in found["froc_at.tsv"])
    assert all(row["per_patient"] == 0 for row in found["false_positives.tsv"])
    assert found["froc.tsv"] == []


def test_confidence_is_the_highest_probability_inside_an_instance():
    labels = np.array([[[1, 1, 0, 2]]], np.uint16)
    odds = np.array([[[0.2, 1.5, 9.0, 0.1]]], np.float32)
    found = highest_probability(labels, odds)
    expected = {1: 1 / (1 + np.exp(-1.5)), 2: 1 / (1 + np.exp(-0.1))}
    assert found == pytest.approx(expected)
    assert highest_probability(labels * 0, odds) == {}


def test_stations_of_true_nodes_fit_the_nodes_that_are_counted():
    """Numbered on the whole image, used on the box around the nodes: the numbers must agree."""
    organs = np.zeros((6, 30, 30), np.uint8)
    organs[:, :, :2], organs[:, :, -2:] = 8, 11  # aorta on one side, pancreas on the other
    truth = np.zeros(organs.shape, np.uint8)
    truth[4, 5:8, 4:6], truth[2, 20:23, 24:26], truth[2, 5:8, 4:6] = 1, 2, 2
    anatomy = {
        "labels": {"aorta": 8, "pancreas": 11},
        "ranges_mm": {"aorta": [0, 28], "pancreas": [-5, 20]},
        "stations": {"aorta": [16], "pancreas": [18]},
    }
    table = instances.instance_table(
        metrics.label_instances(truth), (2.5, 2.0, 2.0), organs, anatomy
    )
    stations = {row["instance"]: row["station"] for row in table}
    rows = metrics.evaluate_lymph_nodes(
        truth, truth * 0, {}, (2.5, 2.0, 2.0), context=metrics.Context(stations=stations)
    )["nodes"]
    assert sorted((row["station"], row["class"]) for row in rows) == [
        ("16", "negative"),
        ("16", "positive"),
        ("18", "positive"),
    ]


def test_false_positives_are_counted_per_patient_of_the_variants_own():
    """Four in two patients are two a patient, though another variant has four patients."""
    wrong = {"node": None, "place": metrics.PLACES[0], "confidence": 0.9}
    candidates = [{"variant": "plain", "patient": p} | wrong for p in ("P1", "P1", "P2", "P2")]
    patients = {"plain": {"P1", "P2"}, "attention": {"P1", "P2", "P3", "P4"}}
    found = detection.detection_tables([], candidates, patients, n=50)
    row = one(found["false_positives.tsv"], variant="plain", place="anywhere")
    assert (row["per_patient"], row["patients"], row["difference"]) == (2, 2, None)
    point = one(found["froc.tsv"], variant="plain")
    assert point["false_positives_per_patient"] == 2
    assert one(found["froc_at.tsv"], variant="plain", allowed=2)["false_positives_per_patient"] == 2
