"""The single-phase organ network, from scans that another center labelled."""

from pathlib import Path

from nodestage import organs
from nodestage.core import logs

with logs.to(snakemake.log[0]):
    inputs, params, model = snakemake.input, snakemake.params, snakemake.output.model
    organs.train_teacher(
        [
            (patient, {"arterial": arterial, "venous": venous}, mask)
            for patient, arterial, venous, mask in zip(
                params.patients, inputs.arterial, inputs.venous, inputs.organs, strict=True
            )
        ],
        organs.Training(
            params.settings,
            params.seed,
            model,
            Path(model).with_name("work_teacher"),
            params.classes,
            params.shown,
        ),
        threads=snakemake.threads,
    )
