"""What a study lacks is reported by `make check`, and before any job."""

import numpy as np
import pytest
import workflow_study as workflow
import yaml
from cohort_phantom import nifti, phantom
from study_config import study, with_rows

from nodestage.cohort import COLUMNS
from nodestage.core import tables
from nodestage.study import check, lacking, outline

CENTERS = {"ours": {"role": "discovery"}, "elsewhere": {"role": "external"}}
MASK = np.zeros((3, 8, 8), np.uint8)
MASK[1, 2:5, 2:5] = 1
GIVEN = {"organs": {"source": "given"}, "tumor": {"source": "given"}}


def changed(config, change):
    """The default study with each of its rows updated by `change(row)`."""
    return with_rows(config, lambda row: row.update(change(row) or {}))


def without(column, role):
    return lambda row: {column: ""} if row["patient"].startswith(role) else None


def test_nothing_lacks_in_the_default_study(config):
    assert lacking.faults(study(config)) == []


@pytest.mark.parametrize(
    "change, words",
    [
        (without("organs", "TE"), "organ masks of teaching, where no patient has one"),
        (without("organs", "CH"), "organ masks of changhai, where no patient has one"),
        (without("organ_set", "CH"), "has the `organ_set` train"),
        (without("tumor", "TE"), "tumor masks of teaching, where no patient has one"),
        (without("arterial", "TE"), "none can be used (arterial phase missing: 8)"),
        (without("lymph_nodes", "CH"), "lymph-node masks of changhai, where no patient has one"),
        (without("arterial", "CH"), "but none can be used (arterial phase missing: 64)"),
        (lambda row: {"tumor": "x"}, "every patient of changhai has a drawn one"),
    ],
)
def test_missing_training_patients_are_named_with_the_fix(config, change, words):
    faults = lacking.faults(changed(config, change))
    assert any(words in sentence for sentence in faults), faults


def test_a_missing_phase_names_the_switch_that_fixes_it(config):
    faults = lacking.faults(changed(config, without("arterial", "CH")))
    assert any("`substitute_phase: true`" in sentence for sentence in faults)
    config["substitute_phase"] = True
    assert lacking.faults(changed(config, without("arterial", "CH"))) == []


def test_masks_of_the_discovery_center_are_no_auxiliary_centers(config):
    del config["simulator"]["centers"]["teaching"]
    faults = lacking.faults(study(config))
    assert len(faults) == 2 and all("no center has the role auxiliary" in text for text in faults)
    config |= {what: config[what] | source for what, source in GIVEN.items()}
    assert lacking.faults(study(config)) == []


def test_folds_without_annotated_training_patients_are_named(config):
    kept = study(config).folds.subset(0, "train")[0]
    made = changed(config, lambda r: {} if r["patient"] == kept else {"lymph_nodes": ""})
    without_kept = [k for k in made.folds if kept not in made.folds.subset(k, "train")]
    text = "\n".join(lacking.faults(made))
    assert f"fold {without_kept[0]}: none of the training patients" in text
    assert "with `folds.inner: 2` a network has no training patient" in text


@pytest.fixture
def folder(tmp_path):
    """A user's small study, as `make check` reads it."""
    rows = []
    for k in range(10):
        made = dict.fromkeys(COLUMNS, "")
        made |= {"patient": f"P{k}", "center": "ours" if k < 8 else "elsewhere"}
        made |= {"metastasis": str(k % 2) if k < 8 else ""}
        columns = ("arterial", "venous") if k < 9 else ("venous",)
        if k < 8:
            columns += ("lymph_nodes",)
        for place, column in enumerate(columns):
            made[column] = f"{column}{k}.nii.gz"
            voxels = phantom()[:3, :8, :8] + 3 * k + place
            nifti(tmp_path / made[column], MASK if column == "lymph_nodes" else voxels)
        rows.append(made | {"organs": made["lymph_nodes"] and ""})
    tables.write(tmp_path / "samples.tsv", rows, COLUMNS)
    write(tmp_path)
    return tmp_path


def write(folder, **more):
    text = {"samples": "samples.tsv", "centers": CENTERS, **more}
    (folder / "config.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")


def checked(folder, capsys):
    code = check.main([str(folder / "config.yaml")])
    return code, "".join(capsys.readouterr())


def test_make_check_reports_folds_and_networks_without_training_patients(folder, capsys):
    write(folder, folds={"n": 5})
    code, printed = checked(folder, capsys)
    assert code == 1 and "no fault" not in printed
    assert "4 patients with metastasis and 4 without; 5 folds need at least" in printed
    assert "no center has the role auxiliary" in printed


@pytest.mark.slow
def test_make_check_and_the_workflow_say_the_same(folder):
    printed = workflow.snakemake(folder, "--dry-run", "--nolock", check=False, preset=False)
    assert "4 patients with metastasis and 4 without" in printed and "Traceback" not in printed


def test_a_good_study_is_listed_in_one_line_per_center(folder, capsys):
    rows = tables.read(folder / "samples.tsv")
    for row in rows:
        row["organs"] = row["venous"] if row["patient"] != "P5" else ""
    for row in rows:
        if row["organs"]:
            row["organs"] = f"organs_{row['patient']}.nii.gz"
            row["organ_set"] = "test"
            nifti(folder / row["organs"], MASK)
    tables.write(folder / "samples.tsv", rows, COLUMNS)
    write(folder, folds={"n": 4, "inner": 0}, **GIVEN)
    code, printed = checked(folder, capsys)
    assert code == 0, printed
    assert (
        "ours (discovery): 8 patients; metastasis: 4 positive, 4 negative, 0 unknown; both phases: 8; "
        "masks: organs 7, tumor 0, lymph nodes 8; unscored: 1 (no organ mask was given: 1)"
    ) in printed
    assert (
        "elsewhere (external): 2 patients; metastasis: 0 positive, 0 negative, 2 unknown" in printed
    )
    assert "unscored: 1 (arterial phase missing: 1)" in printed
    assert "`metastasis` is empty for all" in printed


def test_the_default_study_in_lines(config):
    text = "\n".join(outline.lines(study(config)))
    assert "changhai (discovery): 64 patients; metastasis: 30 positive, 34 negative" in text
    assert "unscored: 1 (arterial phase missing: 1)" in text
    assert "teaching (auxiliary): 16 patients; both phases: 16; masks: organs 8, tumor 16" in text
