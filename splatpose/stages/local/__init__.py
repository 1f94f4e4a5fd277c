"""Relative poses refined in clusters of neighbouring views, kept where held-out matches gain."""

from .config import LocalConfig as LocalConfig
from .stage import load_local as load_local
from .stage import refine_pairs as refine_pairs
