"""Identifiers planted wherever a hospital's files have room for text.

Two patients' DICOM folders and masks, one of them faulty, go through intake, registration, views,
features, maps and the page about the images. Nothing of what was planted is in any file that the
workflow wrote, unpacked ones included.
"""

import gzip
import io
import re
import zipfile

import numpy as np
import pytest
import workflow_study as workflow
from cohort_phantom import CUBE, SHAPE, dicom_series, nifti
from dicom_phantom import CANARY, plant
from sheet_rows import row

from nodestage.core import tables

PLANTED = (CANARY.encode(), b"19430217", b"194302.17")
PATIENT, FAULTY = "S1", "S2"


def contents(path):
    """(what, bytes) of a file, and of what is packed in it."""
    raw = path.read_bytes()
    yield path.name, path.name.encode()
    yield str(path), raw
    if raw[:2] == b"\x1f\x8b":
        yield str(path), gzip.decompress(raw)
    if zipfile.is_zipfile(io.BytesIO(raw)):
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            for name in packed.namelist():
                yield f"{path}:{name}", packed.read(name)


@pytest.fixture(scope="module")
def ran(spacing_study):
    """The study with a hospital's exports, after a run; and what the run printed."""
    folder = spacing_study
    organs, tumor = np.zeros(SHAPE, "u1"), np.zeros(SHAPE, "u1")
    organs[10:20, 18:30, 30:45] = 11
    organs[:, 36:41, 28:33] = 8
    tumor[CUBE] = 1
    rows = tables.read(folder / "samples.tsv")
    for patient in (PATIENT, FAULTY):
        home = folder / f"{CANARY} {patient} 19430217"
        keep = [k for k in range(24) if k != 9] if patient == FAULTY else None
        dicom_series(
            home / CANARY, change=plant, keep=keep, names=lambda k: f"{CANARY}{k}.dcm",
            uid=f"1.2.826.19430217.{patient[1]}",
        )  # fmt: skip
        mine = row(patient, "gamma", metastasis="1") | {"venous": f"{home.name}/{CANARY}"}
        for role, mask in (("organs", organs), ("tumor", tumor)):
            name = f"{CANARY}_{role}.nii.gz"
            nifti(home / name, mask, text=b"CANARY 19430217")
            mine[role] = f"{home.name}/{name}"
        rows.append({**dict.fromkeys(rows[0], ""), **mine, "lymph_nodes": "", "organ_set": ""})
    columns = list(dict.fromkeys(key for r in rows for key in r))
    tables.write(folder / "samples.tsv", rows, columns)
    given = {"source": "given"}
    centers = workflow.read_config(folder)["centers"]
    centers["gamma"] = {"role": "external", "organs": given, "tumor": given}
    workflow.write_config(folder, centers=centers, spacing_mm=[2.5, 1.5, 1.5])
    printed = workflow.snakemake(
        folder,
        "--keep-going",
        f"results/tumor/slices/{PATIENT}.npz",
        f"results/baselines/radiomics/{PATIENT}.tsv",
        f"results/attention/table/{PATIENT}.nii.gz",
        f"results/cohort/{FAULTY}/venous.nii.gz",
        check=False,
    )
    # The faulty one is taken out, as its message asks, and the page is made of the other.
    tables.write(folder / "samples.tsv", [r for r in rows if r["patient"] != FAULTY], columns)
    printed += workflow.snakemake(folder, "results/report/qc/gamma.html")
    return folder, printed


def test_nothing_that_was_planted_is_in_any_file(ran):
    home, _ = ran
    looked = [p for top in ("results", "logs") for p in (home / top).rglob("*") if p.is_file()]
    kinds = {"".join(path.suffixes) for path in looked}
    assert {".nii.gz", ".json", ".npz", ".tsv", ".html", ".log"} <= kinds
    assert (home / "results/report/qc/gamma.html").exists()
    for path in looked:
        for what, content in contents(path):
            for word in PLANTED:
                assert word not in content, f"{word} in {what}"


def test_the_faulty_patient_is_told_of_by_code_column_and_finding(ran):
    home, printed = ran
    said = re.search(rf"Error: {FAULTY}: venous: .*1 slice missing.*", printed)
    assert said and CANARY not in said.group()
    log = (home / f"logs/cohort/intake/{FAULTY}.venous.log").read_text(encoding="utf-8")
    assert said.group() in log


def test_what_was_planted_would_be_found(tmp_path):
    """The search itself: plain, packed, and in the name of a file."""
    (tmp_path / "a.nii.gz").write_bytes(gzip.compress(b"x CANARY x"))
    np.savez_compressed(tmp_path / "b.npz", reason=np.bytes_(b"CANARY"))
    (tmp_path / "CANARY.txt").write_text("nothing")
    for path in tmp_path.iterdir():
        assert any(CANARY.encode() in content for _, content in contents(path)), path
