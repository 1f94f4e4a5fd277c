"""Which photos of a model give reason to ask whether they were taken with the lens they have in it.

A photo under the wrong focal length is placed by some of its matches and denied by others, or not
placed at all; and with pose and lens free its own points pull at its focal length, those of a
moved crop at its principal point. There are other reasons for each: these photos are only asked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ..geometry.groups import rows_of_each
from ..geometry.projection import normalized_from_pixels, twist_derivatives
from ..geometry.robust import CAUCHY_BEND, cauchy_divisor, sigma_by_median
from ..geometry.rotations import so3_exp
from ..scene.camera import Camera
from ..scene.sparse_model import SparseModel
from .correspondences import REFERENCE_SIDE, MatchTable
from .lens_thresholds import LENS_GROUPS
from .match_consistency import Explanation, per_photo
from .thresholds import INLIERS

_MOST = 400
"""Points of a photo that are asked."""
_STEPS = 10
_SAMPLE = 100
"""Photos that tell what is usual."""


@dataclass(frozen=True)
class Pulls:
    """Where each photo's points pull its lens to, the points as they are; NaN where none say."""

    log_focal: Float[np.ndarray, " V"]
    """Change of the logarithm of the focal length, pose and focal length free."""
    log_focal_sigma: Float[np.ndarray, " V"]
    center: Float[np.ndarray, "V 2"]
    """Change of the principal point over the longer side, pose and the whole lens free."""
    center_sigma: Float[np.ndarray, " V"]
    """Standard deviation of the less certain coordinate."""


def lens_pulls(model: SparseModel, photos: Int[np.ndarray, " P"] | None = None) -> Pulls:
    """Asks the points of each photo, or of some only, for its lens."""
    count = len(model.names)
    focal, focal_sigma, center_sigma = np.full((3, count), np.nan)
    found = Pulls(focal, focal_sigma, np.full((count, 2), np.nan), center_sigma)
    rows_of = rows_of_each(model.observations[:, 1], count)
    asked = np.flatnonzero(model.registered) if photos is None else photos
    for photo in asked.tolist():
        rows = rows_of[photo]
        if len(rows) < LENS_GROUPS.denied_matches:
            continue
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(int))]
        camera = model.cameras[int(model.camera_index[photo])]
        points = model.points[model.observations[rows, 0]]
        pose, xy = model.cam_from_world[photo], model.observation_xy[rows]
        lens, sigma = _pull(camera, pose, points, xy, 1)
        found.log_focal[photo], found.log_focal_sigma[photo] = lens[0], sigma[0]
        lens, sigma = _pull(camera, pose, points, xy, 3)
        side = max(camera.width, camera.height)
        found.center[photo] = lens[1:] / side
        found.center_sigma[photo] = sigma[1:].max() / side
    return found


def _pull(
    camera: Camera,
    pose: Float[np.ndarray, "4 4"],
    points: Float[np.ndarray, "N 3"],
    xy: Float[np.ndarray, "N 2"],
    free: int,
) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, " L"]]:
    """Change of a lens (logarithm of the focal length, principal point in pixels) and its standard
    deviations, by reweighted least squares over pose and the first `free` of these.

    The rays of the photo are those of its lens as it was, and scale and shift with it.
    """
    focal = float(np.sqrt(camera.K[0, 0] * camera.K[1, 1]))
    floor = INLIERS.noise_floor_px * max(camera.width, camera.height) / REFERENCE_SIDE
    rays = normalized_from_pixels(camera, xy)
    R, t, lens = pose[:3, :3], pose[:3, 3], np.zeros(free)
    unit = float(np.median(np.abs(points @ R[2] + t[2]))) or 1.0
    normal, sigma = np.eye(6 + free), np.inf
    for _ in range(_STEPS):
        x = points @ R.T + t
        x[:, 2] = np.maximum(x[:, 2], 1e-6 * unit)
        seen = x[:, :2] / x[:, 2:]
        shrunk = rays * np.exp(-lens[0])
        off = focal * (seen - shrunk)
        if free == 3:
            off = off + lens[1:] * np.exp(-lens[0])
        J = _derivatives(x, focal, unit, shrunk, free)
        sigma = max(sigma_by_median(off), floor)
        weight = 1 / cauchy_divisor(np.linalg.norm(off, axis=1), CAUCHY_BEND * sigma)
        normal = np.einsum("oki,o,okj->ij", J, weight, J) / sigma**2
        normal += 1e-9 * np.trace(normal) * np.eye(6 + free)
        step = -np.linalg.solve(normal, np.einsum("oki,o,ok->i", J, weight, off) / sigma**2)
        turn = so3_exp(step[:3])
        R, t, lens = turn @ R, turn @ t + unit * step[3:6], lens + step[6:]
    covariance = np.linalg.inv(normal)
    return lens, LENS_GROUPS.correlated * np.sqrt(np.diag(covariance)[6:])


