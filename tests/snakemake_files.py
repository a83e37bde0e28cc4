"""What tests read of the rules, and a workflow that uses them as a module."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

MODULE = """
configfile: "config.yaml"


module nodestage:
    snakefile: "{snakefile}"
    config: config


use rule * from nodestage


rule everything:
    default_target: True
    input: rules.all.input
"""


def rules():
    """(rule, its text) of every rule."""
    for path in sorted(ROOT.glob("workflow/rules/*.smk")):
        for block in re.split(r"\n(?=rule |use rule )", path.read_text(encoding="utf-8")):
            if rule := re.match(r"\s*rule (\w+):", block):
                yield rule[1], block
