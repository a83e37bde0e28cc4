"""Why tests are skipped where something isn't installed."""

PYRADIOMICS = "PyRadiomics builds on Python 3.11 alone"
