"""Begin a study of one's own: a folder with a commented config and an empty sample sheet."""

import argparse
import json
import sys
from pathlib import Path

from nodestage.cohort.sheet import COLUMNS
from nodestage.core import files
from nodestage.core.errors import InputError

CONFIG = """\
# Laid over nodestage's own settings (config/config.yaml, and config/paper.yaml for full size).
# Every key: config/README.md. Check it all in minutes, before hours: make check STUDY={folder}

title: {name}

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


def begin(folder, preset="config/paper.yaml"):
    """Write `config.yaml`, `samples.tsv` and `preset` into `folder`; never over what is there."""
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(
            f"{folder} is a file. Name a folder that shall hold the study: make study DIR=my_study"
        )
    texts = {
        "config.yaml": CONFIG.format(
            folder=" ".join(str(folder).split()),
            name=json.dumps(folder.name or "My study", ensure_ascii=False),
        ),
        "samples.tsv": "\t".join(COLUMNS) + "\n",
        # `make` reads which settings lie between nodestage's own and config.yaml.
        "preset": f"{preset}\n",
    }
    for name, text in texts.items():
        if (folder / name).exists():
            print(f"{folder / name} is there already and stays as it is.")
        else:
            files.write_text(folder / name, text)
            print(f"Wrote {folder / name}.")
    print(
        f"Next: fill in {folder / 'samples.tsv'}, then `make check STUDY={folder}` "
        f"and `make run STUDY={folder}`."
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="make study DIR=folder", description=__doc__)
    parser.add_argument("folder", help="where the study shall live; made if absent")
    parser.add_argument(
        "preset", nargs="?", default="config/paper.yaml", help="settings laid over the defaults"
    )
    given = parser.parse_args()
    try:
        begin(given.folder, given.preset)
    except (InputError, OSError) as error:
        sys.exit(f"Error: {error}")
