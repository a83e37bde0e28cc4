"""Methods that see a patient as a set of candidates and a tumor: order, empty sets, learning, no leak."""

import numpy as np
import pytest
import torch

from nodestage.core import learning
from nodestage.methods import base, registry
from nodestage.methods.graph import elements, logistic, network, shares
from nodestage.tumor import slices

NAMES = ("node_graph", "node_order", "node_noisy_or")


def patient(draw, positive, nodes=None):
    """Rows of candidates, the cue in their probabilities, and views with a spread of HU in the tumor."""
    count = int(draw.integers(0, 6)) if nodes is None else nodes
    rows = []
    for i in range(count):
        hit = positive and i == 0
        row = {"instance": str(i + 1), "confidence": 0.9, "distance_mm": float(draw.uniform(0, 20))}
        row |= {axis: float(draw.uniform(-40, 40)) for axis in "xyz"}
        row |= {"volume_mm3": float(draw.uniform(100, 500) * (2 if hit else 1))}
        row |= {"short_axis_mm": 6.0, "p_node": 0.9, "p_positive": 0.8 if hit else 0.2}
        row |= {
            "p_node_positive": float(np.clip(0.1 + 0.6 * hit + draw.normal() * 0.05, 0.01, 0.99))
        }
        rows.append(row)
    mask = np.zeros((8, 12, 12), np.uint8)
    mask[2:6, 3:9, 3:9] = 1
    crop = np.rint(draw.normal(60, 10, (2, 8, 12, 12))).astype(np.int16)
    views = {"usable": True, "reason": "", "source": "tumor", "crop": crop, "crop_mask": mask}
    return rows, views | {"center_mm": np.array([5.0, -3.0, 10.0])}


def patients(tmp_path, count, seed=0, labelled=True, made=None):
    """`base.Patients` of made-up patients, half of them positive; `made` replaces {name: (rows, views)}."""
    draw = np.random.default_rng(seed)
    labels = {f"P{i}": i % 2 for i in range(count)}
    found = made or {name: patient(draw, y == 1) for name, y in labels.items()}
    paths = {}
    for name, (_, views) in found.items():
        paths[name] = tmp_path / f"{seed}-{name}.npz"
        slices.write(paths[name], views)
    data = base.Data(slices=paths, candidates={name: rows for name, (rows, _) in found.items()})
    return base.Patients(data, list(found), labels if labelled else None)


def fitted(name, tmp_path, train=40, validation=16):
    method = registry.load(name)({}, 3)
    torch.manual_seed(3)
    method.state = method.fit(patients(tmp_path, train, 1), patients(tmp_path, validation, 2))
    return method


@pytest.mark.parametrize("name", NAMES)
def test_a_method_learns_what_the_candidates_show(name, tmp_path):
    method = fitted(name, tmp_path)
    tested = patients(tmp_path, 60, 5)
    scores = method.predict(patients(tmp_path, 60, 5, labelled=False))
    with_nodes = [p for p in tested.names if tested.candidates(p)]
    positive = np.array([scores[p] for p in with_nodes if tested.label(p)])
    negative = np.array([scores[p] for p in with_nodes if not tested.label(p)])
    assert np.mean(positive[:, None] > negative[None]) > 0.9
    assert all(0 <= score <= 1 for score in scores.values())


