"""Textured photos with known geometry, for tests of features and matches."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from splatpose.features.matcher import Features
from splatpose.scene.capture import CameraGroup, Capture, Photo


def texture(width: int, height: int, seed: int = 0) -> np.ndarray:
    """An RGB picture [H, W, 3] of uint8 with detail at every scale."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for cell in (4, 8, 16, 32, 64):
        size = (height // cell + 2, width // cell + 2, 3)
        noise = rng.normal(size=size).astype(np.float32)
        big = cv2.resize(noise, None, fx=cell, fy=cell, interpolation=cv2.INTER_CUBIC)
        total += big[:height, :width] * cell**0.5
    total = (total - total.mean()) / total.std()
    return np.clip(128 + 45 * total, 0, 255).astype(np.uint8)


def warp(photo: np.ndarray, homography: np.ndarray, width: int, height: int) -> np.ndarray:
    """The photo seen through a homography between pixels with centres at half numbers."""
    # OpenCV's pixel centres are whole numbers.
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    matrix = np.linalg.inv(half) @ homography @ half
    return cv2.warpPerspective(
        photo, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101
    )


def transform(homography: np.ndarray, xy: np.ndarray) -> np.ndarray:
    """Points [N, 2] through a homography."""
    mapped = np.c_[xy, np.ones(len(xy))] @ homography.T
    return mapped[:, :2] / mapped[:, 2:]


def make_capture(folder: Path, photos: list[np.ndarray], focal: float | None = None) -> Capture:
    """Writes the photos as PNG files of one camera."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for index, photo in enumerate(photos):
        path = folder / f"{index:03d}.png"
        cv2.imwrite(str(path), photo[..., ::-1])
        height, width = photo.shape[:2]
        entries.append(Photo(path.name, path, width, height, 0, f"{index:064x}"))
    height, width = photos[0].shape[:2]
    return Capture(tuple(entries), (CameraGroup("test", width, height, focal),))


def wall_photos(count: int, size: tuple[int, int] = (320, 240)) -> list[np.ndarray]:
    """Overlapping crops of one picture, each a little turned: neighbours share most of it."""
    width, height = size
    wall = texture(width + 40 * count, height + 80, seed=3)
    photos = []
    for index in range(count):
        photos.append(warp(wall, _view(index, count, size), width, height))
    return photos


def wall_homography(
    first: int, second: int, count: int, size: tuple[int, int] = (320, 240)
) -> np.ndarray:
    """From pixels of one of `wall_photos` to those of another."""
    return _view(second, count, size) @ np.linalg.inv(_view(first, count, size))


def _view(index: int, count: int, size: tuple[int, int]) -> np.ndarray:
    """From pixels of the wall to those of a photo."""
    width, height = size
    angle = np.radians(3 * (index - count / 2))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    centre = np.array([width / 2 + 40 * index, height / 2 + 40])
    shift = np.array([width / 2, height / 2]) - turn @ centre
    return np.vstack([np.c_[turn, shift], [0, 0, 1]])


def bias_between_scales(large: Features, small: Features, matches: np.ndarray) -> np.ndarray:
    """How far [2] matches in a photo of half the size are off, in the large photo's pixels."""
    off = large.keypoints[matches[:, 0]] - 2 * small.keypoints[matches[:, 1]]
    return np.median(off[np.linalg.norm(off, axis=1) < 3], axis=0)
