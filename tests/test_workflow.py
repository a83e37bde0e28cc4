"""The whole workflow on a small study: what it writes, what triggers what, and what leaks nowhere.

One study is run once; every test looks at it or at a copy. Networks learn nothing at this size:
what they learn is tested stage by stage.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pydicom
import pytest
import workflow_study as workflow
from cohort_phantom import dicom_series
from report_page import without_pictures

from nodestage import command
from nodestage.cohort.clinical import CLINICAL
from nodestage.cohort.folds import make_folds
from nodestage.core import files, tables, volumes
from nodestage.exchange import packet
from nodestage.methods.graph import shares
from nodestage.predict import predict
from nodestage.statistics import vocabulary
from nodestage.study import examination

METHODS = (
    "ct_report",
    "radiomics",
    "radiomics_ct_report",
    "resnet3d",
    "resnet2d",
    "deepten",
    "tumor_net",
    "nodes_plain",
    "nodes_attention",
    "nodes_candidates",
    "combined",
    "combined_candidates",
    "combined_radiomics",
    "node_graph",
    "node_order",
    "node_noisy_or",
    "pn_ordinal",
)
BEYOND = (
    "node_graph",
    "node_order",
    "node_noisy_or",
    "pn_ordinal",
)  # those that are off by default
STAGES_OF_A_FOLD = (
    "lymph_nodes",
    "identification",
    "candidates",
    "fusion",
    "baselines",
    "late",
    "graph",
    "staging",
    "bundle",
)
REAL = Path(__file__).parents[2] / "shared" / "data" / "real"


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """The study after one run."""
    folder = tmp_path_factory.mktemp("workflow") / "study"
    folder.mkdir()
    # As few patients as train a model of pN in both folds: two of each pN.
    workflow.make(folder, workflow.PATIENTS | {"changhai": 16}, prevalence=0.625)
    give_stages(folder)
    workflow.write_config(
        folder,
        methods={name: {} for name in BEYOND},
        statistics={
            "operating_point": {"sensitivity": 0.8},
            "conformal": {"coverage": 0.6, "by_class": True},
        },
    )
    workflow.snakemake(folder)
    return folder


def give_stages(folder):
    """N1 and N2 by turns for the positive training patients of each fold."""
    rows = sheet(folder)
    by_code = {row["patient"]: row for row in rows}
    discovery = [row for row in rows if row["center"] == "changhai"]
    for table in make_folds(discovery, 2, 3):
        train = [by_code[patient] for patient, subset in table.items() if subset == "train"]
        for k, row in enumerate(row for row in train if row["metastasis"] == "1"):
            row["pn_stage"] = f"N{1 + k % 2}"
    workflow.write_sheet(folder, rows)


@pytest.fixture
def copy(study, tmp_path):
    """A copy to change; times are kept, so that nothing is stale."""
    folder = tmp_path / "study"
    shutil.copytree(study, folder, copy_function=shutil.copy2)
    return folder


def sheet(folder):
    return tables.read(folder / "samples.tsv")


def replaced(path):
    """Another image in a file's place; a mere touch of it would rerun nothing."""
    image = volumes.read(path)
    volumes.write(path, image.array + np.int16(1), like=image)


def test_every_method_has_a_row_for_every_patient(study):
    rows = sheet(study)
    for center in ("shengjing", "tianjin"):
        patients = {row["patient"] for row in rows if row["center"] == center}
        for method in METHODS:
            found = tables.read(study / f"results/predictions/{method}/ensemble/{center}.tsv")
            assert {row["patient"] for row in found} == patients
            assert all(row["score"] or row["reason"] for row in found)
    tested = [
        row["patient"]
        for fold in range(2)
        for row in tables.read(study / f"results/predictions/combined/fold{fold}/changhai.tsv")
        if row["subset"] == "test"
    ]
    assert sorted(tested) == sorted(r["patient"] for r in rows if r["center"] == "changhai")


def test_each_center_and_the_study_have_a_report(study):
    for page in ("changhai", "shengjing", "tianjin", "study"):
        html = (study / f"results/report/{page}.html").read_text(encoding="utf-8")
        assert "not a medical device" in html.lower()


