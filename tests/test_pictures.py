"""Figures 3 and 4: whom they show, which slice, and that what they show is what was computed."""

import base64
from dataclasses import replace

import numpy as np
import report_study as made

from nodestage import attention
from nodestage.report import pictures

RANGES = {8: (0, 28), 11: (-5, 20), 14: (-5, 22), 16: (-1, 20)}
NAMES = {8: "aorta", 11: "pancreas", 14: "duodenum", 16: "sma"}
SPACING = (2.5, 2.0, 1.5)


def patient(code="P1", annotated=True):
    """Four structures in a row, three nodes of different size, two found by each variant."""
    labels = np.zeros((12, 40, 60), np.uint8)
    for place, label in enumerate(RANGES):
        labels[3:9, 10:20, 4 + 14 * place : 10 + 14 * place] = label
    drawn = np.zeros(labels.shape, np.uint8)
    drawn[5, 24:26, 8:10] = 1
    drawn[6:8, 24:29, 34:39] = 2  # the largest, in the seventh and eighth slice
    drawn[2, 30:33, 50:53] = 1
    found = np.zeros(labels.shape, np.uint16)
    found[6, 24:28, 34:38], found[6, 3:6, 3:6] = 1, 2
    return pictures.Patient(
        code,
        np.where(labels > 0, 60, -80).astype(np.int16),
        labels,
        attention.attention_map(labels, SPACING, RANGES),
        drawn if annotated else None,
        {"plain": found, "attention": np.where(found == 1, 1, 0)},
        {"plain": {2}, "attention": {1}},
        SPACING,
    )


def shown(axes):
    return [np.ma.filled(image.get_array(), 0) for image in axes.images]


def titled(figure, words):
    return next(axes for axes in figure.axes if axes.get_title(loc="left").startswith(words))


def test_patients_come_by_their_largest_drawn_node_not_by_what_was_found():
    nodes = [
        {"patient": "A", "volume_mm3": "90.5", "found": "1"},
        {"patient": "B", "volume_mm3": "120", "found": "0"},
        {"patient": "A", "volume_mm3": "3", "found": "1"},
        {"patient": "elsewhere", "volume_mm3": "900", "found": "1"},
    ]
    assert pictures.largest_first(["D", "A", "C", "B"], nodes) == ["B", "A", "C", "D"]


def test_the_slice_is_that_of_the_largest_node_and_the_focus_lies_in_it():
    (z, y, x), node = pictures.focus(patient(), RANGES)
    assert node and z == 6 and patient().drawn[z, y, x] == 2
    (z, y, x), node = pictures.focus(patient(annotated=False), RANGES)
    assert not node and patient().labels[z, y, x] > 0
    empty = replace(patient(annotated=False), labels=np.zeros((12, 40, 60), np.uint8))
    assert pictures.focus(empty, RANGES) == ((6, 20, 30), False)


def test_the_scores_of_figure_3_make_its_map(monkeypatch):
    """Eq. 2 on the panels: an organ's own score inside it, elsewhere the maximum."""
    monkeypatch.setattr(pictures, "STRUCTURES", len(RANGES))
    figure, about = pictures.attention_figure(patient(), RANGES, NAMES)
    labels = patient().labels[6]
    names = {"aorta": "Aorta", "pancreas": "Pancreas", "duodenum": "Duodenum", "sma": "SMA"}
    scores = {label: shown(titled(figure, f"{names[NAMES[label]]}: score"))[0] for label in RANGES}
    made_of = np.max(list(scores.values()), axis=0)
    for label, score in scores.items():
        made_of = np.where(labels == label, score, made_of)
    there = shown(titled(figure, "Map"))[1]
    np.testing.assert_allclose(there, np.where(made_of < 0.01, 0, made_of), atol=1e-5)
    distance = shown(titled(figure, "Pancreas: distance"))[0]
    assert (distance[labels == 11] <= 0).all() and (distance[labels != 11] > 0).all()
    assert set(about["structures"]) == set(NAMES.values())


def test_figure_3_shows_the_structures_nearest_to_the_node():
    _, about = pictures.attention_figure(patient(), RANGES, NAMES)
    assert about["structures"] == ["duodenum", "sma", "pancreas"]  # columns 36 − 37, 46, 23
    distances = list(about["distances_mm"].values())
    assert distances == sorted(distances)
    assert "Patient P1, axial slice 7 of 12" in about["words"]
    assert f"Duodenum {distances[0]:.1f} mm" in about["words"]


def test_figure_3_without_any_structure_says_so():
    bare = replace(patient(), labels=np.zeros((12, 40, 60), np.uint8))
    _, about = pictures.attention_figure(bare, RANGES, NAMES)
    assert about["structures"] == [] and "the map is 1 everywhere" in about["words"]


def test_figure_4_shows_what_was_drawn_and_what_each_network_called():
    figure, about = pictures.overlay_figure([patient()], RANGES)
    truth, plain, ours = (
        [mask.sum() for mask in shown(titled(figure, words))[1:]]
        for words in ("Drawn by a reader", "Plain network", "With attention")
    )
    assert (truth, plain, ours) == ([25], [16, 9], [16])  # pixels: negative first, then positive
    assert about["slices"] == [7]
    assert "plain network 9 positive and 16 negative pixels" in about["words"]
    assert "with attention 16 positive and 0 negative pixels" in about["words"]
    np.testing.assert_allclose(
        shown(titled(figure, "Attention map"))[1], patient().attention[6], atol=0.011
    )


def test_the_view_around_a_node_stays_within_the_image():
    view = pictures._window((300, 100), (295, 50), (1.0, 2.0))
    assert (view[0].stop, view[0].stop - view[0].start) == (300, 160)
    assert (view[1].start, view[1].stop) == (10, 90)
    assert pictures._window((40, 40), (0, 39), (1.0, 1.0)) == (slice(0, 40), slice(0, 40))


def test_only_instances_called_positive_are_red():
    rows = [
        {"patient": p, "variant": v, "instance": i, "p_positive": q}
        for p, v, i, q in (
            ("P1", "plain", "1", "0.5"),
            ("P1", "plain", "2", "0.49"),
            ("P1", "plain", "3", ""),
            ("P1", "attention", "4", "0.9"),
            ("P2", "plain", "5", "0.9"),
        )
    ]
    assert pictures.called_positive(rows, "P1", "plain") == {1}


def test_figure_4_of_patients_without_annotation_says_so():
    _, about = pictures.overlay_figure([patient(annotated=False)], RANGES)
    assert "drawn not annotated" in about["words"]
    assert pictures.overlay_figure([], RANGES)[1]["words"] == "No patient to show."


def test_figures_are_written_twice_the_same_and_come_back_for_a_page(tmp_path):
    people = [made.picture_patient("P1")]
    for folder in ("one", "two"):
        pictures.write(
            tmp_path / folder,
            {
                "figure_3": pictures.attention_figure(people[0], {11: (-5, 20)}, {11: "pancreas"}),
                "figure_4": pictures.overlay_figure(people, [11]),
            },
        )
    names = {path.name for path in (tmp_path / "one").iterdir()}
    forms = {f"figure_{n}.{form}" for n in (3, 4) for form in ("svg", "png")}
    assert names == forms | {pictures.RECORD}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    found = pictures.read(tmp_path / "one" / pictures.RECORD)
    kind, _, data = found["figure_4"]["source"].partition(";base64,")
    assert kind == "data:image/svg+xml"
    assert base64.b64decode(data) == (tmp_path / "one/figure_4.svg").read_bytes()
    assert pictures.read(None) == {}
