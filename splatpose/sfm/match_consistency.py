"""How well a reconstruction explains all verified matches, whether it used them or not.

A reconstruction's own reprojection error says little: a wrong one simply drops the tracks that
contradict it. Every match that survived two-view verification is therefore asked again.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from jaxtyping import Bool, Float, Int

from ..geometry.epipolar import essential_matrix, relative_pose, sampson_distance, two_view_depths
from ..geometry.groups import groups_of
from ..geometry.projection import normalized_from_pixels
from ..scene.camera import Camera
from ..scene.sparse_model import SparseModel
from .correspondences import REFERENCE_SIDE, MatchTable
from .image_motion import near_copies
from .reprojection import projection_errors
from .thresholds import CONSISTENCY, FOCAL_RATIOS

_AT_ONCE = 200_000
"""Matches that are compared with their pairs' geometry at one time."""


@dataclass(frozen=True)
class Explanation:
    """Which matches a model explains."""

    connected: Bool[np.ndarray, " V"]
    """Registered photos that matches which agree with the model hold together. A group that only
    agrees with itself counts as if it were not registered."""
    explained: Bool[np.ndarray, " M"]
    contradicted: Bool[np.ndarray, " M"]
    """Matches of registered photos that are far from what the model says."""
    share: float
    """Share of all verified matches that the model explains."""
    balanced_share: float
    """Share of the matches with those of one pair counting at most as much as
    `CONSISTENCY.pair_cap` of them, so that a few heavy pairs cannot outvote the rest."""
    against: float
    """Mean of both shares of the matches that are contradicted."""
    focal_ratio: float
    """Focal length over the longer side, the least plausible camera's."""
    median_angle: float
    """Median angle between the rays of matches that are explained, in degrees. Near-copies do not
    vote, unless there are no others: a burst has many pairs of them, and they tell no depth."""

    @property
    def plausible(self) -> bool:
        """Whether every focal length is one that a camera could have."""
        return FOCAL_RATIOS.plausible_result(self.focal_ratio)

    @property
    def score(self) -> float:
        """Evidence in one number, the larger the better: the mean of both shares, less half of what
        speaks against the model. Matches agree with a wrong model only by chance, but contradict
        the right one wherever a place repeats: at full weight, leaving photos out would pay. A
        model with an implausible camera loses to every other."""
        support = (
            0.5 * (self.share + self.balanced_share)
            - CONSISTENCY.contradiction_weight * self.against
        )
        return support - (0.0 if self.plausible else 2.0)


def pixel_thresholds(cameras: tuple[Camera, ...], max_error_px: float) -> Float[np.ndarray, " C"]:
    """`max_error_px` of a photo of `REFERENCE_SIDE` in those of each camera's photos."""
    return np.array([max_error_px * max(c.width, c.height) / REFERENCE_SIDE for c in cameras])


def explain(model: SparseModel, table: MatchTable, *, max_error_px: float = 1.0) -> Explanation:
    """Tests every verified match against the cameras and points of a model.

    A match is explained if both photos are registered; its Sampson distance is within the
    threshold; it lies in front of both cameras; and where one of its keypoints belongs to a
    point of the model, that point projects close to the other keypoint. The last catches what
    two views cannot see: parts of a model at different scales. It is contradicted if it is several
    times too far off, or behind a camera.

    Args:
        max_error_px: threshold, in pixels of a photo whose longer side has `REFERENCE_SIDE`.
    """
    focal = np.array([np.sqrt(c.K[0, 0] * c.K[1, 1]) for c in model.cameras])
    sides = np.array([float(max(c.width, c.height)) for c in model.cameras])
    limit = pixel_thresholds(model.cameras, max_error_px)
    off, sine = _misfit(model, table, limit, focal)
    with np.errstate(invalid="ignore"):
        good, bad = off <= 1, off > CONSISTENCY.contradiction
    connected = _connected(table, good, bad, len(model.names))
    inside = connected[table.photos].all(1)
    good, bad = good & inside, bad & inside
    apart = ~near_copies(table, sides[model.camera_index])[table.pair]
    voting = good & apart if (good & apart).any() else good
    angle = np.degrees(np.arcsin(np.clip(sine[voting], 0, 1)))
    used = np.unique(model.camera_index[model.registered])
    ratios = (focal / sides)[used] if len(used) else np.array([np.nan])
    return Explanation(
        connected=connected,
        explained=good,
        contradicted=bad,
        share=_share(good),
        balanced_share=_balanced(table, good),
        against=0.5 * (_share(bad) + _balanced(table, bad)),
        focal_ratio=float(ratios[np.argmax(np.abs(np.log(ratios / 1.2)))]),
        median_angle=float(np.median(angle)) if len(angle) else 0.0,
    )