def test_methods_and_tables_beyond_the_paper_have_numbers_and_stand_on_the_pages(study):
    """Sets of candidates, pN, conformal sets and a second threshold: all off by default, on in this study."""
    for fold in range(2):
        frozen = files.read_json(study / f"results/bundle/fold{fold}/thresholds.json")
        for method in BEYOND:
            assert 0 < frozen[method]["operating_point"]["threshold"] <= 1
            kept = frozen[method]["conformal"]
            assert all(0 <= p <= 1 for probabilities in kept.values() for p in probabilities)
    for center in ("changhai", "shengjing", "tianjin"):
        folder = study / f"results/statistics/{center}"
        basis = "pooled" if center == "changhai" else "ensemble"
        for method in BEYOND:
            accuracy = only(folder / "performance.tsv", method, metric="accuracy", basis=basis)
            assert 0 <= tables.number(accuracy["estimate"]) <= 1 and int(accuracy["n"]) >= 3
            second = only(folder / "operating_point.tsv", method, metric="sensitivity", basis=basis)
            assert second["target"] == "sensitivity" and 0 <= tables.number(second["estimate"]) <= 1
            declared = only(folder / "coverage.tsv", method, declared="1")
            assert tables.number(declared["wanted"]) == 0.6
            assert 0 <= tables.number(declared["covered"]) <= 1
        staged = tables.read(folder / "pn_confusion.tsv")
        assert sum(int(row["n"]) for row in staged) >= 3
        called = [int(row[f"called_pn{k}"]) for row in staged for k in range(3)]
        assert sum(called) == sum(int(row["n"]) for row in staged)
        page = (study / f"results/report/{center}.html").read_text(encoding="utf-8")
        for method in BEYOND:
            assert vocabulary.name("methods", method) in page
        for words in ("At the threshold for", "Uncertainty of single patients", 'id="stages"'):
            assert words in page, (center, words)
        assert "Of what nodes add to Nodes and tumor, graph, fold" in page
    spread = tables.read(study / "results/statistics/tianjin/uncertainty.tsv")
    assert {row["method"] for row in spread} >= set(BEYOND)


def only(path, method, **values):
    """The one row of a method with these values."""
    rows = [row for row in tables.read(path) if row["method"] == method]
    (row,) = [row for row in rows if all(row[key] == value for key, value in values.items())]
    return row


def test_what_each_node_adds_is_that_of_the_table_of_scores(study):
    """The gallery shows of each patient the fold that tests it, or fold 0 of an external one."""
    for center, folds in (("changhai", (0, 1)), ("tianjin", (0,))):
        entries = {
            entry["patient"]: entry["facts"].get("node_shares")
            for entry in files.read_json(study / f"results/report/gallery/{center}.json")[
                "patients"
            ]
        }
        for fold in folds:
            rows = tables.read(study / f"results/graph/fold{fold}/scores/{center}.tsv")
            for row in (row for row in rows if row["method"] == "node_graph" and row["score"]):
                shown = entries[row["patient"]]
                if shown["fold"] != fold:  # a validation patient of this fold
                    continue
                expected = [share for _, share in shares.read(row["node_shares"])]
                assert [node["share"] for node in shown["nodes"]] == expected
                assert not expected or sum(expected) == pytest.approx(1, abs=1e-3)
        assert any(one and one["nodes"] for one in entries.values())


def test_the_studys_figures_and_the_tables_beside_the_papers_are_there(study):
    for name in ("figure_3", "figure_4", "figure_5a", "figure_5b", "froc", "forest"):
        for form in ("svg", "png"):
            assert (study / f"results/report/figures/{name}.{form}").stat().st_size > 1000
    folder = study / "results/statistics"
    assert any(r["confidence"] for r in tables.read(folder / "evaluation/fold0/candidates.tsv"))
    assert any(r["station"] for r in tables.read(folder / "evaluation/fold0/nodes.tsv"))
    assert tables.read(folder / "study/froc_at.tsv")
    three = tables.read(folder / "study/table_3.tsv")
    assert {(row["network"], row["phases"]) for row in three} == {
        ("teacher", "A"),
        ("teacher", "V"),
        ("student", "A+V"),
    }
    taught = {row["organ"]: bool(row["dice"]) for row in three if row["network"] == "teacher"}
    assert taught.pop("lga") is taught.pop("cha_pha") is False and all(taught.values())
    assert (folder / "study/signature.tsv").is_file()


