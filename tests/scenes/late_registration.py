"""A painted ball before a wall, and a photo of it that meets no point of the others' model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pycolmap
from PIL import Image

from scenes.depth import CAMERA, pixel_grid, ray_cast
from scenes.poses import arc
from splatpose.geometry.projection import normalized_from_pixels, project
from splatpose.io.colmap_database import (
    PairMatches,
    opened,
    read_graph,
    write_keypoints,
    write_pairs,
    write_photos,
)
from splatpose.io.sparse_model import write_sparse_model
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.scene.evidence import PhotoEvidence
from splatpose.scene.matches import MatchGraph
from splatpose.scene.sparse_model import SparseModel
from splatpose.stages.poses.snapshots import snapshot

COUNT, LEFT_OUT = 7, 2
LEFT_OUT_REASON = "its matches meet too few points of the model to place it"


@dataclass(frozen=True)
class ResectionScene:
    """A capture with its matches, the result of a poses stage, and the truth."""

    capture: Capture
    graph: MatchGraph
    poses: Path
    """The stage's folder."""
    cam_from_world: np.ndarray


@dataclass(frozen=True)
class _Points:
    """Points on the surfaces, and who sees them at which pixels."""

    world: np.ndarray
    xy: np.ndarray
    """[V, N, 2]."""
    visible: np.ndarray
    """[V, N]."""


def resection_scene(
    folder: Path,
    *,
    false: frozenset[int] = frozenset(),
    turned: frozenset[int] = frozenset(),
    neighbours: tuple[int, ...] = (0, 1, 3, 4),
    lonely: int = 160,
    noise: float = 0.3,
    registered: tuple[int, ...] = tuple(i for i in range(COUNT) if i != LEFT_OUT),
    groups: tuple[int, ...] = (0,) * COUNT,
    seed: int = 0,
) -> ResectionScene:
    """Exact cameras of the registered photos, and exact points that they see.

    Every keypoint of the photo that is left out matches one registered photo only, at a keypoint
    that no other photo shows, so that it belongs to no point.

    Args:
        false: neighbours whose matches with that photo are shuffled.
        turned: neighbours whose matches with that photo show it where it would see things turned
            by eight degrees.
        neighbours: that it has matches with.
        lonely: its matches in all.
        noise: of keypoints in pixels, standard deviation.
        registered: photos with a pose.
        groups: each photo's camera; all are alike.
    """
    rng = np.random.default_rng(seed)
    cameras = _cameras()
    tracked, alone = (_points(cameras, count, rng) for count in (900, lonely))
    partner = np.array(neighbours)[np.arange(len(alone.world)) % len(neighbours)]
    shown = [
        np.concatenate(
            [
                tracked.visible[v] & (v != LEFT_OUT),
                alone.visible[v] & alone.visible[LEFT_OUT] & ((partner == v) | (v == LEFT_OUT)),
            ]
        )
        for v in range(COUNT)
    ]
    # A point that its partner does not see is nobody's.
    several = np.sum(shown, axis=0) >= 2
    ids = [np.flatnonzero(own & several) for own in shown]
    xy = np.concatenate([tracked.xy, alone.xy], axis=1)
    keypoints = [
        xy[v, own] + noise * rng.standard_normal((len(own), 2)) for v, own in enumerate(ids)
    ]
    for other in turned:
        own = np.isin(ids[LEFT_OUT], ids[other])
        keypoints[LEFT_OUT][own] += (CAMERA.K[0, 0] * np.radians(8), 0)
    capture = _capture(folder, groups)
    with opened(folder / "database.db") as database:
        write_photos(database, capture)
        write_keypoints(database, keypoints)
        write_pairs(database, _pairs(ids, false, rng))
    graph = read_graph(folder / "database.db", "sift")
    graph = replace(graph, keypoints=tuple(keypoints))
    poses = np.full((COUNT, 4, 4), np.nan)
    poses[list(registered)] = cameras[list(registered)]
    stage = folder / "poses"
    stage.mkdir()
    model = _model(capture, poses, tracked.world, ids, keypoints)
    evidence = [
        PhotoEvidence(p.name, bool(known), "placed" if known else LEFT_OUT_REASON, 9, 1.0, noise)
        for p, known in zip(capture.photos, model.registered, strict=True)
    ]
    snapshots = (snapshot("initial", model, model), snapshot("global", model, model))
    model = replace(model, evidence=tuple(evidence), snapshots=snapshots)
    write_sparse_model(stage, model, graph.keypoints)
    return ResectionScene(capture, graph, stage, cameras)


