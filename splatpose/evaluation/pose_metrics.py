"""How far estimated cameras are from the true ones, in the figures of the literature.

Only photos whose truth is known count. Degenerate cases are NaN (null in JSON), never zero:
position errors and RPE below three registered photos, where a similarity fits any centres
exactly; rotation error below two; everything about positions where all true centres coincide.
Centres on one line are aligned by the cameras' rotations as well (`align_cameras`).

Photos of different places (`Dataset.place`) have no common frame. One model can be right about
one of them at most: that is the place with the most photos right (then registered, then the first),
and centres, rotations and RPE are measured there. Every registered photo of another place is
wrong. Of the pairs across places, those with both photos in the model are failures, and those that
were rightly not joined do not exist.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..geometry.camera_alignment import (
    MAX_POSITION,
    MAX_ROTATION,
    Consensus,
    align_cameras,
    camera_errors,
    find_consensus,
)
from ..geometry.centers import centers_of, rms_radius
from ..geometry.rotations import rotation_angle

AUC_LIMITS = (5.0, 10.0, 30.0)
"""Largest errors in degrees up to which the area under the curve is taken."""
_FAILURE = 180.0
_NO_BASELINE = 1e-9
"""Least distance of two photos in radii; nearer ones have no direction from one to the other."""


@dataclass(frozen=True)
class PoseMetrics:
    """Figures of one estimate against one truth. NaN where a figure does not exist."""

    photos: int
    """Photos with known truth."""
    registered: int
    right: int
    """Photos within 5 degrees and 5 % of the radius under the consensus alignment."""
    radius: float
    """RMS radius of all true centres (of the place measured), in the truth's unit."""
    ate: float
    """RMSE of the registered centres after least-squares alignment, in the truth's unit."""
    ate_percent: float
    """RMSE of the registered centres after least-squares alignment, in % of `radius`."""
    rotation_mean: float
    """Mean rotation error in degrees after least-squares alignment."""
    rotation_median: float
    rpe_translation: float
    """Relative translation error as NoPe-NeRF measures it: mean over consecutive registered photos
    after the alignment, in the truth's unit, times 100."""
    rpe_rotation: float
    """Relative rotation error in degrees, mean over consecutive registered photos; no alignment
    changes it."""
    ate_normalized: float
    """RMSE of the registered centres as CF-3DGS measures it: both sets of centres are centred and
    divided by their Frobenius norms before the alignment."""
    rpe_translation_normalized: float
    """Relative translation error as CF-3DGS measures it: of the normalised centres, times 100."""
    auc5: float
    """Area under the curve of max(rotation, translation angle) over all pairs up to 5 degrees, in
    %; pairs with a photo that is not registered are failures."""
    auc10: float
    auc30: float
    focal_percent: float
    """Mean absolute error of the registered photos' focal lengths in %."""


@dataclass(frozen=True)
class PoseScore:
    """The figures and, for each of V photos, what they are made of."""

    metrics: PoseMetrics
    known: Bool[np.ndarray, " V"]
    registered: Bool[np.ndarray, " V"]
    right: Bool[np.ndarray, " V"]
    rotation_error: Float[np.ndarray, " V"]
    """Rotation error in degrees under the consensus alignment; NaN where it says nothing."""
    position_error: Float[np.ndarray, " V"]
    """Distance from the true centre in the truth's unit, under the consensus alignment."""
    main_place: int
    """The place that is measured."""


