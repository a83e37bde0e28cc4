"""The sample sheet: what is read, and that all faults are named at once."""

import subprocess
import sys
import time

import pytest
from sheet_rows import CENTERS, row

from nodestage import cohort
from nodestage.core.errors import InputError


def faults(rows, centers=None, **more):
    with pytest.raises(InputError) as error:
        cohort.check_sheet(rows, centers or CENTERS, files=more.pop("files", False), **more)
    return str(error.value)


def write(path, lines, separator="\t"):
    path.write_text("\n".join(separator.join(cells) for cells in lines) + "\n", encoding="utf-8")
    return path


LINES = [
    ["patient", "center", "venous", "age", "note"],
    ["010", "beta", "b.nii.gz", "61", "x"],
    ["007", " alpha ", "a.nii.gz", "60.5", "y"],
]


@pytest.mark.parametrize(
    "name, separator", [("s.tsv", "\t"), ("s.csv", ","), ("s.csv", ";"), ("s.txt", "\t")]
)
def test_text_sheets_stay_text_and_are_sorted(tmp_path, name, separator):
    rows = cohort.read_sheet(write(tmp_path / name, LINES, separator))
    assert [r["patient"] for r in rows] == ["007", "010"]
    assert rows[0]["center"] == "alpha" and rows[0]["age"] == "60.5"
    assert set(rows[0]) == set(cohort.COLUMNS)
    assert rows.numbers == [3, 2]


def test_order_of_rows_and_columns_and_unused_columns_change_nothing(tmp_path):
    first = cohort.read_sheet(write(tmp_path / "a.tsv", LINES))
    turned = [[line[i] for i in (3, 2, 0, 1)] for line in [LINES[0], LINES[2], LINES[1]]]
    assert list(first) == list(cohort.read_sheet(write(tmp_path / "b.tsv", turned)))


def test_workbook_cells_are_what_their_author_sees(tmp_path):
    import openpyxl

    book = openpyxl.Workbook()
    page = book.active
    for line in [
        ["Patient", "center", "venous", "age", "metastasis"],
        ["007", "alpha", "a.nii", 61.0, 1],
        [7, "beta", "b.nii", 60.5, None],
    ]:
        page.append(line)
    page["A3"].number_format = "0000"
    book.save(tmp_path / "s.xlsx")
    rows = cohort.read_sheet(tmp_path / "s.xlsx")
    assert [(r["patient"], r["age"], r["metastasis"]) for r in rows] == [
        ("0007", "60.5", ""),
        ("007", "61", "1"),
    ]


def test_byte_order_mark_utf16_and_blank_lines(tmp_path):
    text = "patient\tcenter\n\n1-K\talpha\n\t\n"
    for encoding in ("utf-8-sig", "utf-16"):
        (tmp_path / "s.tsv").write_text(text, encoding=encoding)
        assert [r["patient"] for r in cohort.read_sheet(tmp_path / "s.tsv")] == ["1-K"]


@pytest.mark.parametrize(
    "content, word",
    [
        (b"", "is empty"),
        (b"patient\tvenous\n1\ta\n", "no column center"),
        (b"patient\tcenter\tpatient\n1\ta\t2\n", "more than once"),
        (b"patient\tcenter\n1\ta\tb\n", "line 2"),
        ("patient\tcenter\n1\tMünchen\n".encode("latin-1"), "not UTF-8"),
    ],
)
def test_a_sheet_that_cant_be_read_says_why(tmp_path, content, word):
    (tmp_path / "s.tsv").write_bytes(content)
    with pytest.raises(InputError, match=word):
        cohort.read_sheet(tmp_path / "s.tsv")


@pytest.mark.parametrize("name", ["absent.tsv", "s.ods", "broken.xlsx"])
def test_a_sheet_that_is_no_table(tmp_path, name):
    if not name.startswith("absent"):
        (tmp_path / name).write_bytes(b"PK nothing")
    with pytest.raises(InputError, match=name):
        cohort.read_sheet(tmp_path / name)


def test_a_good_sheet_passes():
    rows = [
        row("001-K"),
        row("P1", pn_stage="N1"),
        row("P11"),
        row("P1.2", "beta", metastasis=""),
        row("g", "gamma", arterial="g_a.nii.gz", venous="", tumor="t.nii.gz", metastasis=""),
    ]
    cohort.check_sheet(rows, CENTERS, files=False)


