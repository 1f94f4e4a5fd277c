"""Per-photo exposure: what the camera did to the colours, kept out of the Gaussians."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Bool, Float

from ..render.color_map import affine_colors
from .gaussian_model import SH_C0, GaussianModel


class Exposure:
    """One affine map of colour [3, 4] a photo, starting at and pulled towards identity.

    The map turns the rendered colour into the photo's: `photo = A render + b`.
    """

    def __init__(self, num_photos: int, device: torch.device) -> None:
        # One Adam a photo: it leaves the photos alone that a step did not see, and a step takes as
        # long for a thousand photos as for ten.
        self.maps = [torch.nn.Parameter(_identity(device)) for _ in range(num_photos)]
        self._optimizers = [torch.optim.Adam([value], lr=0.0) for value in self.maps]
        self._unchanged = _identity(device)

    def apply(self, render: Float[torch.Tensor, "H W 3"], photo: int) -> torch.Tensor:
        """The rendering [H, W, 3] as photo number `photo` would have recorded it."""
        return affine_colors(render, self.maps[photo])

    def penalty(self, photo: int) -> Float[torch.Tensor, ""]:
        """Mean squared deviation of a photo's map from identity."""
        A = self.maps[photo]
        return (A - self._unchanged).square().mean()

    def step(self, photo: int, learning_rate: float) -> None:
        """One step for `photo`, the only map that has a gradient."""
        optimizer = self._optimizers[photo]
        optimizer.param_groups[0]["lr"] = learning_rate
        optimizer.step()
        self.maps[photo].grad = None

    @torch.no_grad()
    def bake_mean(self, model: GaussianModel, photos: Bool[torch.Tensor, " V"]) -> None:
        """Moves the mean map of `photos` into the Gaussians' colours.

        Scene colour and exposure share one free affine map. After this the mean over `photos` is
        the identity, so the splat has the colours of an average photo, and a photo that was never
        trained on is fairly predicted with no exposure map at all. Spherical harmonics are linear
        in the colour, so the move is exact up to the clamp of negative colours.
        """
        chosen = [self.maps[i] for i in photos.nonzero()[:, 0].tolist()]
        if not chosen:
            return
        mean = torch.stack(chosen).mean(dim=0)
        A, b = mean[:, :3], mean[:, 3]
        sh0, shN = model.params["sh0"], model.params["shN"]
        sh0.copy_(sh0 @ A.T + ((A.sum(dim=1) - 1) * 0.5 + b) / SH_C0)
        shN.copy_(shN @ A.T)
        inverse = torch.linalg.inv(A)
        for value in chosen:
            linear = value[:, :3] @ inverse
            value.copy_(torch.cat([linear, (value[:, 3] - linear @ b)[:, None]], dim=1))

    def is_finite(self) -> bool:
        """Whether no map holds NaN or infinity; waits for the device."""
        return bool(torch.stack([value.detach() for value in self.maps]).isfinite().all())

    def state_dict(self) -> dict[str, Any]:
        """Tensors and numbers only."""
        moments = {}
        for index, (value, optimizer) in enumerate(zip(self.maps, self._optimizers, strict=True)):
            if value in optimizer.state:
                moments[index] = dict(optimizer.state[value])
        return {"maps": [value.detach() for value in self.maps], "moments": moments}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores `state_dict`'s value; the number of photos must be the same."""
        with torch.no_grad():
            for mine, saved in zip(self.maps, state["maps"], strict=True):
                mine.copy_(saved)
        for index, moments in state["moments"].items():
            self._optimizers[index].state[self.maps[index]] = {
                key: value.cpu().clone() if key == "step" else value.clone()
                for key, value in moments.items()
            }


def _identity(device: torch.device) -> Float[torch.Tensor, "3 4"]:
    return torch.eye(3, 4, device=device)
