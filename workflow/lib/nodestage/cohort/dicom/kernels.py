"""How sharp a CT's reconstruction kernel is, by its vendor's name for it, in words that don't name it.

Vendors each have their codes for kernels (0018,1210). Only the class is kept: a record holds no text of
a header. The limits are those of everyday use for the abdomen, not a measurement of the kernel.
"""

import re

SMOOTH, MEDIUM, SHARP = "smooth", "medium", "sharp"

# Siemens (B30f, Br40d, I31f\3, Qr36): a number that grows with sharpness.
_SIEMENS = re.compile(r"[BHUTIJQ][A-Z]{0,2}(\d{2})[A-Z]?(\\\d)?")
_SIEMENS_MEDIUM, _SIEMENS_SHARP = 35, 50
# Canon and Toshiba (FC08, FC13-H): body to FC19, head to FC29, bone, inner ear and lung from there on.
_CANON = re.compile(r"FC(\d{2})(-?[A-Z]{1,2})?")
_CANON_SHARP = 30
_NAMED = {
    # GE
    "SOFT": SMOOTH,
    "STANDARD": MEDIUM,
    "STND": MEDIUM,
    "CHST": MEDIUM,
    "DETAIL": MEDIUM,
    "LUNG": SHARP,
    "BONE": SHARP,
    "BONEPLUS": SHARP,
    "EDGE": SHARP,
    "ULTRA": SHARP,
    # Philips
    "A": SMOOTH,
    "B": MEDIUM,
    "C": MEDIUM,
    "D": SHARP,
    "E": SHARP,
    "L": SHARP,
    "YA": SMOOTH,
    "YB": MEDIUM,
    "YC": SHARP,
}


def sharpness(kernel: str) -> str:
    """`smooth`, `medium` or `sharp`; "" where the header has no kernel, or one of an unknown name."""
    name = kernel.strip().upper()
    if match := _SIEMENS.fullmatch(name):
        number = int(match[1])
        if number < _SIEMENS_MEDIUM:
            return SMOOTH
        return SHARP if number >= _SIEMENS_SHARP else MEDIUM
    if match := _CANON.fullmatch(name):
        return SHARP if int(match[1]) >= _CANON_SHARP else MEDIUM
    return _NAMED.get(name.replace(" ", ""), "")
