"""Seeds of single networks, methods and draws, derived from the study's seed.

A derived seed depends on the study's seed and on names, so that what else is trained or drawn
changes nothing. Networks and forests use `derived`, methods `of_method`: two formulas, because one for
both would change the networks, draws and scores of every study.
"""

import hashlib
import zlib


def derived(seed: int, *names: str) -> int:
    """The seed, 32 bits, of the network or forest that the names identify."""
    return zlib.crc32(" ".join([str(seed), *names]).encode())


def of_method(seed: int, name: str) -> int:
    """The seed, 48 bits, of a method, or of a fold's methods."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{name}".encode()).digest()[:6], "big")