def test_a_patient_without_arterial_phase_is_unscored_with_the_reason(study):
    lacking = [r["patient"] for r in sheet(study) if not r["arterial"]]
    assert lacking
    for row in tables.read(study / "results/predictions/combined/ensemble/shengjing.tsv"):
        if row["patient"] in lacking:
            assert (row["score"], row["reason"]) == ("", "arterial phase missing")


def test_a_second_run_has_nothing_to_do(study):
    assert workflow.planned(study) == {}
    assert "othing to be done" in workflow.snakemake(study)


def test_reordered_rows_keys_and_unused_columns_rerun_nothing(copy):
    rows = [{**row, "comment": "x"} for row in reversed(sheet(copy))]
    tables.write(copy / "samples.tsv", rows, sorted(rows[0], reverse=True))
    assert workflow.planned(copy) == {}


def test_a_changed_fold_reruns_that_fold_and_the_tables(copy):
    folds = copy / "folds"
    shutil.copytree(copy / "results/cohort/folds", folds)
    workflow.write_config(copy, folds={"folder": str(folds)})
    # The same folds: only the pages and the model card run, which say that they are the study's own.
    assert set(workflow.planned(copy)) == {"center_report", "study_report", "model_card"}
    rows = tables.read(folds / "fold1.tsv")
    labels = {row["patient"]: row["metastasis"] for row in sheet(copy)}
    a = next(r for r in rows if r["subset"] == "train")
    b = next(
        r
        for r in rows
        if r["subset"] == "validation" and labels[r["patient"]] == labels[a["patient"]]
    )
    a["subset"], b["subset"] = b["subset"], a["subset"]
    tables.write(folds / "fold1.tsv", rows)
    jobs = workflow.planned(copy)
    assert (jobs["folds"] if "folds" in jobs else 1) == 1
    assert jobs["lymph_nodes_train"] == jobs["identification_train"] == jobs["thresholds"] == 1
    assert jobs["fit"] == 5
    assert jobs["center_statistics"] == 3
    assert not {"register", "organs", "tumor", "radiomics", "attention"} & set(jobs)


def test_a_replaced_external_image_reruns_that_patient_and_that_center(copy):
    row = next(r for r in sheet(copy) if r["center"] == "tianjin")
    replaced(copy / row["venous"])
    jobs = workflow.planned(copy)
    assert jobs["intake"] == jobs["register"] == 1
    assert jobs["attention"] == jobs["radiomics"] == 3  # the patients of its chunk
    assert jobs["center_statistics"] == 1
    trained = {
        "organs_teacher",
        "organs_student",
        "lymph_nodes_train",
        "identification_train",
        "fit",
    }
    assert not trained & set(jobs)


def test_a_new_external_patient_reruns_its_own_jobs_and_its_center(copy):
    rows = sheet(copy)
    row = next(r for r in rows if r["center"] == "tianjin")
    workflow.write_sheet(
        copy,
        [
            *rows,
            {
                **row,
                "patient": "NEW1",
                "venous": _beside(copy, row, "venous"),
                "arterial": _beside(copy, row, "arterial"),
            },
        ],
    )
    jobs = workflow.planned(copy)
    assert jobs["intake"] == 2
    assert jobs["register"] == jobs["organs"] == jobs["tumor"] == 1
    assert jobs["center_statistics"] == 1
    assert not {"organs_teacher", "lymph_nodes_train", "fit", "thresholds"} & set(jobs)


def _beside(folder, row, phase):
    path = Path("scans", f"new_{phase}.nii.gz")
    shutil.copy2(folder / row[phase], folder / path)
    return str(path)


