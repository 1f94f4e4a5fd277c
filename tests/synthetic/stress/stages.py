"""Base films: a place, its light and the cameras in it. Scenes are made of their photos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..things import Lamp, Thing
from . import outdoors, rooms, walks

WIDTH, HEIGHT, FOCAL = 576, 432, 450.0


@dataclass(frozen=True)
class Camera:
    """A pinhole whose principal point is the image's middle. Pixels."""

    width: int = WIDTH
    height: int = HEIGHT
    focal: float = FOCAL


@dataclass(frozen=True)
class Film:
    """Everything a renderer needs for one place and one seed."""

    things: Callable[[], Iterator[Thing]]
    lamps: tuple[Lamp, ...]
    ambient: tuple[float, float, float]
    poses: np.ndarray
    """world_from_camera [V, 4, 4], OpenCV axes."""
    cameras: tuple[Camera, ...]
    """One for each photo."""
    shutter: np.ndarray | None = None
    """[V, 2, 4, 4] poses when the shutter opens and closes, or no motion blur."""
    exposure: float = 0.0
    """Stops."""


def _indoors(
    things: Callable[[], Iterator[Thing]],
    poses: np.ndarray,
    size: tuple[float, float],
    height: float = 2.55,
) -> Film:
    lamp = Lamp(
        (-0.2 * size[0], -0.2 * size[1], height), (0.2, 0.3, 0), (1.2, 0.9), 45.0, (1, 0.9, 0.76)
    )
    cameras = (Camera(),) * len(poses)
    return Film(things, (lamp,), (0.75, 0.78, 0.84), poses, cameras)


def _outdoors(
    things: Callable[[], Iterator[Thing]], poses: np.ndarray, reach: float, exposure: float = 0.0
) -> Film:
    spot = (-0.8 * reach, -1.1 * reach, 1.6 * reach)
    size = (0.7 * reach, 0.7 * reach)
    sun = Lamp(spot, (0, 0, 0), size, 95.0 * reach**2, (1, 0.9, 0.75))
    cameras = (Camera(),) * len(poses)
    return Film(things, (sun,), (0.55, 0.62, 0.72), poses, cameras, exposure=exposure)


def room_size(seed: int) -> tuple[float, float]:
    """Width and depth of the room of a seed, metres."""
    rng = np.random.default_rng(seed + 900)
    return float(rng.uniform(4.6, 5.6)), float(rng.uniform(4.2, 5.2))


def _room_walk(
    seed: int, size: tuple[float, float], count: int, *, reach: float = 1.0
) -> np.ndarray:
    """Sideways before the back wall, in an arc, with the look going slowly across the room."""
    rng = np.random.default_rng(seed + 500)
    w, d = size
    y = -0.17 * d + rng.uniform(-0.15, 0.15, 3)
    side = rng.choice([-1, 1])
    eyes = [
        (-side * 0.24 * w * reach, y[0] - 0.2, 1.45),
        (0, y[1], 1.55 + rng.uniform(-0.1, 0.1)),
        (side * 0.24 * w * reach, y[2] - 0.1, 1.4),
    ]
    aims = [
        (-side * 0.05 * w, 0.5 * d, 1.0),
        (0.02 * w, 0.5 * d, 1.05),
        (side * 0.34 * w, 0.48 * d, 1.0),
    ]
    return walks.along(eyes, aims, count, seed=seed)


def textured_room(seed: int, count: int = 14) -> Film:
    size = room_size(seed)
    return _indoors(lambda: rooms.room(seed, *size), _room_walk(seed, size, count), size)


def blank_corridor(seed: int) -> Film:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.35, 0.35, 4)
    eyes = [(x[i], -0.2 + 1.0 * i, 1.5) for i in range(4)]
    aims = [(0.5 * x[3 - i], 3.8 + 1.1 * i, 1.25) for i in range(4)]
    poses = walks.along(eyes, aims, 12, seed=seed)
    return _indoors(lambda: rooms.corridor(seed), poses, (2.0, 4.0), 2.45)


def duplicated_facade(seed: int) -> Film:
    rng = np.random.default_rng(seed)
    reach = 1.7 * outdoors.MODULE
    eyes = [(s * reach, -4.1 + rng.uniform(-0.25, 0.25), 1.6) for s in (-1, -0.33, 0.33, 1)]
    aims = [(0.94 * s * reach, 0, 1.25) for s in (-1, -0.33, 0.33, 1)]
    poses = walks.along(eyes, aims, 16, seed=seed)
    return _outdoors(lambda: outdoors.facade(seed), poses, 9.0, -0.65)


