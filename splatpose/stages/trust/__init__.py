"""How far every photo's pose can be trusted: evidence, verdicts, advice."""

from ...scene.verdicts import PhotoTrust, PhotoVerdict, Verdicts
from .config import TrustConfig
from .stage import judge_poses, load_verdicts, with_held_out

__all__ = [
    "PhotoTrust",
    "PhotoVerdict",
    "TrustConfig",
    "Verdicts",
    "judge_poses",
    "load_verdicts",
    "with_held_out",
]
