"""Which fitted maps a training of Gaussians is to look at, and their depth at its views' pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from ..scene.camera import Camera
from ..scene.depth_maps import DepthAlignment, DepthPriors
from ..scene.sparse_model import SparseModel
from ..scene.views import Views
from .alignment import PointDepths, point_depths
from .map_fit import fitted_depth
from .map_worth import map_worth
from .sampling import on_surface, sample_map, undistorted_map

MOST_PHOTOS = 12
"""Training photos up to which maps are looked at: more of them tell the depth themselves. With 6 of
an office maps gained 1.3 dB, with 12 of them 0.6 dB."""
LEAST_RELIEF = 0.5
"""Share of the relief where no point tells it that a map must know."""
LEAST_BARE = 0.45
"""Share of the photos that lies apart from all points from which on maps are looked at. It is 0.32
and 0.34 of six and three photos of a facade, where maps changed no more than another seed does,
0.57 and 0.70 of six in two rooms, where they gained 1.2 to 1.6 dB."""
_APART = 0.04
"""Distance from the nearest point, over the photo's longer side, from which on pixels are bare."""
_GRID = 48
"""Places along the longer side at which that is asked."""

ViewDepth = Float[np.ndarray, "_h _w"] | None


@dataclass(frozen=True)
class TrainingDepth:
    """What a training is to know of the depth, and why."""

    depths: tuple[ViewDepth, ...] | None
    """As `Views.depths`."""
    reason: str
    """One sentence for a person."""


def training_depth(
    priors: DepthPriors,
    alignment: DepthAlignment,
    poses: SparseModel,
    views: Views,
    wish: Literal["auto", "on", "off"],
) -> TrainingDepth:
    """Depth for a training, where it can be expected to help.

    No photo is spared for that. Maps are looked at where photos are few and much of them is bare
    of points, so that little else tells the depth there; and each where it predicts points that it
    was not fitted to (see `splatpose.depth.map_worth`).

    Args:
        priors: the maps.
        alignment: their fits to `poses`.
        poses: cameras of the photos as given, and points.
        views: the registered photos.
        wish: auto; on: all maps that agree with the points; off: none.
    """
    photos = np.flatnonzero(poses.registered)
    chosen = [
        view
        for view, photo in enumerate(photos.tolist())
        if wish != "off" and alignment.fits[photo].kept and not views.held_out[view]
    ]
    why_not = "as asked" if wish == "off" else "none agrees with the points"
    if chosen and wish == "auto":
        chosen, why_not = _worth_it(priors, alignment, poses, chosen, photos, views.held_out)
    if not chosen:
        return TrainingDepth(None, f"depth maps take no part in the training: {why_not}")
    depths = tuple(
        _depth(priors, alignment, poses, views, view, int(photos[view])) if view in chosen else None
        for view in range(len(photos))
    )
    training = int((~views.held_out).sum())
    text = f"depth maps guide the training on {len(chosen)} of {training} photos"
    return TrainingDepth(depths, text)


def _worth_it(
    priors: DepthPriors,
    alignment: DepthAlignment,
    poses: SparseModel,
    agreeing: list[int],
    photos: Int[np.ndarray, " V"],
    held_out: Bool[np.ndarray, " V"],
) -> tuple[list[int], str]:
    """Those of the views with agreeing maps that gain by them, and why there are none."""
    known = point_depths(poses)
    if told := _what_else_tells(poses, known, photos[~held_out]):
        return [], told
    chosen = [
        view
        for view in agreeing
        if _relief(priors, alignment, poses, known, int(photos[view])) >= LEAST_RELIEF
    ]
    return chosen, "none predicts points that it was not fitted to"


def _relief(
    priors: DepthPriors,
    alignment: DepthAlignment,
    poses: SparseModel,
    known: PointDepths,
    photo: int,
) -> float:
    """Share of its photo's relief that a map predicts where it was not fitted."""
    own, camera = known.photo == photo, poses.cameras[poses.camera_index[photo]]
    values = priors.values(photo)
    assert values is not None
    sampled = sample_map(values, known.pixels[own], camera.width, camera.height)
    valid = np.isfinite(sampled)
    depth, pixels = known.depth[own][valid], known.pixels[own][valid]
    return map_worth(sampled[valid], depth, pixels, alignment.kind, seed=photo).known_relief


def _what_else_tells(poses: SparseModel, known: PointDepths, photos: Int[np.ndarray, " P"]) -> str:
    """What tells the depth of training photos without maps, in words; empty where little does."""
    if len(photos) > MOST_PHOTOS:
        return f"{len(photos)} photos tell the depth themselves"
    bare = float(np.mean([_bare_share(poses, known, photo) for photo in photos.tolist()]))
    told = f"points tell the depth of {100 * (1 - bare):.0f} % of the photos"
    return "" if bare >= LEAST_BARE else told


def _bare_share(poses: SparseModel, known: PointDepths, photo: int) -> float:
    """Share of a photo that is apart from all points of known depth."""
    camera = poses.cameras[poses.camera_index[photo]]
    own, longer = known.photo == photo, max(camera.width, camera.height)
    if not own.any():
        return 1.0
    step = longer / _GRID
    sides = (np.arange(step / 2, side, step) for side in (camera.width, camera.height))
    places = np.stack(np.meshgrid(*sides), -1).reshape(-1, 2)
    distance, _ = KDTree(known.pixels[own]).query(places)
    return float((distance > _APART * longer).mean())


def _depth(
    priors: DepthPriors,
    alignment: DepthAlignment,
    poses: SparseModel,
    views: Views,
    view: int,
    photo: int,
) -> Float[np.ndarray, "h w"]:
    """A view's depth along z in world units, NaN where its map says nothing or jumps."""
    values = priors.values(photo)
    assert values is not None
    height, width = views.images[view].shape[:2]
    scale = min(1.0, max(values.shape) / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    K = np.diag([size[0] / width, size[1] / height, 1.0]) @ views.Ks[view]
    camera = poses.cameras[poses.camera_index[photo]]
    at_view = undistorted_map(values, camera, K, *size)
    depth = fitted_depth(at_view, alignment.fits[photo], alignment.kind)
    pinhole = Camera("PINHOLE", *size, K[[0, 1, 0, 1], [0, 1, 2, 2]])
    depth[~on_surface(depth, pinhole)] = np.nan
    return depth.astype(np.float32)
