"""All that `fit` can be told. Light: `fit --help` imports it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from .bounds import SEED
from .splatting.config import TrainingConfig
from .stages.budget.config import BudgetConfig
from .stages.capture.config import CaptureConfig
from .stages.depth.config import DepthConfig
from .stages.joint.config import JointConfig
from .stages.late_registration.config import LateRegistrationConfig
from .stages.local.config import LocalConfig
from .stages.matching.config import MatchingConfig, SecondMatchingConfig
from .stages.outputs.config import OutputsConfig
from .stages.poses.config import PosesConfig
from .stages.trust.config import TrustConfig
from .stages.views.config import ViewsConfig


@dataclass(frozen=True)
class FitConfig:
    """Everything `fit` can be told, one part a stage."""

    capture: CaptureConfig = field(default_factory=CaptureConfig)
    """Which files count as photos."""
    depth: DepthConfig = field(default_factory=DepthConfig)
    """Depth priors."""
    matching: MatchingConfig = field(default_factory=MatchingConfig)
    """Features, pairs and matches."""
    local: LocalConfig = field(default_factory=LocalConfig)
    """Relative poses refined in clusters of neighbouring photos."""
    poses: PosesConfig = field(default_factory=PosesConfig)
    """Cameras and sparse points."""
    second_matching: SecondMatchingConfig = field(default_factory=SecondMatchingConfig)
    """Further pairs of photos that the poses name, with which the poses go on."""
    late_registration: LateRegistrationConfig = field(default_factory=LateRegistrationConfig)
    """Photos that the poses left out, registered on depth that Gaussians render."""
    budget: BudgetConfig = field(default_factory=BudgetConfig)
    """Time and memory of the training, from which other options follow."""
    views: ViewsConfig = field(default_factory=ViewsConfig)
    """Undistorted photos for training, and which are held out."""
    joint: JointConfig = field(default_factory=JointConfig)
    """Poses refined together with Gaussians."""
    trust: TrustConfig = field(default_factory=TrustConfig)
    """Verdicts on the poses."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Gaussians."""
    outputs: OutputsConfig = field(default_factory=OutputsConfig)
    """Files in the output folder."""
    seed: Annotated[int, SEED] = 0
    """Seed of everything random. Same seed, machine and thread count: same result on CPU."""