def score_poses(
    true: Float[np.ndarray, "V 4 4"],
    estimated: Float[np.ndarray, "V 4 4"],
    place: Int[np.ndarray, " V"] | None = None,
    focal_ratio: Float[np.ndarray, " V"] | None = None,
) -> PoseScore:
    """Scores estimated cameras, photo by photo in the order of the capture (for RPE).

    Args:
        true: cam_from_world, NaN where the truth does not know a photo.
        estimated: cam_from_world in any world frame, NaN where a photo is not registered.
        place: which place each photo belongs to; default one for all.
        focal_ratio: estimated over true focal length; NaN where unknown.
    """
    places = np.zeros(len(true), np.int64) if place is None else place
    known = np.asarray(np.isfinite(true).all((1, 2)))
    registered = np.asarray(np.isfinite(estimated).all((1, 2))) & known
    main, agreed = _main_place(true, estimated, places, known, registered)
    measured = registered & (places == main)
    right = np.zeros(len(true), bool)
    rotation_error, position_error = (np.full(len(true), np.nan) for _ in range(2))
    right[measured] = agreed.right
    rotation_error[measured] = agreed.rotation_error
    position_error[measured] = agreed.position_error
    ratios = np.full(len(true), np.nan) if focal_ratio is None else focal_ratio
    ratios = ratios[registered & np.isfinite(ratios)]
    aucs = pose_auc(pair_errors(true, estimated, places), AUC_LIMITS)
    radius = rms_radius(centers_of(true[known & (places == main)]))
    metrics = PoseMetrics(
        photos=int(known.sum()),
        registered=int(registered.sum()),
        right=int(right.sum()),
        radius=radius,
        **_after_alignment(true[measured], estimated[measured], radius),
        auc5=aucs[0],
        auc10=aucs[1],
        auc30=aucs[2],
        focal_percent=100 * float(np.abs(ratios - 1).mean()) if len(ratios) else float("nan"),
    )
    return PoseScore(
        metrics, known, registered, right, rotation_error, position_error, main_place=main
    )


def relative_pose_errors(
    true: Float[np.ndarray, "V 4 4"], estimated: Float[np.ndarray, "V 4 4"]
) -> tuple[Float[np.ndarray, " U"], Float[np.ndarray, " U"]]:
    """Errors of the motion from each photo to the next: degrees, and length of the translation.

    The definition of Sturm et al. 2012 (eq. 1) at a step of one photo, as NoPe-NeRF uses it.

    Args:
        true, estimated: cam_from_world, aligned.
    """
    motion_t = true[:-1] @ np.linalg.inv(true[1:])
    motion_e = estimated[:-1] @ np.linalg.inv(estimated[1:])
    error = np.linalg.inv(motion_t) @ motion_e
    return rotation_angle(error[:, :3, :3]), np.linalg.norm(error[:, :3, 3], axis=1)


def pair_errors(
    true: Float[np.ndarray, "V 4 4"],
    estimated: Float[np.ndarray, "V 4 4"],
    place: Int[np.ndarray, " V"],
) -> Float[np.ndarray, " P"]:
    """max(rotation, translation angle) of the relative pose of every pair that counts, in degrees.

    A pair that is not registered, or that joins two places, has 180. Where two true centres
    coincide, only the rotation is compared.

    Args:
        true, estimated: cam_from_world; NaN where unknown or not registered.
        place: pairs across places count only where both photos are registered.
    """
    rows = np.flatnonzero(np.isfinite(true).all((1, 2)))
    true, estimated, place = true[rows], estimated[rows], place[rows]
    registered = np.asarray(np.isfinite(estimated).all((1, 2)))
    shortest = _NO_BASELINE * max(rms_radius(centers_of(true)), 1e-300) if len(true) else 0.0
    errors = []
    for i in range(len(true) - 1):
        both = registered[i] & registered[i + 1 :]
        same = place[i] == place[i + 1 :]
        row = np.full(len(both), _FAILURE)
        good = np.flatnonzero(both & same) + i + 1
        row[good - i - 1] = _pair_row(true[i], true[good], estimated[i], estimated[good], shortest)
        errors.append(row[same | both])
    return np.concatenate(errors) if errors else np.zeros(0)


def pose_auc(
    errors: Float[np.ndarray, " P"], limits: tuple[float, ...] = AUC_LIMITS
) -> list[float]:
    """Area under the curve of recall over error up to each limit, in % (Sarlin et al. 2020).

    The curve is piecewise linear through (k-th smallest error, k / P), from the origin. NaN
    without any pair.
    """
    if not len(errors):
        return [float("nan")] * len(limits)
    ranked = np.sort(errors)
    result = []
    for limit in limits:
        below = ranked[ranked < limit]
        x = np.concatenate([[0.0], below, [limit]])
        y = np.concatenate([np.arange(len(below) + 1), [len(below)]]) / len(errors)
        result.append(100 * float(np.trapezoid(y, x)) / limit)
    return result


