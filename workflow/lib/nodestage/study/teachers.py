"""The source of the labels that the study's networks learn from: `organs.teacher_source` and `tumor.teacher_source`.

`auxiliary`: a network trained here on the masks of auxiliary centers. `totalsegmentator`: that program
(organs alone). `{nnunet: FOLDER}`: a nnU-Net v2 model of the user's.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nodestage.core.errors import InputError

AUXILIARY, TOTALSEGMENTATOR, NNUNET = "auxiliary", "totalsegmentator", "nnunet"


def kind(config: Mapping[str, Any], mask: str) -> str:
    """`auxiliary`, `totalsegmentator` or `nnunet`; mask: organs or tumor."""
    source = (config.get(mask) or {}).get("teacher_source") or AUXILIARY
    return source if isinstance(source, str) else NNUNET


def is_trained_here(config: Mapping[str, Any], mask: str) -> bool:
    """Whether the first network of a kind of mask learns from auxiliary centers."""
    return kind(config, mask) == AUXILIARY


def settings(config: Mapping[str, Any], mask: str) -> dict[str, Any]:
    """The entry of a nnU-Net model; empty where the teacher is another one."""
    return dict(config[mask]["teacher_source"]) if kind(config, mask) == NNUNET else {}


def files_of(config: Mapping[str, Any], mask: str) -> list[str]:
    """Plans, description and checkpoints of a nnU-Net model's folder; none of another teacher."""
    folder = settings(config, mask).get("nnunet")
    if folder is None:
        return []
    # As the importing job finds them; what is missing is named there and in `check`.
    checkpoints = sorted(Path(folder).glob("fold_*/checkpoint_*.pth"))
    return [str(Path(folder, name)) for name in ("plans.json", "dataset.json")] + [
        str(path) for path in checkpoints
    ]


def phase(config: Mapping[str, Any]) -> str:
    """The phase from which the first tumor network marks the patients."""
    return str(settings(config, "tumor").get("phase", "arterial"))


def check(config: Mapping[str, Any], base: str | Path = ".") -> None:
    """Raise `InputError` where a teacher can't be used as the config wants.

    base : folder from which the paths of the config start
    """
    for mask in ("organs", "tumor"):
        folder = settings(config, mask).get("nnunet")
        if folder is not None and not Path(base, folder, "plans.json").is_file():
            raise InputError(
                f"{mask}.teacher_source.nnunet: there is no plans.json in this folder. Name the folder of one trainer and "
                "configuration; it starts from the study's folder."
            )
    if not is_trained_here(config, "tumor"):
        tumor = config["tumor"]
        wrong = [
            f"tumor.{key}: {value}"
            for key, value in (("start", "arterial"), ("finetune", True))
            if tumor.get(key) == value
        ]
        if wrong:
            raise InputError(
                f"{' and '.join(wrong)} needs an arterial network that is trained here, not `tumor.teacher_source`. Set "
                "`tumor.start: scratch` and `tumor.finetune: false`."
            )