@pytest.mark.parametrize("name", NAMES)
def test_a_score_depends_neither_on_the_order_of_candidates_nor_on_other_patients(name, tmp_path):
    method = fitted(name, tmp_path)
    draw = np.random.default_rng(9)
    one = patient(draw, True, nodes=5)
    turned = (one[0][::-1], one[1])
    alone = method.predict(patients(tmp_path, 1, 20, False, {"A": one}))["A"]
    other = method.predict(
        patients(tmp_path, 2, 21, False, {"A": turned, "B": patient(draw, False, nodes=9)})
    )["A"]
    assert other == pytest.approx(alone, rel=1e-6)
    if name == "node_graph":
        each = [dict(shares.read(score.details["node_shares"])) for score in (alone, other)]
        assert each[0] == pytest.approx(each[1], rel=1e-4) and set(each[0]) == {1, 2, 3, 4, 5}
        assert next(iter(each[0])) == 1 and sum(each[0].values()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_patient_without_candidates_has_a_score_below_one_with_a_suspicious_node(name, tmp_path):
    method = fitted(name, tmp_path)
    draw = np.random.default_rng(4)
    rows, views = patient(draw, True, nodes=1)
    scores = method.predict(
        patients(tmp_path, 2, 22, False, {"A": (rows, views), "B": ([], views)})
    )
    assert 0 <= scores["B"] < scores["A"]
    if name == "node_graph":
        assert scores["B"].details == {"node_shares": ""} and shares.read("") == []


@pytest.mark.parametrize("name", NAMES)
def test_training_without_any_candidate_still_ends(name, tmp_path):
    draw = np.random.default_rng(4)
    made = {f"P{i}": patient(draw, False, nodes=0) for i in range(8)}
    method = registry.load(name)({}, 3)
    method.state = method.fit(
        patients(tmp_path, 8, 30, made=made), patients(tmp_path, 8, 31, made=made)
    )
    scores = method.predict(patients(tmp_path, 8, 30, False, made))
    assert np.isfinite(list(scores.values())).all()


@pytest.mark.parametrize("name", NAMES)
def test_one_class_and_missing_candidates_are_reasons(name, tmp_path):
    method = registry.load(name)({}, 3)
    with pytest.raises(base.Unfit, match="metastasis"):
        draw = np.random.default_rng(1)
        one_class = {"P0": patient(draw, False), "P2": patient(draw, False)}
        method.fit(patients(tmp_path, 3, 40, made=one_class), patients(tmp_path, 4, 41))
    method = fitted(name, tmp_path)
    scored = patients(tmp_path, 2, 42, False)
    scored._data.candidates["P1"] = "no arterial phase"
    assert method.predict(scored)["P1"] == "no arterial phase"


@pytest.mark.parametrize("name", ["node_order", "node_graph"])
def test_labels_of_validation_choose_and_teach_nothing(name, tmp_path):
    """With one choice on offer, flipped labels of V leave the state as it is."""
    settings = {"penalties": [1.0]} if name == "node_order" else {"steps": 5, "check_every": 5}
    states = []
    for flip in (False, True):
        train, validation = patients(tmp_path, 30, 1), patients(tmp_path, 12, 2)
        if flip:
            validation._labels = {p: 1 - y for p, y in validation._labels.items()}
        states.append(registry.load(name)(settings, 3).fit(train, validation))
    weights = [torch.tensor(state["weights"]) for state in states] if name == "node_order" else None
    if name == "node_graph":
        weights = [torch.cat([w.flatten() for w in state["weights"].values()]) for state in states]
    torch.testing.assert_close(weights[0], weights[1], rtol=0, atol=0)


def test_padding_and_distance_are_what_they_say(tmp_path):
    draw = np.random.default_rng(0)
    made = {"A": patient(draw, True, nodes=2), "B": patient(draw, False, nodes=4)}
    both = patients(tmp_path, 2, 50, False, made)
    sets = [elements.read(both, name) for name in "AB"]
    scale = network.scales(sets)
    model = network.NodeGraph(4)
    together = model(network.batch_of(sets, scale))
    for i, one in enumerate(sets):
        torch.testing.assert_close(together[i], model(network.batch_of([one], scale))[0])
    at = [[float(row[axis]) for axis in "xyz"] for row in made["A"][0]]
    assert sets[0].between[0, 1] == pytest.approx(np.linalg.norm(np.subtract(*at)))
    assert sets[0].to_tumor[0] == pytest.approx(np.linalg.norm(np.subtract(at[0], [5, -3, 10])))


def test_the_state_is_plain(tmp_path):
    for name in NAMES:
        torch.save(fitted(name, tmp_path).state, tmp_path / f"{name}.pt")
        torch.load(tmp_path / f"{name}.pt", weights_only=True)


def test_the_network_records_that_it_fits_its_training_patients(tmp_path):
    (record,) = learning.records({"methods": {"node_graph": fitted("node_graph", tmp_path).state}})
    assert record["network"] == "node_graph" and record["value"] > 0.85
    assert learning.warning(record) == ""


def test_logistic_regression_with_little_penalty_finds_the_law():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(4000, 2)) * [2, 5] + [1, -3]
    y = (draw.random(4000) < 1 / (1 + np.exp(-(0.5 * x[:, 0] - 0.2 * x[:, 1] + 0.3)))).astype(int)
    model = logistic.fit(x, y, 1e-3)
    slopes = np.array(model["weights"]) / model["scale"]
    assert slopes == pytest.approx([0.5, -0.2], abs=0.05)
    assert logistic.loss(model, x, y) < logistic.loss(logistic.fit(x, y, 1e5), x, y)
