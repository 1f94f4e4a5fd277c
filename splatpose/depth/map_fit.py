"""The one place that decides what depth maps are, fits them, drops them and applies them.

A map is right up to a scale and a shift of its own, which points of known depth tell: triangulated
ones of a model, or those of single pairs of photos.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from jaxtyping import Float, Int

from ..geometry.groups import rows_of_each
from ..geometry.projection import project
from ..scene.depth_maps import DepthFit, DepthKind
from ..scene.sparse_model import SparseModel
from .fitting import fit_scale_shift, spearman
from .keypoints import KeypointPriors
from .sampling import aligned_depth

MIN_ALPHA = 0.01
"""NoPe-NeRF's lower bound of alpha, where the alpha of the reference photo is 1."""

MapSamples: TypeAlias = tuple[Float[np.ndarray, " _N"], Float[np.ndarray, " _N"]]
"""Valid values of a map, and the depths along the camera's z axis there, > 0."""


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


USUAL_RULE = DropRule()


def kind_of_maps(
    samples: Sequence[MapSamples], told: Literal["auto", "depth", "disparity"]
) -> DepthKind:
    """Whether values grow with depth or with disparity: as told, or as all photos together say.

    Fisher's z of each photo's rank correlation, weighted by its inverse standard error.

    Args:
        samples: of each photo.
        told: what the user says of the maps.
    """
    if told != "auto":
        return told
    votes = 0.0
    for values, depth in samples:
        if len(values) > 3:
            rho = np.clip(spearman(values, depth), -0.999, 0.999)
            votes += np.arctanh(rho) * np.sqrt(len(values) - 3)
    return "depth" if votes >= 0 else "disparity"


def fit_map(
    values: Float[np.ndarray, " N"],
    depth: Float[np.ndarray, " N"],
    kind: DepthKind,
    rule: DropRule = USUAL_RULE,
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


def fitted_depth(
    values: Float[np.ndarray, "*B"], fit: DepthFit, kind: DepthKind
) -> Float[np.ndarray, "*B"]:
    """Depth of a map's values by its fit; NaN where it is not positive, or the map is dropped."""
    if not fit.kept:
        return np.full(np.shape(values), np.nan)
    return aligned_depth(values, fit.alpha, fit.beta, kind)


@dataclass(frozen=True)
class FittedMap:
    """A photo's map at the points that the photo observes, and the fit to their depths."""

    photo: int
    rows: Int[np.ndarray, " N"]
    """Rows of the model's observations."""
    values: Float[np.ndarray, " N"]
    fit: DepthFit


def fit_maps(model: SparseModel, priors: KeypointPriors) -> tuple[DepthKind, list[FittedMap]]:
    """What all maps are, and how each follows the depths of the model's points."""
    samples = []
    rows_of = rows_of_each(model.observations[:, 1], len(model.names))
    for photo in np.flatnonzero(model.registered).tolist():
        own = rows_of[photo]
        values = priors.values[photo][model.observations[own, 2]]
        _, z = project(
            model.cameras[model.camera_index[photo]],
            model.cam_from_world[photo],
            model.points[model.observations[own, 0]],
        )
        valid = np.isfinite(values) & (z > 0)
        samples.append((photo, own[valid], values[valid], z[valid]))
    kind = kind_of_maps([(values, z) for _, _, values, z in samples], priors.kind)
    fitted = [
        FittedMap(photo, own, values, fit_map(values, z, kind, seed=photo))
        for photo, own, values, z in samples
    ]
    return kind, fitted


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
