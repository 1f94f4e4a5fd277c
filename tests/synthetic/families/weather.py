"""What moves while a scene is photographed: shadows of leaves, and water on the ground."""

from __future__ import annotations

import numpy as np

from ..noise import smoothstep
from .photos import Weather

_ROOFS = 4.5
"""Metres above which nothing throws shadows."""


def moving_shadows(seed: int, *, size: float = 1.8, speed: float = 5.0) -> Weather:
    """Shadows of about `size` metres that go `speed` metres across walls and ground."""
    waves = _waves(seed, 7, size)

    def weather(light: np.ndarray, points: np.ndarray, moment: float) -> np.ndarray:
        value = _sum_of(points + np.array((speed * moment, 0.4 * speed * moment, 0)), waves)
        shade = smoothstep(0.0, 0.35, value)
        sky = smoothstep(_ROOFS, _ROOFS + 1, points[..., 2])
        return light * np.maximum(0.3 + 0.7 * shade, sky)[..., None]

    return weather


def water(seed: int, *, level: float) -> Weather:
    """Rippled water stands where the world is lower than `level` metres, never twice the same."""
    waves = _waves(seed, 12, 0.7)

    def weather(light: np.ndarray, points: np.ndarray, moment: float) -> np.ndarray:
        phases = np.random.default_rng([seed, int(moment * 1e6)]).uniform(0, 7, len(waves[0]))
        ripple = _sum_of(points, (waves[0] * (1, 1, 0), phases))
        glitter = smoothstep(0.5, 1.6, ripple)
        color = np.array((0.12, 0.2, 0.2)) * (1 + 0.5 * ripple[..., None])
        color = np.clip(color + 0.5 * glitter[..., None], 0.01, 1)
        wet = (smoothstep(level + 0.03, level, points[..., 2]) * 0.9)[..., None]
        return light * (1 - wet) + color * wet

    return weather


def _waves(seed: int, count: int, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Wave vectors [count, 3] about 2 pi / size long, and phases."""
    rng = np.random.default_rng([seed, 91])
    vectors = rng.normal(size=(count, 3)) * np.pi / size
    return vectors, rng.uniform(0, 2 * np.pi, count)


def _sum_of(points: np.ndarray, waves: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """About of unit deviation."""
    vectors, phases = waves
    total = sum(np.sin(points @ v + p) for v, p in zip(vectors, phases, strict=True))
    return np.asarray(total) * np.sqrt(2 / len(vectors))
