"""What a hospital sends back, and what becomes of it in the study that made the bundle."""

import os
import re
import shutil
import time
from types import SimpleNamespace

import pytest
import workflow_study as workflow
from report_study import METHODS as METHODS_OF_THE_PAPER
from report_study import write_center
from statistics_cohort import METHODS, SETTINGS, predictions, sheet

import nodestage
from nodestage.cohort import drawn_nodes
from nodestage.cohort.sheet import COLUMNS
from nodestage.core import files, learning, reasons, tables
from nodestage.core.errors import InputError
from nodestage.exchange import returned
from nodestage.exchange.returned import reading, writing
from nodestage.report import pages
from nodestage.report import records as page_records
from nodestage.statistics import study as study_statistics
from nodestage.statistics import tables as statistics
from nodestage.study.study import Sheet, build

LABELS = [0, 1, 1, 0, 1, 0, None, 1, 0, 0, 1, 0]
UNSCORED = ("P002", "P005")
PLANTED = "arterial phase of Mustermann_19430217 in /export/2021-03-04/P002 missing"
HEAD = {
    "nodestage": nodestage.__version__,
    "bundle": "ab" * 32,
    "changed_code": "none",
    "holds": returned.ROWS,
    "patients": 11,
    "positives": 5,
    "status_unknown": 1,
    "substituted": 0,
    "min_cell": 0,
    "organs": "predicted",
    "tumor": "given",
}

OF_CANDIDATES = ("nodes_candidates", "combined_candidates")


def records(methods=METHODS, threshold=0.5):
    """Frozen thresholds of two folds that `predictions` agrees with."""
    return {
        m: [{"threshold": None if m == "ct_report" else threshold, "call_is_score": m == "ct_report",
             "reason": ""}] * 2
        for m in methods
    }  # fmt: skip


@pytest.fixture
def patients():
    return sheet(LABELS)


@pytest.fixture
def scores(patients):
    """{method: rows} of the ensemble; two patients have no score by the declared method."""
    return {m: p["ensemble"] for m, p in predictions(patients, unscored=UNSCORED).items()}


def metastasis(rows):
    return {r["patient"]: int(r["metastasis"]) for r in rows if r["metastasis"]}


@pytest.fixture
def file(tmp_path, patients, scores):
    path = tmp_path / "returned.tsv"
    writing.write(path, HEAD, writing.rows(metastasis(patients), scores), METHODS)
    return path


def tables_of(rows, found):
    return statistics.center_tables(
        statistics.CenterRows("c", "external", rows, []), found, SETTINGS, 1
    )


def plain(found):
    """Tables as their files hold them, but for patient codes."""
    return {
        name: [
            {k: "" if v is None else str(v) for k, v in row.items() if k != "patient"}
            for row in rows
        ]
        for name, rows in found.items()
    }


def test_a_returned_center_has_the_tables_that_it_had_where_it_was_scored(file, patients, scores):
    here = tables_of(patients, {m: {"ensemble": rows} for m, rows in scores.items()})
    found = reading.read(file, "elsewhere", METHODS)
    rows = [{"patient": p, "metastasis": y} for p, y in found.metastasis.items()]
    there = tables_of(rows, reading.predictions(found, records()))
    for name in ("performance", "comparisons", "roc", "calibration", "decision_curve"):
        assert plain(there)[f"{name}.tsv"] == plain(here)[f"{name}.tsv"], name
    seven = study_statistics.table_7(
        {
            center: {k.removesuffix(".tsv"): rows for k, rows in found.items()}
            for center, found in (("here", plain(here)), ("there", plain(there)))
        }
    )
    assert len(seven) == 2 * len(METHODS)
    for a, b in zip(seven[: len(METHODS)], seven[len(METHODS) :], strict=True):
        assert {**a, "center": ""} == {**b, "center": ""}
    assert {row["subgroup"] for row in there["subgroups.tsv"]} == {"phases"}
    assert {row["characteristic"] for row in there["table_1.tsv"]} == {
        "Patients, n",
        "Lymph-node metastasis, n (%)",
    }


