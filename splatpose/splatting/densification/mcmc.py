"""3DGS-MCMC: transparent Gaussians are relocated, and their number grows by splitting."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Bool, Float, Int

from ...render.relocation import split_opacity_and_scale
from ..gaussian_model import GaussianModel
from . import Refinement, seeded

_MOST_CATEGORIES = 1 << 24
"""More than torch.multinomial draws from."""
_NOISE_EVERY = 10
"""Steps between two doses of noise; a dose is sqrt of that stronger, as of a random walk."""


class McmcDensifier:
    """Relocation of transparent Gaussians, growth by splitting, and noise on the positions.

    "3D Gaussian Splatting as Markov Chain Monte Carlo" (arXiv:2404.09591). Gaussians are chosen
    for splitting with a probability proportional to their opacity or, with `by_gradient`, to the
    mean absolute image-plane gradient they received since the last refinement (AbsGS,
    arXiv:2404.10484): short trainings then spend their Gaussians where the error is.
    """

    reads_packed = True

    def __init__(
        self,
        refinement: Refinement,
        seed: int,
        *,
        noise: float,
        min_opacity: float,
        by_gradient: bool,
        spread: float,
    ) -> None:
        self._spread = spread
        self.needs_absgrad = by_gradient
        self._refinement = refinement
        self._seed = seed
        self._noise = noise
        self._min_opacity = min_opacity
        self._score: Float[torch.Tensor, " N"] | None = None
        self._half_sizes: dict[tuple[int, int], Float[torch.Tensor, " 2"]] = {}

    def before_backward(self, model: GaussianModel, meta: dict[str, Any]) -> None:
        if self.needs_absgrad:
            meta["means2d"].retain_grad()

    @torch.no_grad()
    def after_step(
        self, model: GaussianModel, step: int, meta: dict[str, Any], means_lr: float
    ) -> None:
        if step >= self._refinement.stop:
            return
        if self.needs_absgrad:
            self._collect(len(model), meta)
        if self._refinement.due(step):
            self._refine(model, step)
        if self._noise > 0 and step % _NOISE_EVERY == 0:
            self._add_noise(model, step, means_lr * self._noise * _NOISE_EVERY**0.5)

    def state_dict(self) -> dict[str, Any]:
        return {"score": self._score}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._score = state["score"]

    def _collect(self, count: int, meta: dict[str, Any]) -> None:
        gradient = meta["means2d"].absgrad
        size = self._half_size(meta["width"], meta["height"], gradient)
        norm = (gradient * size).norm(dim=-1)
        ids = meta.get("gaussian_ids")
        if ids is None:
            visible = (meta["radii"] > 0).all(dim=-1)
            norm = norm.masked_fill(~visible, 0).sum(dim=0)
        else:
            norm = norm.new_zeros(count).index_add_(0, ids, norm)
        if self._score is None or len(self._score) != count:
            self._score = norm
        else:
            self._score += norm

    def _half_size(self, width: int, height: int, like: torch.Tensor) -> Float[torch.Tensor, " 2"]:
        """Half the picture: a copy to a GPU at every step would wait for all that is queued."""
        if (width, height) not in self._half_sizes:
            self._half_sizes[width, height] = like.new_tensor([width / 2, height / 2])
        return self._half_sizes[width, height]

    def _refine(self, model: GaussianModel, step: int) -> None:
        score, self._score = self._score, None  # of the steps since the last time, whatever follows
        opacities = torch.sigmoid(model.params["opacities"].detach())
        alive = opacities > self._min_opacity
        if not bool(alive.any()):
            return
        target = max(self._refinement.budget(step), len(model))
        missing = target - int(alive.sum())
        if missing > 0:
            weights = score if score is not None else opacities
            weights = torch.where(alive, weights, 0)
            total = float(weights.sum())
            if not math.isfinite(total):
                return  # drawing from these would end the process; the training is told soon
            if total <= 0:
                weights = torch.where(alive, opacities, 0)
            generator = seeded(weights.device, self._seed, step)
            chosen = drawn(weights, missing, generator)
            split(
                model,
                alive,
                chosen,
                spread=self._spread,
                generator=generator,
                min_opacity=self._min_opacity,
            )

    def _add_noise(self, model: GaussianModel, step: int, amount: float) -> None:
        opacities = torch.sigmoid(model.params["opacities"].detach())
        # The logistic gate (100, 0.995) of the published code is below 1e-4 past opacity 0.1.
        if opacities.device.type == "cpu":
            moved = (opacities < 0.1).nonzero()[:, 0]
        else:
            # The gate alone, for all: to count the faint ones would be to wait for the device.
            moved = torch.arange(len(opacities), device=opacities.device)
        if not len(moved):
            return
        means = model.params["means"].detach()
        generator = seeded(means.device, self._seed, (1 << 31) + step)
        random = torch.randn(len(moved), 3, device=means.device, generator=generator)
        gate = torch.sigmoid(-100 * (opacities[moved] - self._min_opacity))
        axes = _rotations(model.params["quats"].detach()[moved])
        variances = torch.exp(2 * model.params["scales"].detach()[moved])
        local = (axes.transpose(1, 2) @ random[..., None])[..., 0] * variances
        means[moved] += (axes @ local[..., None])[..., 0] * (amount * gate)[:, None]


def drawn(
    weights: Float[torch.Tensor, " N"], count: int, generator: torch.Generator
) -> Int[torch.Tensor, " M"]:
    """Indices drawn with probabilities proportional to `weights`, repeats allowed."""
    if len(weights) <= _MOST_CATEGORIES:
        return torch.multinomial(weights, count, replacement=True, generator=generator)
    sums = weights.double().cumsum(0)
    places = torch.rand(count, dtype=sums.dtype, device=sums.device, generator=generator)
    index = torch.searchsorted(sums, places * sums[-1], right=True)
    # Rounding may put the last one beyond the end, where nothing may have weight.
    return index.clamp(max=int(weights.nonzero()[-1]))


@torch.no_grad()
def split(
    model: GaussianModel,
    keep: Bool[torch.Tensor, " N"],
    chosen: Int[torch.Tensor, " M"],
    *,
    spread: float = 0.0,
    generator: torch.Generator | None = None,
    min_opacity: float = 0.005,
) -> None:
    """Replaces the Gaussians not in `keep` by copies of `chosen`, nearly leaving the image as is.

    A Gaussian that is chosen n times becomes n + 1. With `spread` 0 they coincide and have the
    opacity and scale of `split_opacity_and_scale`. Otherwise they are displaced at random by
    `spread` standard deviations and shrunk, so that their sum has the covariance of the original:
    coincident Gaussians have nearly the same gradient and take many steps to part.

    Args:
        model: changed in place; afterwards it holds the kept Gaussians, then the copies.
        keep: which Gaussians stay.
        chosen: indices, repeats allowed, all in `keep`.
        spread: in [0, 1), in standard deviations of the Gaussian.
        generator: of the displacements.
        min_opacity: no copy gets less, or it would be removed at once.
    """
    counts = torch.bincount(chosen, minlength=len(model))
    touched = counts.nonzero()[:, 0]
    copies = counts[touched] + 1
    opacities = torch.sigmoid(model.params["opacities"].detach()[touched])
    scales = model.params["scales"].detach()[touched].exp()
    if spread == 0:
        opacities, scales = split_opacity_and_scale(opacities, scales, copies)
    else:
        shrink = 1 - spread**2
        # n faint Gaussians of area `shrink` cover what one of area 1 did.
        opacities = opacities / (copies * shrink).clamp(min=1)
        scales = scales * shrink**0.5
    opacities = opacities.clamp(min_opacity, 1 - 1e-6)
    model.params["opacities"].detach()[touched] = torch.logit(opacities)
    model.params["scales"].detach()[touched] = scales.log()
    index = torch.cat([keep.nonzero()[:, 0], chosen])
    fresh = counts[index] > 0
    model.select(index, fresh)
    if spread > 0:
        moved = fresh.nonzero()[:, 0]
        params = {name: value.detach()[moved] for name, value in model.params.items()}
        random = torch.randn(len(moved), 3, device=index.device, generator=generator)
        local = params["scales"].exp() * random * (spread / (1 - spread**2) ** 0.5)
        axes = _rotations(params["quats"])
        model.params["means"].detach()[moved] += (axes @ local[..., None])[..., 0]


def _rotations(quats: Float[torch.Tensor, "N 4"]) -> Float[torch.Tensor, "N 3 3"]:
    w, x, y, z = torch.nn.functional.normalize(quats, dim=1).unbind(1)
    return torch.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ],
        dim=1,
    ).reshape(-1, 3, 3)  # fmt: skip
