"""A run of Snakemake for one patient: a line per stage, and the errors."""

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

STAGES = {
    "unpack_bundle": "Checking the model",
    "intake": "Reading the images",
    "register": "Aligning the two phases",
    "annotation": "Reading the masks",
    "organs": "Labelling organs and vessels",
    "tumor": "Outlining the tumor",
    "attention": "Mapping where lymph nodes may lie",
    "attention_fold": "Mapping where lymph nodes may lie",
    "lymph_nodes": "Finding lymph nodes",
    "identification": "Classifying the lymph nodes",
    "radiomics": "Measuring radiomics of the tumor",
    "score": "Scoring by every method",
    "saliency": "Looking for what moved the score",
    "gallery": "Drawing pictures",
    "patient_page": "Writing the page",
    "export_seg": "Writing DICOM segmentations",
    "export_sr": "Writing structured reports",
    "export_keyimages": "Writing key images",
}
STARTED = re.compile(r"^(?:local)?rule (\w+):")
DONE = re.compile(r"^(\d+) of (\d+) steps \(")
ERROR = "Error: "
LAST = 30  # lines of what Snakemake printed, where no error of ours explains a failure


def run(command: Sequence[str], show: Callable[[str], None]) -> list[str]:
    """Run a command of Snakemake; [] if it ended well, else its errors as sentences.

    Parameters
    ----------
    command : of `study.run.words`
    show : takes each line of progress
    """
    # Snakemake lies beside this Python, which need not be on the PATH of a shell.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=os.environ | {"PATH": path},
    )
    assert process.stdout is not None
    lines = list(_shown(process.stdout, show))
    if process.wait() == 0:
        return []
    return errors(lines) or [f"Snakemake ended with an error:\n{''.join(lines[-LAST:])}"]


def _shown(lines: Iterable[str], show: Callable[[str], None]) -> Iterable[str]:
    """Each line as it comes; the first job of each stage is shown in words."""
    seen, done = set(), ""
    for line in lines:
        finished, started = DONE.match(line), STARTED.match(line)
        if finished:
            done = f" ({finished[1]} of {finished[2]} steps done)"
        if started and (words := STAGES.get(started[1])) and words not in seen:
            seen.add(words)
            show(f"{words} …{done}")
        yield line


def errors(lines: Sequence[str]) -> list[str]:
    """Sentences that jobs printed as errors, each once, with the indented lines that belong to them."""
    messages: list[str] = []
    inside = False
    for line in lines:
        if line.startswith(ERROR):
            messages.append(line.removeprefix(ERROR).rstrip())
            inside = True
        elif inside and line.startswith("    #"):
            messages[-1] += f"\n{line.rstrip()}"
        else:
            inside = False
    return list(dict.fromkeys(messages))
