"""The tumor network that marks every patient, on the pseudo masks of the arterial network."""

from pathlib import Path

from nodestage.core import checkpoints, files, logs
from nodestage.core.run import Run
from nodestage.tumor import masks

with logs.to(snakemake.log[0]):
    inputs, params = snakemake.input, snakemake.params
    images = files.by_patient(params.patients, **{phase: inputs[phase] for phase in params.phases})
    masks.train_final(
        [
            (patient, images[patient], Path(inputs.pseudo, f"{patient}.nii.gz"))
            for patient in params.patients
        ],
        params.settings,
        Run(
            seed=params.seed,
            output=snakemake.output.model,
            work=Path(snakemake.output.model).with_name("work_venous"),
            threads=snakemake.threads,
        ),
        phases=params.phases,
        initial=checkpoints.load(inputs.start) if inputs.get("start") else None,
    )
