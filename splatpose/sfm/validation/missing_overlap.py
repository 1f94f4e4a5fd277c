"""Photos that must see the same points, and share no matches.

Where a place occurs twice (two equal facades, rows of windows), matches between its copies are
perfect and lay one on the other. What is missing tells: cameras then stand side by side, look at
the same surface by the model, and yet share nothing but what occurs twice (missing
correspondences: Zach, Irschara & Bischof, CVPR 2008; Jiang, Tan & Cheong, CVPR 2012).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import KDTree

from ...geometry.centers import centers_of
from ...geometry.groups import groups_of, rows_of_each
from ...geometry.projection import project
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable
from .thresholds import OVERLAP

_POINTS_A_PHOTO = 500
_NEIGHBOURS = 3
_CELLS = 8
"""Cells along each side of a photo."""
_AT_ONCE = 50
"""Photos whose points are projected at one time."""


@dataclass(frozen=True)
class Overlap:
    """What ordered pairs of photos whose matches were looked for should share and do."""

    pairs: Int[np.ndarray, "Q 2"]
    visible: Int[np.ndarray, " Q"]
    """Points seen by the first photo that the second must see as well."""
    matched: Int[np.ndarray, " Q"]
    """How many of the points are matched."""
    cells: Int[np.ndarray, " Q"]
    """Cells of the second photo with several such points."""
    empty: Int[np.ndarray, " Q"]
    """How many of these cells have no match."""

    @property
    def must(self) -> Bool[np.ndarray, " Q"]:
        """Pairs that overlap enough for a lack of matches to mean something."""
        return self.visible >= OVERLAP.min_visible

    @property
    def missing(self) -> Bool[np.ndarray, " Q"]:
        """Pairs that share next to nothing of what they must, or only what lies in a few places."""
        few = self.matched < OVERLAP.min_matched_share * self.visible
        patchy = (self.cells >= OVERLAP.min_cells) & (
            self.empty > OVERLAP.max_empty_share * self.cells
        )
        return few | patchy


def measure_overlap(
    model: SparseModel,
    table: MatchTable,
    explained: Bool[np.ndarray, " M"],
    tried: Int[np.ndarray, "P 2"],
    seed: int,
) -> Overlap:
    """Projects the points of each photo into the others.

    A point counts where it is in front, under a similar angle and distance, and where the second
    photo's own points nearby are not nearer than it is, so that nothing hides it and there is
    texture.

    Args:
        explained: matches that agree with the model.
        tried: pairs of photos that were matched, whatever came out.
    """
    observed = rows_of_each(model.observations[:, 1], len(model.names))
    matches = _Matches(table, explained, len(model.names))
    # Both ways: the points of the first, projected into the second.
    known = tried[model.registered[tried].all(1)]
    pairs = np.stack([known, known[:, ::-1]], axis=1).reshape(-1, 2)
    samples = [_sample(rows, photo, seed) for photo, rows in enumerate(observed)]
    ahead = [rows[_ahead(model, photo, rows)] for photo, rows in enumerate(observed)]
    sees, surface = (np.array([len(rows) for rows in own], np.int64) for own in (samples, ahead))
    pairs = pairs[(sees[pairs[:, 0]] > 0) & (surface[pairs[:, 1]] >= _NEIGHBOURS)]
    counts = np.zeros((len(pairs), 4), np.int64)
    for own in groups_of(pairs[:, 1]):
        photo = int(pairs[own[0], 1])
        target = _Target(model, photo, observed[photo], ahead[photo])
        matched = matches.with_photo(photo)
        for part in np.array_split(own, -(-len(own) // _AT_ONCE)):
            sources = pairs[part, 0]
            counts[part] = _shared(model, target, sources, [samples[i] for i in sources], matched)
    return Overlap(pairs, *counts.T)


def _sample(rows: Int[np.ndarray, " R"], photo: int, seed: int) -> Int[np.ndarray, " N"]:
    """Some of the observations of a photo at random, in their order."""
    if len(rows) <= _POINTS_A_PHOTO:
        return rows
    rng = np.random.default_rng([seed, photo])
    return rows[np.sort(rng.choice(len(rows), _POINTS_A_PHOTO, replace=False))]


def _depths(model: SparseModel, photo: int, rows: Int[np.ndarray, " R"]) -> Float[np.ndarray, " R"]:
    """Depth of the point of each observation in its photo."""
    pose = model.cam_from_world[photo]
    return model.points[model.observations[rows, 0]] @ pose[2, :3] + pose[2, 3]


def _ahead(model: SparseModel, photo: int, rows: Int[np.ndarray, " R"]) -> Bool[np.ndarray, " R"]:
    return _depths(model, photo, rows) > 0


class _Matches:
    """Keypoints with matches that agree, by the photo that they are matched with."""

    def __init__(self, table: MatchTable, explained: Bool[np.ndarray, " M"], count: int) -> None:
        photos, keypoints = table.photos[explained], table.keypoints[explained]
        self._photo, self._keypoint = photos.ravel(), keypoints.ravel()
        self._rows = rows_of_each(photos[:, ::-1].ravel(), count)

    def with_photo(self, photo: int) -> tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]]:
        """Photo and keypoint of each match with a photo."""
        rows = self._rows[photo]
        return self._photo[rows], self._keypoint[rows]


class _Target:
    """A photo that points are projected into, and what it sees itself."""

    def __init__(
        self,
        model: SparseModel,
        photo: int,
        rows: Int[np.ndarray, " R"],
        ahead: Int[np.ndarray, " S"],
    ) -> None:
        self.photo = photo
        self.camera = model.cameras[model.camera_index[photo]]
        self.side = max(self.camera.width, self.camera.height)
        self.tree = KDTree(model.observation_xy[ahead])
        self.depth = _depths(model, photo, ahead)
        self.seen = model.observations[rows, 0]


def _shared(
    model: SparseModel,
    target: _Target,
    sources: Int[np.ndarray, " Q"],
    samples: list[Int[np.ndarray, " _"]],
    matched_with: tuple[Int[np.ndarray, " K"], Int[np.ndarray, " K"]],
) -> Int[np.ndarray, "Q 4"]:
    """Visible and matched points, cells with several of them, and cells without any match.

    Args:
        sources: photos whose points are projected.
        samples: some observations of each of them.
        matched_with: photo and keypoint of the matches with the target that agree.
    """
    slot = np.repeat(np.arange(len(sources)), [len(rows) for rows in samples])
    rows = np.concatenate(samples)
    track, keypoint = model.observations[rows, 0], model.observations[rows, 2]
    visible, found, xy = _visible(model, track, sources[slot], target)
    slot_of = np.full(len(model.names), -1)
    slot_of[sources] = np.arange(len(sources))
    photo, with_match = matched_with
    stride = int(max(keypoint.max(), with_match.max(initial=0))) + 1
    matched = found | np.isin(track, target.seen)
    matched |= np.isin(slot * stride + keypoint, slot_of[photo] * stride + with_match)
    size = target.camera.width, target.camera.height
    cell = np.floor(_CELLS * xy[visible] / size).astype(np.int64)
    cell = np.clip(cell, 0, _CELLS - 1) @ (_CELLS, 1) + slot[visible] * _CELLS**2
    number, hits = (
        np.bincount(some, minlength=len(sources) * _CELLS**2).reshape(-1, _CELLS**2)
        for some in (cell, cell[matched[visible]])
    )
    full = number >= OVERLAP.min_in_cell
    return np.stack([number.sum(1), hits.sum(1), full.sum(1), (full & (hits == 0)).sum(1)], axis=1)


def _visible(
    model: SparseModel,
    track: Int[np.ndarray, " N"],
    source: Int[np.ndarray, " N"],
    target: _Target,
) -> tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " N"], Float[np.ndarray, "N 2"]]:
    """Which points of other photos the target must see; where it sees another point at the same
    place, which is the same one in all likelihood; and where they are in it."""
    camera, side = target.camera, target.side
    points = model.points[track]
    xy, depth = project(camera, model.cam_from_world[target.photo], points)
    photos, own = np.unique(source, return_inverse=True)
    rays = [
        points - centers_of(model.cam_from_world[photos])[own],
        points - centers_of(model.cam_from_world[[target.photo]]),
    ]
    far = [np.linalg.norm(ray, axis=1) for ray in rays]
    cosine = (rays[0] * rays[1]).sum(1) / np.maximum(far[0] * far[1], 1e-300)
    scale = np.abs(np.log(np.maximum(far[0], 1e-300) / np.maximum(far[1], 1e-300)))
    ask = (
        (depth > 0)
        & (cosine > np.cos(np.radians(OVERLAP.max_angle)))
        & (scale < np.log(OVERLAP.max_scale))
    )
    with np.errstate(invalid="ignore"):
        inner = np.array([camera.width, camera.height]) - OVERLAP.margin * side
        ask &= (xy > OVERLAP.margin * side).all(1) & (xy < inner).all(1)
    rows = np.flatnonzero(ask)
    limit = OVERLAP.near * side
    distance, near = target.tree.query(xy[rows], k=_NEIGHBOURS, distance_upper_bound=limit)
    known = np.isfinite(distance).all(1) if len(rows) else np.zeros(0, bool)
    rows, distance, near = rows[known], distance[known], near[known]
    surface = target.depth[near] if len(rows) else np.zeros((0, _NEIGHBOURS))
    in_view = depth[rows] < OVERLAP.behind * np.median(surface, axis=1)
    same = np.abs(surface[:, 0] / np.maximum(depth[rows], 1e-300) - 1) < OVERLAP.same_depth
    visible, found = np.zeros(len(track), bool), np.zeros(len(track), bool)
    visible[rows[in_view]] = True
    found[rows[same & (distance[:, 0] < OVERLAP.same_place * side)]] = True
    return visible, found, xy


def missing_share(overlap: Overlap, num_photos: int) -> Float[np.ndarray, " V"]:
    """Share of the photos that each photo must overlap whose matches are missing; NaN where it
    must overlap none."""
    lacking = overlap.must & overlap.missing
    must = np.bincount(overlap.pairs[overlap.must].ravel(), minlength=num_photos)
    lack = np.bincount(overlap.pairs[lacking].ravel(), minlength=num_photos)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(lack / must, np.float64)
