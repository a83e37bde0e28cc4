"""One simulated patient, written as a hospital would export it, and its truth."""

from pathlib import Path

from nodestage import simulator
from nodestage.core import files, logs

with logs.to(snakemake.log[0]):
    out, params = snakemake.output, snakemake.params
    patient = simulator.simulate_patient(params.seed, params.row, params.settings)
    with files.whole_folder(out.truth) as truth:
        simulator.write_patient(
            patient, Path(out.venous).parent, Path(out.tumor).parent, Path(truth)
        )
