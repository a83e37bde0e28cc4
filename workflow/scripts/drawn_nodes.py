"""Whether the nodes drawn in the discovery center show both kinds."""

from nodestage.cohort import drawn_nodes
from nodestage.core import files, logs

with logs.to(snakemake.log[0]):
    params = snakemake.params
    records = {
        patient: files.read_json(path)
        for patient, path in zip(params.patients, snakemake.input, strict=True)
    }
    summary = drawn_nodes.summary(records, params.metastasis, params.center)
    for sentence in drawn_nodes.warnings(summary):
        print(sentence)
    files.write_json(snakemake.output[0], summary)
