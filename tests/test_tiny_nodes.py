"""Lymph nodes of a voxel or two, through every stage that looks at them."""

import functools
import tempfile
from pathlib import Path

import lymph_node_phantom as phantom
import numpy as np
import pytest

from nodestage import metrics
from nodestage.core.volumes import Volume
from nodestage.identification import prediction, training
from nodestage.identification.volumes import positive_volumes, volume_feature
from nodestage.lymph_nodes.instances import components, instance_table
from nodestage.registration import carry_mask


def one_voxel(place=(12, 20, 24)):
    mask = np.zeros(phantom.SHAPE, np.uint8)
    mask[place] = 2
    return mask


@pytest.mark.parametrize("place", [(12, 20, 24), (0, 0, 0), (31, 47, 47)])
def test_a_lymph_node_of_one_voxel_is_measured(place):
    instances = components(one_voxel(place), phantom.SPACING)
    organs = np.zeros(phantom.SHAPE, np.uint8)
    organs[12, 10, 10] = 1  # and an organ of one voxel
    anatomy = {"labels": {"aorta": 1}, "ranges_mm": {"aorta": [0, 28]}, "stations": {"aorta": [16]}}
    (row,) = instance_table(instances, phantom.SPACING, organs, anatomy)
    assert row["volume_mm3"] == pytest.approx(np.prod(phantom.SPACING))
    assert row["short_axis_mm"] == pytest.approx(2.0)
    assert np.isfinite(row["distance_mm"]) and row["station"] == "16"
    assert volume_feature(positive_volumes([{**row, "p_positive": 0.5}])) == row["volume_mm3"]
    found = metrics.match_instances(one_voxel(place) > 0, one_voxel(place) > 0)
    assert (found.tp, found.fp, found.fn) == (1, 0, 0)
    surface = metrics.surface_distances(one_voxel(place) > 0, one_voxel() > 0, phantom.SPACING)
    away = np.linalg.norm(np.subtract(place, (12, 20, 24)) * phantom.SPACING)
    assert surface.hd == pytest.approx(away)


@functools.cache
def identified():
    """Identification of a fold, one of whose training patients has nodes of one voxel alone."""
    folder = Path(tempfile.mkdtemp(prefix="tiny"))
    arterial, venous, attention, _ = phantom.arrays(0)
    nodes = one_voxel() + one_voxel((0, 0, 0)) // 2  # one positive, one negative in the corner
    patients = phantom.cohort() | {
        "P0": phantom.write(folder, "P0", (arterial, venous, attention, nodes))
    }
    settings = {"crop": [8, 12, 12], "epochs": 1, "iterations_per_epoch": 2, "batch_size": 4}
    fold = phantom.fold(patients)
    return training.train_fold(fold, phantom.tiny_fold(), settings, phantom.run(folder))


@pytest.mark.parametrize("place", [(12, 20, 24), (0, 0, 0), (31, 47, 47)])
def test_a_lymph_node_of_one_voxel_teaches_and_is_identified(place):
    instances = components(one_voxel(place), phantom.SPACING)
    for name in ("attention", "plain"):
        (p,) = prediction.classify(identified(), name, phantom.images("P1"), instances)
        assert 0 <= p <= 1


@pytest.mark.parametrize("size", [1, 2])
def test_a_drawn_node_of_a_voxel_is_still_there_on_a_coarser_grid(size):
    fine = np.zeros((40, 60, 60), np.uint8)
    fine[21, 31, 31 : 31 + size] = 2
    mask = Volume(fine, (0.8, 0.7, 0.7))
    grid = Volume(np.zeros((13, 20, 20), np.int16), (2.5, 2.1, 2.1))
    carried = carry_mask(mask, None, grid)
    assert (carried.array == 2).sum() == 1
    (place,) = np.argwhere(carried.array == 2) * grid.spacing
    assert np.abs(place - np.multiply((21, 31, 31), mask.spacing)).max() < 2.5
