"""The organ network that labels every patient, from both phases."""

from pathlib import Path

from nodestage import organs
from nodestage.core import logs

with logs.to(snakemake.log[0]):
    inputs, params, model = snakemake.input, snakemake.params, snakemake.output.model
    patients = [*params.train, *params.validation]
    cases = {
        patient: (
            patient,
            {"arterial": arterial, "venous": venous},
            Path(inputs.pseudo, f"{patient}.nii.gz"),
        )
        for patient, arterial, venous in zip(patients, inputs.arterial, inputs.venous, strict=True)
    }
    organs.train_student(
        [cases[p] for p in params.train],
        [cases[p] for p in params.validation],
        organs.Training(
            params.settings,
            params.seed,
            model,
            Path(model).with_name("work_student"),
            params.classes,
        ),
        threads=snakemake.threads,
    )
