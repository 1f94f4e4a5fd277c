"""The world frame: gravity along +y, centred on the cameras, of unit size.

Gravity follows from the habit of holding a camera level, with its x axis or, turned by 90 degrees,
with its y axis: photos whose files do not say that they are turned are as common as others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from ...geometry.centers import centers_of, rms_radius
from ...geometry.robust import cauchy_divisor
from ...geometry.similarity import Similarity
from ...scene.sparse_model import SparseModel

_ROUNDS = 20
_LEVEL = np.sin(np.radians(8.0))
_SPREAD = 0.05
_STRAIGHT = 0.95
"""Part of gravity along the optical axis from which a camera looks straight down, or up."""

_ASKED, _VOTING = 24, 200
"""Most cameras whose axes give directions to try, and most that vote on them."""
_TURNED = 0.9
"""Vote of a camera that would be turned, against one that would not."""
_STEEP = 0.1
"""Vote of a camera whose picture's down would be level, against one that would look straight on."""
_APART = 12.0
"""Degrees between two axes for the direction at right angles to both to be tried."""
_NADIR = 0.3
"""Part of gravity in the picture's plane below which a camera looks straight down or up: it has
no side to lie on."""
_POLISH = 5
_CLIMB = 0.05
"""Share of the votes that a direction loses in which all cameras lie: it decides draws alone."""
_GAIN = 1.03
"""Votes must grow so much before cameras count as turned."""
_RIVAL_ANGLE, _RIVAL = 30.0, 0.97
"""Another direction, so many degrees off, with so many of the votes leaves down open."""


@dataclass(frozen=True)
class Uprightness:
    """How the cameras are held."""

    quarter_turns: Int[np.ndarray, " V"]
    """0: upright; 1: its right is down; -1: its left is down."""
    certain: bool
    """Whether no other direction of gravity explains the cameras about as well."""


def gravity(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, " 3"]:
    """Direction of gravity in the world, from the habit of holding a camera level.

    Args:
        cam_from_world: poses of the registered photos only; some may be turned by 90 degrees.
    """
    return _gravity(_turned_back(cam_from_world, uprightness(cam_from_world).quarter_turns))


