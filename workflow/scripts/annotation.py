"""A given mask, checked against its CT and carried onto the study grid."""

import numpy as np

from nodestage import registration
from nodestage.cohort.ct import ct_headers
from nodestage.cohort.drawings.references import Source
from nodestage.cohort.masks import MaskRules, read_mask_with_record
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]):
    inputs, params, wildcards = snakemake.input, snakemake.params, snakemake.wildcards
    grid = volumes.read(inputs.grid)
    if inputs.mask:
        source = None
        if inputs.original:
            phase = params.mask_phase
            headers = ct_headers(
                inputs.original, patient=wildcards.patient, column=phase, series=params.series
            )
            source = Source(phase, {phase: headers})
        mask, record = read_mask_with_record(
            inputs.mask,
            MaskRules(
                wildcards.role,
                params.label_system,
                params.labels,
                params.resample,
                params.segments,
            ),
            volumes.read(inputs.ct),
            patient=wildcards.patient,
            column=wildcards.role,
            source=source,
        )
        arterial = params.mask_phase == "arterial"
        field = registration.read_field(inputs.field, grid) if arterial else None
        on_grid = registration.carry_mask(mask, field, grid, wildcards.patient, wildcards.role)
    else:
        on_grid = grid.with_array(np.zeros(grid.array.shape, np.uint8))
        record = {"given": False}
    volumes.write_volume(snakemake.output.mask, on_grid)
    files.write_json(snakemake.output.record, record)
