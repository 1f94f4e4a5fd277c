"""From matches to camera poses."""

from .config import PosesConfig as PosesConfig
from .stage import load_poses as load_poses
from .stage import solve_poses as solve_poses
