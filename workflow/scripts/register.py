"""The arterial CT of one patient on the venous one, both on the study grid."""

from nodestage import registration
from nodestage.cohort import same
from nodestage.core import files, logs, volumes

with logs.to(snakemake.log[0]):
    inputs, out, params = snakemake.input, snakemake.output, snakemake.params
    spacing = params.spacing
    for path in inputs.spacing:  # `spacing_mm: median`
        spacing = files.read_json(path)["spacing_mm"]
    images = dict(zip(params.phases, map(volumes.read, inputs.ct), strict=True))
    same.check({(snakemake.wildcards.patient, p): same.digest(v.array) for p, v in images.items()})
    venous, arterial, field, record = registration.study_pair(
        images,
        spacing,
        params.settings,
        params.substitute,
        snakemake.wildcards.patient,
        snakemake.threads,
    )
    if params.one_phase:  # not a phase that is missing: the study has no other
        record["one_phase"] = True
    volumes.write_volume(out.venous, venous)
    volumes.write_volume(out.arterial, arterial)
    registration.write_field(out.field, field, venous)
    files.write_json(out.record, record)
