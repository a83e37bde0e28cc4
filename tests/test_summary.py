"""The closing table of the terminal says what the reports say, by the same rules."""

import pytest
import report_study as made
from markupsafe import Markup

from nodestage.core import tables
from nodestage.report import headline, numbers, records, summary
from nodestage.report.sources import load


@pytest.fixture
def results(tmp_path):
    made.write_center(tmp_path / "statistics/peking", "discovery", 749, 351, 1)
    made.write_center(tmp_path / "statistics/tianjin", "external", 59, 37, 2)
    return tmp_path


@pytest.mark.parametrize("center, role", [("peking", "discovery"), ("tianjin", "external")])
def test_figures_are_those_of_the_headline(results, center, role):
    rows = {r["method"]: r for r in summary.rows(results) if r["center"] == center}
    performance = load(results / "statistics" / center, "performance.tsv")
    top = headline.headline(
        records.Center(center, role, None),
        performance,
        {"metric": "balanced_accuracy", "method": "combined"},
    )
    said = Markup(top.sentence).striptags().replace("\N{NO-BREAK SPACE}", " ")
    row = rows["combined"]
    estimate, ends = row["balanced_accuracy"].split(" ", 1)
    assert f" {estimate} " in said and f"95 % CI {ends.strip('()')}" in said
    assert row["basis"] in {"discovery": said, "external": "ensemble of the folds’ models"}[role]
    assert rows["ct_report"]["auc"] == "undefined"


def test_an_interval_without_width_is_not_shown_as_one(results):
    path = results / "statistics/tianjin/performance.tsv"
    rows = tables.read(path)
    for row in rows:
        row |= {"estimate": "1.0", "low": "1.0", "high": "1.0"}
    tables.write(path, rows)
    found = next(r for r in summary.rows(results) if r["center"] == "tianjin")
    assert found["auc"] == "1.00 (no interval)"


def test_the_table_is_printed_with_its_basis(results, capsys):
    summary.show(results)
    printed = capsys.readouterr().out
    assert "peking: mean of the folds" in printed and numbers.UNDEFINED in printed
    assert "ResNet" not in printed and "resnet3d" in printed and "…" not in printed


def test_reports_are_named_only_where_they_are(results, tmp_path, capsys):
    """A dry run, or one that ends early, has made none."""
    summary.show(tmp_path / "nothing [yet]")
    assert capsys.readouterr().out == "No report was made yet.\n"
    (results / "report").mkdir()
    (results / "report/tianjin.html").touch()
    summary.show(results)
    assert "Reports: one for each center in" in capsys.readouterr().out
    (results / "report/study.html").touch()
    summary.show(results)
    assert "beside it." in capsys.readouterr().out
