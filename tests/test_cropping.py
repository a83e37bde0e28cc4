"""The part of an image that networks see: the body, wherever it lies in the air around it."""

import numpy as np
import pytest

from nodestage.nnunet import cropping

SPACING = (2.5, 1.0, 1.0)


def scan(shape=(24, 80, 90), body=((4, 20), (20, 60), (30, 70))):
    """Air with a box of soft tissue in it."""
    image = np.full(shape, -1000, np.int16)
    image[tuple(slice(a, b) for a, b in body)] = 40
    return image


def test_the_box_holds_the_body_and_little_more():
    z, y, x = cropping.body_box([scan()], SPACING)
    for side, (low, high) in zip((z, y, x), ((4, 20), (20, 60), (30, 70)), strict=True):
        assert side.start <= low and side.stop >= high
    assert y.start >= 20 - 12 and y.stop <= 60 + 12 and x.start >= 30 - 12 and x.stop <= 70 + 12


def test_a_table_below_the_patient_and_air_inside_change_nothing():
    image = scan()
    expected = cropping.body_box([image], SPACING)
    image[:, 72:75, 5:85] = 100  # smaller than the body, not connected with it
    image[8:12, 30:40, 40:50] = -900
    assert cropping.body_box([image], SPACING) == expected


def test_a_phase_that_shows_more_widens_the_box():
    venous, arterial = scan(), scan(body=((0, 20), (20, 60), (30, 70)))
    assert cropping.body_box([arterial, venous], SPACING)[0].start == 0
    assert cropping.body_box([venous], SPACING)[0].start > 0


def test_an_image_of_air_or_of_tissue_alone_stays_whole():
    shape = (10, 20, 30)
    for value in (-1000, 40):
        image = np.full(shape, value, np.int16)
        assert cropping.body_box([image], SPACING) == cropping.whole(shape)


def test_a_box_is_widened_to_its_labels():
    labels = np.zeros((24, 80, 90), np.uint8)
    box = cropping.body_box([scan()], SPACING)
    assert cropping.with_labels(box, labels) == box
    labels[23, 1, 89] = 3
    wider = cropping.with_labels(box, labels)
    assert [side.stop for side in wider][::2] == [24, 90] and wider[1].start == 1


def test_what_is_cropped_returns_to_its_place():
    image = np.random.default_rng(0).normal(size=(2, 24, 80, 90)).astype(np.float32)
    box = cropping.body_box([scan()], SPACING)
    back = cropping.restored(image[(..., *box)], box, (24, 80, 90), outside=-7)
    inside = np.zeros((24, 80, 90), bool)
    inside[box] = True
    np.testing.assert_array_equal(back[:, inside], image[:, inside])
    assert np.all(back[:, ~inside] == -7) and inside.mean() < 0.5


@pytest.fixture(scope="module")
def network():
    """A network with drawn weights, as `fitting.open_model` gives it."""
    from nodestage.core import checkpoints
    from nodestage.nnunet import fitting, network, plans, prediction

    plan = plans.make_plans(
        "organs", [(24, 80, 90)], SPACING, ["CT"], 2,
        {"patch_size": [16, 32, 32], "features": [4, 8, 8], "convolutions": 1},
    )  # fmt: skip
    checkpoints.seed_all(0)
    weights = network.build(plan.plans, plan.dataset_json).state_dict()
    model = {
        "plans": plan.plans,
        "dataset_json": plan.dataset_json,
        "weights": weights,
        "mirror_axes": [],
        "settings": {"mixed_precision": False},
    }
    return fitting.Network(model, prediction.load(model))


def test_a_prediction_is_background_outside_the_body_and_the_crops_own_inside(network):
    image = scan()
    labels, shares = network.labels([image], SPACING, softmax=True)
    box = network.box([image], SPACING)
    inside = np.zeros(image.shape, bool)
    inside[box] = True
    assert labels.shape == image.shape and not labels[~inside].any() and labels[inside].any()
    np.testing.assert_allclose(shares.sum(0), 1, atol=1e-5)
    assert np.all(shares[0][~inside] == 1)
    np.testing.assert_array_equal(network.labels([image], SPACING), labels)
    np.testing.assert_array_equal(network.labels([image[box]], SPACING), labels[box])


def test_two_phases_labels_are_those_of_the_highest_mean_probability(network):
    from nodestage.organs import learning

    arterial, venous = scan(), scan(body=((2, 18), (18, 62), (28, 72)))
    venous[6:12] += 60
    found = learning.pseudo_labels(network, arterial, venous, SPACING)
    box = network.box([arterial, venous], SPACING)
    total = sum(
        network.labels([image[box]], SPACING, softmax=True)[1] for image in (arterial, venous)
    )
    assert found.shape == arterial.shape and found.dtype == np.uint8
    np.testing.assert_array_equal(found[box], total.argmax(0))
