"""A small scene of Gaussians with exact cameras, rendered by the slow reference."""

from __future__ import annotations

import numpy as np
import torch

from splatpose.render.reference import rasterization
from splatpose.scene.splats import Splats
from splatpose.scene.views import Views


def random_splats(count: int, seed: int, degree: int = 0) -> Splats:
    """Gaussians in the unit ball."""
    g = torch.Generator().manual_seed(seed)
    means = torch.randn(count, 3, generator=g)
    means = means / means.norm(dim=1, keepdim=True) * torch.rand(count, 1, generator=g) ** (1 / 3)
    return Splats(
        means=means,
        quats=torch.randn(count, 4, generator=g),
        log_scales=torch.rand(count, 3, generator=g) - 2.5,
        logit_opacities=torch.randn(count, generator=g) + 1,
        sh=torch.randn(count, (degree + 1) ** 2, 3, generator=g) * 0.8,
    )


def orbit(count: int, width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses [V, 4, 4] and calibrations [V, 3, 3] of cameras around the origin, looking at it."""
    poses, Ks = [], []
    for angle in np.linspace(0, 1.5 * np.pi, count, endpoint=False):
        centre = 3 * np.array([np.sin(angle), 0.3 * np.sin(3 * angle), -np.cos(angle)])
        forward = -centre / np.linalg.norm(centre)
        right = np.cross([0, 1, 0], forward)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        pose = np.eye(4)
        pose[:3, :3], pose[:3, 3] = rotation, -rotation @ centre
        poses.append(pose)
        Ks.append([[1.3 * width, 0, width / 2], [0, 1.3 * width, height / 2], [0, 0, 1]])
    return np.array(poses), np.array(Ks)


def render_reference(splats: Splats, pose: np.ndarray, K: np.ndarray, size: tuple[int, int]):
    """[H, W, 3] on black."""
    image, _ = rasterization(
        splats.means,
        splats.quats,
        splats.log_scales.exp(),
        splats.logit_opacities.sigmoid(),
        splats.sh,
        torch.tensor(pose, dtype=torch.float32)[None],
        torch.tensor(K, dtype=torch.float32)[None],
        *size,
        sh_degree=splats.sh_degree,
    )
    return image[0]


def synthetic_views(
    count: int = 9, width: int = 48, height: int = 36, *, held_out_every: int = 4, seed: int = 0
) -> Views:
    """Photos of 150 random Gaussians, with noisy sparse points at their centres."""
    truth = random_splats(150, seed)
    poses, Ks = orbit(count, width, height)
    images = []
    for pose, K in zip(poses, Ks, strict=True):
        image = render_reference(truth, pose, K, (width, height)).clamp(0, 1)
        images.append((image * 255).round().to(torch.uint8).numpy())
    held_out = np.zeros(count, bool)
    if held_out_every:
        held_out[held_out_every // 2 :: held_out_every] = True
    rng = np.random.default_rng(seed)
    points = truth.means.numpy().astype(np.float64)
    colors = (truth.sh[:, 0].numpy() * 0.2820948 + 0.5).clip(0, 1)
    return Views(
        names=tuple(f"photo {i}.jpg" for i in range(count)),
        images=tuple(images),
        masks=(None,) * count,
        Ks=Ks,
        cam_from_world=poses,
        held_out=held_out,
        points=points + rng.normal(0, 0.01, points.shape),
        point_colors=(colors * 255).astype(np.uint8),
    )
