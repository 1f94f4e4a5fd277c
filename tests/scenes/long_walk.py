"""A made walk of many photos with loops, solved and trained by nobody: what outputs are made of.

The path is gone round more than twice, so that photos share points with those before and after them
and with those a round earlier. Every kind of verdict occurs, with reasons of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from scenes.outputs import NAN, Scene
from splatpose.io.colmap import write_model
from splatpose.scene.camera import Camera
from splatpose.scene.capture import CameraGroup, Capture, Photo, SkippedFile
from splatpose.scene.evidence import HypothesisEvidence, PhotoEvidence
from splatpose.scene.matches import MatchGraph
from splatpose.scene.sparse_model import PoseSnapshot, SparseModel
from splatpose.scene.splats import HeldOutScore, Splats, TrainedSplats
from splatpose.scene.verdicts import Level, PhotoTrust, PhotoVerdict, Verdicts
from splatpose.scene.views import Views
from splatpose.splatting.quality import preview_names

SIZE = (640, 360)
_AHEAD = 5
"""Photos after the first one that may see a point of it, in each round."""
_CAMERAS = 3
_WAYS = ("nearest neighbours", "network, all keypoints", "nearest neighbours, sift beside")


@dataclass(frozen=True)
class Walk:
    """A finished run but for its outputs."""

    scene: Scene
    verdicts: Verdicts


def short_name(number: int) -> str:
    """As a phone names its photos."""
    return f"IMG_{number:04}.jpg"


def long_name(number: int) -> str:
    """As photos are called that went through many hands, with folders."""
    folder = f"2026-08-14 walk through the old town with loops and revisits/part {number // 100}"
    return f"{folder}/a copy of {'a copy of ' * 8}DSC_{number:05} (edited, final, really).jpeg"


def make_walk(
    root: Path,
    count: int = 1000,
    *,
    tracks: int = 100_000,
    gaussians: int = 200_000,
    name: Callable[[int], str] = short_name,
    skipped: int = 40,
    pictures: bool = False,
    model: bool = False,
) -> Walk:
    """The walk under `root`.

    Args:
        count: photos, at least 20.
        tracks: points that several photos see.
        gaussians: Gaussians of the splat.
        name: of each photo, from its number.
        skipped: files that are no photos.
        pictures: write every photo as a JPEG of its own, and held-out previews; else one small
            picture stands for all.
        model: write the COLMAP model beside, which the outputs stage copies.
    """
    rng = np.random.default_rng(0)
    names = tuple(name(i) for i in range(count))
    poses, keypoints = _solved(rng, names, tracks)
    graph = _graph(root, rng, poses, keypoints)
    verdicts = _verdicts(rng, poses)
    folder = root / "photos"
    images = _pictures(rng, count) if pictures else [_small(_pictures(rng, 1)[0])]
    photos = tuple(
        Photo(n, folder / n, *SIZE, i % _CAMERAS, f"{i:064x}") for i, n in enumerate(names)
    )
    groups = tuple(CameraGroup(f"phone {i}", *SIZE, 500.0 + i) for i in range(_CAMERAS))
    files = tuple(SkippedFile(f"other/{name(i)}", "it is text") for i in range(skipped))
    capture = Capture(photos, groups, files)
    kept = np.flatnonzero(poses.registered)
    held_out = kept % 8 == 4
    previews = root / "previews-of-training"
    previews.mkdir()
    if pictures:
        for photo, image in zip(photos, images, strict=True):
            photo.path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(photo.path), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
        measured = kept[held_out].tolist()
        files = preview_names(tuple(names[number] for number in measured))
        for number, file in zip(measured, files, strict=True):
            pair = np.hstack([images[number], images[number]])
            cv2.imwrite(str(previews / file), pair[..., ::-1])
    views = Views(
        names=tuple(names[i] for i in kept),
        images=tuple(images[i % len(images)] for i in kept),
        masks=(None,) * len(kept),
        Ks=np.tile(poses.cameras[0].K, (len(kept), 1, 1)),
        cam_from_world=poses.cam_from_world[kept],
        held_out=held_out,
        points=poses.points,
        point_colors=poses.point_colors,
    )
    scores = tuple(HeldOutScore(names[i], 18 + i % 13, 0.7) for i in kept[held_out].tolist())
    trained = _trained(rng, scores, gaussians, poses, previews)
    if model:
        write_model(poses, root / "model", keypoints)
        poses = dataclasses.replace(poses, model_dir=root / "model")
    out = root / "run"
    out.mkdir()
    return Walk(Scene(out, capture, graph, poses, views, trained), verdicts)


def _path(count: int) -> np.ndarray:
    """cam_from_world [V, 4, 4]: a figure of eight, gone round two and a half times."""
    t = np.linspace(0, 5 * np.pi, count)
    centers = np.stack([np.sin(t), 0.02 * np.sin(9 * t), 0.6 * np.sin(2 * t)], 1)
    centers *= 1 / np.sqrt((centers**2).sum(1).mean())
    ahead = np.gradient(centers, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    right = np.cross([0, 1, 0], ahead)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    rotations = np.stack([right, np.cross(ahead, right), ahead], 1)
    poses = np.tile(np.eye(4), (count, 1, 1))
    poses[:, :3, :3] = rotations
    poses[:, :3, 3] = -np.einsum("vij,vj->vi", rotations, centers)
    return poses


def _solved(
    rng: np.random.Generator, names: tuple[str, ...], tracks: int
) -> tuple[SparseModel, tuple[np.ndarray, ...]]:
    """The model, and the keypoints of every photo: its observations and a few more."""
    count, (width, height) = len(names), SIZE
    every = _path(count)
    registered = rng.random(count) > 0.04
    camera = Camera("SIMPLE_RADIAL", width, height, np.array([500.0, width / 2, height / 2, 0.0]))
    first = rng.integers(0, count, tracks)
    pixel = rng.uniform((0, 0), SIZE, (tracks, 2))
    depth = rng.uniform(0.15, 1.2, tracks)
    rays = np.c_[(pixel - [width / 2, height / 2]) / 500, np.ones(tracks)] * depth[:, None]
    inverse = np.linalg.inv(every)
    points = np.einsum("nij,nj->ni", inverse[first, :3, :3], rays) + inverse[first, :3, 3]
    again = round(2 / 5 * (count - 1))  # photos of one round
    offsets = np.r_[0 : _AHEAD + 1, again : again + _AHEAD + 1]
    seen = first[:, None] + offsets
    photo = np.minimum(seen, count - 1)
    local = np.einsum("nkij,nj->nki", every[photo, :3, :3], points) + every[photo, :3, 3]
    xy = 500 * local[..., :2] / np.maximum(local[..., 2:], 1e-6) + [width / 2, height / 2]
    inside = ((xy >= 0) & (xy < SIZE)).all(2) & (local[..., 2] > 0.02) & (seen < count)
    inside &= registered[photo] & (rng.random(inside.shape) < 0.8)
    inside &= (inside.sum(1) > 1)[:, None]
    used, at = np.flatnonzero(inside.any(1)), inside.nonzero()
    row = np.zeros(tracks, np.int64)
    row[used] = np.arange(len(used))
    photos, xy = photo[at], xy[at] + rng.normal(0, 0.6, (len(at[0]), 2))
    keypoint = np.zeros(len(photos), np.int64)
    keypoints = []
    for number in range(count):
        own = np.flatnonzero(photos == number)
        keypoint[own] = np.arange(len(own))
        keypoints.append(np.concatenate([xy[own], rng.uniform((0, 0), SIZE, (20, 2))]))
    poses = np.where(registered[:, None, None], every, NAN)
    evidence = tuple(
        PhotoEvidence(n, True, "placed by mapping", 800 + i, 0.8 + i % 19 / 100, 0.4 + i % 7 / 10)
        if ok
        else PhotoEvidence(n, False, f"too few matches: {i % 23}", i % 23, NAN, NAN)
        for i, (n, ok) in enumerate(zip(names, registered.tolist(), strict=True))
    )
    snapshots = tuple(
        PoseSnapshot(stage, _disturbed(rng, poses, by), points[used][::20])
        for stage, by in (("initial", 0.01), ("global", 0.003), ("joint", 0.0))
    )
    model = SparseModel(
        names=names,
        registered=registered,
        cam_from_world=poses,
        camera_index=np.arange(count) % _CAMERAS,
        cameras=(camera,) * _CAMERAS,
        points=points[used],
        point_colors=rng.integers(0, 256, (len(used), 3)).astype(np.uint8),
        point_errors=rng.uniform(0.2, 1.5, len(used)),
        observations=np.stack([row[at[0]], photos, keypoint], 1),
        observation_xy=xy,
        evidence=evidence,
        hypotheses=(
            HypothesisEvidence("global", 960, 10, 0.9, 0.5, 0.8, 90.0, True, "explains most"),
            HypothesisEvidence("incremental", 950, 10, 0.8, 0.6, 0.8, 900.0, False, "less"),
        ),
        snapshots=snapshots,
    )
    return model, tuple(keypoints)


def _disturbed(rng: np.random.Generator, poses: np.ndarray, by: float) -> np.ndarray:
    moved = poses.copy()
    moved[:, :3, 3] += by * rng.normal(size=(len(poses), 3))
    return moved


def _graph(
    root: Path, rng: np.random.Generator, poses: SparseModel, keypoints: tuple[np.ndarray, ...]
) -> MatchGraph:
    """Photos that see a point are matched by it; some pairs share a few chance matches only."""
    count = len(poses.names)
    o = poses.observations
    matches = []
    for step in range(1, 2 * _AHEAD + 2):  # pairs of observations of one track
        same = np.flatnonzero(o[step:, 0] == o[:-step, 0])
        matches.append(np.c_[o[same][:, 1:], o[same + step][:, 1:]][:, [0, 2, 1, 3]])
    chance = rng.integers(0, count, (2 * count, 2))
    chance = np.sort(chance[chance[:, 0] != chance[:, 1]], axis=1)
    for _ in range(4):
        matches.append(np.c_[chance, rng.integers(0, 20, (len(chance), 2))])
    rows = np.concatenate(matches)
    rows = rows[np.argsort(rows[:, 0] * count + rows[:, 1], kind="stable")]
    pairs, sizes = np.unique(rows[:, :2], axis=0, return_counts=True)
    return MatchGraph(
        database=root / "database.db",
        matcher="auto",
        keypoints=keypoints,
        pairs=pairs,
        num_putative=2 * sizes,
        offsets=np.r_[0, np.cumsum(sizes)],
        matches=rows[:, 2:],
        configuration=np.full(len(pairs), 2),
        ways=tuple(_WAYS[i % 3] for i in range(len(pairs))),
    )


def _verdicts(rng: np.random.Generator, poses: SparseModel) -> Verdicts:
    chances = rng.random(len(poses.names))
    photos = []
    for i, (name, ok) in enumerate(zip(poses.names, poses.registered.tolist(), strict=True)):
        level: Level = "trusted" if chances[i] < 0.85 else "weak" if ok else "refused"
        reason, advice = f"{i % 17 + 4} neighbours and both halves of the matches agree", None
        if not ok:
            level, reason = "refused", f"only {i % 23} matches with {i % 5} photos agree"
        elif level == "weak":
            reason = f"{i % 40 + 20} % of its matches are against it; half models differ"
            advice = f"Take 2 photos between {poses.names[i - 1]} and {name}."
        measured = {
            field.name: float(rng.random())
            for field in dataclasses.fields(PhotoTrust)
            if field.type == "float" and ok
        }
        trust = PhotoTrust(800 + i, i % 17 + 4, **measured, folds_agreeing=2, ties=3)
        photos.append(PhotoVerdict(name, level, reason, advice, trust))
    advice = tuple(photo.advice for photo in photos if photo.advice)[:5]
    return Verdicts(tuple(photos), advice, ("two halves of the matches agree",))


def _pictures(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Photos [H, W, 3]: windows of a large picture with detail at every scale, drawn with edges."""
    width, height = SIZE
    big = np.zeros((2 * height, 4 * width, 3), np.float32)
    for cells in (3, 9, 27, 81, 243):
        size = (4 * cells, max(2, round(cells * 2 * height / width)), 3)
        noise = rng.normal(size=size).astype(np.float32).transpose(1, 0, 2)
        big += cv2.resize(noise, big.shape[1::-1], interpolation=cv2.INTER_LINEAR) / cells**0.5
    for _ in range(400):
        corner, size = rng.integers(0, (4 * width, 2 * height)), rng.integers(8, 120, 2)
        color = rng.normal(size=3) * 0.6
        cv2.rectangle(big, corner.tolist(), (corner + size).tolist(), color.tolist(), -1)
    big = np.clip(120 + 55 * big + rng.normal(0, 4, big.shape), 0, 255).astype(np.uint8)
    places = rng.integers(0, (3 * width, height), (count, 2)).tolist()
    return [big[y : y + height, x : x + width].copy() for x, y in places]


