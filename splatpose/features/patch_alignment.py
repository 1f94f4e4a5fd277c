"""Shifts small windows of one photo onto those of another, to a tenth of a pixel."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial import KDTree

RADIUS = 5
"""Half width of a window in pixels, which is 2 * RADIUS + 1 wide."""
_STEPS = 6
_NEIGHBOURS = 8
_MIN_SPREAD = 1.0
"""Contrast in grey levels below which a window says nothing."""

_REACH = np.arange(-RADIUS, RADIUS + 1, dtype=np.float32)
_OFFSETS = np.stack(np.meshgrid(_REACH, _REACH), -1).reshape(-1, 2)
_WEIGHT = np.exp(-(_OFFSETS**2).sum(1) / (2 * (RADIUS / 2) ** 2))
_WEIGHT /= _WEIGHT.sum()
_IDENTITY = np.eye(2, dtype=np.float32)


def fit_affinities(
    first: Float[np.ndarray, "M 2"], second: Float[np.ndarray, "M 2"]
) -> Float[np.ndarray, "M 2 2"]:
    """How the surroundings of each match are turned, scaled and sheared from the first photo to
    the second: least squares over its nearest matches, damped towards their median similarity,
    with less weight for matches that do not follow it."""
    if len(first) < 2:
        return np.tile(np.eye(2), (len(first), 1, 1))
    _, found = KDTree(first).query(first, k=min(_NEIGHBOURS + 1, len(first)))
    nearest = np.asarray(found)[:, 1:]
    a = first[nearest] - first[:, None]
    b = second[nearest] - second[:, None]
    similar = _median_similarity(a, b)
    off = np.linalg.norm(b - a @ similar.transpose(0, 2, 1), axis=2)
    usual = np.median(off, axis=1, keepdims=True) + 0.5
    weight = (1 / (1 + (off / usual) ** 2))[..., None]
    spread = (weight * a).transpose(0, 2, 1) @ a
    cross = (weight * b).transpose(0, 2, 1) @ a
    size = np.trace(spread, axis1=1, axis2=2)[:, None, None]
    damping = (0.1 * size + 1e-9) * np.eye(2)
    return (cross + similar @ damping) @ np.linalg.inv(spread + damping)


def _median_similarity(
    a: Float[np.ndarray, "M k 2"], b: Float[np.ndarray, "M k 2"]
) -> Float[np.ndarray, "M 2 2"]:
    """The similarity [p -q; q p] that takes `a` to `b` for most of the k vectors."""
    length = (a**2).sum(2)
    usable = length > 1e-6
    safe = np.where(usable, length, 1.0)
    p = np.where(usable, (a * b).sum(2) / safe, 1.0)
    q = np.where(usable, (a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]) / safe, 0.0)
    p, q = np.median(p, axis=1), np.median(q, axis=1)
    return np.stack([np.stack([p, -q], 1), np.stack([q, p], 1)], 1)


def align(
    template: UInt8[np.ndarray, "H W"],
    image: UInt8[np.ndarray, "h w"],
    at: Float[np.ndarray, "N 2"],
    start: Float[np.ndarray, "N 2"],
    affine: Float[np.ndarray, "N 2 2"],
) -> tuple[Float[np.ndarray, "N 2"], Float[np.ndarray, " N"]]:
    """Positions in `image` that look like `template` does at `at`.

    Lucas and Kanade (1981) in the inverse compositional form of Baker and Matthews (IJCV 2004),
    with the affine part held fixed and brightness and contrast taken out.

    Args:
        template: grey photo that stays.
        image: grey photo that is searched.
        at: positions in `template`, in pixels; the top-left pixel's centre is (0.5, 0.5).
        start: first guesses in `image`.
        affine: local maps from `template` to `image`.

    Returns:
        Positions, and the normalised cross-correlation (-1 to 1) of the windows there.
    """
    affine = affine.astype(np.float32)
    upright = np.broadcast_to(_IDENTITY, affine.shape)
    windows = _windows(template, at, upright)
    gradient = np.stack(
        [
            _windows(template, at + d, upright) - _windows(template, at - d, upright)
            for d in (0.5 * _IDENTITY[0], 0.5 * _IDENTITY[1])
        ],
        1,
    )
    target, spread = _normalised(windows)
    gradient /= spread[:, None, None]
    gradient -= (gradient @ _WEIGHT)[..., None]
    weighted = gradient * _WEIGHT
    hessian = weighted @ gradient.transpose(0, 2, 1) + 1e-4 * _IDENTITY
    # Maps the difference of the windows straight to a shift in `image`.
    solve = affine @ np.linalg.inv(hessian) @ weighted
    position = start.astype(np.float64)
    for _ in range(_STEPS):
        seen, _ = _normalised(_windows(image, position, affine))
        shift = (solve @ (seen - target)[..., None])[..., 0]
        position = position - shift.clip(-1, 1)
    seen, _ = _normalised(_windows(image, position, affine))
    return position, (seen * target) @ _WEIGHT


def _normalised(windows: Float[np.ndarray, "N P"]):
    """Zero mean and unit variance, and the standard deviation in grey levels before."""
    centred = windows - (windows @ _WEIGHT)[:, None]
    spread = np.sqrt(np.maximum((centred**2) @ _WEIGHT, _MIN_SPREAD**2))
    return centred / spread[:, None], spread


def _windows(
    image: UInt8[np.ndarray, "H W"],
    centres: Float[np.ndarray, "N 2"],
    affine: Float[np.ndarray, "N 2 2"],
) -> Float[np.ndarray, "N P"]:
    """Grey values around each centre on a grid bent by its affine map."""
    where = affine @ _OFFSETS.T + (centres - 0.5).astype(np.float32)[..., None]
    values = np.empty((len(centres), len(_OFFSETS)), np.float32)
    # cv2.remap cannot write more than 32767 rows.
    for rows in (slice(i, i + 30_000) for i in range(0, len(where), 30_000)):
        x, y = (np.ascontiguousarray(where[rows, k]) for k in range(2))
        seen = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        values[rows] = seen
    return values