def rotation_stretch(seed: int) -> Film:
    """Walks, turns on the spot for STRETCH, walks on."""
    size = room_size(seed)
    w, d = size
    stop = np.array((0.02 * w, -0.12 * d, 1.5))
    came, went = np.subtract(stop, (0.13, 0.06, 0)), np.add(stop, (0.14, 0.03, 0))
    before = walks.along(
        np.array([(-0.26 * w, -0.3 * d, 1.45), (-0.12 * w, -0.2 * d, 1.5), came]),
        [(-0.22 * w, 0.5 * d, 1.0), (-0.2 * w, 0.5 * d, 1.05)],
        4,
        seed=seed,
    )
    turning = walks.spin(stop, -14, 46, 6, tilt=-9, seed=seed)
    after = walks.along(
        np.array([went, (0.12 * w, -0.02 * d, 1.45), (0.2 * w, 0.04 * d, 1.45)]),
        [(0.5 * w, 0.3 * d, 1.0), (0.5 * w, 0.18 * d, 1.0)],
        4,
        seed=seed + 1,
    )
    poses = np.concatenate([before, turning, after])
    return _indoors(lambda: rooms.room(seed, *size), poses, size)


STRETCH = slice(4, 10)
"""The photos of rotation_stretch that are taken from one and the same point."""


def pure_rotation(seed: int) -> Film:
    size = room_size(seed)
    poses = walks.spin((0.1, -0.25, 1.5), -55, 55, 10, tilt=-6, seed=seed)
    return _indoors(lambda: rooms.room(seed, *size), poses, size)


def forward_motion(seed: int) -> Film:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.25, 0.25, 3)
    eyes = [(x[0], -0.8, 1.6), (x[1], 2.0, 1.6), (x[2], 4.8, 1.55)]
    poses = walks.along(eyes, [(0, 6.5, 1.45), (0, 13, 1.5)], 13, seed=seed)
    return _outdoors(lambda: outdoors.alley(seed), poses, 9.0)


def full_orbit(seed: int) -> Film:
    poses = walks.orbit((0, 0, 0.75), 2.7, 0.85, 18, seed=seed)
    return _outdoors(lambda: outdoors.square(seed), poses, 8.0, -0.2)


def forward_facing(seed: int) -> Film:
    poses = walks.sheet((0, -3.1, 1.45), (0, 0.3, 1.05), (1.3, 0.6), 3, 4, seed)
    return _outdoors(lambda: outdoors.market_stall(seed), poses, 7.0, -0.6)


def two_cameras(seed: int) -> Film:
    """Every second photo by the other camera."""
    film = textured_room(seed, 12)
    other = Camera(512, 384, 620.0)
    return replace(film, cameras=tuple(other if v % 2 else Camera() for v in range(12)))


def motion_blur(seed: int) -> Film:
    film = textured_room(seed, 12)
    return replace(film, shutter=walks.shutter(film.poses, seed=seed, travel=0.012, turn=0.55))


def moving_object(seed: int) -> Film:
    size = room_size(seed)
    poses = _room_walk(seed, size, 13)
    # It crosses the view from one side to the other, always at about the same distance.
    sweep = np.linspace(-0.4, 0.4, len(poses)) * (1 if seed % 2 else -1)
    ahead = poses[:, :3, 2] + sweep[:, None] * poses[:, :3, 0]
    ahead /= np.linalg.norm(ahead[:, :2], axis=1, keepdims=True)
    offsets = (poses[:, :3, 3] + 1.9 * ahead) * (1, 1, 0)

    def things() -> Iterator[Thing]:
        yield from rooms.room(seed, *size)
        for thing in outdoors.cart(seed):
            yield replace(thing, offsets=offsets)

    return _indoors(things, poses, size)


def mirror(seed: int) -> Film:
    size = room_size(seed)
    poses = _room_walk(seed, size, 13)
    return _indoors(lambda: rooms.room(seed, *size, mirror=2.4), poses, size)


def textureless_object(seed: int) -> Film:
    poses = walks.orbit((0.1, 0, 0.45), 2.3, 0.75, 12, seed=seed, degrees=100)
    turn = np.eye(4)
    middle = poses[:, :2, 3].mean(0)
    a = np.arctan2(middle[1], middle[0]) + np.pi / 2
    turn[:2, :2] = [[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]
    return _indoors(lambda: outdoors.plain_object(seed), turn @ poses, (5.0, 5.0))


FILMS: dict[str, Callable[[int], Film]] = {
    film.__name__: film
    for film in (
        textured_room,
        blank_corridor,
        duplicated_facade,
        rotation_stretch,
        pure_rotation,
        forward_motion,
        full_orbit,
        forward_facing,
        two_cameras,
        motion_blur,
        moving_object,
        mirror,
        textureless_object,
    )
}
