"""Hand-held cameras along a route: world_from_camera [V, 4, 4], OpenCV axes, metres, z up."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from ..cameras import look_at
from .routes import STEP, Route

_DENSE = 0.02
"""Metres between the samples of a route before photos are picked."""
_EYE = 1.58
_STRIDE = 1.4
"""Metres of two paces, after which the body sways the same way again."""


@dataclass(frozen=True)
class Walk:
    """Cameras in the order of the photos, and what each part is called."""

    poses: np.ndarray
    """world_from_camera [V, 4, 4]."""
    shutter: np.ndarray
    """[V, 2, 4, 4]: where the camera is when the shutter opens and closes; `poses` is between."""
    sections: tuple[tuple[str, int, int], ...]
    """Name, first and last photo of every part, in order and without gaps."""


def walk(
    route: Route, count: int, *, seed: int, corner: float = 1.15, blurred: tuple[int, ...] = ()
) -> Walk:
    """The first `count` photos along a route: a longer walk begins with a shorter one.

    Args:
        corner: metres over which corners are rounded.
        blurred: photos through which the camera is swung round; it looks straight ahead before.
    """
    spots, ahead, leg = _on_the_way(route, corner, seed)
    if len(spots) < count:
        raise ValueError(f"the route is long enough for {len(spots)} photos, not for {count}")
    total = len(spots)
    rng = np.random.default_rng([seed, 61])
    yaw = ahead + _gaze(total, [route.legs[n].glances for n in leg], rng)
    if blurred:
        yaw = _swung(yaw, ahead, blurred)
    pitch = np.radians(-3 + 2.5 * _smooth(total, 8, rng) + 0.5 * rng.normal(size=total))
    roll = 1.2 * _smooth(total, 6, rng) + 0.5 * rng.normal(size=total)
    eyes = _bobbing(spots, ahead, rng)
    poses = np.stack([_pose(*each) for each in zip(eyes, yaw, pitch, roll, strict=True)])
    shutter = _shutter(poses, seed=seed, blurred=blurred)
    return Walk(poses[:count], shutter[:count], _sections(route, leg[:count]))


def _on_the_way(
    route: Route, corner: float, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Even steps along the rounded route: where [V, 2], which way (radians), on which leg."""
    dense, owner = _dense(route)
    rounded = gaussian_filter1d(dense, corner / _DENSE, axis=0, mode="nearest")
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(rounded, axis=0), axis=1))])
    rng = np.random.default_rng([seed, 62])
    most = int(along[-1] / STEP) + 2
    marks = np.cumsum(STEP * (1 + 0.04 * np.clip(rng.normal(size=most), -2, 2)))
    marks = marks[marks < along[-1] - 0.5]
    spots = np.stack([np.interp(marks, along, rounded[:, axis]) for axis in range(2)], 1)
    before, after = (
        np.stack([np.interp(marks + shift, along, rounded[:, axis]) for axis in range(2)], 1)
        for shift in (-0.3, 0.6)
    )
    way = after - before
    ahead = np.unwrap(np.arctan2(way[:, 1], way[:, 0]))
    leg = owner[np.searchsorted(along, marks).clip(max=len(owner) - 1)]
    return spots, ahead, leg


def _dense(route: Route) -> tuple[np.ndarray, np.ndarray]:
    """The route with its corners, sampled finely, and the leg that each sample is on."""
    corners, sides, owner = [np.array(route.start)], [], []
    for number, leg in enumerate(route.legs):
        for point in leg.points:
            if np.linalg.norm(corners[-1] - point) > 1e-6:
                corners.append(np.array(point))
                sides.append(leg.side)
                owner.append(number)
    corners = _beside(np.stack(corners), np.array(sides))
    samples, owners = [], []
    for stop, number in enumerate(owner):
        way = corners[stop + 1] - corners[stop]
        share = np.arange(0, 1, _DENSE / np.linalg.norm(way))[:, None]
        samples.append(corners[stop] + share * way)
        owners.append(np.full(len(share), number))
    return np.concatenate(samples), np.concatenate(owners)


