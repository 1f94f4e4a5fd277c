"""A small finished run made in code: six photos of two cameras, one without a pose."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from splatpose.io.colmap import write_model
from splatpose.scene.camera import Camera
from splatpose.scene.capture import CameraGroup, Capture, Photo, SkippedFile
from splatpose.scene.depth_maps import DepthAlignment
from splatpose.scene.evidence import HypothesisEvidence, PhotoEvidence
from splatpose.scene.matches import MatchGraph
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.splats import HeldOutScore, OffPath, Splats, TrainedSplats
from splatpose.scene.verdicts import Verdicts
from splatpose.scene.views import Views
from splatpose.stages.outputs.stage import write_outputs

COUNT = 6
MISSING = 2
"""Number of the photo without a pose."""
HELD_OUT = 4
NAN = float("nan")


@dataclass(frozen=True)
class Scene:
    out: Path
    capture: Capture
    graph: MatchGraph
    poses: SparseModel
    views: Views
    trained: TrainedSplats

    def write(
        self,
        events: list[Any] | None = None,
        *,
        depth: DepthAlignment | None = None,
        verdicts: Verdicts | None = None,
        **extras: Any,
    ) -> str:
        return write_outputs(
            self.out,
            self.capture,
            self.graph,
            self.poses,
            self.views,
            self.trained,
            depth=depth,
            verdicts=verdicts,
            report_extras={"seed": 3, **extras},
            emit=(events if events is not None else []).append,
        )


def stored_turned(scene: Scene, orientations: dict[int, int]) -> Scene:
    """The same scene with photos whose files store their pixels in another EXIF orientation."""
    photos = tuple(
        dataclasses.replace(photo, orientation=orientations.get(number, 1))
        for number, photo in enumerate(scene.capture.photos)
    )
    return dataclasses.replace(scene, capture=dataclasses.replace(scene.capture, photos=photos))


def taken_at(scene: Scene, seconds: dict[int, float]) -> Scene:
    """The same scene with EXIF times of some photos."""
    photos = tuple(
        dataclasses.replace(photo, exif_seconds=seconds.get(number))
        for number, photo in enumerate(scene.capture.photos)
    )
    return dataclasses.replace(scene, capture=dataclasses.replace(scene.capture, photos=photos))


def make_scene(root: Path) -> Scene:
    """Photos under `root / "my photös"`, the run in `root / "run"`; nothing is written to it."""
    folder = root / "my photös"
    folder.mkdir()
    out = root / "run"
    out.mkdir()
    names = [f"{'sub/' if i == 1 else ''}photo_{i}.jpg" for i in range(COUNT)]
    photos = tuple(
        Photo(name, folder / name, 64, 48, int(i >= 3), f"{i:064x}") for i, name in enumerate(names)
    )
    groups = (CameraGroup("phone", 64, 48, 55.0), CameraGroup("64x48", 64, 48, None))
    capture = Capture(photos, groups, (SkippedFile("note.jpg", "it is text"),))
    return Scene(out, capture, _graph(root), *_solved(root, names))


def _graph(root: Path) -> MatchGraph:
    return MatchGraph(
        database=root / "database.db",
        matcher="sift",
        keypoints=tuple(np.zeros((9, 2)) for _ in range(COUNT)),
        pairs=np.array([[0, 1], [1, 3], [2, 3]]),
        num_putative=np.array([8, 7, 3]),
        offsets=np.array([0, 6, 11, 11]),
        matches=np.zeros((11, 2), np.int64),
        configuration=np.array([2, 2, 0]),
        ways=("nearest neighbours", "network, all keypoints, sift beside", "nearest neighbours"),
    )


def _solved(root: Path, names: list[str]) -> tuple[SparseModel, Views, TrainedSplats]:
    model_dir = root / "model"
    registered = np.arange(COUNT) != MISSING
    rng = np.random.default_rng(0)
    poses = np.full((COUNT, 4, 4), NAN)
    poses[registered] = np.eye(4)
    poses[registered, :3, 3] = rng.normal(size=(COUNT - 1, 3))
    evidence = tuple(
        PhotoEvidence(name, bool(ok), "fine" if ok else "too few matches", 11, 0.9, 0.5)
        if ok
        else PhotoEvidence(name, False, "too few matches", 0, NAN, NAN)
        for name, ok in zip(names, registered, strict=True)
    )
    points = rng.normal(size=(12, 3))
    colors = rng.integers(0, 256, (12, 3)).astype(np.uint8)
    solved = SparseModel(
        names=tuple(names),
        registered=registered,
        cam_from_world=poses,
        camera_index=(np.arange(COUNT) >= 3).astype(np.int64),
        cameras=(
            Camera("SIMPLE_RADIAL", 64, 48, np.array([60.0, 32, 24, 0.05])),
            Camera("PINHOLE", 64, 48, np.array([80.0, 81, 31, 25])),
        ),
        points=points,
        point_colors=colors,
        point_errors=np.full(12, 0.4),
        observations=np.array([[0, 0, 1], [0, 1, 2], [1, 0, 3]]),
        observation_xy=np.zeros((3, 2)),
        model_dir=model_dir,
        evidence=evidence,
        hypotheses=(
            HypothesisEvidence("incremental", 5, 12, 0.9, 0.5, 0.9, 1.5, True, "best"),
            HypothesisEvidence("global", 0, 0, 0.0, NAN, NAN, 0.5, False, "found no model"),
        ),
    )
    _write_model(solved)
    kept = np.flatnonzero(registered)
    views = Views(
        names=tuple(names[i] for i in kept),
        images=tuple(np.zeros((48, 64, 3), np.uint8) for _ in kept),
        masks=tuple(None for _ in kept),
        Ks=np.tile(np.diag([60.0, 60, 1]), (len(kept), 1, 1)),
        cam_from_world=poses[kept],
        held_out=kept == HELD_OUT,
        points=points,
        point_colors=colors,
    )
    return solved, views, _trained(root, names)


def _write_model(poses: SparseModel) -> None:
    """The cameras, and points of which each is seen by the first two."""
    model = SparseModel.of_cameras(
        poses.names, poses.cam_from_world, poses.camera_index, poses.cameras
    )
    count = len(poses.points)
    tracks = np.repeat(np.arange(count), 2)
    model = dataclasses.replace(
        model,
        points=poses.points,
        point_colors=poses.point_colors,
        point_errors=poses.point_errors,
        observations=np.stack([tracks, np.tile([0, 1], count), tracks], 1),
        observation_xy=np.zeros((2 * count, 2)),
    )
    write_model(model, poses.model_dir)


def _trained(root: Path, names: list[str]) -> TrainedSplats:
    previews = root / "previews-of-training"
    previews.mkdir()
    (previews / "photo_4.png").write_bytes(b"preview")
    g = torch.Generator().manual_seed(0)
    splats = Splats(
        means=torch.randn(20, 3, generator=g),
        quats=torch.randn(20, 4, generator=g),
        log_scales=torch.randn(20, 3, generator=g) - 3,
        logit_opacities=torch.randn(20, generator=g),
        sh=torch.randn(20, 4, 3, generator=g),
    )
    return TrainedSplats(
        splats=splats,
        held_out=(HeldOutScore(names[HELD_OUT], 28.5, 0.9, 29.4),),
        final_pass_on_all=True,
        backend="cpu",
        steps=100,
        curve=((0, 0.0, 0.5, 12), (100, 3.5, 0.1, 20)),
        previews_dir=previews,
        off_path=OffPath(1.31, 3, 21.5, 27.5, 24),
    )
