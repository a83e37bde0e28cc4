"""Order of the tests, and the folder in which they run."""

import os
import tempfile

import pytest


def pytest_collection_modifyitems(items):
    """The whole workflow first: it takes longest, and beside it another process runs all the rest."""
    items.sort(key=lambda item: not item.path.name.startswith("test_workflow"))


@pytest.fixture(scope="session", autouse=True)
def outside_the_repository():
    """An empty working directory: a clone may hold `results/` and `.snakemake` of a finished study."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory(prefix="nodestage-tests-") as folder:
        os.chdir(folder)
        yield folder
        os.chdir(before)
