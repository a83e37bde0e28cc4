"""The card of the frozen model, beside its bundle."""

import nodestage
from nodestage.core import logs
from nodestage.methods.fusion import published
from nodestage.report import facts, model_card, records

with logs.to(snakemake.log[0]):
    inputs, params, output = snakemake.input, snakemake.params, snakemake.output
    centers = [
        records.Center(center, role, folder, summarised=center in params.summarised)
        for (center, role), folder in zip(params.roles.items(), inputs.centers, strict=True)
    ]
    model_card.write(
        facts.of_study(params.facts, manifest=inputs.manifest, learning=inputs.learning or None),
        centers,
        model_card.Model(
            nodestage.__version__,
            facts.mean_thresholds(inputs.thresholds),
            published.terms_of(params.weights),
        ),
        output.markdown,
        output.html,
    )
