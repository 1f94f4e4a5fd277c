"""Photos of Gaussians with tracks of exact points, for the joint optimisation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from scenes.splats import orbit, random_splats, render_reference
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import alignment
from splatpose.scene.camera import Camera
from splatpose.scene.evidence import PhotoEvidence
from splatpose.scene.matches import MatchGraph
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.views import Views

LARGER = 10
"""The photos as given are this many times larger than the views."""


@dataclass(frozen=True)
class JointScene:
    """The inputs of the joint stage and the truth behind them."""

    graph: MatchGraph
    poses: SparseModel
    views: Views
    truth: np.ndarray

    def perturbed(self, degrees: float, share: float, seed: int = 0) -> JointScene:
        """The same with every pose turned and shifted at random, points where they were."""
        rng = np.random.default_rng(seed)
        poses = np.linalg.inv(self.truth)
        count = len(poses)
        centers = poses[:, :3, 3]
        radius = np.sqrt(((centers - centers.mean(0)) ** 2).sum(1).mean())
        axes = rng.standard_normal((count, 3))
        axes /= np.linalg.norm(axes, axis=1, keepdims=True)
        poses[:, :3, :3] = poses[:, :3, :3] @ so3_exp(axes * np.radians(degrees))
        poses[:, :3, 3] += share * radius * rng.standard_normal((count, 3)) / 3**0.5
        moved = np.linalg.inv(poses)
        return replace(
            self,
            poses=replace(self.poses, cam_from_world=moved),
            views=replace(self.views, cam_from_world=moved),
        )

    def ate(self, cam_from_world: np.ndarray) -> float:
        """RMSE of the camera centres after alignment, over their RMS radius."""
        frame = alignment(cam_from_world, self.truth)
        found, true = (
            np.linalg.inv(p)[:, :3, 3] for p in (frame.cam_from_world(cam_from_world), self.truth)
        )
        radius = ((true - true.mean(0)) ** 2).sum(1).mean()
        return float(np.sqrt(((found - true) ** 2).sum(1).mean() / radius))


def joint_scene(
    folder: Path,
    count: int = 14,
    width: int = 64,
    height: int = 48,
    *,
    points: int = 250,
    noise: float = 0.3,
    held_out_every: int = 6,
    seed: int = 0,
) -> JointScene:
    """Cameras around 150 Gaussians, poses exact.

    Args:
        noise: of keypoints in pixels of the photos as given, standard deviation.
    """
    rng = np.random.default_rng(seed)
    gaussians = random_splats(150, seed)
    poses, Ks = orbit(count, width, height)
    images = []
    for pose, K in zip(poses, Ks, strict=True):
        image = render_reference(gaussians, pose, K, (width, height)).clamp(0, 1)
        images.append((image * 255).round().to(torch.uint8).numpy())
    K = Ks[0] * LARGER
    camera = Camera(
        "PINHOLE", LARGER * width, LARGER * height, np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
    )
    world = rng.uniform(-0.6, 0.6, (points, 3))
    seen = [project(camera, pose, world)[0] for pose in poses]
    keypoints = tuple(xy + noise * rng.standard_normal(xy.shape) for xy in seen)
    inside = [((xy > 0) & (xy < (camera.width, camera.height))).all(1) for xy in seen]
    rows = [(t, v, t) for t in range(points) for v in range(count) if inside[v][t]]
    observations = np.array(rows, np.int64)
    names = tuple(f"photo {i:02}.jpg" for i in range(count))
    held_out = np.zeros(count, bool)
    if held_out_every:
        held_out[held_out_every // 2 :: held_out_every] = True
    colors = np.full((points, 3), 128, np.uint8)
    evidence = tuple(
        PhotoEvidence(name, True, "placed: 100 % of its 9 matches agree with its pose", 9, 1.0, 0.3)
        for name in names
    )
    return JointScene(
        graph=_graph(folder, keypoints, inside),
        poses=SparseModel(
            names=names,
            registered=np.ones(count, bool),
            cam_from_world=poses,
            camera_index=np.zeros(count, np.int64),
            cameras=(camera,),
            points=world,
            point_colors=colors,
            point_errors=np.full(points, noise),
            observations=observations,
            observation_xy=np.stack([keypoints[v][k] for _, v, k in rows]),
            model_dir=folder,
            evidence=evidence,
            hypotheses=(),
        ),
        views=Views(
            names=names,
            images=tuple(images),
            masks=(None,) * count,
            Ks=Ks,
            cam_from_world=poses,
            held_out=held_out,
            points=world,
            point_colors=colors,
        ),
        truth=poses,
    )


def _graph(folder: Path, keypoints: tuple[np.ndarray, ...], inside: list[np.ndarray]) -> MatchGraph:
    pairs = np.array([(i, i + 1) for i in range(len(keypoints) - 1)])
    shared = [np.flatnonzero(inside[i] & inside[j]) for i, j in pairs]
    counts = np.array([len(s) for s in shared])
    return MatchGraph(
        database=folder / "database.db",
        matcher="sift",
        keypoints=keypoints,
        pairs=pairs,
        num_putative=counts,
        offsets=np.concatenate([[0], np.cumsum(counts)]),
        matches=np.repeat(np.concatenate(shared)[:, None], 2, axis=1),
        configuration=np.full(len(pairs), 2),
    )
