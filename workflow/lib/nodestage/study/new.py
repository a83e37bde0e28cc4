"""Begin a study: a folder with a commented config and an empty sample sheet."""

import argparse
import shlex
import sys
from pathlib import Path

import yaml

from nodestage.cohort.sheet import COLUMNS
from nodestage.core import files
from nodestage.core.errors import InputError, reports_input_errors
from nodestage.study import preset
from nodestage.study.folder import check_name

CONFIG = """\
# These settings replace the defaults of nodestage (config/config.yaml, and config/paper.yaml for full size).
# config/README.md explains every key. Check config, sheet and images: make check STUDY={folder}

{title}

# One row per patient; docs/intake.md explains the columns. Paths are relative to this folder.
samples: samples.tsv

# The centers of the sheet: the names in its column `center`. Exactly one is the discovery center.
centers:
  our_hospital:
    role: discovery
    # The phase on which masks were drawn, and which of their ids correspond to our names
    # (default: the ids are those of config/anatomy.yaml).
    # mask_phase: venous
    # label_system: {{spleen: 1, pancreas: 7, ignore: others}}
  # another_hospital:
  #   role: external
  # A center that keeps its images and has returned a file (docs/hospital.md):
  # a_hospital_elsewhere:
  #   role: external
  #   returned: a_hospital_elsewhere.tsv
  # A center that provides organ or tumor masks, on which the first networks are trained:
  # labelled_elsewhere:
  #   role: auxiliary
  #   mask_phase: arterial

# Use the masks of the sheet for every patient, instead of predicted ones:
# organs: {{source: given}}
# tumor: {{source: given}}

# false: a patient with one phase is unscored, with a reason. true: that phase is used twice.
# substitute_phase: true

# The primary endpoint, declared before the run. `margin` is the largest acceptable drop from the
# discovery center; without it no page states that performance held.
# statistics:
#   primary: {{metric: balanced_accuracy, method: combined, reference: radiomics, margin: 0.1}}
"""


def begin(folder: str | Path, settings: str = preset.DEFAULT) -> None:
    """Write `config.yaml`, `samples.tsv` and `preset` into `folder`; existing files stay.

    Raises
    ------
    InputError where `folder` is a file, can't be made, or has a name that Snakemake can't take, and
    where `settings` is not a file of settings
    """
    folder = Path(folder)
    check_name(folder)
    preset.remembered(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        file = next(p for p in [folder, *folder.parents] if p.exists() or p.is_symlink())
        raise InputError(f"{file} is a file. Name another folder in DIR.") from error
    except OSError as error:
        raise InputError(f"{folder} can't be made: {error.strerror}. Correct DIR.") from error
    title = yaml.safe_dump({"title": folder.name or "My study"}, allow_unicode=True, width=9999)
    quoted = shlex.quote(str(folder))
    texts = {
        "config.yaml": CONFIG.format(folder=quoted, title=title.strip()),
        "samples.tsv": "\t".join(COLUMNS) + "\n",
        # `make` reads which settings come between the defaults and config.yaml.
        preset.FILE: f"{settings}\n",
    }
    for name, text in texts.items():
        if (folder / name).exists():
            print(f"{folder / name} exists already and is kept.")
        else:
            try:
                files.write_text(folder / name, text)
            except OSError as error:
                raise InputError(
                    f"{folder / name} can't be written: {error.strerror}. Correct DIR."
                ) from error
            print(f"Wrote {folder / name}.")
    print(
        f"Next: fill in {folder / 'samples.tsv'}, then `make check STUDY={quoted}` "
        f"and `make run STUDY={quoted}`."
    )


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Begin a study from the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="make study DIR=folder", description=__doc__)
    parser.add_argument("folder", help="the study's folder; made if absent")
    parser.add_argument("--preset", default="", help="settings that replace the defaults")
    options = parser.parse_args(arguments)
    begin(options.folder, options.preset or preset.DEFAULT)
    return 0


if __name__ == "__main__":
    sys.exit(main())
