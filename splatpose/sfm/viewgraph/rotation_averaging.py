"""Rotations of all cameras from the relative rotations of pairs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse.csgraph import breadth_first_order

from ...geometry.graphs import spanning_tree, values_from_differences
from ...geometry.robust import cauchy_divisor
from ...geometry.rotations import so3_exp, so3_log

_L1_ROUNDS, _ROBUST_ROUNDS = 20, 20
_FLOOR = np.radians(0.2)
_SCALE = np.radians(4.0)
_SETTLED = 1e-7
_RIDGE = 1e-9


def average_rotations(
    pairs: Int[np.ndarray, "E 2"],
    rotation: Float[np.ndarray, "E 3 3"],
    sigma: Float[np.ndarray, " E"],
    trust: Float[np.ndarray, " E"],
    num_photos: int,
) -> Float[np.ndarray, "V 3 3"]:
    """cam_from_world of each photo, the first connected one's the identity.

    From a spanning tree of the most trusted pairs, steps in the tangent space of SO(3): first of
    least absolute residuals, then with Geman-McClure weights (Chatterjee & Govindu, ICCV 2013).

    Args:
        pairs: of one connected component; photos outside of it are NaN.
        rotation: of cam_j_from_cam_i.
        sigma: standard deviation of each in radians.
        trust: the larger, the sooner a pair is in the tree.
    """
    R = _along_tree(pairs, rotation, trust, num_photos)
    nodes = np.unique(pairs)
    position = np.full(num_photos, -1)
    position[nodes] = np.arange(len(nodes))
    edges = position[pairs]
    inverse_variance = 1 / (np.maximum(sigma, _FLOOR) ** 2)
    for number in range(_L1_ROUNDS + _ROBUST_ROUNDS):
        residual = rotation_residuals(pairs, rotation, R)
        size = np.linalg.norm(residual, axis=1)
        if number < _L1_ROUNDS:
            robust = 1 / np.maximum(size, 1e-4)
        else:
            robust = 1 / cauchy_divisor(size, _SCALE) ** 2
        # In the world's axes, where R <- R exp(d) changes a residual by d_i - d_j.
        in_world = np.einsum("eji,ej->ei", R[pairs[:, 1]], residual)
        step = values_from_differences(
            edges, inverse_variance * robust, in_world, len(nodes), ridge=_RIDGE
        )
        R[nodes] = R[nodes] @ so3_exp(step)
        if number >= _L1_ROUNDS and np.abs(step).max() < _SETTLED:
            break
    return R @ R[nodes[0]].T


def rotation_residuals(
    pairs: Int[np.ndarray, "E 2"],
    rotation: Float[np.ndarray, "E 3 3"],
    cam_from_world: Float[np.ndarray, "V 3 3"],
) -> Float[np.ndarray, "E 3"]:
    """Rotation vectors that take each predicted relative rotation to the measured one."""
    predicted = cam_from_world[pairs[:, 1]] @ np.swapaxes(cam_from_world[pairs[:, 0]], 1, 2)
    return so3_log(rotation @ np.swapaxes(predicted, 1, 2))


def _along_tree(
    pairs: Int[np.ndarray, "E 2"],
    rotation: Float[np.ndarray, "E 3 3"],
    trust: Float[np.ndarray, " E"],
    num_photos: int,
) -> Float[np.ndarray, "V 3 3"]:
    tree = spanning_tree(pairs, trust, num_photos)
    measured = {(int(i), int(j)): R for (i, j), R in zip(pairs, rotation, strict=True)}
    start = int(pairs[np.argmax(trust), 0])
    order, before = breadth_first_order(tree, start, directed=False)
    R = np.full((num_photos, 3, 3), np.nan)
    R[start] = np.eye(3)
    for photo in order[1:].tolist():
        parent = int(before[photo])
        if (parent, photo) in measured:
            R[photo] = measured[parent, photo] @ R[parent]
        else:
            R[photo] = measured[photo, parent].T @ R[parent]
    return R
