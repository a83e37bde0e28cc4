"""A nnU-Net model of the user, as plain values."""

from nodestage.core import checkpoints, logs
from nodestage.nnunet import foreign

with logs.to(snakemake.log[0]):
    params = snakemake.params
    model = foreign.read(params.folder, params.known, params.label_system)
    model["plans"]["channels"] = list(params.get("channels") or ())
    print(f"{len(model['folds'])} folds, our labels {model['learned_labels']}")
    checkpoints.save(snakemake.output.model, model)
