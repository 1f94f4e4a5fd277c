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
from ...geometry.projection import project
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable
from .thresholds import OVERLAP

_POINTS_A_PHOTO = 500
_NEIGHBOURS = 3
_CELLS = 8
"""Cells along each side of a photo."""


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
    photos = [_photo(model, photo, seed) for photo in range(len(model.names))]
    partner = _matched_keypoints(table, explained)
    rows = []
    for i, j in tried[model.registered[tried].all(1)].tolist():
        for a, b in ((i, j), (j, i)):
            if len(photos[a].track) and photos[b].tree is not None:
                rows.append((a, b, *_shared(model, photos, partner, a, b)))
    found = np.array(rows, np.int64).reshape(-1, 6)
    return Overlap(found[:, :2], found[:, 2], found[:, 3], found[:, 4], found[:, 5])


@dataclass(frozen=True)
class _Photo:
    """What a photo sees of the model's points."""

    track: Int[np.ndarray, " N"]
    """A sample of the tracks it observes."""
    keypoint: Int[np.ndarray, " N"]
    seen: Int[np.ndarray, " S"]
    """All tracks that it observes, ascending."""
    tree: KDTree | None
    depth: Float[np.ndarray, " D"]
    """Depths of the points in the tree."""


def _photo(model: SparseModel, photo: int, seed: int) -> _Photo:
    rows = np.flatnonzero(model.observations[:, 1] == photo)
    track, keypoint = model.observations[rows, 0], model.observations[rows, 2]
    pose = model.cam_from_world[photo]
    z = model.points[track] @ pose[2, :3] + pose[2, 3] if len(rows) else np.zeros(0)
    ahead = z > 0
    xy = model.observation_xy[rows][ahead]
    tree = KDTree(xy) if ahead.sum() >= _NEIGHBOURS else None
    sample = np.arange(len(rows))
    if len(rows) > _POINTS_A_PHOTO:
        rng = np.random.default_rng([seed, photo])
        sample = np.sort(rng.choice(len(rows), _POINTS_A_PHOTO, replace=False))
    return _Photo(track[sample], keypoint[sample], np.unique(track), tree, z[ahead])


def _shared(
    model: SparseModel,
    photos: list[_Photo],
    partner: dict[tuple[int, int], Int[np.ndarray, " K"]],
    a: int,
    b: int,
) -> tuple[int, int, int, int]:
    """Visible and matched points, cells with several of them, and cells without any match."""
    own, other = photos[a], photos[b]
    visible, found, xy = _visible(model, own.track, other, a, b)
    if not visible.any():
        return 0, 0, 0, 0
    track, keypoint = own.track[visible], own.keypoint[visible]
    matched = found[visible] | np.isin(track, other.seen)
    if (a, b) in partner:
        matched |= np.isin(keypoint, partner[a, b])
    camera = model.cameras[model.camera_index[b]]
    cell = np.floor(_CELLS * xy[visible] / (camera.width, camera.height)).astype(np.int64)
    cell = np.clip(cell, 0, _CELLS - 1) @ (_CELLS, 1)
    number = np.bincount(cell, minlength=_CELLS**2)
    full = number >= OVERLAP.min_in_cell
    hits = np.bincount(cell[matched], minlength=_CELLS**2)
    return int(visible.sum()), int(matched.sum()), int(full.sum()), int((full & (hits == 0)).sum())


def _visible(
    model: SparseModel, track: Int[np.ndarray, " N"], other: _Photo, a: int, b: int
) -> tuple[Bool[np.ndarray, " N"], Bool[np.ndarray, " N"], Float[np.ndarray, "N 2"]]:
    """Which points of photo `a` photo `b` must see; where it sees another point at the same place,
    which is the same one in all likelihood; and where they are in it."""
    assert other.tree is not None
    camera = model.cameras[model.camera_index[b]]
    side = max(camera.width, camera.height)
    points = model.points[track]
    xy, depth = project(camera, model.cam_from_world[b], points)
    rays = [points - centers_of(model.cam_from_world)[photo] for photo in (a, b)]
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
    distance, near = other.tree.query(xy[rows], k=_NEIGHBOURS, distance_upper_bound=limit)
    known = np.isfinite(distance).all(1) if len(rows) else np.zeros(0, bool)
    rows, distance, near = rows[known], distance[known], near[known]
    surface = other.depth[near] if len(rows) else np.zeros((0, _NEIGHBOURS))
    in_view = depth[rows] < OVERLAP.behind * np.median(surface, axis=1)
    same = np.abs(surface[:, 0] / np.maximum(depth[rows], 1e-300) - 1) < OVERLAP.same_depth
    visible, found = np.zeros(len(track), bool), np.zeros(len(track), bool)
    visible[rows[in_view]] = True
    found[rows[same & (distance[:, 0] < OVERLAP.same_place * side)]] = True
    return visible, found, xy


def _matched_keypoints(
    table: MatchTable, explained: Bool[np.ndarray, " M"]
) -> dict[tuple[int, int], Int[np.ndarray, " K"]]:
    """Keypoints of the first photo of each ordered pair with a match that agrees."""
    rows = np.flatnonzero(explained)
    starts = np.searchsorted(table.pair[rows], np.arange(len(table.pairs) + 1))
    found = {}
    for number, (i, j) in enumerate(table.pairs.tolist()):
        own = rows[starts[number] : starts[number + 1]]
        if len(own):
            found[i, j] = table.keypoints[own, 0]
            found[j, i] = table.keypoints[own, 1]
    return found


def missing_share(overlap: Overlap, num_photos: int) -> Float[np.ndarray, " V"]:
    """Share of the photos that each photo must overlap whose matches are missing; NaN where it
    must overlap none."""
    lacking = overlap.must & overlap.missing
    must = np.bincount(overlap.pairs[overlap.must].ravel(), minlength=num_photos)
    lack = np.bincount(overlap.pairs[lacking].ravel(), minlength=num_photos)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(lack / must, np.float64)
