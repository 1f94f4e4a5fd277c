"""Settings of a training. Light to import, because `--help` reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..bounds import COUNT, RATE, SHARE, WEIGHT, Bounds
from ..keys import UNKEYED


@dataclass(frozen=True)
class TrainingConfig:
    """How the Gaussians are trained."""

    backend: Literal["auto", "gsplat", "cpu"] = "auto"
    """Rasterizer: gsplat (CUDA), our own for the CPU, or whichever fits the machine."""
    steps: Annotated[int, Bounds(1, 10_000_000)] = 2000
    """Training steps before the held-out photos are measured; one photo a step."""
    final_steps: Annotated[int, Bounds(0, 10_000_000)] = 200
    """Steps of the last pass that trains on the held-out photos too, after the measurement."""
    keep_holdout: bool = False
    """Leave the last pass out, so that the splat never sees a held-out photo (for benchmarks)."""
    max_gaussians: Annotated[int, Bounds(1, 100_000_000)] = 40_000
    """Largest number of Gaussians: bounds memory and time a step."""
    pixels_per_gaussian: Annotated[float, Bounds(0.001, 1e6)] = 10.0
    """At most one Gaussian for this many pixels of all training photos together."""
    strategy: Literal["mcmc", "default"] = "mcmc"
    """Densification: 3DGS-MCMC's relocation, or the clone, split and prune of 3DGS."""
    grow_by: Literal["gradient", "opacity"] = "gradient"
    """What makes mcmc split a Gaussian: its image-plane gradient, or its opacity (the paper)."""
    split_spread: Annotated[float, Bounds(0, 10)] = 0.8
    """How far apart mcmc puts the copies of a split Gaussian, in its standard deviations; 0 leaves
    them in one place (the paper)."""
    refine_every: Annotated[int, Bounds(1, 10_000_000)] = 50
    """Steps between two densifications."""
    refine_start: Annotated[int, Bounds(0, 10_000_000)] = 100
    """First step at which Gaussians are added or moved."""
    refine_stop: Annotated[float, SHARE] = 0.75
    """Share of the steps after which the number of Gaussians stays as it is."""
    growth_share: Annotated[float, SHARE] = 0.5
    """Share of the steps over which mcmc lets the number of Gaussians grow to its bound: coarse
    photos can neither place many Gaussians nor need them."""
    min_opacity: Annotated[float, Bounds(0, 0.99)] = 0.005
    """Gaussians below this opacity are moved (mcmc) or removed (default)."""
    position_noise: Annotated[float, Bounds(0, 1e9)] = 0.0
    """Exploration noise on the positions of faint Gaussians, relative to their learning rate."""
    fill_below: Annotated[int, COUNT] = 500
    """Sparse points below which points sampled in front of the cameras are added."""
    sh_degree: Literal[0, 1, 2, 3] = 2
    """Degree of the spherical harmonics of colour (3 has 16 coefficients a channel)."""
    sh_every: Annotated[int, Bounds(1, 10_000_000)] = 400
    """Steps after which the degree is raised by one."""
    coarse_factor: Annotated[float, Bounds(1, 1000)] = 4.0
    """How many times smaller than given the photos are at the start."""
    coarse_share: Annotated[float, SHARE] = 0.4
    """Share of the steps after which training uses the photos at full size."""
    background: Literal["black", "random"] = "random"
    """Colour behind the Gaussians while training; the measurement always uses black."""
    dssim_weight: Annotated[float, SHARE] = 0.2
    """Weight of 1 - SSIM in the photometric loss; the rest is the absolute difference."""
    antialiased: bool = False
    """Train with Mip-Splatting's opacity compensation. splat.ply says so in its header, which
    SuperSplat and splat-transform read; other viewers draw small Gaussians too solid."""
    exposure: bool = True
    """Learn for each photo an affine map of colour, pulled towards identity."""
    exposure_weight: Annotated[float, WEIGHT] = 20.0
    """Weight of the pull of the exposure maps towards identity."""
    opacity_weight: Annotated[float, WEIGHT] = 0.0
    """Weight of the mean opacity in the loss (mcmc only)."""
    scale_weight: Annotated[float, WEIGHT] = 0.0
    """Weight of the mean standard deviation over the scene's depth in the loss (mcmc only)."""
    largest_scale: Annotated[float, Bounds(0, 1e6)] = 0.5
    """Largest standard deviation of a Gaussian, relative to its distance from the nearest training
    camera; 0 sets no limit."""
    clear_veils: bool = False
    """Take away, three times in a training, Gaussians that stand where several photos see
    through. Hardly any are left then, but photos of further views come out no better."""
    initial_opacity: Annotated[float, Bounds(0.001, 0.999)] = 0.1
    """Opacity of the first Gaussians."""
    lr_means: Annotated[float, RATE] = 2e-3
    """First learning rate of the positions, relative to the scene's median depth."""
    lr_means_final: Annotated[float, RATE] = 2e-5
    """Last learning rate of the positions, relative to the scene's median depth."""
    lr_scales: Annotated[float, RATE] = 4e-2
    """Learning rate of the logarithms of the standard deviations."""
    lr_quats: Annotated[float, RATE] = 1e-2
    """Learning rate of the rotations."""
    lr_opacities: Annotated[float, RATE] = 5e-2
    """Learning rate of the opacities' logits."""
    lr_colors: Annotated[float, RATE] = 1e-2
    """Learning rate of the constant colour coefficients."""
    lr_sh: Annotated[float, RATE] = 1e-3
    """Learning rate of the higher colour coefficients."""
    lr_exposure: Annotated[float, RATE] = 2e-3
    """Learning rate of the exposure maps."""
    lr_decay: Annotated[float, Bounds(1e-6, 1)] = 0.1
    """Factor that every learning rate but the positions' has come down to at the last step."""
    measure_every: Annotated[int, Bounds(0, 10_000_000)] = field(default=0, metadata=UNKEYED)
    """Steps between measurements of the held-out photos on the way; 0 measures at the end only."""
    checkpoint_seconds: Annotated[float, Bounds(0, 1e6)] = field(default=25.0, metadata=UNKEYED)
    """Seconds between checkpoints; more where writing one would take over 2 % of the time."""
