# Content decides whether a job runs again: `params: code` (common.smk) is a digest of a rule's script
# and of the library that it uses. Snakemake also holds a script's time against its outputs' times,
# and times mean nothing: `git checkout` of a branch and back, `cp -r` or a fresh clone beside finished
# results would run every job again. The times of the scripts in this folder are therefore left out
# of account, for every command line, profile and importing workflow; a script of somebody else's rule
# keeps its time.

import functools
import os

import snakemake.jobs
from snakemake.logging import logger


def without_times(get_script_mtime, folder):
    """The same function, to which the scripts of one folder are older than any output."""

    @functools.wraps(get_script_mtime)
    def time_of(path):
        if os.path.realpath(os.path.dirname(path)) == folder:
            return float("-inf")
        return get_script_mtime(path)

    return time_of


if hasattr(snakemake.jobs, "get_script_mtime"):
    snakemake.jobs.get_script_mtime = without_times(
        snakemake.jobs.get_script_mtime,
        os.path.realpath(f"{workflow.current_basedir}/../scripts"),
    )
elif workflow.is_main_process:
    logger.warning(
        "This version of Snakemake asks for the times of scripts in a way that nodestage doesn't know: "
        "after `git checkout` or in a fresh clone, finished jobs may run again. "
        "`--rerun-triggers mtime params input software-env` prevents it."
    )
