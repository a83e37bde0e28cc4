"""The model card: its parts, its numbers, its text that can't become markup, its place in a packet."""

import re

import pytest
import report_study as made
from report_page import Page

from nodestage.core import tables
from nodestage.methods.fusion import published
from nodestage.report import model_card, records

PARTS = ["Intended use", "Model", "Data", "Performance", "Limits", "How to use it", "Licence"]


@pytest.fixture(scope="module")
def card(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    centers = [
        records.Center("shengjing", "external", made.write_center(folder / "shengjing", seed=2)),
        records.Center(
            "peking|", "discovery", made.write_center(folder / "peking", "discovery", 749, 351, 1)
        ),
    ]
    run = records.Run(
        study=made.HOSTILE, simulated=True, effects="Large.", folds=5, inner_folds=2, seed=3,
        model_digest="9bc1", config_digest="77aa", sizes={"Grid": "2 mm."}, methods=["combined"],
        radiomics={"features": 1688, "robustness": {"icc": 0.75, "patients": 20}},
        discovery_organs_source="predicted", discovery_tumor_source="given",
        unlearned=["The tumor network has not learned."],
    )  # fmt: skip
    model = model_card.Model("0.2.0", {"combined": 0.4321}, {"tumor_net": "BSD, from <ImageNet>"})
    paths = folder / "model_card.md", folder / "model_card.html"
    model_card.write(records.Facts(run=run), centers, model, *paths)
    return folder, *(path.read_text(encoding="utf-8") for path in paths)


def test_the_card_has_every_part_and_leaves_the_unknown_to_the_authors(card):
    _, markdown, html = card
    assert re.findall(r"^## (.*)$", markdown, re.M) == PARTS
    text = Page(html).text()
    for words in (
        "not a medical device", "9bc1", "0.2.0", "0.432", "ICC of at least 0.75", "BSD, from", "Simulated",
        "The tumor network has not learned.", "For the authors: licence of these trained weights", "1,688",
    ):  # fmt: skip
        assert words.lower() in text.lower(), words
        assert words.lower() in markdown.lower().replace("\\", ""), words


def test_its_numbers_are_those_of_the_tables_with_intervals(card):
    folder, markdown, html = card
    rows = tables.read(folder / "shengjing/performance.tsv")
    (row,) = (
        r for r in rows
        if (r["method"], r["metric"], r["basis"]) == ("combined", "auc", "ensemble")
    )  # fmt: skip
    shown = f"{float(row['estimate']):.2f}"
    line = next(line for line in markdown.splitlines() if line.startswith("| shengjing | 0"))
    assert shown in line and f"{float(row['low']):.2f}" in line
    found = {(a["data-source"], a["data-column"]) for a, _ in Page(html).numbers}
    assert ("shengjing/performance.tsv", "low") in found
    assert any(source == "shengjing/calibration.tsv" for source, _ in found)


def test_text_of_the_study_becomes_no_markup(card):
    _, markdown, html = card
    assert made.HOSTILE not in markdown and made.HOSTILE not in html
    assert "<" not in markdown.replace("\\<", "")
    tables_of = [line for line in markdown.splitlines() if line.startswith("|")]
    assert any("peking\\|" in line for line in tables_of)
    assert {line.replace("\\|", "").count("|") for line in tables_of} == {5, 9}


def test_terms_are_named_by_the_digest_of_the_weights():
    digest = published.known()["slices"].sha256
    found = published.terms_of({"tumor_net": digest.upper(), "combined": digest, "mine": "ab" * 32})
    assert found["tumor_net, combined"].startswith("torchvision (BSD")
    assert "abababababab, which the team must name" in found["mine"]
    assert published.terms_of({}) == {}
