"""A rasterizer as one writes it in plain torch: float32, autograd, lists of Gaussians per tile.

All Gaussians are projected at once; each tile of 16x16 pixels then blends its own list, nearest
first, as one [pixels, Gaussians] problem. It has the semantics of `splatpose.render.reference`.
"""

from __future__ import annotations

import torch
from splat_scenes import Scene, reach
from torch import Tensor

from splatpose.render import reference

TILE = 16


def rasterize(scene: Scene) -> tuple[Tensor, Tensor]:
    """Image [H, W, 4], RGB and expected depth, and alpha [H, W, 1] of the first camera."""
    means, quats, scales, opacities, colors = scene.gaussians
    viewmat, K = scene.viewmats[0], scene.Ks[0]
    width, height = scene.width, scene.height
    projected = reference.project(means, quats, scales, viewmat, K, width, height)
    rgb = colors
    if scene.sh_degree is not None:
        directions = means - torch.linalg.inv(viewmat)[:3, 3]
        rgb = reference.spherical_harmonics(scene.sh_degree, directions, colors)
        rgb = (rgb + 0.5).clamp(min=0)
    conics = torch.linalg.inv(projected.covariances2d)
    # One table, for one gather: x, y, xx, xy, yy, opacity, colours, depth.
    table = torch.cat(
        [
            projected.means2d,
            conics.flatten(1)[:, [0, 1, 3]],
            opacities[:, None],
            rgb,
            projected.depths[:, None],
        ],
        1,
    )
    tiles_x, tiles_y = -(-width // TILE), -(-height // TILE)
    members, lengths = _tile_lists(projected, opacities, tiles_x, tiles_y)
    offsets = torch.arange(TILE) + 0.5
    across = offsets.repeat(TILE)
    down = offsets.repeat_interleave(TILE)
    blended = [
        _blend(rows, across + TILE * (tile % tiles_x), down + TILE * (tile // tiles_x))
        # Gathered once: a gather per tile would add up tables of zeros in the backward pass.
        for tile, rows in enumerate(table[members].split(lengths))
    ]
    image = torch.stack(blended).view(tiles_y, tiles_x, TILE, TILE, 5).transpose(1, 2)
    image = image.reshape(tiles_y * TILE, tiles_x * TILE, 5)[:height, :width]
    alpha = image[..., 4:]
    depth = image[..., 3:4] / alpha.clamp(min=1e-10)
    return torch.cat([image[..., :3], depth], -1), alpha


@torch.no_grad()
def _tile_lists(
    projected: reference.Projected, opacities: Tensor, tiles_x: int, tiles_y: int
) -> tuple[Tensor, list[int]]:
    """Gaussians whose box touches each tile, nearest first, tile after tile; how many of each."""
    half = reach(projected, opacities)
    low = ((projected.means2d - half) / TILE).floor()
    high = ((projected.means2d + half) / TILE).floor() + 1
    limits = torch.tensor([tiles_x, tiles_y])
    low, high = low.clamp(min=0).minimum(limits).long(), high.clamp(min=0).minimum(limits).long()
    seen = (projected.depths >= 0.01) & (opacities >= reference.ALPHA_THRESHOLD)
    sizes = (high - low).clamp(min=0) * seen[:, None]
    order = projected.depths.argsort()
    sizes, low = sizes[order], low[order]
    counts = sizes.prod(1)
    entry = torch.arange(len(order)).repeat_interleave(counts)
    place = torch.arange(len(entry)) - (counts.cumsum(0) - counts)[entry]
    column = low[entry, 0] + place % sizes[entry, 0]
    row = low[entry, 1] + place // sizes[entry, 0]
    tile = row * tiles_x + column
    by_tile = tile.argsort(stable=True)
    lengths = torch.bincount(tile, minlength=tiles_x * tiles_y).tolist()
    return order[entry[by_tile]], lengths


def _blend(members: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """RGB, depth and alpha [pixels, 5] of the Gaussians [M, 10] at pixel centres x, y."""
    center_x, center_y, xx, xy, yy, opacity = members[:, :6].unbind(1)
    dx, dy = x[:, None] - center_x, y[:, None] - center_y
    sigma = 0.5 * (xx * dx * dx + yy * dy * dy) + xy * dx * dy
    alpha = (opacity * torch.exp(-sigma)).clamp(max=reference.MAX_ALPHA)
    alpha = torch.where(alpha >= reference.ALPHA_THRESHOLD, alpha, 0.0)
    left = torch.cumprod(1 - alpha, 1)
    alpha = torch.where(left > reference.MIN_TRANSMITTANCE, alpha, 0.0)
    after = torch.cumprod(torch.cat([torch.ones(len(x), 1), 1 - alpha], 1), 1)
    weights = alpha * after[:, :-1]
    return torch.cat([weights @ members[:, 6:], 1 - after[:, -1:]], 1)
