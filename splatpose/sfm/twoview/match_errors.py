"""Which matches agree with the relative pose of their pair, and by how much the others do not."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.epipolar import essential_matrix, sampson_distance, two_view_depths
from ...scene.camera import Camera
from ..correspondences import REFERENCE_SIDE, MatchTable, calibrated_matches, focal_ratios
from .all_pairs import RelativePoses
from .pair_geometry import PairKind

_FIT_SIGMAS = 4.0


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
    """Sampson distances of matches in pixels at `REFERENCE_SIDE`; whether their point is in front.

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
