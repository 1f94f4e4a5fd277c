"""Camera paths: around the scene, along the photos, or through keyframes that somebody set."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.interpolate import CubicSpline
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation, RotationSpline

from ..errors import SplatposeError
from ..io.atomic import write_json
from ..io.regular_files import read_text

_WIDE_GAP = math.radians(120)
"""Widest angle in radians without a camera over which an orbit closes; over a wider one it turns
back."""
_SMOOTHING = 0.02
"""Standard deviation of the smoothing of the photos' path, relative to its length."""


_STEEP = 0.5
"""Part of gravity in the picture's plane below which a camera looks rather down or up."""
_QUARTERS = np.array(
    [[[c, -s, 0], [s, c, 0], [0, 0, 1]] for c, s in ((1, 0), (0, 1), (-1, 0), (0, -1))], np.float64
)
"""Rotations by 0, 90, 180 and 270 degrees about the optical axis."""


@dataclass(frozen=True)
class CameraPath:
    """F frames."""

    cam_from_world: Float[np.ndarray, "F 4 4"]
    fov: Float[np.ndarray, " F"]
    """Vertical field of view in radians."""


@dataclass(frozen=True)
class Keyframe:
    """A view that the path goes through."""

    seconds: float
    position: tuple[float, float, float]
    wxyz: tuple[float, float, float, float]
    """World-from-camera rotation, OpenCV axes."""
    fov: float
    """Vertical field of view in radians."""


def orbit(
    cam_from_world: Float[np.ndarray, "V 4 4"],
    middle: Float[np.ndarray, " 3"],
    fov: float,
    frames: int,
) -> CameraPath:
    """A turn about the vertical axis (y) through `middle`, at the cameras' distance and height.

    Where the cameras leave a wide gap, as in a forward-facing capture, it swings over the angles
    at which there are cameras, there and back, so that nothing is shown that nobody has seen.
    """
    offsets = _centers(cam_from_world) - middle
    radius = max(float(np.median(np.hypot(offsets[:, 0], offsets[:, 2]))), 1e-3)
    height = float(np.median(offsets[:, 1]))
    t = np.arange(frames) / max(frames, 1)
    start, width = _covered(np.arctan2(offsets[:, 0], offsets[:, 2]))
    closed = 2 * np.pi - width < _WIDE_GAP
    angles = start + (2 * np.pi * t if closed else width * (0.5 - 0.5 * np.cos(2 * np.pi * t)))
    ring = [radius * np.sin(angles), np.full(frames, height), radius * np.cos(angles)]
    positions = middle + np.stack(ring, axis=1)
    poses = np.stack([look_at(position, middle) for position in positions])
    return CameraPath(poses, np.full(frames, fov))


def along(cam_from_world: Float[np.ndarray, "V 4 4"], fov: float, frames: int) -> CameraPath:
    """From photo to photo in their order, smoothly, at even speed; none lies on its side."""
    turned = cam_from_world.copy()
    turned[:, :3] = _QUARTERS[quarters_to_upright(cam_from_world)] @ cam_from_world[:, :3]
    cam_from_world = turned
    centers = _centers(cam_from_world)
    lengths = np.linalg.norm(np.diff(centers, axis=0), axis=1)
    turns = _rotations(cam_from_world)
    apart = np.maximum(lengths, 1e-3 * max(float(lengths.sum()), 1e-9))
    times = np.concatenate([[0.0], np.cumsum(apart)])
    keys = [
        Keyframe(float(t), _three(center), _four(turn.as_quat(scalar_first=True)), fov)
        for t, center, turn in zip(times, centers, turns, strict=True)
    ]
    path = through(keys, frames)
    inverse = np.linalg.inv(path.cam_from_world)
    width = _SMOOTHING * frames
    inverse[:, :3, 3] = gaussian_filter1d(inverse[:, :3, 3], width, axis=0, mode="nearest")
    axes = gaussian_filter1d(inverse[:, :3, :3], width, axis=0, mode="nearest")
    left, _, right = np.linalg.svd(axes)
    inverse[:, :3, :3] = left @ right
    return CameraPath(np.linalg.inv(inverse), path.fov)


