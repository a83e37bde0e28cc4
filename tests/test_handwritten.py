"""Tables that a person may have written: every row that was written is read, or its line or cell is named."""

import os
import zipfile

import openpyxl
import pytest

from nodestage import cohort
from nodestage.core import handwritten, tables
from nodestage.core.errors import InputError
from nodestage.exchange.returned import reading

ROWS = ["patient\tcenter\tsubset\tremark"] + [f"P{i}\ta\ttrain\t" for i in range(1, 8)]


def written(folder, lines, encoding="utf-8", name="s.tsv", end="\n"):
    path = folder / name
    path.write_bytes((end.join(lines) + end).encode(encoding))
    return path


def changed(k, **cells):
    values = dict(zip(ROWS[0].split("\t"), ROWS[k].split("\t"), strict=True)) | cells
    return [*ROWS[:k], "\t".join(values.values()), *ROWS[k + 1 :]]


@pytest.mark.parametrize(
    "encoding, end, separator, name",
    [
        ("utf-8", "\n", "\t", "s.tsv"),
        ("utf-8-sig", "\r\n", ";", "s.csv"),
        ("utf-16", "\r\n", "\t", "s.txt"),
        ("utf-16", "\r\n", ",", "s.csv"),
        ("utf-8", "\r", ",", "s.csv"),
    ],
)
def test_every_usual_form_gives_the_same_rows(tmp_path, encoding, end, separator, name):
    lines = [line.replace("\t", separator) for line in ROWS]
    table = handwritten.lines(written(tmp_path, lines, encoding, name, end), "The table")
    assert [cells for _, cells in table] == [line.split("\t") for line in ROWS]
    assert [number for number, _ in table] == list(range(1, 9))


@pytest.mark.parametrize(
    "lines, words",
    [
        (changed(3, remark='"lost to follow up'), "line 4, column 'remark': a quote"),
        (changed(3, center='"a'), "line 4, column 'center': a quote"),
        (changed(3, remark='"both" legs'), "line 4, column 'remark': text follows"),
        ([*changed(2, remark='"one'), '"two'], "line 3, column 'remark': a quote"),
        (changed(5, remark="x" * 200_000), "line 6, column 'remark': 200000 characters"),
        (changed(5, remark="a\tb"), "more cells than columns in line 6"),
        (changed(5, remark="a\0b"), "zero byte in line 6"),
    ],
)
def test_a_row_that_could_be_lost_is_named(tmp_path, lines, words):
    with pytest.raises(InputError) as error:
        handwritten.lines(written(tmp_path, lines), "The table")
    assert words in str(error.value)


def test_quotes_within_a_cell_and_characters_that_only_look_like_line_ends_are_text(tmp_path):
    lines = changed(3, remark='5" needle\u2028then "more"\x0b')
    table = handwritten.lines(written(tmp_path, lines), "The table")
    assert len(table) == 8 and table[3][1][3] == '5" needle\u2028then "more"'
    lines = changed(3, remark='"he said ""no"""')
    assert handwritten.lines(written(tmp_path, lines), "x")[3][1][3] == 'he said "no"'


def test_a_table_that_ends_within_a_line_was_cut(tmp_path):
    path = tmp_path / "s.tsv"
    path.write_text("\n".join(ROWS)[:-9], encoding="utf-8")
    with pytest.raises(InputError, match="ends within line 8, after 1 of 4 cells"):
        handwritten.lines(path, "The table")
    path = written(tmp_path, [ROWS[0].replace("\t", ","), "P1,a"], name="s.csv")
    with pytest.raises(InputError, match="fewer cells than columns in line 2"):
        handwritten.lines(path, "The table")


def test_pipes_folders_and_huge_files_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "s.tsv")
    (tmp_path / "folder.tsv").mkdir()
    with open(tmp_path / "big.csv", "wb") as handle:
        handle.truncate(60_000_000)
    for name, words in [("s", "a pipe"), ("folder", "a folder")]:
        with pytest.raises(InputError, match=words):
            cohort.read_sheet(tmp_path / f"{name}.tsv")
        with pytest.raises(InputError, match=words):
            reading.read(tmp_path / f"{name}.tsv", "elsewhere")
    with pytest.raises(InputError, match="has 60 MB"):
        cohort.read_sheet(tmp_path / "big.csv")


DISCOVERY = [{"patient": f"P{i}", "metastasis": str(i % 2)} for i in range(20)]


