"""Depth priors: relative depth of each photo, aligned to a reconstruction or dropped."""

from .config import DepthConfig as DepthConfig
from .stage import align_depth as align_depth
from .stage import build_depth as build_depth
from .stage import depth_fingerprint as depth_fingerprint
from .stage import load_depth as load_depth
from .stage import resolve_depth as resolve_depth
