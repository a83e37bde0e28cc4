"""A rehearsal of a study at full size: every stage of config/paper.yaml once, on few simulated patients.

`make rehearsal DIR=folder` writes the study by this module, runs it, and tables what each stage took.
"""

import argparse
import copy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from nodestage.core import configs, files, gpus
from nodestage.core.errors import InputError, reports_input_errors
from nodestage.study import folder, preset
from nodestage.study.resources import ON_GPU

SETTINGS = folder.REPOSITORY / "config" / "rehearsal.yaml"
PAPER = folder.REPOSITORY / preset.DEFAULT
DIVISOR = 16  # sides of a window on a coarser grid: as often can a network halve them
NETWORKS = (
    ("organs", "teacher"),
    ("organs", "student"),
    ("tumor", "network"),
    ("lymph_nodes", "network"),
)
# Without a GPU: a window of the paper's widths, 32 to 320, takes 15 seconds, and a prediction has hundreds.
NARROW = [4, 8, 16, 32]
CROPS = (("tumor", "crop"), ("identification", "crop"))


def begin(study: str | Path, coarser: float = 1) -> None:
    """Write `config.yaml` and `preset` of a rehearsal into a folder; a finished part of it is kept.

    Parameters
    ----------
    study : the folder, made where it is absent
    coarser : voxels, windows and crops of a rehearsal where the machine has no time for full size

    Raises
    ------
    InputError where the folder holds another study
    """
    study = Path(study)
    folder.check_name(study)
    text = yaml.safe_dump(settings(coarser, gpus.seen()), sort_keys=False)
    config = study / folder.CONFIG
    if config.exists() and config.read_text(encoding="utf-8") != text:
        raise InputError(
            f"{config} holds other settings than this rehearsal's. Name an empty folder in DIR, or the one "
            "of this rehearsal with the same COARSER."
        )
    study.mkdir(parents=True, exist_ok=True)
    files.write_text(config, text)
    files.write_text(study / preset.FILE, f"{preset.DEFAULT}\n")


def settings(coarser: float = 1, gpu: bool = True) -> dict[str, Any]:
    """What the rehearsal's config.yaml holds: config/rehearsal.yaml for this machine.

    coarser : 1 is full size; gpu : whether this machine has a GPU. Without one no job asks for it,
    nothing is compiled, and the networks are narrow.
    """
    chosen = copy.deepcopy(configs.read(SETTINGS))
    paper = configs.read(PAPER)
    if coarser != 1:
        _make_coarser(chosen, paper, coarser)
    if not gpu:
        alone = {"compile": False, "processes": 0, "features": NARROW}
        chosen["jobs"] |= {kind: {"gpu": 0} for kind in ON_GPU}
        for section, name in NETWORKS:
            chosen[section][name] = chosen[section][name] | alone
    return chosen


def _make_coarser(chosen: dict[str, Any], paper: Mapping[str, Any], factor: float) -> None:
    simulator = chosen["simulator"]
    simulator["grid"] = [_whole(n, factor, 4) for n in simulator["grid"]]
    simulator["spacing"] = _larger(simulator["spacing"], factor)
    for center in simulator["centers"].values():
        if "spacing" in center:
            center["spacing"] = _larger(center["spacing"], factor)
    chosen["spacing_mm"] = _larger(paper["spacing_mm"], factor)
    for section, name in NETWORKS:
        window = [_whole(n, factor, DIVISOR) for n in paper[section][name]["patch_size"]]
        chosen[section][name] = chosen[section][name] | {"patch_size": window}
    for section, name in CROPS:
        chosen.setdefault(section, {})[name] = [
            _whole(n, factor, DIVISOR) for n in paper[section][name]
        ]


def _whole(n: int, factor: float, divisor: int) -> int:
    """A number of voxels over a factor, to the nearest multiple of a divisor, and at least that."""
    return max(1, round(n / factor / divisor)) * divisor


def _larger(spacing: list[float], factor: float) -> list[float]:
    return [round(mm * factor, 4) for mm in spacing]


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Write a rehearsal's study; the exit status."""
    parser = argparse.ArgumentParser(prog="make rehearsal DIR=folder", description=__doc__)
    parser.add_argument("folder", help="the rehearsal's folder; made if absent")
    parser.add_argument("--coarser", type=float, default=1, help="by how much voxels are larger")
    options = parser.parse_args(arguments)
    if not options.coarser >= 1:
        raise InputError(f"COARSER={options.coarser:g}: a number from 1 on is needed.")
    begin(options.folder, options.coarser)
    return 0


if __name__ == "__main__":
    sys.exit(main())