def _small(picture: np.ndarray) -> np.ndarray:
    return cv2.resize(picture, (SIZE[0] // 4, SIZE[1] // 4), interpolation=cv2.INTER_AREA)


def _trained(
    rng: np.random.Generator,
    scores: tuple[HeldOutScore, ...],
    gaussians: int,
    poses: SparseModel,
    previews: Path,
) -> TrainedSplats:
    chosen = rng.integers(0, len(poses.points), gaussians)
    means = poses.points[chosen] + rng.normal(0, 0.02, (gaussians, 3))
    colors = (poses.point_colors[chosen] / 255 - 0.5) / 0.2820948
    splats = Splats(
        means=torch.tensor(means, dtype=torch.float32),
        quats=torch.tensor(rng.normal(size=(gaussians, 4)), dtype=torch.float32),
        log_scales=torch.tensor(rng.normal(-4.5, 0.5, (gaussians, 3)), dtype=torch.float32),
        logit_opacities=torch.tensor(rng.normal(1, 1, gaussians), dtype=torch.float32),
        sh=torch.tensor(colors[:, None], dtype=torch.float32),
    )
    curve = tuple((s, s / 9, 0.3 / (1 + s / 900), 1000 + 20 * s) for s in range(0, 7001, 100))
    return TrainedSplats(splats, scores, True, "cpu", 7000, curve, previews)
