"""Covariances of bundle adjustment: how far cameras could move without the matches noticing.

Both are inverses of the normal matrix with the free gauge fixed (Triggs et al., Bundle Adjustment:
A Modern Synthesis, 2000, sections 6 and 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.centers import centers_of
from ...geometry.epipolar import relative_pose
from ...geometry.graphs import component_labels
from ...geometry.groups import groups_of
from ...geometry.projection import pixels_from_normalized
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor
from ...geometry.rotations import cross_matrix
from ...scene.camera import Camera
from ...scene.sparse_model import SparseModel
from ..correspondences import REFERENCE_SIDE
from ..model_comparison import camera_radius
from ..thresholds import INLIERS, LENS
from ..tracks import Tracks
from .bundle_adjustment import scales_of
from .camera_system import (
    CameraCovariance,
    Linearised,
    camera_covariance,
    normal_equations,
    normal_matrix,
)
from .lens_prior import LensPrior, lens_prior, open_derivatives

LENS_SIGMA = (0.02, 0.03)
"""How well the focal length (relative) and the first radial coefficient are known before any
reconstruction. Errors of the lens are common to all matches: without them, many matches would make
a pose look ten times as certain as it is."""
_MOST_PHOTOS = 2500
"""Photos beyond which the covariance of all photos with each other takes too much memory (1.8 GB
here) and time."""
_FEWEST_OBSERVATIONS = 4
"""Observations without which a pose has no covariance."""
_LEAST_KNOWN = 1e-13
"""Share of the best known rotation that is known of each number: more than rounding errors leave,
and nothing otherwise."""
_STEP = 1e-6
"""Of numerical derivatives, in normalised coordinates and relative focal lengths."""


def noise_sigma(residual: float, numbers: int, unknowns: int, floor: float) -> float:
    """Standard deviation of one coordinate of a keypoint, in the unit of its residuals.

    The length of a residual in two dimensions has its median at 1.1774 of it (Rayleigh), and
    points and poses have taken up their share.

    Args:
        residual: median length of the residuals.
        numbers: coordinates that were measured.
        unknowns: numbers that were fitted to them.
        floor: the result is no less.
    """
    left = max(numbers - unknowns, 0.1 * numbers) / max(numbers, 1)
    return max(residual / 1.1774 / left**0.5, floor)


@dataclass(frozen=True)
class PoseUncertainty:
    """Standard deviations in the least certain direction; NaN where they could not be measured."""

    rotation: Float[np.ndarray, " V"]
    """Degrees."""
    position: Float[np.ndarray, " V"]
    """Percent of the radius of the centres."""
    lens_rotation: Float[np.ndarray, " V"]
    """Degrees by which the photo turns with the lens, that is with what the matches leave open of
    a richer one than the model has."""
    lens_position: Float[np.ndarray, " V"]
    """Percent of the radius of the centres by which the photo moves with the lens, likewise."""
    drift_rotation: Float[np.ndarray, " V"]
    """Degrees by which the photo would turn if the lens were the richer one that fits best."""
    drift_position: Float[np.ndarray, " V"]
    """Percent of the radius of the centres by which the photo would move, likewise."""
    focal: Float[np.ndarray, " C"]
    """Of the focal length of each camera, relative, other numbers of the lens being as open."""
    focal_drift: Float[np.ndarray, " C"]
    """Share by which the focal length of each camera would change, if the lens were the richer one
    that fits best."""


def pose_uncertainty(
    model: SparseModel,
    asked: Bool[np.ndarray, " V"] | None = None,
    priors: Sequence[LensPrior] | None = None,
) -> PoseUncertainty:
    """Covariance of each pose from the normal matrix of bundle adjustment, lenses free.

    In the gauge of inner constraints (see `camera_system`). NaN for photos that share no points
    with the largest part of the model.

    Args:
        asked: photos that take part; None for all. A part whose scale nothing holds can be
            anywhere, and where all cameras make up the gauge the others would be as uncertain.
        priors: of each camera, for what goes beyond the model's own lens; default: of lenses of
            which nothing is known but what lenses are like.
    """
    count = len(model.names)
    result = PoseUncertainty(
        *(np.full(count, np.nan) for _ in range(6)),
        *(np.full(len(model.cameras), np.nan) for _ in range(2)),
    )
    everyone = np.ones(len(model.names), bool)
    placed = _held_together(model, everyone if asked is None else asked)
    if not 2 <= len(placed) <= _MOST_PHOTOS:
        return result
    radius = camera_radius(centers_of(model.cam_from_world)[model.registered])
    if radius == 0:
        return result
    system, residual = _linearised_model(model, placed)
    distance = np.linalg.norm(residual, axis=1)
    weight = 1 / cauchy_divisor(distance, _loss_scale(model, system, distance))
    normal, slope = normal_equations(system, residual, weight, len(placed), len(model.cameras))
    # A part that can turn about a photo, or grow, without a residual is uncertain, not unknown.
    known = normal.diagonal()
    of_rotations = known.reshape(-1, 6)[: len(placed), :3]
    least = _LEAST_KNOWN * float(of_rotations.max())
    poses = model.cam_from_world[placed]
    covariance = camera_covariance(normal, poses, radius, np.full(6 * len(placed), least), slope)
    if covariance is None:
        return result
    noise = _model_noise(model)
    block = np.arange(len(covariance.lens)).reshape(-1, 2, 6)
    own = block[:, 0].ravel()
    # A number that nothing depends on, as the sixth of a lens that has one, is none.
    own = own[known[6 * len(placed) :][own] > 0]
    lens = covariance.of_lens(own, np.full(len(own), least))
    if lens is not None:
        _fill(result.rotation, result.position, placed, noise, covariance, own, lens)
    _fill_open_lens(result, model, placed, noise, covariance, block[:, 1], priors)
    return result


def _fill(
    rotation: Float[np.ndarray, " V"],
    position: Float[np.ndarray, " V"],
    placed: Int[np.ndarray, " N"],
    noise: float,
    covariance: CameraCovariance,
    numbers: Int[np.ndarray, " X"],
    lens: Float[np.ndarray, "X X"],
    *,
    held: bool = True,
) -> None:
    for place, photo in enumerate(placed.tolist()):
        own = covariance.of_view(place, numbers, lens, held=held)
        # Of the centre as of the translation: the one is the other, turned.
        rotation[photo] = noise * np.degrees(_largest_sigma(own[:3, :3]))
        position[photo] = noise * 100 * _largest_sigma(own[3:, 3:])


def _fill_open_lens(
    result: PoseUncertainty,
    model: SparseModel,
    placed: Int[np.ndarray, " N"],
    noise: float,
    covariance: CameraCovariance,
    numbers: Int[np.ndarray, "C 6"],
    priors: Sequence[LensPrior] | None,
) -> None:
    """What follows from a lens that is open within its prior and what the matches say of it."""
    seen = np.unique(model.camera_index[placed])
    told = [lens_prior(c) for c in model.cameras] if priors is None else priors
    sigma = np.concatenate([told[c].sigmas() for c in seen.tolist()])
    free = numbers[seen].ravel()
    believed = LENS.noise_factor * noise
    lens = covariance.of_lens(free, (believed / sigma) ** 2)
    if lens is None:
        return
    result.focal[seen] = believed * np.sqrt(np.diag(lens)[::6])
    _fill(
        result.lens_rotation,
        result.lens_position,
        placed,
        believed,
        covariance,
        free,
        lens,
        held=False,
    )
    # One step of Gauss and Newton, of which the part that follows the lens counts.
    change = lens @ -covariance.pull[free]
    result.focal_drift[seen] = np.expm1(np.clip(change[::6], -1, 1))
    step = covariance.by_lens[:, free] @ change
    for place, photo in enumerate(placed.tolist()):
        turn, shift = step[6 * place : 6 * place + 3], step[6 * place + 3 : 6 * place + 6]
        result.drift_rotation[photo] = np.degrees(np.linalg.norm(turn))
        result.drift_position[photo] = 100 * np.linalg.norm(shift)


def _held_together(model: SparseModel, asked: Bool[np.ndarray, " V"]) -> Int[np.ndarray, " N"]:
    """The largest set of registered photos, of those asked, that points join."""
    track, photo = model.observations[:, :2].T
    seen = np.bincount(photo, minlength=len(model.names))
    placed = asked & model.registered & (seen >= _FEWEST_OBSERVATIONS)
    if not placed.any():
        return np.zeros(0, np.int64)
    own = placed[photo]
    links = np.stack([photo[own], len(model.names) + track[own]], axis=1)
    label = component_labels(links, len(model.names) + len(model.points))[: len(model.names)]
    return np.flatnonzero(placed & (label == np.bincount(label[placed]).argmax()))


def _linearised_model(
    model: SparseModel, placed: Int[np.ndarray, " N"]
) -> tuple[Linearised, Float[np.ndarray, "O 2"]]:
    """Derivatives of the observations in the placed photos, and residuals, in pixels.

    The first six numbers of a lens are those of its model, the others those of a richer one.
    """
    view_of = np.full(len(model.names), -1)
    view_of[placed] = np.arange(len(placed))
    rows = np.flatnonzero(view_of[model.observations[:, 1]] >= 0)
    track, photo = model.observations[rows, :2].T
    pose = model.cam_from_world[photo]
    x = np.einsum("oij,oj->oi", pose[:, :3, :3], model.points[track]) + pose[:, :3, 3]
    seen = x[:, :2] / x[:, 2:]
    residual, by_seen = np.zeros((len(rows), 2)), np.zeros((len(rows), 2, 2))
    by_lens = np.zeros((len(rows), 2, 12))
    for own in groups_of(model.camera_index[photo]):
        camera = model.cameras[model.camera_index[photo[own[0]]]]
        residual[own] = pixels_from_normalized(camera, seen[own]) - model.observation_xy[rows[own]]
        by_seen[own], by_lens[own, :, :6] = _camera_derivatives(camera, seen[own])
        by_lens[own, :, 6:] = open_derivatives(camera, seen[own])
    of_x = by_seen @ _of_camera_coordinates(x)
    return Linearised(
        track=track,
        view=view_of[photo],
        lens=model.camera_index[photo],
        by_view=np.concatenate([-of_x @ cross_matrix(x), of_x], axis=2),
        by_lens=by_lens,
        by_point=of_x @ pose[:, :3, :3],
    ), residual


def _camera_derivatives(
    camera: Camera, seen: Float[np.ndarray, "O 2"]
) -> tuple[Float[np.ndarray, "O 2 2"], Float[np.ndarray, "O 2 6"]]:
    """Derivatives of pixels by where they are seen (X/Z, Y/Z), and by the logarithms of the focal
    lengths and the distortion coefficients. The principal point is no unknown, nor are, where there
    are more than six numbers, what two focal lengths differ by and rational terms."""

    def central(first: Camera, a: np.ndarray, second: Camera, b: np.ndarray) -> np.ndarray:
        pixels = pixels_from_normalized(first, a) - pixels_from_normalized(second, b)
        return pixels / (2 * _STEP)

    by_seen = [central(camera, seen + d, camera, seen - d) for d in _STEP * np.eye(2)]
    by_lens = np.zeros((len(seen), 2, 6))
    for column, parameters in enumerate(_free_parameters(camera)):
        step = np.zeros(len(camera.params))
        focal = parameters[0] < len(camera.params) - len(camera.distortion) - 2
        step[parameters] = _STEP * (camera.params[parameters] if focal else 1.0)
        ahead, behind = (replace(camera, params=camera.params + s) for s in (step, -step))
        by_lens[:, :, column] = central(ahead, seen, behind, seen)
    return np.stack(by_seen, axis=2), by_lens


def _free_parameters(camera: Camera) -> list[list[int]]:
    """Parameters of a camera that each number of its lens changes."""
    if camera.model == "FULL_OPENCV":
        tangential = camera.distortion[2:4].any()
        return [[0, 1], [4], [5], [8], *([[6], [7]] if tangential else [])]
    count = len(camera.params) - len(camera.distortion) - 2
    return [[n] for n in (*range(count), *range(count + 2, len(camera.params)))]


def _of_camera_coordinates(x: Float[np.ndarray, "O 3"]) -> Float[np.ndarray, "O 2 3"]:
    """Derivatives of (X/Z, Y/Z) by (X, Y, Z)."""
    found = np.zeros((len(x), 2, 3))
    found[:, 0, 0] = found[:, 1, 1] = 1 / x[:, 2]
    found[:, :, 2] = -x[:, :2] / x[:, 2:] ** 2
    return found


def _loss_scale(model: SparseModel, system: Linearised, distance: Float[np.ndarray, " O"]) -> float:
    """Where bundle adjustment has its loss bend, in pixels."""
    count = np.bincount(system.track, minlength=len(model.points))
    total = np.bincount(system.track, distance, minlength=len(model.points))
    return scales_of(total[count > 0] / count[count > 0], _pixel(model)).loss


def _pixel(model: SparseModel) -> float:
    return max(max(c.width, c.height) for c in model.cameras) / REFERENCE_SIDE


def _model_noise(model: SparseModel) -> float:
    """Standard deviation of one coordinate of a keypoint in pixels, from the tracks' errors."""
    unknowns = 3 * len(model.points) + 6 * int(model.registered.sum())
    median = float(np.median(model.point_errors)) if len(model.points) else 0.0
    return noise_sigma(
        median, 2 * len(model.observations), unknowns, INLIERS.noise_floor_px * _pixel(model)
    )


