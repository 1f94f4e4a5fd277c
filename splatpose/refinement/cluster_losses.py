"""The residuals that prior depth adds, as functions of tensors alone.

NoPe-NeRF (CVPR 2023, section 3.2 and 3.3): undistorted depth D* of each photo against rendered
depth, point clouds lifted by D* against each other, and photos against photos through D*. Lengths
count relative to the depth, so that no weight depends on a scene's unit.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree
from torch.nn.functional import grid_sample


def depth_term(
    rendered: Float[torch.Tensor, "*S"], prior: Float[torch.Tensor, "*S"]
) -> Float[torch.Tensor, ""]:
    """Mean absolute difference of rendered and prior depth over the prior's (eq. 11).

    Where nothing is rendered, or the prior is NaN, nothing counts.
    """
    use = prior.isfinite() & (rendered > 0)
    return _mean((rendered[use] / prior[use] - 1).abs())


def lifted(
    rays: Float[torch.Tensor, "N 2"], depth: Float[torch.Tensor, " N"]
) -> Float[torch.Tensor, "N 3"]:
    """Points in the camera's frame at depths along z."""
    return torch.cat([rays, torch.ones_like(rays[:, :1])], dim=1) * depth[:, None]


def moved(
    points: Float[torch.Tensor, "N 3"],
    from_pose: Float[torch.Tensor, "4 4"],
    to_pose: Float[torch.Tensor, "4 4"],
) -> Float[torch.Tensor, "N 3"]:
    """Points of one camera's frame in another's; the poses are cam_from_world."""
    R1, R2 = from_pose[:3, :3], to_pose[:3, :3]
    world = (points - from_pose[:3, 3]) @ R1
    return world @ R2.T + to_pose[:3, 3]


def cloud_term(
    points: Float[torch.Tensor, "N 3"], reference: Float[torch.Tensor, "M 3"], reach: float
) -> Float[torch.Tensor, ""]:
    """Chamfer distance of two clouds in one camera's frame, over the depth (eq. 12).

    The mean distance to the nearest point of the other cloud, from both sides; the reference is
    taken as it is. Points without a neighbour within `reach` times their depth are where the
    clouds do not overlap, and do not count.
    """
    reference = reference.detach()
    if not len(points) or not len(reference):
        return points.sum() * 0
    here, there = points.detach().cpu().numpy(), reference.cpu().numpy()
    to_there, to_here = _nearest(here, there, reach), _nearest(there, here, reach)
    a = _distance(points[to_there[0]], reference[to_there[1]])
    b = _distance(reference[to_here[0]], points[to_here[1]])
    return _mean(a / _depth(reference[to_there[1]])) + _mean(b / _depth(reference[to_here[0]]))


def surface_term(
    points: Float[torch.Tensor, "N 3"],
    colors: Float[torch.Tensor, "N 3"],
    image: Float[torch.Tensor, "H W 3"],
    K: Float[torch.Tensor, "3 3"],
) -> Float[torch.Tensor, ""]:
    """Mean absolute difference of points' colours and a photo's where they are seen (eq. 13).

    Args:
        points: in the frame of the photo's camera; those outside of the photo do not count.
        colors: as another photo has them, in [0, 1].
        image: the photo, in [0, 1].
        K: its calibration matrix.
    """
    height, width = image.shape[:2]
    ahead = points[:, 2] > 1e-6
    points, colors = points[ahead], colors[ahead]
    xy = (points[:, :2] / points[:, 2:]) @ K[:2, :2].T + K[:2, 2]
    size = xy.new_tensor([width, height])
    inside = ((xy.detach() > 0.5) & (xy.detach() < size - 0.5)).all(dim=1)
    grid = (2 * xy[inside] / size - 1)[None, None]
    seen = grid_sample(image.permute(2, 0, 1)[None], grid, align_corners=False)
    return _mean((seen[0, :, 0].T - colors[inside]).abs())


def _nearest(
    points: Float[np.ndarray, "N 3"], others: Float[np.ndarray, "M 3"], reach: float
) -> tuple[Int[torch.Tensor, " K"], Int[torch.Tensor, " K"]]:
    """Numbers of points, and of the nearest other one of each, where that is near enough."""
    distance, index = KDTree(others).query(points)
    near: Bool[np.ndarray, " N"] = distance <= reach * np.abs(points[:, 2])
    rows = np.flatnonzero(near)
    return torch.from_numpy(rows), torch.from_numpy(np.asarray(index)[rows])


def _distance(
    a: Float[torch.Tensor, "K 3"], b: Float[torch.Tensor, "K 3"]
) -> Float[torch.Tensor, " K"]:
    # The root has no derivative at zero.
    return ((a - b).square().sum(dim=1) + 1e-24).sqrt()


def _depth(points: Float[torch.Tensor, "K 3"]) -> Float[torch.Tensor, " K"]:
    return points[:, 2].detach().abs().clamp(min=1e-12)


def _mean(values: Float[torch.Tensor, "*N"]) -> Float[torch.Tensor, ""]:
    return values.sum() / max(1, values.numel())
