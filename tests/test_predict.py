"""One examination: which series is which phase, what is refused, its nodes, and its distance from training patients."""

import json
import subprocess
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from cohort_phantom import dicom_series, nifti, phantom

from nodestage import command
from nodestage.cohort.dicom import phases
from nodestage.cohort.image_statistics import COLUMNS, Scan, image_statistics, noise_hu
from nodestage.core import files, tables
from nodestage.core.errors import InputError
from nodestage.exchange import bundle
from nodestage.lymph_nodes import consensus
from nodestage.predict import predict
from nodestage.report import deciding, patient_page, patient_record, patients
from nodestage.report.records import Run
from nodestage.statistics import reference
from nodestage.study import examination, progress

# Which series is which phase


def both(folder, times=("101500", "101600"), numbers=(4, 5), more=()):
    """A folder with an arterial and a venous series, and `more` series after them."""
    for k, (time, number) in enumerate(zip((*times, *more), (*numbers, 6, 7), strict=False)):

        def change(data, _, time=time, number=number):
            data.SeriesNumber = number
            if time:
                data.AcquisitionTime = time

        dicom_series(folder, phantom() + k, change=change, uid=f"1.2.{number}",
                     names=lambda i, k=k: f"{k}_{i}.dcm")  # fmt: skip
    return folder


def test_the_series_acquired_first_is_the_arterial_phase(tmp_path):
    assert phases.by_time(both(tmp_path / "a"))[0] == {"arterial": "#1", "venous": "#2"}
    later_first = both(tmp_path / "b", times=("101600", "101500"))
    chosen, sentences = phases.by_time(later_first)
    assert chosen == {"arterial": "#2", "venous": "#1"}
    assert "series #2 of the folder, 24 slices, acquired first" in sentences[0]
    fields, _ = examination.in_folder(later_first)
    assert fields["series"] == chosen


@pytest.mark.parametrize(
    "times, more, words",
    [
        (("101500", "101500"), (), "isn't clear which is the arterial phase"),
        (("", ""), (), "isn't clear"),
        (("101500", "20200101101600"), (), "isn't clear"),
        (("101500", "101600"), ("101700",), "3 CT series in one folder"),
    ],
)
def test_series_that_could_be_either_phase_are_listed(tmp_path, times, more, words):
    with pytest.raises(InputError, match=words) as error:
        examination.in_folder(both(tmp_path / "scans", times, more=more))
    text = str(error.value)
    assert text.startswith("CT: ") and "#2: series number 5" in text and "arterial_series" in text
    assert "Doe" not in text and str(tmp_path) not in text


