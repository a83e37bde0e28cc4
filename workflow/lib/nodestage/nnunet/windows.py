"""Positions of the windows of a prediction, and which of them run.

Positions and Gaussian weights are computed by nnU-Net.
"""

import itertools

import torch


def corners(shape, tile, step_size=0.5, inside=None, min_attention_share=0.0, around=False):
    """First voxels (z, y, x) of the windows to run.

    Parameters
    ----------
    shape : (z, y, x), of the image, no smaller than `tile` along any axis
    tile : (z, y, x), of a window
    step_size : share of the window between two neighbours
    inside : bool tensor (z, y, x) of that shape; windows without any True are left out
    min_attention_share : of the weight at every voxel of `inside`; windows with no larger share at any of them
        are left out too
    around : cover the box around `inside` with windows, not the whole image: fewer of
        them, at other positions
    """
    from nnunetv2.inference.sliding_window_prediction import compute_steps_for_sliding_window

    box = tuple(slice(0, size) for size in shape)
    if around and inside is not None and bool(inside.any()):
        box = box_around(inside, tile)
    steps = compute_steps_for_sliding_window(
        tuple(side.stop - side.start for side in box), tuple(tile), step_size
    )
    steps = [[side.start + start for start in axis] for side, axis in zip(box, steps, strict=True)]
    if inside is None:
        return list(itertools.product(*steps))
    starts = list(_with_any(inside, steps, tile))
    if not min_attention_share:
        return starts
    return _above_share(starts, steps, gaussian(tile), inside, min_attention_share)


def _with_any(inside, steps, tile):
    """The corners whose windows hold any True.

    One axis after another, so that no voxel is read twice for two windows that differ along another one.
    """
    for z in steps[0]:
        plane = inside[z : z + tile[0]].any(0)
        for y in steps[1]:
            line = plane[y : y + tile[1]].any(0)
            for x in steps[2]:
                if bool(line[x : x + tile[2]].any()):
                    yield z, y, x


def window(corner, tile):
    """The slices of the window whose first voxel is `corner`."""
    return tuple(slice(start, start + size) for start, size in zip(corner, tile, strict=True))


def box_around(inside, tile):
    """The slices of the box around the True voxels, widened to a window where it is smaller."""
    box = []
    for axis, size in enumerate(tile):
        others = tuple(k for k in range(inside.ndim) if k != axis)
        indices = torch.nonzero(inside.any(others)).flatten()
        low, high = int(indices[0]), int(indices[-1]) + 1
        low -= max(size - (high - low), 0) // 2
        low = min(max(low, 0), inside.shape[axis] - size)
        box.append(slice(low, max(high, low + size)))
    return tuple(box)


def gaussian(tile):
    """Weight of each voxel of a window, float32 tensor (z, y, x)."""
    from nnunetv2.inference.sliding_window_prediction import compute_gaussian

    return compute_gaussian(
        tuple(tile),
        sigma_scale=1 / 8,
        value_scaling_factor=10,
        dtype=torch.float32,
        device=torch.device("cpu"),
    )


def _above_share(corners, steps, weights, inside, min_share):
    """Corners of the windows that have more than `min_share` of the weight at a voxel of `inside`.

    The weight is a product over the axes, and so is the sum of all windows' weights.
    """
    shares = []
    for axis, starts in enumerate(steps):
        middle = [n // 2 for n in weights.shape]
        middle[axis] = slice(None)
        line = weights[tuple(middle)] / weights.max()
        total = torch.zeros(inside.shape[axis])
        for start in starts:
            total[start : start + len(line)] += line
        shares.append({start: line / total[start : start + len(line)] for start in starts})
    kept = []
    for corner in corners:
        z, y, x = (share[start] for share, start in zip(shares, corner, strict=True))
        seen = inside[window(corner, weights.shape)]
        # First the highest share along z of each column that is inside, then over y and x.
        columns = (seen * z[:, None, None]).amax(0)
        if bool((columns * y[:, None] * x > min_share).any()):
            kept.append(corner)
    return kept
