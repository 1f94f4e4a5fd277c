"""Clone, split, prune and opacity reset of 3DGS, by gsplat's strategy, within a budget."""

from __future__ import annotations

from typing import Any

import torch
from gsplat.strategy import DefaultStrategy
from gsplat.strategy.ops import reset_opa

from ..gaussian_model import GaussianModel
from . import Refinement

_GROW_GRADIENT = 0.0008
"""Mean absolute image-plane gradient above which a Gaussian is cloned or split, in units of half
the image (AbsGS, arXiv:2404.10484)."""


class DefaultDensifier:
    """Clone, split, prune and opacity reset of 3DGS (arXiv:2308.04079), within a budget.

    Once space is short, only the Gaussians of largest gradient grow.
    """

    needs_absgrad = True
    reads_packed = False

    def __init__(
        self, refinement: Refinement, seed: int, *, scene_scale: float, min_opacity: float
    ) -> None:
        self._refinement = refinement
        self._seed = seed
        self._strategy = DefaultStrategy(
            prune_opa=min_opacity,
            refine_start_iter=refinement.start,
            refine_stop_iter=refinement.stop,
            refine_every=refinement.every,
            reset_every=1 << 30,
            absgrad=True,
        )
        self._state = self._strategy.initialize_state(scene_scale)
        self._reset_every = max(1, refinement.stop // 3 // refinement.every) * refinement.every

    def before_backward(self, model: GaussianModel, meta: dict[str, Any]) -> None:
        self._strategy.step_pre_backward(model.params, model.optimizers, self._state, 0, meta)

    def after_step(
        self, model: GaussianModel, step: int, meta: dict[str, Any], means_lr: float
    ) -> None:
        if step >= self._refinement.stop:
            return
        meta = {"gaussian_ids": None, **meta}
        # At its step 0 gsplat only collects gradients; the budget looks at them before it refines.
        self._strategy.step_post_backward(model.params, model.optimizers, self._state, 0, meta)
        if not self._refinement.due(step):
            return
        self._strategy.grow_grad2d = self._threshold(len(model))
        nothing_seen = {**meta, "radii": torch.zeros_like(meta["radii"])}
        # gsplat draws from the global stream.
        with torch.random.fork_rng():
            torch.manual_seed((self._seed << 32) + step)
            self._strategy.step_post_backward(
                model.params, model.optimizers, self._state, step, nothing_seen
            )
        if step % self._reset_every == 0:
            reset_opa(model.params, model.optimizers, self._state, 2 * self._strategy.prune_opa)

    def state_dict(self) -> dict[str, Any]:
        return dict(self._state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._state = dict(state)

    def _threshold(self, count: int) -> float:
        """Gradient above which Gaussians grow, so that no more than the budget are left."""
        room = self._refinement.max_gaussians - count
        if room <= 0:
            return float("inf")
        gradients = self._state["grad2d"] / self._state["count"].clamp_min(1)
        if int((gradients > _GROW_GRADIENT).sum()) > room:
            return float(gradients.topk(room).values[-1])
        return _GROW_GRADIENT