@pytest.mark.parametrize(
    "code", ["A+B", "x y", "../p", "", ".hidden", "-x", "é", "a/b", "a" * 65, "P1\n"]
)
def test_codes_outside_the_alphabet_are_refused(code):
    assert "patient: " in faults([row("ok"), row("ok2") | {"patient": code}])


@pytest.mark.parametrize("center", ["alpha", "beta"])
def test_one_code_twice_is_refused_at_one_center_and_at_two(center):
    text = faults([row("001"), row("001", center, venous="other.nii.gz")])
    assert "row 3, patient 001" in text and "row 2 too" in text


def test_codes_that_differ_in_capitals_alone_are_refused():
    assert "as 'p1'" in faults([row("p1"), row("P1")])


@pytest.mark.parametrize(
    "change, column, word",
    [
        ({"center": "alfa"}, "center", "did you mean 'alpha'"),
        ({"metastasis": "yes"}, "metastasis", "0 or 1"),
        ({"metastasis": ""}, "metastasis", "empty in the discovery center"),
        ({"pn_stage": "N0"}, "metastasis", "contradicts"),
        ({"pn_stage": "pN2", "metastasis": "0"}, "metastasis", "contradicts"),
        ({"pn_stage": "N3"}, "pn_stage", "'N3'"),
        ({"pt_stage": "T5"}, "pt_stage", "'T5'"),
        ({"ct_reported": "2"}, "ct_reported", "0 or 1"),
        ({"sex": "female"}, "sex", "F or M"),
        ({"age": "61,5"}, "age", "decimal point"),
        ({"age": "161"}, "age", "0 to 120"),
        ({"tumor_size_cm": "31"}, "tumor_size_cm", "centimeters"),
        ({"tumor_location": "left"}, "tumor_location", "uncinate"),
        ({"organ_set": "training", "organs": "o.nii"}, "organ_set", "train, validation, test"),
        ({"organ_set": "train"}, "organ_set", "without an organ mask"),
        ({"organs": "o.nii"}, "organ_set", "empty beside"),
        ({"venous": "", "lymph_nodes": ""}, "arterial", "both arterial and venous"),
        ({"venous": "", "arterial": "a.nii"}, "lymph_nodes", "venous phase"),
        ({"series": "3", "arterial": "a.nii"}, "series", "arterial_series"),
        ({"arterial_series": "3"}, "arterial_series", "arterial is empty"),
    ],
)
def test_each_fault_is_named_with_row_patient_column_and_mend(change, column, word):
    text = faults([row("P1"), row("P2") | change])
    assert f"row 3, patient P2, {column}: " in text and word in text
    assert "1 fault:" in text


def test_external_patients_never_train():
    assert "Nothing learns" in faults(
        [row("P1"), row("E", "beta", organs="o.nii", organ_set="train")]
    )


@pytest.mark.parametrize(
    "centers, word",
    [
        ({"beta": {"role": "external"}}, "0 centers"),
        ({"alpha": {"role": "discovery"}, "beta": {"role": "discovery"}}, "2 centers"),
    ],
)
def test_centers_of_the_config(centers, word):
    assert word in faults([row("P1"), row("E", "beta")], centers)


def test_a_discovery_center_without_any_node_mask():
    assert "no patient of the discovery center" in faults([row("P1", lymph_nodes="")])


def test_a_mistyped_column_is_noticed(tmp_path):
    lines = [
        ["patient", "center", "venus", "metastasis", "lymph_nodes"],
        ["1", "alpha", "a.nii", "1", "n.nii"],
    ]
    text = faults(cohort.read_sheet(write(tmp_path / "s.tsv", lines)))
    assert "venus" in text and "'venous' is empty" in text


VALUES = [
    "",
    "0",
    "1",
    "2",
    "N0",
    "pN2",
    "T1",
    "F",
    "male",
    "61",
    "61.5",
    "6,1",
    "-3",
    "1e2",
    "61\n",
    "a b",
    "P.1-x_",
    "é",
    "test",
    "tail",
]


def test_cells_are_judged_as_jsonschema_judges_them():
    import jsonschema

    from nodestage.cohort import sheet_check

    for column, rule in sheet_check._schema()["properties"].items():
        assert rule["description"] and rule["x-hint"] and column in cohort.COLUMNS
        plain = {k: v for k, v in rule.items() if k != "x-range"}
        assert set(plain) <= {"description", "type", "enum", "pattern", "minLength", "x-hint"}
        for value in VALUES:
            expected = jsonschema.Draft202012Validator(plain).is_valid(value)
            assert sheet_check.fits(value, plain) == expected, (column, value)
    jsonschema.Draft202012Validator.check_schema(sheet_check._schema())


