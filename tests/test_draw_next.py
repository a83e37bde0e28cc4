"""Whose nodes to draw next: the order, nodes of several folds joined, and who is listed at all."""

import numpy as np
import pytest
from study_config import study as built_study

from nodestage.statistics import draw_next

FOLDS = ["fold0", "fold1", "fold2"]


def node(patient="P1", at=(0.0, 0.0, 0.0), confidence=0.9, p_positive=0.5, **more):
    return (
        {"patient": patient, "variant": "attention", "confidence": confidence}
        | dict(zip("xyz", at, strict=True))
        | {"p_positive": p_positive, "volume_mm3": 100.0, "short_axis_mm": 5.0, "station": "8"}
        | more
    )


def predicted(**by_patient):
    return [{"patient": p, "probability": value} for p, value in by_patient.items()]


def test_external_patients_are_ranked_by_the_spread_over_the_folds():
    parts = {
        "fold0": predicted(P1=0.50, P2=0.1, P3=0.4, P4=0.9),
        "fold1": predicted(P1=0.52, P2=0.9, P3=0.6, P4=""),
    }
    undrawn = {patient: FOLDS[:2] for patient in ("P1", "P2", "P3", "P4")}
    rows = draw_next.both_tables(parts, undrawn, {})["draw_next_patients.tsv"]
    # P4 has no probability by one fold: its spread is unknown.
    assert [(row["rank"], row["patient"]) for row in rows] == [(1, "P2"), (2, "P3"), (3, "P1")]
    assert rows[0]["doubt"] == pytest.approx(np.std([0.1, 0.9], ddof=1))
    assert (rows[0]["lowest"], rows[0]["highest"], rows[0]["by"]) == (0.1, 0.9, draw_next.SPREAD)


def test_a_patient_of_one_fold_is_ranked_by_its_distance_to_a_half():
    parts = {"fold0": predicted(P1=0.95, P2=0.45), "fold1": predicted(P3=0.7, P1=0.5)}
    undrawn = {"P1": ["fold0"], "P2": ["fold0"], "P3": ["fold1"]}
    rows = draw_next.both_tables(parts, undrawn, {})["draw_next_patients.tsv"]
    assert [row["patient"] for row in rows] == ["P2", "P3", "P1"]
    assert rows[2]["probability"] == 0.95 and rows[0]["by"] == draw_next.NEAR_HALF


def test_nodes_of_several_folds_are_joined_by_their_centers():
    found = [
        ("fold0", node(at=(0, 0, 0), confidence=0.9)),
        ("fold1", node(at=(3, 0, 0), confidence=0.8)),
        ("fold1", node(at=(4, 0, 0), confidence=0.7)),  # of the same fold: another node
        ("fold2", node(at=(0, 30, 0), confidence=0.95)),
    ]
    joined = draw_next.same_node(found)
    assert sorted(sorted(one) for one in joined) == [["fold0", "fold1"], ["fold1"], ["fold2"]]
    assert draw_next.same_node(found[::-1]) == joined


@pytest.mark.parametrize("mm, nodes", [(5.0, 1), (5.1, 2)])
def test_centers_up_to_5_mm_apart_are_one_node(mm, nodes):
    found = [("fold0", node()), ("fold1", node(at=(0, 0, mm)))]
    assert len(draw_next.same_node(found)) == nodes


def test_doubt_of_a_node_is_that_of_its_mean_probabilities():
    instances = {
        "fold0": [node("P1", p_positive=0.9, p_node="0.6"), node("P2", p_positive=0.5)],
        "fold1": [node("P1", at=(1, 0, 0), p_positive=0.7, p_node="0.8")],
        "fold2": [node("P3"), node("P1", variant="plain", at=(50, 0, 0))],
    }
    made = draw_next.both_tables({}, {"P1": FOLDS, "P2": ["fold0"]}, instances)
    rows = {row["patient"]: row for row in made["draw_next_nodes.tsv"]}
    assert set(rows) == {"P1", "P2"} and len(made["draw_next_nodes.tsv"]) == 2
    first = rows["P1"]
    # Found by two of three folds: the third gives it no probability of a node.
    assert first["p_node"] == pytest.approx((0.6 + 0.8) / 3) and first["found_by"] == 2
    assert first["p_positive"] == pytest.approx(0.8)
    assert first["doubt_node"] == pytest.approx(draw_next.doubt_of(1.4 / 3))
    assert first["doubt"] == max(first["doubt_node"], first["doubt_positive"])
    # Without a forest the network's own probability counts.
    assert rows["P2"]["p_node"] == 0.9 and rows["P2"]["doubt"] == 1
    assert [row["rank"] for row in made["draw_next_nodes.tsv"]] == [1, 2]


def test_neither_order_of_rows_nor_of_folds_changes_the_tables():
    random = np.random.default_rng(0)
    instances = {
        fold: [
            node(
                f"P{i % 4}",
                tuple(random.uniform(0, 40, 3)),
                float(random.random()),
                float(random.random()),
            )
            for i in range(20)
        ]
        for fold in FOLDS
    }
    parts = {f: predicted(**{f"P{i}": float(random.random()) for i in range(4)}) for f in FOLDS}
    undrawn = {f"P{i}": FOLDS for i in range(4)}
    made = draw_next.both_tables(parts, undrawn, instances)
    turned = draw_next.both_tables(
        {f: parts[f][::-1] for f in FOLDS[::-1]},
        {p: FOLDS for p in reversed(undrawn)},
        {f: rows[::-1] for f, rows in instances.items()},
    )
    for name, rows in made.items():
        for a, b in zip(rows, turned[name], strict=True):
            assert a == pytest.approx(b)


def test_patients_with_drawn_nodes_and_without_images_are_not_listed(config):
    made = built_study(config)
    drawn = set(made.masks.drawn("lymph_nodes", made.centers.discovery))
    discovery = made.folds.undrawn(made.centers.discovery)
    assert not drawn & set(discovery)
    for patient, folds in discovery.items():
        (fold,) = folds
        assert made.folds.table(fold.removeprefix("fold"))[patient] == "test"
    external = made.folds.undrawn("shengjing")
    assert set(external) <= set(made.patients.imaged("shengjing"))
    assert all(folds == [f"fold{f}" for f in made.folds] for folds in external.values())
    paths = made.paths.undrawn_instances("shengjing")
    assert len(paths) == len(set(paths)) == (len(made.folds) if external else 0)
