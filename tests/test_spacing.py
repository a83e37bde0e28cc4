"""`spacing_mm: median`: taken by a job from the discovery images, frozen, and the same for everybody."""

import copy
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import workflow_study as workflow
from cohort_phantom import affine_ras, nifti, phantom
from test_cohort_sheet import row
from test_study import config, study  # noqa: F401

from nodestage import cohort
from nodestage.core import files, tables, volumes
from nodestage.core.errors import InputError
from nodestage.study import schema

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
SPACINGS = [
    (2.0, 1.5, 1.5), (2.5, 1.6, 1.6), (3.0, 1.4, 1.4), (5.0, 1.9, 1.9), (2.5, 1.7, 1.7),
    (3.0, 1.8, 1.8),
]  # fmt: skip
EXTERNAL = (1.0, 0.9, 0.9)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Six discovery patients and one external one, venous phase alone, each of its own spacing."""
    folder = tmp_path_factory.mktemp("spacing")
    rows = []
    for k, spacing in enumerate([*SPACINGS, EXTERNAL]):
        code, center = (f"P{k}", "alpha") if k < len(SPACINGS) else ("E0", "beta")
        nifti(folder / f"{code}.nii", phantom()[::2, ::2, ::2], affine_ras(spacing))
        rows.append(row(code, center, metastasis=str(k % 2)) | {"venous": f"{code}.nii"})
        rows[-1]["lymph_nodes"] = ""
    nifti(folder / "n.nii", np.zeros((12, 32, 32), "u1"), affine_ras(SPACINGS[0]))
    rows[0]["lymph_nodes"] = "n.nii"
    workflow.write_sheet(folder, rows)
    subsets = 2 * ["train"] + 2 * ["validation"] + 2 * ["test"]
    for fold in range(3):
        table = [
            {"patient": f"P{k}", "subset": subsets[(k + 2 * fold) % 6]}
            for k in range(len(SPACINGS))
        ]
        tables.write(folder / "folds" / f"fold{fold}.tsv", table)
    workflow.write_config(
        folder,
        samples="samples.tsv",
        spacing_mm="median",
        substitute_phase=True,
        centers={"alpha": {"role": "discovery"}, "beta": {"role": "external"}},
        folds={"n": 3, "inner": 0, "folder": str(folder / "folds")},
        identification={"candidates": False},
        methods={"nodes_candidates": None, "combined_candidates": None},
    )
    return folder


TARGETS = [f"results/registration/{code}/record.json" for code in ("P0", "P3", "E0")]


def replaced(path):
    """Another image of another spacing in a file's place."""
    nifti(path, phantom()[::2, ::2, ::2] + np.int16(1), affine_ras((4.0, 2.0, 2.0)))


def test_everybody_comes_onto_the_median_of_the_discovery_images(folder):
    workflow.snakemake(folder, *TARGETS)
    wanted = np.median(SPACINGS, axis=0)  # the external patient's 1 mm counts for nothing
    found = files.read_json(folder / "results/cohort/spacing.json")
    assert found["images"] == len(SPACINGS)
    np.testing.assert_allclose(found["spacing_mm"], wanted)
    assert (folder / "results/bundle/spacing.json").read_bytes() == (
        folder / "results/cohort/spacing.json"
    ).read_bytes()
    for code in ("P0", "P3", "E0"):
        laid = volumes.read(folder / f"results/registration/{code}/venous.nii.gz")
        np.testing.assert_allclose(laid.spacing, wanted, atol=1e-5)
    assert workflow.planned(folder, *TARGETS) == {}

    # A changed external image reruns that patient alone: the median isn't even looked at again.
    replaced(folder / "E0.nii")
    assert workflow.planned(folder, *TARGETS) == {"intake": 1, "register": 1}
    # A changed discovery image moves the median, and so everybody.
    replaced(folder / "P0.nii")
    planned = workflow.planned(folder, *TARGETS)
    assert planned == {"freeze_spacing": 1, "intake": 2, "register": 3, "spacing": 1}

    # Numbers in the config: no job looks for a median.
    workflow.write_config(folder, spacing_mm=[2.5, 2.0, 2.0])
    assert set(workflow.planned(folder, *TARGETS)) == {"intake", "register"}


def run(script, **given):
    """A script of the workflow, handed what Snakemake would hand it."""
    runpy.run_path(str(SCRIPTS / script), init_globals={"snakemake": SimpleNamespace(**given)})


@pytest.mark.parametrize("median", [True, False])
def test_the_manifest_holds_the_spacing_in_numbers(tmp_path, median):
    home = tmp_path / "bundle"
    parts = [home / "fold0" / "thresholds.json"]
    files.write_json(parts[0], {})
    if median:
        parts.append(home / "spacing.json")
        files.write_json(parts[1], {"spacing_mm": [2.5, 1.6, 1.6], "images": 4})
    run(
        "manifest.py",
        input=SimpleNamespace(parts=[str(p) for p in parts]),
        output=SimpleNamespace(manifest=str(home / "manifest.json")),
        params=SimpleNamespace(
            settings={"spacing_mm": "median" if median else [1.0, 2.0, 2.0]}, scoring={}
        ),
        log=[str(tmp_path / "log")],
    )
    found = files.read_json(home / "manifest.json")
    assert found["settings"]["spacing_mm"] == ([2.5, 1.6, 1.6] if median else [1.0, 2.0, 2.0])
    assert ("spacing.json" in found["sha256"]) is median


@pytest.mark.parametrize(
    "given", ["mean", None, 2.0, [1.0, 2.0], [0, 1, 1], [1, -1, 1], ["1", 1, 1], [True, 1, 1]]
)
def test_a_spacing_that_means_nothing_is_refused(config, given):  # noqa: F811
    changed = copy.deepcopy(config) | {"spacing_mm": given}
    with pytest.raises(InputError, match="spacing_mm"):
        schema.check(changed)
    assert study(config | {"spacing_mm": "median"}).settings.median_spacing


def test_the_median_is_taken_axis_by_axis():
    assert cohort.median_spacing([(5, 0.7, 0.9), (1, 0.8, 0.8), (2, 0.9, 0.7)]) == (2, 0.8, 0.8)
