"""A folder of a study, and how tests call `make`."""

import os
import subprocess
from pathlib import Path

from nodestage.cohort import COLUMNS
from nodestage.core import tables

ROOT = Path(__file__).parents[1]


def make(repository, *words):
    environment = os.environ | {"PYTHONPATH": str(ROOT / "workflow" / "lib")}
    done = subprocess.run(
        ["make", *map(str, words)], cwd=repository, capture_output=True, text=True, env=environment
    )
    printed = done.stdout + done.stderr
    assert "Traceback" not in printed, printed
    return done.returncode, printed


def begun(folder, text, rows=()):
    folder.mkdir()
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    tables.write(folder / "samples.tsv", list(rows), COLUMNS)
    return folder