def test_nothing_of_a_fold_changes_with_the_labels_of_its_test_and_external_patients(copy):
    """The leak test: weights, scalers and thresholds of fold 0, byte for byte."""
    before = workflow.digests(copy, "results/bundle/fold0/*")
    assert len(before) == 10
    folds = copy / "folds"
    shutil.copytree(copy / "results/cohort/folds", folds)
    workflow.write_config(copy, folds={"folder": str(folds)})
    tested = {r["patient"] for r in tables.read(folds / "fold0.tsv") if r["subset"] == "test"}
    rows = sheet(copy)
    for row in rows:
        if row["patient"] in tested or row["center"] in ("shengjing", "tianjin"):
            flipped = {"0": "1", "1": "0", "": ""}
            row["metastasis"] = flipped[row["metastasis"]]
            row["pn_stage"] = {"1": "N1", "0": "N0", "": ""}[row["metastasis"]]
            row["ct_reported"] = flipped[row["ct_reported"]]
        if row["patient"] in tested:
            path = copy / row["lymph_nodes"]
            mask = volumes.read(path)
            moved = np.roll(np.where(mask.array > 0, 3 - mask.array, 0), 5, axis=2)
            volumes.write(path, moved.astype(np.uint8), like=mask)
    workflow.write_sheet(copy, rows)
    for stage in STAGES_OF_A_FOLD:
        shutil.rmtree(copy / f"results/{stage}/fold0")
    workflow.snakemake(copy, *before)
    assert workflow.digests(copy, "results/bundle/fold0/*") == before


def test_candidates_of_test_patients_grow_no_tree_and_choose_no_cut(copy):
    """Other numbers of the test patients' candidates: the same forests, byte for byte."""
    model = "results/candidates/fold0/model.pt"
    before = (copy / model).read_bytes()
    folds = tables.read(copy / "results/cohort/folds/fold0.tsv")
    tested = {row["patient"] for row in folds if row["subset"] == "test"}
    looks = copy / "results/lymph_nodes/fold0/changhai/chunk0/appearance.tsv"
    rows, columns = tables.read(looks), tables.header(looks)
    others = [row for row in rows if row["patient"] in tested]
    for row in others:
        row |= dict.fromkeys(columns[3:], "0.123")
    assert others
    tables.write(looks, rows, columns)
    (copy / model).unlink()
    workflow.snakemake(copy, "--allowed-rules", "candidates_train", "--", model)
    assert (copy / model).read_bytes() == before


def test_a_training_patients_own_mask_does_not_move_its_own_measured_volume(copy):
    """The one network that measures it never saw it; the three that learn from it change."""
    folds = tables.read(copy / "results/cohort/folds/fold0.tsv")
    rows = {row["patient"]: row for row in sheet(copy)}
    model, table = (
        "results/lymph_nodes/fold0/model.pt",
        "results/identification/fold0/changhai/chunk0.tsv",
    )
    patient = next(
        r["patient"]
        for r in folds
        if r["subset"] == "train"
        and volumes.read(copy / rows[r["patient"]]["lymph_nodes"]).array.any()
    )
    before = [r for r in tables.read(copy / table) if r["patient"] == patient]
    weights = network_digests(copy / model)
    path = copy / rows[patient]["lymph_nodes"]
    mask = volumes.read(path)
    moved = np.roll(np.where(mask.array > 0, 3 - mask.array, 0), 5, axis=2)
    volumes.write(path, moved.astype(np.uint8), like=mask)
    workflow.snakemake(copy, table)
    now = network_digests(copy / model)
    (same,) = [name for name in now if now[name] == weights[name]]
    assert same.startswith("inner") and len(now) == 4
    assert [r for r in tables.read(copy / table) if r["patient"] == patient] == before
    assert all(r["measured_by"] == same for r in before)


def test_class_aware_masks_say_what_the_tables_say(study):
    for center in ("changhai", "tianjin"):
        identified = study / f"results/identification/fold0/{center}/chunk0"
        nodes = study / f"results/lymph_nodes/fold0/{center}/chunk0"
        rows = tables.read(identified.with_suffix(".tsv"))
        names = sorted(path.name for path in identified.glob("*.nii.gz"))
        assert names == sorted(path.name for path in nodes.glob("*.nii.gz"))
        for name in names:
            found, numbered = (volumes.read(folder / name).array for folder in (identified, nodes))
            mine = [r for r in rows if name == f"{r['patient']}.{r['variant']}.nii.gz"]
            expected = np.zeros_like(found)
            for row in mine:
                positive = float(row["p_positive"]) >= 0.5
                expected[numbered == int(row["instance"])] = 2 if positive else 1
            np.testing.assert_array_equal(found, expected)
    assert rows


def network_digests(path):
    from nodestage.core import checkpoints

    return {name: found["digest"] for name, found in checkpoints.load(path)["networks"].items()}


