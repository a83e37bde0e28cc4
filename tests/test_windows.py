"""Which windows of the sliding window run, and what they cost in accuracy and memory."""

import itertools

import numpy as np
import pytest
import torch

from nodestage.nnunet import network, prediction, windows
from nodestage.nnunet.plans import make_plans

SHAPE, SPACING, PATCH = (40, 56, 48), (2.0, 2.0, 2.0), (16, 16, 16)


@pytest.fixture(scope="module")
def model():
    """A small network with drawn weights, as a training would export it."""
    plan = make_plans(
        "x", [SHAPE], SPACING, ["venous"], 1, {"patch_size": PATCH, "features": [4, 8, 8]}
    )
    torch.manual_seed(0)
    return {
        "plans": plan.plans,
        "dataset_json": plan.dataset_json,
        "settings": {"mixed_precision": False},
        "mirror_axes": [],
        "weights": network.build(plan.plans, plan.dataset_json).state_dict(),
    }


@pytest.fixture(scope="module")
def image():
    return np.random.default_rng(0).normal(50, 60, SHAPE).astype(np.int16)


def run(model, image, where, **how):
    """Logits, and how many windows were run for them."""
    net, seen = prediction.load(model), []
    net.register_forward_hook(lambda _, inputs, __: seen.append(len(inputs[0])))
    return prediction.predict_logits(net, [image], SPACING, model, where=where, **how), sum(seen)


def attended():
    where = np.zeros(SHAPE, bool)
    where[18:30, 20:37, 12:25] = True
    return where


def test_windows_that_hardly_count_are_left_out(model, image):
    where = attended()
    every, n = run(model, image, where)
    fewer, n_fewer = run(model, image, where, min_attention_share=0.05)
    assert n_fewer < 0.8 * n
    apart = (every - fewer)[:, where].abs()
    assert 0 < apart.max() < 0.35 * every[:, where].abs().max()
    assert apart.mean() < 0.01 * every[:, where].abs().max()
    everything, most = run(model, image, where, min_attention_share=1e-9)
    assert most == n
    torch.testing.assert_close(everything, every, rtol=0, atol=0)


def test_the_windows_left_out_are_those_of_least_weight(model):
    """Against the weights summed up in full."""
    from nnunetv2.inference.sliding_window_prediction import (
        compute_gaussian,
        compute_steps_for_sliding_window,
    )

    gaussian = compute_gaussian(PATCH, 1 / 8, 10, dtype=torch.float32, device=torch.device("cpu"))
    steps = compute_steps_for_sliding_window(SHAPE, PATCH, 0.5)
    corners = list(itertools.product(*steps))
    total, where = torch.zeros(SHAPE), torch.from_numpy(attended())
    for corner in corners:
        total[windows.window(corner, PATCH)] += gaussian
    shares = [
        (gaussian / total[w])[where[w]].max() if where[w].any() else torch.tensor(0.0)
        for w in (windows.window(corner, PATCH) for corner in corners)
    ]
    for least in (0.001, 0.02, 0.2):
        found = windows.corners(SHAPE, PATCH, 0.5, where, least)
        assert found == [c for c, share in zip(corners, shares, strict=True) if share > least]


def test_what_windows_leave_out_is_not_held(model, image):
    """Images are normalised only where a window looks; the logits are those of the whole."""
    where = attended()
    held = []
    original = prediction.normalise
    try:
        prediction.normalise = lambda channels, plans: (
            held.append(channels[0].shape) or original(channels, plans)
        )
        part, _ = run(model, image, where)
    finally:
        prediction.normalise = original
    assert np.prod(held[0]) < 0.6 * image.size
    whole, _ = run(model, image, None)
    inside = part[1] > -torch.inf
    middle = torch.from_numpy(where)
    assert inside[middle].all() and not inside.all()
    torch.testing.assert_close(part[:, middle], whole[:, middle])


def test_windows_around_the_attention_are_those_of_the_image_cut_to_its_box(model, image):
    where = attended()
    box = windows.box_around(torch.from_numpy(where), PATCH)
    assert box == (slice(16, 32), slice(20, 37), slice(11, 27))  # widened to a window
    _, n = run(model, image, where)
    close, n_close = run(model, image, where, around=True)
    assert n_close == 2 < n
    cut, _ = run(model, image[box], where[box])
    torch.testing.assert_close(close[(slice(None), *box)], cut, rtol=0, atol=0)
    assert (close[1] > -torch.inf).numpy()[where].all()
    outside = np.ones(SHAPE, bool)
    outside[box] = False
    assert (close[1].numpy()[outside] == -np.inf).all()


@pytest.mark.parametrize("corner", [(0, 0, 0), (39, 55, 47), (0, 55, 20)])
def test_the_box_around_one_voxel_is_a_window_within_the_image(corner):
    inside = torch.zeros(SHAPE, dtype=torch.bool)
    inside[corner] = True
    box = windows.box_around(inside, PATCH)
    assert inside[box].any() and tuple(inside[box].shape) == PATCH


def test_windows_around_attention_everywhere_or_nowhere_are_those_of_a_scan(model, image):
    everywhere = np.ones(SHAPE, bool)
    for where in (everywhere, ~everywhere):
        (scan, n), (close, n_close) = (run(model, image, where, around=a) for a in (False, True))
        assert n == n_close
        torch.testing.assert_close(close, scan, rtol=0, atol=0)