def test_masks_may_have_a_phase_and_ids_of_their_own():
    settings = {
        "mask_phase": {"tumor": "arterial"},
        "label_system": {"organs": {"liver": 5}, "lymph_nodes": {"positive": 1}},
    }
    assert [cohort.mask_phase(settings, r) for r in ("tumor", "organs")] == ["arterial", "venous"]
    assert cohort.label_system(settings, "organs") == {"liver": 5}
    assert cohort.label_system(settings, "tumor") is None
    assert cohort.label_system({"label_system": {"liver": 5}}, "organs") == {"liver": 5}
    assert cohort.label_system({"label_system": {"liver": 5}}, "tumor") is None


def test_files_that_are_missing_empty_or_of_another_kind(tmp_path):
    for name in ("a_v.nii.gz", "a_n.nii.gz", "d.nrrd"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty.nii.gz").touch()
    (tmp_path / "folder").mkdir()
    rows = [
        row("a"),
        row("b", lymph_nodes="folder"),
        row("c", venous="empty.nii.gz", lymph_nodes=""),
        row("d", venous="d.nrrd", lymph_nodes=""),
        row("e", venous="folder", lymph_nodes=""),
        row("f", venous="./a_v.nii.gz", lymph_nodes=""),
    ]
    text = faults(rows, files=True, base=tmp_path)
    for words in (
        "patient b, venous: not there",
        "patient b, lymph_nodes: the folder is empty",
        "patient c, venous: the file has 0 bytes",
        "patient d, venous: not a NIfTI file",
        "patient e, venous: the folder is empty",
        "patient f, venous: the same file as venous of row 2, patient a",
    ):
        assert words in text
    assert "6 faults" in text and "empty.nii.gz" not in text  # paths are for the terminal


def test_paths_are_on_the_terminal_only(tmp_path):
    with pytest.raises(InputError) as error:
        cohort.check_sheet([row("a", venous="CANARY/v.nii.gz")], CENTERS, base=tmp_path)
    assert "CANARY" not in str(error.value) and "CANARY" in error.value.full


def test_a_thousand_rows_with_fifty_faults_within_a_second():
    rows = [row(f"P{k:04d}", age="60", sex="F", pn_stage="N1") for k in range(1000)]
    for k in range(50):
        rows[k * 20]["age"] = f"x{k}"
    start = time.perf_counter()
    text = faults(rows)
    assert time.perf_counter() - start < 1
    assert "50 faults" in text
    assert all(f"row {k * 20 + 2}, patient P{k * 20:04d}, age: 'x{k}'" in text for k in range(50))


def test_parsing_a_workflow_imports_nothing_heavy():
    code = (
        "import sys; from nodestage import cohort, study; from nodestage.study import settings; cohort.read_sheet, cohort.make_folds, cohort.chunk_of;"
        "print([m for m in ('numpy', 'pandas', 'SimpleITK', 'pydicom', 'jsonschema') if m in sys.modules])"
    )
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "[]\n"
    )


def test_series_of_a_phase():
    assert cohort.series_of({"series": "3", "arterial_series": ""}, "venous") == "3"
    assert cohort.series_of({"series": "3", "arterial_series": "4"}, "arterial") == "4"


def test_a_mistyped_column_does_not_drown_in_its_rows(tmp_path):
    lines = [["patient", "center", "arteriell", "metastasis", "age"]]
    lines += [[f"P{k}", "beta", f"{k}.nii", "1", "x" if k == 7 else "60"] for k in range(200)]
    with pytest.raises(InputError) as error:
        cohort.check_sheet(
            cohort.read_sheet(write(tmp_path / "s.tsv", lines)), CENTERS, files=False
        )
    told = str(error.value).splitlines()
    assert (
        "all rows, arteriell: no such column, but 'arterial' is empty. Name it 'arterial'"
        in "\n".join(told[:4])
    )
    assert any("200 rows, the first row 2, patient P0, arterial: both" in line for line in told)
    assert any("row 9, patient P7, age: 'x'" in line for line in told)
    assert len(told) < 8