def test_the_prediction_tables_are_those_of_the_hospital(file, patients, scores, tmp_path):
    def cells(rows):
        return sorted((r["score"], r["probability"], r["call"]) for r in rows)

    found = reading.predictions(reading.read(file, "x", METHODS), records())
    labelled = metastasis(patients)
    for method, rows in scores.items():
        tables.write(tmp_path / "t.tsv", found[method])
        theirs = [row for row in rows if row["patient"] in labelled]
        assert cells(tables.read(tmp_path / "t.tsv")) == cells(theirs), method


def test_numbers_and_known_words_are_all_that_is_in_the_file(patients, scores, tmp_path):
    """Codes, a birth date and a path are planted; two hospitals list the same patients otherwise."""
    for rows in scores.values():
        for row in rows:
            row["reason"] = row["reason"] and PLANTED
    found = []
    for k in range(2):
        names = {
            r["patient"]: f"{'ZB'[k]}{i}-19430217" for i, r in enumerate(patients[:: 1 - 2 * k])
        }
        theirs = {names[p]: y for p, y in metastasis(patients[:: 2 * k - 1]).items()}
        told = {
            m: [r | {"patient": names[r["patient"]]} for r in rows] for m, rows in scores.items()
        }
        writing.write(tmp_path / "f.tsv", HEAD, writing.rows(theirs, told), METHODS)
        found.append((tmp_path / "f.tsv").read_bytes())
    assert found[0] == found[1]
    text = found[0].decode("ascii")
    for word in ("Muster", "19430217", "2021-", "export", "P00", "/", "\\"):
        assert word not in text, word
    head = [line for line in text.splitlines() if line[0] == "#"]
    told = {*writing.FIRST.split(), *" ".join(writing.PROSE[returned.ROWS]).split()}
    told |= {word for words in returned.HEAD.values() for word in f"({words})".split()}
    told |= {f"{key}:" for key in HEAD} | {str(value) for value in HEAD.values()}
    assert {word for line in head for word in line[2:].split()} == told
    cells = {cell for line in text.splitlines()[len(head) :] for cell in line.split("\t")}
    numbers = {cell for cell in cells if reading._is_number(cell)}
    assert cells - numbers == {*returned.columns(METHODS), returned.REASONS["kept_at_hospital"]}
    assert max(abs(float(number)) for number in numbers - {""}) < len(LABELS)


@pytest.mark.parametrize(
    "said, told",
    [
        ("", ""),
        ("arterial phase missing", "arterial phase missing"),
        ("unscored in 2 of 5 folds: no tumor was found", "no tumor was found"),
        (
            "the phases share 4 % of the venous grid (at least 10 % are needed)",
            "the registration failed",
        ),
        (
            "0.31 % of the voxels fold; implausible affine (stretches 0.50 to 1.90)",
            "the registration failed",
        ),
        (
            "no two of the 7 voxels of the tumor mask touch",
            "the tumor mask is too small for radiomics",
        ),
        (reasons.sentence("no_threshold", positives=0, negatives=4), "no threshold was frozen"),
        ("arterial and venous phase missing", reasons.SENTENCES["kept_at_hospital"]),
        ("no tumor was found in C:\\scans\\0815", reasons.SENTENCES["kept_at_hospital"]),
    ],
)
def test_a_reason_travels_as_one_of_a_few_sentences(said, told):
    assert writing.reason(said) == told
    assert told in ("", *returned.REASONS.values())


@pytest.mark.parametrize("code", sorted(reasons.REGISTRATION_FAILED | reasons.MASK_UNUSABLE))
def test_polished_prose_changes_nothing_in_the_file(code, monkeypatch):
    """A sentence may be worded otherwise: what travels follows from its code."""
    fields = dict.fromkeys(("share", "minimum", "after", "chance", "affine", "percent", "mm"), 1.5)
    fields |= dict.fromkeys(("low", "high", "voxels", "missing", "count", "first"), 2)
    before = writing.reason(reasons.sentence(code, **fields))
    monkeypatch.setitem(reasons.SENTENCES, code, "otherwise worded")
    reasons._patterns.cache_clear()
    after = writing.reason("otherwise worded")
    monkeypatch.undo()
    reasons._patterns.cache_clear()
    assert after == before != reasons.SENTENCES["kept_at_hospital"]


