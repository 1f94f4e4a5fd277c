"""Lens distortion of COLMAP's camera models, and the pinhole camera that replaces a lens.

Points are on the plane z = 1 of the camera frame; pixels have the centre of the top-left one at
(0.5, 0.5). Radial models need not be invertible everywhere: an estimated polynomial turns back
at some radius, and nothing beyond it is ever used here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ..errors import SplatposeError
from ..io.photos import scaled_size
from ..scene.camera import Camera

# Points along one edge of the photo whose undistorted positions bound the new picture.
_EDGE_SAMPLES = 129
# A polynomial that never turns back is trusted up to here (89 degrees off axis).
_FARTHEST = 60.0


@dataclass(frozen=True)
class Pinhole:
    """A picture without distortion."""

    width: int
    height: int
    K: Float[np.ndarray, "3 3"]
    """Calibration matrix in pixels of the undistorted picture."""


def distort(
    camera: Camera, points: Float[np.ndarray, "*N 2"]
) -> tuple[Float[np.ndarray, "*N 2"], Bool[np.ndarray, " *N"]]:
    """Where the lens puts points of the plane z = 1, on that plane, and whether it can.

    COLMAP's SIMPLE_RADIAL, RADIAL, OPENCV and FULL_OPENCV models (Brown 1971). False marks points
    beyond the radius at which the polynomial turns back.
    """
    lens = _coefficients(camera)
    p1, p2 = lens.tangential
    x, y = points[..., 0], points[..., 1]
    r2 = x * x + y * y
    radial = _radial(lens, r2)
    distorted = points * radial[..., None]
    distorted[..., 0] += 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    distorted[..., 1] += p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return distorted, r2 <= _radius_limit(lens) ** 2


def undistort(
    camera: Camera, distorted: Float[np.ndarray, "*N 2"], iterations: int = 10
) -> Float[np.ndarray, "*N 2"]:
    """Inverse of `distort`; points that nothing is distorted to end at the limiting radius."""
    lens = _coefficients(camera)
    p1, p2 = lens.tangential
    limit = _radius_limit(lens)
    points = np.zeros_like(distorted)
    # The tangential part is small: subtract it as it was at the last estimate.
    for _ in range(iterations if p1 or p2 else 1):
        x, y = points[..., 0], points[..., 1]
        r2 = x * x + y * y
        rest = distorted.copy()
        rest[..., 0] -= 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
        rest[..., 1] -= p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
        target = np.linalg.norm(rest, axis=-1)
        radius = _undistorted_radius(target, lens, limit)
        points = rest * (radius / np.maximum(target, 1e-12))[..., None]
    return points


def choose_pinhole(camera: Camera, max_size: int, keep_edges: float = 0.0) -> Pinhole:
    """The pinhole camera that a photo of `camera` is turned into.

    The focal length shrinks with the picture and is otherwise kept, so the centre of the photo
    keeps its sharpness; only the bounds of the picture follow the lens.

    Args:
        camera: the photo's camera.
        max_size: longest side of the new picture in pixels; it is never enlarged beyond the photo.
        keep_edges: 0 for the largest rectangle without empty pixels, 1 for the smallest one that
            holds the whole photo.

    Raises:
        SplatposeError: the distortion leaves no such rectangle.
    """
    if not np.any(camera.distortion):
        width, height = scaled_size(camera.width, camera.height, max_size)
        return Pinhole(width, height, camera.resized(width, height).K)
    if not np.all(np.isfinite(camera.params)):
        raise _impossible(camera)
    fx, fy = camera.K[0, 0], camera.K[1, 1]
    left, top, right, bottom = _bounds(camera, keep_edges)
    full = np.array([fx * (right - left), fy * (bottom - top)])
    if not np.all(full >= 2):
        raise _impossible(camera)
    scale = min(1.0, max_size / full.max())
    # Rounded down, so that the picture stays inside the bounds.
    width, height = (max(1, int(side + 1e-6)) for side in full * scale)
    K = np.array(
        [
            [fx * scale, 0, width / 2 - fx * scale * (left + right) / 2],
            [0, fy * scale, height / 2 - fy * scale * (top + bottom) / 2],
            [0, 0, 1],
        ]
    )
    return Pinhole(width, height, K)


def _impossible(camera: Camera) -> SplatposeError:
    return SplatposeError(
        f"The distortion found for the {camera.width}x{camera.height} camera is impossible "
        f"({camera.model} {', '.join(f'{value:.3g}' for value in camera.params)}).",
        "Its photos cannot be used; take photos with more overlap and relief.",
    )


class _Coefficients(NamedTuple):
    """Of the radial factor (1 + k1 r^2 + k2 r^4 + k3 r^6) / (1 + k4 r^2 + k5 r^4 + k6 r^6), and of
    the tangential terms."""

    above: tuple[float, float, float] = (0.0, 0.0, 0.0)
    below: tuple[float, float, float] = (0.0, 0.0, 0.0)
    tangential: tuple[float, float] = (0.0, 0.0)


def _coefficients(camera: Camera) -> _Coefficients:
    k = [float(value) for value in camera.distortion]
    if camera.model == "FULL_OPENCV":
        return _Coefficients((k[0], k[1], k[4]), (k[5], k[6], k[7]), (k[2], k[3]))
    first, second, p1, p2 = [*k, 0.0, 0.0, 0.0, 0.0][:4]
    return _Coefficients((first, second, 0.0), tangential=(p1, p2))


def _radial(lens: _Coefficients, r2: Float[np.ndarray, " *N"]) -> Float[np.ndarray, " *N"]:
    (k1, k2, k3), (k4, k5, k6) = lens.above, lens.below
    factor = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    return factor / (1 + r2 * (k4 + r2 * (k5 + r2 * k6))) if any(lens.below) else factor


def _radius_limit(lens: _Coefficients) -> float:
    """Smallest radius where it times the radial factor stops growing, or has a pole."""
    (k1, k2, k3), (k4, k5, k6) = lens.above, lens.below
    slope = [7 * k3, 5 * k2, 3 * k1, 1.0]
    below = [k6, k5, k4, 1.0]
    if any(lens.below):
        # r N / D grows where (r N)' D - r N D' > 0; in powers of r^2.
        shrink = np.polymul([k3, k2, k1, 1.0], [6 * k6, 4 * k5, 2 * k4, 0.0])
        slope = np.polysub(np.polymul(slope, below), shrink).tolist()
    roots = np.concatenate([np.roots(slope), np.roots(below)])
    real = roots[np.abs(np.imag(roots)) < 1e-12].real
    real = real[real > 0]
    return min(_FARTHEST, float(np.sqrt(real.min()))) if real.size else _FARTHEST


def _undistorted_radius(
    target: Float[np.ndarray, " *N"], lens: _Coefficients, limit: float
) -> Float[np.ndarray, " *N"]:
    """The radius in [0, limit], where the lens's grows with it, that the lens puts at `target`."""
    low, high = np.zeros_like(target), np.full_like(target, limit)
    for _ in range(60):
        middle = (low + high) / 2
        below = middle * _radial(lens, middle * middle) < target
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return (low + high) / 2


def _bounds(camera: Camera, keep_edges: float) -> tuple[float, float, float, float]:
    """Left, top, right and bottom on the plane z = 1, between the inner and outer rectangle."""
    t = np.linspace(0, 1, _EDGE_SAMPLES)
    zero, one = np.zeros_like(t), np.ones_like(t)
    edges = np.stack(
        [np.stack(e, -1) for e in ((zero, t), (t, zero), (one, t), (t, one))]
    ) * np.array([camera.width, camera.height])
    K = camera.K
    rays = undistort(camera, (edges - K[:2, 2]) / np.array([K[0, 0], K[1, 1]]))
    left, top, right, bottom = rays[0, :, 0], rays[1, :, 1], rays[2, :, 0], rays[3, :, 1]
    inner = np.array([left.max(), top.max(), right.min(), bottom.min()])
    outer = np.array(
        [rays[..., 0].min(), rays[..., 1].min(), rays[..., 0].max(), rays[..., 1].max()]
    )
    bounds = (1 - keep_edges) * inner + keep_edges * outer
    return float(bounds[0]), float(bounds[1]), float(bounds[2]), float(bounds[3])