def _derivatives(
    x: Float[np.ndarray, "N 3"],
    focal: float,
    unit: float,
    rays: Float[np.ndarray, "N 2"],
    free: int,
) -> Float[np.ndarray, "N 2 _"]:
    """Of residuals in pixels by the twist of the photo (translation in `unit`) and its lens."""
    lens = [focal * rays[:, :, None], np.tile(np.eye(2), (len(x), 1, 1))][: 1 + (free == 3)]
    return np.concatenate([focal * twist_derivatives(x, unit), *lens], axis=2)


def usual_shift(model: SparseModel) -> float:
    """Median distance of the principal point that a photo's points call for from its camera's, over
    the longer side; 0 where they leave it open. Of many photos a sample is asked."""
    photos = np.flatnonzero(model.registered)
    evenly = np.linspace(0, len(photos) - 1, min(len(photos), _SAMPLE)).round().astype(int)
    pulls = lens_pulls(model, photos[evenly])
    off = np.linalg.norm(pulls.center, axis=1)
    told = pulls.center_sigma <= LENS_GROUPS.told_center
    told &= off >= LENS_GROUPS.pull_sigmas * pulls.center_sigma
    asked = np.isfinite(off)
    return float(np.median(np.where(told, off, 0.0)[asked])) if asked.any() else float("nan")


def shifted_crops(model: SparseModel) -> Bool[np.ndarray, " V"]:
    """Photos whose points call for a principal point clearly off that of their camera."""
    pulls = lens_pulls(model)
    off = np.linalg.norm(pulls.center, axis=1)
    return off >= np.maximum(
        LENS_GROUPS.min_crop_shift, LENS_GROUPS.pull_sigmas * pulls.center_sigma
    )


def photos_to_ask(
    model: SparseModel, table: MatchTable, explanation: Explanation, min_matches: int
) -> Bool[np.ndarray, " V"]:
    """Photos to be asked for their focal lengths: none where nothing in a model speaks for more
    lenses than it has. Of many photos only those that are denied, for each costs alike."""
    if explanation.share < LENS_GROUPS.min_explained:
        return np.ones(len(model.names), bool)
    denied = denied_photos(model, table, explanation, min_matches)
    few = len(denied) < LENS_GROUPS.many_photos
    return np.full(len(denied), denied.any()) if few else denied


def denied_photos(
    model: SparseModel, table: MatchTable, explanation: Explanation, min_matches: int
) -> Bool[np.ndarray, " V"]:
    """Photos that many of their matches contradict, that matches with the model should have
    placed, or whose points pull at their focal length."""
    count = len(model.names)
    total, against = per_photo(table, explanation.contradicted, count)
    against = np.nan_to_num(against)
    denied = (against >= LENS_GROUPS.denied_share) & (against * total >= LENS_GROUPS.denied_matches)
    pulls = lens_pulls(model)
    pulled = np.abs(pulls.log_focal) >= np.maximum(
        LENS_GROUPS.min_pull, LENS_GROUPS.pull_sigmas * pulls.log_focal_sigma
    )
    return denied | pulled | _missing(model, table, min_matches)


def _missing(model: SparseModel, table: MatchTable, min_matches: int) -> Bool[np.ndarray, " V"]:
    """Photos without a pose that share many matches with photos that have one."""
    placed = model.registered[table.photos]
    waiting = table.photos[:, ::-1][placed & ~placed[:, ::-1]]
    return np.bincount(waiting, minlength=len(model.names)) >= LENS_GROUPS.pairs * min_matches
