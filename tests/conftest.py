"""Order of the tests."""


def pytest_collection_modifyitems(items):
    """The whole workflow first: it takes longest, and beside it another process runs all the rest."""
    items.sort(key=lambda item: not item.path.name.startswith("test_workflow"))
