"""nnU-Net v2, adapted from outside: its planner, preprocessor, trainer and sliding window.

`plans` and `cases` prepare, `trainer` and `training` train; `network` and `prediction` apply a trained
model without importing any of those, since importing nnU-Net's trainer takes many seconds.
"""
