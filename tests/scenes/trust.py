"""Models to be judged: right ones, and wrong ones made on purpose."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from scenes.poses import Scene, cloud, look_at, make_scene
from splatpose.geometry.rotations import so3_exp
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.verdicts import PhotoTrust, PhotoVerdict, Verdicts
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.mapping.retriangulation import with_points
from splatpose.stages.trust.config import TrustConfig
from splatpose.stages.trust.evidence import ModelUnderTest
from splatpose.stages.trust.verdict import assess

PIXELS, MIN_MATCHES = 1.5, 15


def subject_of(scene: Scene, cam_from_world: np.ndarray | None = None) -> ModelUnderTest:
    """The true cameras or others, with points of the scene's own matches."""
    count = len(scene.cam_from_world)
    poses = scene.cam_from_world if cam_from_world is None else cam_from_world
    table = match_table(scene.graph)
    bare = SparseModel(
        names=tuple(photo.name for photo in scene.capture.photos),
        registered=np.isfinite(poses[:, 0, 0]),
        cam_from_world=poses,
        camera_index=np.zeros(count, np.int64),
        cameras=(scene.camera,),
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
        point_errors=np.zeros(0),
        observations=np.zeros((0, 3), np.int64),
        observation_xy=np.zeros((0, 2)),
    )
    return ModelUnderTest(
        model=with_points(bare, table, PIXELS),
        graph=scene.graph,
        table=table,
        groups=np.zeros(count, np.int64),
        sizes=np.tile([[scene.camera.width, scene.camera.height]], (count, 1)),
        max_error_px=PIXELS,
        min_matches=MIN_MATCHES,
    )


def verdicts_on(
    subject: ModelUnderTest, folder: Path, config: TrustConfig | None = None
) -> Verdicts:
    """The verdicts, with the places in the list of photos as reasons for refusals."""
    reasons = [f"refusal {i}" for i in range(len(subject.model.names))]
    return assess(
        subject, config or TrustConfig(), folder, reasons, seed=0, progress=lambda text: None
    )


def levels(verdicts: Verdicts) -> list[str]:
    return [photo.level for photo in verdicts.photos]


def turned(cam_from_world: np.ndarray, photo: int, degrees: float) -> np.ndarray:
    """With one camera turned about its own centre."""
    poses = cam_from_world.copy()
    poses[photo, :3] = so3_exp(np.radians([degrees, 0, 0])) @ poses[photo, :3]
    return poses


def moved(
    cam_from_world: np.ndarray, photos: list[int], where: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """With the centres of some cameras put elsewhere."""
    poses = cam_from_world.copy()
    R = poses[:, :3, :3]
    centers = -np.einsum("nji,nj->ni", R, poses[:, :3, 3])
    centers[photos] = where(centers[photos])
    poses[:, :3, 3] = -np.einsum("nij,nj->ni", R, centers)
    return poses


def twins(folder: Path) -> tuple[Scene, np.ndarray]:
    """Two equal things in different surroundings, six photos of each; and the wrong cameras that
    lay one on the other, with which every match between the two agrees."""
    offset = np.array([40.0, 0, 0])
    walls = [cloud(700, seed=seed) * (2.2, 1.0, 0.1) for seed in (1, 2, 3)]
    thing = walls[0][np.abs(walls[0][:, 0]) < 0.7]
    around = [wall[np.abs(wall[:, 0]) > 0.7] for wall in walls[1:]]
    points = np.concatenate([thing, around[0], thing + offset, around[1] + offset])
    look = np.arange(len(points))
    start = len(thing) + len(around[0])
    look[start : start + len(thing)] = np.arange(len(thing))
    xs = np.linspace(-1.6, 1.6, 6)
    first = np.stack([look_at((x, 0.3 * np.cos(3 * x), -4.2), (0.2 * x, 0, 0)) for x in xs])
    second = np.stack([look_at((x, 0.3 * np.sin(2 * x), -4.0), (0.1, 0, 0)) for x in xs + 0.15])
    there = second.copy()
    there[:, :3, 3] -= second[:, :3, :3] @ offset
    scene = make_scene(folder, np.concatenate([first, there]), points, look=look)
    return scene, np.concatenate([first, second])


def five_verdicts() -> Verdicts:
    """A weak photo with advice, and four trusted ones."""
    photos = tuple(
        PhotoVerdict(
            f"{i}.jpg", "trusted" if i else "weak", "why", None if i else "more", trust, 0.97
        )
        for i, trust in enumerate([PhotoTrust(neighbours=3), *[PhotoTrust(spread=0.5)] * 4])
    )
    return Verdicts(photos, ("more",), ("halves agree",))
