"""Shifts small windows of one photo onto those of another, to a tenth of a pixel."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from scipy.spatial import KDTree

from ..render.cpu.compilation import device_function, kernel

RADIUS = 5
"""Half width of a window in pixels, which is 2 * RADIUS + 1 wide."""
_STEPS = 6
_CONVERGED = 1e-5
"""Square of the step in pixels at which a window has come to rest."""
_NEIGHBOURS = 8
_MIN_SPREAD = 1.0
"""Contrast in grey levels below which a window says nothing."""
_DAMPING = 1e-4

_REACH = np.arange(-RADIUS, RADIUS + 1, dtype=np.float32)
_OFFSETS = np.stack(np.meshgrid(_REACH, _REACH), -1).reshape(-1, 2)
_WEIGHT = np.exp(-(_OFFSETS**2).sum(1) / (2 * (RADIUS / 2) ** 2)).astype(np.float32)
_WEIGHT /= _WEIGHT.sum()
_SIZE = 2 * RADIUS + 1


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
    count = len(at)
    position, correlation = start.astype(np.float64), np.zeros(count)
    _align(
        np.ascontiguousarray(template),
        np.ascontiguousarray(image),
        np.ascontiguousarray(at, np.float64),
        np.ascontiguousarray(affine, np.float64),
        _WEIGHT,
        position,
        correlation,
    )
    return position, correlation


@device_function
def _reflected(index, size):
    """An index beyond an end, mirrored at it without repeating the end."""
    if size == 1:
        return 0
    period = 2 * (size - 1)
    index = abs(index) % period
    return period - index if index >= size else index


@device_function
def _sample(image, x, y, a, b, c, d, window):
    """Grey values on a grid around (x, y), in pixels with whole numbers at pixel centres, whose
    steps right and down are (a, c) and (b, d)."""
    height, width = image.shape
    reach_x, reach_y = RADIUS * (abs(a) + abs(b)) + 1, RADIUS * (abs(c) + abs(d)) + 1
    inside = x >= reach_x and x + reach_x < width and y >= reach_y and y + reach_y < height
    for row in range(_SIZE):
        v = np.float32(row - RADIUS)
        for column in range(_SIZE):
            u = np.float32(column - RADIUS)
            px, py = x + a * u + b * v, y + c * u + d * v
            floor_x, floor_y = np.floor(px), np.floor(py)
            fx, fy = px - floor_x, py - floor_y
            left, top = np.int32(floor_x), np.int32(floor_y)
            right, bottom = left + 1, top + 1
            if not inside:
                left, right = _reflected(left, width), _reflected(right, width)
                top, bottom = _reflected(top, height), _reflected(bottom, height)
            one, two = np.float32(image[top, left]), np.float32(image[top, right])
            three, four = np.float32(image[bottom, left]), np.float32(image[bottom, right])
            above, below = one + fx * (two - one), three + fx * (four - three)
            window[row * _SIZE + column] = above + fy * (below - above)


@device_function
def _normalise(window, weight):
    """Takes brightness and contrast out of a window; returns its standard deviation before."""
    mean = np.float32(0)
    for k in range(len(window)):
        mean += weight[k] * window[k]
    square = np.float32(0)
    for k in range(len(window)):
        window[k] -= mean
        square += weight[k] * window[k] * window[k]
    spread = np.sqrt(max(square, np.float32(_MIN_SPREAD * _MIN_SPREAD)))
    for k in range(len(window)):
        window[k] /= spread
    return spread


@kernel
def _align(template, image, at, affine, weight, position, correlation):
    """Moves each row of `position`, and fills `correlation`."""
    size = _SIZE * _SIZE
    target, seen = np.empty(size, np.float32), np.empty(size, np.float32)
    ahead, behind = np.empty(size, np.float32), np.empty(size, np.float32)
    slope = np.empty((2, size), np.float32)
    one, zero, half = np.float32(1), np.float32(0), np.float32(0.5)
    for n in range(len(at)):
        x, y = np.float32(at[n, 0] - 0.5), np.float32(at[n, 1] - 0.5)
        _sample(template, x, y, one, zero, zero, one, target)
        spread = _normalise(target, weight)
        for axis in range(2):
            dx, dy = half if axis == 0 else zero, zero if axis == 0 else half
            _sample(template, x + dx, y + dy, one, zero, zero, one, ahead)
            _sample(template, x - dx, y - dy, one, zero, zero, one, behind)
            mean = zero
            for k in range(size):
                slope[axis, k] = (ahead[k] - behind[k]) / spread
                mean += weight[k] * slope[axis, k]
            for k in range(size):
                slope[axis, k] -= mean
        xx, xy, yy = np.float32(_DAMPING), zero, np.float32(_DAMPING)
        for k in range(size):
            xx += weight[k] * slope[0, k] * slope[0, k]
            xy += weight[k] * slope[0, k] * slope[1, k]
            yy += weight[k] * slope[1, k] * slope[1, k]
        det = xx * yy - xy * xy
        a, b = np.float32(affine[n, 0, 0]), np.float32(affine[n, 0, 1])
        c, d = np.float32(affine[n, 1, 0]), np.float32(affine[n, 1, 1])
        moved = True
        for step in range(_STEPS + 1):
            px, py = np.float32(position[n, 0] - 0.5), np.float32(position[n, 1] - 0.5)
            _sample(image, px, py, a, b, c, d, seen)
            _normalise(seen, weight)
            if step == _STEPS or not moved:
                break
            gx, gy = zero, zero
            for k in range(size):
                off = weight[k] * (seen[k] - target[k])
                gx += off * slope[0, k]
                gy += off * slope[1, k]
            # A shift in the template, brought to the image by the local map.
            sx, sy = (yy * gx - xy * gy) / det, (xx * gy - xy * gx) / det
            sx, sy = a * sx + b * sy, c * sx + d * sy
            sx, sy = min(max(sx, -one), one), min(max(sy, -one), one)
            position[n, 0] -= sx
            position[n, 1] -= sy
            moved = sx * sx + sy * sy > _CONVERGED
        total = zero
        for k in range(size):
            total += weight[k] * seen[k] * target[k]
        correlation[n] = total
