"""Paths of the camera: world_from_camera [V, 4, 4], OpenCV axes, metres, z up, all seeded."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from ..cameras import look_at


def along(
    eyes: ArrayLike,
    aims: ArrayLike,
    count: int,
    *,
    seed: int,
    shake: float = 0.03,
    roll: float = 1.5,
) -> np.ndarray:
    """Someone who walks through waypoints `eyes` [P, 3] and looks at `aims` [Q, 3] on the way.

    Args:
        shake: deviation of the aim in metres; the eye's is a third of it.
        roll: deviation in degrees.
    """
    rng = np.random.default_rng(seed)
    t = np.linspace(0, 1, count)
    eye = _through(np.asarray(eyes, float), t) + rng.normal(size=(count, 3)) * shake / 3
    aim = _through(np.asarray(aims, float), t) + rng.normal(size=(count, 3)) * shake
    return np.stack(
        [look_at(e, a, roll=rng.normal() * roll) for e, a in zip(eye, aim, strict=True)]
    )


def orbit(
    centre: ArrayLike, radius: float, height: float, count: int, *, seed: int, degrees: float = 360
) -> np.ndarray:
    """Round `centre`, always looking at it; after 360 degrees the last photo is by the first."""
    rng = np.random.default_rng(seed)
    centre = np.asarray(centre, float)
    start = rng.random() * 2 * np.pi
    poses = []
    for t in np.arange(count) / count:
        a = start + np.radians(degrees * t + rng.normal() * 1.5)
        away = radius * (1 + 0.04 * rng.normal())
        up = height + 0.12 * np.sin(2 * np.pi * (2 * t)) + 0.02 * rng.normal()
        eye = centre + np.array((away * np.cos(a), away * np.sin(a), up))
        aim = centre + rng.normal(size=3) * 0.04
        poses.append(look_at(eye, aim, roll=rng.normal() * 1.5))
    return np.stack(poses)


def spin(
    eye: ArrayLike, first: float, last: float, count: int, *, tilt: float = -3.0, seed: int = 0
) -> np.ndarray:
    """Turns on the spot, exactly: azimuths in degrees from +y to the right, `tilt` up."""
    rng = np.random.default_rng(seed)
    eye = np.asarray(eye, float)
    poses = []
    for azimuth in np.linspace(first, last, count):
        a, b = np.radians(azimuth), np.radians(tilt + rng.normal() * 1.2)
        aim = eye + np.array((np.sin(a) * np.cos(b), np.cos(a) * np.cos(b), np.sin(b)))
        poses.append(look_at(eye, aim, roll=rng.normal()))
    return np.stack(poses)


def sheet(
    centre: ArrayLike, aim: ArrayLike, size: tuple[float, float], rows: int, columns: int, seed: int
) -> np.ndarray:
    """Forward-facing: a grid of positions in the x-z plane, all looking about the same way."""
    rng = np.random.default_rng(seed)
    poses = []
    for row in range(rows):
        for column in range(columns) if row % 2 == 0 else reversed(range(columns)):
            x = (column / (columns - 1) - 0.5) * size[0]
            z = (row / max(rows - 1, 1) - 0.5) * size[1]
            eye = np.asarray(centre, float) + (x, 0, z) + rng.normal(size=3) * 0.03
            target = np.asarray(aim, float) + (0.4 * x, 0, 0.4 * z) + rng.normal(size=3) * 0.03
            poses.append(look_at(eye, target, roll=rng.normal() * 1.2))
    return np.stack(poses)


def shutter(poses: np.ndarray, *, seed: int, travel: float, turn: float) -> np.ndarray:
    """[V, 2, 4, 4]: where the camera is when the shutter opens and when it closes.

    The photo's own pose is the middle.

    Args:
        travel: deviation of the way in metres.
        turn: deviation of the rotation in degrees about each axis.
    """
    rng = np.random.default_rng(seed)
    ends = np.repeat(poses[:, None], 2, 1)
    for view, pose in enumerate(poses):
        half = rng.normal(size=3) * travel / 2
        angle = np.radians(rng.normal(size=3) * turn / 2)
        for end, sign in enumerate((-1, 1)):
            ends[view, end, :3, 3] = pose[:3, 3] + sign * half
            ends[view, end, :3, :3] = pose[:3, :3] @ _rotation(sign * angle)
    return ends


def _rotation(vector: np.ndarray) -> np.ndarray:
    """Rotation [3, 3] by Rodrigues' formula; the vector's length is the angle in radians."""
    angle = float(np.linalg.norm(vector))
    x, y, z = vector / max(angle, 1e-12)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def _through(points: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Catmull-Rom curve through points [P, 3] at t [V] in 0..1 (P = 1 stands still)."""
    p = np.concatenate([points[:1], points, points[-1:]])
    s = np.clip(t, 0, 1) * (len(points) - 1)
    i = np.minimum(s.astype(int), max(len(points) - 2, 0))
    f = (s - i)[:, None]
    a, b, c, d = p[i], p[i + 1], p[np.minimum(i + 2, len(p) - 1)], p[np.minimum(i + 3, len(p) - 1)]
    curve = (
        2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3
    )
    return 0.5 * curve
