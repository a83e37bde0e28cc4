"""Snakemake for one study: `python -m nodestage.study.run --study my_study target ...`.

What `make run`, `quality`, `score` and `unlock` call. Names of folders and files go to Snakemake as
arguments, so that no shell reads them, whatever characters they have.
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from nodestage.core import disks
from nodestage.core.errors import InputError, reports_input_errors
from nodestage.study import folder, preset


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Run Snakemake; the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m nodestage.study.run", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--study", default="", help="the study's folder; none: the default study")
    parser.add_argument("--preset", default="", help="settings that those of the study replace")
    parser.add_argument(
        "--score", action="store_true", help="with a bundle's models; no preset is used"
    )
    parser.add_argument("--bundle", default="", help="another bundle than the one the config names")
    parser.add_argument("--cores", default="all")
    parser.add_argument("--gpus", default="1", help="GPUs that all jobs share")
    parser.add_argument("--memory", default="", help="MB that all jobs together may ask for")
    parser.add_argument("--more", default="", help="more words for Snakemake, as a shell has them")
    parser.add_argument("--unlock", action="store_true", help="remove the lock that a kill left")
    parser.add_argument("targets", nargs="*")
    options = parser.parse_args(arguments)
    command = words(options)
    if fault_of_disks(options.study or "."):
        raise InputError(fault_of_disks(options.study or "."))
    print(shlex.join(command), flush=True)
    code = subprocess.run(command).returncode
    if code and fault_of_disks(options.study or "."):
        print(f"Error: {fault_of_disks(options.study or '.')}", file=sys.stderr)
    if code and is_locked(options.study or "."):
        print(unlocking(options.study), file=sys.stderr)
    return code


def fault_of_disks(study: str) -> str:
    """Why no result can be written, as a sentence; "" where one can. Any of the folders may be a link."""
    faults = (disks.fault_of(Path(study, name)) for name in ("", "results", "logs", ".snakemake"))
    return next(filter(None, faults), "")


def words(options: argparse.Namespace) -> list[str]:
    """Snakemake's command line."""
    command = ["snakemake", "--snakefile", str(folder.REPOSITORY / "workflow/Snakefile")]
    command += ["--cores", options.cores, "--resources", f"gpu={options.gpus}"]
    command += [f"mem_mb={options.memory}"] if options.memory else []
    command += ["--workflow-profile", str(folder.REPOSITORY / "profiles/default")]
    try:
        command += shlex.split(options.more)
    except ValueError as error:
        raise InputError(f"ARGS can't be read ({error}): close its quotes.") from error
    folder.check_name(options.study or ".")
    if options.study:
        study = os.path.abspath(options.study)
        layers = [] if options.score else [str(preset.chosen(study, options.preset))]
        command += ["--directory", study, "--configfile", *layers, f"{study}/{folder.CONFIG}"]
    if options.bundle:
        # Snakemake takes quotes off either end, then reads the value as YAML: with blanks around
        # them the quotes stay, and make it text, whatever it holds.
        path = json.dumps(os.path.abspath(options.bundle), ensure_ascii=False)
        command += ["--config", f"bundle= {path} "]
    command += ["--unlock"] if options.unlock else []
    return command + (["--", *options.targets] if options.targets else [])


def memory_of_machine() -> str:
    """MB that all jobs together may ask for: nine tenths of the machine's, as `make` has it; "" if unknown."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return ""
    total = re.search(r"^MemTotal: +(\d+) kB", text, re.MULTILINE)
    return str(int(int(total[1]) * 0.9 / 1024)) if total else ""


def is_locked(study: str) -> bool:
    """Whether a run is at work in the folder, or one that was killed left its lock."""
    return any(Path(study, ".snakemake/locks").glob("*.lock"))


def unlocking(study: str) -> str:
    """The sentence on how a lock is removed."""
    command = f"make unlock STUDY={shlex.quote(study)}" if study else "make unlock"
    return (
        "The folder is locked. If no other run is at work there, a kill or a power cut left the lock: "
        f"`{command}` removes it, and the next run redoes unfinished jobs alone."
    )


if __name__ == "__main__":
    sys.exit(main())