def test_masks_that_only_test_change_no_score(copy):
    """Drawn tumors, organs of the test set: emptied, and every score stays byte for byte."""
    before = workflow.digests(copy, "results/predictions/*/*/*.tsv")
    for row in sheet(copy):
        if row["center"] == "teaching":
            continue
        only_tests = ["tumor"] + (["organs"] if row["organ_set"] == "test" else [])
        for path in (copy / row[role] for role in only_tests if row[role]):
            mask = volumes.read(path)
            volumes.write(path, np.zeros_like(mask.array), like=mask)
    workflow.snakemake(copy)
    assert workflow.digests(copy, "results/predictions/*/*/*.tsv") == before


def test_external_scores_come_from_the_bundle_alone(copy):
    """With every model outside the bundle gone, an external center is scored as before."""
    targets = [f"results/{f}/fold0/scores/tianjin.tsv" for f in ("fusion", "baselines")]
    targets.append("results/candidates/fold0/tianjin/chunk0.tsv")
    before = {t: (copy / t).read_bytes() for t in targets}
    for path in copy.glob("results/*/fold*/model.pt"):
        path.unlink()
    for path in (*copy.glob("results/*/model.pt"), *map(copy.joinpath, targets)):
        path.unlink()
    assert set(workflow.planned(copy, *targets)) == {"score", "candidates"}
    workflow.snakemake(copy, *targets)
    assert {t: (copy / t).read_bytes() for t in targets} == before


def test_a_hospital_with_a_packet_alone_gets_the_same_scores_and_trains_nothing(
    study, copy, tmp_path
):
    out = tmp_path / "packet"
    packet.write(study / "results/bundle", out)
    home, how = out / "study", {"code": out / "nodestage", "preset": False}
    rows = [row for row in sheet(study) if row["center"] == "tianjin"]
    for row in rows:
        for phase in ("arterial", "venous"):
            if row[phase]:
                place = Path("ours", row["patient"], f"{phase}.nii.gz")
                (home / place).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(study / row[phase], home / place)
                row[phase] = str(place)
        row["center"] = "our_hospital"
    workflow.write_sheet(home, rows)
    jobs = workflow.planned(home, **how)
    assert not [rule for rule in jobs if "train" in rule or "teacher" in rule or rule == "fit"]
    assert not {"thresholds", "freeze", "study_report", "folds"} & set(jobs)
    workflow.snakemake(home, **how)
    assert workflow.planned(home, **how) == {}
    for theirs in study.glob("results/predictions/*/*/tianjin.tsv"):
        mine = home / theirs.relative_to(study).with_name("our_hospital.tsv")
        assert mine.read_bytes() == theirs.read_bytes(), theirs
    frozen = workflow.digests(study, "results/bundle/**/*")
    cards = {name: frozen.pop(name) for name in list(frozen) if "model_card" in name}
    assert len(cards) == 2  # made from the study's results, and no part of the frozen model
    assert workflow.digests(home, "results/bundle/**/*") == frozen
    page = (home / "results/report/our_hospital.html").read_text(encoding="utf-8")
    assert "There is no comparison with the discovery center" in page or "be answered" in page
    assert "Discovery center" not in page and "simulated patients" not in page
    # What it sends back stands in the study as the center whose images the study has.
    shutil.copy2(home / "results/returned/our_hospital.tsv", copy / "sent.tsv")
    elsewhere = {"elsewhere": {"role": "external", "returned": "sent.tsv"}}
    workflow.write_config(copy, centers=workflow.read_config(copy)["centers"] | elsewhere)
    workflow.snakemake(copy, "results/report/elsewhere.html", "results/statistics/study")
    for table in ("performance", "comparisons", "roc", "calibration"):
        here = copy / f"results/statistics/tianjin/{table}.tsv"
        assert here.read_bytes() == (here.parents[1] / "elsewhere" / here.name).read_bytes(), table
    seven = tables.read(copy / "results/statistics/study/table_7.tsv")
    assert {row["center"] for row in seven} == {"elsewhere", "shengjing", "tianjin"}
    # A model that somebody exchanged on the way is found, and nothing is scored by it.
    (out / "bundle/fold0/fusion.pt").write_bytes((out / "bundle/fold1/fusion.pt").read_bytes())
    printed = workflow.snakemake(home, check=False, **how)
    assert "fold0/fusion.pt is not the file that was frozen" in printed
    (out / "bundle/fold0/fusion.pt").unlink()
    printed = workflow.snakemake(home, "--dry-run", check=False, **how)
    assert "fold0/fusion.pt" in printed and "Copy it again" in printed


