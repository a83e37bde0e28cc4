"""One patient's measurements as a DICOM structured report."""

from pathlib import Path

import pydicom

from nodestage.cohort.faults import about
from nodestage.core import files, logs, tables
from nodestage.export import report, segmentation, source
from nodestage.export.objects import Maker, save

with logs.to(snakemake.log[0]), files.whole_folder(snakemake.output.folder) as folder:
    inputs, params = snakemake.input, snakemake.params
    with about(snakemake.wildcards.patient, params.phase):
        series = source.read(inputs.ct, params.series)
    maker = Maker(files.digest(inputs.manifest), str(series.images[0].SeriesInstanceUID))
    nodes = Path(inputs.seg, segmentation.FILES[segmentation.NODES])
    seg = pydicom.dcmread(nodes, stop_before_pixels=True) if nodes.exists() else None
    rows, record = tables.read(inputs.nodes), files.read_json(inputs.record)
    save(folder / report.FILE, report.of_patient(series, maker, seg, rows, record))
