"""Reports: numbers as in the tables, everything escaped, a gallery that does what it says."""

import base64
import io
import json
import re
import time
from collections import Counter
from pathlib import Path
from string import Formatter

import numpy as np
import pytest
import report_study as made
from markupsafe import Markup
from PIL import Image
from report_page import Page

from nodestage.core import tables
from nodestage.report import (
    answers,
    blocks,
    checklists,
    controls,
    explaining,
    fields,
    figures,
    gallery,
    headline,
    numbers,
    pages,
    patients,
    pictures,
    records,
    writing,
)
from nodestage.report.figures import style
from nodestage.report.gallery_pictures import GalleryPictures
from nodestage.report.sources import Cell, Row, Rows, load
from nodestage.statistics import lymph_nodes, vocabulary
from nodestage.statistics.comparisons import PRIMARY

CODES = [f"SJ{i:03d}" for i in range(1, 12)]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    discovery = made.write_center(folder / "peking", "discovery", 749, 351, 1)
    external = made.write_center(folder / "shengjing", seed=2)
    photos = made.write_gallery(folder / "gallery.json", [made.HOSTILE, *CODES[1:5]])
    facts = made.facts([made.HOSTILE, *CODES[1:]])
    center = folder / "shengjing.html"
    shengjing = records.Center(
        "shengjing",
        "external",
        external,
        photos,
        discovery,
        page="shengjing.html",
        viewer=folder / "viewer" / "shengjing",
    )
    pages.center_page(shengjing, facts, center)
    whole = folder / "study.html"
    peking = records.Center("peking", "discovery", discovery, page="peking.html")
    centers = [shengjing, peking]
    shown = [made.picture_patient(code) for code in (made.HOSTILE, "P2")]
    drawn = {
        "figure_3": pictures.attention_figure(shown[0], {11: (-5, 20)}, {11: "pancreas"}),
        "figure_4": pictures.overlay_figure(shown, [11]),
    }
    pictures.write(folder / "figures", drawn)
    pages.study_page(
        made.write_study(folder / "study"),
        centers,
        made.facts([]),
        whole,
        record=folder / "figures" / pictures.RECORD,
        figures=folder / "figures",
    )
    return {"folder": folder, "center": center, "study": whole, "facts": facts}


@pytest.mark.parametrize("page", ["center", "study"])
def test_every_number_of_the_page_equals_the_table(study, page):
    found = Page(study[page].read_text(encoding="utf-8")).numbers
    read, checked = {}, 0
    for attributes, shown in found:
        source = attributes["data-source"]
        if source in ("facts", ""):
            continue
        if source not in read:
            read[source] = tables.read(study["folder"] / source)
        cell = read[source][int(attributes["data-row"]) - 1][attributes["data-column"]]
        assert attributes["data-value"] == cell
        checked += 1
        if cell:
            text = shown.replace("−", "-").replace("\N{NO-BREAK SPACE}", "")
            if text.startswith("<"):
                assert float(cell) < float(text[1:])
            else:
                digits = len(text.partition("e")[0].partition(".")[2])
                power = int(text.partition("e")[2] or 0)
                assert abs(float(text) - float(cell)) <= 0.5000001 * 10.0 ** (power - digits), shown
        else:
            assert shown in ("undefined", "–")
    assert checked > 300


def test_every_estimate_and_difference_of_the_tables_stands_on_the_page(study):
    shown = {
        (a["data-source"], a["data-row"], a["data-column"])
        for a, _ in Page(study["center"].read_text(encoding="utf-8")).numbers
    }
    for name, column, *limit in (
        ("performance", "estimate"),
        ("comparisons", "difference"),
        ("subgroups", "low"),
        ("operating_point", "estimate"),
        ("recalibration", "estimate"),
        ("readers", "estimate"),
        ("pn_stage", "estimate"),
        ("draw_next_patients", "doubt", 30),
        ("draw_next_nodes", "p_positive", 30),
        ("pn_confusion", "called_pn1"),
        ("reader_comparisons", "difference"),
    ):
        rows = tables.read(study["folder"] / f"shengjing/{name}.tsv")
        for place in range(1, min(len(rows), *limit, len(rows)) + 1):
            assert (f"shengjing/{name}.tsv", str(place), column) in shown


@pytest.mark.parametrize(
    "name, columns",
    [
        ("froc_at", ["allowed", "recall", "low", "difference", "difference_high", "threshold"]),
        ("node_recall", ["n", "found", "recall", "low", "high", "difference", "patients"]),
        ("false_positives", ["n", "per_patient", "low", "high", "difference_low", "patients"]),
        ("stations", ["drawn", "found", "recall", "recall_low", "drawn_doubtful", "precision"]),
        ("signature", ["folds_chosen", "folds", "mean_coefficient"]),
        ("robustness", ["features", "kept_min", "kept_max", "kept_always", "median_icc"]),
    ],
)
def test_every_figure_beside_the_papers_tables_stands_on_the_studys_page(study, name, columns):
    page = Page(study["study"].read_text(encoding="utf-8"))
    shown = {(a["data-source"], a["data-row"], a["data-column"]) for a, _ in page.numbers}
    rows = tables.read(study["folder"] / f"study/{name}.tsv")
    assert rows and all(any(row[column] for row in rows) for column in columns)
    for place, row in enumerate(rows, start=1):
        for column in columns:
            assert not row[column] or (f"study/{name}.tsv", str(place), column) in shown


def rows_of(name, *rows):
    columns = list(rows[0])
    made = [Row({c: Cell(v, name, i, c) for c, v in row.items()}) for i, row in enumerate(rows, 1)]
    return Rows(made, name, columns)


def test_a_table_takes_spread_and_interval_into_one_cell_and_notes_below_it():
    rows = rows_of(
        "study/table_3.tsv",
        {"organ": "sma", "dice": "0.8123", "dice_sd": "0.05", "asd_mm": "", "asd_mm_sd": ""}
        | {"f_low": "0.1", "f_high": "0.3", "n_dice": "4", "note": "truth empty; far"},
        {"organ": "aorta", "dice": "0.9", "dice_sd": "", "asd_mm": "1.5", "asd_mm_sd": "0.1"}
        | {"f_low": "", "f_high": "", "n_dice": "4", "note": ""},
        {"organ": "liver", "dice": "0.9", "dice_sd": "", "asd_mm": "1.5", "asd_mm_sd": "0.1"}
        | {"f_low": "", "f_high": "", "n_dice": "4", "note": "far"},
    )
    found = blocks.table(rows)
    assert found["columns"] == [
        "Organ", "Dice ± SD", "ASD, mm ± SD", "F, 95 % CI", "n, Dice", "Note",
    ]  # fmt: skip
    lines = [[Markup(cell).striptags() for cell in line] for line in found["lines"]]
    assert lines[0] == ["SMA", "0.812 ± 0.050", "undefined", "[0.100–0.300]", "4", "a,b"]
    assert lines[1] == ["Aorta", "0.900", "1.500 ± 0.100", "–", "4", "–"]
    assert lines[2][3:] == ["undefined", "4", "b"]
    assert found["notes"] == [("a", "truth empty"), ("b", "far")]


