"""`spacing_mm: median`: taken by a job from the discovery images, frozen, and the same for everybody."""

import copy
import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import workflow_study as workflow
from cohort_phantom import affine_ras, nifti, phantom
from study_config import SPACINGS, study

from nodestage import cohort
from nodestage.core import files, volumes
from nodestage.core.errors import InputError
from nodestage.study import schema

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
TARGETS = [f"results/registration/{code}/record.json" for code in ("P0", "P3", "E0")]


def replaced(path):
    """Another image of another spacing in a file's place."""
    nifti(path, phantom()[::2, ::2, ::2] + np.int16(1), affine_ras((4.0, 2.0, 2.0)))


def test_everybody_comes_onto_the_median_of_the_discovery_images(spacing_study):
    workflow.snakemake(spacing_study, *TARGETS)
    wanted = np.median(SPACINGS, axis=0)  # the external patient's 1 mm counts for nothing
    found = files.read_json(spacing_study / "results/cohort/spacing.json")
    assert found["images"] == len(SPACINGS)
    np.testing.assert_allclose(found["spacing_mm"], wanted)
    assert (spacing_study / "results/bundle/spacing.json").read_bytes() == (
        spacing_study / "results/cohort/spacing.json"
    ).read_bytes()
    for code in ("P0", "P3", "E0"):
        laid = volumes.read(spacing_study / f"results/registration/{code}/venous.nii.gz")
        np.testing.assert_allclose(laid.spacing, wanted, atol=1e-5)
    assert workflow.planned(spacing_study, *TARGETS) == {}

    # A changed external image reruns that patient alone: the median isn't even looked at again.
    replaced(spacing_study / "E0.nii")
    assert workflow.planned(spacing_study, *TARGETS) == {"intake": 1, "register": 1}
    # A changed discovery image moves the median, and so everybody.
    replaced(spacing_study / "P0.nii")
    planned = workflow.planned(spacing_study, *TARGETS)
    assert planned == {"freeze_spacing": 1, "intake": 2, "register": 3, "spacing": 1}

    # Numbers in the config: no job looks for a median.
    workflow.write_config(spacing_study, spacing_mm=[2.5, 2.0, 2.0])
    assert set(workflow.planned(spacing_study, *TARGETS)) == {"intake", "register"}


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
def test_a_spacing_that_means_nothing_is_refused(config, given):
    changed = copy.deepcopy(config) | {"spacing_mm": given}
    with pytest.raises(InputError, match="spacing_mm"):
        schema.check(changed)
    assert study(config | {"spacing_mm": "median"}).settings.median_spacing


def test_the_median_is_taken_axis_by_axis():
    assert cohort.median_spacing([(5, 0.7, 0.9), (1, 0.8, 0.8), (2, 0.9, 0.7)]) == (2, 0.8, 0.8)
