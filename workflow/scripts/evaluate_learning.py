"""Whether each trained network has fitted its own training data."""

from pathlib import Path

from nodestage.core import checkpoints, learning, logs, tables

with logs.to(snakemake.log[0]):
    rows = []
    for path in snakemake.input.models:
        stage, fold = Path(path).parts[1], Path(path).parent.name.removeprefix("fold")
        rows += [
            learning.row(record, stage, fold if fold.isdigit() else "")
            for record in learning.records(checkpoints.load(path))
        ]
    tables.write(snakemake.output.rows, rows, learning.COLUMNS)
    for sentence in learning.sentences(tables.read(snakemake.output.rows)):
        logs.say(f"Warning: {sentence}")
