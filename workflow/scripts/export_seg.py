"""One patient's lymph nodes, tumor and organs as DICOM segmentations."""

from nodestage.cohort.faults import about
from nodestage.core import files, logs, tables, volumes
from nodestage.export import segmentation, source
from nodestage.export.objects import Maker, save

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.folder) as folder:
    inputs, params, patient = snakemake.input, snakemake.params, snakemake.wildcards.patient
    with about(patient, params.phase):
        series = source.read(inputs.ct, params.series)
    maker = Maker(files.digest(inputs.manifest), str(series.images[0].SeriesInstanceUID))
    (organs,), (tumor,) = (files.masks(inputs, role, [patient]) for role in ("organs", "tumor"))
    rows = tables.read(inputs.nodes)
    nodes = source.onto(series, volumes.read(inputs.mask))
    centers = {int(row["node"]): tuple(float(row[axis]) for axis in "xyz") for row in rows}
    lost = source.keep_lost(nodes, series, centers)
    if lost:
        print(f"nodes smaller than the distance of the slices, one voxel each: {lost}")
    made = {
        segmentation.NODES: segmentation.of_nodes(series, maker, nodes, rows),
        segmentation.TUMOR: segmentation.of_tumor(
            series, maker, source.onto(series, volumes.read(tumor)), params.organ
        ),
        segmentation.ORGANS: segmentation.of_organs(
            series, maker, source.onto(series, volumes.read(organs)), params.labels
        ),
    }
    for kind, found in made.items():
        if found is not None:
            save(folder / segmentation.FILES[kind], found)
