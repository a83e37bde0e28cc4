"""Snakemake's own process: it keeps no thread for each job that was run."""

import subprocess
import sys
from pathlib import Path

RULES = Path(__file__).parents[1] / "workflow" / "rules" / "scheduling.smk"
JOBS = 12
# Its end tells how many timers are alive, and whether jobs a second are limited.
WORKFLOW = f"""
import threading

include: "{RULES}"

onsuccess:
    print("timers", sum(isinstance(t, threading.Timer) for t in threading.enumerate()))
    print("limited", workflow.scheduler.job_rate_limiter is not None)

rule all:
    input: expand("{{i}}.txt", i=range({JOBS}))

rule one:
    output: "{{i}}.txt"
    shell: "touch {{output}}"
"""


def told(folder, *arguments):
    """What the workflow printed at its end: {word: rest of the line}."""
    Path(folder, "Snakefile").write_text(WORKFLOW)
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--scheduler", "greedy"]
    run = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert len(list(Path(folder).glob("*.txt"))) == JOBS
    return dict(line.split(" ", 1) for line in run.stdout.splitlines() if " " in line)


def test_a_run_leaves_no_timer_for_each_of_its_jobs(tmp_path):
    found = told(tmp_path)
    assert (found["timers"], found["limited"]) == ("0", "False")


def test_a_lower_limit_that_a_user_asks_for_stays(tmp_path):
    assert told(tmp_path, "--max-jobs-per-timespan", "50/1s")["limited"] == "True"
