"""Files of the workflow itself: read whole, or refused in a sentence; a disk that refuses ends in one, too."""

import os
import resource
import shutil
import subprocess

import numpy as np
import pytest
import torch

from nodestage.core import checkpoints, disks, files, logs, predictions, seals, tables, volumes
from nodestage.core.errors import InputError
from nodestage.study import run
from nodestage.tumor import slices

ROWS = [{"patient": f"P{i}", "method": "radiomics", "score": i / 8} for i in range(8)]


def half(path):
    """Cut a table to half of its lines, each whole."""
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]), encoding="utf-8")


def test_a_table_cut_at_the_end_of_a_line_is_not_read(tmp_path):
    path = tmp_path / "scores.tsv"
    tables.write(path, ROWS)
    assert len(tables.read(path)) == 8
    half(path)
    with pytest.raises(InputError, match=r"scores.tsv is not as it was written .* run again"):
        tables.read(path)
    tables.write(path, ROWS[:4])  # a new one has its own digest
    assert len(tables.read(path)) == 4


def test_without_a_digest_the_patients_are_counted(tmp_path):
    path = tmp_path / "scores.tsv"
    tables.write(path, ROWS)
    seals.remove(path)
    half(path)
    people = [row["patient"] for row in ROWS]
    with pytest.raises(InputError, match=r"no row for 5 of 8 patients \(P3 …\)"):
        tables.read_patients(path, people)
    with pytest.raises(InputError, match=r"scores\.tsv has no row for 5 of 8"):
        predictions.read_scores([path], ["radiomics"], people)
    path.write_text("patient\tmethod\tscore\n", encoding="utf-8")
    with pytest.raises(InputError, match="No score table has a row of radiomics"):
        predictions.read_scores([path], ["radiomics"], people)


def test_a_replaced_file_forgets_the_digest_of_the_one_before(tmp_path):
    path = tmp_path / "thresholds.json"
    files.write_json(path, {"a": 1})
    seals.add(path)
    files.write_json(path, {"a": 2})
    assert files.read_json(path) == {"a": 2} and not seals.of(path).exists()


def test_what_a_killed_process_left_is_removed_and_what_others_write_stays(tmp_path):
    with subprocess.Popen(["true"]) as ended:
        ended.wait()
    for process in (ended.pid, os.getppid()):
        for name in ("venous.nii.gz", "P1-venous.nii.gz"):
            (tmp_path / f".part{process}-{name}").write_bytes(b"half")
    files.write_text(tmp_path / "venous.nii.gz", "whole")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {
        "venous.nii.gz",
        f".part{os.getppid()}-venous.nii.gz",
        f".part{os.getppid()}-P1-venous.nii.gz",
        f".part{ended.pid}-P1-venous.nii.gz",
    }


def test_records_and_arrays_that_were_cut_are_named(tmp_path):
    record, views = tmp_path / "record.json", tmp_path / "views.npz"
    files.write_json(record, {"failed": False, "reason": ""})
    slices.write(views, {"usable": True, "reason": "", "source": "x", "crop": np.arange(5000)})
    for path, read in ((record, files.read_json), (views, slices.read)):
        read(path)
        content = path.read_bytes()
        path.write_bytes(content[: len(content) // 2])
        with pytest.raises(InputError, match=f"{path.name} can't be read .* run again"):
            read(path)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.pt"
    value = {"weights": {f"layer{i}": torch.rand(40) for i in range(4)}, "threshold": 0.25}
    checkpoints.save(path, value)
    return path


@pytest.mark.parametrize("mmap", [False, True])
def test_any_flipped_byte_of_a_model_is_seen(model, tmp_path, mmap):
    content, path = model.read_bytes(), tmp_path / "model.pt"
    path.write_bytes(content)
    assert checkpoints.load(path, mmap=mmap)["threshold"] == 0.25
    for place in [*range(0, len(content), 37), *range(len(content) - 90, len(content))]:
        changed = bytearray(content)
        changed[place] ^= 0x10
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"model.pt (has a changed byte|is cut short).*Delete"):
            checkpoints.load(path, mmap=mmap)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_cut_model_is_named(model, tmp_path, share):
    content = model.read_bytes()
    (tmp_path / "model.pt").write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        InputError, match=r"model\.pt (is cut short|has a changed byte).* run again"
    ):
        checkpoints.load(tmp_path / "model.pt")


def test_a_model_without_a_digest_is_held_against_its_checksums(tmp_path):
    path = tmp_path / "model.pt"
    torch.save({"weights": torch.zeros(3000)}, path)
    assert checkpoints.load(path)["weights"].shape == (3000,)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match="has a changed byte"):
        checkpoints.load(path)


WRITERS = {
    "an image": lambda path: volumes.write_volume(
        path.with_suffix(".nii.gz"), volumes.Volume(_noise((20, 80, 80)), (1.0, 1.0, 1.0))
    ),
    "an image, not packed": lambda path: volumes.write_volume(
        path.with_suffix(".nii"), volumes.Volume(_noise((20, 80, 80)), (1.0, 1.0, 1.0))
    ),
    "a model": lambda path: checkpoints.save(path, {"a": torch.from_numpy(_noise(200_000))}),
    "views": lambda path: slices.write(path, {"a": _noise(200_000)}),
    "a table": lambda path: tables.write(path, [{"a": int(v)} for v in _noise(50_000)]),
    "a record": lambda path: files.write_json(path, _noise(50_000).tolist()),
}


def _noise(shape):
    return np.random.default_rng(0).integers(-1000, 1000, shape).astype(np.int16)


@pytest.mark.parametrize("what", WRITERS)
def test_a_full_disk_ends_in_one_sentence_and_leaves_nothing_that_counts_as_done(
    tmp_path, what, capsys
):
    """A limit on a file's size refuses bytes as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(logs.Failed), logs.to(tmp_path / "job.log"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        try:
            WRITERS[what](tmp_path / "results/made")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert capsys.readouterr().err == f"Error: {disks.NO_SPACE}\n"
    assert disks.NO_SPACE in (tmp_path / "job.log").read_text(encoding="utf-8")
    assert not [p for p in (tmp_path / "results").iterdir() if not p.name.startswith(".")]


def test_a_log_that_cant_be_written_ends_in_one_sentence(tmp_path, capsys):
    (tmp_path / "logs").write_text("a file where a folder belongs")
    with pytest.raises(logs.Failed), logs.to(tmp_path / "logs/job.log"):
        pytest.fail("the job should not begin")
    assert capsys.readouterr().err.startswith("Error: ")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None or os.geteuid() != 0, reason="only root mounts")
def test_read_only_and_full_folders_stop_before_snakemake(tmp_path, capsys):
    study = tmp_path / "study"
    study.mkdir()
    for options, words in (("ro", "is read-only"), ("size=2m", "is full")):
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(study)], capture_output=True
        )
        if mounted.returncode:
            pytest.skip("no file system can be mounted here")
        try:
            assert run.main(["--study", str(study), "--preset", "config/config.yaml"]) == 1
        finally:
            subprocess.run(["umount", str(study)], check=True)
        assert words in capsys.readouterr().err
    assert not disks.fault_of(study) and not disks.fault_of(tmp_path / "absent")