def _beside(corners: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """The corners [P, 2] moved so that each way between two lies `sides` [P - 1] to its right."""
    ways = np.diff(corners, axis=0)
    right = np.stack([ways[:, 1], -ways[:, 0]], 1) / np.linalg.norm(ways, axis=1)[:, None]
    moved = corners.astype(float)
    for stop in range(len(corners)):
        both = slice(max(stop - 1, 0), stop + 1)
        # Of two ways in a line the mean is meant: the least-squares solution of least length.
        moved[stop] += np.linalg.lstsq(right[both], sides[both], rcond=0.1)[0]
    return moved


def _gaze(total: int, glances: list[bool], rng: np.random.Generator) -> np.ndarray:
    """How far one looks to the left of where one goes: always a little, at times more."""
    gaze = 5.0 * _smooth(total, 7, rng) + 0.6 * rng.normal(size=total)
    calm = 1.2 * _smooth(total, 5, rng) + 0.5 * rng.normal(size=total)
    spot = 0
    while spot < total:
        spot += int(rng.integers(14, 34))
        turn, wide = rng.choice([-1, 1]) * rng.uniform(15, 32), rng.uniform(3.0, 4.0)
        gaze += turn * np.exp(-0.5 * ((np.arange(total) - spot) / wide) ** 2)
    free = gaussian_filter1d(np.array(glances, float), 3.0, mode="nearest")
    free = np.clip(2 * free - 1, 0, 1)
    return np.radians(free * gaze + (1 - free) * calm)


def _swung(yaw: np.ndarray, ahead: np.ndarray, blurred: tuple[int, ...]) -> np.ndarray:
    """Looks as at the start until the swing and as the way goes after it."""
    first, last = blurred[0], blurred[-1]
    yaw = yaw.copy()
    yaw[:first] += ahead[0] - ahead[:first]
    new = ahead[last + 4]
    settled = slice(last + 1, last + 4)
    yaw[settled] += new - ahead[settled]
    share = (np.arange(len(blurred)) + 1) / (len(blurred) + 1)
    yaw[list(blurred)] = ahead[0] + share * (new - ahead[0])
    return yaw


def _bobbing(spots: np.ndarray, ahead: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Eyes [V, 3] of someone who paces: up and down twice a stride, left and right once."""
    total = len(spots)
    phase = 2 * np.pi * np.arange(total) * STEP / _STRIDE + 0.4 * _smooth(total, 9, rng)
    sway = 0.018 * np.sin(phase) + 0.15 * _smooth(total, 16, rng)
    left = np.stack([-np.sin(ahead), np.cos(ahead)], 1)
    height = _EYE + 0.025 * np.sin(2 * phase) + 0.05 * _smooth(total, 25, rng)
    eyes = np.column_stack([spots + sway[:, None] * left, height])
    return eyes + 0.006 * rng.normal(size=eyes.shape)


def _pose(eye: np.ndarray, yaw: float, pitch: float, roll: float) -> np.ndarray:
    aim = (np.cos(yaw) * np.cos(pitch), np.sin(yaw) * np.cos(pitch), np.sin(pitch))
    return look_at(eye, eye + np.array(aim), roll=float(roll))


def _smooth(total: int, width: float, rng: np.random.Generator) -> np.ndarray:
    """Noise [V] of about unit deviation that changes over `width` photos.

    What comes later never changes what was before: the white noise has a fixed length.
    """
    noise = rng.normal(size=4000)
    value = gaussian_filter1d(noise, width, mode="nearest") * np.sqrt(2 * width * np.sqrt(np.pi))
    return value[200 : 200 + total]


def _shutter(poses: np.ndarray, *, seed: int, blurred: tuple[int, ...]) -> np.ndarray:
    """Most photos are nearly sharp, one of ten is smeared, `blurred` ones are strongly."""
    rng = np.random.default_rng([seed, 63])
    total = len(poses)
    turn = np.radians(rng.normal(size=(total, 3)) * (0.16, 0.22, 0.06))
    travel = rng.normal(size=(total, 3)) * 0.002
    slow = rng.random(total) < 0.1
    turn[slow] *= 2.5
    nose = poses[:, :3, 2] * 0.012
    for photo in blurred:
        turn[photo] = np.radians((0.3, 2.6, 0.3)) * rng.choice([-1, 1], 3)
    ends = np.repeat(poses[:, None], 2, 1)
    for end, sign in enumerate((-0.5, 0.5)):
        ends[:, end, :3, 3] += sign * (travel + nose)
        ends[:, end, :3, :3] = poses[:, :3, :3] @ rotations(sign * turn)
    return ends


def rotations(vectors: np.ndarray) -> np.ndarray:
    """Rotations [V, 3, 3] by vectors [V, 3] whose length is the angle in radians."""
    return Rotation.from_rotvec(vectors).as_matrix()


def _sections(route: Route, leg: np.ndarray) -> tuple[tuple[str, int, int], ...]:
    found: list[tuple[str, int, int]] = []
    starts = [0, *(np.flatnonzero(np.diff(leg)) + 1).tolist(), len(leg)]
    for first, after in itertools.pairwise(starts):
        found.append((route.legs[int(leg[first])].section, first, after - 1))
    return tuple(found)
