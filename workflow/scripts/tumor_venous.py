"""The venous tumor network, from scratch on the pseudo masks."""

from pathlib import Path

from nodestage.core import logs
from nodestage.tumor import masks

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    masks.train_venous(
        [
            (patient, {"venous": image}, Path(inputs.pseudo, f"{patient}.nii.gz"))
            for patient, image in zip(params.patients, inputs.venous, strict=True)
        ],
        params.settings,
        seed=params.seed,
        output=snakemake.output.model,
        work=Path(snakemake.output.model).with_name("work_venous"),
        threads=snakemake.threads,
    )