def quarters_to_upright(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Int[np.ndarray, " V"]:
    """Quarters by which cameras must turn about their optical axis for gravity (+y) to be down.

    Those that look almost straight down or up stay as they are.
    """
    across, down = cam_from_world[:, 0, 1], cam_from_world[:, 1, 1]
    quarters = np.round(np.arctan2(across, down) / (np.pi / 2)).astype(np.int64) % 4
    return np.where(np.hypot(across, down) < _STEEP, 0, quarters)


def through(keyframes: Sequence[Keyframe], frames: int) -> CameraPath:
    """Smoothly through keyframes: cubic splines of position, rotation and field of view.

    Raises:
        SplatposeError: there are none, or their times do not ascend.
    """
    if not keyframes:
        raise SplatposeError("There is no keyframe.", "Set at least one.")
    seconds = np.array([key.seconds for key in keyframes])
    if (np.diff(seconds) <= 0).any():
        raise SplatposeError("The keyframes' times do not ascend.", "Sort them by `seconds`.")
    positions = np.array([key.position for key in keyframes])
    rotations = Rotation.from_quat(np.array([key.wxyz for key in keyframes]), scalar_first=True)
    fovs = np.array([key.fov for key in keyframes])
    at = np.linspace(seconds[0], seconds[-1], frames)
    if len(keyframes) > 1:
        rotations = RotationSpline(seconds, rotations)(at)
        positions = _spline(seconds, positions)(at)
        fovs = np.clip(_spline(seconds, fovs)(at), fovs.min(), fovs.max())
        turned = rotations.as_matrix()
    else:
        turned = np.repeat(rotations.as_matrix(), frames, axis=0)
        positions, fovs = np.repeat(positions, frames, axis=0), np.repeat(fovs, frames)
    world_from_cam = np.tile(np.eye(4), (frames, 1, 1))
    world_from_cam[:, :3, :3], world_from_cam[:, :3, 3] = turned, positions
    return CameraPath(np.linalg.inv(world_from_cam), fovs)


def write_keyframes(path: Path, keyframes: Sequence[Keyframe]) -> None:
    """Writes keyframes for `read_keyframes`."""
    write_json(path, {"keyframes": [asdict(key) for key in keyframes]})


def read_keyframes(path: Path) -> list[Keyframe]:
    """Reads {"keyframes": [{"seconds", "position", "wxyz", "fov"}]}; fov in radians.

    Raises:
        SplatposeError: the file is missing or something else.
    """
    try:
        rows: list[dict[str, Any]] = json.loads(read_text(path))["keyframes"]
        return [_keyframe(row) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SplatposeError(
            f"{path} holds no keyframes: {error}.",
            "Give a keyframes.json that the viewer saved, or orbit, or trajectory.",
        ) from error


def _keyframe(row: dict[str, Any]) -> Keyframe:
    seconds, fov = float(row["seconds"]), float(row["fov"])
    position, wxyz = _three(row["position"]), _four(row["wxyz"])
    if not all(map(math.isfinite, (seconds, fov, *position, *wxyz))):
        raise ValueError("a number is not finite")
    if not any(wxyz):
        raise ValueError("a rotation is all zeros")
    if not 0 < fov < math.pi:
        raise ValueError(f"a field of view must lie between 0 and pi, not {fov:g}")
    return Keyframe(seconds, position, wxyz, fov)


def look_at(
    position: Float[np.ndarray, " 3"], target: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "4 4"]:
    """cam_from_world of a level camera (gravity along +y) that looks from one point to another."""
    forward = target - position
    forward = forward / max(float(np.linalg.norm(forward)), 1e-12)
    right = np.cross([0.0, 1.0, 0.0], forward)
    if np.linalg.norm(right) < 1e-6:  # straight down or up
        right = np.array([1.0, 0.0, 0.0])
    right = right / np.linalg.norm(right)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([right, np.cross(forward, right), forward])
    pose[:3, 3] = -pose[:3, :3] @ position
    return pose


def _covered(angles: Float[np.ndarray, " V"]) -> tuple[float, float]:
    """Where the arc begins that holds all angles, and its width: all but the widest gap."""
    ordered = np.sort(angles)
    gaps = np.diff(ordered, append=ordered[0] + 2 * np.pi)
    widest = int(np.argmax(gaps))
    return float(ordered[(widest + 1) % len(ordered)]), float(2 * np.pi - gaps[widest])


def _spline(seconds: np.ndarray, values: np.ndarray) -> CubicSpline:
    return CubicSpline(seconds, values, bc_type="natural")


def _centers(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Float[np.ndarray, "V 3"]:
    return np.linalg.inv(cam_from_world)[:, :3, 3]


def _rotations(cam_from_world: Float[np.ndarray, "V 4 4"]) -> Rotation:
    return Rotation.from_matrix(np.linalg.inv(cam_from_world)[:, :3, :3])


def _three(values: Any) -> tuple[float, float, float]:
    x, y, z = (float(value) for value in values)
    return x, y, z


def _four(values: Any) -> tuple[float, float, float, float]:
    w, x, y, z = (float(value) for value in values)
    return w, x, y, z
