"""A run made in code, with a real training: python -m scenes.viewer_run OUT STEPS, in tests/.

Ten photos, the last without a pose. It goes the way of every run, through `RunFolder`, and only
what is slow and beside the point here, matching and posing, is replaced by what is known.
"""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pycolmap

from scenes.splats import synthetic_views
from splatpose.events import EventSink, Message, RunFinished, ignore_events
from splatpose.io.atomic import write_json
from splatpose.io.colmap_database import PairMatches, opened, write_keypoints, write_pairs
from splatpose.io.colmap_database import write_photos as write_database_photos
from splatpose.io.ply import write_splat_ply
from splatpose.io.sparse_model import read_sparse_model, write_sparse_model
from splatpose.keys import Stage, Unkeyed
from splatpose.runs import RunFolder
from splatpose.scene.camera import Camera
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.scene.evidence import HypothesisEvidence, PhotoEvidence
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.stages.capture.storage import save_capture
from splatpose.stages.outputs.layout import REPORT, SPLAT
from splatpose.stages.splats.stage import SPLATS
from splatpose.stages.views.storage import (
    ViewArrays,
    prepare_folder,
    read_views,
    write_arrays,
    write_view,
)

REGISTERED = 9
SIZE = (96, 72)
NAN = float("nan")


@dataclass(frozen=True)
class Nothing:
    """A stage without options."""


def training(steps: int) -> TrainingConfig:
    """A training in which the number of Gaussians grows."""
    return TrainingConfig(
        backend="cpu",
        steps=steps,
        final_steps=20,
        max_gaussians=600,
        pixels_per_gaussian=1.0,
        refine_start=20,
        refine_every=20,
        sh_every=40,
        coarse_factor=1.5,
        fill_below=0,
        checkpoint_seconds=1000.0,
    )


def compute_run(
    out: Path, steps: int, emit: EventSink = ignore_events, *, last: str = "outputs"
) -> None:
    """Computes into `out`, up to and with the stage `last`."""
    folder = out.parent / f"{out.name}-photos"
    folder.mkdir(parents=True, exist_ok=True)
    views = synthetic_views(REGISTERED, *SIZE)
    capture = write_photos(folder, views)
    with RunFolder.open(out, emit=emit) as run:
        emit = run.emit

        def stage(name, compute, load):
            def filled(config: Nothing, part: Path, emit: EventSink) -> str:
                return compute(part)

            return run.stage(Stage(name, filled, load), Nothing())

        def compute_capture(part: Path) -> str:
            save_capture(capture, part, folder)
            return "10 photos"

        def compute_matches(part: Path) -> str:
            write_matches(part / "database.db", capture)
            write_json(part / "matching.json", {"matcher": "sift"})
            return "matched"

        def compute_poses(part: Path) -> str:
            write_poses(part, capture, views)
            return "9/10 photos placed"

        def compute_views(part: Path) -> str:
            prepare_folder(part)
            for number, image in enumerate(views.images):
                write_view(part, number, image, None)
            write_arrays(part, view_arrays(views))
            return "9 photos"

        stage("capture", compute_capture, lambda part: None)
        emit(Message("capture", "note.jpg is <no> photo", "warning"))
        if last == "capture":
            return
        stage("matching", compute_matches, lambda part: None)
        stage("poses", compute_poses, read_sparse_model)
        if last == "poses":
            return
        views = stage("views", compute_views, read_views)
        steering = Unkeyed(run.steering)
        trained = run.stage(SPLATS, training(steps), views, seed=3, steering=steering)
        write_splat_ply(out / SPLAT, trained.value.splats)
        rows = [
            {
                "name": capture.photos[0].name,
                "verdict": "weak",
                "verdict_reason": "few matches",
                "advice": "Photograph it again.",
            }
        ]
        write_json(out / REPORT, {"photos": rows})
        emit(RunFinished(out, {"photos": 10, "registered": REGISTERED}))


def write_photos(folder: Path, views: Views) -> Capture:
    """The views' pictures as files, and one more."""
    photos = []
    for number in range(REGISTERED + 1):
        name = f"photo_{number}.png"
        image = views.images[number] if number < REGISTERED else np.zeros((72, 96, 3), np.uint8)
        cv2.imwrite(str(folder / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        photos.append(Photo(name, folder / name, *SIZE, 0, f"{number:064x}"))
    return Capture(tuple(photos), (CameraGroup("96x72", *SIZE, None),))


def write_matches(path: Path, capture: Capture) -> None:
    """Neighbours share ten times as many matches as they are apart; the last photo has none."""
    pairs = []
    for first in range(REGISTERED):
        for second in range(first + 1, min(first + 3, REGISTERED)):
            rows = np.arange(20 // (second - first))
            matches = np.stack([rows, rows], 1)
            geometry = pycolmap.TwoViewGeometry()
            geometry.config = 2
            geometry.inlier_matches = matches.astype(np.uint32)
            pairs.append(PairMatches(first, second, matches, geometry))
    with opened(path) as database:
        write_database_photos(database, capture)
        write_keypoints(database, [np.zeros((20, 2)) for _ in capture.photos])
        write_pairs(database, pairs)


def write_poses(part: Path, capture: Capture, views: Views) -> None:
    """The true poses, and noisy points that every view sees."""
    count = len(views.points)
    every = np.full((REGISTERED + 1, 4, 4), NAN)
    every[:REGISTERED] = views.cam_from_world
    registered = np.arange(REGISTERED + 1) < REGISTERED
    xy = [project(views.points, pose, views.Ks[0]) for pose in views.cam_from_world]
    tracks = np.arange(count)
    rows = [np.stack([tracks, np.full(count, view), tracks], 1) for view in range(REGISTERED)]
    order = np.argsort(np.concatenate(rows)[:, 0], kind="stable")
    model = SparseModel(
        names=tuple(photo.name for photo in capture.photos),
        registered=registered,
        cam_from_world=every,
        camera_index=np.zeros(REGISTERED + 1, np.int64),
        cameras=(Camera("SIMPLE_PINHOLE", *SIZE, views.Ks[0][[0, 0, 1], [0, 2, 2]]),),
        points=views.points,
        point_colors=views.point_colors,
        point_errors=np.full(count, 0.5),
        observations=np.concatenate(rows)[order],
        observation_xy=np.concatenate(xy)[order],
    )
    evidence = [
        PhotoEvidence(name, bool(ok), "placed" if ok else "too few matches", 30, 0.9, 0.5)
        for name, ok in zip(model.names, registered, strict=True)
    ]
    chosen = HypothesisEvidence("incremental", 9, count, 0.9, 0.5, 1.3, 1.0, True, "the only one")
    model = dataclasses.replace(model, evidence=tuple(evidence), hypotheses=(chosen,))
    write_sparse_model(part, model, (*xy, np.zeros((0, 2))))


def project(points: np.ndarray, pose: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Pixels [N, 2] of points [N, 3]."""
    rays = (points @ pose[:3, :3].T + pose[:3, 3]) @ K.T
    return rays[:, :2] / rays[:, 2:]


def view_arrays(views: Views) -> ViewArrays:
    """The views without their pictures."""
    return ViewArrays(
        names=tuple(f"photo_{number}.png" for number in range(REGISTERED)),
        has_mask=np.zeros(REGISTERED, bool),
        Ks=views.Ks,
        cam_from_world=views.cam_from_world,
        held_out=views.held_out,
        points=views.points,
        point_colors=views.point_colors,
        exposures=np.arange(REGISTERED),
    )


if __name__ == "__main__":
    compute_run(Path(sys.argv[1]), int(sys.argv[2]))
