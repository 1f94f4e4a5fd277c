"""What is left of the difference between two pictures when their colours are let agree."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float

_PULL = 1e-4
"""Pull of a fitted map towards identity, a pixel: decides where colours do not (a black half)."""


def color_fitted(
    render: Float[torch.Tensor, "H W 3"],
    target: Float[torch.Tensor, "H W 3"],
    mask: Bool[torch.Tensor, "H W"] | None = None,
) -> Float[torch.Tensor, "H W 3"]:
    """The rendering with the colours of the photo, as far as an affine map [3, 4] brings them.

    Each half of the picture, left and right, gets the map that fits best in the other half (least
    squares): no pixel takes part in what it is measured by (as NeRF-W evaluates, Martin-Brualla
    et al., CVPR 2021, with both halves). Masked pixels take no part in the fit.

    Args:
        render: RGB in [0, 1].
        target: the photo, RGB in [0, 1].
        mask: True where the photo has pixels.
    """
    middle = render.shape[1] // 2
    left, right = slice(None, middle), slice(middle, None)
    parts = []
    for own, other in ((left, right), (right, left)):
        weight = None if mask is None else mask[:, other]
        fitted = _fitted_map(render[:, other], target[:, other], weight)
        parts.append(_with_one(render[:, own]) @ fitted)
    return torch.cat(parts, dim=1).clamp(0, 1).to(render.dtype)


def _fitted_map(
    render: Float[torch.Tensor, "H W 3"],
    target: Float[torch.Tensor, "H W 3"],
    mask: Bool[torch.Tensor, "H W"] | None,
) -> Float[torch.Tensor, "4 3"]:
    """[A^T; b^T] of least squares, in float64."""
    colors = _with_one(render).reshape(-1, 4)
    wanted = (target - render).double().reshape(-1, 3)
    weighted = colors if mask is None else colors * mask.reshape(-1, 1)
    normal = weighted.T @ colors
    normal = normal + _PULL * max(1, len(colors)) * torch.eye(4).to(normal)
    change = torch.linalg.solve(normal, weighted.T @ wanted)
    return change + torch.eye(4, 3).to(change)


def _with_one(colors: Float[torch.Tensor, "H W 3"]) -> Float[torch.Tensor, "H W 4"]:
    return torch.nn.functional.pad(colors.double(), (0, 1), value=1.0)
