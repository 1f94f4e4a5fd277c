"""Poses and Gaussians optimised together, kept only where unseen photos and matches gain."""

from .config import JointConfig as JointConfig
from .stage import load_joint as load_joint
from .stage import refine_jointly as refine_jointly
