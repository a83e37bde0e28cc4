"""Digests of the code that jobs run: a change of it reruns its jobs and nothing else."""

from pathlib import Path

from nodestage.core.digest import code_digest
from nodestage.study.methods import Methods

SCRIPTS = Path(__file__).parents[3] / "scripts"

# Scripts that a new patient's score depends on.
SCORING = (
    "intake",
    "register",
    "annotation",
    "organs",
    "tumor",
    "tumor_views",
    "attention",
    "lymph_nodes",
    "identification",
    "candidates",
    "radiomics_features",
    "predictions",
    "ensemble",
)


def of_script(script: str, *sources: Path) -> str:
    """Digest of a script and the library code that it uses.

    sources : files that the script loads by name, which no import statement shows
    """
    return code_digest(SCRIPTS / script, *sources)


def not_compared(script: str, *sources: Path) -> str:
    """Replaces `of_script` in jobs, which plan nothing: reading the library takes a second."""
    return ""


def of_scoring(methods: Methods) -> dict[str, str]:
    """{step: digest} of all code that a new patient's score depends on.

    In the bundle's manifest it shows a hospital whether it scores by the code that the models were
    frozen with. A method that a user added is in the bundle itself.
    """
    steps = {script: of_script(f"{script}.py") for script in SCORING}
    return steps | {
        family: of_script("score.py", *methods.sources(family))
        for family in methods.shipped_families
    }
