"""Matches that judge: whole tracks, so that no other match tells where their keypoints belong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..geometry.epipolar import essential_matrix, sampson_distance, two_view_depths
from ..scene.camera import Camera
from .correspondences import REFERENCE_SIDE, MatchTable, calibrated_matches, focal_ratios
from .twoview.all_pairs import RelativePoses
from .twoview.pair_geometry import PairKind

_FIT_SIGMAS = 4.0
_MOST_OVER = 1.34
"""No pair loses more than this many times the share that is asked for."""


def keypoint_ids(table: MatchTable) -> Int[np.ndarray, "M 2"]:
    """A number for each keypoint of each match, the same wherever the keypoint occurs."""
    stride = int(table.keypoints.max(initial=0)) + 1
    return table.photos * stride + table.keypoints


def with_matches(table: MatchTable, rows: Bool[np.ndarray, " M"]) -> MatchTable:
    """The table with only some of its matches; the pairs keep their numbers."""
    return replace(
        table,
        pair=table.pair[rows],
        photos=table.photos[rows],
        keypoints=table.keypoints[rows],
        xy=table.xy[rows],
    )


def track_labels(
    table: MatchTable, rows: Bool[np.ndarray, " M"]
) -> tuple[Int[np.ndarray, " M"], Bool[np.ndarray, " L"]]:
    """Numbers of the tracks that some of the matches link keypoints to.

    Returns:
        Of each match its track's number, -1 for matches that are not in `rows`; and of each track
        whether it has at most one keypoint in a photo.
    """
    ids = keypoint_ids(table)[rows]
    nodes, index = np.unique(ids, return_inverse=True)
    a, b = index.reshape(-1, 2).T
    links = coo_array((np.ones(len(a)), (a, b)), shape=(len(nodes), len(nodes)))
    number, label = connected_components(links, directed=False)
    photo = np.zeros(len(nodes), np.int64)
    photo[index.reshape(-1, 2)] = table.photos[rows]
    places, count = np.unique(np.stack([label, photo], 1), axis=0, return_counts=True)
    proper = np.ones(number, bool)
    proper[places[count > 1, 0]] = False
    labels = np.full(len(table), -1)
    labels[rows] = label[a]
    return labels, proper


def fitting_matches(
    table: MatchTable,
    relative: RelativePoses,
    cameras: tuple[Camera, ...],
    camera_index: Int[np.ndarray, " V"],
) -> Bool[np.ndarray, " M"]:
    """Matches that agree with the relative pose of their pair; none of pairs without one."""
    edge_of = np.full(len(table.pairs), -1)
    strong = relative.kind != PairKind.WEAK
    edge_of[relative.row[strong]] = np.flatnonzero(strong)
    rows = np.flatnonzero(edge_of[table.pair] >= 0)
    distance, ahead = match_errors(table, rows, edge_of, relative, cameras, camera_index)
    limit = _FIT_SIGMAS * relative.noise[edge_of[table.pair[rows]]]
    turned = relative.kind[edge_of[table.pair[rows]]] == PairKind.ROTATION_ONLY
    fits = np.zeros(len(table), bool)
    fits[rows] = turned | ((distance <= limit) & ahead)
    return fits


def match_errors(
    table: MatchTable,
    rows: Int[np.ndarray, " R"],
    edge_of: Int[np.ndarray, " P"],
    relative: RelativePoses,
    cameras: tuple[Camera, ...],
    camera_index: Int[np.ndarray, " V"],
) -> tuple[Float[np.ndarray, " R"], Bool[np.ndarray, " R"]]:
    """Sampson distances of matches in pixels at `REFERENCE_SIDE`, and whether their point is in front.

    Args:
        edge_of: row of `relative` of each row of `table.pairs`.
    """
    e = edge_of[table.pair[rows]]
    x = calibrated_matches(table, rows, cameras, camera_index)
    R, t = relative.rotation[e], relative.direction[e]
    focal = REFERENCE_SIDE * focal_ratios(cameras)[camera_index[table.photos[rows]]].mean(1)
    distance = focal * sampson_distance(essential_matrix(R, t), x[:, 0], x[:, 1])
    z1, z2, sine = two_view_depths(R, t, x[:, 0], x[:, 1])
    # Noise can put a very distant point behind the cameras.
    return distance, ((z1 > 0) & (z2 > 0)) | (focal * sine < relative.noise[e])


def held_out_matches(
    table: MatchTable, rows: Bool[np.ndarray, " M"], share: float, seed: int
) -> tuple[Bool[np.ndarray, " M"], Bool[np.ndarray, " M"]]:
    """Which matches judge and which may be learned from, about `share` of each pair's held out.

    A match that shares a keypoint with one that judges does neither.

    Args:
        rows: matches that are good enough to judge.
        share: of each pair's matches among them; a pair with too few whole tracks spares fewer.
    """
    label, proper = track_labels(table, rows)
    usable = np.flatnonzero((label >= 0) & proper[np.maximum(label, 0)])
    order = usable[np.argsort(label[usable], kind="stable")]
    names, starts = np.unique(label[order], return_index=True)
    parts = np.split(table.pair[order], starts[1:])
    count = np.bincount(table.pair[rows], minlength=len(table.pairs))
    most = np.ceil(_MOST_OVER * share * count)
    least = np.round(share * count)
    out = np.zeros(len(table.pairs), np.int64)
    rng = np.random.default_rng([seed, 0x10CA])
    chosen = np.zeros(len(proper), bool)
    for place in rng.permutation(len(names)):
        pairs = parts[place]
        if (out[pairs] < least[pairs]).any() and (out[pairs] < most[pairs]).all():
            chosen[names[place]] = True
            np.add.at(out, pairs, 1)
    judging = (label >= 0) & chosen[np.maximum(label, 0)]
    ids = keypoint_ids(table)
    learning = np.asarray(~np.isin(ids, ids[judging]).any(axis=1))
    return judging, learning
