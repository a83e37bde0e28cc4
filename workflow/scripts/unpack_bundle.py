"""A file of the bundle that the config names, if it is still the one that was frozen."""

import shutil

from nodestage.core import files, logs
from nodestage.exchange import bundle

with logs.to(snakemake.log[0]):
    bundle.check(snakemake.input[0], snakemake.wildcards.file, snakemake.params.digest)
    with files.whole(snakemake.output[0]) as temporary:
        shutil.copyfile(snakemake.input[0], temporary)
