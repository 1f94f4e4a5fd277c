"""Gaussians, and what their training left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jaxtyping import Float

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Splats:
    """N Gaussians with their parameters as they are optimised and as .ply files store them."""

    means: Float[torch.Tensor, "N 3"]
    quats: Float[torch.Tensor, "N 4"]
    """Rotations as quaternions wxyz, not necessarily normalised."""
    log_scales: Float[torch.Tensor, "N 3"]
    logit_opacities: Float[torch.Tensor, " N"]
    sh: Float[torch.Tensor, "N K 3"]
    """Spherical-harmonics coefficients, K = (degree + 1)^2, the constant one first."""
    antialiased: bool = False
    """Whether they were trained with Mip-Splatting's opacity compensation (arXiv:2311.16493), and
    so have to be drawn with it."""

    @property
    def sh_degree(self) -> int:
        return round(self.sh.shape[1] ** 0.5) - 1

    def __len__(self) -> int:
        return self.means.shape[0]


@dataclass(frozen=True)
class HeldOutScore:
    """How well the splat predicts one photo it was not trained on."""

    name: str
    psnr: float
    """Peak signal-to-noise ratio in dB, colours as they are."""
    ssim: float
    color_fitted_psnr: float = float("nan")
    """PSNR in dB after a colour fit: an affine map fitted on each half of the photo (left, right)
    and applied to the other. NaN in results of earlier versions, which did not measure it."""


@dataclass(frozen=True)
class OffPath:
    """How a splat looks from beside the photos, where cameras are moved by 15 % of the distance to
    what they see: right, left, up and down."""

    veil_percent: float
    """Share of these pictures that is covered by veils, in percent, by opacity: by Gaussians that
    stand where at least three photos see through."""
    veil_gaussians: int
    """Gaussians that stand there."""
    psnr: float
    """PSNR in dB of these pictures against the photo's pixels, brought there by the rendered depth,
    where the photo shows the place."""
    photo_psnr: float
    """PSNR in dB of the same photos from their own places: what there is to lose."""
    views: int
    """Pictures that were looked at."""


@dataclass(frozen=True)
class TrainedSplats:
    """What the splats stage leaves: the Gaussians and what was measured on the way."""

    splats: Splats
    held_out: tuple[HeldOutScore, ...]
    """Scores of the held-out photos, before any of them was trained on."""
    final_pass_on_all: bool
    """Whether a last pass trained on the held-out photos too, after the measurement."""
    backend: str
    steps: int
    curve: tuple[tuple[int, float, float, int], ...]
    """Samples (step, seconds, loss, number of Gaussians)."""
    previews_dir: Path
    """PNG files `NAME.png`: each held-out photo beside its rendering at the measurement."""
    off_path: OffPath | None = None
    """How the finished splat looks from beside the photos; None where that was not measured."""
