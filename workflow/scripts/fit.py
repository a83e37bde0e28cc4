"""All methods of one family, fitted on a fold's training patients, chosen on its validation patients."""

from nodestage.core import checkpoints, logs, seeds
from nodestage.methods import base, evidence, registry

with logs.to(snakemake.log[0]):
    params = snakemake.params
    data = evidence.data(
        snakemake.input, [*params.train, *params.validation], params.clinical, params.reasons
    )
    model = base.fit_family(
        registry.classes(params.methods),
        data,
        base.Split(params.train, params.validation, params.metastasis, params.stages),
        evidence.settings(params.methods),
        # Folds differ by their patients; a seed per fold keeps their draws apart too.
        seeds.of_method(params.seed, f"fold{snakemake.wildcards.fold}"),
        threads=snakemake.threads,
    )
    checkpoints.save(snakemake.output.model, model)