def changed(**cells):
    """A change of the first row's cells."""

    def change(text):
        head, table = text[: text.index("number\t")], text[text.index("number\t") :]
        columns, first, *others = table.splitlines()
        row = dict(zip(columns.split("\t"), first.split("\t"), strict=True)) | cells
        return head + "\n".join([columns, "\t".join(row.values()), *others])

    return change


def swapped(old, new):
    return lambda text: text.replace(old, new)


@pytest.mark.parametrize(
    "change, said",
    [
        (swapped("# bundle", "# bundel"), "its line `# bundle: …` is missing"),
        (swapped("# holds: rows", "# holds: all"), "`# holds: …` reads 'all'"),
        (swapped("combined.", "combinde."), "'combinde' is not a method of this study (did you mean 'combined'?)"),
        (swapped("radiomics.reason", "age"), "the column 'age' is not allowed"),
        (swapped("\tmetastasis\t", "\tlabel\t"), "the column 'metastasis' is missing"),
        (swapped("combined.call", "combined.score"), "it has the column 'combined.score' 2 times"),
        (changed(metastasis=""), "row 1: metastasis is empty"),
        (changed(metastasis="N1"), "row 1: metastasis is not 0 or 1"),
        (changed(number="3"), "number 3 occurs 2 times"),
        (changed(number="MUSTERMANN"), "row 1: its number is not a whole number"),
        (changed(**{"radiomics.score": "high"}), "row 1: radiomics.score is not a number"),
        (changed(**{"radiomics.score": "inf"}), "row 1: radiomics.score is not a number"),
        (changed(**{"radiomics.probability": "1.2"}), "radiomics.probability is not within 0 and 1"),
        (changed(**{"radiomics.reason": "Mustermann"}), "radiomics.reason is not one of the allowed"),
        (changed(**{"radiomics.score": ""}), "row 1: radiomics has neither score nor reason"),
        (lambda text: text.rstrip("\n").rpartition("\n")[0], "announces 11 patients, but it holds 10"),
        (lambda text: text + "12\t0\n", "line 12 of its table has 2 cells"),
        (lambda text: text[: text.index("number\t")], "it has no table"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_its_fix_and_no_cell_is_repeated(file, change, said):
    file.write_text(change(file.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError) as error:
        reading.read(file, "elsewhere", METHODS)
    assert said in str(error.value) and "center elsewhere: the file that `returned`" in str(
        error.value
    )
    assert str(error.value).endswith("as `make score` wrote it.")
    assert "ustermann" not in str(error.value).lower()
    assert str(file) not in str(error.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        reading.read(tmp_path / "nowhere.tsv", "elsewhere")
    (tmp_path / "x.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-"):
        reading.read(tmp_path / "x.tsv", "elsewhere")
    tables.write(tmp_path / "x.tsv", [{"patient": "P1", "score": 1.0}])
    with pytest.raises(InputError, match="none of the lines"):
        reading.read(tmp_path / "x.tsv", "elsewhere")


def test_a_spreadsheet_may_have_saved_it(file):
    text = file.read_text(encoding="utf-8")
    before = reading.read(file, "x", METHODS)
    lines = [
        f'"{x}"' + "\t" * 3 if x.startswith("#") and "," in x else x for x in text.splitlines()
    ]
    file.write_text("\ufeff" + "\r\n".join(lines) + "\r\n", encoding="utf-8", newline="")
    assert reading.read(file, "x", METHODS) == before


@pytest.mark.parametrize(
    "threshold, said", [(9.0, "combined has the call 1"), (None, "gives none")]
)
def test_a_call_that_is_not_the_thresholds_is_refused(file, threshold, said):
    with pytest.raises(InputError, match=said):
        reading.predictions(reading.read(file, "x", METHODS), records(threshold=threshold))


def report_with(file, score, call):
    """Predictions by the CT report of the file's first patient, after two folds' votes."""
    cells = {"ct_report.score": score, "ct_report.call": call}
    file.write_text(changed(**cells)(file.read_text(encoding="utf-8")), encoding="utf-8")
    return reading.predictions(reading.read(file, "x", METHODS), records())["ct_report"][0]


def test_the_majority_of_the_folds_votes_is_the_call(file):
    row = report_with(file, "0.5", "0")
    assert (row["score"], row["call"]) == (0.5, "0")
    with pytest.raises(InputError, match=r"number 1: ct_report has the call 0, .* 1 gives 1"):
        report_with(file, "1", "0")


def test_a_score_that_no_votes_give_is_refused(file):
    said = r"number 1: ct_report has the score 0.9, which no votes of 2 folds give.*make score"
    with pytest.raises(InputError, match=said):
        report_with(file, "0.9", "1")


def test_another_bundle_is_refused_with_both_digests(file):
    found = reading.read(file, "elsewhere", METHODS)
    reading.check_bundle(found, "ab" * 32)
    with pytest.raises(InputError, match=r"abababababab….*cdcdcdcdcdcd….*make packet"):
        reading.check_bundle(found, "cd" * 32)


@pytest.fixture
def summary(tmp_path, patients, scores):
    """A file of summaries, and the performance table that it comes from."""
    here = tables_of(patients, {m: {"ensemble": rows} for m, rows in scores.items()})
    tables.write(tmp_path / "performance.tsv", here["performance.tsv"])
    there = tables.read(tmp_path / "performance.tsv")
    head = HEAD | {"holds": returned.SUMMARIES}
    writing.write(tmp_path / "summaries.tsv", head, writing.summaries(there), METHODS)
    return tmp_path / "summaries.tsv", there


def test_summaries_are_taken_in_as_reported_and_nothing_is_tested(summary):
    path, there = summary
    found = reading.read(path, "elsewhere", METHODS)
    assert found.metastasis == {}
    tables_here = statistics.reported_tables(reading.performance(found), 11, 5, sheet([0, 1]))
    mine = {(r["method"], r["metric"]): r for r in tables_here["performance.tsv"]}
    for row in there:
        if row["metric"] in returned.METRICS:
            for key in (*returned.ESTIMATES, *returned.COUNTS):
                if key == "se":  # of a share from its counts
                    continue
                other = mine[row["method"], row["metric"]][key]
                assert tables.number(other) == pytest.approx(tables.number(row[key]), nan_ok=True)
    assert not tables_here["comparisons.tsv"] and not tables_here["roc.tsv"]
    assert ["Patients, n", "11"] == [tables_here["table_1.tsv"][0][k] for k in ("characteristic", "value")]  # fmt: skip
    seven = study_statistics.table_7(
        {"elsewhere": {"performance": tables_here["performance.tsv"], "comparisons": []}}
    )
    assert {row["holm"] for row in seven} == {"undefined"}
    assert all("reported by the center" in row["note"] for row in seven)


def test_a_method_with_few_patients_of_a_class_has_no_numbers(tmp_path, summary):
    """11 patients, 5 with metastasis; the declared method scored 4 of them."""
    _, there = summary
    rows = writing.summaries(there, min_cell=5)
    writing.write(
        tmp_path / "five.tsv", HEAD | {"holds": returned.SUMMARIES, "min_cell": 5}, rows, METHODS
    )
    of_combined = [row for row in rows if row["method"] == "combined"]
    assert of_combined and all(row["n"] == row["positives"] == "0" for row in of_combined)
    assert {row[key] for row in of_combined for key in returned.ESTIMATES} == {""}
    others = [row for row in rows if row["method"] != "combined"]
    assert others == [r for r in writing.summaries(there) if r["method"] != "combined"]
    found = reading.performance(reading.read(tmp_path / "five.tsv", "elsewhere", METHODS))
    notes = {row["note"] for row in found if row["method"] == "combined"}
    assert notes == {
        "reported by the center; none or not sent: fewer than 5 scored patients of a class"
    }
    tables_here = statistics.reported_tables(found, 11, 5, sheet([0, 1]))
    seven = study_statistics.table_7(
        {"elsewhere": {"performance": tables_here["performance.tsv"], "comparisons": []}}
    )
    assert {row["n"] for row in seven if row["method"] == "combined"} == {0}
    assert all(r["n"] == "0" for r in writing.summaries(there, min_cell=7))


@pytest.mark.parametrize(
    "patients, positives, few", [(11, 5, False), (11, 4, True), (11, 7, True), (9, 0, True)]
)
def test_a_center_with_few_patients_of_a_class_sends_nothing(tmp_path, patients, positives, few):
    assert writing.too_few(patients, positives, 5) == few
    assert not writing.too_few(patients, positives, 0)
    writing.refuse(tmp_path / "none.tsv", 5)
    text = (tmp_path / "none.tsv").read_text(encoding="utf-8")
    assert all(line.startswith("# ") for line in text.splitlines())
    assert set(re.findall(r"[0-9]+", text)) == {"5"}
    with pytest.raises(
        InputError, match=r"center elsewhere.*sends nothing back.*Leave the center out"
    ):
        reading.read(tmp_path / "none.tsv", "elsewhere", METHODS)


@pytest.mark.parametrize(
    "change, said",
    [
        (swapped("combined\tauc", "combined\tf1"), "'f1' is not a metric"),
        (
            swapped("combined\tauc", "combined\taccuracy"),
            "accuracy of combined occurs 2 times",
        ),
        (swapped("\t11\n", "\t12\n"), "don't fit 11 patients"),
        (swapped("combined\t", "mine\t"), "'mine' is not a method"),
    ],
)
def test_a_fault_of_summaries_is_named(summary, change, said):
    path, _ = summary
    path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(said)):
        reading.read(path, "elsewhere", METHODS)


def with_cells(path, metric, **cells):
    """The file of summaries with other cells in one metric of `combined`; what is wrong with it."""
    lines = path.read_text(encoding="utf-8").splitlines()
    columns = list(returned.SUMMARY_COLUMNS)
    (place,) = [i for i, x in enumerate(lines) if x.startswith(f"combined\t{metric}\t")]
    row = dict(zip(columns, lines[place].split("\t"), strict=True)) | cells
    lines[place] = "\t".join(row[c] for c in columns)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(InputError) as error:
        reading.read(path, "elsewhere", METHODS)
    assert str(error.value).endswith("as `make score` wrote it.")
    return str(error.value)


@pytest.mark.parametrize(
    "metric, cells, said",
    [
        ("sensitivity", {"estimate": "0.7"}, "sensitivity of combined: its estimate is not a share of 4 patients"),
        ("specificity", {"estimate": "0.5"}, "specificity of combined: its estimate is not a share of 5"),
        ("sensitivity", {"low": "0.9", "high": "0.2"}, "sensitivity of combined: low, estimate and high are not in ascending order"),
        ("auc", {"low_delong": "0.999", "high_delong": "1"}, "auc of combined: low_delong, estimate and high_delong are not in ascending order"),
        ("auc", {"low": "0.1", "high": ""}, "auc of combined: low is given without high"),
        ("specificity", {"worst_case": "0.99"}, "specificity of combined: its worst case is better than its estimate"),
        ("auc", {"low": "0.5", "high": "1", "se": "0.0001"}, "auc of combined: its se is too small for its interval"),
        ("accuracy", {"positives": "3"}, "accuracy of combined: n and positives differ from those of sensitivity"),
        ("balanced_accuracy", {"estimate": "0.7"}, "balanced_accuracy of combined: it doesn't follow from sensitivity and specificity"),
        ("accuracy", {"estimate": "0", "low": "0", "high": "0", "low_exact": "0", "high_exact": "0.4", "worst_case": "0"}, "accuracy of combined: it doesn't follow from sensitivity and specificity"),
        ("auc", {"n": "11", "positives": "4"}, "auc of combined: it has 4 positives of all 11 patients, and the head 5"),
        ("auc", {"estimate": ""}, "auc of combined has another number without an estimate"),
        ("auc", {"n": "10", "positives": "2"}, "auc of combined: it has more negatives than the head"),
    ],
)  # fmt: skip
def test_summaries_that_cannot_be_true_are_refused_with_their_row(summary, metric, cells, said):
    path, there = summary
    (row,) = [r for r in there if (r["method"], r["metric"]) == ("combined", "sensitivity")]
    assert (row["n"], row["positives"]) == ("9", "4") and row["estimate"] == "1.0"
    assert said in with_cells(path, metric, **cells)


def test_rounded_summaries_are_taken_as_what_they_round(summary):
    path, _ = summary
    lines = path.read_text(encoding="utf-8").splitlines()
    cells = [line.split("\t") for line in lines]
    rounded = [
        "\t".join(f"{float(c):.7f}" if re.fullmatch(r"\d\.\d+", c) else c for c in row)
        for row in cells
    ]
    path.write_text("\n".join(rounded) + "\n", encoding="utf-8")
    assert len(reading.read(path, "elsewhere", METHODS).rows) == len(METHODS) * len(
        returned.METRICS
    )


def test_the_standard_error_of_a_share_is_that_of_its_counts(summary):
    """What the file says of it doesn't reach the random-effects mean."""
    path, there = summary
    text = path.read_text(encoding="utf-8")
    wanted = {(r["method"], r["metric"]): tables.number(r["se"]) for r in there}
    found = reading.performance(reading.read(path, "elsewhere", METHODS))
    lines = [line.split("\t") for line in text.splitlines()]
    place = returned.SUMMARY_COLUMNS.index("se")
    for line in lines:
        shares = ("sensitivity", "accuracy", "balanced_accuracy")
        if len(line) > 2 and line[1] in shares and line[place]:
            line[place] = "0.0001"
    path.write_text("\n".join("\t".join(line) for line in lines) + "\n", encoding="utf-8")
    assert reading.performance(reading.read(path, "elsewhere", METHODS)) == found
    for row in found:
        error = wanted[row["method"], row["metric"]]
        if error == error:
            assert tables.number(row["se"]) == pytest.approx(error, rel=0.15), row


def test_a_study_has_of_such_a_center_what_its_file_holds(file, config):
    def study(path):
        config["centers"] = {"elsewhere": {"role": "external", "returned": path}}
        files_returned = {"elsewhere": reading.read(file, "elsewhere", METHODS)}
        nothing_trained = SimpleNamespace(warnings=[], changed=[], added={})
        sheet = Sheet([], config["centers"])
        return build(config, {"labels": {}}, sheet, nothing_trained, files_returned)

    made = study("a.tsv")
    centers, facts = made.centers, made.facts
    assert (centers.reported, centers.with_images) == (["elsewhere"], [])
    assert made.folds.parts("elsewhere") == ["ensemble"]
    assert [centers.source(mask, "elsewhere") for mask in ("organs", "tumor")] == [
        "predicted",
        "given",
    ]
    assert facts.table_rows("elsewhere")[0] == {"patient": "elsewhere-01", "metastasis": "0"}
    report = facts.report("elsewhere")
    assert report["reasons"] == {} and "1." in report["elsewhere"][0]
    assert study("elsewhere/b.tsv").facts.config_digest == facts.config_digest


# Through the workflow


RUN = ("ct_report", "nodes_attention", "combined")
FILE = "results/returned/ours.tsv"


def settle(folder):
    """Give every file the same time, so that nothing is stale: later than that of the code."""
    now = time.time()
    for path in folder.rglob("*"):
        if ".snakemake" not in path.parts:
            os.utime(path, (now, now))


def stand_in(folder):
    """Write something in place of every result of a run."""
    learned = folder / "results/statistics/evaluation/learning.tsv"
    tables.write(learned, [], learning.COLUMNS)
    printed = workflow.snakemake(folder, "--summary", "--nolock", preset=False)
    for line in printed.splitlines():
        name = line.partition("\t")[0]
        if not name.startswith("results/") or (folder / name).exists():
            continue
        if "/drawn_nodes/" in name:
            tables.write(folder / name, [], drawn_nodes.COLUMNS)
        elif name.startswith(("results/cohort/", "results/report/qc/")) and name.endswith(".json"):
            files.write_json(folder / name, {"contrast": {}})
        else:  # a folder, whose name has no suffix, holds a file
            files.write_text(folder / name / ("" if "." in name.rpartition("/")[2] else "x"), "x")
    settle(folder)


def write_predictions(folder, center, people):
    found = predictions(people, methods=RUN, unscored=[people[1]["patient"]])
    for method, made in found.items():
        for part in ("fold0", "fold1", "ensemble"):
            place = folder / f"results/predictions/{method}/{part}/{center}.tsv"
            tables.write(place, made["ensemble"])


def write_records(folder, center, people):
    """What intake and the page on the images would record, so that no image is opened."""
    for person in people:
        files.write_json(folder / f"results/cohort/{person['patient']}/venous.json", {})
    files.write_json(folder / f"results/report/qc/{center}.json", {"contrast": {}})
    files.write_text(folder / f"results/report/qc/{center}.html", "x")


def write_patients(folder, center, people):
    """A sheet's rows of patients with one phase, whose images are never opened."""
    rows = []
    for person in people:
        image = f"scans/{person['patient']}.nii"
        files.write_text(folder / image, "x")
        rows.append(
            {column: "" for column in COLUMNS} | person | {"center": center, "venous": image}
        )
    return rows


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """A study whose models are stand-ins; its center beta was scored, and has its tables."""
    folder = tmp_path_factory.mktemp("team")
    rows = write_patients(folder, "alpha", sheet([k % 2 for k in range(12)], "A"))
    for made in rows:
        made |= {c: f"scans/{made['patient']}.{c}.nii" for c in ("organs", "lymph_nodes")}
        made["organ_set"] = "test"
        for column in ("organs", "lymph_nodes"):
            files.write_text(folder / made[column], "x")
    people = sheet(LABELS, "B")
    workflow.write_sheet(folder, rows + write_patients(folder, "beta", people))
    primary = {"metric": "auc", "method": "combined", "reference": "ct_report"}
    workflow.write_config(
        folder,
        samples="samples.tsv",
        centers={
            "alpha": {"role": "discovery", "substitute_phase": True},
            "beta": {"role": "external"},
        },
        organs={"source": "given"},
        tumor={"source": "given"},
        folds={"n": 2, "inner": 0},
        identification={"candidates": False},
        methods={m: None for m in (*METHODS_OF_THE_PAPER, *OF_CANDIDATES) if m not in RUN},
        statistics={"bootstraps": 50, "primary": primary},
    )
    for fold in range(2):
        frozen = {m: both[0] | {"calibration": None} for m, both in records(RUN).items()}
        files.write_json(folder / f"results/bundle/fold{fold}/thresholds.json", frozen)
    write_predictions(folder, "beta", people)
    write_center(folder / "results/statistics/alpha", "discovery", methods=RUN)
    stand_in(folder)
    real = ("results/bundle/manifest.json", "results/statistics/beta")
    workflow.snakemake(folder, "--force", *real, preset=False)
    settle(folder)
    return folder


@pytest.fixture(scope="module")
def hospital(team, tmp_path_factory):
    """The same patients as beta's under other codes, scored by the team's bundle."""
    folder = tmp_path_factory.mktemp("hospital")
    people = sheet(LABELS, "MUSTER-1943-")
    workflow.write_sheet(folder, write_patients(folder, "ours", people))
    for place in ("bundle", "results/bundle"):
        shutil.copytree(team / "results/bundle", folder / place)
    ours = {"role": "external"}
    workflow.write_config(folder, samples="samples.tsv", bundle="bundle", centers={"ours": ours})
    write_predictions(folder, "ours", people)
    write_records(folder, "ours", people)
    settle(folder)
    workflow.snakemake(folder, "--until", "returned", preset=False)  # all that is asked for
    return folder


def test_what_a_hospital_returns_stands_in_the_study_as_if_it_had_been_scored_there(team, hospital):
    file = (hospital / FILE).read_bytes()
    assert b"MUSTER" not in file and str(hospital).encode() not in file
    assert b"# patients: 11 " in file and b"# status_unknown: 1 " in file
    elsewhere(team, file)
    workflow.snakemake(team, "results/report/elsewhere.html", preset=False)
    here, there = (statistics_of(team, center) for center in ("beta", "elsewhere"))
    for name in ("performance", "comparisons", "roc", "calibration", "decision_curve"):
        assert there[name] == here[name], name
    seven = study_statistics.table_7({"": here}), study_statistics.table_7({"": there})
    assert seven[0] == seven[1] and len(seven[0]) == len(RUN)
    page = (team / "results/report/elsewhere.html").read_text(encoding="utf-8")
    for words in ("scored its patients at its own site", "No gallery: the images stayed at the center", "elsewhere-01", "in the file sent back"):  # fmt: skip
        assert words in page, words
    assert 'id="panels"' not in page and 'href="#None"' not in page

    # All is done; then another file comes.
    stand_in(team)
    assert workflow.planned(team, preset=False) == {}
    lines = (team / "elsewhere.tsv").read_text(encoding="utf-8").splitlines()
    lines[-1] = re.sub(r"^11\t1", "11\t0", lines[-1])
    text = "\n".join(lines).replace("# positives: 5", "# positives: 4") + "\n"
    (team / "elsewhere.tsv").write_text(text, encoding="utf-8")
    wanted = (
        "import_returned",
        "center_statistics",
        "center_report",
        "study_statistics",
        "study_report",
        "model_card",
    )
    assert workflow.planned(team, preset=False) == dict.fromkeys(wanted, 1)


def test_a_file_of_another_bundle_stops_before_any_table(team, hospital):
    text = (hospital / FILE).read_text(encoding="utf-8")
    elsewhere(team, re.sub("# bundle: ....", "# bundle: 0000", text).encode())
    printed = workflow.snakemake(team, "results/statistics/elsewhere", check=False, preset=False)
    assert (
        "Error: center elsewhere: the file that `returned` names: its scores come from" in printed
    )
    elsewhere(team, text.replace("combined.score", "combined").encode())
    printed = workflow.snakemake(team, "--dry-run", check=False, preset=False)
    assert "the column 'combined' is not allowed" in printed and "Traceback" not in printed


def test_summaries_alone_stand_on_the_page_as_reported(team, hospital):
    workflow.write_config(hospital, packet={"rows": False, "min_cell": 0})
    workflow.snakemake(hospital, FILE, preset=False)
    file = (hospital / FILE).read_bytes()
    assert b"one row per patient" not in file.lower() and b"# holds: summaries" in file
    elsewhere(team, file)
    workflow.snakemake(team, "results/report/elsewhere.html", preset=False)
    here, there = (statistics_of(team, center) for center in ("beta", "elsewhere"))
    for mine in there["performance"]:
        (same,) = [r for r in here["performance"] if (r["method"], r["metric"]) == (mine["method"], mine["metric"])]  # fmt: skip
        assert tables.number(mine["estimate"]) == pytest.approx(tables.number(same["estimate"]), nan_ok=True)  # fmt: skip
        assert mine["note"].startswith("reported by the center")
    page = (team / "results/report/elsewhere.html").read_text(encoding="utf-8")
    assert "Its figures are shown as it reports them" in page
    assert "The center sent back summaries only; this needs one row per patient." in page
    centers = [
        page_records.Center(
            name, role, team / f"results/statistics/{name}", summarised=name == "elsewhere"
        )
        for name, role in (("alpha", "discovery"), ("beta", "external"), ("elsewhere", "external"))
    ]
    run = page_records.Run(primary={"metric": "balanced_accuracy", "reference": "ct_report"})
    pages.study_page(team, centers, page_records.Facts(run), team / "study.html")
    page = (team / "study.html").read_text(encoding="utf-8")
    assert "External, as reported by the center, elsewhere: 0." in page
    assert "External centers, beta: 0." in page


def elsewhere(team, file):
    """Take a file in as the one of the center elsewhere."""
    (team / "elsewhere.tsv").write_bytes(file)
    centers = workflow.read_config(team)["centers"]
    centers["elsewhere"] = {"role": "external", "returned": "elsewhere.tsv"}
    workflow.write_config(team, centers=centers)


def statistics_of(folder, center):
    """{table: rows without patient codes} of a center."""
    return {
        path.stem: [{k: v for k, v in row.items() if k != "patient"} for row in tables.read(path)]
        for path in (folder / f"results/statistics/{center}").glob("*.tsv")
    }
