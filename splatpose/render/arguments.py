"""Checks that both backends make before they render, so that they refuse the same things."""

from __future__ import annotations

from enum import Enum
from typing import get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatpose.render.reference import SH_BASES, RasterizeMode, RenderMode

# What gsplat's own rasterization takes beyond ours, with the only value that is supported here.
_GSPLAT_OPTIONS: dict[str, object] = {
    "radius_clip": 0.0,
    "packed": False,
    "tile_size": None,
    "sparse_grad": False,
    "channel_chunk": 32,
    "distributed": False,
    "camera_model": "pinhole",
    "segmented": False,
    "covars": None,
    "with_ut": False,
    "with_eval3d": False,
    "radial_coeffs": None,
    "tangential_coeffs": None,
    "thin_prism_coeffs": None,
    "ftheta_coeffs": None,
    "rolling_shutter": "GLOBAL",
    "viewmats_rs": None,
}


Harmonics = tuple[Float[Tensor, "N J 3"], Float[Tensor, "N L 3"]]
"""Spherical harmonics in two tensors: the first J of each Gaussian, and the L that follow."""


def refuse_options(options: dict[str, object]) -> None:
    """Raise for every option of gsplat's that would change the result and is not supported.

    Raises:
        TypeError: for a name that gsplat does not know either.
        ValueError: for a value that is not supported.
    """
    for name, value in options.items():
        if name not in _GSPLAT_OPTIONS:
            raise TypeError(f"rasterization() has no argument '{name}'")
        # gsplat has an enumeration for the shutter, which needs gsplat's own code to compare with.
        plain = value.name if isinstance(value, Enum) else value
        if plain is not _GSPLAT_OPTIONS[name] and plain != _GSPLAT_OPTIONS[name]:
            raise ValueError(
                f"{name}={value!r} is not supported; leave it out"
                f" (supported: {_GSPLAT_OPTIONS[name]!r})"
            )


def check_arguments(
    means: Tensor,
    quats: Tensor,
    scales: Tensor,
    opacities: Tensor,
    colors: Tensor | tuple[Tensor, Tensor],
    viewmats: Tensor,
    Ks: Tensor,
    width: int,
    height: int,
    sh_degree: int | None,
    backgrounds: Tensor | None,
    render_mode: str,
    rasterize_mode: str,
    device_type: str,
) -> None:
    """Raise ValueError, naming the argument, for shapes, types and choices that cannot work."""
    n, cameras = means.shape[0], viewmats.shape[0]
    shapes: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        "means": (means, (n, 3)),
        "quats": (quats, (n, 4)),
        "scales": (scales, (n, 3)),
        "opacities": (opacities, (n,)),
        "viewmats": (viewmats, (cameras, 4, 4)),
        "Ks": (Ks, (cameras, 3, 3)),
    }
    parts = colors if isinstance(colors, tuple) else (colors,)
    for part, shape in zip(parts, _color_shapes(parts, n, sh_degree), strict=True):
        shapes["colors" if part is parts[0] else "colors[1]"] = (part, shape)
    if backgrounds is not None:
        shapes["backgrounds"] = (backgrounds, (cameras, parts[0].shape[-1]))
    for name, (tensor, shape) in shapes.items():
        if tuple(tensor.shape) != shape:
            raise ValueError(f"{name} has shape {tuple(tensor.shape)}, expected {shape}")
        if tensor.dtype != torch.float32:
            raise ValueError(f"{name} is {tensor.dtype}, expected torch.float32")
        if tensor.device.type != device_type:
            raise ValueError(f"{name} is on {tensor.device}, expected {device_type}")
    if cameras == 0:
        raise ValueError("viewmats holds no camera")
    if width < 1 or height < 1 or width != int(width) or height != int(height):
        raise ValueError(f"width and height must be whole and at least 1, got {width} x {height}")
    if render_mode not in get_args(RenderMode):
        raise ValueError(f"render_mode '{render_mode}' is not one of {get_args(RenderMode)}")
    if rasterize_mode not in get_args(RasterizeMode):
        raise ValueError(
            f"rasterize_mode '{rasterize_mode}' is not one of {get_args(RasterizeMode)}"
        )
    if Ks.requires_grad:
        raise ValueError("gradients with respect to Ks are not supported: detach it")
    if device_type == "cpu":
        _check_cameras(viewmats, Ks)


def _check_cameras(viewmats: Tensor, Ks: Tensor) -> None:
    # On a GPU this would wait for all that is queued there.
    # As arrays: torch's functions take ten times as long for so few numbers.
    calibrations = Ks.numpy()
    for name, numbers in (("viewmats", viewmats.detach().numpy()), ("Ks", calibrations)):
        if not np.isfinite(numbers).all():
            raise ValueError(f"{name} holds NaN or infinity")
    if calibrations[:, 0, 1].any():
        raise ValueError("Ks with skew (row 0, column 1) are not supported")
    if min(calibrations[:, 0, 0].min(), calibrations[:, 1, 1].min()) <= 0:
        raise ValueError("Ks has a focal length that is not positive")


def _color_shapes(
    parts: tuple[Tensor, ...], n: int, sh_degree: int | None
) -> list[tuple[int, ...]]:
    """Shapes that the parts of colours are to have."""
    first, found = parts[0], " and ".join(str(tuple(part.shape)) for part in parts)
    if sh_degree is None:
        if len(parts) > 1 or first.dim() != 2:
            raise ValueError(
                f"colors has shape {found}, expected (N, D) without sh_degree"
                " (one colour per camera is not supported)"
            )
        return [(n, first.shape[-1])]
    if sh_degree not in SH_BASES:
        raise ValueError(f"sh_degree {sh_degree} is not supported, only 0 to 3")
    whole = all(part.dim() == 3 for part in parts)
    if not whole or sum(part.shape[1] for part in parts) < SH_BASES[sh_degree]:
        raise ValueError(
            f"colors has shape {found}, expected (N, K, 3) with K of at least"
            f" {SH_BASES[sh_degree]} for sh_degree {sh_degree}"
        )
    return [(n, part.shape[1], 3) for part in parts]