@pytest.mark.parametrize(
    "text, shown", [("4.44e-16", "0.000"), ("-1e-17", "0.000"), ("6.88e-05", "6.88e−05")]
)
def test_a_rounding_error_is_shown_as_zero(text, shown):
    assert numbers.general(text) == shown


def test_no_raw_key_stands_where_a_reader_looks(study):
    words = " ".join(Page(study["center"].read_text(encoding="utf-8")).words)
    assert "mm³ (Nodes, attention)" in words and "nodes_attention" not in words
    rows = rows_of("table_1.tsv", {"characteristic": "Tumor location, n (%)", "level": "body_tail"})
    assert blocks.table(rows)["lines"][0][1] == "body or tail"
    assert blocks.head("pT stage") == "pT stage"


def test_a_reason_that_is_also_a_flag_is_said_once(study):
    page = study["center"].read_text(encoding="utf-8")
    assert page.count("no venous phase") and "no venous phase; no venous phase" not in page


def test_figures_3_and_4_stand_on_the_studys_page_with_words(study):
    page = Page(study["study"].read_text(encoding="utf-8"))
    images = [a for tag, a in page.elements if tag == "img"]
    record = json.loads((study["folder"] / "figures" / pictures.RECORD).read_text())
    assert [a["alt"] for a in images] == [record[n]["words"] for n in ("figure_3", "figure_4")]
    for name, a in zip(("figure_3", "figure_4"), images, strict=True):
        written = (study["folder"] / f"figures/{name}.svg").read_bytes()
        assert base64.b64decode(a["src"].partition("base64,")[2]) == written
    assert made.HOSTILE in images[0]["alt"] and "P2" in images[1]["alt"]
    for number in ("Figure 3: construction", "Figure 4: lymph"):
        assert any(number in words for words in page.words)


def test_the_words_of_the_froc_curve_are_the_tables(study):
    page = Page(study["study"].read_text(encoding="utf-8"))
    (words,) = [a["aria-label"] for _, a in page.elements if a.get("aria-label", "")[:5] == "FROC,"]
    for row in tables.read(study["folder"] / "study/froc_at.tsv"):
        assert f"{float(row['recall']):.2f} at {row['allowed']}" in words


def test_the_studys_plots_are_files_even_where_there_is_nothing_to_draw(study, tmp_path):
    names = {"figure_3", "figure_4", "figure_5a", "figure_5b", "froc", "forest"}
    found = {(p.stem, p.suffix) for p in (study["folder"] / "figures").glob("*.*g")}
    assert found == {(name, form) for name in names for form in (".svg", ".png")}
    pages.study_page(
        tmp_path / "none", [], records.Facts(), tmp_path / "s.html", figures=tmp_path / "f"
    )
    assert len(list((tmp_path / "f").iterdir())) == 8
    assert "No FROC curve" in (tmp_path / "f/froc.svg").read_text(encoding="utf-8")


def test_numbers_of_patients_equal_their_records(study):
    scores = {r["scores"]["combined"]["score"] for r in study["facts"].patients} - {""}
    found = {
        a["data-value"]
        for a, _ in Page(study["center"].read_text(encoding="utf-8")).numbers
        if a["data-source"] == "facts" and a["data-column"] == "score"
    }
    assert found == scores


def test_a_hostile_patient_code_is_only_text(study):
    page = Page(study["center"].read_text(encoding="utf-8"))
    assert any(made.HOSTILE in words for words in page.words)
    assert not [a for tag, a in page.elements if tag == "img" and a["src"] == "x"]
    assert not [name for _, a in page.elements for name in a if name.startswith("on")]
    assert sum(tag == "script" for tag, _ in page.elements) == 1


def test_the_page_is_one_file_without_requests_and_says_what_it_is(study):
    for name in ("center", "study"):
        text = study[name].read_text(encoding="utf-8")
        for tag, attributes in Page(text).elements:
            for key in ("src", "href"):
                value = attributes.get(key, "#")
                assert value.startswith(("data:", "#")) or tag == "a", (tag, value)
        assert "For research, not a medical device" in text
        assert "These patients are simulated" in text
        assert "default-src 'none'" in text
        ids = [a["id"] for _, a in Page(text).elements if "id" in a]
        assert len(ids) == len(set(ids))


def test_every_table_has_a_caption_and_heads_and_every_picture_words(study):
    for name in ("center", "study"):
        page = Page(study[name].read_text(encoding="utf-8"))
        tags = [tag for tag, _ in page.elements]
        assert tags.count("table") == tags.count("caption")
        assert all("scope" in a for tag, a in page.elements if tag == "th")
        assert all("alt" in a for tag, a in page.elements if tag == "img")
    for page in (study["center"], study["study"]):
        labels = re.findall('aria-label="([^"]*)', page.read_text(encoding="utf-8"))
        assert labels and not any("<" in label for label in labels)


def test_equal_input_gives_equal_bytes(study, tmp_path):
    again = tmp_path / "again.html"
    center = records.Center(
        "shengjing",
        "external",
        study["folder"] / "shengjing",
        study["folder"] / "gallery.json",
        study["folder"] / "peking",
        viewer=study["folder"] / "viewer" / "shengjing",
    )
    pages.center_page(center, study["facts"], again)
    assert again.read_bytes() == study["center"].read_bytes()


