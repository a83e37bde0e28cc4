"""Random streams: one for each purpose of each patient.

Separate streams keep everything else the same when one setting changes: a study without
far confounders has the very noise, nodes and tumors of the study with them.
"""

import hashlib

import numpy as np


def stream(seed: int, *names: object) -> np.random.Generator:
    """A generator that depends on the seed and on the names alone.

    >>> bool(stream(1, "CH001", "noise").random() == stream(1, "CH001", "noise").random())
    True
    """
    digest = hashlib.sha256("/".join(str(name) for name in names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([int(seed), *words])))


def log_normal(quartiles: tuple[float, float]) -> tuple[float, float]:
    """Mean and SD of log(value) for a log-normal with these first and third quartiles."""
    low, high = np.log(quartiles)
    return (low + high) / 2, (high - low) / 1.349
