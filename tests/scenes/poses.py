"""Exact scenes for the poses stage: cameras and points of ours, their matches in a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image

from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity, umeyama
from splatpose.io.colmap_database import (
    PairMatches,
    opened,
    read_graph,
    write_keypoints,
    write_pairs,
    write_photos,
)
from splatpose.scene.camera import Camera
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.scene.matches import MatchGraph
from splatpose.scene.sparse_model import SparseModel
from splatpose.stages.poses.config import PosesConfig
from splatpose.stages.poses.stage import load_poses, solve_poses

CONFIG = PosesConfig()
CAMERA = Camera("SIMPLE_RADIAL", 800, 600, np.array([700.0, 400.0, 300.0, 0.0]))


@dataclass(frozen=True)
class Scene:
    """A capture with its matches, and the truth behind it."""

    capture: Capture
    graph: MatchGraph
    cam_from_world: np.ndarray
    points: np.ndarray
    camera: Camera

    @property
    def centers(self) -> np.ndarray:
        R, t = self.cam_from_world[:, :3, :3], self.cam_from_world[:, :3, 3]
        return -np.einsum("nji,nj->ni", R, t)


def look_at(center: Sequence[float], target: Sequence[float]) -> np.ndarray:
    """cam_from_world of a level camera; the world's gravity is +y."""
    center = np.asarray(center, float)
    z = np.asarray(target, float) - center
    z /= np.linalg.norm(z)
    x = np.cross([0, 1, 0], z)
    x /= np.linalg.norm(x)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([x, np.cross(z, x), z])
    pose[:3, 3] = -pose[:3, :3] @ center
    return pose


def arc(count: int, span_deg: float = 60.0, radius: float = 4.0, height: float = 0.6) -> np.ndarray:
    """Cameras on an arc around the origin at changing heights."""
    angles = np.radians(np.linspace(-span_deg / 2, span_deg / 2, count))
    return np.stack(
        [
            look_at(
                (radius * np.sin(a), height * np.cos(2.3 * i), -radius * np.cos(a)),
                (0.2 * np.cos(i), 0.1 * np.sin(3 * i), 0),
            )
            for i, a in enumerate(angles)
        ]
    )


def cloud(count: int = 250, seed: int = 0) -> np.ndarray:
    """Points with relief around the origin."""
    return np.random.default_rng(seed).uniform(-1.2, 1.2, (count, 3))


def make_scene(
    folder: Path,
    cam_from_world: np.ndarray,
    points: np.ndarray,
    *,
    camera: Camera = CAMERA,
    cameras: Sequence[Camera] | None = None,
    noise: float = 0.3,
    outliers: float = 0.0,
    groups: Sequence[int] | None = None,
    blocked: frozenset[tuple[int, int]] = frozenset(),
    look: np.ndarray | None = None,
    strangers: int = 0,
    seed: int = 0,
) -> Scene:
    """Projects the points and matches what two photos both see.

    Args:
        camera: what all photos are said to be of.
        cameras: what each was taken with. Default: all with that.
        noise: of keypoints in pixels, standard deviation.
        outliers: share of putative matches that are wrong.
        groups: part of the world each photo shows; points alternate between parts.
        blocked: pairs without matches.
        look: of each point a number; points of one number look alike. Default: all differ.
        strangers: further photos, each of a camera of its own, on which there is nothing to see.
    """
    rng = np.random.default_rng(seed)
    part = np.zeros(len(cam_from_world), int) if groups is None else np.asarray(groups)
    part_of_point = np.arange(len(points)) % (part.max() + 1)
    keypoints, visible = [], []
    for photo, pose in enumerate(cam_from_world):
        xy, depth = project(cameras[photo] if cameras else camera, pose, points)
        xy = xy + noise * rng.standard_normal(xy.shape)
        inside = (xy > 0).all(1) & (xy < (camera.width, camera.height)).all(1) & (depth > 0)
        ids = np.flatnonzero(inside & (part_of_point == part[photo]))
        ids = rng.permutation(ids)
        visible.append(ids if look is None else look[ids])
        keypoints.append(xy[ids])
    keypoints += [np.zeros((0, 2))] * strangers
    visible += [np.zeros(0, int)] * strangers
    pairs = _pairs(keypoints, visible, camera, outliers, blocked, rng)
    capture, graph = _written(folder, keypoints, pairs, camera, strangers)
    return Scene(capture, graph, cam_from_world, points, camera)


