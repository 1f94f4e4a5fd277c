"""Exact cameras of rendered photos: paths, and the transforms.json that keeps the truth.

Written on its own and not with splatpose's writer, so that the truth does not share its mistakes.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


def look_at(eye: np.ndarray, target: np.ndarray, *, roll: float = 0.0) -> np.ndarray:
    """world_from_camera [4, 4] with OpenCV axes for a world with z up; `roll` in degrees."""
    forward = (target - eye) / np.linalg.norm(target - eye)
    right = np.cross(forward, (0, 0, 1))
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    a = np.radians(roll)
    pose = np.eye(4)
    pose[:3, 0] = np.cos(a) * right + np.sin(a) * down
    pose[:3, 1] = -np.sin(a) * right + np.cos(a) * down
    pose[:3, 2], pose[:3, 3] = forward, eye
    return pose


def handheld_arc(
    count: int, *, degrees: float, radius: float, height: float, target: np.ndarray, seed: int
) -> np.ndarray:
    """world_from_camera [count, 4, 4] of someone who walks round `target` and keeps it in view.

    Distance and height wander by about a tenth of the radius; the aim and the roll shake.
    """
    rng = np.random.default_rng(seed)
    poses = []
    for t in np.linspace(0, 1, count):
        azimuth = np.radians((t - 0.5) * degrees + rng.normal() * 0.8)
        away = radius * (1 + 0.09 * np.sin(5.1 * t + 0.6) + rng.normal() * 0.012)
        offset = (
            away * np.sin(azimuth),
            -away * np.cos(azimuth),
            height + 0.10 * radius * np.sin(7.3 * t + 1.2) + rng.normal() * 0.01,
        )
        eye = target + np.array(offset)
        aim = target + rng.normal(size=3) * (0.035, 0.035, 0.025)
        poses.append(look_at(eye, aim, roll=rng.normal() * 1.6))
    return np.stack(poses)


def write_transforms(
    path: Path,
    names: list[str],
    world_from_camera: np.ndarray,
    *,
    focal: float,
    width: int,
    height: int,
) -> None:
    """Writes true cameras in nerfstudio's form (OpenGL camera axes, one pinhole camera)."""
    frames = []
    for name, pose in zip(names, world_from_camera, strict=True):
        opengl = pose * np.array([1, -1, -1, 1])
        frames.append({"file_path": name, "transform_matrix": np.round(opengl, 9).tolist()})
    value = {
        "camera_model": "PINHOLE",
        "w": width,
        "h": height,
        "fl_x": focal,
        "fl_y": focal,
        "cx": width / 2,
        "cy": height / 2,
        "frames": frames,
    }
    path.write_text(json.dumps(value, indent=1) + "\n")