OWN = """class Method:
    def __init__(self, settings, seed):
        self.settings = settings

    def fit(self, train, validation):
        return {}

    def predict(self, patients):
        return {patient: float(len(patient)) for patient in patients.names}
"""


def test_one_examination_has_the_numbers_that_the_study_has_for_it(study, tmp_path):
    """And its results go to DICOM, which is not part of what the study or a packet holds."""
    row = next(r for r in sheet(study) if r["center"] == "tianjin" and r["arterial"])
    scans = tmp_path / "scans"
    for phase, time in (("arterial", "101500"), ("venous", "101600")):
        image = volumes.read(study / row[phase])

        def change(data, k, time=time, phase=phase):
            data.AcquisitionTime = time
            data.PatientBirthDate, data.PatientSex = "19430217", "F"
            data.SeriesNumber = 4 if phase == "arterial" else 5

        dicom_series(
            scans / phase, image.array, spacing=image.spacing, origin=image.origin, signed=True,
            uid=f"1.2.3.{phase == 'venous':d}", change=change,
        )  # fmt: skip
    fields, _ = examination.in_folder(scans)
    given = examination.Examination(
        **fields, patient="P1", columns={c: row[c] for c in CLINICAL if row[c]}
    )
    shown, kept = [], tmp_path / "kept"
    record = predict(given, study / "results/bundle", tmp_path / "out", 2, kept, shown.append)
    assert json.loads((tmp_path / "out/P1.json").read_text(encoding="utf-8")) == record
    for method in METHODS:
        for part in ("ensemble", "fold0", "fold1"):
            rows = tables.read(study / f"results/predictions/{method}/{part}/tianjin.tsv")
            theirs = next(r for r in rows if r["patient"] == row["patient"])
            mine = record["methods"][method]
            if part != "ensemble":
                mine = next(one for one in mine["folds"] if f"fold{one['fold']}" == part)
            for column in ("score", "probability", "call"):
                number = tables.number(theirs[column]) if theirs[column] else None
                assert mine[column] == number, (method, part, column)
    assert set(record["methods"]) == set(METHODS)
    for fold in range(2):
        path = f"results/candidates/fold{fold}/{{}}/chunk0.tsv"
        theirs = tables.read(study / path.format("tianjin"))
        theirs = [r | {"patient": "P1"} for r in theirs if r["patient"] == row["patient"]]
        assert tables.read(kept / path.format("examination")) == theirs
    assert record["training_patients"]["distance"] > 0
    assert any("Finding lymph nodes" in line for line in shown)
    page = (tmp_path / "out/P1.html").read_text(encoding="utf-8")
    words = without_pictures(page)
    assert len(words) < len(page) and "Doe" not in words
    assert str(tmp_path) not in page and "for lymph-node metastasis" in page
    names = ["P1-viewer", "P1.html", "P1.json"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == names
    assert 'href="P1-viewer/index.html#0"' in page
    assert record["node_shares"]["fold"] == 0
    assert all(vocabulary.name("methods", method) in page for method in BEYOND)
    assert "Of what nodes add to Nodes and tumor, graph, fold 0" in page
    assert command.main(["export", str(kept), "--format", "sr", "--cores", "2"]) == 0
    seg = pydicom.dcmread(kept / "export/P1/seg/organs.dcm")
    assert (
        seg.PatientName == "Doe^Jane"
        and seg.ReferencedSeriesSequence[0].SeriesInstanceUID == "1.2.3.1"
    )
    assert (kept / "export/P1/sr/report.dcm").is_file()
    held = [p for folder in ("results", "logs") for p in (kept / folder).rglob("*") if p.is_file()]
    for path in held:
        assert path.suffix != ".dcm" and b"Doe^Jane" not in path.read_bytes()


def test_a_page_of_a_test_patient_comes_from_the_fold_that_did_not_learn_from_it(copy):
    folds = tables.read(copy / "results/cohort/folds/fold1.tsv")
    patient = next(r["patient"] for r in folds if r["subset"] == "test")
    workflow.snakemake(copy, f"results/patients/{patient}/page.html")
    record = files.read_json(copy / f"results/patients/{patient}/record.json")
    assert record["folds"] == [1]
    rows = tables.read(copy / "results/predictions/combined/fold1/changhai.tsv")
    (theirs,) = [r for r in rows if r["patient"] == patient]
    assert record["methods"]["combined"]["score"] == tables.number(theirs["score"])
    assert record["methods"]["combined"]["probability_of_folds"] is None
    printed = workflow.snakemake(copy, f"export/{patient}/seg", check=False)
    assert "NIfTI file. DICOM objects refer to the series" in printed
    printed = workflow.snakemake(copy, "results/patients/NOBODY/page.html", check=False)
    assert "NOBODY is no patient of the sample sheet" in printed


def test_a_users_method_and_estimated_ranges_travel_with_the_bundle(copy, tmp_path):
    (copy / "own.py").write_text(OWN, encoding="utf-8")
    methods = workflow.read_config(copy)["methods"] | {"mine": {"file": "own.py", "needs": []}}
    workflow.write_config(copy, attention={"ranges": "estimated"}, methods=methods)
    frozen = [
        f"results/bundle/{f}" for f in ("fold0/ranges.json", "fold1/ranges.json", "methods/mine.py")
    ]
    jobs = workflow.planned(copy)
    assert (jobs["freeze_ranges"], jobs["freeze_method"]) == (2, 1)
    workflow.snakemake(copy, *frozen, "results/bundle/fold0/mine.pt")
    assert (copy / frozen[2]).read_text(encoding="utf-8") == OWN
    assert (copy / frozen[0]).read_bytes() == (
        copy / "results/attention/ranges/fold0.json"
    ).read_bytes()
    # As the manifest would say it: nothing else of that study need run for a hospital's plan.
    manifest = files.read_json(copy / "results/bundle/manifest.json")
    shutil.copy2(copy / "results/bundle/fold0/mine.pt", copy / "results/bundle/fold1/mine.pt")
    for part in (*frozen, "results/bundle/fold0/mine.pt", "results/bundle/fold1/mine.pt"):
        manifest["sha256"][part.removeprefix("results/bundle/")] = files.digest(copy / part)
    manifest["settings"]["attention"]["ranges"] = "estimated"
    manifest["settings"]["methods"]["mine"] = {"file": "methods/mine.py", "needs": []}
    files.write_json(copy / "results/bundle/manifest.json", manifest, sort=False)
    packet.write(copy / "results/bundle", tmp_path / "packet")
    home, how = tmp_path / "packet/study", {"code": tmp_path / "packet/nodestage", "preset": False}
    rows = [row | {"center": "our_hospital"} for row in sheet(copy) if row["center"] == "tianjin"]
    for row in rows:
        row |= {phase: row[phase] and str(copy / row[phase]) for phase in ("arterial", "venous")}
    workflow.write_sheet(home, rows)
    jobs = workflow.planned(home, **how)
    assert jobs["attention_fold"] == 2 * len(rows) and "attention_ranges" not in jobs
    score = "results/mine/fold0/scores/our_hospital.tsv"
    workflow.snakemake(home, score, **how)
    assert {row["score"] for row in tables.read(home / score)} == {"5.0"}
    (home / score).unlink()
    (tmp_path / "packet/bundle/methods/mine.py").write_text(OWN + "print(1)", encoding="utf-8")
    printed = workflow.snakemake(home, score, check=False, **how)
    assert "methods/mine.py is not the file that was frozen" in printed
    assert not (home / score).exists()


def test_no_path_of_the_study_stands_in_results_or_logs(study):
    for path in [*study.glob("results/**/*"), *study.glob("logs/**/*")]:
        if path.suffix in (".json", ".tsv", ".html", ".log"):
            assert str(study) not in path.read_text(encoding="utf-8"), path


@pytest.mark.parametrize(
    "change, words",
    [
        pytest.param({"venous": "nowhere.nii.gz"}, ["venous", "patient"], id="missing file"),
        pytest.param({"center": "atlantis"}, ["center", "atlantis"], id="unknown center"),
        pytest.param({"patient": "TWIN"}, ["patient", "TWIN"], id="duplicate patient"),
        pytest.param(
            {"metastasis": "1", "pn_stage": "N0"}, ["metastasis", "pn_stage"], id="contradiction"
        ),
    ],
)
def test_a_fault_of_the_sheet_stops_the_run_before_any_job(study, tmp_path, change, words):
    rows = sheet(study)
    for row in [r for r in rows if r["center"] == "tianjin"][:2]:
        row.update(change)
    faulty = tmp_path / "faulty.tsv"
    tables.write(faulty, rows)
    printed = workflow.snakemake(
        study, "--dry-run", "--nolock", "--config", f"samples={faulty}", check=False
    )
    assert all(word in printed for word in words)
    assert "Traceback" not in printed


def test_phases_that_do_not_overlap_stop_that_patient_with_a_sentence(copy):
    row = next(r for r in sheet(copy) if r["center"] == "tianjin")
    path = copy / row["arterial"]
    image = volumes.read(path)
    away = volumes.Volume(image.array, image.spacing, (9000.0, 0.0, 0.0))
    volumes.write_volume(path, away)
    target = f"results/registration/{row['patient']}/record.json"
    printed = workflow.snakemake(copy, target, check=False)
    assert "don't overlap in space" in printed and row["patient"] in printed
    assert not (copy / target).exists()


def test_a_dicom_folder_gives_the_scores_of_the_same_scan_as_nifti(copy):
    target = "results/predictions/combined/ensemble/tianjin.tsv"
    before = (copy / target).read_bytes()
    rows = sheet(copy)
    row = next(r for r in rows if r["center"] == "tianjin" and r["arterial"])
    for phase, uid in (("arterial", "1.2.3.7"), ("venous", "1.2.3.8")):
        image = volumes.read(copy / row[phase])
        folder = copy / "scans" / "export" / phase
        dicom_series(
            folder, image.array, spacing=image.spacing, origin=image.origin, signed=True, uid=uid
        )
        row[phase] = str(folder.relative_to(copy))
    workflow.write_sheet(copy, rows)
    printed = workflow.snakemake(copy, target)
    assert (copy / target).read_bytes() == before
    assert "intake" in printed
    for path in copy.glob("results/cohort/**/*.json"):
        assert "Doe" not in path.read_text(encoding="utf-8")


@pytest.mark.skipif(not REAL.is_dir(), reason="the real CT of shared/data is not here")
@pytest.mark.parametrize("substitute", [False, True])
def test_real_scans_come_through(copy, substitute):
    """A DICOM folder (organs predicted) and a NIfTI file with another tool's organs (given)."""
    config = workflow.read_config(copy)
    given = {"spleen": 1, "liver": 5, "stomach": 6, "pancreas": 7, "aorta": 52, "duodenum": 19}
    centers = config["centers"] | {
        "dicom": {"role": "external", "substitute_phase": substitute},
        "nifti": {
            "role": "external",
            "substitute_phase": substitute,
            "organs": {"source": "given"},
            "tumor": {"source": "given"},
            "label_system": {**given, "ignore": "others"},
        },
    }
    workflow.write_config(copy, centers=centers)
    empty = dict.fromkeys(sheet(copy)[0], "")
    ct = REAL / "abdomen_ct"
    rows = [
        {**empty, "patient": "REAL1", "center": "dicom", "venous": str(REAL / "dicom_ct/CRLM-CT-1004")},
        {**empty, "patient": "REAL2", "center": "nifti", "venous": str(ct / "ct.nii.gz"),
         "organs": str(ct / "organs.nii.gz")},
    ]  # fmt: skip
    workflow.write_sheet(copy, [*sheet(copy), *rows])
    workflow.snakemake(copy, "results/report/dicom.html", "results/report/nifti.html")
    for center in ("dicom", "nifti"):
        for method in METHODS:
            (row,) = tables.read(copy / f"results/predictions/{method}/ensemble/{center}.tsv")
            if not substitute:
                assert row["reason"], method
                assert not row["score"]
            elif method.startswith("nodes_"):
                assert float(row["score"]) >= 0
            elif center == "nifti" and method in (
                "resnet2d",
                "deepten",
                "tumor_net",
                "combined",
                "resnet3d",
            ):
                assert 0 <= float(row["score"]) <= 1
            elif method == "ct_report":
                assert row["reason"]
    if substitute:
        record = files.read_json(copy / "results/registration/REAL1/record.json")
        assert record["substituted"] == "venous"
