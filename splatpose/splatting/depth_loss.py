"""Rendered depth drawn towards what a prior says, less and less while a training goes on.

Depth regularisation of 3D Gaussians from few photos (Chung et al., CVPR workshops 2024; Kerbl et
al., "Hierarchical 3D Gaussians", SIGGRAPH 2024, section 4): a weight that falls exponentially
leaves the last word to the photos. The prior's scale and shift are gone before: its map was fitted
to points (`splatpose.depth.map_fit`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float

from ..scene.views import Views
from .config import TrainingConfig

_FALL = 0.01
"""Share of the weight that is left at the last step."""
_TRUSTED = 0.1
"""Relative difference up to which a pixel pulls in full: the pull of one that is off by as much is
half of it, that of one that is off by far more goes to zero."""
_LEAST_DEPTH = 1e-6


class DepthTerm:
    """What prior depth adds to the loss of a step."""

    def __init__(self, views: Views, config: TrainingConfig, device: torch.device) -> None:
        """
        Args:
            views: with the priors, where there are any.
            config: weight and steps.
            device: of the training.
        """
        self._weight, self._steps, self._device = config.depth_weight, config.steps, device
        self._priors = views.depths or (None,) * len(views.names)
        self._sent: dict[int, torch.Tensor] = {}

    def wants(self, view: int, step: int) -> bool:
        """Whether `term` looks at the depth of a view at a step; not in the last pass."""
        return self._weight > 0 and step < self._steps and self._priors[view] is not None

    def term(
        self,
        view: int,
        step: int,
        depth: Float[torch.Tensor, "H W"] | None,
        alpha: Float[torch.Tensor, "H W"],
    ) -> Float[torch.Tensor, ""]:
        """The weighted loss of a view that `wants` names.

        Args:
            view: number of the view.
            step: number of the step, for the weight.
            depth: expected depth as rendered, attached to the graph.
            alpha: opacity of each pixel.
        """
        assert depth is not None
        weight = self._weight * _FALL ** (step / self._steps)
        return weight * depth_loss(depth, self._prior(view, *depth.shape), alpha)

    def _prior(self, view: int, height: int, width: int) -> Float[torch.Tensor, "H W"]:
        """Nearest values of the prior at the pixels of a smaller picture, on the device."""
        if view not in self._sent:
            prior = self._priors[view]
            assert prior is not None
            self._sent[view] = torch.from_numpy(prior).to(self._device, torch.float32)
        whole = self._sent[view]
        rows, columns = (
            ((torch.arange(side, device=self._device) + 0.5) * (given / side)).long()
            for side, given in zip((height, width), whole.shape, strict=True)
        )
        return whole[rows[:, None], columns]


def depth_loss(
    depth: Float[torch.Tensor, "H W"],
    prior: Float[torch.Tensor, "H W"],
    alpha: Float[torch.Tensor, "H W"],
) -> Float[torch.Tensor, ""]:
    """Mean over the pixels of k log(1 + |log(depth / prior)| / k), weighted by the opacity.

    Nothing comes of pixels without a prior. Opacity gets no gradient as a weight: a loss must not
    be lowered by making things fainter.

    Args:
        depth: expected depth as rendered.
        prior: in the same unit, NaN where nothing is known.
        alpha: opacity of each pixel.
    """
    known = (prior > 0) & (depth.detach() > _LEAST_DEPTH)  # False for NaN as well
    one = torch.ones_like(depth)
    ratio = torch.where(known, depth, one) / torch.where(known, prior, one)
    robust = _TRUSTED * torch.log1p(ratio.log().abs() / _TRUSTED)
    return (robust * alpha.detach() * known).mean()
