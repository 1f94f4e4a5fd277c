"""The first Gaussians, from the sparse points of the reconstruction and from prior depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy.spatial import KDTree

from ..errors import SplatposeError
from ..events import EventSink, Message
from ..scene.splats import Splats
from ..scene.views import Views
from .depth_points import depth_points
from .gaussian_model import SH_C0

NEIGHBOURS = 3
_LARGEST_SHARE_OF_PHOTO = 0.15
"""No first Gaussian has a standard deviation above this share of the nearest photo's width."""
_SMALLEST_PIXELS = 0.3
"""No first Gaussian has a standard deviation below this many pixels in the nearest photo."""


@dataclass(frozen=True)
class Cloud:
    """Coloured points, each seen by at least one training photo."""

    points: Float[np.ndarray, "N 3"]
    colors: UInt8[np.ndarray, "N 3"]
    depths: Float[np.ndarray, " N"]
    """Depth in the nearest photo that sees the point."""
    pixel_sizes: Float[np.ndarray, " N"]
    """Width of a pixel of that photo at the point, in world units."""


def initial_splats(
    views: Views,
    emit: EventSink,
    *,
    fill_below: int,
    max_gaussians: int,
    seed: int,
    opacity: float = 0.1,
    from_depth: int = 0,
) -> Splats:
    """Gaussians of degree 0 at the points that the training photos see.

    Scales are the root mean square distance to the 3 nearest points (as 3DGS, arXiv:2308.04079,
    has it), bounded by the size of a pixel and a share of the photo, so that neither duplicates
    nor outliers make Gaussians of no or of immense size.

    Args:
        views: only photos that are not held out are looked at.
        emit: told when points were sampled.
        fill_below: with fewer points, points sampled inside the photos' frusta make up for the
            missing ones.
        max_gaussians: with more points, a random part is used.
        seed: of the sampling.
        opacity: of every Gaussian, in (0, 1).
        from_depth: Gaussians beside these where the views' prior depth says that surfaces are.

    Raises:
        SplatposeError: no photo to train on.
    """
    training = np.flatnonzero(~np.asarray(views.held_out, bool))
    if not len(training):
        raise SplatposeError(
            "Every photo is held out, so there is none to train on.",
            "Raise --eval-every, or set it to 0 to hold out none.",
        )
    rng = np.random.default_rng([seed, 0x1417])
    cloud = seen_points(views, training)
    if views.depths is not None and from_depth > 0:
        cloud = _joined(cloud, Cloud(*depth_points(views, from_depth)))
    if len(cloud.points) < fill_below:
        missing = fill_below - len(cloud.points)
        emit(
            Message(
                "splats",
                f"only {len(cloud.points)} sparse points are seen by the training photos; "
                f"{missing} more are sampled in front of the cameras",
                "warning",
            )
        )
        cloud = _joined(cloud, _sampled_points(views, training, cloud, missing, rng))
    if len(cloud.points) > max_gaussians:
        cloud = _taken(cloud, np.sort(rng.choice(len(cloud.points), max_gaussians, replace=False)))
    scales = _neighbour_scales(cloud.points)
    largest = _LARGEST_SHARE_OF_PHOTO * max(max(i.shape[:2]) for i in views.images)
    scales = np.clip(scales, _SMALLEST_PIXELS * cloud.pixel_sizes, largest * cloud.pixel_sizes)
    count = len(cloud.points)
    colors = torch.from_numpy(cloud.colors.astype(np.float32) / 255)
    return Splats(
        means=torch.from_numpy(cloud.points.astype(np.float32)),
        quats=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
        log_scales=torch.from_numpy(np.log(scales).astype(np.float32))[:, None].repeat(1, 3),
        logit_opacities=torch.full((count,), float(np.log(opacity / (1 - opacity)))),
        sh=((colors - 0.5) / SH_C0)[:, None],
    )