def _points(cameras: np.ndarray, count: int, rng: np.random.Generator) -> _Points:
    """Points that photos show at random pixels; who sees them is asked of the surfaces."""
    found = []
    for pose in cameras:
        pixels = rng.uniform((5, 5), (CAMERA.width - 5, CAMERA.height - 5), (count // COUNT, 2))
        found.append(_on_surface(pose, pixels))
    world = np.concatenate(found)
    xy, visible = [], []
    for pose in cameras:
        at, z = project(CAMERA, pose, world)
        inside = (at > 2).all(1) & (at < (CAMERA.width - 2, CAMERA.height - 2)).all(1)
        inside[inside] = np.abs(ray_cast(pose, at[inside])[0] / z[inside] - 1) < 1e-6
        xy.append(at)
        visible.append(inside)
    return _Points(world, np.stack(xy), np.stack(visible))


def _on_surface(pose: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    ray = np.concatenate([normalized_from_pixels(CAMERA, pixels), np.ones((len(pixels), 1))], 1)
    return (ray * ray_cast(pose, pixels)[0][:, None] - pose[:3, 3]) @ pose[:3, :3]


@cache
def _paintings() -> tuple[np.ndarray, ...]:
    """The surfaces, painted, as each camera sees them."""
    pictures = []
    for pose in _cameras():
        world = _on_surface(pose, pixel_grid(CAMERA.height, CAMERA.width))
        paint = 0.5 + 0.2 * np.sin(world * (7, 5, 6)) + 0.15 * np.cos(world @ np.ones((3, 3)) * 4)
        paint += 0.12 * np.sin(world * (23, 19, 29))
        pixels = (255 * paint.clip(0, 1)).round().astype(np.uint8)
        pictures.append(pixels.reshape(CAMERA.height, CAMERA.width, 3))
    return tuple(pictures)


def _cameras() -> np.ndarray:
    return arc(COUNT, span_deg=50, radius=4.5)


def _capture(folder: Path, groups: tuple[int, ...]) -> Capture:
    photos = []
    for number, picture in enumerate(_paintings()):
        path = folder / f"{number}.png"
        Image.fromarray(picture).save(path)
        photos.append(Photo(path.name, path, CAMERA.width, CAMERA.height, groups[number], ""))
    group = CameraGroup("test", CAMERA.width, CAMERA.height, None)
    return Capture(tuple(photos), (group,) * (max(groups) + 1))


def _pairs(
    ids: list[np.ndarray], false: frozenset[int], rng: np.random.Generator
) -> list[PairMatches]:
    """All that two photos show are matches, taken for verified."""
    result = []
    for i in range(len(ids)):
        for j in range(i + 1, len(ids)):
            _, a, b = np.intersect1d(ids[i], ids[j], return_indices=True)
            if LEFT_OUT in (i, j) and ({i, j} - {LEFT_OUT}) <= false:
                b = rng.permutation(b)
            if len(a) < 8:
                continue
            matches = np.stack([a, b], 1)
            geometry = pycolmap.TwoViewGeometry()
            geometry.config = 2
            geometry.inlier_matches = matches.astype(np.uint32)
            result.append(PairMatches(i, j, matches.astype(np.int64), geometry))
    return result


def _model(
    capture: Capture,
    poses: np.ndarray,
    world: np.ndarray,
    ids: list[np.ndarray],
    keypoints: list[np.ndarray],
) -> SparseModel:
    """The points that two registered photos see."""
    known = np.isfinite(poses[:, 0, 0])
    rows = [
        (point, photo, keypoint)
        for photo in np.flatnonzero(known)
        for keypoint, point in enumerate(ids[photo])
        if point < len(world)
    ]
    observations = np.array(rows, np.int64)
    count = np.bincount(observations[:, 0], minlength=len(world))
    number = np.cumsum(count >= 2) - 1
    observations = observations[count[observations[:, 0]] >= 2]
    observations[:, 0] = number[observations[:, 0]]
    observations = observations[np.lexsort((observations[:, 1], observations[:, 0]))]
    points = world[count >= 2]
    bare = SparseModel.of_cameras(
        [photo.name for photo in capture.photos],
        poses,
        np.array([photo.group for photo in capture.photos]),
        [CAMERA] * len(capture.groups),
    )
    return replace(
        bare,
        points=points,
        point_colors=np.full((len(points), 3), 128, np.uint8),
        point_errors=np.zeros(len(points)),
        observations=observations,
        observation_xy=np.stack([keypoints[photo][k] for _, photo, k in observations]),
    )
