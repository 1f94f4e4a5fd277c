"""How well the scale of each part of a model is tied to that of the rest.

Where few points are seen from both sides of a thin place, the part beyond it can grow or shrink
about the place, and hardly a reprojection changes. Each part is therefore taken as rigid, and
the rest as rigid, and it is asked how exactly the points that both see fix the similarity between
the two: bundle adjustment reduced to seven unknowns, points eliminated. A point that one side
triangulates with covariance A and the other with B says of it as much as (A + B)^-1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array, triu
from scipy.sparse.csgraph import depth_first_order

from ...geometry.centers import centers_of
from ...geometry.graphs import spanning_forest
from ...geometry.rotations import cross_matrix
from ...scene.sparse_model import SparseModel
from ..model_comparison import camera_radius
from .map_ties import MapTies
from .thresholds import SCALE_TIES
from .track_information import TrackInformation, track_information

_SURELY = 2 * 1.2533
"""Two standard deviations of a median, over those of a mean."""
_ABOUT = 0.8
"""Share of the most that a photo may be carried from which on a part is about as badly tied."""


@dataclass(frozen=True)
class ScaleTie:
    """A part of a model, and what ties its scale to that of the rest."""

    part: tuple[int, ...]
    """Photos of the smaller part."""
    hinge: int
    """Photo of the rest through which the part hangs: the one that sees most of what both see."""
    sigma: float
    """Standard deviation of the logarithm of the scale, infinite where nothing tells it."""
    points: int
    """Points that are seen well from both sides: each by itself tells the scale to
    `SCALE_TIES.point_sigma`."""


@dataclass(frozen=True)
class ScaleTies:
    """What scales that are not known leave open."""

    position: Float[np.ndarray, " V"]
    """How far the worst tied part that a photo belongs to may carry it from its place, in percent
    of the radius of the centres: a standard deviation. 0 where it belongs to no such part, NaN
    where it was not measured."""
    weakest: tuple[ScaleTie | None, ...]
    """Of each photo that part, or one that carries it nearly as far with fewer points."""


def find_scale_ties(
    model: SparseModel, order: Int[np.ndarray, " V"] | None = None, maps: MapTies | None = None
) -> ScaleTies:
    """Asks each part that an edge of the best supported tree separates from the rest.

    Args:
        order: photos as they were taken, where they are a walk: then what comes before each photo
            is asked as well.
        maps: depth maps of the photos, which tell scales that points do not.
    """
    count = len(model.names)
    position = np.full(count, np.nan)
    weakest: list[ScaleTie | None] = [None] * count
    centers = centers_of(model.cam_from_world)
    radius = camera_radius(centers[model.registered]) if model.registered.any() else 0.0
    if radius == 0 or not len(model.observations):
        return ScaleTies(position, tuple(weakest))
    information = track_information(model)
    tree = _supported_tree(model, information)
    position[tree.photos] = 0.0
    subject = _Subject(model, information, tree.photos, centers, radius, maps)
    found = [_tie(side, subject) for side in _parts(tree, order, count)]
    ties = sorted({tie for tie in found if tie is not None}, key=_badness)
    carried = []
    for tie in ties:
        part = np.array(tie.part)
        distance = np.linalg.norm(centers[part] - centers[tie.hinge], axis=1) / radius
        carried.append(100 * min(tie.sigma, 1.0) * distance)
        position[part] = np.maximum(position[part], carried[-1])
    # Cuts beside the weakest one are about as weak: the one with the fewest points is named.
    for tie, off in zip(reversed(ties), reversed(carried), strict=True):
        part = np.array(tie.part)
        for photo in part[off >= _ABOUT * position[part]].tolist():
            weakest[photo] = tie
    return ScaleTies(position, tuple(weakest))


def _badness(tie: ScaleTie) -> tuple[int, int, tuple[int, ...]]:
    """The fewest points first, of equal ones the largest part."""
    return tie.points, -len(tie.part), tie.part


@dataclass(frozen=True)
class _Subject:
    """The model that is asked about its parts."""

    model: SparseModel
    information: TrackInformation
    photos: Int[np.ndarray, " N"]
    """All with a pose."""
    centers: Float[np.ndarray, "V 3"]
    radius: float
    maps: MapTies | None


@dataclass(frozen=True)
class _Tree:
    photos: Int[np.ndarray, " N"]
    """Photos such that each follows the one it hangs on."""
    parent: Int[np.ndarray, " V"]


def _supported_tree(model: SparseModel, information: TrackInformation) -> _Tree:
    """The tree of the pairs that share most tracks, over all photos with a pose."""
    count = len(model.names)
    one = np.ones(len(information.track), np.int64)
    shape = (count, information.num_tracks)
    seen = coo_array((one, (information.photo, information.track)), shape=shape).tocsr()
    shared = triu(seen @ seen.T, k=1).tocoo()
    pairs = np.stack([shared.row, shared.col], axis=1).astype(np.int64)
    edges, home = spanning_forest(pairs, shared.data, count)
    main = int(np.bincount(home[model.registered]).argmax())
    # Photos that share nothing with the others hang on the nearest of them all the same.
    centers, rest = centers_of(model.cam_from_world), np.flatnonzero(home == main)
    links = [pairs[edges]]
    for alone in np.setdiff1d(home[model.registered], [main]).tolist():
        own = np.flatnonzero((home == alone) & model.registered)
        apart = np.linalg.norm(centers[own][:, None] - centers[rest], axis=2)
        a, b = np.unravel_index(int(apart.argmin()), apart.shape)
        links.append(np.array([[own[a], rest[b]]]))
    ends = np.concatenate(links)
    graph = coo_array((np.ones(len(ends)), tuple(ends.T)), shape=(count, count)).tocsr()
    photos, parent = depth_first_order(graph, main, directed=False)
    return _Tree(photos.astype(np.int64), parent.astype(np.int64))


def _parts(
    tree: _Tree, order: Int[np.ndarray, " V"] | None, count: int
) -> Iterator[Bool[np.ndarray, " V"]]:
    """The smaller part of each cut, of at least two photos, each once."""
    below = np.eye(count, dtype=bool)
    for photo in tree.photos[:0:-1].tolist():
        below[tree.parent[photo]] |= below[photo]
    sides = [below[photo] for photo in tree.photos[1:].tolist()]
    if order is not None:
        place = np.empty(count, np.int64)
        place[order] = np.arange(count)
        sides += [place < cut for cut in range(2, count - 1)]
    everyone = np.zeros(count, bool)
    everyone[tree.photos] = True
    done = set()
    for side in sides:
        own = side & everyone
        if 2 * own.sum() > len(tree.photos):
            own = everyone & ~own
        if own.sum() >= 2 and (key := own.tobytes()) not in done:
            done.add(key)
            yield own


def _tie(side: Bool[np.ndarray, " V"], subject: _Subject) -> ScaleTie | None:
    """What ties the part to the rest; None where it is tied well enough to say nothing."""
    tie = _measured(side, subject)
    if tie is None:
        return None
    # Photos at the border that hold on to the rest are not lost with the part.
    kept = subject.information.without_photos_held_elsewhere(side, SCALE_TIES.held_share)
    if kept.sum() < 2 or (kept == side).all():
        return tie
    return _measured(kept, subject) or tie


def _measured(side: Bool[np.ndarray, " V"], subject: _Subject) -> ScaleTie | None:
    information, centers, maps = subject.information, subject.centers, subject.maps
    common = information.common_tracks(side)
    sample = common[:: max(1, len(common) // SCALE_TIES.sample)]
    hinge = information.most_seen_by(sample, ~side)
    if hinge is None:
        # Nothing is seen from both sides: the part hangs on the nearest photo of the rest.
        rest = subject.photos[~side[subject.photos]]
        middle = centers[side].mean(0)
        hinge = int(rest[np.linalg.norm(centers[rest] - middle, axis=1).argmin()])
    sigma, points = _scale(sample, side, subject, centers[hinge])
    if sigma > SCALE_TIES.sure and len(sample) < len(common):
        sigma, points = _scale(common, side, subject, centers[hinge])
    if sigma > SCALE_TIES.sure and maps is not None:
        known = sigma**-2 + maps.sigma(side) ** -2
        sigma = known**-0.5 if known else float("inf")
    if sigma <= SCALE_TIES.sure:
        return None
    return ScaleTie(tuple(np.flatnonzero(side).tolist()), hinge, sigma, points)


def _scale(
    tracks: Int[np.ndarray, " N"],
    side: Bool[np.ndarray, " V"],
    subject: _Subject,
    hinge: Float[np.ndarray, " 3"],
) -> tuple[float, int]:
    """Standard deviation of the logarithm of a part's scale, and the points that tell it."""
    if not len(tracks):
        return float("inf"), 0
    radius = subject.radius
    both, pull = subject.information.between(tracks, side)
    both, pull = both * radius**2, pull * radius
    away = (subject.model.points[tracks] - hinge) / radius
    tells = np.einsum("ti,tij,tj->t", away, both, away)
    points = int((tells >= SCALE_TIES.point_sigma**-2).sum())
    # No point is surer than its keypoints' errors that all photos share; none outvotes many.
    sure = np.minimum(1, SCALE_TIES.best_point**-2 / np.maximum(tells, 1e-30))
    off = np.einsum("ti,ti->t", away, pull) / np.maximum(tells, 1e-30)
    both, tells = sure[:, None, None] * both, sure * tells
    if points < SCALE_TIES.fewest_points:
        return float("inf"), points
    # How a similarity of the part about the hinge moves its points: shift, rotation, scale.
    moves = np.concatenate(
        [np.tile(np.eye(3), (len(away), 1, 1)), -cross_matrix(away), away[:, :, None]], axis=2
    )
    normal = np.einsum("tki,tkl,tlj->ij", moves, both, moves)
    # A radius, and a radian, are known without any point.
    normal += np.diag([1.0] * 6 + [0.0])
    left = normal[6, 6] - normal[6, :6] @ np.linalg.solve(normal[:6, :6], normal[:6, 6])
    if left <= 1e-9 * normal[6, 6]:
        return float("inf"), points
    # What each point by itself has the scale off by. Where many do in one sense, the scale is
    # wrong by as much; where they do more than noise would have them, some are false.
    votes = np.minimum(tells, SCALE_TIES.full_vote**-2)
    bias = _weighted_median(off, votes)
    disagreement = _weighted_median(tells * off**2, votes) / SCALE_TIES.usual_square
    disagreement = max(disagreement, 1.0)
    # The median is off by chance, too: what it is off by is a bias where it is more than that.
    bias = max(abs(bias) - _SURELY * np.sqrt(disagreement / votes.sum()), 0.0)
    return float(np.sqrt(disagreement / left + bias**2 + SCALE_TIES.common**2)), points


def _weighted_median(values: Float[np.ndarray, " N"], weights: Float[np.ndarray, " N"]) -> float:
    order = np.argsort(values)
    total = np.cumsum(np.maximum(weights[order], 0))
    return float(values[order][np.searchsorted(total, 0.5 * total[-1])])
