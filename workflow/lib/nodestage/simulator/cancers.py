"""What differs between the cancers that can be simulated: where the tumor lies, and where nodes do.

Body, organs and vessels are the same. Shares and densities are ours, not from a publication.
"""

from dataclasses import dataclass

from nodestage.core.errors import InputError
from nodestage.simulator import tissue as t


@dataclass(frozen=True)
class Cancer:
    """A cancer of one organ.

    Attributes
    ----------
    organ : code of the tissue; the organ's label includes the tumor
    courses : {location of the sheet: two points of the anatomy between which the tumor lies}
    unknown : locations of which one is drawn where the sheet has none
    wall_mm : distance of the tumor's center from the line between the points, to any side; 0: on the line
    over : codes of the tissues that the tumor may replace
    hu : (arterial, venous)
    shares : {structure: share of the lymph nodes along it}
    """

    organ: int
    courses: dict[str, tuple[str, str]]
    unknown: tuple[str, ...]
    wall_mm: float
    over: tuple[int, ...]
    hu: tuple[float, float]
    shares: dict[int, float]


PANCREATIC = Cancer(
    t.PANCREAS,
    {
        "head": ("head", "head_low"),
        "uncinate": ("uncinate", "head_low"),
        "neck": ("neck", "body"),
        "body": ("body", "body_2"),
        "tail": ("tail", "tail_end"),
    },
    ("head", "body"),
    0.0,
    (t.FAT, t.PANCREAS, t.DUODENUM, t.DUODENUM_LUMEN, t.BOWEL, t.BOWEL_LUMEN),
    t.PDAC,
    {
        t.PANCREAS: 0.30,
        t.CHA_PHA: 0.12,
        t.SMA: 0.13,
        t.TC_SA: 0.12,
        t.AORTA: 0.11,
        t.DUODENUM: 0.11,
        t.STOMACH: 0.05,
        t.LGA: 0.03,
        t.SPLEEN: 0.02,
        t.ESOPHAGUS: 0.01,
    },
)
# In the wall: the stomach's radius is 15 to 24 mm, its wall 4.5 mm thick.
GASTRIC = Cancer(
    t.STOMACH,
    {
        "upper": ("fundus", "corpus"),
        "middle": ("corpus", "corpus_2"),
        "lower": ("corpus_2", "antrum"),
    },
    ("middle", "lower"),
    17.0,
    (t.FAT, t.STOMACH, t.STOMACH_LUMEN, t.STOMACH_GAS, t.BOWEL, t.BOWEL_LUMEN),
    (88.0, 112.0),
    {
        t.STOMACH: 0.34,
        t.LGA: 0.14,
        t.CHA_PHA: 0.12,
        t.TC_SA: 0.11,
        t.SPLEEN: 0.06,
        t.DUODENUM: 0.06,
        t.ESOPHAGUS: 0.05,
        t.PANCREAS: 0.05,
        t.AORTA: 0.04,
        t.SMA: 0.03,
    },
)
CANCERS = {"pancreas": PANCREATIC, "stomach": GASTRIC}


def of(settings: dict) -> Cancer:
    """The cancer of a simulated study; see `check`."""
    return CANCERS[settings.get("anatomy", {}).get("tumor_organ", "pancreas")]


def check(settings: dict) -> None:
    """Raise `InputError` for an anatomy that can't be drawn.

    Parameters
    ----------
    settings : the config's section `simulator`; `anatomy`, where it is there, has `tumor_organ` and `labels`
    """
    anatomy = settings.get("anatomy")
    if anatomy is None:
        return
    if anatomy["tumor_organ"] not in CANCERS:
        raise InputError(
            f"simulator: tumors of the {anatomy['tumor_organ']} can't be simulated, only of {' and '.join(CANCERS)}. "
            "Name a sample sheet in `samples`."
        )
    unknown = [name for name in anatomy["labels"] if name not in t.NAMES]
    if unknown:
        raise InputError(
            f"simulator: the anatomy's {', '.join(unknown)} can't be simulated, only {', '.join(t.NAMES)}. "
            "Take it out of the anatomy, or name a sample sheet in `samples`."
        )
    for name, center in settings["centers"].items():
        used = [name for name, weight in center["tumor_location"].items() if weight]
        parts = {part for name in used for part in name.split("_")}
        unknown = sorted(parts - set(of(settings).courses))
        if unknown:
            raise InputError(
                f"simulator, center {name}: no tumor of the {anatomy['tumor_organ']} lies in {', '.join(unknown)}. "
                f"Places of `tumor_location` are {', '.join(of(settings).courses)}."
            )