def scene_of_pictures(folder: Path, pictures: Sequence[np.ndarray], *, outliers: float = 0.0):
    """A scene that no cameras made: where each of some things is seen in each photo, in pixels."""
    rng = np.random.default_rng(0)
    visible = [np.arange(len(xy)) for xy in pictures]
    pairs = _pairs(pictures, visible, CAMERA, outliers, frozenset(), rng)
    capture, graph = _written(folder, pictures, pairs, CAMERA)
    return Scene(capture, graph, np.zeros((0, 4, 4)), np.zeros((0, 3)), CAMERA)


def _written(
    folder: Path,
    keypoints: Sequence[np.ndarray],
    pairs: Sequence[PairMatches],
    camera: Camera,
    strangers: int = 0,
) -> tuple[Capture, MatchGraph]:
    capture = _capture(folder, len(keypoints) - strangers, camera, strangers)
    path = folder / "database.db"
    with opened(path) as database:
        write_photos(database, capture)
        write_keypoints(database, keypoints)
        write_pairs(database, pairs)
    return capture, read_graph(path, "sift")


def _capture(folder: Path, count: int, camera: Camera, strangers: int = 0) -> Capture:
    image = folder / "grey.png"
    Image.new("RGB", (camera.width, camera.height), (90, 120, 150)).save(image)
    photos = tuple(
        Photo(f"IMG_{i + 1}.png", image, camera.width, camera.height, 0, "") for i in range(count)
    )
    groups = (CameraGroup("test", camera.width, camera.height, None),)
    for number in range(1, strangers + 1):
        width, height = 300 + number, 200
        other = folder / f"grey_{number}.png"
        Image.new("RGB", (width, height), (90, 120, 150)).save(other)
        photos += (Photo(f"other_{number}.png", other, width, height, number, ""),)
        groups += (CameraGroup(f"other {number}", width, height, None),)
    return Capture(photos, groups)


def _pairs(keypoints, visible, camera: Camera, outliers: float, blocked, rng) -> list[PairMatches]:
    # Verification works with the guess of the focal length, as it would on real photos.
    guess = pycolmap.Camera.create_from_model_name(
        1, "SIMPLE_RADIAL", 1.2 * camera.width, camera.width, camera.height
    )
    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.random_seed = 0
    result = []
    for i in range(len(keypoints)):
        for j in range(i + 1, len(keypoints)):
            shared, a, b = np.intersect1d(visible[i], visible[j], return_indices=True)
            if (i, j) in blocked or len(shared) < 8:
                continue
            wrong = rng.random(len(b)) < outliers
            b[wrong] = rng.permutation(b[wrong])
            matches = np.stack([a, b], 1).astype(np.uint32)
            geometry = pycolmap.estimate_two_view_geometry(
                guess, keypoints[i], guess, keypoints[j], matches, options
            )
            result.append(PairMatches(i, j, matches.astype(np.int64), geometry))
    return result


def solve(scene: Scene, folder: Path, config: PosesConfig = CONFIG, events: list | None = None):
    """The poses stage on a scene: its result, read back, and its summary."""
    folder.mkdir(exist_ok=True)
    sink = (lambda event: None) if events is None else events.append
    summary = solve_poses(scene.capture, scene.graph, config, folder, sink, seed=0)
    return load_poses(folder), summary


def position_error(poses: SparseModel, scene: Scene) -> float:
    """RMS distance of camera centres over the trajectory's radius, in %."""
    own = poses.registered
    R, t = poses.cam_from_world[own, :3, :3], poses.cam_from_world[own, :3, 3]
    centers = -np.einsum("nji,nj->ni", R, t)
    truth = scene.centers[own]
    error = np.linalg.norm(umeyama(centers, truth).points(centers) - truth, axis=1)
    radius = np.sqrt(((truth - truth.mean(0)) ** 2).sum(1).mean())
    return float(100 * np.sqrt((error**2).mean()) / radius)


def random_similarity(size: float, seed: int = 0) -> Similarity:
    """One that is `size` away from doing nothing, in scale, radians and units."""
    rng = np.random.default_rng(seed)
    return Similarity(
        1 + size * rng.standard_normal(),
        so3_exp(size * rng.standard_normal(3)),
        size * rng.standard_normal(3),
    )
