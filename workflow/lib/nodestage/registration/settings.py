"""Settings of a registration, with values for full size and for a coarse grid."""

from collections.abc import Mapping

from nodestage.core.errors import InputError

# One entry per level, coarse to fine. At 0.68 mm this covers 45 mm beside the affine.
FULL: dict = {
    # Affine: control-point spacing, displacement step and search radius in steps, of each round.
    "affine_grid_mm": [20.0, 16.0, 12.0],
    "affine_step_mm": [6.0, 4.0, 3.0],
    "affine_radius": [6, 5, 4],
    # Then control-point spacing, quantisation of the search, its radius in steps.
    "grid_mm": [16.0, 12.0, 8.0, 6.0, 4.0],
    "step_mm": [4.0, 3.0, 2.0, 1.5, 1.0],
    "radius": [6, 4, 3, 2, 2],
    # Bits of descriptor that a change of displacement as large as the control spacing costs.
    "regularisation": 25.0,
    # Spanning trees at each level, whose min-marginals are added; the first is the minimum one.
    "trees": 3,
    # What counts as failed.
    "min_overlap": 0.1,
    "min_similarity": 0.15,
    "max_folded": 0.001,
    "max_displacement_mm": 80.0,
}

# For grids of 2 to 2.5 mm: as the default study has them in config/config.yaml.
COARSE = FULL | {
    "affine_grid_mm": [20.0, 16.0],
    "affine_step_mm": [6.0, 4.0],
    "affine_radius": [4, 3],
    "grid_mm": [16.0, 8.0],
    "step_mm": [4.0, 2.0],
    "radius": [3, 2],
}


def complete(settings: Mapping | None = None) -> dict:
    """Settings, with defaults from FULL; raises InputError naming a wrong key."""
    chosen = dict(settings or {})
    unknown = sorted(set(chosen) - set(FULL))
    if unknown:
        raise InputError(
            f"registration: unknown settings {', '.join(unknown)}; known are {', '.join(FULL)}."
        )
    merged = FULL | chosen
    for part in (
        ("affine_grid_mm", "affine_step_mm", "affine_radius"),
        ("grid_mm", "step_mm", "radius"),
    ):
        lengths = {len(merged[key]) for key in part}
        if len(lengths) != 1:
            raise InputError(
                f"registration: {', '.join(part)} need the same number of levels, not "
                f"{', '.join(str(len(merged[key])) for key in part)}."
            )
        for grid, step in zip(merged[part[0]], merged[part[1]], strict=True):
            if not 0 < step <= grid:
                raise InputError(
                    f"registration: a step of {step} mm does not fit a control spacing of {grid} mm "
                    f"({part[1]}, {part[0]}); it must be above 0 and no larger."
                )
    return merged
