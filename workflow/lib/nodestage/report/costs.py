"""What each rule of a finished run took, from Snakemake's own logs: `python -m nodestage.report.costs study`.

Time, CPU time and peak memory are those of the jobs' benchmark files; what a job asked for stands in
Snakemake's log. A job that was run again counts once, as it last ran.
"""

import argparse
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from nodestage.core import files, tables

RULE = re.compile(r"^(?:local)?(?:rule|checkpoint) (\w+):$")
BENCHMARK = re.compile(r"^    benchmark: (\S+)$")
WILDCARDS = re.compile(r"^    wildcards: (.+)$")
MEMORY = re.compile(r"\bmem_mb=(\d+)")
PATIENT = "patient="


@dataclass
class Cost:
    """What the jobs of one rule took.

    Attributes
    ----------
    rule : its name
    per_patient : whether a job is of one patient
    asked_mb : memory that the job asked for which asked for most, MB
    seconds, cpu_seconds, peak_mb : of each job
    """

    rule: str
    per_patient: bool = False
    asked_mb: float = 0.0
    seconds: list[float] = field(default_factory=list)
    cpu_seconds: list[float] = field(default_factory=list)
    peak_mb: list[float] = field(default_factory=list)


def of(study: str | Path) -> list[Cost]:
    """The rules of a study's runs, in the order in which they first ran."""
    study = Path(study)
    logs = sorted((study / ".snakemake/log").glob("*.log"), key=lambda path: path.name)
    costs: dict[str, Cost] = {}
    benchmarks: dict[str, str] = {}
    for path in logs:
        for job in _jobs(path.read_text(encoding="utf-8", errors="replace").splitlines()):
            cost = costs.setdefault(job["rule"], Cost(job["rule"]))
            cost.per_patient |= PATIENT in job.get("wildcards", "")
            cost.asked_mb = max(cost.asked_mb, float(job.get("memory", 0)))
            if "benchmark" in job:
                benchmarks[job["benchmark"]] = job["rule"]
    for name, rule in benchmarks.items():
        if (study / name).exists():
            row = tables.read(study / name)[-1]
            for key, column in (
                ("seconds", "s"),
                ("cpu_seconds", "cpu_time"),
                ("peak_mb", "max_rss"),
            ):
                getattr(costs[rule], key).append(measured(row[column]))
    return [cost for cost in costs.values() if cost.seconds]


def _jobs(lines: Iterable[str]):
    """{rule, benchmark, wildcards, memory} of each job that a log announces, as far as it has them."""
    job: dict[str, str] = {}
    for line in lines:
        if found := RULE.match(line):
            job = {"rule": found[1]}
        elif job and (found := BENCHMARK.match(line)):
            job["benchmark"] = found[1]
        elif job and (found := WILDCARDS.match(line)):
            job["wildcards"] = found[1]
        elif job and line.startswith("    resources: "):
            if found := MEMORY.search(line):
                job["memory"] = found[1]
            yield job
            job = {}


def measured(text: str) -> float:
    """A number of a benchmark file; 0 where Snakemake writes a dash, as of a job too short to measure."""
    return 0.0 if text in ("", "-", "NA") else float(text)


def disk_mb(study: str | Path) -> dict[str, float]:
    """MB of each folder of a study's results, of real files alone."""
    results = Path(study, "results")
    return {
        part.name: sum(p.stat().st_size for p in part.rglob("*") if p.is_file() and not p.is_symlink()) / 1e6
        for part in sorted(results.iterdir())
        if part.is_dir()
    }  # fmt: skip


def text(study: str | Path, patients: int | None = None) -> str:
    """The tables, as Markdown.

    patients : what rules with a job per patient would take in all for so many; None leaves it out
    """
    head = ["rule", "jobs", "mean, s", "longest, s", "CPU s, all", "peak, MB", "asked for, MB"]
    head += [f"{patients} patients, CPU h"] if patients else []
    lines = []
    for cost in of(study):
        cells = [cost.rule, len(cost.seconds), f"{sum(cost.seconds) / len(cost.seconds):.1f}"]
        cells += [f"{max(cost.seconds):.1f}", f"{sum(cost.cpu_seconds):.0f}"]
        peak = max(cost.peak_mb)
        over = peak > cost.asked_mb > 0
        cells += [f"**{peak:.0f}**" if over else f"{peak:.0f}", f"{cost.asked_mb:.0f}"]
        if patients:
            each = sum(cost.cpu_seconds) / len(cost.cpu_seconds)
            cells.append(f"{each * patients / 3600:.1f}" if cost.per_patient else "–")
        lines.append(cells)
    parts = [_table(head, lines)]
    disk = disk_mb(study)
    parts.append(_table(["folder of results/", "MB"], [[k, f"{v:.0f}"] for k, v in disk.items()]))
    return "\n\n".join(parts) + "\n"


def _table(head, lines):
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def main(arguments: list[str] | None = None) -> int:
    """Print the tables, or write them to a file; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", type=Path, help="the study's folder")
    parser.add_argument("--patients", type=int, help="also what so many patients would take")
    parser.add_argument("--output", type=Path, help="a Markdown file instead of the terminal")
    options = parser.parse_args(arguments)
    if not (options.study / ".snakemake/log").is_dir():
        print(f"Error: no run was logged in {options.study}.", file=sys.stderr)
        return 1
    tabled = text(options.study, options.patients)
    if options.output:
        files.write_text(options.output, tabled)
        print(f"What each stage took: {options.output}")
    else:
        print(tabled, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
