"""Cameras of a model that drifted, moved so that what is seen twice comes together.

Where a walk comes back, the model has the same points twice, a little apart. Bundle adjustment does
not bring them together: each reprojects far from the other's pixels, and counts as an outlier. So
the photos are moved first, each with its surroundings as rigid as may be: a graph of similarities
in which neighbours stay as they are and the ends of a loop meet (Strasdat, Montiel & Davison,
"Scale drift-aware large scale monocular SLAM", RSS 2010).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.graphs import values_from_differences
from ...geometry.groups import rows_of_each
from ...geometry.rotations import rotation_angle
from ...geometry.similarity_twists import sim3_exp, sim3_log
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable
from ..match_consistency import TrackLookup
from ..thresholds import CONSISTENCY, INLIERS, AbsolutePoseThresholds
from ..twoview.absolute_pose import absolute_pose
from .retriangulation import with_points

_POSE = AbsolutePoseThresholds(max_error_px=6.0, min_inlier_ratio=0.5)


@dataclass(frozen=True)
class LoopThresholds:
    """When matches that a model was not made of say that it drifted, and by how much it may."""

    explained: float = 0.5
    """Share of a pair's matches that agree with the model, from which on no gap is to be closed."""
    pose: AbsolutePoseThresholds = _POSE
    """Pose of one photo among the points of the other: points are right to some pixels, and false
    matches to none."""
    fewest_depths: int = 6
    """Points that both photos have, to compare their depths."""
    max_gap: float = 1.0
    """Distance of the two places of what both photos see, over its depth: what lies farther apart
    by the model is not what it named the pair for, but something alike."""
    max_turn: float = 25.0
    """Angle between their rotations by the loop and by the model, likewise."""
    max_scale: float = 0.7
    """Logarithm of the ratio of their scales, likewise: twice as large."""
    stiffness: float = 10.0
    """Weight of a match across a loop over one between neighbours: a loop measures at once what
    neighbours only say bit by bit."""
    gaps: tuple[float, ...] = (0.5, 0.2, 0.08)
    """Gaps, over the depth, at which a loop counts half: large at first, when drift is all of it,
    and then only false loops are far from what all others say."""
    rounds: int = 3
    """Steps at each of these."""


LOOPS = LoopThresholds()


@dataclass(frozen=True)
class Ties:
    """Pairs of photos, and how what both see lies in the model."""

    pairs: Int[np.ndarray, "E 2"]
    motion: Float[np.ndarray, "E 4 4"]
    """Similarity in the world that takes what the first photo sees to where the second sees it."""
    weight: Float[np.ndarray, " E"]
    middle: Float[np.ndarray, "E 3"]
    """Middle of what the first photo sees."""
    depth: Float[np.ndarray, " E"]
    """Its depth in that photo."""


@dataclass(frozen=True)
class Closed:
    """What came of closing loops."""

    cam_from_world: Float[np.ndarray, "V 4 4"]
    """Poses; NaN where a photo has none."""
    loops: int
    """Loops that were measured."""
    gap_before: float
    """Median distance of the two places of what both photos of a loop see, over its depth; NaN
    without loops."""
    gap_after: float
    """The same in the end."""


def close_loops(
    model: SparseModel,
    table: MatchTable,
    explained: Bool[np.ndarray, " M"],
    new: Bool[np.ndarray, " M"],
    *,
    max_error_px: float,
    seed: int,
) -> Closed:
    """Moves the photos so that both ends of each loop agree.

    Args:
        explained: matches that agree with the model. Of those that it was made of that is asked
            without the others: loops that it denies would part it in two.
        new: matches that it was not made of. Their pairs are the loops, where it does not explain
            them.
        max_error_px: distance within which a match counts as explained, as in `explain`.
        seed: of RANSAC.
    """
    poses = model.cam_from_world
    ends = _ends(model, table, explained, new)
    rows = np.flatnonzero(ends)
    given = explained, new, max_error_px, seed
    loops = _loops(model, table, rows, *given) if len(rows) else _joined([])
    if not len(loops.pairs):
        return Closed(poses, 0, float("nan"), float("nan"))
    chain = _chain(table, explained, ~ends)
    moved = np.tile(np.eye(4), (len(poses), 1, 1))
    before = _gap(loops, moved)
    for limit in LOOPS.gaps:
        for _ in range(LOOPS.rounds):
            trust = 1 / (1 + (_gap(loops, moved) / limit) ** 2)
            moved = _relaxed(chain, loops, loops.weight * trust, moved)
    result = poses.copy()
    scale = np.cbrt(np.linalg.det(moved[:, :3, :3]))[:, None, None]
    # cam_from_world with the moved surroundings as its world: rigid again, scaled along.
    back = scale * poses @ np.linalg.inv(moved)
    result[:, :3] = back[:, :3]
    result[~model.registered] = np.nan
    return Closed(
        result, len(loops.pairs), float(np.median(before)), float(np.median(_gap(loops, moved)))
    )


