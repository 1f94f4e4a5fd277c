"""Pairs that match as well as the best and that the model denies: something exists twice.

False matches are few or scattered; pairs that two-view geometry passes with hundreds of matches
see the same surface, or equal ones. Where a model denies many of these, equal surfaces are about
(rows of windows, copies of a facade), and by matches alone it cannot be told which of the pairs
are the false ones (Roberts et al., CVPR 2011; Wilson & Snavely, ICCV 2013).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_array

from ...geometry.epipolar import relative_pose
from ...geometry.rotations import rotation_angle
from ...scene.sparse_model import SparseModel
from ..correspondences import MatchTable, with_matches
from ..match_consistency import Explanation
from ..thresholds import INLIERS
from ..twoview.all_pairs import relative_poses
from .thresholds import LOOKALIKES


@dataclass(frozen=True)
class Lookalikes:
    """Strong pairs that a model denies."""

    share: Float[np.ndarray, " V"]
    """Denied share of each photo's strong pairs; NaN without any."""
    overall: float
    """Denied share of all strong pairs, without photos most of whose pairs are denied: those are
    misplaced, and say nothing of the others. 0 where they are too few to be more than a mishap."""
    near: Float[np.ndarray, " V"]
    """The same about each photo: of the strong pairs of the photo and of those that share enough
    matches with it that agree."""
    shifted: Float[np.ndarray, " V"]
    """Share of these that the model denies although it turns their photos as they do: a copy
    beside the original, which no cycle of rotations tells from it."""
    pairs: tuple[tuple[int, int], ...]
    """Pairs that are denied, with most matches first."""


def find_lookalikes(
    model: SparseModel,
    table: MatchTable,
    explanation: Explanation,
    seed: int,
    workers: int | None = None,
) -> Lookalikes:
    """Strong pairs of registered photos most of whose matches do not agree with the model.

    Pairs within a group that hangs on nothing else are not asked.

    Args:
        workers: threads. Does not change the result.
    """
    registered = model.registered
    count = len(registered)
    matches = np.bincount(table.pair, minlength=len(table.pairs))
    agree, deny = (
        np.bincount(table.pair[rows], minlength=len(table.pairs))
        for rows in (explanation.explained, explanation.contradicted)
    )
    placed = registered[table.pairs].all(1) & (matches > 0)
    placed &= explanation.connected[table.pairs].any(1)
    usual = float(np.percentile(matches[placed], 90)) if placed.any() else 0.0
    strong = placed & (matches >= max(LOOKALIKES.strong, LOOKALIKES.relative * usual))
    denied = strong & (agree < LOOKALIKES.denied * matches)
    weight = denied * _clearness(agree, deny)
    total = np.bincount(table.pairs[strong].ravel(), minlength=count)
    bad = np.bincount(table.pairs.ravel(), np.repeat(weight, 2), minlength=count)
    with np.errstate(invalid="ignore"):
        share = np.asarray(bad / total, np.float64)
    misplaced = (bad >= 2) & (share > LOOKALIKES.misplaced)
    ask = strong & ~misplaced[table.pairs].any(1)
    if 3 * int(misplaced.sum()) > int(registered.sum()):
        ask = strong
    weight = np.where(ask, weight, 0.0)
    rows = np.flatnonzero(denied)
    rows = rows[np.argsort(-matches[rows], kind="stable")]
    linked = table.pairs[placed & (agree >= INLIERS.enough_matches)]
    about = _pairs_about(table.pairs, linked, count)
    turned = np.where(_same_turn(model, table, weight, seed, workers), weight, 0.0)
    return Lookalikes(
        share=np.where(bad >= 2, share, np.minimum(share, 0.0)),
        overall=float(_shares(np.ones((1, len(ask))), weight, ask)[0]),
        near=_shares(about, weight, ask),
        shifted=_shares(about, turned, ask),
        pairs=tuple((int(i), int(j)) for i, j in table.pairs[rows]),
    )


def _clearness(
    agree: Int[np.ndarray, " P"], deny: Int[np.ndarray, " P"]
) -> Float[np.ndarray, " P"]:
    """How clearly each pair is denied, 0 to 1: most matches of look-alikes are far off, those of
    blurred photos, or of a lens that is not understood, are off by little. Whole where nothing is
    told, as of a part that the model's own matches do not join to the rest."""
    told = agree + deny
    against = np.where(told > 0, deny / np.maximum(told, 1), 1.0)
    return np.interp(against, (LOOKALIKES.imprecise, LOOKALIKES.clear), (0.0, 1.0))


def _pairs_about(
    pairs: Int[np.ndarray, "P 2"], linked: Int[np.ndarray, "L 2"], count: int
) -> csr_array:
    """V x P: which pairs a photo, or one that is linked with it, is in."""
    own = np.arange(count)
    ends = np.concatenate([linked, linked[:, ::-1], np.stack([own, own], 1)]).T
    links = csr_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(count, count))
    row = np.repeat(np.arange(len(pairs)), 2)
    members = csr_array((np.ones(2 * len(pairs)), (pairs.ravel(), row)), shape=(count, len(pairs)))
    about = csr_array(links @ members)
    about.data[:] = 1.0
    return about


def _shares(
    about: csr_array | Float[np.ndarray, "N P"],
    weight: Float[np.ndarray, " P"],
    asked: Bool[np.ndarray, " P"],
) -> Float[np.ndarray, " N"]:
    """Share of the pairs asked that are denied, 0 where these are too few to be more than a
    mishap."""
    denied = about @ weight
    share = denied / np.maximum(about @ asked.astype(float), 1)
    return np.where(denied >= LOOKALIKES.fewest, share, 0.0)


def _same_turn(
    model: SparseModel,
    table: MatchTable,
    weight: Float[np.ndarray, " P"],
    seed: int,
    workers: int | None,
) -> Bool[np.ndarray, " P"]:
    """Of the pairs with a weight those that have, by their matches, the model's rotation."""
    own = relative_poses(
        with_matches(table, weight[table.pair] > 0),
        model.cameras,
        model.camera_index,
        min_matches=LOOKALIKES.strong,
        seed=seed,
        workers=workers,
    )
    poses = model.cam_from_world[own.pairs]
    R, _ = relative_pose(poses[:, 0], poses[:, 1])
    same = rotation_angle(own.rotation @ np.swapaxes(R, 1, 2)) <= LOOKALIKES.same_rotation
    turned = np.zeros(len(table.pairs), bool)
    turned[own.row[same]] = True
    return turned
