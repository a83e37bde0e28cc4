"""Codes of tissues, the organ label that each bears, and their HU in both phases.

Codes 1 to 19 are the labels of `config/anatomy.yaml`; the others are parts of an organ with
another density (lumen, medulla) or structures without a label (bowel, bone, veins of the kidney).
"""

from collections.abc import Mapping

import numpy as np

SPLEEN, RIGHT_KIDNEY, LEFT_KIDNEY, GALLBLADDER, ESOPHAGUS, LIVER, STOMACH = range(1, 8)
AORTA, VENA_CAVA, PORTAL, PANCREAS, RIGHT_ADRENAL, LEFT_ADRENAL, DUODENUM = range(8, 15)
SMV, SMA, TC_SA, LGA, CHA_PHA = range(15, 20)
SKIN_FAT, FAT, MUSCLE, BONE, MARROW, DISC, LUNG, CANAL = range(20, 28)
BOWEL, BOWEL_LUMEN, GAS, STOOL = range(28, 32)
STOMACH_LUMEN, STOMACH_GAS, DUODENUM_LUMEN = range(32, 35)
RIGHT_MEDULLA, LEFT_MEDULLA, HEPATIC_VEIN, PORTAL_BRANCH = range(35, 39)
ARTERY, VEIN = range(39, 41)

# Names of the codes 1 to 19.
NAMES = (
    "spleen",
    "right_kidney",
    "left_kidney",
    "gallbladder",
    "esophagus",
    "liver",
    "stomach",
    "aorta",
    "vena_cava",
    "portal_splenic_vein",
    "pancreas",
    "right_adrenal",
    "left_adrenal",
    "duodenum",
    "superior_mesenteric_vein",
    "sma",
    "tc_sa",
    "lga",
    "cha_pha",
)

# Code: HU in the arterial phase, HU in the venous phase.
_HU = {
    0: (-1000, -1000),
    SPLEEN: (140, 125),
    RIGHT_KIDNEY: (195, 185),
    LEFT_KIDNEY: (195, 185),
    GALLBLADDER: (8, 8),
    ESOPHAGUS: (55, 70),
    LIVER: (72, 112),
    STOMACH: (85, 92),
    AORTA: (320, 155),
    VENA_CAVA: (85, 135),
    PORTAL: (115, 175),
    PANCREAS: (112, 100),
    RIGHT_ADRENAL: (92, 78),
    LEFT_ADRENAL: (92, 78),
    DUODENUM: (82, 88),
    SMV: (105, 170),
    SMA: (315, 152),
    TC_SA: (315, 152),
    LGA: (310, 150),
    CHA_PHA: (312, 151),
    SKIN_FAT: (-108, -108),
    FAT: (-98, -96),
    MUSCLE: (56, 62),
    BONE: (420, 420),
    MARROW: (200, 205),
    DISC: (85, 88),
    LUNG: (-840, -840),
    CANAL: (28, 30),
    BOWEL: (75, 88),
    BOWEL_LUMEN: (22, 22),
    GAS: (-920, -920),
    STOOL: (-40, -40),
    STOMACH_LUMEN: (12, 12),
    STOMACH_GAS: (-930, -930),
    DUODENUM_LUMEN: (24, 24),
    RIGHT_MEDULLA: (85, 165),
    LEFT_MEDULLA: (85, 165),
    HEPATIC_VEIN: (75, 160),
    PORTAL_BRANCH: (110, 172),
    ARTERY: (312, 150),
    VEIN: (95, 150),
}
# HU (arterial, venous) of what is drawn over the tissues, before each body's appearance.
NODE = (78.0, 98.0)
PDAC = (56.0, 66.0)
GANGLION = (58.0, 64.0)

_LABEL = {
    **{code: code for code in range(1, 20)},
    STOMACH_LUMEN: STOMACH,
    STOMACH_GAS: STOMACH,
    DUODENUM_LUMEN: DUODENUM,
    RIGHT_MEDULLA: RIGHT_KIDNEY,
    LEFT_MEDULLA: LEFT_KIDNEY,
    HEPATIC_VEIN: LIVER,
    PORTAL_BRANCH: LIVER,
}

LABEL_OF = np.array([_LABEL.get(code, 0) for code in range(41)], np.uint8)
HU_OF = {
    "arterial": np.array([_HU[code][0] for code in range(41)], np.float32),
    "venous": np.array([_HU[code][1] for code in range(41)], np.float32),
}


def numbers(labels: Mapping[str, int] | None) -> np.ndarray:
    """A study's label number of each code up to 255 (uint8); 0 for what its anatomy lacks.

    labels : {structure: number}; None: the codes themselves
    """
    table = np.zeros(256, np.uint8)
    for code, name in enumerate(NAMES, start=1):
        table[code] = code if labels is None else labels.get(name, 0)
    return table


def hu(phase: str, timing: float, random: np.random.Generator) -> np.ndarray:
    """HU of each code in one phase of one scan, as a float32 table.

    An arterial phase taken late (`timing` towards 1) looks like a venous one, for vessels and
    organs alike; the strength of the enhancement varies from patient to patient by 6 %.
    """
    strength = 1 + 0.06 * random.normal()
    early, late = HU_OF["arterial"], HU_OF["venous"]
    table = (1 - timing) * early + timing * late if phase == "arterial" else late.copy()
    # What enhances goes from about 35 HU upwards; bone, fat, gas and fluid don't change.
    fixed = [BONE, MARROW, DISC, CANAL]
    enhances = (table > 45) & ~np.isin(np.arange(len(table)), fixed)
    table[enhances] = 35 + (table[enhances] - 35) * strength
    return table.astype(np.float32)
