"""Splitting one Gaussian into several that look like it."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int

MAX_COPIES = 51
"""More copies of one Gaussian than this are treated as this many."""


def split_opacity_and_scale(
    opacities: Float[torch.Tensor, " N"],
    scales: Float[torch.Tensor, "N 3"],
    copies: Int[torch.Tensor, " N"],
) -> tuple[Float[torch.Tensor, " N"], Float[torch.Tensor, "N 3"]]:
    """Opacity and scale of each of `copies` coincident Gaussians that replace one.

    Composited on top of each other they have the opacity of the original at its centre and the
    same integral over the image. "3D Gaussian Splatting as Markov Chain Monte Carlo"
    (arXiv:2404.09591), equation 9; its double sum over i <= copies and k < i of
    binom(i-1, k) (-1)^k o^(k+1) / sqrt(k+1) is the single sum below, because the binomials of a
    column add up to binom(copies, k+1).

    Args:
        opacities: in (0, 1).
        scales: standard deviations.
        copies: at least 1 (clamped to 1..MAX_COPIES).
    """
    count = copies.clamp(1, MAX_COPIES)
    # Alternating binomials cancel: double precision keeps the sum good to 51 copies.
    old = opacities.double().clamp(1e-12, 1 - 1e-9)
    new = -torch.expm1(torch.log1p(-old) / count)
    binomials = torch.tensor(
        [[math.comb(n, k) for k in range(1, MAX_COPIES + 1)] for n in range(MAX_COPIES + 1)],
        dtype=torch.float64,
        device=old.device,
    )
    k = torch.arange(1, MAX_COPIES + 1, device=old.device, dtype=torch.float64)
    signs = torch.where(k % 2 == 1, 1.0, -1.0) / k.sqrt()
    total = (binomials[count] * signs * new[:, None] ** k).sum(dim=1)
    return new.to(opacities.dtype), (scales.double() * (old / total)[:, None]).to(scales.dtype)
