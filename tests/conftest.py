"""Order of the tests, which of them are slow, and the fixtures that several modules share."""

import shutil
import sys
from pathlib import Path

import browser
import pytest

ROOT = Path(__file__).parents[1]

# Modules that start Snakemake, train a network or register volumes; `make test-fast` leaves them out, and so
# it does single tests of other modules that are marked `slow`.
SLOW = {
    "test_bad_patients",
    "test_baselines",
    "test_candidates",
    "test_cluster",
    "test_entry",
    "test_fusion",
    "test_gpus",
    "test_identification",
    "test_killed_runs",
    "test_killed_training",
    "test_lymph_nodes",
    "test_nnunet",
    "test_organs",
    "test_pictures",
    "test_privacy",
    "test_quality",
    "test_registration",
    "test_registration_failures",
    "test_report",
    "test_reruns",
    "test_resolution",
    "test_returned",
    "test_scheduling",
    "test_simulator",
    "test_slurm",
    "test_snakemake_report",
    "test_spacing",
    "test_tiny_nodes",
    "test_tumor_masks",
    "test_use_conda",
    "test_viewer",
    "test_workflow",
    "test_workflow_teachers",
}


def pytest_collection_modifyitems(items):
    """The whole workflow first: it takes longest, and beside it another process runs all the rest."""
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not item.path.name.startswith("test_workflow"))


@pytest.fixture
def config():
    """The default study's config, of a test's own to change."""
    import yaml
    from study_config import CONFIG

    default, simulator = (
        yaml.safe_load((CONFIG / name).read_text(encoding="utf-8"))
        for name in ("config.yaml", "simulator.yaml")
    )
    return default | simulator


@pytest.fixture
def frozen(tmp_path, config):
    """A bundle's folder, with a few bytes in place of a model's weights."""
    from study_config import METHOD, study

    import nodestage
    from nodestage.core import files

    config["methods"]["mine"] = {"file": "methods/mine.py", "needs": []}
    config["folds"]["n"] = 5
    folder = tmp_path / "bundle"
    parts = ["organs.pt", "tumor.pt", "methods/mine.py"]
    parts += [f"fold{k}/{part}" for k in range(5) for part in ("fusion.pt", "thresholds.json")]
    for part in parts:
        files.write_text(folder / part, METHOD if part.endswith(".py") else part)
    files.write_json(
        folder / "manifest.json",
        {
            "nodestage": nodestage.__version__,
            "code": {"register": "0123"},
            "sha256": {part: files.digest(folder / part) for part in parts},
            "settings": study(config).facts.bundle_settings(),
        },
        sort=False,
    )
    return folder


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The Makefile with this Python in place of its virtual environment."""
    folder = tmp_path_factory.mktemp("repository")
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    for name in ("config", "workflow", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    (folder / ".venv" / "bin").mkdir(parents=True)
    stand_ins = {"python": f'exec {sys.executable} "$@"', "snakemake": "echo snakemake was called"}
    for name, line in stand_ins.items():
        (folder / ".venv" / "bin" / name).write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
        (folder / ".venv" / "bin" / name).chmod(0o755)
    (folder / ".venv" / "ready").touch()
    return folder


@pytest.fixture(scope="module")
def spacing_study(tmp_path_factory):
    """Six discovery patients and one external one, venous phase alone, each of its own spacing."""
    import numpy as np
    import workflow_study as workflow
    from cohort_phantom import affine_ras, nifti, phantom
    from sheet_rows import row
    from study_config import EXTERNAL, SPACINGS

    from nodestage.core import tables

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
        methods=dict.fromkeys(("nodes_candidates", "combined_candidates", "combined_radiomics")),
    )
    return folder


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A headless browser, where there is one."""
    if not browser.found():
        pytest.skip("no Chromium here: `apt-get install chromium` to test the page in a browser")
    with browser.Browser(tmp_path_factory.mktemp("profile")) as running:
        yield running
