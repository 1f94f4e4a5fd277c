"""Gaussians that stand where several cameras see through: veils before what the photos show.

No photo shows a veil: it is too faint there, or hides among what it stands before. From elsewhere
it hangs in the air.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from ..render import Backend
from ..scene.splats import Splats
from .gaussian_model import SH_C0
from .training_photos import TrainingPhotos

_MOST_WITNESSES = 24
"""Photos that are asked what they see through."""
_LONG_SIDE = 240
"""Pixels of the pictures' long side."""
_MARGIN = 0.2
"""What a camera sees must be farther than a Gaussian by this share of the Gaussian's distance."""
_SOLID = 0.5
"""Opacity of a pixel from which its depth counts."""
_LEAST_CAMERAS = 3
"""Cameras that have to see past a Gaussian."""
_MOST_AT_SURFACE = 0.5
"""Cameras for which it may belong to what they see, for each that sees past it."""
_NEAR = 0.01
"""Rasterizers draw nothing that is nearer."""
_EDGE = 2
"""Pixels about which the nearest depth counts: at an outline a camera sees past nothing."""


class Camera(NamedTuple):
    """A pinhole camera."""

    viewmat: Float[torch.Tensor, "4 4"]
    """cam_from_world."""
    K: Float[torch.Tensor, "3 3"]
    size: tuple[int, int]
    """Width and height in pixels."""


class Surface(NamedTuple):
    """What a camera sees of a splat, but for its colours."""

    depth: Float[torch.Tensor, "H W"]
    """Distance along the optical axis of what is seen: the harmonic mean, by opacity. What shines
    through a wall from far behind it moves that little, and so does a faint veil far before it."""
    alpha: Float[torch.Tensor, "H W"]
    """Opacity."""
    marked: Float[torch.Tensor, "H W"]
    """Share of the opacity that marked Gaussians have."""


def colors_of(
    splats: Splats,
    camera: Camera,
    backend: Backend,
    sh: Float[torch.Tensor, "N K 3"] | None = None,
) -> tuple[Float[torch.Tensor, "H W 3"], Float[torch.Tensor, "H W"]]:
    """The splat on black, and its opacity.

    Args:
        splats: on the backend's device.
        camera: to look from.
        backend: renders.
        sh: colours in place of the splat's own.
    """
    sh = splats.sh if sh is None else sh
    picture, alpha, _ = backend.rasterization(
        splats.means,
        splats.quats,
        splats.log_scales.exp(),
        splats.logit_opacities.sigmoid(),
        sh,
        camera.viewmat[None],
        camera.K[None],
        *camera.size,
        sh_degree=round(sh.shape[1] ** 0.5) - 1,
        rasterize_mode="antialiased" if splats.antialiased else "classic",
    )
    return picture[0], alpha[0, ..., 0]


def surface_of(
    splats: Splats,
    camera: Camera,
    backend: Backend,
    marked: Bool[torch.Tensor, " N"] | None = None,
) -> Surface:
    """Where what a camera sees is, and how much of it is marked.

    Depth and marks are rendered as colours, for which no kernels have to be compiled that training
    does not need.
    """
    z = splats.means @ camera.viewmat[2, :3] + camera.viewmat[2, 3]
    nearness = 1 / z.clamp_min(_NEAR)
    mark = torch.zeros_like(z) if marked is None else marked.to(z.dtype)
    values = torch.stack([nearness, mark, mark], dim=1)
    picture, alpha = colors_of(splats, camera, backend, ((values - 0.5) / SH_C0)[:, None])
    return Surface(alpha / picture[..., 0].clamp_min(1e-9), alpha, picture[..., 1])


class Witness(NamedTuple):
    """A photo that is asked what it sees through."""

    photo: int
    camera: Camera
    surface: Surface


@torch.no_grad()
def witnesses(splats: Splats, photos: TrainingPhotos, backend: Backend) -> list[Witness]:
    """Photos from all over the capture, and what they see of the splat, in small pictures."""
    chosen = [(index, _camera(photos, index)) for index in spread(len(photos), _MOST_WITNESSES)]
    return [Witness(i, camera, surface_of(splats, camera, backend)) for i, camera in chosen]


@torch.no_grad()
def seen_through(
    means: Float[torch.Tensor, "N 3"], by: Sequence[Witness]
) -> Bool[torch.Tensor, " N"]:
    """Which Gaussians stand in space that several cameras saw through.

    Args:
        means: positions in world units.
        by: the cameras.
    """
    past = torch.zeros(len(means), dtype=torch.int32, device=means.device)
    at_surface = torch.zeros_like(past)
    for _, camera, surface in by:
        local = means @ camera.viewmat[:3, :3].T + camera.viewmat[:3, 3]
        z = local[:, 2]
        seen, row, column = _pixels(local, camera)
        seen &= surface.alpha[row, column] > _SOLID
        nearest = _nearest_about(surface.depth)[row, column]
        past += seen & (nearest > (1 + _MARGIN) * z)
        at_surface += seen & ((surface.depth[row, column] - z).abs() <= _MARGIN * z)
    return (past >= _LEAST_CAMERAS) & (at_surface <= _MOST_AT_SURFACE * past)


def spread(count: int, most: int) -> list[int]:
    """At most `most` of the numbers below `count`, evenly."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(int)).tolist()


def _camera(photos: TrainingPhotos, index: int) -> Camera:
    """A photo's camera, for small pictures."""
    photo = photos.at(index)
    width, height = photo.size
    scale = min(1.0, _LONG_SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrink = photo.K.new_tensor([[size[0] / width], [size[1] / height], [1.0]])
    return Camera(photos.viewmats[index], photo.K * shrink, size)


def _pixels(
    local: Float[torch.Tensor, "N 3"], camera: Camera
) -> tuple[Bool[torch.Tensor, " N"], torch.Tensor, torch.Tensor]:
    """Whether points [N, 3] of the camera's frame are in the picture, and their pixels."""
    z = local[:, 2].clamp_min(1e-6)
    width, height = camera.size
    column = (camera.K[0, 0] * local[:, 0] / z + camera.K[0, 2]).floor()
    row = (camera.K[1, 1] * local[:, 1] / z + camera.K[1, 2]).floor()
    seen = (local[:, 2] > 1e-6) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return (
        seen,
        row.nan_to_num().clamp(0, height - 1).long(),
        column.nan_to_num().clamp(0, width - 1).long(),
    )


def _nearest_about(depth: Float[torch.Tensor, "H W"]) -> Float[torch.Tensor, "H W"]:
    """The least depth within `_EDGE` pixels."""
    pooled = torch.nn.functional.max_pool2d(-depth[None, None], 2 * _EDGE + 1, 1, _EDGE)
    return -pooled[0, 0]
