"""A small study with a sample sheet of its own, and the workflow run on it as a user would."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import yaml

from nodestage import simulator
from nodestage.cohort.sheet import COLUMNS
from nodestage.core import tables

REPOSITORY = Path(__file__).parents[1]
PATIENTS = {"changhai": 12, "shengjing": 4, "tianjin": 3, "teaching": 2}


def make(folder, patients=PATIENTS, prevalence=0.5):
    """Write simulated images, `samples.tsv` and `config.yaml` into `folder`; give the sheet's rows.

    `patients` says how many each center has; centers that it leaves out take no part. `prevalence` is that of the
    discovery center.
    """
    text = (REPOSITORY / "config/simulator.yaml").read_text(encoding="utf-8")
    settings = yaml.safe_load(text)["simulator"]
    settings |= {"grid": [36, 54, 71], "spacing": [4.4, 3.6, 3.6]}
    settings["centers"] = {name: settings["centers"][name] for name in patients}
    for name, center in settings["centers"].items():
        center["patients"] = patients[name]
        center["prevalence"] = 0.5
        center.pop("spacing", None)
    settings["centers"]["changhai"]["prevalence"] = prevalence
    settings["centers"]["changhai"]["labels"]["organs"] = {"train": 3, "validation": 1, "test": 2}
    rows = simulator.sheet(settings, seed=3)
    for row in rows:
        patient = simulator.simulate_patient(3, row, simulator.patient_settings(settings, row))
        places = [folder / "scans" / kind / row["patient"] for kind in ("images", "drawn", "truth")]
        simulator.write_patient(patient, *places)
        for column in ("arterial", "venous"):
            row[column] = row[column] and f"scans/images/{row['patient']}/{column}.nii.gz"
        for column in ("organs", "tumor", "lymph_nodes"):
            row[column] = row[column] and f"scans/drawn/{row['patient']}/{column}.nii.gz"
    write_sheet(folder, rows)
    kept = ("role", "mask_phase", "annotated")
    centers = {
        name: {key: center[key] for key in kept if key in center}
        for name, center in settings["centers"].items()
    }
    write_config(folder, title="A small study", samples="samples.tsv", seed=3, centers=centers)
    return rows


def write_sheet(folder, rows):
    tables.write(folder / "samples.tsv", rows, [c for c in COLUMNS if c in rows[0]])


def write_config(folder, **changes):
    """Lay `changes` over the study's config."""
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(yaml.safe_dump(config | changes), encoding="utf-8")


def snakemake(folder, *arguments, check=True, code=REPOSITORY, preset=True):
    """Run the workflow in `folder`; give what it printed.

    `code` is where nodestage lies; `preset` lays the small settings under the study's config.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", Path(code, "workflow/Snakefile")]
    small = [Path(__file__).with_name("small.yaml")] if preset else []
    command += ["--configfile", *small, folder / "config.yaml"]
    command += ["--directory", folder, "--cores", "2"]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [*map(str, command), *arguments],
        capture_output=True,
        text=True,
        env=environment | {"OMP_NUM_THREADS": "1"},
    )
    printed = done.stdout + done.stderr
    if check and done.returncode:
        raise AssertionError(printed[-6000:])
    return printed


def planned(folder, *targets, **how):
    """{rule: number of jobs} that a dry run lists."""
    printed = snakemake(folder, "--dry-run", "--quiet", "rules", "--nolock", *targets, **how)
    found = re.findall(r"^([a-z_0-9]+) +(\d+)$", printed.partition("Job stats:")[2], re.M)
    return {rule: int(n) for rule, n in found if rule not in ("total", "all")}


def read_config(folder):
    return yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))


def digests(folder, pattern, hidden=False):
    """{file: digest} of a study's files that fit a pattern; `hidden`: those whose name begins with a point, too."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.glob(pattern))
        if path.is_file() and (hidden or not path.name.startswith("."))
    }