def test_a_missing_phase_and_a_wrong_folder_are_named(tmp_path):
    with pytest.raises(InputError, match="one CT series alone, so a phase is missing"):
        examination.in_folder(dicom_series(tmp_path / "one"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="CT: no axial CT in the folder"):
        examination.in_folder(tmp_path / "empty")
    with pytest.raises(InputError, match="there is nothing at"):
        examination.in_folder(tmp_path / "nowhere")
    file = nifti(tmp_path / "a.nii.gz", phantom())
    with pytest.raises(InputError, match=r"is a file\. Give the folder"):
        examination.in_folder(file)
    with pytest.raises(InputError, match="series of both phases"):
        examination.in_folder(tmp_path / "one", {"arterial": "4", "venous": ""})


def test_a_model_of_one_phase_takes_the_one_series_of_a_folder(tmp_path):
    folder = dicom_series(tmp_path / "one")
    fields, (sentence,) = examination.in_folder(folder, needed=["venous"])
    assert fields == {"venous": str(folder), "series": {}}
    assert sentence == "venous phase: the one CT series of the folder, 24 slices"
    file = nifti(tmp_path / "v.nii.gz", phantom())
    assert examination.in_folder(file, needed=["venous"])[0]["venous"] == str(file)


def test_a_model_of_one_phase_lists_several_series_and_refuses_none(tmp_path):
    scans = both(tmp_path / "scans")
    with pytest.raises(InputError, match="2 CT series in one folder") as error:
        examination.in_folder(scans, needed=["venous"])
    text = str(error.value)
    assert text.startswith("CT: ") and "venous phase alone" in text and "`venous_series`" in text
    assert "#2: series number 5" in text and "arterial" not in text
    for private in ("Doe", "1.2.4", "1.2.5", str(tmp_path)):  # a name, UIDs, a path
        assert private not in text
    fields, sentences = examination.in_folder(scans, {"venous": "5"}, ["venous"])
    assert fields == {"venous": str(scans), "series": {"venous": "5"}} and not sentences
    with pytest.raises(InputError, match="needs the venous phase alone"):
        examination.in_folder(scans, {"arterial": "4"}, ["venous"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="CT: no axial CT in the folder"):
        examination.in_folder(tmp_path / "empty", needed=["venous"])


# What a bundle needs


def test_the_phases_of_the_bundle_decide_what_a_folder_must_hold(frozen, tmp_path):
    whole = bundle.read(frozen)
    one = dicom_series(tmp_path / "one")
    with pytest.raises(InputError, match="so a phase is missing"):
        examination.located(examination.Examination(folder=str(one)), whole)
    whole.anatomy["phases"] = ["venous"]
    given, _ = examination.located(examination.Examination(folder=str(one), patient="P1"), whole)
    assert given == examination.Examination(venous=str(one), patient="P1")
    examination.check(given, whole)
    with pytest.raises(InputError, match="not both"):
        examination.located(examination.Examination(folder=str(one), venous="v.nii.gz"), whole)


def test_what_the_bundle_needs_and_is_not_given(frozen):
    whole = bundle.read(frozen)
    pair = {"arterial": "a.nii.gz", "venous": "v.nii.gz"}
    examination.check(examination.Examination(**pair), whole)
    with pytest.raises(InputError, match="No image is named"):
        examination.check(examination.Examination(), whole)
    with pytest.raises(InputError, match=r"arterial phase is missing.*--substitute-phase"):
        examination.check(examination.Examination(venous="v.nii.gz"), whole)
    examination.check(examination.Examination(venous="v.nii.gz", substitute=True), whole)
    with pytest.raises(InputError, match="weight is no column"):
        examination.check(examination.Examination(**pair, columns={"weight": "70"}), whole)
    del whole.digests["organs.pt"]
    with pytest.raises(InputError, match="no network for organs masks"):
        examination.check(examination.Examination(**pair), whole)
    examination.check(examination.Examination(**pair, masks={"organs": "o.nii.gz"}), whole)


def test_the_study_of_one_examination_is_one_that_make_check_passes(frozen, tmp_path, monkeypatch):
    scans = both(tmp_path / "scans")
    fields, _ = examination.in_folder(scans)
    examination.write(tmp_path / "study", examination.Examination(**fields), frozen)
    (row,) = tables.read(tmp_path / "study/samples.tsv")
    assert row["arterial"] == row["venous"] == str(scans)
    assert (row["arterial_series"], row["venous_series"]) == ("#1", "#2")
    assert row["metastasis"] == ""
    config = yaml.safe_load((tmp_path / "study/config.yaml").read_text(encoding="utf-8"))
    assert config["centers"] == {"examination": {"role": "external"}}
    calls = []

    def run(words, show):
        calls.append(words)
        show("Aligning the two phases …")
        made = tmp_path / "out" / next((tmp_path / "out").iterdir()).name
        folder = made / "results/patients/P1"
        link = "../../report/viewer/examination/index.html#0"
        files.write_text(folder / "page.html", f'<a href="{link}">')
        files.write_text(made / "results/report/viewer/examination/index.html", "<html>")
        files.write_json(folder / "record.json", {"patient": "P1"})
        return []

    monkeypatch.setattr(progress, "run", run)
    shown = []
    given = examination.Examination(**fields, patient="P1")
    assert predict(given, frozen, tmp_path / "out", show=shown.append) == {"patient": "P1"}
    names = ["P1-viewer", "P1.html", "P1.json"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    page = (tmp_path / "out/P1.html").read_text(encoding="utf-8")
    assert page == '<a href="P1-viewer/index.html#0">'
    assert (tmp_path / "out/P1-viewer/index.html").is_file()
    assert calls[0][-1] == "results/patients/P1/page.html"
    assert "Checking model and images …" in shown and "Aligning the two phases …" in shown
    with pytest.raises(InputError, match=r"P1.html exists already"):
        predict(given, frozen, tmp_path / "out")
    (frozen / "tumor.pt").write_text("else", encoding="utf-8")
    with pytest.raises(InputError, match=r"tumor\.pt is not the file that was frozen"):
        predict(given, frozen, tmp_path / "other")
    assert not list((tmp_path / "other").iterdir())  # the copy of the images is gone


def test_faults_are_told_without_the_rows_of_a_sheet(frozen, tmp_path):
    image = str(nifti(tmp_path / "a.nii.gz", phantom()))
    away = str(tmp_path / "nowhere.nii.gz")
    given = examination.Examination(arterial=away, venous=image)
    with pytest.raises(InputError) as error:
        predict(given, frozen, tmp_path / "out")
    assert str(error.value).startswith(f"arterial: not there ({away}). Correct the path")
    given = examination.Examination(arterial=image, venous=image)
    with pytest.raises(InputError, match=r"^venous: the same file as arterial \(.*Give two files"):
        predict(given, frozen, tmp_path / "out")
    (tmp_path / "notes.txt").write_text("no image", encoding="utf-8")
    given = examination.Examination(arterial=image, venous=str(tmp_path / "notes.txt"))
    with pytest.raises(InputError, match=r"^examination: venous: neither NIfTI nor DICOM"):
        predict(given, frozen, tmp_path / "out")


def test_a_failed_run_gives_the_sentences_of_its_jobs(frozen, tmp_path, monkeypatch):
    printed = [
        "rule intake:",
        "Error: P1: venous: 2 CT series in one folder:",
        "    #1: series number 4",
        "RuleException:",
        "Error: P1: venous: 2 CT series in one folder:",
        "    #1: series number 4",
    ]
    script = "\n".join(f"print({line!r})" for line in printed) + "\nraise SystemExit(1)"
    import sys

    wrong = progress.run([sys.executable, "-c", script], lambda line: None)
    assert wrong == ["P1: venous: 2 CT series in one folder:\n    #1: series number 4"]
    assert progress.run([sys.executable, "-c", "pass"], lambda line: None) == []
    silent = progress.run([sys.executable, "-c", "print('x'); raise SystemExit(3)"], lambda x: None)
    assert "Snakemake ended with an error:\nx" in silent[0]


def test_progress_shows_each_stage_once():
    lines = ["rule intake:\n", "rule intake:\n", "3 of 9 steps (33%) done\n", "rule tumor:\n"]
    shown = []
    assert list(progress._shown(lines, shown.append)) == lines
    assert shown == ["Reading the images …", "Outlining the tumor … (3 of 9 steps done)"]


def test_no_bundle_is_named_and_none_lies_near(monkeypatch, tmp_path):
    monkeypatch.setattr("nodestage.predict.BUNDLES", (tmp_path,))
    with pytest.raises(InputError, match="No bundle is named"):
        predict(tmp_path)
    with pytest.raises(InputError, match=r"there is no manifest.json"):
        predict(tmp_path, bundle=tmp_path)


# Nodes over the folds

SPACING = (2.0, 1.0, 1.0)


def cube(shape, *corners, side=4):
    array = np.zeros(shape, np.uint16)
    for number, (z, y, x) in enumerate(corners, start=1):
        array[z : z + side, y : y + side, x : x + side] = number
    return array


def rows_of(array, probabilities):
    from nodestage.lymph_nodes.instances import instance_table

    return [
        {k: "" if v is None else str(v) for k, v in row.items()} | {"p_positive": str(p)}
        for row, p in zip(instance_table(array, SPACING), probabilities, strict=True)
    ]


def test_nodes_of_one_fold_are_that_folds():
    array = cube((12, 30, 30), (1, 2, 3), (6, 20, 20))
    rows = rows_of(array, [0.2, 0.9])
    labels, nodes = consensus.merge_folds([array], [rows], SPACING)
    np.testing.assert_array_equal(labels, np.array([0, 2, 1])[array])  # the probable one first
    for node, row in zip(nodes, rows[::-1], strict=True):
        for column in ("volume_mm3", "short_axis_mm", "p_positive", "x", "y", "z"):
            assert node[column] == float(row[column]), column
    assert [node["positive"] for node in nodes] == [1, 0]
    assert nodes[0]["p_node"] is None


def test_nodes_that_overlap_in_several_folds_are_one():
    shape = (12, 30, 30)
    folds = [
        cube(shape, (1, 2, 3)),
        cube(shape, (6, 20, 20), (1, 2, 4)),  # its second is the first one's, one voxel aside
        cube(shape, (1, 2, 3)),
    ]
    rows = [rows_of(folds[0], [0.3]), rows_of(folds[1], [0.8, 0.6]), rows_of(folds[2], [0.9])]
    labels, nodes = consensus.merge_folds(folds, rows, SPACING)
    assert [(n["found_in"], n["folds"]) for n in nodes] == [(1, 3), (3, 3)]
    assert nodes[1]["p_positive"] == pytest.approx(0.6) and nodes[1]["positive"] == 1
    # Two of three agree on the first cube; a voxel that one fold alone has is left out.
    np.testing.assert_array_equal(labels == 2, folds[0] == 1)
    assert nodes[1]["volume_mm3"] == 64 * 2.0
    assert consensus.totals([r | {"variant": "attention"} for r in rows[1]]) == {
        "nodes": 2.0, "nodes_ml": 0.256,
    }  # fmt: skip


def test_no_nodes_at_all():
    empty = np.zeros((3, 4, 5), np.uint16)
    labels, nodes = consensus.merge_folds([empty, empty], [[], []], SPACING)
    assert not labels.any() and nodes == []


# The distance from the training patients


def training(n=40, seed=0):
    rng = np.random.default_rng(seed)
    return [
        {
            "slice_mm": 1.0,  # the same for all
            "noise_hu": float(rng.normal(12, 2)),
            "aorta_arterial_hu": float(a := rng.normal(280, 30)),
            "portal_arterial_hu": float(0.5 * a + rng.normal(0, 5)),
            "tumor_ml": float(np.exp(rng.normal(2, 0.5))),
        }
        for _ in range(n)
    ]


def test_a_training_patient_is_near_and_another_scanner_far():
    rows = training()
    summary = reference.summary(rows)
    closer = [reference.compare(summary, row)["closer"] for row in training(seed=1)]
    assert 0.3 < np.mean(closer) < 0.7 and np.mean([c >= 0.95 for c in closer]) < 0.25
    ordinary = {
        **rows[0],
        "aorta_arterial_hu": 280.0,
        "portal_arterial_hu": 140.0,
        "noise_hu": 12.0,
    }
    assert not reference.compare(summary, ordinary)["far"]
    thick = reference.compare(summary, {**ordinary, "slice_mm": 5.0})
    assert thick["far"] and thick["statistics"]["slice_mm"]["sd_away"] > 5
    # Each value alone is usual, both together are not: the correlation counts.
    odd = reference.compare(
        summary, {**ordinary, "aorta_arterial_hu": 310, "portal_arterial_hu": 120}
    )
    assert odd["far"] and max(abs(s["sd_away"]) for s in odd["statistics"].values()) < 2


def test_the_distance_is_mahalanobis_of_what_is_known():
    summary = reference.summary(training())
    row = training(seed=2)[0]
    names = list(summary["statistics"])
    logged = [reference.terms()[name]["log"] for name in names]
    value = [np.log1p(row[n]) if log else row[n] for n, log in zip(names, logged, strict=True)]
    mean, sd = (np.array([summary["statistics"][n][k] for n in names]) for k in ("mean", "sd"))
    z = (value - mean) / sd
    slow = np.sqrt(z @ np.linalg.inv(summary["correlation"]) @ z / len(z))
    assert reference.compare(summary, row)["distance"] == pytest.approx(slow)
    part = reference.compare(summary, {**row, "tumor_ml": np.nan})
    assert part["unmeasured"] == ["tumor_ml"] and part["distance"] != pytest.approx(slow)
    assert reference.compare(summary, {})["distance"] is None
    low, high = reference.compare(summary, row)["statistics"]["tumor_ml"]["usual"]
    assert 1 < low < np.exp(2) < high < 40  # in ml, not in logarithms


def test_a_summary_holds_no_patients_values_and_needs_some_patients():
    rows = training(12)
    held = json.dumps(reference.summary(rows))
    for row in rows:
        for name in ("noise_hu", "aorta_arterial_hu", "tumor_ml"):
            assert repr(row[name]) not in held and f"{row[name]:.6g}" not in held
    few = reference.summary(rows[:4])
    assert set(few) == {"patients", "reason"} and "at least 5" in few["reason"]
    assert reference.compare(few, rows[0])["distance"] is None
    reversed_rows = json.dumps(reference.summary(rows[::-1]))
    assert len(reversed_rows) == pytest.approx(len(held), abs=200)


def test_numbers_on_an_examination():
    rng = np.random.default_rng(0)
    venous = (40 + rng.normal(0, 15, (20, 40, 40))).astype(np.int16)
    assert noise_hu(venous) == pytest.approx(15, rel=0.05)
    venous[:, :, 20:] += 100  # an edge is not noise
    assert noise_hu(venous) == pytest.approx(15, rel=0.05)
    assert np.isnan(noise_hu(np.full((3, 4, 5), -1000, np.int16)))
    labels = np.zeros(venous.shape, np.uint8)
    labels[5:10, 5:10, 5:10] = 8
    labelled = {"aorta": 8, "portal_splenic_vein": 10, "pancreas": 11}
    known = {"labels": labelled, "tumor_organ": "pancreas"}
    tumor = np.zeros(venous.shape, np.uint8)
    tumor[0, 0, :5] = 1
    intake = {"venous": {"quality": {"spacing_mm": [2.5, 0.8, 0.8], "hu_mean_body": 30.0}}}
    scan = Scan(venous, venous, labels, tumor, (2.0, 1.0, 1.0))
    values = image_statistics(scan, known, intake, {"similarity": {"after": 0.9}})
    assert tuple(values) == COLUMNS and set(reference.terms()) >= set(COLUMNS)
    assert (values["slice_mm"], values["pixel_mm"], values["similarity"]) == (2.5, 0.8, 0.9)
    assert values["tumor_ml"] == pytest.approx(0.01) and np.isnan(values["organ_ml"])
    assert np.isfinite(values["aorta_venous_hu"]) and np.isnan(values["portal_venous_hu"])
    alone = image_statistics(scan, known, intake, {"substituted": "venous"})
    assert np.isnan(alone["aorta_arterial_hu"]) and np.isfinite(alone["aorta_venous_hu"])


# The page and the record


def scored(score, probability, call, reason=""):
    return {"patient": "P1", "subset": "external", "score": score, "probability": probability,
            "call": call, "reason": reason}  # fmt: skip


def of_tables(**more):
    predictions = {
        "combined": {
            "fold0": scored("0.25", "0.30000000000000004", "0"),
            "fold1": scored("0.75", "0.55", "1"),
            "ensemble": scored("0.5", "0.43", "1"),
        },
        "ct_report": {part: scored("", "", "", "no CT report of the lymph nodes")
                      for part in ("fold0", "fold1", "ensemble")},
    }  # fmt: skip
    return patient_record.Tables(predictions, [0, 1], {"combined": 0.47}, **more)


ABOUT = {
    "study": "S", "model_digest": "abc", "declared": "combined", "flags": ["phases: <b>swapped</b>"],
    "center_notes": [], "changed_at_intake": {}, "explained": None, "node_shares": None,
    "warnings": [],
}  # fmt: skip


def test_the_record_has_the_digits_of_the_tables():
    record = patient_record.record("P1", of_tables(), [], ABOUT)
    one = record["methods"]["combined"]
    assert (one["score"], one["probability"], one["call"], one["threshold"]) == (0.5, 0.43, 1, 0.47)
    assert one["probability_of_folds"] == [0.30000000000000004, 0.55]
    assert "0.30000000000000004" in json.dumps(record)
    assert record["methods"]["ct_report"]["score"] is None
    assert record["methods"]["ct_report"]["probability_of_folds"] is None
    assert record["training_patients"] is None


def test_what_each_node_adds_stands_on_the_panel_and_on_the_patients_page(tmp_path):
    rows = rows_of(cube((12, 30, 30), (1, 2, 3), (6, 20, 20)), [0.2, 0.9])
    scores = [
        {"patient": p, "method": m, "score": s, "reason": "", "node_shares": cell}
        for p, m, s, cell in (
            ("P1", "node_graph", "0.7", "2:0.75 1:0.25"),
            ("P1", "node_order", "0.6", ""),
            ("P2", "node_graph", "", ""),
        )
    ]
    for fold in (0, 1):
        tables.write(tmp_path / f"{fold}.tsv", scores, list(scores[0]))
    paths = [tmp_path / "0.tsv", tmp_path / "1.tsv"]
    cells = deciding.share_cells(paths, [0, 1], {"P1": 1, "P2": 1})
    assert cells == {"P1": (1, "2:0.75 1:0.25")}
    facts = deciding.added(*cells["P1"], rows)
    assert [node["share"] for node in facts["node_shares"]["nodes"]] == [0.75, 0.25]
    words = "75 %: 128 mm³, short axis 4.0 mm; 25 %: 128 mm³, short axis 4.0 mm"
    entry = {"facts": facts, "views": [], "pictures": {}}
    panel = patients.panel(1, patients.normalised({"patient": "P1"}, "combined", {}), entry)
    assert ("Of what nodes add to Nodes and tumor, graph, fold 1", words) in panel["lines"]
    record = patient_record.record("P1", of_tables(), [], ABOUT | facts)
    assert any(
        f"fold 1, the largest parts come from these: {words}." in s
        for s in patient_page.moved(record)
    )
    assert not any("largest parts" in s for s in patient_page.moved(record | {"node_shares": None}))
    none = {"fold": 1, "nodes": []}
    entry["facts"] = {"node_shares": none}
    panel = patients.panel(1, patients.normalised({"patient": "P1"}, "combined", {}), entry)
    assert panel["lines"][-1][1] == "no node adds to it"


def test_the_page_states_call_probability_and_range_and_escapes(tmp_path):
    array = cube((12, 30, 30), (1, 2, 3))
    _, nodes = consensus.merge_folds([array, array], [rows_of(array, [0.7])] * 2, SPACING)
    nodes = [{k: "" if v is None else str(v) for k, v in node.items()} for node in nodes]
    summary = reference.summary(training())
    row = {k: str(v) for k, v in training()[0].items()} | {"slice_mm": "5.0", "patient": "P1"}
    instances = {fold: [dict(nodes[0], variant="attention")] for fold in (0, 1)}
    of = of_tables(nodes=nodes, instances=instances, statistics=row)
    record = patient_record.record("P1", of, [summary, summary], ABOUT)
    output = tmp_path / "page.html"
    patient_page.page(record, Run(study="S"), None, {"patient": "P1", "metastasis": ""}, output)
    text = output.read_text(encoding="utf-8")
    from report_page import Page

    page = Page(text)
    words = page.text()
    assert (
        "P1: called positive for lymph-node metastasis, calibrated probability 0.43 "
        "(folds\N{NO-BREAK SPACE}0.30–0.55)." in words
    )
    assert "no confidence interval of this patient’s risk" in words
    assert "a score here is an extrapolation" in words and "Distance of slices, mm" in words
    assert (
        "Check first: 1 flag on" in words
        and "phases: <b>swapped</b>" in words
        and "<b>" not in text
    )
    assert "2 of 2" in words and "no CT report of the lymph nodes" in words
    assert "not a medical device" in words.lower() and "http" not in text.replace("http-equiv", "")
    values = {n["data-column"]: n["data-value"] for n, _ in page.numbers}
    assert values["combined, probability"] == "0.43"


def test_a_patient_without_a_score_has_a_page_with_the_reason(tmp_path):
    parts = ("fold0", "fold1", "ensemble")
    rows = {part: scored("", "", "", "arterial phase missing") for part in parts}
    of = patient_record.Tables({"combined": rows}, [0, 1])
    record = patient_record.record("P1", of, [], ABOUT | {"flags": []})
    output = tmp_path / "page.html"
    link = "../../report/viewer/here/index.html#0"
    patient_page.page(record, Run(study="S"), None, {"patient": "P1"}, output, link)
    assert f'href="{link}"' in output.read_text(encoding="utf-8")
    assert "Arterial phase missing." in output.read_text(encoding="utf-8")


# The command


def test_help_of_every_command_and_an_error_in_a_sentence(capsys, tmp_path, frozen):
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0 and "Not a medical device" in printed
    for name in ("predict", "export", "packet", "plan", "new", "check", "run", "score"):
        assert f"\n    {name} " in printed, name
        with pytest.raises(SystemExit) as ended:
            command.main([name, "--help"])
        assert ended.value.code == 0 and len(capsys.readouterr().out) > 100
    assert command.main(["predict", str(tmp_path / "nowhere"), "--bundle", str(frozen)]) == 1
    assert "Error: CT: there is nothing at" in capsys.readouterr().err
    both_ways = ["predict", str(tmp_path), "--arterial", "a.nii.gz", "--bundle", str(frozen)]
    assert command.main(both_ways) == 1 and "not both" in capsys.readouterr().err


def test_a_command_calls_what_its_make_target_calls(tmp_path, capsys, monkeypatch, frozen):
    study = tmp_path / "study"
    assert command.main(["new", str(study)]) == 0 and (study / "samples.tsv").is_file()
    assert command.main(["check", str(study)]) == 1
    assert "no patient in the sheet" in capsys.readouterr().err
    assert command.main(["bundle", str(frozen)]) == 0
    assert "files are as they were frozen" in capsys.readouterr().out
    assert command.main(["plan", "--prevalence", "0.4"]) == 0
    assert "patients" in capsys.readouterr().out
    calls = []

    def run(words, **how):
        calls.append(words)
        return SimpleNamespace(returncode=1)

    monkeypatch.setattr(subprocess, "run", run)
    assert command.main(["run", "--cores", "2", "--snakemake=--dry-run"]) == 1
    assert calls[0][0] == "snakemake" and "--dry-run" in calls[0] and "2" in calls[0]


def test_the_entry_of_the_package_is_the_command():
    import tomllib
    from pathlib import Path

    text = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    assert tomllib.loads(text)["project"]["scripts"] == {"nodestage": "nodestage.command:main"}
