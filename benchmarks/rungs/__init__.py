"""Rungs of `benchmarks/ladder.py`: simulated patients, and what each step of the method makes of them."""
