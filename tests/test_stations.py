"""The station of a node with its doubt, and recall and precision by station against plain counting."""

import numpy as np
import pytest

from nodestage.lymph_nodes import stations as assigned
from nodestage.lymph_nodes.instances import instance_table
from nodestage.statistics import stations

ANATOMY = {
    "labels": {"aorta": 8, "pancreas": 11, "sma": 16},
    "ranges_mm": {"aorta": [0, 28], "pancreas": [-5, 20], "sma": [-1, 20]},
    "stations": {"aorta": [16], "pancreas": [17, 18], "sma": [14]},
}


def test_a_lone_structure_leaves_no_doubt():
    row = assigned.assign({"aorta": 4.0}, ANATOMY["stations"])
    assert row["station"] == "16" and row["station_share"] == 1 and row["other_stations"] == ""


def test_the_share_is_a_softmax_of_minus_distance():
    distances = {"aorta": 3.0, "pancreas": -1.0, "sma": 12.0}
    row = assigned.assign(distances, ANATOMY["stations"])
    weights = np.exp(-np.array([-1.0, 3.0, 12.0]) / assigned.SCALE_MM)
    assert row["nearest_structure"] == "pancreas" and row["distance_mm"] == -1
    assert row["station"] == "17/18" and row["other_stations"] == "16"
    assert row["station_share"] == pytest.approx(weights[0] / weights.sum())


@pytest.mark.parametrize("gap, others", [(0.0, "14"), (5.0, "14"), (5.01, "")])
def test_structures_up_to_5_mm_further_away_are_named(gap, others):
    row = assigned.assign({"aorta": 2.0, "sma": 2.0 + gap}, ANATOMY["stations"])
    assert row["other_stations"] == others
    assert (row["station_share"] == 0.5) == (gap == 0)


def test_the_same_stations_along_two_structures_are_no_doubt_about_the_station():
    row = assigned.assign({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": [5, 6], "b": [5, 6], "c": []})
    assert row["station"] == "5/6" and row["other_stations"] == "" and row["station_share"] < 1


def test_the_table_of_instances_has_the_doubt():
    organs = np.zeros((5, 9, 21), np.uint8)
    organs[:, :, :3], organs[:, :, -3:] = 8, 11
    nodes = np.zeros(organs.shape, np.uint16)
    nodes[2, 4, 4], nodes[2, 4, 10] = 1, 2
    near, between = instance_table(nodes, (1.0, 1.0, 1.0), organs, ANATOMY)
    assert (near["station"], near["other_stations"]) == ("16", "")
    assert near["station_share"] == pytest.approx(1 / (1 + np.exp(-12 / 3)))
    assert (between["station"], between["other_stations"]) == ("16", "17/18")
    assert between["station_share"] == pytest.approx(0.5)


def test_rows_about_instances_get_their_station():
    table = [{"instance": "2", "station": "8", "other_stations": "9/11"}]
    (row,) = assigned.beside([{"node": 2, "found": 1}], "node", table)
    assert row == {"node": 2, "found": 1, "station": "8", "other_stations": "9/11"}


def made():
    random = np.random.default_rng(0)
    codes = [f"P{i}" for i in range(14)]
    nodes, candidates = [], []
    for code in codes[:-1]:
        for number in range(1, 1 + random.integers(1, 5)):
            station, found = str(random.choice(["8", "5/6", "16"])), int(random.random() < 0.6)
            about = {"variant": "attention", "patient": code, "other_stations": "9" * (number == 1)}
            nodes.append(about | {"node": number, "station": station, "found": found})
            if found:
                other = station if random.random() < 0.7 else "16"
                candidates.append(about | {"node": number, "station": other})
        candidates += [
            {"variant": "attention", "patient": code, "node": None, "station": "8"}
            | {"other_stations": ""}
            for _ in range(random.integers(0, 3))
        ]
    return codes, nodes, candidates


def test_recall_and_precision_equal_counting():
    codes, nodes, candidates = made()
    rows = stations.rows(nodes, candidates, {"attention": set(codes)}, n=300, seed=2)
    assert [row["station"] for row in rows] == ["5/6", "8", "16"]
    row = rows[1]
    drawn = [n for n in nodes if n["station"] == "8"]
    predicted = [c for c in candidates if c["station"] == "8"]
    hits = [c for c in predicted if c["node"] is not None]
    assert (row["drawn"], row["found"]) == (len(drawn), sum(n["found"] for n in drawn))
    assert row["recall"] == pytest.approx(row["found"] / row["drawn"])
    assert (row["predicted"], row["matched"]) == (len(predicted), len(hits))
    assert row["precision"] == pytest.approx(len(hits) / len(predicted))
    assert row["drawn_doubtful"] == sum(n["other_stations"] != "" for n in drawn)
    partner = {(c["patient"], c["node"]): c["station"] for c in candidates if c["node"] is not None}
    same = sum(partner.get((n["patient"], n["node"])) == "8" for n in drawn)
    assert row["same_station"] == same < row["found"]
    # The interval the slow way: whole patients, a list a resample.
    order = np.array(sorted(codes))
    random = np.random.default_rng(2)
    values = []
    for draw in random.integers(0, len(codes), (300, len(codes))):
        flags = [
            int(c["node"] is not None) for p in order[draw] for c in predicted if c["patient"] == p
        ]
        values.append(np.mean(flags))
    assert (row["precision_low"], row["precision_high"]) == pytest.approx(
        tuple(np.percentile(values, [2.5, 97.5]))
    )


def test_text_of_a_table_is_read_as_its_numbers_are():
    codes, nodes, candidates = made()
    text = [
        {key: "" if value is None else str(value) for key, value in row.items()} for row in nodes
    ]
    of = [
        {key: "" if value is None else str(value) for key, value in row.items()}
        for row in candidates
    ]
    args = ({"attention": set(codes)}, 50, 1)
    assert stations.rows(text, of, *args) == stations.rows(nodes, candidates, *args)


def test_tables_without_stations_of_predicted_nodes_give_no_rows():
    codes, nodes, _ = made()
    assert (
        stations.rows(nodes, [{"variant": "attention", "node": None}], {"attention": set(codes)})
        == []
    )
