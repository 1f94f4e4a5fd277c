"""Estimated cameras laid over true ones: by least squares, and by what most of them agree on.

Both alignments are similarities from the estimate's world to the true one. Least squares on the
centres (Umeyama 1991) is what the literature's figures are made with; a single wrong camera drags
it along, so that it cannot tell which photos are wrong. The consensus can: under it the sum of
the photos' squared errors is smallest, each counted up to the threshold beyond which it is wrong
(MSAC, Torr and Zisserman 2000). Where a whole model bends within the threshold, that is least
squares. Merely counting photos within the threshold would let an alignment halfway between the
right photos and a wrong one pass both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from .centers import centers_of, rms_radius
from .rotations import cross_matrix, rotation_angle
from .similarity import Similarity, umeyama

MAX_ROTATION = 5.0
"""Degrees: a photo whose rotation is off by more is wrong."""
MAX_POSITION = 0.05
"""Share of the RMS radius of the true centres: a photo that is off by more is wrong."""

_MAX_HYPOTHESES = 3000
_REFINED = 20
_ROUNDS = 10
_CHUNK = 256
_FLAT = 1e-6
"""Extent across over extent along, below which centres lie on one line."""


@dataclass(frozen=True)
class Consensus:
    """The alignment that the photos agree on, and how far each photo is off under it."""

    similarity: Similarity | None
    """true_from_estimated; None without any photo."""
    right: Bool[np.ndarray, " V"]
    """Photos within both thresholds; all False where not even two photos agree."""
    rotation_error: Float[np.ndarray, " V"]
    """Degrees."""
    position_error: Float[np.ndarray, " V"]
    """In the unit of the true centres."""


def align_cameras(
    true: Float[np.ndarray, "V 4 4"], estimated: Float[np.ndarray, "V 4 4"]
) -> Similarity | None:
    """The similarity that takes the estimated centres to the true ones by least squares.

    Where centres do not settle it, the cameras' rotations do: on one line, the turn about the
    line; coincident, the whole rotation, at scale one. None without any photo.

    Args:
        true, estimated: cam_from_world of the same photos, finite.
    """
    if not len(true):
        return None
    source, target = centers_of(estimated), centers_of(true)
    if not _spread(source) or not _spread(target):
        rotation = _project(_turns(true, estimated).sum(0))
        return Similarity(1.0, rotation, target.mean(0) - rotation @ source.mean(0))
    fit = umeyama(source, target)
    direction, flat = _line(target)
    if not flat:
        along, flat = _line(source)
        direction = fit.rotation @ along
    if not flat:
        return fit
    # The turn about the line that brings the cameras' rotations closest (sum of traces).
    B = fit.rotation @ _turns(true, estimated).sum(0).T
    axis = cross_matrix(direction)
    angle = np.arctan2(np.trace(axis @ B), np.trace(B) - direction @ B @ direction)
    turn = np.eye(3) + np.sin(angle) * axis + (1 - np.cos(angle)) * axis @ axis
    rotation = turn @ fit.rotation
    return Similarity(fit.scale, rotation, target.mean(0) - fit.scale * rotation @ source.mean(0))


def camera_errors(
    true: Float[np.ndarray, "V 4 4"],
    estimated: Float[np.ndarray, "V 4 4"],
    similarity: Similarity,
) -> tuple[Float[np.ndarray, " V"], Float[np.ndarray, " V"]]:
    """Rotation errors in degrees and distances of the centres after the alignment."""
    aligned = similarity.rotation @ np.swapaxes(estimated[:, :3, :3], 1, 2)
    distance = np.linalg.norm(similarity.points(centers_of(estimated)) - centers_of(true), axis=1)
    return rotation_angle(true[:, :3, :3] @ aligned), distance


def find_consensus(
    true: Float[np.ndarray, "V 4 4"],
    estimated: Float[np.ndarray, "V 4 4"],
    radius: float,
    *,
    max_rotation: float = MAX_ROTATION,
    max_position: float = MAX_POSITION,
    seed: int = 0,
) -> Consensus:
    """The similarity with the smallest truncated errors; deterministic.

    Hypotheses are from pairs of photos, all of them up to 3000: the two cameras' rotations give
    the rotation, their centres scale and translation. So two photos are enough, on a line or
    not. The best are refitted to the photos that agree with them as long as errors shrink.

    Args:
        true, estimated: cam_from_world of the same photos, finite.
        radius: RMS radius of the true centres. At zero the positions say nothing, and rotations
            alone decide.
        max_rotation: degrees.
        max_position: share of `radius`.
        seed: of the choice of pairs, where there are more.
    """
    count = len(true)
    start = align_cameras(true, estimated)
    if start is None or count < 2:
        nothing = np.full(count, np.nan)
        return Consensus(start, np.zeros(count, bool), nothing, nothing)
    judge = _Judge(true, estimated, max_rotation, max_position * radius)
    candidates = [start, *_best_pairs(judge, _pairs(count, seed))]
    best = max((_refined(judge, candidate) for candidate in candidates), key=judge.rank)
    rotation, position = camera_errors(true, estimated, best)
    right = judge.agrees(rotation, position)
    return Consensus(best, right if right.sum() > 1 else np.zeros(count, bool), rotation, position)


@dataclass(frozen=True)
class _Judge:
    """What is compared, and within which limits."""

    true: Float[np.ndarray, "V 4 4"]
    estimated: Float[np.ndarray, "V 4 4"]
    max_rotation: float
    max_position: float

    def agrees(
        self, rotation: Float[np.ndarray, "*B"], position: Float[np.ndarray, "*B"]
    ) -> Bool[np.ndarray, "*B"]:
        near = position <= self.max_position if self.max_position > 0 else np.full_like(position, 1)
        return (rotation <= self.max_rotation) & (near > 0)

    def cost(
        self, rotation: Float[np.ndarray, "*B"], position: Float[np.ndarray, "*B"]
    ) -> Float[np.ndarray, "*B"]:
        """From 0 for a perfect photo to 1 for a wrong one, squared."""
        worst = rotation / self.max_rotation
        if self.max_position > 0:
            worst = np.maximum(worst, position / self.max_position)
        return np.minimum(worst, 1.0) ** 2

    def rank(self, similarity: Similarity) -> float:
        """The greater, the better."""
        return -float(self.cost(*camera_errors(self.true, self.estimated, similarity)).sum())


def _refined(judge: _Judge, candidate: Similarity) -> Similarity:
    """Refits to the photos that agree, as long as that makes it better."""
    for _ in range(_ROUNDS):
        agree = judge.agrees(*camera_errors(judge.true, judge.estimated, candidate))
        if agree.sum() < 2:
            return candidate
        true, estimated = judge.true[agree], judge.estimated[agree]
        options = [align_cameras(true, estimated), _by_rotations(true, estimated)]
        better = max((o for o in options if o is not None), key=judge.rank)
        if judge.rank(better) <= judge.rank(candidate):
            return candidate
        candidate = better
    return candidate


def _by_rotations(
    true: Float[np.ndarray, "V 4 4"], estimated: Float[np.ndarray, "V 4 4"]
) -> Similarity | None:
    """Rotation from the cameras' rotations alone; scale and translation from the centres."""
    rotation = _project(_turns(true, estimated).sum(0))
    source, target = centers_of(estimated), centers_of(true)
    s, t = (source - source.mean(0)) @ rotation.T, target - target.mean(0)
    scale = float((s * t).sum() / max(float((s * s).sum()), 1e-300))
    if not (np.isfinite(scale) and scale > 0):
        return None
    return Similarity(scale, rotation, target.mean(0) - scale * rotation @ source.mean(0))


