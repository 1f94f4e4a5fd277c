"""Every map's scale and shift from a reconstruction, and which maps disagree with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ..geometry.centers import centers_of
from ..scene.depth_maps import DepthAlignment, DepthFit, DepthPriors
from ..scene.sparse_model import SparseModel
from .map_fit import MIN_ALPHA, USUAL_RULE, DropRule, MapSamples, fit_map, kind_of_maps
from .sampling import sample_map

_MIN_ANGLE = np.radians(1.0)
"""Angle under which a point must be seen for its depth to count."""


@dataclass(frozen=True)
class PointDepths:
    """Depths of triangulated points in the photos that observe them."""

    photo: Int[np.ndarray, " O"]
    pixels: Float[np.ndarray, "O 2"]
    """Pixel of each observation in the photo as given."""
    depth: Float[np.ndarray, " O"]
    """Along the camera's z axis in world units, > 0."""


def point_depths(poses: SparseModel) -> PointDepths:
    """Depth of every observation of a point that is in front of its camera and seen from two sides.

    Points seen under less than a degree are left out: their depth is mostly noise.
    """
    track, photo = poses.observations[:, 0], poses.observations[:, 1]
    pose = poses.cam_from_world[photo]
    in_camera = np.einsum("nij,nj->ni", pose[:, :3, :3], poses.points[track]) + pose[:, :3, 3]
    usable = (in_camera[:, 2] > 0) & _wide_enough(poses)[track]
    return PointDepths(photo[usable], poses.observation_xy[usable], in_camera[usable, 2])


def align(
    priors: DepthPriors,
    poses: SparseModel,
    sizes: Sequence[tuple[int, int]],
    rule: DropRule = USUAL_RULE,
) -> DepthAlignment:
    """Fits every map to the points of its photo, and drops maps that contradict them.

    Whether values are depths or disparities is decided for all maps at once, by the sign of their
    rank correlation with the points' depths.

    Args:
        priors: the maps.
        poses: of the same photos.
        sizes: width and height of each photo in pixels.
        rule: when to drop.
    """
    known = point_depths(poses)
    samples = [_samples(priors, known, i, size) for i, size in enumerate(sizes)]
    kind = kind_of_maps(samples, priors.kind)
    fits = [
        fit_map(*own, kind, rule, seed=i) if len(own[0]) else _nothing(priors, poses, i)
        for i, own in enumerate(samples)
    ]
    return DepthAlignment(priors.names, priors.source, kind, tuple(_bounded(fits)))


def summarise(alignment: DepthAlignment) -> str:
    """What became of the maps, in one sentence."""
    kept = [fit for fit in alignment.fits if fit.kept]
    tried = sum(fit.points > 0 for fit in alignment.fits)
    if not kept:
        return f"none of {tried} depth maps agrees with the matches; all are dropped"
    residual = 100 * float(np.median([fit.residual for fit in kept]))
    text = f"{len(kept)} of {tried} maps agree with the matches as {alignment.kind}, to "
    text += f"{residual:.0f} % of the depth"
    return text + (f"; {tried - len(kept)} are dropped" if len(kept) < tried else "")


def _samples(
    priors: DepthPriors, known: PointDepths, photo: int, size: tuple[int, int]
) -> MapSamples:
    own = known.photo == photo
    values = priors.values(photo) if own.any() else None
    if values is None:
        return np.empty(0), np.empty(0)
    sampled = sample_map(values, known.pixels[own], *size)
    valid = np.isfinite(sampled)
    return sampled[valid], known.depth[own][valid]


def _bounded(fits: Sequence[DepthFit]) -> list[DepthFit]:
    """Drops maps whose scale is at NoPe-NeRF's bound: they are flat after alignment."""
    kept = [fit.alpha for fit in fits if fit.kept]
    smallest = MIN_ALPHA * float(np.median(kept)) if kept else 0.0
    reason = "its scale is less than a hundredth of that of the other maps"
    return [
        replace(fit, kept=False, reason=reason) if fit.kept and fit.alpha < smallest else fit
        for fit in fits
    ]


def _nothing(priors: DepthPriors, poses: SparseModel, photo: int) -> DepthFit:
    if priors.reasons[photo]:
        return DepthFit(False, priors.reasons[photo])
    if not poses.registered[photo]:
        return DepthFit(False, "the photo has no pose to compare it with")
    return DepthFit(False, "no triangulated points lie on it")


def _wide_enough(poses: SparseModel) -> Bool[np.ndarray, " T"]:
    """Whether a point's rays spread: the largest angle to their mean is half of what they span."""
    track, photo = poses.observations[:, 0], poses.observations[:, 1]
    ray = poses.points[track] - centers_of(poses.cam_from_world)[photo]
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    mean = np.zeros_like(poses.points)
    np.add.at(mean, track, ray)
    mean /= np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    cosine = np.ones(len(poses.points))
    np.minimum.at(cosine, track, (ray * mean[track]).sum(1))
    return cosine < np.cos(_MIN_ANGLE / 2)
