"""nodestage: preoperative lymph-node status in pancreatic cancer from two-phase CT.

One module a stage of the workflow; each is pure functions on arrays, tables and
files, and none knows Snakemake. Modules are imported one by one, so that a job
pays only for what it uses.
"""

__version__ = "0.2.0"
