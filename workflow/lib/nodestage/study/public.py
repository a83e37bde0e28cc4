"""Rows of a sample sheet for public data sets, from the folders that they come in.

`python -m nodestage.study.public amos path/to/amos22 >> my_study/samples.tsv`; with `--header` also the
line of column names, for a new sheet. docs/public_data.md names the sets and their licences.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from nodestage.cohort.sheet import COLUMNS
from nodestage.core.errors import InputError, reports_input_errors


@dataclass(frozen=True)
class Layout:
    """How a data set lies on a disk.

    Attributes
    ----------
    images : pattern of the CTs below the set's folder, files or folders of DICOM
    masks : {column of the sheet: path of the mask, with {name} of the CT and {number}, its digits}
    prefix : of the patients' codes, before the number
    below : numbers below this one are CT, where a set has MR too
    """

    images: str
    masks: dict[str, str]
    prefix: str
    below: int | None = None


SETS = {
    "msd_pancreas": Layout(
        "imagesTr/pancreas_*.nii.gz", {"tumor": "labelsTr/{name}.nii.gz"}, "MSD"
    ),
    "amos": Layout(
        "imagesTr/amos_*.nii.gz", {"organs": "labelsTr/{name}.nii.gz"}, "AMOS", below=500
    ),
    "btcv": Layout("img/img*.nii.gz", {"organs": "label/label{number}.nii.gz"}, "BTCV"),
    "tcia_lymph_nodes": Layout(
        "CT Lymph Nodes/ABD_LYMPH_*",
        {
            "lymph_nodes": "MED_ABD_LYMPH_MASKS/{name}/{name}_mask.nii.gz",
            "organs": "totalsegmentator/{name}.nii.gz",
        },
        "LN",
    ),
}


def rows(name: str, folder: str | Path) -> Iterator[dict[str, str]]:
    """One row per CT of a data set: the CT as venous phase, and the masks that are there.

    Raises
    ------
    InputError where the folder holds none, or a CT has none of the masks
    """
    layout = SETS[name]
    images = sorted(path for path in Path(folder).glob(layout.images) if path.name[0] != ".")
    if not images:
        raise InputError(
            f"{name}: no {layout.images} below the folder. Name the one that holds it."
        )
    for image in images:
        stem = image.name.removesuffix(".gz").removesuffix(".nii")
        number = "".join(c for c in stem if c.isdigit())
        if layout.below is not None and int(number) >= layout.below:
            continue
        paths = {
            column: Path(folder, pattern.format(name=stem, number=number))
            for column, pattern in layout.masks.items()
        }
        there = {column: str(path) for column, path in paths.items() if path.is_file()}
        if not there:
            raise InputError(
                f"{name}: {stem} has no mask ({', '.join(sorted(set(layout.masks.values())))}). Unpack the "
                "labels beside the images."
            )
        yield dict.fromkeys(COLUMNS, "") | {
            "patient": f"{layout.prefix}{number}",
            "center": name,
            "venous": str(image),
            **there,
        }


@reports_input_errors
def main(arguments: list[str] | None = None) -> int:
    """Print the rows; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m nodestage.study.public", description=__doc__)
    parser.add_argument("set", choices=SETS)
    parser.add_argument("folder", help="where the data set was unpacked")
    parser.add_argument("--header", action="store_true", help="print the column names first")
    options = parser.parse_args(arguments)
    lines = [
        "\t".join(row[column] for column in COLUMNS) for row in rows(options.set, options.folder)
    ]
    print("\n".join((["\t".join(COLUMNS)] if options.header else []) + lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
