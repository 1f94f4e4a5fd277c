"""Presets of `fit`: values of `FitConfig` to start from. Every field can still be overridden."""

from .presets import PRESETS as PRESETS
from .presets import PresetName as PresetName
