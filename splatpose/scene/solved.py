"""What is known of a run's photos before Gaussians are trained for good."""

from __future__ import annotations

from dataclasses import dataclass

from ..keys import Keyed
from .capture import Capture
from .depth_maps import DepthAlignment
from .evidence import JointEvidence, LocalEvidence
from .matches import MatchGraph
from .second_round import SecondRoundEvidence
from .sparse_model import SparseModel
from .training_plan import TrainingPlan
from .verdicts import Verdicts
from .views import Views


@dataclass(frozen=True)
class Solved:
    """Cameras, sparse points, views and verdicts of one run."""

    capture: Capture
    graph: MatchGraph
    poses: SparseModel
    """The last ones: after late registration and joint optimisation, where these were kept."""
    views: Keyed[Views]
    """Views, with the hash of all that a training on them depends on."""
    verdicts: Verdicts
    depth: DepthAlignment | None
    """What became of the depth priors, where there were any."""
    local: LocalEvidence | None
    joint: JointEvidence | None
    backend: str
    """Rasterizer that runs here."""
    second: SecondRoundEvidence | None = None
    """What became of pairs that the poses named; None where all pairs were tried before."""
    plan: TrainingPlan | None = None
    """Numbers of the training, where they were chosen for a time or a memory."""
