"""Compile the registration's loops once, when the environment is made.

    python -m nodestage.registration.compiled

Without it the first jobs compile them, several at a time.
"""

import numpy as np

from nodestage.core.volumes import Volume
from nodestage.registration.masks import carry_mask
from nodestage.registration.phases import study_pair
from nodestage.registration.settings import COARSE


def compile_all() -> None:
    """Register two small noisy scans and carry masks, with the types that jobs use."""
    random = np.random.default_rng(0)
    arterial, venous = (
        Volume(random.integers(-100, 200, (20, 24, 24)).astype(np.int16), (3.0, 3.0, 3.0))
        for _ in range(2)
    )
    pair = {"arterial": arterial, "venous": venous}
    for spacing in ((4.0, 4.0, 4.0), (2.0, 2.0, 2.0)):  # a coarser study grid, a finer one
        grid, _, field, _ = study_pair(pair, spacing, COARSE)
        mask = Volume((arterial.array > 100).astype(np.uint8), arterial.spacing)
        for along in (None, field):
            carry_mask(mask, along, grid)


if __name__ == "__main__":
    compile_all()
