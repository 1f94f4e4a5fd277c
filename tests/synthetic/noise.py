"""Seeded noise that every texture and surface of the synthetic scenes is made of."""

from __future__ import annotations

import numpy as np


def fbm(
    height: int,
    width: int,
    *,
    seed: int,
    slope: float = 1.8,
    stretch: tuple[float, float] = (1.0, 1.0),
    coarsest: float = 2.0,
) -> np.ndarray:
    """Periodic fractal noise [height, width] with zero mean and unit deviation.

    Args:
        slope: amplitude falls with frequency to this power; larger is smoother.
        stretch: how much longer features are along y and along x.
        coarsest: cycles over the longer side below which nothing is left.
    """
    rng = np.random.default_rng(seed)
    longer = max(height, width)
    fy = np.fft.fftfreq(height)[:, None] * longer * stretch[0]
    fx = np.fft.rfftfreq(width)[None] * longer * stretch[1]
    frequency = np.hypot(fy, fx)
    amplitude = np.where(frequency < coarsest, 0.0, np.maximum(frequency, 1e-9) ** -slope)
    phase = np.exp(2j * np.pi * rng.random(frequency.shape))
    field = np.fft.irfft2(amplitude * phase, (height, width))
    return ((field - field.mean()) / field.std()).astype(np.float32)


def fbm_at(points: np.ndarray, *, seed: int, octaves: int = 5, scale: float = 1.0) -> np.ndarray:
    """Fractal noise [...] at 3D points [..., 3]: seamless on any surface. About unit deviation."""
    rng = np.random.default_rng(seed)
    total = np.zeros(points.shape[:-1])
    for octave in range(octaves):
        directions = rng.normal(size=(24, 3)) * scale * 2.0**octave
        phases = rng.random(24) * 2 * np.pi
        total += np.cos(points @ directions.T + phases).sum(-1) * 0.55**octave / np.sqrt(12)
    return total


def cells(height: int, width: int, size: float, *, seed: int) -> tuple[np.ndarray, ...]:
    """Cellular noise: nearest and second distance in cells, and the nearest cell's number.

    Args:
        size: mean cell size in pixels.
    """
    rows, columns = int(np.ceil(height / size)) + 2, int(np.ceil(width / size)) + 2
    jitter = np.random.default_rng(seed).random((rows, columns, 2))
    y, x = np.mgrid[0:height, 0:width] / size
    near = np.full((height, width), 9.0)
    second = near.copy()
    number = np.zeros((height, width), np.int64)
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            row, column = y.astype(int) + dy, x.astype(int) + dx
            centre = jitter[row % rows, column % columns]
            distance = np.hypot(row + centre[..., 0] - y, column + centre[..., 1] - x)
            closer = distance < near
            second = np.where(closer, near, np.minimum(second, distance))
            number = np.where(closer, row % rows * columns + column % columns, number)
            near = np.where(closer, distance, near)
    return near, second, number


def mix(first: np.ndarray, second: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """Blends colours [..., 3]; `share` [...] of the second."""
    share = np.clip(np.asarray(share), 0, 1)[..., None]
    return np.asarray(first) * (1 - share) + np.asarray(second) * share


def ramp(value: np.ndarray, *stops: tuple[float, str]) -> np.ndarray:
    """Colours [..., 3] in sRGB 0..1 for values [...], linear between (value, "#rrggbb") stops."""
    where = [stop[0] for stop in stops]
    colors = np.array([rgb(stop[1]) for stop in stops])
    return np.stack([np.interp(value, where, colors[:, c]) for c in range(3)], -1)


def rgb(color: str) -> np.ndarray:
    """The sRGB colour "#rrggbb" as three numbers 0..1."""
    return np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def smoothstep(low: float, high: float, value: np.ndarray) -> np.ndarray:
    """0 below `low`, 1 above `high`, smooth between."""
    t = np.clip((value - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)
