"""nnU-Net v2, adapted from outside: its planner, preprocessor, trainer and sliding window.

`plans` and `cases` prepare, `trainer` and `training` learn; `network` and `prediction` apply
a trained model without importing any of those, since nnU-Net's trainer costs many seconds of
import.
"""