def uprightness(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Uprightness:
    """Which of the cameras are turned by 90 degrees.

    Directions of gravity are tried for which two cameras are level, and every camera votes for
    those at which its x or its y axis is level, less where its picture's down would be steep.
    Draws go to the direction in which the cameras move least. Turned cameras must win notably
    more votes than there are without them.
    """
    rotations = cam_from_world[:, :3, :3]
    chosen = np.random.default_rng(0).permutation(len(rotations))
    directions = _directions(rotations[np.sort(chosen[:_ASKED])])
    votes = _votes(rotations[np.sort(chosen[:_VOTING])], directions).max(axis=2).sum(axis=0)
    best = directions[(votes * _by_movement(cam_from_world, directions)).argmax()]
    apart = directions @ best < np.cos(np.radians(_RIVAL_ANGLE))
    certain = not (votes[apart] > _RIVAL * votes.max()).any()
    turns = np.zeros(len(rotations), np.int64)
    usual = _votes(rotations, _gravity(cam_from_world)[None])[:, 0, 0].sum()
    if _votes(rotations, best[None]).max(axis=2).sum() < _GAIN * usual:
        return Uprightness(turns, certain)
    for _ in range(_POLISH):
        turns = np.array([0, 1, -1])[_votes(rotations, best[None])[:, 0].argmax(axis=1)]
        turns[np.linalg.norm(rotations[:, :2] @ best, axis=1) < _NADIR] = 0
        best = _gravity(_turned_back(cam_from_world, turns))
    return Uprightness(turns, certain)


def _by_movement(
    cam_from_world: Float[np.ndarray, "V 4 4"], directions: Float[np.ndarray, "D 3"]
) -> Float[np.ndarray, " D"]:
    """A little less than one for directions in which the cameras move: people walk about."""
    centers = centers_of(cam_from_world)
    along = ((centers - centers.mean(0)) @ directions.T).var(axis=0)
    return 1 - _CLIMB * along / max(float(centers.var(axis=0).sum()), 1e-12)


def _directions(rotations: Float[np.ndarray, "V 3 3"]) -> Float[np.ndarray, "D 3"]:
    """Directions at right angles to two axes that may be level, and those axes themselves."""
    axes = rotations[:, :2].reshape(-1, 3)
    first, second = np.triu_indices(len(axes), 1)
    normals = np.cross(axes[first], axes[second])
    lengths = np.linalg.norm(normals, axis=1)
    apart = lengths > np.sin(np.radians(_APART))
    found = np.concatenate([normals[apart] / lengths[apart, None], axes])
    return np.concatenate([found, -found])


def _votes(
    rotations: Float[np.ndarray, "V 3 3"], directions: Float[np.ndarray, "D 3"]
) -> Float[np.ndarray, "V D 3"]:
    """What each camera says of each direction, held upright, on its right and on its left side."""
    right, down = rotations[:, 0] @ directions.T, rotations[:, 1] @ directions.T

    def vote(
        level: Float[np.ndarray, "V D"], down: Float[np.ndarray, "V D"]
    ) -> Float[np.ndarray, "V D"]:
        return (_STEEP + (1 - _STEEP) * np.maximum(down, 0)) / cauchy_divisor(level, _LEVEL)

    return np.stack(
        [vote(right, down), _TURNED * vote(down, right), _TURNED * vote(down, -right)], axis=2
    )


def _turned_back(
    cam_from_world: Float[np.ndarray, "V 4 4"], quarter_turns: Int[np.ndarray, " V"]
) -> Float[np.ndarray, "V 4 4"]:
    """The cameras as they would be held upright."""
    upright = cam_from_world.copy()
    sign = quarter_turns[quarter_turns != 0, None]
    right, down = np.moveaxis(cam_from_world[quarter_turns != 0, :2], 1, 0)
    upright[quarter_turns != 0, 0] = -sign * down
    upright[quarter_turns != 0, 1] = sign * right
    return upright


def _gravity(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, " 3"]:
    """Gravity, were every camera upright.

    A level camera's x axis is horizontal whatever it looks at, so gravity is the direction
    most at right angles to all of them. Where they are all parallel (a forward-facing capture)
    that leaves a choice, and the mean of the cameras' y axes decides. Cauchy weights keep a few
    photos taken in the other format from tilting the world. Of cameras that look along gravity more
    look down than up.
    """
    right, down, forward = np.moveaxis(cam_from_world[:, :3, :3], 1, 0)
    mean_down = _unit(down.sum(0), forward.sum(0))
    estimate = mean_down
    weight = np.ones(len(right))
    for _ in range(_ROUNDS):
        values, vectors = np.linalg.eigh((weight[:, None] * right).T @ right / weight.sum())
        if values[1] > _SPREAD * values[2]:
            estimate = vectors[:, 0]
        else:
            main = vectors[:, 2]
            estimate = _unit(mean_down - (mean_down @ main) * main, mean_down)
        weight = 1 / cauchy_divisor(right @ estimate, _LEVEL)
    ahead = forward @ estimate
    side = (down @ estimate).sum() + ahead[np.abs(ahead) > _STRAIGHT].sum()
    return -estimate if side < 0 else estimate


def world_frame(model: SparseModel) -> Similarity:
    """The similarity from the model's frame to one with gravity along +y, the camera centres'
    mean at the origin and their RMS distance from it one."""
    poses = model.cam_from_world[model.registered]
    poses = _turned_back(poses, uprightness(poses).quarter_turns)
    centers = centers_of(model.cam_from_world)[model.registered]
    y = _gravity(poses)
    x = poses[:, 0, :3].sum(0)
    x = x - (x @ y) * y
    if np.linalg.norm(x) < 1e-3 * len(poses):
        axis = np.eye(3)[np.argmin(np.abs(y))]
        x = axis - (axis @ y) * y
    x = x / np.linalg.norm(x)
    rotation = np.stack([x, y, np.cross(x, y)])
    center = centers.mean(0)
    radius = rms_radius(centers)
    scale = 1 / radius if radius > 0 else 1.0
    return Similarity(scale, rotation, -scale * rotation @ center)


def _unit(
    vector: Float[np.ndarray, " 3"], otherwise: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, " 3"]:
    """The direction of a vector, or of another one where it vanishes."""
    norm = np.linalg.norm(vector)
    return (
        vector / norm if norm > 1e-6 else otherwise / max(float(np.linalg.norm(otherwise)), 1e-12)
    )