def _main_place(
    true: Float[np.ndarray, "V 4 4"],
    estimated: Float[np.ndarray, "V 4 4"],
    place: Int[np.ndarray, " V"],
    known: Bool[np.ndarray, " V"],
    registered: Bool[np.ndarray, " V"],
) -> tuple[int, Consensus]:
    """The place that the model is right about, and what its registered photos agree on."""
    found = []
    for label in np.unique(place[known]).tolist():
        rows = registered & (place == label)
        radius = rms_radius(centers_of(true[known & (place == label)]))
        agreed = find_consensus(
            true[rows],
            estimated[rows],
            radius,
            max_rotation=MAX_ROTATION,
            max_position=MAX_POSITION,
        )
        found.append((int(agreed.right.sum()), int(rows.sum()), -label, agreed))
    if not found:
        return 0, find_consensus(true[:0], estimated[:0], 0.0)
    best = max(found, key=lambda entry: entry[:3])
    return -best[2], best[3]


def _after_alignment(
    true: Float[np.ndarray, "V 4 4"], estimated: Float[np.ndarray, "V 4 4"], radius: float
) -> dict[str, float]:
    """The figures after least-squares alignment of the registered photos."""
    names = [
        *("ate", "ate_percent", "rotation_mean", "rotation_median", "rpe_translation"),
        *("rpe_rotation", "ate_normalized", "rpe_translation_normalized"),
    ]
    result: dict[str, float] = {name: float("nan") for name in names}
    alignment = align_cameras(true, estimated)
    if alignment is None or len(true) < 2:
        return result
    rotation, distance = camera_errors(true, estimated, alignment)
    result["rotation_mean"] = float(rotation.mean())
    result["rotation_median"] = float(np.median(rotation))
    aligned = alignment.cam_from_world(estimated)
    turn, shift = relative_pose_errors(true, aligned)
    result["rpe_rotation"] = float(turn.mean())
    own_radius = rms_radius(centers_of(true))
    if len(true) < 3 or not own_radius > 1e-12 * max(radius, 1e-300):
        return result
    ate, rpe = float(np.sqrt((distance**2).mean())), 100 * float(shift.mean())
    # Scaling the truth scales the aligned estimate along: dividing the centred true centres by
    # their Frobenius norm divides every length by it, and the estimate's own scale is free.
    norm = own_radius * len(true) ** 0.5
    result["ate"], result["ate_percent"] = ate, 100 * ate / radius
    result["rpe_translation"] = rpe
    result["ate_normalized"], result["rpe_translation_normalized"] = ate / norm, rpe / norm
    return result


def _pair_row(
    true1: Float[np.ndarray, "4 4"],
    true2: Float[np.ndarray, "B 4 4"],
    estimated1: Float[np.ndarray, "4 4"],
    estimated2: Float[np.ndarray, "B 4 4"],
    shortest: float,
) -> Float[np.ndarray, " B"]:
    """Errors of the relative poses of one photo with others."""
    R_t, t = _seen_from(true1, true2)
    R_e, e = _seen_from(estimated1, estimated2)
    turn = rotation_angle(np.swapaxes(R_t, 1, 2) @ R_e)
    sine, cosine = np.linalg.norm(np.cross(t, e), axis=1), (t * e).sum(1)
    angle = np.degrees(np.arctan2(sine, cosine))
    angle[np.linalg.norm(e, axis=1) == 0] = _FAILURE
    angle[np.linalg.norm(t, axis=1) <= shortest] = 0.0
    return np.maximum(turn, angle)


def _seen_from(
    first: Float[np.ndarray, "4 4"], others: Float[np.ndarray, "B 4 4"]
) -> tuple[Float[np.ndarray, "B 3 3"], Float[np.ndarray, "B 3"]]:
    """Rotations and positions of other cameras in the first one's frame."""
    R = first[:3, :3] @ np.swapaxes(others[:, :3, :3], 1, 2)
    return R, first[:3, 3] - np.einsum("bij,bj->bi", R, others[:, :3, 3])
