"""Volumes on disk, and what is left of them when a job dies."""

import numpy as np
import pytest

from nodestage.core import files, tables, volumes
from nodestage.core.errors import InputError


@pytest.fixture
def volume():
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    return volumes.Volume(array, (2.5, 0.7, 0.6), (1.0, -2.0, 3.0))


def test_a_volume_comes_back_with_its_place(volume, tmp_path):
    volumes.write_volume(tmp_path / "a.nii.gz", volume)
    back = volumes.read(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(back.array, volume.array)
    assert volumes.same_grid(back, volume)


def test_a_cut_file_is_refused_and_the_message_says_what_to_do(volume, tmp_path):
    path = tmp_path / "a.nii.gz"
    noise = np.random.default_rng(0).integers(-999, 999, (20, 30, 40)).astype(np.int16)
    volumes.write_volume(path, volumes.Volume(noise, (1, 1, 1)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cut short"):
        volumes.read(path)


def test_a_failed_write_leaves_nothing_and_an_older_file_stays(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(RuntimeError), files.whole(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    with pytest.raises(RuntimeError), files.whole_folder(tmp_path / "folder") as folder:
        (folder / "a").write_text("half")
        raise RuntimeError
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]
    assert path.read_text() == "old"


def test_numbers_come_back_from_a_table_to_the_last_digit(tmp_path):
    rows = [{"a": 1 / 3, "b": None, "c": True}, {"a": float("nan"), "b": "x\ty", "c": np.int64(3)}]
    tables.write(tmp_path / "t.tsv", rows)
    back = tables.read(tmp_path / "t.tsv")
    assert tables.number(back[0]["a"]) == 1 / 3
    assert back[1] == {"a": "", "b": "x\ty", "c": "3"}
    assert tables.header(tmp_path / "t.tsv") == ["a", "b", "c"]