def seen_points(views: Views, photos: np.ndarray) -> Cloud:
    """The finite points that lie inside the frustum of at least one of `photos`."""
    finite = np.isfinite(views.points).all(axis=1)
    points = views.points[finite]
    depths = np.full(len(points), np.inf)
    pixel_sizes = np.ones(len(points))
    for index in photos:
        inside, z = _in_frustum(points, views, index)
        nearer = inside & (z < depths)
        depths[nearer] = z[nearer]
        pixel_sizes[nearer] = z[nearer] / views.Ks[index, 0, 0]
    seen = np.isfinite(depths)
    colors = views.point_colors[finite]
    return Cloud(points[seen], colors[seen], depths[seen], pixel_sizes[seen])


def scene_scale(splats: Splats, views: Views) -> float:
    """Median depth of the Gaussians in the training photos that see them, in world units.

    The length that position learning rates are relative to. Unlike the extent of the cameras it
    means the same for an orbit, a facade and a forward-facing set.
    """
    points = splats.means.numpy().astype(np.float64)
    depths = []
    for index in np.flatnonzero(~np.asarray(views.held_out, bool)):
        inside, z = _in_frustum(points, views, index)
        depths.append(z[inside])
    every = np.concatenate(depths)
    return float(np.median(every)) if len(every) else 1.0


def _in_frustum(
    points: Float[np.ndarray, "N 3"], views: Views, index: int | np.integer
) -> tuple[Bool[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    pose = views.cam_from_world[index]
    camera = points @ pose[:3, :3].T + pose[:3, 3]
    z = camera[:, 2]
    safe = np.where(z > 1e-6, z, 1.0)
    pixels = (camera @ views.Ks[index].T)[:, :2] / safe[:, None]
    height, width = views.images[index].shape[:2]
    inside = (z > 1e-6) & (pixels >= 0).all(axis=1) & (pixels < (width, height)).all(axis=1)
    return inside, z


def _sampled_points(
    views: Views, photos: np.ndarray, cloud: Cloud, count: int, rng: np.random.Generator
) -> Cloud:
    """Points along random pixels' rays, as deep as the known points, coloured by the pixel."""
    if len(cloud.points) >= 10:
        near, far = np.quantile(cloud.depths, (0.05, 0.95)) * (0.7, 1.5)
    else:
        # Nothing is known but the cameras: assume that they surround or face the scene.
        centres = np.linalg.inv(views.cam_from_world)[:, :3, 3]
        spread = float(np.linalg.norm(centres - centres.mean(axis=0), axis=1).mean()) or 1.0
        near, far = 0.5 * spread, 8.0 * spread
    chosen = rng.choice(photos, count)
    depths = np.exp(rng.uniform(np.log(near), np.log(far), count))
    points = np.empty((count, 3))
    colors = np.empty((count, 3), np.uint8)
    pixel_sizes = np.empty(count)
    for index in np.unique(chosen):
        mine = np.flatnonzero(chosen == index)
        image = views.images[index]
        height, width = image.shape[:2]
        pixels = rng.uniform((0, 0), (width, height), (len(mine), 2))
        rays = np.concatenate([pixels, np.ones((len(mine), 1))], axis=1)
        camera = (rays @ np.linalg.inv(views.Ks[index]).T) * depths[mine, None]
        pose = views.cam_from_world[index]
        points[mine] = (camera - pose[:3, 3]) @ pose[:3, :3]
        colors[mine] = image[pixels[:, 1].astype(int), pixels[:, 0].astype(int)]
        pixel_sizes[mine] = depths[mine] / views.Ks[index, 0, 0]
    return Cloud(points, colors, depths, pixel_sizes)


def _neighbour_scales(points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    if len(points) < 2:
        return np.full(len(points), np.inf)
    k = min(NEIGHBOURS, len(points) - 1)
    distances, _ = KDTree(points).query(points, k=k + 1)
    return np.sqrt(np.mean(distances[:, 1:] ** 2, axis=1))


def _joined(a: Cloud, b: Cloud) -> Cloud:
    return Cloud(
        np.concatenate([a.points, b.points]),
        np.concatenate([a.colors, b.colors]),
        np.concatenate([a.depths, b.depths]),
        np.concatenate([a.pixel_sizes, b.pixel_sizes]),
    )


def _taken(cloud: Cloud, index: np.ndarray) -> Cloud:
    return Cloud(
        cloud.points[index], cloud.colors[index], cloud.depths[index], cloud.pixel_sizes[index]
    )
