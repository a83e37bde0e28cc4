"""A study's folder: whether its name and its config can be used.

`python -m nodestage.study.folder my_study` reports, before Snakemake is started, whether the folder
holds a config that can be read and names its sample sheet.
"""

import argparse
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

from nodestage.core.configs import read
from nodestage.core.errors import InputError, reports_input_errors

REPOSITORY = Path(__file__).parents[4]
CONFIG = "config.yaml"


def check_samples(config: dict[str, Any]) -> None:
    """Raise `InputError` where a study's config names no sheet: the simulated one would be run."""
    if config and "samples" not in config:
        raise InputError(
            f"{CONFIG} names no sample sheet. Add `samples: samples.tsv` "
            "(`samples: null` is the simulated study, without patients of yours)."
        )


def check_name(folder: str | Path) -> None:
    """Raise `InputError` where Snakemake can't lock, or a terminal can't show, a study's folder."""
    path = os.path.abspath(folder)
    if any(unicodedata.category(character) == "Cc" for character in path):
        raise InputError(f"The folder {path!r} has a line break or a control character. Rename it.")
    if "{" in path or "}" in path:
        raise InputError(
            f"The folder {path} has a brace, {{ or }}, which Snakemake takes for the name of a "
            "wildcard. Rename it."
        )


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Check a study's folder from the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m nodestage.study.folder", description=__doc__)
    parser.add_argument("folder", help="the study's folder")
    options = parser.parse_args(arguments)
    check_name(options.folder)
    check_samples(read(Path(options.folder, CONFIG)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