def test_a_center_without_any_table_still_has_a_page_that_says_so(tmp_path):
    empty = records.Center("empty", "external", tmp_path / "none")
    pages.center_page(empty, records.Facts(), tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "can’t be answered: balanced accuracy is undefined" in text
    assert "The run wrote no performance.tsv." in text
    assert "not recorded" in text
    pages.study_page(tmp_path / "none", [], records.Facts(), tmp_path / "s.html")
    assert "The run wrote no table_6.tsv." in (tmp_path / "s.html").read_text(encoding="utf-8")


def test_tables_with_heads_alone_and_one_class_are_answered_with_the_reason(tmp_path):
    made.write_center(tmp_path / "c")
    for path in (tmp_path / "c").glob("*.tsv"):
        tables.write(path, [], list(tables.read(path)[0]))
    row = {
        "method": "combined",
        "basis": "ensemble",
        "metric": "balanced_accuracy",
        "estimate": None,
        "n": 7,
        "positives": 0,
        "note": "no positive patient among 7",
    }
    tables.write(tmp_path / "c" / "performance.tsv", [row])
    center = records.Center("c", "external", tmp_path / "c")
    pages.center_page(center, made.facts(["a"]), tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "is undefined. No positive patient among 7" in text
    assert "comparisons.tsv has no rows" in text


def test_an_auxiliary_center_has_no_page(tmp_path):
    with pytest.raises(ValueError, match="has no report"):
        center = records.Center("x", "auxiliary", tmp_path)
        pages.center_page(center, records.Facts(), tmp_path / "p.html")


# The headline


def performance(estimate, low, high, n=59, positives=37, basis="ensemble"):
    values = {
        "method": "combined",
        "metric": "balanced_accuracy",
        "basis": basis,
        "estimate": estimate,
        "low": low,
        "high": high,
        "n": n,
        "positives": positives,
    }
    row = Row({k: Cell("" if v is None else str(v), "t", 1, k) for k, v in values.items()})
    return Rows([row], "performance.tsv", list(values))


C = records.Center("c", "external", None)
REFERENCE = performance(0.70, 0.66, 0.74, 749, 351, "fold_mean")


def told(low, high, margin=None, reference=REFERENCE, estimate=0.62, **more):
    """The headline on an external center, and all that it says in one text."""
    rows = performance(estimate, low, high, **more)
    primary = PRIMARY | {"margin": margin}
    found = headline.headline(
        records.Center("shengjing", "external", None), rows, primary, reference
    )
    return found, found.sentence.striptags().replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    "low, high, margin, verdict, words",
    [
        (0.55, 0.75, None, "better", "the frozen model performed better than guessing: balanced accuracy 0.62"),
        (0.55, 0.75, None, "better", "A drop of up to 0.16 from the discovery center’s 0.70 can’t be excluded."),
        (0.55, 0.75, 0.1, "better", "can’t be excluded; the declared margin is 0.10."),
        (0.55, 0.75, 0.2, "held", "the frozen model held: balanced accuracy 0.62"),
        (0.55, 0.75, 0.2, "held", "A drop of more than the declared margin of 0.20 from the discovery center’s 0.70 is excluded."),
        (0.55, 0.65, None, "part", "performed better than guessing, but worse than in the discovery center"),
        (0.55, 0.65, None, "part", "The drop from the discovery center’s 0.70 lies between 0.03 and 0.16."),
        (0.55, 0.65, 0.2, "held", "lies between 0.03 and 0.16, within the declared margin of 0.20."),
        (0.49, 0.73, 0.5, "open", "has not been shown to perform better than guessing"),
        (0.49, 0.73, None, "open", "A drop of up to 0.22"),
        (0.30, 0.48, 0.9, "failed", "did not hold"),
        (0.62, 0.62, None, "open", "its interval has no width"),
        (None, None, None, "open", "without an interval"),
    ],
)  # fmt: skip
def test_the_headline_follows_its_rule(low, high, margin, verdict, words):
    estimate = 0.62 if low is None or high > 0.6 else 0.4
    found, text = told(low, high, margin, estimate=estimate)
    assert found.verdict == verdict and words in text, text
    if low is not None and high > low:
        assert "Here minus there −0." in found.beside.striptags()


def test_a_wide_interval_alone_is_never_read_as_held():
    """The reviewer's case: 37 and 22 patients, whose interval reaches the discovery center's."""
    found, text = told(0.48 + 0.04, 0.76)
    assert found.verdict == "better" and "A drop of up to 0.19" in text
    assert "statistics.primary.margin" in found.rule


def test_a_center_above_discovery_is_said_to_be():
    _, text = told(0.80, 0.95, estimate=0.88)
    assert "It performed better here than in the discovery center (0.70)." in text
    found, text = told(0.80, 0.95, estimate=0.88, margin=0.05)
    assert found.verdict == "held" and "is excluded" in text


def test_without_discovery_nothing_is_said_of_a_drop():
    found, text = told(0.55, 0.75, 0.1, reference=None)
    assert found.verdict == "better" and "drop" not in text and found.beside == headline.ALONE
    assert "margin" not in found.rule


def test_a_metric_without_a_value_for_guessing_is_held_against_discovery_alone():
    primary = {"metric": "sensitivity", "method": "combined", "margin": 0.2}
    rows, there = performance(0.62, 0.55, 0.75), performance(0.70, 0.66, 0.74, basis="fold_mean")
    for table in (rows, there):
        table[0]["metric"] = Cell("sensitivity", "t", 1, "metric")
    found = headline.headline(C, rows, primary, there)
    assert found.verdict == "held"
    found = headline.headline(C, rows, primary | {"margin": None}, there)
    text = found.sentence.striptags().replace("\N{NO-BREAK SPACE}", " ")
    assert found.verdict == "open" and "In c the frozen model gives sensitivity 0.62" in text
    assert "A drop of up to 0.16" in text and "guessing" not in text + found.rule


def test_the_headline_reads_as_a_sentence_and_warns_of_few_patients():
    found, text = told(0.51, 0.73, n=8, positives=2, reference=None)
    assert text == (
        "In shengjing the frozen model performed better than guessing (based on 2 positive patients): "
        "balanced accuracy 0.62 (95 % CI 0.51–0.73), n = 8 (2 positive)."
    )
    assert found.verdict == "few"
    assert "Only 2 positive patients" in found.caution


def test_a_center_that_has_the_bundle_alone_is_not_held_against_discovery(tmp_path):
    folder = made.write_center(tmp_path / "c")
    facts = made.facts(["P1", "P2"], frozen=True, warnings=["Other code."])
    pages.center_page(records.Center("c", "external", folder), facts, tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "There is no comparison with the discovery center" in page and "Other code." in page
    for absent in (
        "Discovery center",
        "discovery center’s estimate",
        "with the discovery center.",
        "study’s page",
    ):
        assert absent not in page, absent


@pytest.mark.parametrize(
    "value, digits, text",
    [
        (0.6249, 2, "0.62"),
        (-0.034, 2, "−0.03"),
        (-0.001, 2, "0.00"),
        (float("nan"), 2, "undefined"),
    ],
)
def test_numbers_are_rounded_with_a_true_minus(value, digits, text):
    assert numbers.fixed(value, digits) == text


@pytest.mark.parametrize(
    "p, text", [(0.0004, "<\N{NO-BREAK SPACE}0.001"), (0.0123, "0.012"), (0.5, "0.50")]
)
def test_p_values_are_printed_as_in_journals(p, text):
    assert numbers.p_value(p) == text


def test_a_table_knows_the_row_and_column_of_each_cell(tmp_path):
    tables.write(tmp_path / "t.tsv", [{"a": 0.1234567890123, "b": None}])
    cell = load(tmp_path, "t.tsv")[0]["a"]
    assert (cell.text, cell.row, cell.column) == ("0.1234567890123", 1, "a")
    assert load(tmp_path, "t.tsv")[0]["not there"].text == ""


def test_wrong_calls_come_first_the_worst_on_top():
    def person(code, status, score, call):
        record = {"patient": code, "metastasis": status, "score": score, "call": call}
        return patients.normalised(record, "combined", {"combined": 0.5})

    found = [
        person("right", "1", "0.9", "1"),
        person("near", "0", "0.6", "1"),
        person("none", "1", "", ""),
        person("far", "1", "0.1", "0"),
        person("unknown", "", "0.7", "1"),
        person("close", "0", "0.45", "0"),
    ]
    order = [p["patient"] for p in patients.worst_first(found)]
    assert order == ["far", "near", "close", "right", "unknown", "none"]


def test_checklists_have_every_item_and_leave_the_unknown_to_the_authors():
    found = checklists.filled({"model_digest": "9bc1"})
    # Numbers as published: 27 items with 52 parts (BMJ 2024;385:e078378), 44 items (CLAIM 2024).
    parts = {3: "abc", 5: "ab", 6: "abc", 8: "abc", 9: "abc", 12: "abcdefg", 18: "abcdef"}
    parts |= {20: "abc", 23: "ab", 27: "abc"}
    numbers = [f"{i}{part}" for i in range(1, 28) for part in parts.get(i, [""])]
    assert [item["id"] for item in found["TRIPOD+AI"]] == numbers and len(numbers) == 52
    assert [item["id"] for item in found["CLAIM"]] == [str(i) for i in range(1, 45)]
    meant = {item["id"]: item["item"].rpartition(" (for ")[2] for item in found["TRIPOD+AI"]}
    development = ["9a", "12a", "12b", "12c", "15", "22", "27a", "27b"]
    assert [i for i in numbers if meant[i] == "development)"] == development
    assert [i for i in numbers if meant[i] == "evaluation)"] == ["12f", "12g", "20c", "24"]
    by_number = {item["id"]: item["answer"] for item in found["TRIPOD+AI"]}
    assert "9bc1" in by_number["22"]
    assert by_number["17"] is None and by_number["23a"] is None


def test_the_other_lists_have_as_many_items_in_each_part_as_published():
    """METRICS: Insights Imaging 2024;15:8. CLEAR: ibid. 2023;14:75. PROBAST+AI: BMJ 2025;388:e082505."""
    found = checklists.filled({})
    parts = {name: Counter(item["part"] for item in items) for name, items in found.items()}
    assert list(parts["METRICS"].values()) == [3, 4, 3, 3, 4, 2, 6, 2, 3]
    assert list(parts["CLEAR"].values()) == [1, 1, 1, 3, 6, 6, 2, 4, 4, 5, 4, 6, 5, 4, 6]
    for name, count in (("METRICS", 30), ("CLEAR", 58)):
        assert [item["id"] for item in found[name]] == [str(i) for i in range(1, count + 1)]
    questions = {"D": (3, 4, 4, 5), "E": (3, 4, 4, 7)}  # 16 on development, 18 on evaluation
    assert [item["id"] for item in found["PROBAST+AI"]] == [
        f"{letter}{domain}.{i}"
        for letter, domains in questions.items()
        for domain, many in enumerate(domains, start=1)
        for i in range(1, many + 1)
    ]
    wording = {item["id"]: item["item"] for item in found["PROBAST+AI"]}
    shared = [number for number in wording if number[0] == "D" and number[1] != "4"]
    assert [wording[n] for n in shared] == [wording[f"E{n[1:]}"] for n in shared]  # domains 1 to 3
    assert set(parts["TRIPOD+AI"]) == set(parts["CLAIM"]) == {""}


def test_every_field_of_a_checklist_is_one_that_some_page_fills():
    run = records.Run(
        simulated=True, folds=5, folds_from="given", inner_folds=2, seed=3, sizes={"Grid": "2 mm."},
        methods=["ct_report", "combined"], radiomics={"features": 1688, "robustness": {"icc": 0.75, "patients": 20}},
        pretrained="none", organs_source="given", tumor_source="predicted", versions={"torch": "2"},
        discovery_organs_source="given", discovery_tumor_source="given", model_digest="9bc1",
    )  # fmt: skip
    counts = {"n_sheet": 9, "n_analysed": 8, "positives": 3, "n_gallery": 2, "n_subgroups": 4}
    facts, known = records.Facts(run=run, substituted=1, thresholds={"combined": 0.5}), {}
    for role in ("external", "discovery", "study"):
        page = answers.PageOf(role, "c", counts | {"missing": "None."}, "It did.")
        known |= answers.checklist_fields(facts, page)
    used = {
        field
        for items in checklists.lists().values()
        for item in items
        for _, field, _, _ in Formatter().parse(item.get("run", ""))
        if field
    }
    assert used - set(known) == set()


def test_answers_on_radiomics_hold_only_where_a_method_reads_it():
    facts = records.Facts(run=records.Run(methods=["combined"]))
    page = answers.PageOf("external", "c", {}, "It did.")
    by_number = {
        row["id"]: row["answer"]
        for row in checklists.filled(answers.checklist_fields(facts, page))["METRICS"]
    }
    assert [by_number[i] for i in ("12", "13", "14", "15", "24", "25")] == [None] * 6
    run = records.Run(
        methods=["radiomics", "combined"], radiomics={"features": 1688, "robustness": None}
    )
    filled = checklists.filled(answers.checklist_fields(records.Facts(run=run), page))
    by_number = {row["id"]: row["answer"] for row in filled["METRICS"]}
    assert (
        "is off" in by_number["14"]
        and "LASSO" in by_number["15"]
        and by_number["25"] == "Radiomics."
    )


def answer(item, role="external", listed="TRIPOD+AI", folds_from=None, returned=None, **counts):
    """What a checklist answers on a page; None where it is the authors' to answer."""
    facts = records.Facts(run=records.Run(folds=5, folds_from=folds_from), returned=returned)
    found = answers.checklist_fields(facts, answers.PageOf(role, "c", counts, "It did."))
    (row,) = [row for row in checklists.filled(found)[listed] if row["id"] == item]
    return row["answer"]


def test_a_checklist_says_nothing_that_its_page_contradicts():
    assert answer("14", n_subgroups=4).startswith("Results by subgroup are on this page")
    assert answer("14", n_subgroups=0) is None and answer("14", role="study") is None
    for role in ("external", "discovery", "study"):
        assert "every row of every table" not in answer("21", role=role)
        assert "pathology, and when it was assessed, is for the authors" in answer("8a", role=role)
        assert "alidation" in answer("37", role=role, listed="CLAIM") or role == "external"
    assert "in no table" in answer("37", role="discovery", listed="CLAIM")
    assert "in no part of a fold" in answer("37", listed="CLAIM")
    assert "file from the hospital" in answer("8a", returned={"holds": "rows"})
    for item in ("31", "39"):
        assert "7 patients" in answer(item, listed="CLAIM", n_gallery=7)
        assert answer(item, listed="CLAIM", n_gallery=0) is None
    assert answer("30", role="study", listed="CLAIM") is None
    assert answer("20c", role="discovery") is None and "compares the centers" in answer(
        "20c", role="study"
    )
    assert "External: mean of the folds" in answer("12g", role="study")


@pytest.mark.parametrize(
    "source, said, words",
    [
        ("stratified", True, "stratified by the outcome"),
        ("given", True, "fold tables of the study"),
        (None, False, "5 folds of the discovery center, training/validation/test by patient; ext"),
    ],
)
def test_folds_are_called_stratified_where_they_are(source, said, words):
    given = {"folds_from": source}
    assert words in answer("12a", **given) and words in answer("19", listed="CLAIM", **given)
    assert ("tratified" in answer("12a", **given)) == (source == "stratified")
    assert bool(answer("13", **given)) == said and (not said or words in answer("13", **given))


def test_the_family_of_tests_is_told_where_adjusted_p_are_read(study):
    for page in ("study", "center"):
        assert vocabulary.family() in Page(study[page].read_text(encoding="utf-8")).text(), page
    assert vocabulary.family() in answer("29", listed="CLAIM")
    for name in ("table_6.tsv", "table_7.tsv"):
        assert vocabulary.family() in vocabulary.foot(name)


def test_what_a_mean_of_folds_does_not_tell_is_said_of_every_such_interval(tmp_path):
    folder = made.write_center(tmp_path / "home", "discovery")
    home = records.Center("home", "discovery", folder)
    pages.center_page(home, made.facts([]), tmp_path / "home.html")
    text = Page((tmp_path / "home.html").read_text(encoding="utf-8")).text()
    assert text.count(fields.OVERLAP) == 2, "beside the headline and in the methods"
    rule = headline.headline(home, REFERENCE, PRIMARY).rule
    assert fields.OVERLAP in rule and fields.OVERLAP in fields.INTERVALS


def simulated():
    """{column: shares by line} of the tables of simulations in docs/statistics.md."""
    found = {}
    text = (Path(__file__).parents[1] / "docs" / "statistics.md").read_text(encoding="utf-8")
    for part in text.split("## Evidence")[1].split("\n\n"):
        if part.startswith("| n | positives | "):
            head, _, *lines = (
                [c.strip() for c in line.split("|")[1:-1]] for line in part.split("\n")
            )
            for i, name in enumerate(head[2:], start=2):
                found[name] = {(row[0], row[1]): float(row[i]) for row in lines}
    return found


def test_the_method_note_says_what_the_simulations_showed():
    """Each figure of the note, rounded, is that of the tables in docs/statistics.md."""
    shares, few = simulated(), ("59", "10")
    held = [name for name in shares if "bootstrap" in name and "paired" not in name]
    held = [name for name in held if not name.startswith("Wilcoxon")]
    held += [name for name in shares if name.startswith(("difference, ", "AUC, DeLong"))]
    elsewhere = [v for name in held for line, v in shares[name].items() if line != few]

    def span(*names):
        values = [v for name in names for v in shares[name].values()]
        return f"{100 * min(values):.0f}–{100 * max(values):.0f} %"

    def at(name):
        return f"{100 * shares[name][few]:.0f} %"

    for words in (
        f"{100 * min(elsewhere):.0f}–{100 * max(elsewhere):.0f} % where",
        f"AUC {at('AUC, DeLong')}",
        f"balanced accuracy {at('balanced accuracy, bootstrap')}",
        f"sensitivity {at('sensitivity, bootstrap')}",
        f"between two methods {at('difference, sensitivity')}",
        f"fold mean {at('sensitivity, bootstrap by fold')}",
        f"interval of sensitivity covered {at('sensitivity, exact')}",
    ):
        assert words in fields.INTERVALS
    bootstraps = [name for name in shares if name.startswith("paired bootstrap")]
    mcnemar = [name for name in shares if name.startswith("McNemar")]
    for words in (
        f"in {span('Wilcoxon on bootstrap, balanced accuracy')} of simulated",
        f"{span('DeLong')} (DeLong), {span('DeLong by fold')} (DeLong by fold)",
        f"{span(*bootstraps)} (paired bootstrap;",
        f"; {at('paired bootstrap, balanced accuracy')} for balanced accuracy",
        f"{span(*mcnemar)} (McNemar)",
        f"up to {100 * max(shares['DeLong, folds pooled'].values()):.0f} %",
    ):
        assert words in fields.TESTS


def test_what_no_method_defines_is_folded_into_one_line(tmp_path):
    """A center without a positive patient: sensitivity and AUC are undefined whatever the method."""
    folder = made.write_center(tmp_path / "c", n=7, positives=0)
    for name, column in (("performance", "estimate"), ("comparisons", "difference")):
        rows = tables.read(folder / f"{name}.tsv")
        for row in rows:
            if row["metric"] in ("balanced_accuracy", "auc", "sensitivity"):
                row |= {column: "", "low": "", "high": "", "note": "no positive patient among 7"}
        tables.write(folder / f"{name}.tsv", rows)
    found = blocks.performance(load(folder, "performance.tsv"))
    assert [block["columns"] for block in found] == [["Accuracy", "Specificity"]]
    assert found[0]["undefined"]["columns"] == ["Balanced accuracy", "AUC", "Sensitivity"]
    pages.center_page(records.Center("c", "external", folder), made.facts([]), tmp_path / "p.html")
    text = (tmp_path / "p.html").read_text(encoding="utf-8")
    folded = re.findall(r'<details class="undefined-for-all">.*?</details>', text, re.DOTALL)
    assert "Undefined for every method: Balanced accuracy, AUC, Sensitivity</summary>" in text
    assert "Differences undefined for every pair: Balanced accuracy, AUC</summary>" in text
    open_text = re.sub(r"<details.*?</details>", "", text, flags=re.DOTALL)
    assert "".join(folded).count(">undefined<") > 20 and "No forest plot" in text
    # The CT report of the made-up center, which defines nothing, is named in a line of its own.
    assert open_text.count(">undefined<") == 0
    assert "No metric is defined for: CT report</summary>" in text
    # Every cell is still on the page.
    shown = {(a["data-source"], a["data-row"]) for a, _ in Page(text).numbers}
    assert {("c/performance.tsv", str(i)) for i in range(1, 81)} <= shown


# The gallery


def pixels(data):
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGBA")).astype(int)


@pytest.fixture(scope="module")
def panel():
    arterial, venous, overlays, attention, spacing = made.volumes()
    return gallery.patient_panel("P1", gallery.Scan(arterial, venous, overlays, attention, spacing))


def test_the_panel_shows_the_deciding_node_and_the_tumor_in_both_phases(panel):
    meta = json.loads(panel["meta.json"])
    assert [view["name"] for view in meta["views"]] == ["node", "tumor"]
    _, _, overlays, _, _ = made.volumes()
    tumor = int(np.argmax(overlays["tumor"].sum(axis=(1, 2))))
    assert meta["views"][1]["slice"] == tumor + 1
    assert overlays["nodes_positive"][meta["views"][0]["slice"] - 1].any()
    assert {"node.arterial.jpg", "node.venous.jpg", "node.map.png", "tumor.organs.png"} <= set(
        panel
    )
    assert sum(len(data) for data in panel.values()) * 4 / 3 < gallery.BUDGET


def test_the_patients_right_lies_on_the_left_of_the_picture():
    volume = np.full((3, 40, 60), -1000.0)
    volume[:, :, :10] = 200  # x grows to the patient's left: the first columns are the right side
    meta = gallery.patient_panel("P1", gallery.Scan(None, volume, {}, None, (2.0, 2.0, 2.0)))
    picture = pixels(meta["middle.venous.jpg"])[:, :, 0]
    assert picture[:, :30].mean() > 100 > picture[:, -30:].mean()
    assert picture.shape[1] == gallery.SIDE_PIXELS


def test_pixels_are_square_on_an_odd_grid_and_the_scale_is_right():
    volume = np.zeros((3, 50, 100))
    panel = gallery.patient_panel("P1", gallery.Scan(volume, volume, {}, None, (5.0, 2.0, 1.0)))
    view = json.loads(panel["meta.json"])["views"][0]
    assert (view["width"], view["height"]) == (288, 288)
    assert view["mm_per_pixel"] == pytest.approx(100 / 288)


def test_an_overlay_covers_its_mask_and_is_clear_elsewhere():
    mask = np.zeros((3, 60, 60), bool)
    mask[1, 20:40, 20:40] = True
    volume = np.zeros(mask.shape)
    panel = gallery.patient_panel(
        "P1", gallery.Scan(volume, volume, {"tumor": mask}, None, (2.0, 2.0, 2.0))
    )
    alpha = pixels(panel["tumor.tumor.png"])[:, :, 3]
    scale = gallery.SIDE_PIXELS / 60
    inside = np.zeros_like(alpha, bool)
    inside[round(20 * scale) : round(40 * scale), round(20 * scale) : round(40 * scale)] = True
    assert (alpha[inside] > 0).mean() > 0.98
    assert (alpha[~inside] > 0).mean() < 0.01


def test_windows_recover_the_gray_values_of_their_hu():
    for window in controls.windows():
        middle = (window["low"] + window["high"]) / 2
        stored = gallery.gray(np.array([[middle]]))[0, 0] / 255
        assert stored * window["slope"] + window["intercept"] == pytest.approx(0.5, abs=0.01)


def test_a_missing_phase_and_a_missing_node_leave_a_panel():
    arterial, _, overlays, attention, spacing = made.volumes()
    empty = {k: np.zeros_like(v) for k, v in overlays.items() if k != "organs"}
    panel = gallery.patient_panel("P1", gallery.Scan(arterial, None, empty, attention, spacing))
    view = json.loads(panel["meta.json"])["views"][0]
    assert view["phases"] == ["arterial"] and view["name"] == "middle"
    assert (
        json.loads(
            gallery.patient_panel("P", gallery.Scan(None, None, {}, None, spacing))["meta.json"]
        )["views"]
        == []
    )


def test_a_positive_node_that_nobody_called_is_shown():
    arterial, venous, overlays, attention, spacing = made.volumes()
    overlays = {
        "truth_positive": overlays["truth_positive"],
        "nodes_positive": overlays["tumor"] & False,
    }
    panel = gallery.patient_panel(
        "P1", gallery.Scan(arterial, venous, overlays, attention, spacing)
    )
    assert json.loads(panel["meta.json"])["views"][0]["name"] == "missed"


def test_a_mask_on_another_grid_is_refused():
    with pytest.raises(ValueError, match="P1: tumor has the shape"):
        gallery.patient_panel(
            "P1",
            gallery.Scan(
                np.zeros((3, 9, 9)), None, {"tumor": np.zeros((3, 9, 8))}, None, (1, 1, 1)
            ),
        )


def test_equal_volumes_give_equal_pictures(panel):
    arterial, venous, overlays, attention, spacing = made.volumes()
    assert (
        gallery.patient_panel("P1", gallery.Scan(arterial, venous, overlays, attention, spacing))
        == panel
    )


@pytest.mark.parametrize(
    "seed, plane, sides",
    [(0, "coronal", "RLH"), (1, "sagittal", "APH"), (2, "axial", "RLA")],
)
def test_the_explained_slice_is_a_view_of_the_panel_with_its_place_in_the_scan(
    tmp_path, seed, plane, sides
):
    arterial, venous, overlays, attention, spacing = made.volumes(seed)
    why = made.explained(seed, arterial, venous, overlays, spacing)
    explaining.write(tmp_path / "c.npz", {"P1": why})
    (back,) = explaining.read(tmp_path / "c.npz").values()
    assert back["facts"] == why["facts"]
    np.testing.assert_allclose(back["map"], why["map"], atol=1 / 255)
    view = explaining.view(back, overlays["tumor"], None, spacing)
    # The scan's own slice, the middle of its tumor in the middle, the head on top.
    axis = ("axial", "coronal", "sagittal").index(plane)
    cut = np.take(venous, view["slice"] - 1, axis=axis)
    z, x = np.argwhere(np.take(overlays["tumor"], view["slice"] - 1, axis=axis)).mean(0).round()
    at = (24, 24) if plane == "axial" else (23, 24)
    assert view["phases"]["venous"][at] == pytest.approx(cut[int(z), int(x)], abs=1)
    assert view["slices"] == venous.shape[axis] and view["plane"] == plane
    single = explaining.view(back, overlays["tumor"], None, spacing, "venous")
    assert list(single["phases"]) == ["venous"]
    panel = gallery.patient_panel(
        "P1",
        gallery.Scan(arterial, venous, overlays, attention, spacing),
        {"explained": why["facts"]},
        view,
    )
    about = json.loads(panel["meta.json"])["views"][-1]
    assert about["plane"] == plane and about["layers"] == ["saliency", "tumor"]
    assert about["width"] * about["mm_per_pixel"] == pytest.approx(48 * spacing[2], rel=0.01)
    glow = pixels(panel[f"{about['name']}.saliency.png"])[:, :, 3]
    middle = tuple(n // 2 for n in glow.shape)
    assert glow[middle] == glow.max() > 0 == glow[0, 0]
    assert "".join(explaining.SIDES[plane]) == sides
    assert sum(len(data) for data in panel.values()) * 4 / 3 < gallery.BUDGET


def test_a_center_without_anything_to_explain_has_an_empty_file(tmp_path):
    explaining.write(tmp_path / "c.npz", {})
    assert explaining.read(tmp_path / "c.npz") == {}


def test_the_page_says_which_slice_spoke_and_what_the_nodes_added(study):
    page = study["center"].read_text(encoding="utf-8")
    for words in (
        "most influential slice, against metastasis, coronal slice",
        "most influential slice, for metastasis, sagittal slice",
        "Score by Combined (tumor + nodes), fold 2",
        "Call of this network</dt><dd>negative, unlike the patient",
        "Its score without nodes",
        "Saliency inside the tumor",
        "42 %",
        "It shows where the network looked",
    ):
        assert words in page, words
    assert re.search(r'name="layer" value="\d"( checked)?>[^/]*</span> Saliency of the score', page)
    assert page.count('class="side front" aria-hidden="true">H<') == 2


def test_two_hundred_patients_stay_below_thirty_megabytes(tmp_path):
    arterial, venous, overlays, attention, spacing = made.volumes()
    why = made.explained(0, arterial, venous, overlays, spacing)
    panel = gallery.patient_panel(
        "P1",
        gallery.Scan(arterial, venous, overlays, attention, spacing),
        {"explained": why["facts"]},
        explaining.view(why, overlays["tumor"], None, spacing),
    )
    codes = [f"P{i:03d}" for i in range(200)]
    gallery.write(tmp_path / "g.json", dict.fromkeys(codes, panel))
    read = gallery.read(tmp_path / "g.json")
    assert base64.b64decode(read["P1"]["pictures"]["node.map.png"]) == panel["node.map.png"]
    text = (tmp_path / "g.json").read_text()
    parts = json.loads(text)
    for code, entry in zip(codes, parts["patients"], strict=True):
        entry["patient"] = code
    (tmp_path / "g.json").write_text(json.dumps(parts))
    center = records.Center("c", "external", tmp_path, tmp_path / "g.json")
    pages.center_page(center, made.facts(codes), tmp_path / "p.html")
    size = (tmp_path / "p.html").stat().st_size
    # Detailed CT takes the whole budget of each patient; these plain phantoms don't.
    assert size < 30e6
    assert 200 * gallery.BUDGET + size - 200 * sum(len(d) for d in panel.values()) * 4 / 3 < 30e6


# Figures


def test_figures_are_written_as_svg_and_png_the_same_each_time(tmp_path):
    rows = load(made.write_center(tmp_path / "c"), "roc.tsv").plain()
    for name in ("one", "two"):
        figures.save(figures.roc(rows, auc={"combined": 0.7}), tmp_path / name, dpi=150)
    for form in ("svg", "png"):
        first, second = ((tmp_path / f"{name}.{form}").read_bytes() for name in ("one", "two"))
        assert first == second
    assert Image.open(tmp_path / "one.png").size[0] > 600


def test_a_curve_worse_than_chance_is_not_turned_round():
    rows = [{"method": "radiomics", "fpr": f, "tpr": t} for f, t in ((0, 0), (0.8, 0.2), (1, 1))]
    line = figures.roc(rows).axes[0].lines[1]
    assert line.get_ydata().tolist() == [0, 0.2, 1]


def test_figures_say_in_words_when_there_is_nothing_to_draw():
    for figure in (figures.roc([]), figures.calibration([]), figures.decision_curve([]),
                   figures.registration_qc([]), figures.forest([]), figures.froc([]),
                   figures.overlays()):  # fmt: skip
        assert re.search(r">No [a-zA-Z ]+", figures.svg(figure))


def test_names_from_the_data_are_text_in_a_figure():
    rows = [{"group": made.HOSTILE, "label": "$\\frac{$", "estimate": None, "n": 3}]
    text = figures.inline(figures.forest(rows), "f")
    assert "<img" not in text and "undefined" in text


def test_two_figures_on_a_page_share_no_id():
    rows = [{"group": "g", "label": "l", "estimate": 0.5, "low": 0.4, "high": 0.6}]
    one, two = (figures.inline(figures.forest(rows), name) for name in ("a", "b"))
    ids = [set(re.findall(r'\sid="([^"]+)"', text)) for text in (one, two)]
    assert ids[0] and not ids[0] & ids[1]
    assert set(re.findall(r'href="#([^"]+)"', one)) <= ids[0]
    assert style.INK not in one


def test_the_pictures_of_figures_3_and_4_are_drawn(tmp_path):
    _, venous, overlays, attention, spacing = made.volumes()
    z = 16
    distance = np.hypot(*np.indices(venous[z].shape)).astype(np.float32) - 30
    figure = figures.attention_steps(
        figures.MapSteps(
            venous[z],
            overlays["organs"][z],
            {"pancreas": distance, "sma": distance},
            {"pancreas": np.clip(distance / 50, 0, 1), "sma": np.clip(distance / 50, 0, 1)},
            {"pancreas": (-5, 20), "sma": (-1, 20)},
            attention[z],
            spacing,
        ),
        "P1",
    )
    figures.save(figure, tmp_path / "three", dpi=60)
    nodes = overlays["nodes_positive"][z] * 2
    figure = figures.overlays(
        [{"patient": "P1", "image": venous[z], "spacing": spacing, "truth": None, "plain": nodes,
          "attention": nodes}],
        [{"patient": "P2", "image": venous[z], "spacing": spacing, "labels": overlays["organs"][z],
          "attention": attention[z]}],
    )  # fmt: skip
    figures.save(figure, tmp_path / "four", dpi=60)
    assert all(np.asarray(Image.open(tmp_path / f"{n}.png")).std() > 20 for n in ("three", "four"))


# In a browser


def shown_layers(chromium):
    return chromium.run("document.querySelectorAll('.overlay:not([hidden])').length")


def visible_phase(chromium):
    return chromium.run(
        "[...document.querySelectorAll('#patient-1 .base')]"
        ".filter(i => getComputedStyle(i).display !== 'none').map(i => i.className)[0]"
    )


def open_page(chromium, study, page, width=1280):
    chromium.complaints.clear()
    chromium.requests.clear()
    chromium.size(width)
    chromium.open(study[page])


@pytest.mark.parametrize("page, width", [("center", 1280), ("center", 390), ("study", 390)])
def test_the_page_opens_quietly_and_fits_the_screen(chromium, study, page, width):
    open_page(chromium, study, page, width)
    assert chromium.run("document.documentElement.scrollWidth") <= width
    assert chromium.run("window.hacked") is None
    assert chromium.run("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert chromium.complaints == []
    assert [r for r in chromium.requests if not r.startswith(("data:", study[page].as_uri()))] == []


def test_pictures_beyond_the_limit_are_loaded_from_beside_the_page(chromium, study, tmp_path):
    """Those of the first patients stay in the page; the others load when they come into view."""
    photos = study["folder"] / "gallery.json"
    sizes = [sum(map(len, entry["pictures"].values())) for entry in gallery.read(photos).values()]
    beside = GalleryPictures(tmp_path / "pictures/a b", "pictures/a b", limit=max(sizes))
    center = records.Center("c", "external", study["folder"] / "shengjing", photos)
    page = tmp_path / "c.html"
    pages.center_page(center, study["facts"], page, beside)
    assert beside.beside >= len(sizes) - 2
    assert page.stat().st_size < study["center"].stat().st_size - sum(sizes) / 3
    chromium.complaints.clear()
    chromium.requests.clear()
    chromium.size(1280)
    chromium.open(page)
    last = "[...document.querySelectorAll('#panels img.base[loading=lazy]')].at(-1)"
    chromium.run(f"{last}.scrollIntoView()")
    for _ in range(100):
        if chromium.run(f"{last}.complete && {last}.naturalWidth > 0"):
            break
        time.sleep(0.05)
    assert chromium.run(f"{last}.naturalWidth > 0")
    assert "pictures/a%20b" in chromium.run(f"{last}.src")
    assert chromium.complaints == []
    outside = [r for r in chromium.requests if not r.startswith(("data:", tmp_path.as_uri()))]
    assert outside == []


def test_a_page_of_749_patients_stays_below_10_mb(study, tmp_path):
    photos = study["folder"] / "gallery.json"
    entry = max(
        json.loads(photos.read_text())["patients"], key=lambda e: len(json.dumps(e["pictures"]))
    )
    codes = [f"P{i:03d}" for i in range(749)]
    content = {"stored_hu": [0, 1], "patients": [entry | {"patient": code} for code in codes]}
    (tmp_path / "g.json").write_text(json.dumps(content))
    center = records.Center("c", "external", study["folder"] / "shengjing", tmp_path / "g.json")
    page = tmp_path / "c.html"
    beside = GalleryPictures(tmp_path / "pictures/c", "pictures/c")
    pages.center_page(center, made.facts(codes), page, beside)
    assert page.stat().st_size < 10e6
    assert (
        beside.beside + 50 < 749 and len(list((tmp_path / "pictures/c").iterdir())) == beside.beside
    )


def test_a_picture_that_is_not_base64_is_refused():
    with pytest.raises(ValueError, match="not base64"):
        GalleryPictures().of(1, {"node.venous.jpg": '"><script>'})


def test_gallery_controls_do_what_they_say(chromium, study):
    open_page(chromium, study, "center")
    first = chromium.run("document.querySelector('#panels article:has(.stack)').id")
    assert first.startswith("patient-")
    chromium.run(f"document.getElementById('{first}').id = 'patient-1'")
    before = shown_layers(chromium)
    assert before > 0 and "venous" in visible_phase(chromium)
    chromium.press("a")
    assert "arterial" in visible_phase(chromium)
    chromium.run("document.querySelector('input[name=phase][value=venous]').click()")
    assert "venous" in visible_phase(chromium)
    chromium.press("o")
    assert shown_layers(chromium) == 0
    chromium.press("o")
    assert shown_layers(chromium) == before
    chromium.run("document.querySelector('input[name=layer]').click()")
    assert shown_layers(chromium) != before
    filters = "getComputedStyle(document.querySelector('.base')).filter"
    soft = chromium.run(filters)
    chromium.press("w")
    assert "window-arterial" in chromium.run(filters) != soft
    bar = "document.querySelector('.bar').getBoundingClientRect().width"
    fifty_mm = chromium.run(bar)
    chromium.press("z")
    assert chromium.run(bar) / 10 == pytest.approx(2.5 * fifty_mm / 50, rel=0.05)
    assert chromium.run("getComputedStyle(document.querySelector('.layers')).transform").startswith(
        "matrix(2.5"
    )
    chromium.press("j")
    assert chromium.run("document.activeElement.tagName") == "ARTICLE"
    assert chromium.complaints == []


def test_patients_can_be_chosen_and_ordered(chromium, study):
    open_page(chromium, study, "center")
    visible = (
        "[...document.querySelectorAll('#panels article')].filter(c => !c.hidden)"
        ".map(c => c.dataset.outcome)"
    )
    everybody = chromium.run(visible)
    wrong = [o for o in everybody if o in ("fn", "fp")]
    assert everybody[: len(wrong)] == wrong
    choose = "const s = document.getElementById('{}'); s.value = '{}'; s.dispatchEvent(new Event('change', {{bubbles: true}}))"
    chromium.run("{" + choose.format("show", "wrong") + "}")
    assert chromium.run(visible) == wrong
    assert chromium.run("document.getElementById('shown').textContent").startswith(
        f"{len(wrong)} of"
    )
    chromium.run("{" + choose.format("show", "all") + "}")
    chromium.run("{" + choose.format("order", "code") + "}")
    codes = chromium.run(
        "[...document.querySelectorAll('#panels article')].map(c => c.dataset.code)"
    )
    assert codes == sorted(codes)


def test_dark_mode_keeps_text_readable(chromium, study):
    chromium.size(1280, dark=True)
    chromium.open(study["center"])
    colors = [
        chromium.run(f"getComputedStyle(document.{where}).{what}")
        for where, what in (("body", "color"), ("body", "backgroundColor"))
    ]
    light, dark = (sum(map(int, re.findall(r"\d+", c)[:3])) / 3 for c in colors)
    assert light - dark > 150


def test_table_5_compares_variants_on_the_patients_whom_both_define(tmp_path):
    numbers_of = {"dice": 0.468, "dice_low": 0.3, "dice_high": 0.6, "n": 30, "n_dice": 20}
    on_pairs = {"pairs_dice": 10, "dice_on_pairs": 0.7, "reference_dice_on_pairs": 0.7, "p_dice": 1}
    about = {"stage": "class-agnostic", "class": "any", "basis": "fold_mean", "note": ""}
    rows = [about | {"variant": "plain"} | numbers_of | on_pairs]
    rows.append(about | {"variant": "attention", **numbers_of, "n_dice": 10})
    tables.write(tmp_path / "table_5.tsv", rows, lymph_nodes.TABLE_5_COLUMNS)
    pages.study_page(tmp_path, [], records.Facts(), tmp_path / "s.html")
    page = Page((tmp_path / "s.html").read_text(encoding="utf-8"))
    columns = {attributes["data-column"] for attributes, _ in page.numbers}
    assert columns >= {*numbers_of, *on_pairs} and "share_dice" not in columns
    text = page.text()
    for words in ("in patients in whom both are defined", "n, both define Dice", vocabulary.foot("table_5.tsv")):  # fmt: skip
        assert words in text, words


def test_keys_of_the_config_are_set_as_code_and_everything_is_escaped():
    found = writing.with_code("Raise `epochs` under `<b>` & <i>now</i>")
    assert found == (
        "Raise <code>epochs</code> under <code>&lt;b&gt;</code> &amp; &lt;i&gt;now&lt;/i&gt;"
    )
