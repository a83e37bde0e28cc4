"""Environment variables for a while; nnU-Net takes its folders and its workers from there."""

import os
from contextlib import contextmanager


@contextmanager
def environment(**variables):
    """Set variables for the block; afterwards they are what they were."""
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
