"""What pairs of photos say without any model: cycles of turns, and turns against the model's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...geometry.epipolar import relative_pose
from ...geometry.graphs import strongest_of_each
from ...geometry.groups import groups_of
from ...geometry.rotations import rotation_angle
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable, with_matches
from ..twoview.all_pairs import RelativePoses, relative_poses
from ..twoview.pair_geometry import PairKind
from ..viewgraph.cycle_consistency import cycle_errors, triangles

_STRONGEST = 6
"""Pairs asked for by each photo; triangles among these tell enough."""


@dataclass(frozen=True)
class PairEvidence:
    """Evidence on each photo; NaN where nothing could be measured."""

    cycle_error: Float[np.ndarray, " V"]
    """Median closing error of the triangles of relative rotations that it is in, in degrees."""
    turn_error: Float[np.ndarray, " V"]
    """Median difference of its pairs' own relative rotations from the model's, in degrees."""


def pair_evidence(
    model: SparseModel, table: MatchTable, *, min_matches: int, seed: int, workers: int
) -> PairEvidence:
    """Relative rotations of the best supported pairs, measured from their matches alone.

    Args:
        model: its intrinsics calibrate the matches.
    """
    count = len(model.names)
    support = np.bincount(table.pair, minlength=len(table.pairs))
    own = with_matches(table, strongest_of_each(table.pairs, support, _STRONGEST)[table.pair])
    found = relative_poses(
        own,
        model.cameras,
        model.camera_index,
        min_matches=min_matches,
        seed=seed,
        workers=workers,
    )
    strong = found.subset(found.kind != PairKind.WEAK)
    nothing = np.full(count, np.nan)
    if not len(strong):
        return PairEvidence(nothing, nothing)
    triangle = triangles(strong.pairs, count)
    closing = np.degrees(cycle_errors(strong.rotation, triangle))
    corners = strong.pairs[triangle].reshape(len(triangle), -1)
    return PairEvidence(
        _median_of_each(corners, closing, count), _median_of_each(*_turns(model, strong), count)
    )


def _turns(
    model: SparseModel, strong: RelativePoses
) -> tuple[Int[np.ndarray, "E 2"], Float[np.ndarray, " E"]]:
    """Registered pairs, and how far their own rotations are from the model's, in degrees."""
    known = strong.subset(np.asarray(model.registered[strong.pairs].all(1)))
    poses = model.cam_from_world[known.pairs]
    R, _ = relative_pose(poses[:, 0], poses[:, 1])
    return known.pairs, rotation_angle(known.rotation @ np.swapaxes(R, 1, 2))


def _median_of_each(
    photos: Int[np.ndarray, "N K"], values: Float[np.ndarray, " N"], count: int
) -> Float[np.ndarray, " V"]:
    """Median of the values of the rows that name a photo; NaN where none does."""
    result = np.full(count, np.nan)
    # A row may name a photo more than once.
    places = np.unique(photos.ravel() + count * np.repeat(np.arange(len(photos)), photos.shape[1]))
    row, photo = np.divmod(places, count)
    for own in groups_of(photo):
        result[photo[own[0]]] = np.median(values[row[own]])
    return result
