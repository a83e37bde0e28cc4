"""The arterial CT of one patient on the venous one, both on the study grid."""

from nodestage import files, logs, registration, volumes

with logs.to(snakemake.log[0]):
    out, params, patient = snakemake.output, snakemake.params, snakemake.wildcards.patient
    given = dict(zip(params.phases, (volumes.read(p) for p in snakemake.input), strict=True))
    fixed = given.get("venous") or given["arterial"]
    grid = registration.to_study_grid(fixed, params.spacing)
    if len(given) == 2:
        arterial, field, record = registration.align(
            given["arterial"], grid, params.settings, patient, threads=snakemake.threads
        )
    else:
        # Only reached where the config allows the phase at hand to stand in for the other.
        arterial, field = grid, registration.identity(grid.array.shape, grid.spacing)
        record = {"failed": False, "reason": "", "substituted": params.phases[0]}
    if record["failed"] and params.substitute:
        arterial = grid
        record = {**record, "failed": False, "substituted": "venous"}
    volumes.write_volume(out.venous, grid)
    volumes.write_volume(out.arterial, arterial)
    registration.write_field(out.field, field, grid)
    files.write_json(out.record, record)
