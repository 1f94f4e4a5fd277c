"""Takes veils away while there is time to fill what they leave."""

from __future__ import annotations

import math

import torch

from ..render import Backend
from ..scene.splats import Splats
from .config import TrainingConfig
from .densification import Refinement
from .gaussian_model import GaussianModel
from .seen_through import seen_through, witnesses
from .training_photos import TrainingPhotos

_SHARES = (0.6, 0.8, 0.98)
"""When, as shares of the steps in which Gaussians are added and moved: late, since surfaces have to
be there to be seen, and before the end, since the next refinement is to use them elsewhere."""


class VeilClearing:
    """Makes Gaussians that stand where several photos see through too faint to stay.

    The next refinement moves them (mcmc) or removes them (default). Costs some 40 small pictures
    a time. The state is the step's alone, so that a resumed training does the same.
    """

    def __init__(
        self,
        config: TrainingConfig,
        refinement: Refinement,
        photos: TrainingPhotos,
        backend: Backend,
    ) -> None:
        self._antialiased, self._least = config.antialiased, config.min_opacity
        self._photos, self._backend = photos, backend
        self._steps: set[int] = set()
        if config.clear_veils and config.min_opacity > 0:
            steps = {math.floor(share * refinement.stop) for share in _SHARES}
            self._steps = {step for step in steps if refinement.start < step < refinement.stop}

    @torch.no_grad()
    def after_step(self, model: GaussianModel, step: int) -> None:
        """Looks for veils if it is time to."""
        if step not in self._steps:
            return
        params = {name: value.detach() for name, value in model.params.items()}
        splats = Splats(
            means=params["means"],
            quats=params["quats"],
            log_scales=params["scales"],
            logit_opacities=params["opacities"],
            sh=params["sh0"],
            antialiased=self._antialiased,
        )
        veils = seen_through(splats.means, witnesses(splats, self._photos, self._backend))
        faint = 0.5 * self._least
        params["opacities"].masked_fill_(veils, math.log(faint / (1 - faint)))
