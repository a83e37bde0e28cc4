"""Positive or negative, for each lymph-node instance (section III-A, stage 2).

- `identification.training`    `train_fold`: every identification network of a fold, in one process
- `identification.prediction`  `classify`, `on_ground_truth`, the class-aware mask
- `identification.volumes`     the patient's volume of positive lymph nodes, for the fusion
"""
