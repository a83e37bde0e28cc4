"""Begin a study of one's own: a folder with a commented config and an empty sample sheet."""

import argparse
import shlex
import sys
from pathlib import Path

import yaml

from nodestage.cohort.sheet import COLUMNS
from nodestage.core import files
from nodestage.core.errors import InputError
from nodestage.study import preset
from nodestage.study.folder import check_name

CONFIG = """\
# Laid over nodestage's own settings (config/config.yaml, and config/paper.yaml for full size).
# Every key: config/README.md. Check it all in minutes, before hours: make check STUDY={folder}

{title}

# One row a patient; columns are explained in docs/intake.md. Paths start from this folder.
samples: samples.tsv

# Who the centers of the sheet are. Exactly one is the discovery center.
centers:
  our_hospital:
    role: discovery
    # The phase on which masks were drawn, and how their ids translate into ours
    # (left out: config/anatomy.yaml's own numbers).
    # mask_phase: venous
    # label_system: {{spleen: 1, pancreas: 7, ignore: others}}
  # another_hospital:
  #   role: external
  # One that keeps its images and has sent back a file (docs/hospital.md):
  # a_hospital_elsewhere:
  #   role: external
  #   returned: a_hospital_elsewhere.tsv
  # Patients labelled elsewhere, from whom the first organ and tumor networks learn:
  # labelled_elsewhere:
  #   role: auxiliary
  #   mask_phase: arterial

# Masks that every center brings itself, instead of predicted ones:
# organs: {{source: given}}
# tumor: {{source: given}}

# A patient with one phase is unscored with a reason; true shows that phase twice instead.
# substitute_phase: true

# Declared before the run: what heads the report, and the largest drop from the discovery center
# that would not matter (without it no page says that the model held).
# statistics:
#   primary: {{metric: balanced_accuracy, method: combined, reference: radiomics, margin: 0.1}}
"""


def begin(folder, settings=preset.DEFAULT):
    """Write `config.yaml`, `samples.tsv` and `preset` into `folder`; never over what is there.

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
        # `make` reads which settings lie between nodestage's own and config.yaml.
        preset.FILE: f"{settings}\n",
    }
    for name, text in texts.items():
        if (folder / name).exists():
            print(f"{folder / name} is there already and stays as it is.")
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


def main(arguments: list[str] | None = None) -> int:
    """Begin a study from the command line; the exit status."""
    parser = argparse.ArgumentParser(prog="make study DIR=folder", description=__doc__)
    parser.add_argument("folder", help="where the study shall live; made if absent")
    parser.add_argument("--preset", default="", help="settings laid over the defaults")
    given = parser.parse_args(arguments)
    try:
        begin(given.folder, given.preset or preset.DEFAULT)
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