def per_photo(
    table: MatchTable, good: Bool[np.ndarray, " M"], num_photos: int
) -> tuple[Int[np.ndarray, " V"], Float[np.ndarray, " V"]]:
    """Verified matches of every photo, and the share of them that is explained (NaN if none)."""
    total = np.bincount(table.photos.ravel(), minlength=num_photos)
    explained = np.bincount(table.photos[good].ravel(), minlength=num_photos)
    with np.errstate(invalid="ignore"):
        return total, explained / total


def _misfit(
    model: SparseModel,
    table: MatchTable,
    limit: Float[np.ndarray, " C"],
    focal: Float[np.ndarray, " C"],
) -> tuple[Float[np.ndarray, " M"], Float[np.ndarray, " M"]]:
    """How far off each match is, the threshold being 1, NaN where a photo has no pose; and the sine
    of the angle between its rays."""
    off, sine = np.full(len(table), np.nan), np.zeros(len(table))
    rows = np.flatnonzero(model.registered[table.photos].all(1))
    if not len(rows):
        return off, sine
    x = _normalized(model, table, rows)
    limits, focals = (of[model.camera_index[table.photos[rows]]] for of in (limit, focal))
    poses = model.cam_from_world[table.pairs]
    # Essential matrices of all matches at one time would take most of the memory.
    for part in np.array_split(np.arange(len(rows)), -(-len(rows) // _AT_ONCE)):
        own = rows[part]
        off[own], sine[own] = _epipolar(poses, table.pair[own], x[part], limits[part], focals[part])
    off[rows] = np.maximum(off[rows], _transfer(model, table, rows, limits))
    return off, sine


def _normalized(
    model: SparseModel, table: MatchTable, rows: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N 2 2"]:
    """Normalised coordinates of matches."""
    x = np.zeros((len(rows), 2, 2))
    for side in (0, 1):
        index = model.camera_index[table.photos[rows, side]]
        for own in groups_of(index):
            camera = model.cameras[index[own[0]]]
            x[own, side] = normalized_from_pixels(camera, table.xy[rows[own], side])
    return x


def _epipolar(
    poses: Float[np.ndarray, "P 2 4 4"],
    pair: Int[np.ndarray, " N"],
    x: Float[np.ndarray, "N 2 2"],
    limit: Float[np.ndarray, "N 2"],
    focal: Float[np.ndarray, "N 2"],
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Sampson distance over the threshold, infinite behind a camera; also the sine of the angle
    between the rays."""
    pairs, inverse = np.unique(pair, return_inverse=True)
    R, t = relative_pose(poses[pairs, 0], poses[pairs, 1])
    E = essential_matrix(R, t)
    distance = sampson_distance(E[inverse], x[:, 0], x[:, 1]) * focal.mean(1)
    z1, z2, sine = two_view_depths(R[inverse], t[inverse], x[:, 0], x[:, 1])
    # Noise can put a very distant point behind the cameras; that is no contradiction.
    distant = sine < limit.mean(1) / focal.mean(1)
    ahead = distant | ((z1 > 0) & (z2 > 0))
    return np.where(ahead, distance / limit.mean(1), np.inf), sine


def _transfer(
    model: SparseModel,
    table: MatchTable,
    rows: Int[np.ndarray, " N"],
    limit: Float[np.ndarray, "N 2"],
) -> Float[np.ndarray, " N"]:
    """How far the point of one keypoint projects from the other keypoint, over
    `CONSISTENCY.transfer_factor` thresholds; 0 without a point, infinite behind the camera."""
    track_of = TrackLookup(model, table)
    off = np.zeros(len(rows))
    for source, target in ((0, 1), (1, 0)):
        track = track_of(table.photos[rows, source], table.keypoints[rows, source])
        ask = np.flatnonzero(track >= 0)
        photo, xy = table.photos[rows[ask], target], table.xy[rows[ask], target]
        error = projection_errors(model, track[ask], photo, xy)
        off[ask] = np.maximum(off[ask], error / (CONSISTENCY.transfer_factor * limit[ask, target]))
    return off


class TrackLookup:
    """Which track a keypoint belongs to, -1 for none."""

    def __init__(self, model: SparseModel, table: MatchTable) -> None:
        largest = max(
            int(table.keypoints.max(initial=0)), int(model.observations[:, 2].max(initial=0))
        )
        self._stride = largest + 1
        self._track = np.full(len(model.names) * self._stride, -1, np.int64)
        o = model.observations
        self._track[o[:, 1] * self._stride + o[:, 2]] = o[:, 0]

    def __call__(
        self, photos: Int[np.ndarray, " N"], keypoints: Int[np.ndarray, " N"]
    ) -> Int[np.ndarray, " N"]:
        return self._track[photos * self._stride + keypoints]


def _connected(
    table: MatchTable,
    good: Bool[np.ndarray, " M"],
    bad: Bool[np.ndarray, " M"],
    num_photos: int,
) -> Bool[np.ndarray, " V"]:
    """The largest set of photos that hold together.

    Groups that share most matches which agree with the model are joined first, unless too many of
    all matches between them contradict it: one pair that agrees does not join two groups between
    which all others disagree.
    """
    count = len(table.pairs)
    agree = np.bincount(table.pair[good], minlength=count).tolist()
    deny = np.bincount(table.pair[bad], minlength=count).tolist()
    between: list[dict[int, tuple[int, int]]] = [{} for _ in range(num_photos)]
    queue: list[tuple[int, int, int]] = []

    def link(i: int, j: int, votes: tuple[int, int]) -> None:
        between[i][j] = between[j][i] = votes
        if votes[0] >= CONSISTENCY.min_agreeing and CONSISTENCY.outweighs * votes[0] > votes[1]:
            heappush(queue, (-votes[0], i, j))

    for (i, j), *votes in zip(table.pairs.tolist(), agree, deny, strict=True):
        link(i, j, (votes[0], votes[1]))
    group = np.arange(num_photos)
    while queue:
        support, i, j = heappop(queue)
        votes = between[i].get(j)
        if votes is None or votes[0] != -support or CONSISTENCY.outweighs * votes[0] <= votes[1]:
            continue  # joined or changed since
        if len(between[i]) < len(between[j]):
            i, j = j, i
        group[group == j] = i
        del between[i][j], between[j][i]
        for other, (more, against) in between[j].items():
            del between[other][j]
            own = between[i].get(other, (0, 0))
            link(i, other, (own[0] + more, own[1] + against))
        between[j] = {}
    return group == np.bincount(group).argmax()


def _share(good: Bool[np.ndarray, " M"]) -> float:
    return float(good.mean()) if len(good) else 0.0


def _balanced(table: MatchTable, good: Bool[np.ndarray, " M"]) -> float:
    total = np.bincount(table.pair, minlength=len(table.pairs))
    explained = np.bincount(table.pair[good], minlength=len(table.pairs))
    weight = np.minimum(total, CONSISTENCY.pair_cap)
    used = total > 0
    if not used.any():
        return 0.0
    return float((weight[used] * explained[used] / total[used]).sum() / weight[used].sum())
