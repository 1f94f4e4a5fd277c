"""Matches against true cameras."""

from __future__ import annotations

import json

import numpy as np

from scenes import DEMO


def epipolar_distances(
    K: tuple[np.ndarray, np.ndarray],
    world_from_camera: tuple[np.ndarray, np.ndarray],
    xy1: np.ndarray,
    xy2: np.ndarray,
) -> np.ndarray:
    """Distances [M] in pixels of points [M, 2] in the second photo to the lines of those in the
    first. Cameras have OpenCV axes; pixel centres are what the two K say."""
    relative = np.linalg.inv(world_from_camera[1]) @ world_from_camera[0]
    R, t = relative[:3, :3], relative[:3, 3]
    cross = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    F = np.linalg.inv(K[1]).T @ cross @ R @ np.linalg.inv(K[0])
    lines = np.c_[xy1, np.ones(len(xy1))] @ F.T
    return np.abs((np.c_[xy2, np.ones(len(xy2))] * lines).sum(1)) / np.hypot(*lines[:, :2].T)


def demo_camera(number: int) -> tuple[np.ndarray, np.ndarray]:
    """K [3, 3] and world_from_camera [4, 4] of a demo photo, counted from 0."""
    truth = json.loads((DEMO / "transforms.json").read_text())
    K = np.array([[truth["fl_x"], 0, truth["cx"]], [0, truth["fl_y"], truth["cy"]], [0, 0, 1]])
    opengl = np.array(truth["frames"][number]["transform_matrix"])
    return K, opengl * np.array([1, -1, -1, 1])
