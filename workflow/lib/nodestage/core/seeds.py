"""Seeds of single networks and draws, derived from the study's seed."""

import zlib


def derived(seed: int, *names: str) -> int:
    """The seed of what the names name: the same whatever else is trained or drawn beside it."""
    return zlib.crc32(" ".join([str(seed), *names]).encode())
