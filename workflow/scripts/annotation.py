"""A given mask, checked against its CT and carried onto the study grid."""

import numpy as np

from nodestage import registration
from nodestage.cohort.masks import MaskRules, read_mask_with_record
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]):
    given, params, wanted = snakemake.input, snakemake.params, snakemake.wildcards
    grid = volumes.read(given.grid)
    if given.mask:
        mask, record = read_mask_with_record(
            given.mask,
            MaskRules(wanted.role, params.label_system, params.labels, params.resample),
            volumes.read(given.ct),
            patient=wanted.patient,
            column=wanted.role,
        )
        arterial = params.mask_phase == "arterial"
        field = registration.read_field(given.field, grid) if arterial else None
        carried = registration.carry_mask(mask, field, grid, wanted.patient, wanted.role)
    else:
        carried = grid.with_array(np.zeros(grid.array.shape, np.uint8))
        record = {"given": False}
    volumes.write_volume(snakemake.output.mask, carried)
    files.write_json(snakemake.output.record, record)
