"""Whether PyRadiomics is installed, checked before a run that needs it."""

from importlib.util import find_spec

from nodestage.core.errors import InputError


def check(package: str = "radiomics") -> None:
    """Raise `InputError` with the ways on where PyRadiomics is not installed for this Python."""
    try:
        there = find_spec(package) is not None
    except ValueError:  # a module of that name that was not loaded from a file
        there = False
    if not there:
        raise InputError(
            "PyRadiomics is not installed, and jobs of the rule `radiomics` need it. Its version 3.0.1 "
            "builds on Python 3.11 alone: set up again with that Python (make PYTHON=python3.11), or let "
            "conda make its environment (--use-conda, envs/radiomics.yaml), or leave its methods out: "
            "methods: {radiomics: null, radiomics_ct_report: null}."
        )