def _largest_sigma(covariance: Float[np.ndarray, "3 3"]) -> float:
    return float(np.sqrt(max(np.linalg.eigvalsh(covariance)[-1], 0.0)))


@dataclass(frozen=True)
class PairCovariance:
    """How certain the relative poses of E pairs of views are, that many tracks stand behind."""

    covariance: Float[np.ndarray, "E 6 6"]
    """Covariance of rotation and direction, as `RelativePoses.covariance`."""
    log_baseline_sigma: Float[np.ndarray, " E"]
    """Standard deviation of the logarithm of the translation's length, in the unit that all
    views of the cluster share."""


def pair_covariance(
    tracks: Tracks,
    cam_from_world: Float[np.ndarray, "V 4 4"],
    pairs: Int[np.ndarray, "E 2"],
    lens_sigma: tuple[float, float] = LENS_SIGMA,
) -> PairCovariance:
    """Covariances from the normal matrix of bundle adjustment, points eliminated.

    Inverse of the normal matrix with the free gauge fixed (Triggs et al., Bundle Adjustment: A
    Modern Synthesis, 2000, sections 6 and 9); relative quantities do not depend on how it is
    fixed. Observations weigh as Cauchy's loss has them. Focal length and radial distortion, which
    all views are taken to share, are unknowns with a prior.

    Args:
        tracks: points in front of all cameras that see them.
        pairs: of views.
        lens_sigma: standard deviations of the lens.
    """
    sigma = _twist_covariance(tracks, cam_from_world, lens_sigma)
    R, t = relative_pose(cam_from_world[pairs[:, 0]], cam_from_world[pairs[:, 1]])
    length = np.linalg.norm(t, axis=1)
    direction = t / length[:, None]
    count = len(pairs)
    covariance, along = np.zeros((count, 6, 6)), np.zeros(count)
    for e, (i, j) in enumerate(pairs.tolist()):
        # A change of the relative pose from the left: xi_j - Ad(cam_j_from_cam_i) xi_i.
        adjoint = np.zeros((6, 6))
        adjoint[:3, :3] = adjoint[3:, 3:] = R[e]
        adjoint[3:, :3] = cross_matrix(t[e]) @ R[e]
        d = direction[e]
        shift = np.zeros((4, 6))
        # t changes by w x t + v; the part along t is that of the baseline's length.
        change = np.concatenate([-cross_matrix(t[e]), np.eye(3)], axis=1) / length[e]
        shift[:3] = (np.eye(3) - np.outer(d, d)) @ change
        shift[3] = d @ change
        J = np.concatenate([np.eye(3, 6), shift]) @ np.concatenate([-adjoint, np.eye(6)], axis=1)
        rows = np.r_[6 * i : 6 * i + 6, 6 * j : 6 * j + 6]
        both = J @ sigma[np.ix_(rows, rows)] @ J.T
        covariance[e], along[e] = both[:6, :6], both[6, 6]
    return PairCovariance(covariance, np.sqrt(np.maximum(along, 0)))


