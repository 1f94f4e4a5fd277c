"""After the first poses: pairs that they name are matched, and they go on with what that gives."""

from __future__ import annotations

from typing import Any

from .config import FitConfig
from .keys import Keyed, Unkeyed
from .runs import RunFolder
from .scene.capture import Capture
from .scene.depth_maps import DepthPriors
from .scene.matches import MatchGraph
from .scene.second_round import SecondRoundEvidence
from .scene.sparse_model import SparseModel
from .stages.matching.config import MatchingConfig

Round = tuple[Keyed[MatchGraph], Keyed[SparseModel], SecondRoundEvidence | None]
"""Matches and poses to go on with; and what came of the round, None where there was none."""


def second_round(
    run: RunFolder,
    config: FitConfig,
    matching: MatchingConfig,
    capture: Keyed[Capture],
    graph: Keyed[MatchGraph],
    poses: Keyed[SparseModel],
    priors: Keyed[DepthPriors] | None,
    weights_dir: Unkeyed[Any],
) -> Round:
    """Two stages: matches of pairs that the poses name, and poses from the matches of both rounds.

    Where nothing is to be gained matches and poses are those of the first round, with their keys,
    so that nothing that follows changes. Of few photos all pairs were tried, and no stage runs.

    Args:
        matching: how the first round matched; its matcher is resolved.
        priors: depth maps, where there are any.
        weights_dir: folder with weight files.
    """
    if not config.second_matching.pairs or len(capture.value.photos) <= matching.exhaustive_limit:
        return graph, poses, None
    from .stages.matching.second import second_matching
    from .stages.poses.second import SECOND_POSES

    given = config.second_matching, capture, graph, poses
    near, seed = {"max_error_px": config.poses.max_error_px}, {"seed": config.seed}
    options = {"matching": matching, "weights_dir": weights_dir, **near, **seed}
    more = run.stage(second_matching(graph.value), *given, **options)
    if more.value.graph is None:
        return graph, poses, more.value.evidence
    given = config.poses, capture, graph, more, poses
    again = run.stage(SECOND_POSES, *given, depth=priors, **seed)
    if again.value.model is None:
        return graph, poses, again.value.evidence
    both, model = more.part(more.value.graph), again.part(again.value.model)
    return both, model, again.value.evidence