def _best_pairs(judge: _Judge, pairs: Int[np.ndarray, "P 2"]) -> list[Similarity]:
    """The alignments of two photos each with the smallest truncated errors of all."""
    turns = _turns(judge.true, judge.estimated)
    source, target = centers_of(judge.estimated), centers_of(judge.true)
    found: list[tuple[float, int, Similarity]] = []
    for first in range(0, len(pairs), _CHUNK):
        i, j = pairs[first : first + _CHUNK].T
        R = _project(turns[i] + turns[j])
        s = np.einsum("hij,hj->hi", R, source[j] - source[i])
        t = target[j] - target[i]
        length = (s * s).sum(1)
        scale = (s * t).sum(1) / np.maximum(length, 1e-300)
        middle = np.einsum("hij,hj->hi", R, (source[i] + source[j]) / 2)
        shift = (target[i] + target[j]) / 2 - scale[:, None] * middle
        cosine = (np.einsum("vij,hij->hv", turns, R) - 1) / 2
        rotation = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
        moved = scale[:, None, None] * np.einsum("hij,vj->hvi", R, source) + shift[:, None]
        position = np.linalg.norm(moved - target, axis=2)
        cost = judge.cost(rotation, position).sum(1)
        for h in np.flatnonzero((length > 0) & (scale > 0)).tolist():
            hypothesis = Similarity(float(scale[h]), R[h], shift[h])
            found.append((float(cost[h]), first + h, hypothesis))
    found.sort(key=lambda entry: entry[:2])
    return [entry[2] for entry in found[:_REFINED]]


def _pairs(count: int, seed: int) -> Int[np.ndarray, "P 2"]:
    pairs = np.stack(np.triu_indices(count, 1), 1)
    if len(pairs) <= _MAX_HYPOTHESES:
        return pairs
    chosen = np.random.default_rng(seed).choice(len(pairs), _MAX_HYPOTHESES, replace=False)
    return pairs[np.sort(chosen)]


def _turns(
    true: Float[np.ndarray, "V 4 4"], estimated: Float[np.ndarray, "V 4 4"]
) -> Float[np.ndarray, "V 3 3"]:
    """For each photo the rotation of the worlds under which its own rotation is exact."""
    return np.swapaxes(true[:, :3, :3], 1, 2) @ estimated[:, :3, :3]


def _project(matrices: Float[np.ndarray, "*B 3 3"]) -> Float[np.ndarray, "*B 3 3"]:
    """The nearest rotations: of a sum of rotations, their chordal mean (Hartley et al. 2013)."""
    U, _, Vt = np.linalg.svd(matrices)
    sign = np.ones(matrices.shape[:-1])
    sign[..., 2] = np.sign(np.linalg.det(U) * np.linalg.det(Vt))
    return (U * sign[..., None, :]) @ Vt


def _spread(points: Float[np.ndarray, "V 3"]) -> bool:
    """Whether points differ by more than rounding."""
    return rms_radius(points) > 1e-12 * max(float(np.abs(points).max()), 1e-300)


def _line(points: Float[np.ndarray, "V 3"]) -> tuple[Float[np.ndarray, " 3"], bool]:
    """Direction of the largest extent, and whether there is no other."""
    _, extent, axes = np.linalg.svd(points - points.mean(0), full_matrices=False)
    second = extent[1] if len(extent) > 1 else 0.0
    return axes[0], bool(second <= _FLAT * extent[0])
