"""How one moves at a site: world_from_camera [V, 4, 4], OpenCV axes, metres, z up."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import gaussian_filter1d

from ..cameras import look_at
from ..stress import walks
from .sites import Site


def _axes(site: Site) -> tuple[np.ndarray, np.ndarray]:
    """Level directions ahead and to the right."""
    ahead = (site.aim - site.eye) * (1, 1, 0)
    ahead /= np.linalg.norm(ahead)
    return ahead, np.cross(ahead, (0, 0, 1))


def _looks(eyes: np.ndarray, aims: np.ndarray, rng: np.random.Generator, roll: float) -> np.ndarray:
    turns = rng.normal(size=len(eyes)) * roll
    return np.stack([look_at(e, a, roll=r) for e, a, r in zip(eyes, aims, turns, strict=True)])


def forward(site: Site, count: int, rng: np.random.Generator, *, share: float = 1.0) -> np.ndarray:
    """Straight ahead through `share` of the room that there is, looking ahead."""
    ahead, _ = _axes(site)
    t = np.linspace(0, share * site.ahead, count)[:, None]
    eyes = site.eye + t * ahead + rng.normal(size=(count, 3)) * 0.004 * site.depth
    aims = site.aim + t * ahead + rng.normal(size=(count, 3)) * 0.02 * site.depth
    return _looks(eyes, aims, rng, 1.2)


def sideways(site: Site, count: int, rng: np.random.Generator, *, share: float = 0.9) -> np.ndarray:
    """From left to right, looking ahead all the way."""
    _, right = _axes(site)
    t = np.linspace(-share * site.aside, share * site.aside, count)[:, None]
    eyes = site.eye + t * right + rng.normal(size=(count, 3)) * 0.006 * site.depth
    aims = site.aim + t * right + rng.normal(size=(count, 3)) * 0.02 * site.depth
    return _looks(eyes, aims, rng, 1.0)


def shaken(site: Site, count: int, rng: np.random.Generator, *, sway: float) -> np.ndarray:
    """Two seconds of video held in the hand: smooth, small, mostly turning.

    Args:
        sway: deviation of the place as a share of the distance of what is seen.
    """
    drift = _smooth(count, 6, rng) * sway * site.depth * (1.0, 1.0, 0.6)
    drift += np.linspace(-1, 1, count)[:, None] * rng.normal(size=3) * 0.7 * sway * site.depth
    gaze = _smooth(count, 4, rng) * 0.05 * site.depth
    return _looks(site.eye + drift, site.aim + gaze, rng, 0.8)


def _smooth(count: int, width: float, rng: np.random.Generator) -> np.ndarray:
    noise = gaussian_filter1d(rng.normal(size=(count + 60, 3)), width, axis=0)[30 : 30 + count]
    return noise / max(float(noise.std()), 1e-9)


def arc(site: Site, count: int, rng: np.random.Generator, *, degrees: float) -> np.ndarray:
    """Round what is looked at, with a hand's unevenness."""
    start = np.arctan2(*(site.eye - site.aim)[1::-1])
    angles = start + np.radians(np.linspace(-0.5, 0.5, count) * degrees)
    angles += np.radians(rng.normal(size=count) * 0.02 * degrees / max(count, 1) * 5)
    radius = np.linalg.norm((site.eye - site.aim)[:2])
    away = radius * (1 + 0.03 * rng.normal(size=count))
    up = (site.eye - site.aim)[2] * (1 + 0.08 * rng.normal(size=count))
    eyes = site.aim + np.stack([away * np.cos(angles), away * np.sin(angles), up], 1)
    aims = site.aim + rng.normal(size=(count, 3)) * 0.02 * site.depth
    return _looks(eyes, aims, rng, 1.3)


def lap(site: Site, count: int, rng: np.random.Generator) -> np.ndarray:
    """Once round, the last photo beside the first."""
    return arc(site, count, rng, degrees=360 * (1 - 1 / count))


def wander(site: Site, count: int, rng: np.random.Generator) -> np.ndarray:
    """A walk with bends, looking about."""
    ahead, right = _axes(site)
    sides = rng.uniform(-0.8, 0.8, 4) * min(site.aside, 0.25 * site.ahead + 0.2)
    steps = np.linspace(0, 0.9 * site.ahead, 4)
    eyes = [site.eye + s * ahead + x * right for s, x in zip(steps, sides, strict=True)]
    turns = rng.uniform(-0.18, 0.18, 4) * site.depth
    aims = [site.aim + s * ahead + x * right for s, x in zip(steps, turns, strict=True)]
    seed = int(rng.integers(1 << 30))
    return walks.along(eyes, aims, count, seed=seed, shake=0.012 * site.depth)


def sheet(site: Site, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """A grid of places across the view, all looking the same way."""
    _, right = _axes(site)
    eyes, aims = [], []
    tall = min(0.35 * site.aside, 0.3)
    for row in range(rows):
        for column in range(columns) if row % 2 == 0 else reversed(range(columns)):
            x = 2 * (column / max(columns - 1, 1) - 0.5) * 0.85 * site.aside
            z = 2 * (row / max(rows - 1, 1) - 0.5) * tall
            shift = x * right + np.array((0, 0, z))
            eyes.append(site.eye + shift + rng.normal(size=3) * 0.008 * site.depth)
            aims.append(site.aim + 0.5 * shift + rng.normal(size=3) * 0.02 * site.depth)
    return _looks(np.array(eyes), np.array(aims), rng, 1.0)


def nadir(site: Site, rows: int, columns: int, rng: np.random.Generator) -> np.ndarray:
    """Straight down, strip by strip; each strip the other way round, as a drone flies."""
    heading = rng.uniform(0, 2 * np.pi)
    poses = []
    for row in range(rows):
        for column in range(columns) if row % 2 == 0 else reversed(range(columns)):
            x, y = ((n / max(m - 1, 1) - 0.5) for n, m in ((column, columns), (row, rows)))
            spot = site.eye + np.array((1.5 * x, 1.1 * y, 0)) * site.aside
            spot = spot + rng.normal(size=3) * (0.25, 0.25, 0.15)
            turn = heading + (np.pi if row % 2 else 0) + rng.normal() * 0.02
            poses.append(looking_down(spot, turn, rng.normal(size=2) * np.radians(1.5)))
    return np.stack(poses)


def looking_down(eye: np.ndarray, heading: float, tilt: np.ndarray) -> np.ndarray:
    """Top of the photo towards `heading` (radians from +x), tilted a little about x and y."""
    top = np.array((np.cos(heading), np.sin(heading), 0))
    down = np.array((0.0, 0.0, -1.0)) + tilt[0] * top + tilt[1] * np.cross(top, (0, 0, 1))
    down /= np.linalg.norm(down)
    right = np.cross(down, top)
    right /= np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2], pose[:3, 3] = right, np.cross(down, right), down, eye
    return pose


def still(site: Site, count: int, rng: np.random.Generator, *, tremble: float = 2e-4) -> np.ndarray:
    """From a tripod, or nearly."""
    eyes = site.eye + rng.normal(size=(count, 3)) * tremble * site.depth
    aims = site.aim + rng.normal(size=(count, 3)) * 0.004 * site.depth
    return _looks(eyes, aims, rng, 0.2)
