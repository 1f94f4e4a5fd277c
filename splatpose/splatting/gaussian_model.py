"""The Gaussians while they are trained: parameters, one Adam each, and changes of their number."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float, Int

from ..render.arguments import Harmonics
from ..render.cpu.adam import adam_step
from ..scene.splats import Splats

SH_C0 = 0.28209479177387814
"""Value of the constant spherical harmonic: colour = 0.5 + SH_C0 * coefficient."""

_ADAM_BETAS = (0.9, 0.999)
_ADAM_EPS = 1e-15


class GaussianModel:
    """N Gaussians as the leaf tensors that gsplat's densification strategies expect.

    `params` and `optimizers` are dictionaries with the keys `means` [N, 3], `quats` [N, 4] (wxyz),
    `scales` [N, 3] (logarithms), `opacities` [N] (logits), `sh0` [N, 1, 3] and `shN` [N, K - 1, 3].
    Higher bands are allocated when the degree is raised, so that early steps do not pay for them.
    """

    def __init__(self, splats: Splats, device: torch.device) -> None:
        tensors = {
            "means": splats.means,
            "quats": splats.quats,
            "scales": splats.log_scales,
            "opacities": splats.logit_opacities,
            "sh0": splats.sh[:, :1],
            "shN": splats.sh[:, 1:],
        }
        self.params: dict[str, torch.nn.Parameter] = {}
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        for name, tensor in tensors.items():
            # A copy: training in place must never write into the tensors it was given.
            value = tensor.detach().to(device, torch.float32, copy=True).contiguous()
            self.params[name] = torch.nn.Parameter(value)
            self.optimizers[name] = _adam(self.params[name])

    def __len__(self) -> int:
        return self.params["means"].shape[0]

    @property
    def sh_degree(self) -> int:
        return round((1 + self.params["shN"].shape[1]) ** 0.5) - 1

    @property
    def sh(self) -> Harmonics:
        """Spherical-harmonics coefficients, attached to the graph: of the constant, of the rest."""
        return self.params["sh0"], self.params["shN"]

    def splats(self) -> Splats:
        """A detached copy on the CPU."""
        params = {name: value.detach().cpu().clone() for name, value in self.params.items()}
        return Splats(
            means=params["means"],
            quats=params["quats"],
            log_scales=params["scales"],
            logit_opacities=params["opacities"],
            sh=torch.cat([params["sh0"], params["shN"]], dim=1),
        )

    def set_learning_rates(self, rates: dict[str, float]) -> None:
        for name, rate in rates.items():
            self.optimizers[name].param_groups[0]["lr"] = rate

    def step(self) -> None:
        """One step of every optimizer; gradients are cleared."""
        if self.params["means"].device.type == "cpu":
            adam_step(list(self.optimizers.values()))
        else:
            for name, optimizer in self.optimizers.items():
                if self.params[name].numel():
                    optimizer.step()
        for value in self.params.values():
            value.grad = None

    def raise_sh_degree(self, degree: int) -> None:
        """Adds bands, starting at zero, until the degree is `degree`."""
        missing = (degree + 1) ** 2 - 1 - self.params["shN"].shape[1]
        if missing <= 0:
            return

        def padded(tensor: torch.Tensor) -> torch.Tensor:
            return torch.cat([tensor, tensor.new_zeros(len(tensor), missing, 3)], dim=1)

        self._replace("shN", padded(self.params["shN"].detach()), padded)

    @torch.no_grad()
    def select(self, index: Int[torch.Tensor, " M"], fresh: Bool[torch.Tensor, " M"]) -> None:
        """Makes the Gaussians `index` (repeats allowed) the new set.

        Args:
            index: which old Gaussian each new one copies.
            fresh: True where Adam's moments start from zero.
        """

        def moment(tensor: torch.Tensor) -> torch.Tensor:
            chosen = tensor[index]
            chosen[fresh] = 0
            return chosen

        for name in self.params:
            self._replace(name, self.params[name].detach()[index], moment)

    def _replace(self, name: str, value: torch.Tensor, moment: Any) -> None:
        optimizer = self.optimizers[name]
        old = self.params[name]
        state = optimizer.state.pop(old, {})
        new = torch.nn.Parameter(value)
        for key in ("exp_avg", "exp_avg_sq"):
            if key in state:
                state[key] = moment(state[key])
        optimizer.param_groups[0]["params"] = [new]
        if state:
            optimizer.state[new] = state
        self.params[name] = new

    @torch.no_grad()
    def sums(self) -> Float[torch.Tensor, " K"]:
        """Of each parameter the sum, which is not finite if any term is not."""
        return torch.stack([value.detach().sum() for value in self.params.values()])

    def first_not_finite(self) -> str | None:
        """Name of the first parameter that holds NaN or infinity, or None."""
        for name, value in self.params.items():
            # A sum is not finite if any term is not, and reads the tensor once.
            if not torch.isfinite(value.detach().sum()) and not value.isfinite().all():
                return name
        return None

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers only, so that it can be loaded without running code."""
        return {
            "params": {name: value.detach() for name, value in self.params.items()},
            "moments": {
                name: dict(self.optimizers[name].state.get(value, {}))
                for name, value in self.params.items()
            },
        }

    @classmethod
    def from_state_dict(cls, state: dict[str, Any], device: torch.device) -> GaussianModel:
        params = state["params"]
        splats = Splats(
            means=params["means"],
            quats=params["quats"],
            log_scales=params["scales"],
            logit_opacities=params["opacities"],
            sh=torch.cat([params["sh0"], params["shN"]], dim=1),
        )
        model = cls(splats, device)
        for name, moments in state["moments"].items():
            if moments:
                model.optimizers[name].state[model.params[name]] = {
                    key: value.clone() if key == "step" else value.to(device, copy=True)
                    for key, value in moments.items()
                }
        return model


def _adam(parameter: torch.nn.Parameter) -> torch.optim.Optimizer:
    return torch.optim.Adam([parameter], lr=0.0, betas=_ADAM_BETAS, eps=_ADAM_EPS, fused=True)
