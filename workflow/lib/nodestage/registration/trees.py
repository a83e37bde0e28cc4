"""The best displacement of every control point, exact on a spanning tree.

Heinrich et al., TMI 2013: similar neighbours should have similar displacements, so the control
grid is thinned to the tree that joins the most similar neighbours, on which two passes of
min-sum belief propagation find the optimum.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit


# The compiled loops take named tuples: numba does not support dataclasses.
class Tree(NamedTuple):
    """A spanning tree of the control grid.

    Attributes
    ----------
    order : int64 (nodes,), root first, parents before children
    parent : int64 (nodes,), -1 at the root
    """

    order: np.ndarray
    parent: np.ndarray


class _Labels(NamedTuple):
    """The displacements that are tried, and what a difference between neighbours costs."""

    width: int  # labels along each axis
    step: np.float32  # mm
    weight: np.float32  # cost per mm²


def spanning_tree(values: np.ndarray, seed: int | None = None) -> Tree:
    """Minimum spanning tree of the control grid's six-neighbour graph.

    Parameters
    ----------
    values : float32 (z, y, x), the image averaged to the control grid
    seed : with a number, distances are multiplied by random factors: another good tree

    """
    index = np.arange(values.size).reshape(values.shape)
    starts, ends, weights = [], [], []
    for axis in range(3):
        a = [slice(None)] * 3
        b = [slice(None)] * 3
        a[axis], b[axis] = slice(None, -1), slice(1, None)
        starts.append(index[tuple(a)].ravel())
        ends.append(index[tuple(b)].ravel())
        weights.append(np.abs(values[tuple(a)] - values[tuple(b)]).ravel())
    one, two, weight = map(np.concatenate, (starts, ends, weights))
    if seed is not None:
        typical = float(np.mean(weight)) + 1e-6
        weight = (weight + typical) * np.random.default_rng(seed).random(weight.size)
    by_weight = np.argsort(weight, kind="stable")
    return Tree(*_tree(one[by_weight], two[by_weight], values.size))


@njit(cache=True, nogil=True)
def _tree(one, two, nodes):
    """Kruskal's tree over edges in order of weight, then breadth first from node 0's middle."""
    leader = np.arange(nodes)
    links = np.full((nodes, 6), -1, np.int64)
    degree = np.zeros(nodes, np.int64)
    for e in range(one.size):
        a, b = one[e], two[e]
        while leader[a] != a:
            leader[a] = leader[leader[a]]
            a = leader[a]
        while leader[b] != b:
            leader[b] = leader[leader[b]]
            b = leader[b]
        if a != b:
            leader[a] = b
            i, j = one[e], two[e]
            links[i, degree[i]] = j
            links[j, degree[j]] = i
            degree[i] += 1
            degree[j] += 1
    order = np.empty(nodes, np.int64)
    parent = np.full(nodes, -2, np.int64)
    order[0] = nodes // 2
    parent[nodes // 2] = -1
    filled = 1
    for i in range(nodes):
        node = order[i]
        for k in range(degree[node]):
            other = links[node, k]
            if parent[other] == -2:
                parent[other] = node
                order[filled] = other
                filled += 1
    return order, parent


def best(
    cost: np.ndarray, spanning: Sequence[Tree], start: np.ndarray, step: float, weight: float
) -> np.ndarray:
    """Displacement of every node with the minimum total cost on a tree, or on several at once.

    Minimises the sum of the nodes' costs and of weight × |difference of displacement|²
    over a tree's edges, where the displacement is `start` plus the label's. With several trees
    the min-marginals are added before the minimum is taken: where one tree is wrong in a region, the others
    decide, while a mean of their displacements would be in between.

    Parameters
    ----------
    cost : float32 (nodes, labels)
    spanning : one tree or more of the same nodes
    start : float32 (nodes, 3), mm, displacement so far
    step : float, mm between labels
    weight : float, cost per mm²

    Returns
    -------
    float32 (nodes, 3): mm to add to `start`, finer than the labels (fitted through the
    neighbours of the minimum of the min-marginals)
    """
    width = round(cost.shape[1] ** (1 / 3))
    labels = _Labels(width, np.float32(step), np.float32(weight))
    message = np.empty_like(cost)
    total = np.zeros_like(cost) if len(spanning) > 1 else None
    for tree in spanning:
        belief = cost.copy()
        _min_sum(belief, message, tree, start, labels)
        if total is not None:
            total += belief
    out = np.empty((cost.shape[0], 3), np.float32)
    _read_off(belief if total is None else total, width, np.float32(step), out)
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _min_sum(belief, message, tree, start, labels):
    """Min-marginals of all nodes, in place: up from the leaves, then down from the root."""
    order, parent = tree
    width, step, weight = labels
    count = belief.shape[1]
    one = np.empty((width, width, width), np.float32)
    two = np.empty((width, width, width), np.float32)
    penalty = np.empty((3, width, width), np.float32)
    for i in range(order.size - 1, 0, -1):
        node = order[i]
        above = parent[node]
        one.reshape(-1)[:] = belief[node]
        _penalties(start[above], start[node], step, weight, penalty)
        _min_convolution(one, two, penalty)
        flat, sent, up = one.reshape(-1), message[node], belief[above]
        low = flat[0]
        for k in range(1, count):
            low = min(low, flat[k])
        for k in range(count):
            sent[k] = flat[k] - low
            up[k] += sent[k]
    for i in range(1, order.size):
        node = order[i]
        above = parent[node]
        flat, sent, up = one.reshape(-1), message[node], belief[above]
        for k in range(count):
            flat[k] = up[k] - sent[k]
        _penalties(start[node], start[above], step, weight, penalty)
        _min_convolution(one, two, penalty)
        low = flat[0]
        for k in range(1, count):
            low = min(low, flat[k])
        down = belief[node]
        for k in range(count):
            down[k] += flat[k] - low


@njit(cache=True, nogil=True, fastmath=True)
def _penalties(to, of, step, weight, penalty):
    """penalty[axis, j, i]: cost of label j at one end and i at the other."""
    width = penalty.shape[1]
    for axis in range(3):
        offset = to[axis] - of[axis]
        for j in range(width):
            for i in range(width):
                d = (i - j) * step + offset
                penalty[axis, j, i] = weight * d * d


@njit(cache=True, nogil=True, fastmath=True)
def _min_convolution(one, two, penalty):
    """Distance transform of `one` under the quadratic penalty, axis by axis, in place.

    With few labels along an axis, trying all pairs in whole vector registers is faster
    than the lower envelope of parabolas, which branches.
    """
    width = one.shape[0]
    square = width * width
    a, b = one.reshape(width, square), two.reshape(width, square)
    turned = one.reshape(square, width)
    half = np.float32(0.5)
    for axis in range(3):
        for i in range(width):
            row, source, p = b[i], a[0], penalty[axis, 0, i]
            for k in range(square):
                row[k] = source[k] + p
            for j in range(1, width):
                source, p = a[j], penalty[axis, j, i]
                for k in range(square):
                    # min(row, source + p) in arithmetic: a comparison would become a
                    # branch, which keeps the loop out of vector registers.
                    d = source[k] + p - row[k]
                    row[k] += half * (d - abs(d))
        # The next axis comes first, so that every pass runs along whole rows.
        for k in range(square):
            for i in range(width):
                turned[k, i] = b[i, k]


@njit(cache=True, nogil=True)
def _read_off(belief, width, step, out):
    """The label with the minimum belief, moved between labels by a V through its neighbours along each axis."""
    radius = width // 2
    strides = (width * width, width, 1)
    for node in range(belief.shape[0]):
        values = belief[node]
        at = 0
        for k in range(values.size):
            if values[k] < values[at]:
                at = k
        # Of equally good labels the smallest displacement: flat tissue stays where it is.
        lowest, nearest = values[at], 3 * width * width
        for k in range(values.size):
            if values[k] <= lowest:
                z, y, x = (
                    k // strides[0] - radius,
                    (k // width) % width - radius,
                    k % width - radius,
                )
                if z * z + y * y + x * x < nearest:
                    nearest = z * z + y * y + x * x
                    at = k
        for axis in range(3):
            position = (at // strides[axis]) % width
            shift = np.float32(0)
            if 0 < position < width - 1:
                before, after = values[at - strides[axis]], values[at + strides[axis]]
                rise = max(before, after) - values[at]
                if rise > 0:
                    shift = np.float32(0.5) * (before - after) / rise
            out[node, axis] = (position - radius + shift) * step
