"""One training step, and everything a training consists of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from ..events import EventSink
from ..render import Backend
from ..scene.splats import Splats
from ..scene.views import Views
from .camera_parameters import TrainableCameras
from .config import TrainingConfig
from .densification import Densifier, seeded
from .densification.default import DefaultDensifier
from .densification.mcmc import McmcDensifier
from .exposure import Exposure
from .finite_watch import Diverged as Diverged
from .finite_watch import FiniteWatch
from .gaussian_model import GaussianModel
from .initialization import initial_splats, scene_scale
from .scale_limits import limit_scales
from .schedule import Schedule
from .training_photos import Photo, TrainingPhotos, ViewingOrder
from .veil_clearing import VeilClearing

_FINITE_CHECK_STEPS = 50
_LIMIT_STEPS = 25


class Trainer:
    """Gaussians, optimizers, exposure and densification, advanced one step at a time.

    The state after a step is a function of the views, the config, the seed and the step alone
    (on a CPU with a fixed number of threads), so `load_state_dict` continues exactly.
    """

    def __init__(
        self,
        views: Views,
        config: TrainingConfig,
        backend: Backend,
        seed: int,
        emit: EventSink,
        cameras: TrainableCameras | None = None,
    ) -> None:
        self.cameras = cameras
        self.config, self.backend, self._seed = config, backend, seed
        self.device = torch.device(backend.device)
        held_out = np.asarray(views.held_out, bool)
        self._order = ViewingOrder(np.flatnonzero(~held_out), seed)
        self._order_of_all = ViewingOrder(np.arange(len(held_out)), seed)
        sizes = [image.shape[:2] for image in views.images]
        pixels = sum(h * w for (h, w), out in zip(sizes, held_out, strict=True) if not out)
        self._first = initial_splats(
            views,
            emit,
            fill_below=config.fill_below,
            max_gaussians=config.max_gaussians,
            seed=seed,
            opacity=config.initial_opacity,
        )
        self.schedule = Schedule(
            config, max(max(size) for size in sizes), scene_scale(self._first, views)
        )
        self._refinement = self.schedule.refinement(pixels, len(self._first))
        self.photos = TrainingPhotos(views, self.schedule.factors, self.device)
        self._veils = VeilClearing(config, self._refinement, self.photos, backend)
        poses = self.photos.viewmats[~self.photos.held_out]
        self._centers = -torch.einsum("vji,vj->vi", poses[:, :3, :3], poses[:, :3, 3])
        self.restart()

    def restart(self, damping: float = 1.0) -> None:
        """Goes back to the first step, with all learning rates multiplied by `damping`."""
        self.step = 0
        self.damping = damping
        self.exposure_baked = False
        self.model = GaussianModel(self._first, self.device)
        self.exposure = Exposure(len(self.photos), self.device)
        self.densifier = self._new_densifier()
        self.image_size = (0, 0)
        # On a CPU there is nothing to wait for.
        self._watch = FiniteWatch(late=self.device.type != "cpu")
        if self.cameras is not None:
            self.cameras.restart()

    def advance(self) -> Float[torch.Tensor, ""]:
        """Trains one step and returns its photometric loss, on the device.

        A GPU is not waited for: whoever reads the loss does.

        Raises:
            Diverged: the loss or a parameter is no longer finite; the state must be discarded.
        """
        step, last_pass = self.step, self.step >= self.config.steps
        index = (self._order_of_all if last_pass else self._order).at(step)
        factor = self.schedule.factor(step)
        photo = self.photos.at(index, factor)
        self.image_size = photo.size
        self.model.raise_sh_degree(self.schedule.sh_degree(step))
        rates = self.schedule.rates(step, self.damping)
        self.model.set_learning_rates(rates)
        photometric, loss, meta = self._loss(index, factor, photo)
        photometric = photometric.detach()
        self._watch.see_loss(photometric)
        torch.autograd.backward(loss)
        self._update(index, rates, None if last_pass else meta)
        self.step += 1
        return photometric

    def check_finite(self) -> None:
        """Raises `Diverged` if a parameter or a loss was NaN or infinite; waits for the device."""
        self._watch.settle()
        name = self.first_not_finite()
        if name is not None:
            raise Diverged(f"a parameter ({name})")

    def first_not_finite(self) -> str | None:
        """Name of the first parameter that holds NaN or infinity, or None."""
        name = self.model.first_not_finite()
        if name is None and not self.exposure.is_finite():
            name = "exposure"
        if name is None and self.cameras is not None:
            name = self.cameras.first_not_finite()
        return name

    @torch.no_grad()
    def render_photo(self, index: int) -> Float[torch.Tensor, "H W 3"]:
        """The splat as photo number `index` at full size shows it, on black, no exposure map."""
        params = self.model.params
        black = torch.zeros(1, 3, device=self.device)
        return self._render(
            self.photos.at(index),
            self._viewmat(index),
            torch.exp(params["scales"]),
            torch.sigmoid(params["opacities"]),
            black,
        )[0]

    def bake_exposure(self) -> None:
        """Makes identity the mean exposure of the training photos, once."""
        if self.config.exposure and not self.exposure_baked:
            self.exposure.bake_mean(self.model, ~self.photos.held_out)
        self.exposure_baked = True

    def splats(self) -> Splats:
        """A copy of the Gaussians on the CPU."""
        return replace(self.model.splats(), antialiased=self.config.antialiased)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        cameras = {} if self.cameras is None else {"cameras": self.cameras.state_dict()}
        return cameras | {
            "step": self.step,
            "damping": self.damping,
            "exposure_baked": self.exposure_baked,
            "model": self.model.state_dict(),
            "exposure": self.exposure.state_dict(),
            "densifier": self.densifier.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned."""
        self.restart(state["damping"])
        self.step = state["step"]
        self.exposure_baked = state["exposure_baked"]
        self.model = GaussianModel.from_state_dict(state["model"], self.device)
        self.exposure.load_state_dict(state["exposure"])
        self.densifier.load_state_dict(state["densifier"])
        if self.cameras is not None:
            self.cameras.load_state_dict(state["cameras"])

    def _loss(
        self, index: int, factor: float, photo: Photo
    ) -> tuple[Float[torch.Tensor, ""], Float[torch.Tensor, ""], dict[str, Any]]:
        """Photometric loss, all that is minimised, and what the rasterizer says of the render."""
        scales = torch.exp(self.model.params["scales"])
        opacities = torch.sigmoid(self.model.params["opacities"])
        background = self._background(self.step)
        viewmat = self._viewmat(index)
        with_depth = self.cameras is not None and self.cameras.wants_depth(self.step)
        render, meta = self._render(photo, viewmat, scales, opacities, background, with_depth)
        render, depth = render[..., :3], render[..., 3] if with_depth else None
        self.densifier.before_backward(self.model, meta)
        if self.config.exposure:
            render = self.exposure.apply(render, index)
        target = self.photos.target(index, factor)
        photometric = self.backend.photometric_loss(
            render, target, photo.mask, dssim_weight=self.config.dssim_weight
        )
        loss = photometric + self._regularisation(index, scales, opacities)
        if self.cameras is not None:
            loss = loss + self.cameras.term(index, self.step, depth)
        return photometric, loss, meta

    def _update(self, index: int, rates: dict[str, float], meta: dict[str, Any] | None) -> None:
        """Everything that changes after the backward pass.

        Args:
            meta: of the render; None where the number of Gaussians stays as it is.
        """
        step = self.step
        self.model.step()
        if self.config.exposure:
            self.exposure.step(index, self.schedule.exposure_rate(step) * self.damping)
        if self.cameras is not None:
            self.cameras.step(index, step, self.damping)
        if meta is not None:
            self._veils.after_step(self.model, step)
            self.densifier.after_step(self.model, step, meta, rates["means"])
        if step % _LIMIT_STEPS == 0 and self.config.largest_scale > 0:
            params = self.model.params
            limit_scales(
                params["means"], params["scales"], self._centers, self.config.largest_scale
            )
        look = step % _FINITE_CHECK_STEPS == 0
        if step + 1 in self.schedule.ends or (look and self._looks_ill()):
            self.check_finite()

    def _looks_ill(self) -> bool:
        """Whether something may not be finite, as far as is known without waiting."""
        ill = not self._watch.ask(self.model.sums())
        return ill or (self.cameras is not None and self.cameras.first_not_finite() is not None)

    def _viewmat(self, index: int) -> Float[torch.Tensor, "4 4"]:
        if self.cameras is None:
            return self.photos.viewmats[index]
        return self.cameras.viewmat(index, self.step)

    def _render(
        self,
        photo: Photo,
        viewmat: Float[torch.Tensor, "4 4"],
        scales: Float[torch.Tensor, "N 3"],
        opacities: Float[torch.Tensor, " N"],
        background: Float[torch.Tensor, "1 3"],
        with_depth: bool = False,
    ) -> tuple[Float[torch.Tensor, "H W D"], dict[str, Any]]:
        width, height = photo.size
        options = {} if self.densifier.reads_packed else {"packed": False}
        render, _, meta = self.backend.rasterization(
            self.model.params["means"],
            self.model.params["quats"],
            scales,
            opacities,
            self.model.sh,
            viewmat[None],
            photo.K[None],
            width,
            height,
            sh_degree=self.model.sh_degree,
            backgrounds=background,
            render_mode="RGB+ED" if with_depth else "RGB",
            rasterize_mode="antialiased" if self.config.antialiased else "classic",
            absgrad=self.densifier.needs_absgrad and torch.is_grad_enabled(),
            **options,
        )
        return render[0], meta

    def _background(self, step: int) -> Float[torch.Tensor, "1 3"]:
        if self.config.background == "black":
            return torch.zeros(1, 3, device=self.device)
        generator = seeded(self.device, self._seed, (3 << 30) + step)
        return torch.rand(1, 3, device=self.device, generator=generator)

    def _regularisation(
        self, photo: int, scales: torch.Tensor, opacities: torch.Tensor
    ) -> torch.Tensor:
        config = self.config
        loss = scales.new_zeros(())
        if config.strategy == "mcmc" and config.opacity_weight > 0:
            loss = loss + config.opacity_weight * opacities.mean()
        if config.strategy == "mcmc" and config.scale_weight > 0:
            loss = loss + config.scale_weight / self.schedule.scene_scale * scales.mean()
        if config.exposure:
            loss = loss + config.exposure_weight * self.exposure.penalty(photo)
        return loss

    def _new_densifier(self) -> Densifier:
        config = self.config
        if config.strategy == "default":
            return DefaultDensifier(
                self._refinement,
                self._seed,
                scene_scale=self.schedule.scene_scale,
                min_opacity=config.min_opacity,
            )
        return McmcDensifier(
            self._refinement,
            self._seed,
            noise=config.position_noise,
            min_opacity=config.min_opacity,
            by_gradient=config.grow_by == "gradient",
            spread=config.split_spread,
        )
