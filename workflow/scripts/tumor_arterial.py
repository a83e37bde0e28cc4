"""The arterial tumor network, from tumors that another center drew."""

from pathlib import Path

from nodestage.core import logs
from nodestage.core.run import Run
from nodestage.tumor import masks

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    masks.train_arterial(
        [
            (patient, {"arterial": image}, mask)
            for patient, image, mask in zip(
                params.patients, inputs.arterial, inputs.tumor, strict=True
            )
        ],
        params.settings,
        Run(
            seed=params.seed,
            output=snakemake.output.model,
            work=Path(snakemake.output.model).with_name("work_arterial"),
            threads=snakemake.threads,
        ),
    )
