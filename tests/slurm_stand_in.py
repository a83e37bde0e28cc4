"""Stand-ins for Slurm's commands: jobs run on this machine, and go wrong as a plan says.

`install(folder, plan)` puts `sbatch`, `srun`, `squeue`, `sacct`, `sinfo`, `scontrol` and
`scancel` into `folder/bin`, for a PATH. `plan` may hold

- `squeue_fails`: how many of the next calls of `squeue` find no controller
- `needs`: {rule: {"mem_mb": n, "minutes": n}}; a job that asks for less is killed, with the
  state OUT_OF_MEMORY or TIMEOUT, as the node would do it
- `late`: {path: seconds}; a job's output that the others see only so long after the job ended

`jobs(folder)` tells what was asked for and what came of it. Accounting is switched off:
`sacct` says so and fails.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

COMMANDS = ("sbatch", "srun", "squeue", "sacct", "sinfo", "scontrol", "scancel")


def install(folder, plan=None):
    """Make the commands; give the environment in which they are found."""
    (folder / "bin").mkdir(parents=True)
    (folder / "jobs").mkdir()
    (folder / "plan.json").write_text(json.dumps(plan or {}))
    for name in COMMANDS:
        path = folder / "bin" / name
        path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" {name} "{folder}" "$@"\n')
        path.chmod(0o755)
    return {"PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def jobs(folder):
    """What every job asked for (`rule`, `mem_mb`, `minutes`) and its `state`, in order."""
    paths = sorted((folder / "jobs").glob("[0-9]*.json"), key=lambda path: int(path.stem))
    return [json.loads(path.read_text()) for path in paths]


def put(folder, job):
    temporary = folder / "jobs" / f".{job['id']}"
    temporary.write_text(json.dumps(job))
    temporary.replace(folder / "jobs" / f"{job['id']}.json")


def sbatch(folder, arguments):
    parser = argparse.ArgumentParser()
    for option in ("--job-name", "--output", "--comment", "--wrap", "--mem", "-t", "-D", "-p"):
        parser.add_argument(option)
    given, _ = parser.parse_known_args(arguments)
    number = 1 + len(jobs(folder))
    job = {
        "id": number,
        "name": given.job_name,
        "rule": re.sub("^(rule|group)_|_wildcards_.*$", "", given.comment),
        "mem_mb": int(given.mem),
        "minutes": int(given.t),
        "call": given.wrap,
        "folder": given.D,
        "state": "PENDING",
    }
    put(folder, job)
    with open(given.output.replace("%j", str(number)), "w") as log:
        subprocess.Popen(
            [sys.executable, __file__, "node", str(folder), str(number)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    print(number)


def node(folder, arguments):
    """Run one job, or kill it for what it did not ask for."""
    job = jobs(folder)[int(arguments[0]) - 1]
    put(folder, job | {"state": "RUNNING"})
    plan = json.loads((folder / "plan.json").read_text())
    needs = plan.get("needs", {}).get(job["rule"], {})
    if job["mem_mb"] < needs.get("mem_mb", 0):
        state = "OUT_OF_MEMORY"
    elif job["minutes"] < needs.get("minutes", 0):
        state = "TIMEOUT"
    else:
        environment = os.environ | {"SLURM_JOB_ID": str(job["id"])}
        done = subprocess.run(job["call"], shell=True, cwd=job["folder"], env=environment)
        state = "FAILED" if done.returncode else "COMPLETED"
    hidden = [
        (Path(job["folder"], path), seconds)
        for path, seconds in plan.get("late", {}).items()
        if state == "COMPLETED" and Path(job["folder"], path).exists()
    ]
    for path, _ in hidden:
        path.rename(path.with_name(f".unseen-{path.name}"))
    put(folder, job | {"state": state})
    for path, seconds in hidden:
        time.sleep(seconds)
        path.with_name(f".unseen-{path.name}").rename(path)


def srun(folder, arguments):
    first = next(i for i, word in enumerate(arguments) if not word.startswith("-"))
    os.execvp(arguments[first], arguments[first:])


def squeue(folder, arguments):
    plan = json.loads((folder / "plan.json").read_text())
    if plan.get("squeue_fails", 0) > 0:
        plan["squeue_fails"] -= 1
        (folder / "plan.json").write_text(json.dumps(plan))
        sys.exit("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    name = arguments[arguments.index("--name") + 1]
    for job in jobs(folder):
        if job["name"] == name:
            print(f"{job['id']}|{job['state']}")


def sacct(folder, arguments):
    sys.exit("Slurm accounting storage is disabled")


def sinfo(folder, arguments):
    print("PARTITION\nall*")


def scontrol(folder, arguments):
    print("MaxArraySize            = 1001\nMinJobAge               = 300 sec")


def scancel(folder, arguments):
    pass


if __name__ == "__main__":
    globals()[sys.argv[1]](Path(sys.argv[2]), sys.argv[3:])