def _relaxed(
    chain: Ties,
    loops: Ties,
    loop_weight: Float[np.ndarray, " E"],
    moved: Float[np.ndarray, "V 4 4"],
) -> Float[np.ndarray, "V 4 4"]:
    """One step of Gauss and Newton, to first order in what each photo is still moved by."""
    pairs = np.concatenate([chain.pairs, loops.pairs])
    motion = np.concatenate([chain.motion, loops.motion])
    weight = np.concatenate([chain.weight, LOOPS.stiffness * loop_weight])
    i, j = pairs.T
    left = sim3_log(moved[j] @ motion @ np.linalg.inv(moved[i]))
    twists = values_from_differences(pairs, weight, -left, len(moved), ridge=1e-9)
    return sim3_exp(twists) @ moved


def _gap(loops: Ties, moved: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, " E"]:
    """Distance between the two places of what both photos of a loop see, over its depth."""
    point = np.concatenate([loops.middle, np.ones((len(loops.middle), 1))], axis=1)[..., None]
    i, j = loops.pairs.T
    apart = moved[j] @ loops.motion @ point - moved[i] @ point
    return np.linalg.norm(apart[:, :3, 0], axis=1) / loops.depth


def _ends(
    model: SparseModel,
    table: MatchTable,
    explained: Bool[np.ndarray, " M"],
    new: Bool[np.ndarray, " M"],
) -> Bool[np.ndarray, " P"]:
    """New pairs with enough matches, most of which do not agree with the model."""
    count = len(table.pairs)
    total = np.bincount(table.pair[new], minlength=count)
    agree = np.bincount(table.pair[new & explained], minlength=count)
    enough = (total >= INLIERS.enough_matches) & model.registered[table.pairs].all(1)
    return enough & (agree < LOOPS.explained * total)


def _chain(
    table: MatchTable, explained: Bool[np.ndarray, " M"], asked: Bool[np.ndarray, " P"]
) -> Ties:
    """Those of the pairs whose matches agree with the model, which stay as they are."""
    votes = np.bincount(table.pair[explained], minlength=len(table.pairs))
    rows = np.flatnonzero(asked & (votes >= INLIERS.enough_matches))
    count = len(rows)
    weight = np.minimum(votes[rows], CONSISTENCY.pair_cap).astype(np.float64)
    motion = np.tile(np.eye(4), (count, 1, 1))
    return Ties(table.pairs[rows], motion, weight, np.zeros((count, 3)), np.ones(count))


def _loops(
    model: SparseModel,
    table: MatchTable,
    pairs: Int[np.ndarray, " E"],
    explained: Bool[np.ndarray, " M"],
    new: Bool[np.ndarray, " M"],
    max_error_px: float,
    seed: int,
) -> Ties:
    """The pairs of these rows, by the points that the other matches make of either photo."""
    near = explained & ~new
    near &= np.isin(table.photos, np.unique(table.pairs[pairs])).any(1)
    # Both ends of a loop may share nothing here, so that only the whole tells what agrees.
    dense = with_points(model, table, max_error_px, near)
    track_of = TrackLookup(dense, table)
    rows_of = rows_of_each(table.pair, len(table.pairs))
    measured = [_loop(dense, table, rows_of[row], track_of, seed) for row in pairs.tolist()]
    return _joined([loop for loop in measured if loop is not None])


def _loop(
    model: SparseModel,
    table: MatchTable,
    rows: Int[np.ndarray, " R"],
    track_of: TrackLookup,
    seed: int,
) -> Ties | None:
    """The tie between two photos by their matches: the pose that one photo has among the points of
    the other, at the scale at which both have the same depths; None where it is not certain."""
    i, j = table.photos[rows[0]].tolist()
    first, second = (track_of(table.photos[rows, s], table.keypoints[rows, s]) for s in (0, 1))
    there = second >= 0
    xy, points = table.xy[rows[there], 0], model.points[second[there]]
    camera = model.cameras[model.camera_index[i]]
    found = absolute_pose(xy, points, camera, LOOPS.pose, seed=seed)
    if found is None:
        return None
    pose, inlier = found
    both = inlier & (first[there] >= 0)
    if both.sum() < LOOPS.fewest_depths:
        return None
    own = model.points[first[there][both]]
    depth_there = points[both] @ pose[2, :3] + pose[2, 3]
    depth_here = own @ model.cam_from_world[i, 2, :3] + model.cam_from_world[i, 2, 3]
    if min(depth_here.min(), depth_there.min()) <= 0:
        return None
    scale = float(np.median(depth_there / depth_here))
    here = model.cam_from_world[i]
    motion = np.linalg.inv(pose) @ np.diag([scale, scale, scale, 1.0]) @ here
    middle, depth = np.median(own, axis=0), float(np.median(depth_here))
    shift = np.linalg.norm(motion[:3, :3] @ middle + motion[:3, 3] - middle) / depth
    turn = float(rotation_angle(motion[:3, :3] / scale))
    if shift > LOOPS.max_gap or turn > LOOPS.max_turn or abs(np.log(scale)) > LOOPS.max_scale:
        return None
    weight = float(min(inlier.sum(), CONSISTENCY.pair_cap))
    return Ties(
        np.array([[i, j]]), motion[None], np.array([weight]), middle[None], np.array([depth])
    )


def _joined(ties: Sequence[Ties]) -> Ties:
    """All ties in one."""
    if not ties:
        none = np.zeros(0)
        return Ties(np.zeros((0, 2), np.int64), np.zeros((0, 4, 4)), none, np.zeros((0, 3)), none)
    columns = [[getattr(tie, field.name) for tie in ties] for field in fields(Ties)]
    return Ties(*(np.concatenate(column) for column in columns))
