"""Temporary environment variables, from which nnU-Net takes its folders and number of workers."""

import os
from contextlib import contextmanager


@contextmanager
def environment(**variables):
    """Set variables for the block, and restore them afterwards."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
