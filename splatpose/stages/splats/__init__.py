"""Gaussians trained on the views."""

from ...splatting.config import TrainingConfig as TrainingConfig
from .stage import load_splats as load_splats
from .stage import resolve_backend as resolve_backend
from .stage import train_splats as train_splats
