"""Covariance of bundle adjustment: how far photos could move without the matches noticing.

It is the inverse of the normal matrix with the free gauge fixed (Triggs et al., Bundle Adjustment:
A Modern Synthesis, 2000, sections 6 and 9).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.centers import centers_of
from ...geometry.graphs import component_labels
from ...geometry.groups import groups_of
from ...geometry.projection import pixels_from_normalized
from ...geometry.robust import cauchy_divisor
from ...geometry.rotations import cross_matrix
from ...scene.camera import Camera
from ...scene.sparse_model import SparseModel
from ..correspondences import REFERENCE_SIDE
from ..lens_thresholds import LENS
from ..model_comparison import camera_radius
from ..thresholds import INLIERS
from .bundle_adjustment import scales_of
from .camera_system import (
    CameraCovariance,
    Linearised,
    camera_covariance,
    normal_equations,
)
from .lens_prior import LensPrior, lens_prior, open_derivatives

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
    lens = covariance.free(own, np.full(len(own), least))
    if lens is not None:
        sigmas = _sigmas(lens.moves, len(placed), noise, covariance.held)
        result.rotation[placed], result.position[placed] = sigmas
    _fill_open_lens(result, model, placed, noise, covariance, block[:, 1], priors)
    return result


def _sigmas(
    moves: Float[np.ndarray, "S X"],
    count: int,
    noise: float,
    held: Float[np.ndarray, "S S"] | None = None,
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Degrees, and percent of the radius, of views that move by what is independent.

    Args:
        held: lower triangle of the covariance of what they move by besides.
    """
    rotation, position = np.zeros(count), np.zeros(count)
    for view in range(count):
        rows = slice(6 * view, 6 * view + 6)
        own = moves[rows] @ moves[rows].T
        if held is not None:
            below = np.tril(held[rows, rows])
            own += below + np.tril(below, -1).T
        # Of the centre as of the translation: the one is the other, turned.
        rotation[view] = noise * np.degrees(_largest_sigma(own[:3, :3]))
        position[view] = noise * 100 * _largest_sigma(own[3:, 3:])
    return rotation, position


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
    believed = LENS.noise_factor * noise
    free = numbers[seen].ravel()
    lens = covariance.free(free, (believed / sigma) ** 2)
    if lens is None:
        return
    result.focal[seen] = believed * np.linalg.norm(lens.half[::6], axis=1)
    sigmas = _sigmas(lens.moves, len(placed), believed)
    result.lens_rotation[placed], result.lens_position[placed] = sigmas
    # One step of Gauss and Newton, of which the part that follows the lens counts.
    change = -lens.half.T @ covariance.pull[free]
    result.focal_drift[seen] = np.expm1(np.clip(lens.half[::6] @ change, -1, 1))
    step = (lens.moves @ change).reshape(-1, 6)
    result.drift_rotation[placed] = np.degrees(np.linalg.norm(step[:, :3], axis=1))
    result.drift_position[placed] = 100 * np.linalg.norm(step[:, 3:], axis=1)


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
    of_x = by_seen @ by_camera_coordinates(x)
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


def by_camera_coordinates(x: Float[np.ndarray, "O 3"]) -> Float[np.ndarray, "O 2 3"]:
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