@pytest.mark.parametrize(
    "encoding, separator", [("utf-8-sig", "\t"), ("utf-16", "\t"), ("utf-8", ";")]
)
def test_fold_tables_are_read_by_the_same_reader(tmp_path, encoding, separator):
    folds = cohort.make_folds(DISCOVERY, 2, 1)
    for k, fold in enumerate(folds):
        lines = ["patient\tsubset", *(f"{p}\t{s}" for p, s in fold.items())]
        lines = [line.replace("\t", separator) for line in lines]
        written(tmp_path, lines, encoding, f"fold{k}.tsv")
    assert cohort.read_folds(tmp_path, DISCOVERY) == folds
    written(tmp_path, ["patient\tsubset", 'P1\t"train', "P2\ttest"], name="fold1.tsv")
    with pytest.raises(InputError, match=r"fold1\.tsv, line 2, column 'subset': a quote"):
        cohort.read_folds(tmp_path, DISCOVERY)


def workbook(path, change):
    book = openpyxl.Workbook()
    page = book.active
    page.append(["patient", "center", "metastasis", "remark"])
    for i in range(1, 6):
        page.append([f"P{i}", "a", i % 2, None])
    change(page)
    book.save(path)
    return path


def cell(address, value, form="General"):
    def change(page):
        page[address] = value
        page[address].number_format = form

    return change


@pytest.mark.parametrize(
    "change, words",
    [
        (cell("C3", '=IF(A3="P2",0,1)'), "cell C3 holds a formula without a stored value"),
        (cell("A3", 7, '"E"000'), "cell A3 holds the number 7"),
        (cell("A3", 61.6, "0"), "cell A3 shows 62, but holds 61.6"),
        (cell("C3", "#N/A"), "cell C3 shows the error #N/A"),
        (cell("A3", 12345678901234567), "cell A3 holds a number of over 15 digits"),
        (lambda page: page.merge_cells("C3:C5"), "cell C4 is part of the merged block C3:C5"),
    ],
)
def test_a_workbooks_cell_that_cant_be_trusted_is_named(tmp_path, change, words):
    with pytest.raises(InputError) as error:
        cohort.read_sheet(workbook(tmp_path / "s.xlsx", change))
    assert words in str(error.value)


def test_a_column_that_nobody_reads_may_hold_formulas(tmp_path):
    rows = cohort.read_sheet(workbook(tmp_path / "s.xlsx", cell("D3", "=A3")))
    assert len(rows) == 5


def test_all_rows_are_read_whatever_the_dimension_tag_says(tmp_path):
    path = workbook(tmp_path / "s.xlsx", cell("A3", 7, "000"))
    parts = {}
    with zipfile.ZipFile(path) as book:
        for name in book.namelist():
            parts[name] = book.read(name).replace(b'ref="A1:D6"', b'ref="A1:D2"')
    with zipfile.ZipFile(path, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)
    rows = cohort.read_sheet(path)
    assert len(rows) == 5 and rows[0]["patient"] == "007"


def test_a_workbook_with_two_filled_sheets_asks_which(tmp_path):
    def second(page):
        page.parent.create_sheet("others").append(["patient", "center"])
        page.parent["others"].append(["Q1", "a"])

    with pytest.raises(InputError, match="has 2 sheets"):
        cohort.read_sheet(workbook(tmp_path / "s.xlsx", second))


@pytest.mark.parametrize(
    "edit, words",
    [
        (lambda text: text[:-4], "ends within a line"),
        (lambda text: text.replace("\t0.25", ""), "has 1 cells in row 3, not 2"),
        (lambda text: "", "is empty"),
    ],
)
def test_a_table_of_ours_that_was_cut_is_never_read(tmp_path, edit, words):
    path = tmp_path / "scores.tsv"
    tables.write(path, [{"patient": f"P{i}", "score": 0.25 * i} for i in range(4)])
    path.write_text(edit(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match=words) as error:
        tables.read(path)
    assert "scores.tsv" in str(error.value) and "run again" in str(error.value)


def test_a_table_that_lost_patients_is_named(tmp_path):
    rows = [{"patient": "P1"}, {"patient": "P2"}]
    tables.check_patients("t.tsv", rows, ["P1", "P2"])
    with pytest.raises(InputError, match="no row for 1 of 3 patients"):
        tables.check_patients("t.tsv", rows, ["P1", "P2", "P3"])
