"""`rasterization` on the CPU, with gsplat's signature and semantics."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from splatpose.render.arguments import Harmonics, check_arguments, refuse_options
from splatpose.render.cpu.autograd import RasterizeOnCpu
from splatpose.render.cpu.camera_pass import Settings
from splatpose.render.cpu.layout import MAX_CHANNELS, TILE
from splatpose.render.cpu.threads import available_threads
from splatpose.render.reference import RasterizeMode, RenderMode


def _centers(viewmats: Float[Tensor, "C 4 4"]) -> Float[Tensor, "C 3"]:
    if viewmats.requires_grad:
        return torch.linalg.inv(viewmats.double())[:, :3, 3].float()
    # The same numbers at a tenth of the time.
    inverses = np.linalg.inv(viewmats.numpy().astype(np.float64))
    return torch.from_numpy(inverses[:, :3, 3].astype(np.float32))


def rasterization(
    means: Float[Tensor, "N 3"],
    quats: Float[Tensor, "N 4"],
    scales: Float[Tensor, "N 3"],
    opacities: Float[Tensor, " N"],
    colors: Float[Tensor, "N D"] | Float[Tensor, "N K 3"] | Harmonics,
    viewmats: Float[Tensor, "C 4 4"],
    Ks: Float[Tensor, "C 3 3"],
    width: int,
    height: int,
    near_plane: float = 0.01,
    far_plane: float = 1e10,
    *,
    eps2d: float = 0.3,
    sh_degree: int | None = None,
    backgrounds: Float[Tensor, "C D"] | None = None,
    render_mode: RenderMode = "RGB",
    rasterize_mode: RasterizeMode = "classic",
    absgrad: bool = False,
    **options: object,
) -> tuple[Float[Tensor, "C H W X"], Float[Tensor, "C H W 1"], dict[str, Any]]:
    """Render Gaussians with several cameras, differentiably, in float32.

    Gradients flow to means, quats, scales, opacities, colors, backgrounds and viewmats. A
    Gaussian with a NaN or an infinity in its parameters is left out.

    Args:
        means: Centres in the world.
        quats: wxyz, of any length.
        scales: Standard deviations along the axes, world units.
        opacities: In [0, 1].
        colors: Plain colours with up to 4 channels (3 beside a depth), or spherical harmonics
            with `sh_degree`; these also as two tensors, `[N, J, 3]` and `[N, K - J, 3]`, which
            are not copied together.
        viewmats: cam_from_world. Ks: Pinhole calibration without skew, pixels.
        near_plane, far_plane: Centres outside of this range of z are left out.
        eps2d: Variance that is added in the image, square pixels.
        sh_degree: 0 to 3: degree to use of the harmonics in `colors`.
        backgrounds: One colour a camera, behind everything; depth has none.
        render_mode: D accumulated depth, ED expected depth; depth is the last channel.
        rasterize_mode: "antialiased" scales opacities by what `eps2d` takes from the peak.
        absgrad: Also set `meta["means2d"].absgrad`, sums of absolute values over pixels (AbsGS).
        **options: gsplat's other arguments, at their neutral values only.

    Returns:
        Image, alpha, and what densification needs: "means2d" [C, N, 2], whose `.grad` is filled
        by the backward pass; "radii" [C, N, 2] pixels, 0 where not visible; width, height,
        n_cameras.

    Raises:
        ValueError: for what is not supported, by name.
    """
    refuse_options(options)
    check_arguments(means, quats, scales, opacities, colors, viewmats, Ks, width, height,
                    sh_degree, backgrounds, render_mode, rasterize_mode, "cpu")  # fmt: skip
    first, higher = colors if isinstance(colors, tuple) else (colors, colors.detach()[:, :0])
    has_color, has_depth = "RGB" in render_mode, "D" in render_mode
    settings = Settings(
        width=int(width),
        height=int(height),
        near_plane=float(near_plane),
        far_plane=float(far_plane),
        eps2d=float(eps2d),
        sh_degree=sh_degree if sh_degree is not None and has_color else -1,
        color_channels=first.shape[-1] if has_color else 0,
        has_depth=has_depth,
        expected_depth="ED" in render_mode,
        antialiased=rasterize_mode == "antialiased",
        absgrad=bool(absgrad),
        threads=available_threads(),
    )
    if not 1 <= settings.channels <= MAX_CHANNELS:
        raise ValueError(
            f"colors with {settings.color_channels} channels in mode {render_mode} are not"
            f" supported: at most {MAX_CHANNELS} channels, depth included"
        )
    cameras, count = len(viewmats), len(means)
    inputs = (means, quats, scales, opacities, first, higher, viewmats, backgrounds)
    differentiable = torch.is_grad_enabled() and any(
        t is not None and t.requires_grad for t in inputs
    )
    means2d = torch.empty(cameras, count, 2, requires_grad=differentiable)
    radii = torch.empty(cameras, count, 2, dtype=torch.int32)
    centers = torch.zeros(cameras, 3)
    if settings.sh_degree >= 0:
        centers = _centers(viewmats)
    image, alpha = RasterizeOnCpu.apply(
        means, quats, scales, opacities, first, higher, viewmats, centers, backgrounds,
        means2d, Ks, radii, settings,
    )  # fmt: skip
    meta = {
        "means2d": means2d,
        "radii": radii,
        "width": settings.width,
        "height": settings.height,
        "n_cameras": cameras,
        "n_batches": 1,
        # Only gsplat's packed mode has these; its strategies ask for the keys.
        "gaussian_ids": None,
        "camera_ids": None,
        "tile_size": TILE,
    }
    return image, alpha, meta
