"""Rotations of all cameras from the relative rotations of pairs."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_array, csr_array, eye_array
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree
from scipy.sparse.linalg import splu

from ...geometry.rotations import so3_exp, so3_log

_L1_ROUNDS, _ROBUST_ROUNDS = 20, 20
_FLOOR = np.radians(0.2)
_SCALE = np.radians(4.0)
_SETTLED = 1e-7


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
    i, j = position[pairs].T
    inverse_variance = 1 / (np.maximum(sigma, _FLOOR) ** 2)
    for number in range(_L1_ROUNDS + _ROBUST_ROUNDS):
        residual = rotation_residuals(pairs, rotation, R)
        size = np.linalg.norm(residual, axis=1)
        if number < _L1_ROUNDS:
            robust = 1 / np.maximum(size, 1e-4)
        else:
            robust = 1 / (1 + (size / _SCALE) ** 2) ** 2
        # In the world's axes, where R <- R exp(d) changes a residual by d_i - d_j.
        in_world = np.einsum("eji,ej->ei", R[pairs[:, 1]], residual)
        step = _laplacian_step(i, j, inverse_variance * robust, in_world, len(nodes))
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


def spanning_tree(
    pairs: Int[np.ndarray, "E 2"], trust: Float[np.ndarray, " E"], num_photos: int
) -> csr_array:
    """The tree of the most trusted edges, as an undirected graph."""
    # Zero would mean no edge at all.
    cost = 1 / np.maximum(trust, 1e-9)
    graph = coo_array((cost, (pairs[:, 0], pairs[:, 1])), shape=(num_photos, num_photos)).tocsr()
    tree = minimum_spanning_tree(graph)
    return csr_array(tree + tree.T)


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


def _laplacian_step(
    i: Int[np.ndarray, " E"],
    j: Int[np.ndarray, " E"],
    weight: Float[np.ndarray, " E"],
    residual: Float[np.ndarray, "E 3"],
    count: int,
) -> Float[np.ndarray, "V 3"]:
    """Weighted least squares of d_j - d_i = residual, the mean of d being free."""
    rows = np.r_[i, j, i, j]
    columns = np.r_[i, j, j, i]
    L = coo_array((np.r_[weight, weight, -weight, -weight], (rows, columns)), shape=(count, count))
    b = np.zeros((count, 3))
    np.add.at(b, j, weight[:, None] * residual)
    np.add.at(b, i, -weight[:, None] * residual)
    ridge = 1e-9 * weight.max() * eye_array(count)
    return splu((L + ridge).tocsc()).solve(b)