def _twist_covariance(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"], lens_sigma: tuple[float, float]
) -> Float[np.ndarray, "6*V 6*V"]:
    """Covariance of the twists of all cameras (see `geometry.twists`)."""
    count = len(cam_from_world)
    depth, residual, system = _linearised(tracks, cam_from_world)
    distance = np.linalg.norm(residual, axis=1)
    unknowns = 3 * len(tracks) + 6 * count - 7
    noise = noise_sigma(float(np.median(distance)), residual.size, unknowns, INLIERS.noise_floor_px)
    weight = 1 / cauchy_divisor(distance, CAUCHY_BEND * noise) / noise**2
    # One radian, or one depth, is known of everything without a match.
    normal = normal_matrix(system, weight, count, 1)
    found = camera_covariance(normal, cam_from_world, depth, np.ones(6 * count))
    assert found is not None, "a positive prior"
    numbers = np.arange(2)
    lens = found.of_lens(numbers, 1 / np.square(lens_sigma))
    assert lens is not None, "a positive prior"
    moves = found.by_lens[:, numbers]
    whole = np.tril(found.held) + np.tril(found.held, -1).T + moves @ lens @ moves.T
    units = np.tile([1, 1, 1, depth, depth, depth], count)
    return units[:, None] * whole * units


def _linearised(
    tracks: Tracks, cam_from_world: Float[np.ndarray, "V 4 4"]
) -> tuple[float, Float[np.ndarray, "O 2"], Linearised]:
    """Median depth; residuals in pixels, and their derivatives. One lens is all views': logarithm
    of the focal length, and radial coefficient."""
    pose = cam_from_world[tracks.view]
    x = np.einsum("oij,oj->oi", pose[:, :3, :3], tracks.points[tracks.track]) + pose[:, :3, 3]
    focal = tracks.focal[tracks.view][:, None]
    seen = x[:, :2] / x[:, 2:]
    of_x = focal[:, :, None] * _of_camera_coordinates(x)
    by_lens = np.zeros((len(x), 2, 6))
    by_lens[:, :, 0] = focal * seen
    by_lens[:, :, 1] = focal * seen * (seen**2).sum(1, keepdims=True)
    return (
        float(np.median(x[:, 2])),
        (seen - tracks.rays) * focal,
        Linearised(
            track=tracks.track,
            view=tracks.view,
            lens=np.zeros(len(x), np.int64),
            by_view=np.concatenate([-of_x @ cross_matrix(x), of_x], axis=2),
            by_lens=by_lens,
            by_point=of_x @ pose[:, :3, :3],
        ),
    )
