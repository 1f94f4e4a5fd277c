"""gsplat on CUDA behind the `render.interface`."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from splatpose.render.arguments import Harmonics, check_arguments, refuse_options
from splatpose.render.few_kernels_loss import photometric_loss
from splatpose.render.interface import Backend
from splatpose.render.reference import RasterizeMode, RenderMode

DEVICE = "cuda"
"""Type of the device that all tensors have to be on."""
PACKED_FROM = 2_000_000
"""Gaussians from which on only those that a camera sees are kept in memory: the host waits for
their number, which is nothing beside what a step takes then."""


def why_gsplat_cannot_run() -> str | None:
    """What keeps gsplat from running here, or None. Compiles nothing and touches no GPU memory."""
    if importlib.util.find_spec("gsplat") is None:
        return "gsplat is not installed"
    if not torch.cuda.is_available():
        return "no CUDA device" if torch.version.cuda else "this PyTorch is built without CUDA"
    if importlib.util.find_spec("gsplat.csrc") is not None or _compiled_before():
        return None
    missing = [
        what
        for what, found in (
            ("the CUDA compiler nvcc", _nvcc()),
            ("a C++ compiler", _host_compiler()),
            ("ninja", shutil.which("ninja") or importlib.util.find_spec("ninja")),
        )
        if not found
    ]
    if missing:
        return "its kernels have to be compiled and " + " and ".join(missing) + " cannot be found"
    return None


def _compiled_before() -> bool:
    from torch.utils import cpp_extension

    build = os.environ.get("TORCH_EXTENSIONS_DIR") or cpp_extension.get_default_build_root()
    return any(Path(build).glob("**/gsplat_cuda/gsplat_cuda.so"))


def _nvcc() -> str | None:
    from torch.utils import cpp_extension

    home = cpp_extension.CUDA_HOME
    if home and (Path(home) / "bin" / "nvcc").is_file():
        return str(Path(home) / "bin" / "nvcc")
    return shutil.which("nvcc")


def _host_compiler() -> str | None:
    if os.name == "nt":
        return shutil.which("cl")
    return os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++")


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
    """`gsplat.rasterization`; see `render.cpu.rasterization` for what is not said here.

    Args:
        packed: whether `meta` holds the visible Gaussians alone, with `gaussian_ids` (an option);
            without it that follows from their number.
    """
    from gsplat import rasterization as gsplat_rasterization

    packed = options.pop("packed", None)
    packed = len(means) >= PACKED_FROM if packed is None else bool(packed)
    refuse_options(options)
    check_arguments(means, quats, scales, opacities, colors, viewmats, Ks, width, height,
                    sh_degree, backgrounds, render_mode, rasterize_mode, DEVICE)  # fmt: skip
    return gsplat_rasterization(
        means,
        quats,
        scales,
        opacities,
        torch.cat(colors, dim=1) if isinstance(colors, tuple) else colors,
        viewmats,
        Ks,
        int(width),
        int(height),
        near_plane=near_plane,
        far_plane=far_plane,
        eps2d=eps2d,
        sh_degree=sh_degree,
        packed=packed,
        backgrounds=backgrounds,
        render_mode=render_mode,
        rasterize_mode=rasterize_mode,
        absgrad=absgrad,
    )


def gsplat_backend(reason: str) -> Backend:
    """The backend on the current CUDA device."""
    device = torch.device("cuda", torch.cuda.current_device())
    name = torch.cuda.get_device_name(device)
    return Backend("gsplat", f"{reason} ({name})", device, rasterization, photometric_loss)
