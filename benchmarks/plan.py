"""What it costs Snakemake to plan a large study: jobs, CPU seconds and memory of `snakemake --dry-run`.

    python benchmarks/plan.py --patients 970 --folder work/plan970

The study is made up: a sheet with two phases per patient, drawn lymph nodes in the discovery center and
masks in an auxiliary one, in the proportions of the paper, at its size (`config/paper.yaml`). Every file
that the sheet names has one byte, since a plan opens none. `--finished` also makes every file and folder
that the jobs would write and records the jobs as done, so that nothing is left to do.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import yaml

from nodestage.cohort.sheet import COLUMNS
from nodestage.core import tables
from nodestage.study.resources import ON_GPU

REPOSITORY = Path(__file__).parents[1]
# Patients of each center among 970: discovery and external as in the paper, and 30 with masks alone.
CENTERS = {"discovery": 749, "north": 132, "south": 59, "masks": 30}
ROLES = {"discovery": "discovery", "masks": "auxiliary"}
DRAWN = {"discovery": ("lymph_nodes",), "masks": ("organs", "tumor")}
ORGAN_SETS = ("train", "train", "validation", "test")  # of every tenth discovery patient


def rows(patients):
    """Rows of the sheet of about so many patients."""
    for center, share in CENTERS.items():
        for i in range(round(share * patients / sum(CENTERS.values()))):
            row = dict.fromkeys(COLUMNS, "")
            row |= {"patient": f"{center[0].upper()}{i:05d}", "center": center}
            row |= {"metastasis": str(i % 2)} if center != "masks" else {}
            masks = list(DRAWN.get(center, ()))
            if center == "discovery" and i % 10 == 0:
                masks.append("organs")
                row["organ_set"] = ORGAN_SETS[i // 10 % len(ORGAN_SETS)]
            for column in ("arterial", "venous", *masks):
                row[column] = f"scans/{row['patient']}/{column}.nii.gz"
            yield row


def make(folder, patients):
    """Write sheet, config and images of one byte; nothing if they are there."""
    if (folder / "config.yaml").exists():
        return
    sheet = list(rows(patients))
    for row in sheet:
        for column in ("arterial", "venous", "organs", "tumor", "lymph_nodes"):
            if row[column]:
                path = folder / row[column]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(b"\0")  # an empty file is refused
    tables.write(folder / "samples.tsv", sheet, COLUMNS)
    centers = {name: {"role": ROLES.get(name, "external")} for name in CENTERS}
    # Without GPUs jobs can be recorded as done on any machine; a plan costs the same.
    jobs = {kind: {"gpu": 0} for kind in ON_GPU}
    config = {"samples": "samples.tsv", "centers": centers, "title": "A plan", "jobs": jobs}
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


def finish(folder):
    """Make all that the jobs would write, and let Snakemake record the jobs as done."""
    printed, *_ = snakemake(folder, "--summary", "--nolock")
    for name in re.findall(r"^(results/[^\t]+)\t", printed, re.M):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix:
            path.write_bytes(b"\0")
        else:
            path.mkdir(exist_ok=True)
    snakemake(folder, "--touch", "--forceall", "--quiet", "all")


def snakemake(folder, *arguments):
    """Run the workflow in the folder; give what it printed, its CPU seconds and its memory in MB."""
    command = [sys.executable, "-m", "snakemake", "--directory", folder, "--cores", "2"]
    command += ["--snakefile", REPOSITORY / "workflow/Snakefile"]
    command += ["--configfile", REPOSITORY / "config/paper.yaml", folder / "config.yaml"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*map(str, command), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout + done.stderr, seconds, after.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=970)
    parser.add_argument("--folder", type=Path, required=True, help="where the study is made")
    parser.add_argument("--finished", action="store_true", help="plan when all is there")
    options = parser.parse_args()
    folder = options.folder.absolute()
    make(folder, options.patients)
    if options.finished:
        finish(folder)
    printed, seconds, memory = snakemake(folder, "--dry-run", "--quiet", "rules", "--nolock")
    jobs = re.search(r"^total +(\d+)$", printed, re.M)
    print("patients\tjobs\tCPU s\tMB")
    print(f"{options.patients}\t{jobs[1] if jobs else 0}\t{seconds:.1f}\t{memory:.0f}")


if __name__ == "__main__":
    main()
