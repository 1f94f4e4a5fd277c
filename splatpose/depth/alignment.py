"""Every map's scale and shift from a reconstruction, and which maps disagree with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ..geometry.centers import centers_of
from ..scene.depth_maps import DepthAlignment, DepthFit, DepthKind, DepthPriors
from ..scene.sparse_model import SparseModel
from .fitting import fit_scale_shift, spearman
from .sampling import aligned_depth, sample_map

MIN_ALPHA = 0.01
"""NoPe-NeRF's lower bound of alpha, where the alpha of the reference photo is 1."""
_MIN_ANGLE = np.radians(1.0)
"""Angle under which a point must be seen for its depth to count."""


@dataclass(frozen=True)
class DropRule:
    """When a map is taken to say nothing about its photo's depths."""

    min_points: int = 20
    """Triangulated points on valid values of the map."""
    min_correlation: float = 0.5
    """Spearman's, of the map's values with the depths (or disparities) of the points."""
    max_residual: float = 0.25
    """Median relative depth error after alignment."""
    min_gain: float = 0.3
    """Share of the error of a constant depth that the map must explain: where all points are
    about equally far, a small error says nothing."""


@dataclass(frozen=True)
class PointDepths:
    """Depths of triangulated points in the photos that observe them."""

    photo: Int[np.ndarray, " O"]
    pixels: Float[np.ndarray, "O 2"]
    """Of the photo as given."""
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
    rule: DropRule = DropRule(),
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
    kind = kind_of(samples) if priors.kind == "auto" else priors.kind
    fits = [
        fit_map(values, depth, kind, rule, seed=i) if len(values) else _nothing(priors, poses, i)
        for i, (values, depth) in enumerate(samples)
    ]
    return DepthAlignment(priors.names, priors.source, kind, tuple(_bounded(fits)))


def fit_map(
    values: Float[np.ndarray, " N"],
    depth: Float[np.ndarray, " N"],
    kind: DepthKind,
    rule: DropRule,
    *,
    seed: int = 0,
) -> DepthFit:
    """Scale and shift of one map, how good they are, and whether that is good enough.

    Args:
        values: of the map at points.
        depth: of the points along the camera's z axis, > 0.
        kind: whether the values grow with depth or with disparity.
        rule: when to drop the map.
        seed: of the robust fit.
    """
    count = len(values)
    if count < rule.min_points:
        return DepthFit(False, f"only {count} triangulated points lie on it", points=count)
    correlation = spearman(values, depth) * (1 if kind == "depth" else -1)
    flat = _relative_residual(np.full(count, np.median(depth)), depth)
    line = fit_scale_shift(values, depth, kind, seed=seed)
    if line is None:
        reason = "no positive scale fits the matches"
        return DepthFit(False, reason, points=count, rank_correlation=correlation)
    residual = _relative_residual(aligned_depth(values, line.alpha, line.beta, kind), depth)
    reason = _why_dropped(correlation, residual, flat, rule)
    return DepthFit(
        kept=not reason,
        reason=reason or f"agrees with {count} points to {100 * residual:.0f} % of their depth",
        alpha=line.alpha,
        beta=line.beta,
        points=count,
        rank_correlation=correlation,
        residual=residual,
        flat_residual=flat,
    )


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


def fix_gauge(alignment: DepthAlignment, reference: int) -> tuple[DepthAlignment, float]:
    """NoPe-NeRF's gauge: the scale of one photo's map is 1, which fixes the scale of the world.

    Args:
        alignment: in the frame of some poses.
        reference: a photo whose map is kept.

    Returns:
        The alignment in the scaled world, and the factor s that takes lengths of the old world to
        the new one: points and camera positions are multiplied by s.
    """
    assert alignment.fits[reference].kept
    alpha = alignment.fits[reference].alpha
    scaled = tuple(
        replace(fit, alpha=fit.alpha / alpha, beta=fit.beta / alpha) for fit in alignment.fits
    )
    scale = 1 / alpha if alignment.kind == "depth" else alpha
    return replace(alignment, fits=scaled), scale


def reference_photo(alignment: DepthAlignment) -> int | None:
    """The photo whose map fits best among those with many points; None where all are dropped."""
    kept = np.flatnonzero(alignment.kept)
    if not len(kept):
        return None
    points = np.array([alignment.fits[i].points for i in kept])
    residual = np.array([alignment.fits[i].residual for i in kept])
    return int(kept[np.where(points >= np.median(points), residual, np.inf).argmin()])


def _samples(
    priors: DepthPriors, known: PointDepths, photo: int, size: tuple[int, int]
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    own = known.photo == photo
    values = priors.values(photo) if own.any() else None
    if values is None:
        return np.empty(0), np.empty(0)
    sampled = sample_map(values, known.pixels[own], *size)
    valid = np.isfinite(sampled)
    return sampled[valid], known.depth[own][valid]


def kind_of(samples: Sequence[tuple[np.ndarray, np.ndarray]]) -> DepthKind:
    """Whether values grow with depth or with disparity, as all photos together say.

    Fisher's z of each photo's rank correlation, weighted by its inverse standard error.

    Args:
        samples: of each photo, values of its map and the depths there.
    """
    votes = 0.0
    for values, depth in samples:
        if len(values) > 3:
            rho = np.clip(spearman(values, depth), -0.999, 0.999)
            votes += np.arctanh(rho) * np.sqrt(len(values) - 3)
    return "depth" if votes >= 0 else "disparity"


def _why_dropped(correlation: float, residual: float, flat: float, rule: DropRule) -> str:
    if correlation < rule.min_correlation:
        return f"does not follow the matches (rank correlation {correlation:.2f})"
    if residual > rule.max_residual:
        return f"is off by {100 * residual:.0f} % of the depth of half the points"
    if residual > (1 - rule.min_gain) * flat:
        return "fits the matches hardly better than a constant depth"
    return ""


def _relative_residual(found: Float[np.ndarray, " N"], depth: Float[np.ndarray, " N"]) -> float:
    return float(np.median(np.nan_to_num(np.abs(found / depth - 1), nan=np.inf)))


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
