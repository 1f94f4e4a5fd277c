"""Scenes for the rasterizer's benchmark, and how much work they are, whoever renders them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import torch
from torch import Tensor

from splatpose.render import reference


@dataclass(frozen=True)
class Scene:
    """What `rasterization` takes, with gradients wanted of all but the calibrations."""

    name: str
    gaussians: list[Tensor]
    """Means, quats, scales, opacities, colors."""
    viewmats: Tensor
    Ks: Tensor
    width: int
    height: int
    sh_degree: int | None

    @property
    def leaves(self) -> list[Tensor]:
        return [*self.gaussians, self.viewmats]

    def to(self, dtype: torch.dtype) -> list[Tensor]:
        """Detached copies of leaves and calibrations in another type."""
        return [x.detach().to(dtype) for x in (*self.leaves, self.Ks)]


def random_scene(count: int, width: int, height: int, pixels: float, seed: int = 0) -> Scene:
    """Gaussians all over the view, spread log-normally around `pixels` standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    focal = 0.8 * width
    z = 2 + 4 * torch.rand(count, generator=generator)
    xy = torch.rand(count, 2, generator=generator) * 1.1 - 0.55
    means = torch.cat([xy * torch.tensor([width, height]) * z[:, None] / focal, z[:, None]], 1)
    scales = torch.exp(torch.randn(count, 3, generator=generator) * 0.5) * pixels * 4 / focal
    gaussians = [
        means,
        torch.randn(count, 4, generator=generator),
        scales,
        torch.sigmoid(torch.randn(count, generator=generator) * 1.5),
        torch.randn(count, 16, 3, generator=generator) * 0.3,
    ]
    return Scene(
        f"{count // 1000}k {width}x{height}",
        [x.requires_grad_() for x in gaussians],
        torch.eye(4)[None].requires_grad_(),
        torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]]),
        width,
        height,
        3,
    )


def garden() -> Scene | str:
    """gsplat's own test scene with its three cameras, or why there is none here."""
    shared = Path(os.environ.get("SPLATPOSE_SHARED", Path(__file__).parents[3] / "shared"))
    path = shared / "data" / "test_garden.npz"
    if not path.exists():
        return f"no {path} (set SPLATPOSE_SHARED)"
    with np.load(path) as file:
        data = {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}
    count = len(data["means3d"])
    generator = torch.Generator().manual_seed(42)
    # Shapes and opacities are as random as in gsplat's tests: the file has points only.
    gaussians = [
        data["means3d"],
        torch.randn(count, 4, generator=generator),
        0.02 * torch.rand(count, 3, generator=generator),
        torch.rand(count, generator=generator),
        data["colors"].float() / 255,
    ]
    return Scene(
        "garden, 3 cameras",
        [x.requires_grad_() for x in gaussians],
        data["viewmats"].requires_grad_(),
        data["Ks"],
        int(data["width"]),
        int(data["height"]),
        None,
    )


def count_contributions(scene: Scene) -> int:
    """(pixel, Gaussian) pairs that are blended, over all cameras, in float64."""
    means, quats, scales, opacities, _, viewmats, Ks = scene.to(torch.float64)
    pairs = 0
    for viewmat, K in zip(viewmats, Ks, strict=True):
        depths = (means @ viewmat[:3, :3].T + viewmat[:3, 3])[:, 2]
        keep = ((depths >= 0.01) & (opacities >= reference.ALPHA_THRESHOLD)).nonzero()[:, 0]
        keep = keep[torch.argsort(depths[keep], stable=True)]
        projected = reference.project(
            means[keep], quats[keep], scales[keep], viewmat, K, scene.width, scene.height
        )
        pairs += _count_pairs(
            projected.means2d.numpy(),
            torch.linalg.inv(projected.covariances2d).numpy(),
            reach(projected, opacities[keep]).numpy(),
            opacities[keep].numpy(),
            scene.width,
            scene.height,
        )
    return pairs


def reach(projected: reference.Projected, opacities: Tensor) -> Tensor:
    """Half width and height [M, 2] of the ellipse alpha = 1/255, pixels."""
    squared = 2 * torch.log(opacities / reference.ALPHA_THRESHOLD).clamp(min=0)
    variances = projected.covariances2d.diagonal(dim1=-2, dim2=-1)
    return (squared[:, None] * variances).sqrt()


@numba.njit
def _count_pairs(centers, conics, extents, peaks, width, height):
    """Gaussians nearest first."""
    pairs = 0
    light = np.ones((height, width))
    done = np.zeros((height, width), np.bool_)
    for n in range(len(peaks)):
        x, y = centers[n, 0], centers[n, 1]
        x0, x1 = max(0, int(np.floor(x - extents[n, 0]))), min(width, int(x + extents[n, 0]) + 1)
        y0, y1 = max(0, int(np.floor(y - extents[n, 1]))), min(height, int(y + extents[n, 1]) + 1)
        a, b, c = conics[n, 0, 0], conics[n, 0, 1], conics[n, 1, 1]
        for row in range(y0, y1):
            dy = row + 0.5 - y
            for column in range(x0, x1):
                if done[row, column]:
                    continue
                dx = column + 0.5 - x
                sigma = 0.5 * (a * dx * dx + c * dy * dy) + b * dx * dy
                alpha = min(peaks[n] * np.exp(-sigma), 0.999)
                if alpha < 1 / 255:
                    continue
                left = light[row, column] * (1 - alpha)
                if left <= 1e-4:
                    done[row, column] = True
                    continue
                light[row, column] = left
                pairs += 1
    return pairs
