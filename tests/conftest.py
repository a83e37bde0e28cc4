"""Order of the tests, and which of them are slow."""

import pytest

# Modules that start Snakemake, train a network or register volumes; `make test-fast` leaves them out.
SLOW = {
    "test_bad_patients",
    "test_baselines",
    "test_cluster",
    "test_fusion",
    "test_identification",
    "test_killed_training",
    "test_lymph_nodes",
    "test_nnunet",
    "test_organs",
    "test_pictures",
    "test_privacy",
    "test_quality",
    "test_registration",
    "test_registration_failures",
    "test_report",
    "test_resolution",
    "test_returned",
    "test_simulator",
    "test_snakemake_report",
    "test_spacing",
    "test_tumor_masks",
    "test_use_conda",
    "test_workflow",
}


def pytest_collection_modifyitems(items):
    """The whole workflow first: it takes longest, and beside it another process runs all the rest."""
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not item.path.name.startswith("test_workflow"))
