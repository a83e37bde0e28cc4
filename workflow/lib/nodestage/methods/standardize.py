"""Means and SDs by which a method standardizes features, as plain numbers for its state."""

import numpy as np


def center_and_scale(x: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and SD of each feature over the training patients (or their candidates); an SD of 0 becomes 1.

    x : (patients, features), at least one patient and one feature, finite
    """
    from sklearn.preprocessing import StandardScaler

    scaler = StandardScaler().fit(x)
    return scaler.mean_.tolist(), scaler.scale_.tolist()
