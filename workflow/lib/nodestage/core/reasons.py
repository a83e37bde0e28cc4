"""Reasons and notes that a program reads again: each is a code with a sentence.

Tables and pages carry the sentence, for people. Code that acts on a sentence gets its codes from `codes_of`,
which matches it against the templates below: the wording may change, the code stays. A sentence that only
people read needs no code.
"""

import re
from functools import cache
from string import Formatter

SENTENCES = {
    # why a patient's images aren't used
    "arterial_missing": "arterial phase missing",
    "venous_missing": "venous phase missing",
    "both_phases_missing": "arterial and venous phase missing",
    "no_organ_mask": "no organ mask was given",
    # why a registration failed (several of them are separated by semicolons)
    "registration_overlap": (
        "the phases share {share:.0f} % of the venous grid (at least {minimum:.0f} % are needed)"
    ),
    "registration_by_chance": (
        "the phases are no more alike than by chance (similarity {after:.3f}, by chance {chance:.3f})"
    ),
    "registration_worse_than_affine": (
        "similarity after {after:.3f} is below that of the affine {affine:.3f}"
    ),
    "registration_folded": "{percent:.2f} % of the voxels fold",
    "registration_displacement": "implausible displacement ({mm:.0f} mm at the 95th percentile)",
    "registration_affine": "implausible affine (stretches {low:.2f} to {high:.2f})",
    # why a method can't score a patient
    "no_ct_report": "no CT report of the lymph nodes",
    "no_tumor": "no tumor was found",
    "no_tumor_or_pancreas": "no tumor was found, nor a pancreas to center on",
    "no_tumor_or_organ": "no tumor was found, nor the organ that holds it",
    "no_tumor_for_radiomics": "no tumor was found; radiomics need its mask",
    "mask_empty": "the tumor mask is empty",
    "mask_one_voxel": "the tumor mask has one voxel; radiomics needs two that touch",
    "mask_scattered": "no two of the {voxels} voxels of the tumor mask touch",
    "mask_leaves_undefined": (
        "the tumor mask of {voxels} voxels leaves {missing} of {count} radiomics features undefined "
        "({first} first)"
    ),
    "no_threshold": (
        "no threshold: the validation part has {positives} positive and {negatives} negative "
        "patients with a score"
    ),
    "unscored_in_folds": "unscored in {n} of {folds} folds: {reason}",
    # what a hospital's file reports instead of a reason that could describe a patient
    "registration_failed": "the registration failed",
    "mask_too_small": "the tumor mask is too small for radiomics",
    "threshold_not_frozen": "no threshold was frozen",
    "kept_at_hospital": "another reason, recorded only at the hospital",
    # notes of the statistics
    "outside_family": "outside the Holm family",
    "without_value": "{n} of {patients} patients without a value",
    "by_mover": "interval by MOVER, from Wilson’s limits of sensitivity and specificity",
}
"""{code: sentence}. A field called `reason` holds another sentence."""

PHASE_MISSING = frozenset({"arterial_missing", "venous_missing", "both_phases_missing"})
REGISTRATION_FAILED = frozenset(code for code in SENTENCES if code.startswith("registration_"))
MASK_UNUSABLE = frozenset(code for code in SENTENCES if code.startswith("mask_"))


def sentence(code: str, **fields) -> str:
    """The sentence of a code, its fields filled in.

    Parameters
    ----------
    code : a key of `SENTENCES`; another raises KeyError
    fields : a value for each field of the sentence
    """
    return SENTENCES[code].format(**fields)


def codes_of(text: str) -> frozenset:
    """The codes in a cell: of its sentence, of a sentence inside it, or of several joined by `; `.

    Parameters
    ----------
    text : a reason or note as a table has it; None and "" have no code

    Returns
    -------
    frozenset of codes; a sentence that isn't in the table, as of a user's method, gives none
    """
    if not text:
        return frozenset()
    for code, pattern in _patterns().items():
        match = pattern.fullmatch(text)
        if match:
            return frozenset({code}) | codes_of(match.groupdict().get("reason"))
    parts = text.split("; ")
    return frozenset().union(*map(codes_of, parts)) if len(parts) > 1 else frozenset()


@cache
def _patterns():
    """{code: compiled pattern of its sentence}."""
    return {code: re.compile(_pattern(template)) for code, template in SENTENCES.items()}


def _pattern(template):
    parts = []
    for text, field, form, _ in Formatter().parse(template):
        parts.append(re.escape(text))
        if field is not None:
            value = (
                r"-?(?:\d+(?:\.\d+)?|nan|inf)" if form else ".+" if field == "reason" else "[^; ]+"
            )
            parts.append(f"(?P<{field}>{value})")
    return "".join(parts)
