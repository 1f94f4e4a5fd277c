"""How evenly a model lets the photographer walk: jumps of the step length that last.

Matches cannot see where one part of a walk has another scale than the rest, joined at a thin place.
The photographer can: nobody walks eight times faster from one photo to the next and stays so. Steps
alone would mistake who stops, or turns on the spot, for such a place; there the things seen stay as
far away as they were. Where a part has another scale, they are nearer or farther by as much.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from ..geometry.centers import centers_of
from ..scene.capture import Photo
from ..scene.sparse_model import SparseModel
from .correspondences import MatchTable
from .thresholds import STEPS


def walking_order(photos: Sequence[Photo], table: MatchTable) -> Int[np.ndarray, " V"] | None:
    """Photos in the order in which they were taken; None where they are in no order.

    Frames of a video have one. Other photos are ordered by their EXIF times where all have them,
    else by their places in the list, and matches say whether that is the order of a walk: most
    photos match best with one that was taken shortly before or after.
    """
    count = len(photos)
    frames = [photo.seconds for photo in photos]
    order = _by_time(frames)
    if order is not None:
        return order
    order = _by_time([photo.exif_seconds for photo in photos])
    if order is None:
        order = np.arange(count)
    place = np.empty(count, np.int64)
    place[order] = np.arange(count)
    matches = np.bincount(table.pair, minlength=len(table.pairs))
    best = np.zeros(count, np.int64)
    far = np.full(count, count)
    i, j = np.concatenate([table.pairs, table.pairs[:, ::-1]]).T
    both, apart = np.tile(matches, 2), np.abs(place[i] - place[j])
    np.maximum.at(best, i, both)
    strongest = both == best[i]
    np.minimum.at(far, i[strongest], apart[strongest])
    matched = best > 0
    near = far[matched] <= STEPS.best_match_within
    return order if len(near) and near.mean() >= STEPS.ordered_share else None


def step_jumps(model: SparseModel, order: Int[np.ndarray, " V"] | None) -> Float[np.ndarray, " V"]:
    """For each photo by how much the walk grows there and stays so, as a logarithm to base 2.

    What is measured is the median step of the last `STEPS.window` steps before the photo against
    that of the same number from the next photo on, and the median distance of what is seen
    likewise. The smaller of both changes counts, where they have the same sign.

    Args:
        order: photos as they were taken; None gives NaN for all.

    Returns:
        Negative where steps shrink; NaN where too few steps are known on either side.
    """
    jumps = np.full(len(model.names), np.nan)
    if order is None:
        return jumps
    placed = np.flatnonzero(model.registered[order])
    photos = order[placed]
    gap = np.diff(placed)
    steps = np.linalg.norm(np.diff(centers_of(model.cam_from_world[photos]), axis=0), axis=1) / gap
    steps[gap > STEPS.longest_gap] = np.nan
    tiny = 1e-9 * np.nanmedian(steps) if np.isfinite(steps).any() else 0.0
    log_step = np.log2(np.maximum(steps, max(tiny, 1e-300)))
    log_depth = np.log2(median_depths(model)[photos])
    reach = STEPS.window
    for k in range(STEPS.fewest, len(photos) - STEPS.fewest - 1):
        # The step from photo k to the next one leads across.
        before, after = log_step[max(k - reach, 0) : k], log_step[k + 1 : k + 1 + reach]
        nearer, farther = log_depth[max(k - reach, 0) : k], log_depth[k + 2 : k + 2 + reach]
        changes = [_change(before, after), _change(nearer, farther)]
        if np.isfinite(changes).all():
            same = np.sign(changes[0]) == np.sign(changes[1])
            jumps[photos[k]] = min(changes, key=abs) if same else 0.0
    return jumps


def unevenness(
    jumps: Sequence[Float[np.ndarray, " V"]],
) -> Float[np.ndarray, " H"]:
    """By how much more the steps of each model jump than they need to, in powers of 2.

    At each photo the model that walks most evenly there tells what the walk was like: a jump that
    all models have is no fault of any of them, nor is one at a photo that no other places.
    """
    size = np.abs(np.stack(jumps))
    least = np.where(np.isnan(size), np.inf, size).min(0)
    excess = np.nan_to_num(size - least, nan=0.0)
    return excess.max(axis=1, initial=0.0)


def handicap(excess: float) -> float:
    """What the unevenness of a model's steps takes from its score (see `Explanation.score`)."""
    return float(np.clip(STEPS.weight * (excess - STEPS.tolerated), 0.0, STEPS.most))


def _by_time(times: Sequence[float | None]) -> Int[np.ndarray, " V"] | None:
    known = [time for time in times if time is not None]
    if len(known) < len(times) or len(set(known)) < STEPS.distinct_times * len(times):
        return None
    return np.argsort(np.array(known), kind="stable")


def median_depths(model: SparseModel) -> Float[np.ndarray, " V"]:
    """Median depth of the points that each photo sees; NaN where it sees none before it."""
    track, photo = model.observations[:, 0], model.observations[:, 1]
    pose = model.cam_from_world[photo]
    z = np.einsum("oi,oi->o", pose[:, 2, :3], model.points[track]) + pose[:, 2, 3]
    ahead = z > 0
    photo, z = photo[ahead], z[ahead]
    order = np.lexsort((z, photo))
    start = np.searchsorted(photo[order], np.arange(len(model.names) + 1))
    number = np.diff(start)
    depth = np.full(len(model.names), np.nan)
    seen = number > 0
    depth[seen] = z[order][start[:-1][seen] + number[seen] // 2]
    return depth


def _change(before: Float[np.ndarray, " B"], after: Float[np.ndarray, " A"]) -> float:
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    if min(len(before), len(after)) < STEPS.fewest:
        return float("nan")
    return float(np.median(after) - np.median(before))
