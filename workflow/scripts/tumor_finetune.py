"""The arterial tumor network, trained on with its own pseudo masks."""

from pathlib import Path

from nodestage.core import checkpoints, logs
from nodestage.core.run import Run
from nodestage.tumor import masks

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    masks.train_finetuned(
        [
            (patient, {"arterial": image}, Path(inputs.pseudo, f"{patient}.nii.gz"))
            for patient, image in zip(params.patients, inputs.arterial, strict=True)
        ],
        params.settings,
        Run(
            seed=params.seed,
            output=snakemake.output.model,
            work=Path(snakemake.output.model).with_name("work_finetuned"),
            threads=snakemake.threads,
        ),
        checkpoints.load(inputs.start),
    )
