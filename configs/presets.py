"""The presets by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from splatpose.config import FitConfig

PresetName = Literal["fast", "default", "quality"]

_DEFAULT = FitConfig()

PRESETS: dict[PresetName, FitConfig] = {
    # To see within a minute or two whether the photos work.
    "fast": replace(
        _DEFAULT,
        views=replace(_DEFAULT.views, max_size=320),
        training=replace(
            _DEFAULT.training, steps=1000, final_steps=100, max_gaussians=20_000, sh_degree=1
        ),
    ),
    # Each stage's own defaults: minutes on two CPU cores.
    "default": _DEFAULT,
    # For a GPU, or a patient CPU.
    "quality": replace(
        _DEFAULT,
        views=replace(_DEFAULT.views, max_size=1024),
        training=replace(
            _DEFAULT.training,
            steps=10_000,
            final_steps=500,
            max_gaussians=200_000,
            sh_degree=3,
        ),
    ),
}
