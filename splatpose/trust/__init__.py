"""How far every photo's pose can be trusted: evidence, verdicts, advice."""

from .config import TrustConfig
from .stage import judge_poses, load_verdicts, with_held_out
from .verdicts import PhotoTrust, PhotoVerdict, Verdicts

__all__ = [
    "PhotoTrust",
    "PhotoVerdict",
    "TrustConfig",
    "Verdicts",
    "judge_poses",
    "load_verdicts",
    "with_held_out",
]
