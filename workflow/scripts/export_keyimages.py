"""Pictures of one patient with outlines, as secondary captures."""

from nodestage.cohort.faults import about
from nodestage.core import files, logs, tables, volumes
from nodestage.export import key_images, source
from nodestage.export.objects import Maker, save

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.folder) as folder:
    inputs, params, patient = snakemake.input, snakemake.params, snakemake.wildcards.patient
    with about(patient, params.phase):
        series = source.read(inputs.ct, params.series)
        maker = Maker(files.digest(inputs.manifest), str(series.images[0].SeriesInstanceUID))
        (tumor,) = files.masks(inputs, "tumor", [patient])
        masks = key_images.Masks(
            source.onto(series, volumes.read(inputs.mask)),
            source.onto(series, volumes.read(tumor)),
        )
        made = key_images.images(series, maker, masks, tables.read(inputs.nodes))
    for name, image in made.items():
        save(folder / name, image)
