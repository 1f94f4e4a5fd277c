"""How a splat looks from where no photo was taken: veils, and colours that nobody photographed.

Held-out photos lie on the path of the others and see no more of a veil than those do.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float

from ..render import Backend
from ..scene.splats import OffPath, Splats
from .seen_through import (
    Camera,
    Surface,
    colors_of,
    seen_through,
    spread,
    surface_of,
    witnesses,
)
from .training_photos import TrainingPhotos

SHIFT = 0.15
"""How far cameras are moved off the path, as a share of the distance to what they see."""
_SIDES = ((1.0, 0.0), (-1.0, 0.0), (0.0, 1.0), (0.0, -1.0))
"""Directions right and down."""
_MOST_PLACES = 6
"""Photos beside which is looked."""
_SAME_DEPTH = 0.05
"""Share by which two depths of one point may differ."""
_SOLID = 0.9
"""Opacity of a pixel from which it is compared."""
_WHOLE = 0.999
"""Share of a small pixel that exists in the photo."""
_FEWEST_PIXELS = 0.05
"""Share of a picture's pixels that must be comparable for it to count."""


@torch.no_grad()
def measure_off_path(splats: Splats, photos: TrainingPhotos, backend: Backend) -> OffPath | None:
    """Looks at a splat from beside the photos' path; None where no photo sees anything solid.

    Args:
        splats: the Gaussians.
        photos: which they were trained on.
        backend: renders.
    """
    splats = _placed(splats, photos.viewmats.device)
    seen = witnesses(splats, photos, backend)
    veils = seen_through(splats.means, seen)
    shares: list[float] = []
    errors: list[float] = []
    own: list[float] = []
    for place in spread(len(seen), _MOST_PLACES):
        index, camera, surface = seen[place]
        target = _target(photos, index, camera)
        own.append(target.error(colors_of(splats, camera, backend)[0]))
        for moved in _beside(camera, surface):
            view = surface_of(splats, moved, backend, veils)
            shares.append(float(view.marked.mean()))
            brought = _brought(target, camera, surface, view, moved)
            errors.append(brought.error(colors_of(splats, moved, backend)[0]))
    if not shares:
        return None
    return OffPath(
        veil_percent=100 * float(np.mean(shares)),
        veil_gaussians=int(veils.sum()),
        psnr=_psnr(errors),
        photo_psnr=_psnr(own),
        views=len(shares),
    )


class _Target(NamedTuple):
    """Pixels of a photo that a picture is compared with."""

    colors: Float[torch.Tensor, "H W 3"]
    exists: Bool[torch.Tensor, "H W"]

    def error(self, picture: Float[torch.Tensor, "H W 3"]) -> float:
        """Mean squared error of the picture; NaN where too little of it can be compared."""
        if self.exists.float().mean() < _FEWEST_PIXELS:
            return float("nan")
        return float((picture - self.colors).square().mean(dim=-1)[self.exists].mean())


def _target(photos: TrainingPhotos, index: int, camera: Camera) -> _Target:
    """A photo at the size of its small camera."""
    photo, (width, height) = photos.at(index), camera.size
    exists = torch.ones_like(photo.image[..., 0]) if photo.mask is None else photo.mask
    planes = torch.cat([photo.colors, exists[..., None].float()], dim=-1).permute(2, 0, 1)[None]
    small = torch.nn.functional.interpolate(planes, (height, width), mode="area")[0]
    return _Target(small[:3].permute(1, 2, 0), small[3] > _WHOLE)


def _beside(camera: Camera, surface: Surface) -> list[Camera]:
    """The camera moved to each side by a share of the distance to what it sees."""
    solid = surface.depth[surface.alpha > _SOLID]
    if not len(solid):
        return []
    shift = SHIFT * float(solid.median())
    moved = []
    for right, down in _SIDES:
        viewmat = camera.viewmat.clone()
        viewmat[0, 3] -= shift * right
        viewmat[1, 3] -= shift * down
        moved.append(camera._replace(viewmat=viewmat))
    return moved


def _brought(
    target: _Target, camera: Camera, surface: Surface, view: Surface, moved: Camera
) -> _Target:
    """A photo's pixels as the view from beside it should show them, by the view's own depth.

    What is farther than what the photo shows is hidden from it and not compared; what is nearer
    has no right to be there and is.

    Args:
        target: the photo, taken by `camera`, which sees `surface`.
        view: what is seen from `moved`.
    """
    points = _lifted(view.depth, moved) @ (camera.viewmat @ torch.linalg.inv(moved.viewmat)).T
    z = points[..., 2].clamp_min(1e-6)
    width, height = camera.size
    u = 2 * (camera.K[0, 0] * points[..., 0] / z + camera.K[0, 2]) / width - 1
    v = 2 * (camera.K[1, 1] * points[..., 1] / z + camera.K[1, 2]) / height - 1
    grid = torch.stack([u, v], dim=-1)[None]
    exists = target.exists[..., None].to(target.colors.dtype)
    known = torch.cat([target.colors, exists, surface.depth[..., None]], dim=-1)
    planes = known.permute(2, 0, 1)[None]
    found = torch.nn.functional.grid_sample(planes, grid, align_corners=False)[0]
    shown = (view.alpha > _SOLID) & (points[..., 2] > 1e-6) & (found[3] > _WHOLE)
    shown &= (u.abs() < 1) & (v.abs() < 1) & (z <= (1 + _SAME_DEPTH) * found[4])
    return _Target(found[:3].permute(1, 2, 0), shown)


def _lifted(depth: Float[torch.Tensor, "H W"], camera: Camera) -> Float[torch.Tensor, "H W 4"]:
    """The pixels' points in the camera's frame, homogeneous."""
    height, width = depth.shape
    x = torch.arange(width, device=depth.device) + 0.5
    y = torch.arange(height, device=depth.device) + 0.5
    across = (x - camera.K[0, 2]) / camera.K[0, 0]
    down = (y - camera.K[1, 2]) / camera.K[1, 1]
    rays = torch.stack([across.expand(height, width), down[:, None].expand(height, width)], dim=-1)
    one = torch.ones_like(depth)[..., None]
    return torch.cat([rays * depth[..., None], depth[..., None], one], dim=-1)


def _placed(splats: Splats, device: torch.device) -> Splats:
    tensors = {
        field.name: getattr(splats, field.name).detach().to(device, torch.float32).contiguous()
        for field in fields(splats)
        if field.name != "antialiased"
    }
    return replace(splats, **tensors)


def _psnr(errors: list[float]) -> float:
    """Of the mean of those that are known; NaN without any."""
    known = [error for error in errors if np.isfinite(error)]
    mean = float(np.mean(known)) if known else float("nan")
    return float("inf") if mean == 0 else -10 * float(np.log10(mean))
