"""One search for a reconstruction and its refinement, on the assumption of some cameras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ...depth.keypoints import KeypointPriors
from ...events import EventSink, Message, Progress
from ...io.colmap import model_from_reconstruction
from ...scene.camera import Camera
from ...scene.capture import Capture
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import MatchTable
from ...sfm.mapping.hypotheses import Hypothesis, Workshop
from ...sfm.match_consistency import Explanation, explain
from ...sfm.registration.final_refinement import Refined, refine
from ...sfm.step_lengths import handicap, step_jumps, unevenness
from ...sfm.viewgraph.refined_pairs import RefinedPairs
from .config import PosesConfig
from .hypothesis_evidence import decided_by_steps, unconfirmed
from .refusal import nothing_reconstructed
from .search import SearchResult, search


@dataclass(frozen=True)
class Setting:
    """What every attempt has in common."""

    capture: Capture
    names: tuple[str, ...]
    graph: MatchGraph
    """All matches, also where reconstructions are built on some."""
    table: MatchTable
    groups: Sequence[Sequence[int]]
    """Photos that verified matches connect, the largest group first."""
    config: PosesConfig
    seed: int
    pairs: RefinedPairs | None
    priors: KeypointPriors | None
    order: Int[np.ndarray, " V"] | None
    emit: EventSink


@dataclass(frozen=True)
class Lenses:
    """Cameras that the photos are taken to be of."""

    graph: MatchGraph
    """The matches, on a database with these cameras."""
    cameras: tuple[Camera, ...]
    known: tuple[bool, ...]
    """Whether the focal length of each is known beforehand."""
    camera_index: Int[np.ndarray, " V"]
    """Each photo's camera."""


@dataclass(frozen=True)
class Attempt:
    """What came of it."""

    lenses: Lenses
    found: SearchResult
    chosen: Hypothesis
    refined: Refined
    model: SparseModel
    """The refined reconstruction."""
    explanation: Explanation


def attempt(setting: Setting, lenses: Lenses, folder: Path) -> Attempt:
    """Searches for reconstructions in `folder` and refines the best.

    Raises:
        NothingReconstructed: there is none.
    """
    config = setting.config
    workshop = Workshop(
        folder,
        lenses.graph,
        setting.names,
        lenses.camera_index,
        setting.table,
        max_error_px=config.max_error_px,
        min_matches=config.min_matches,
        seed=setting.seed,
        refined=setting.pairs,
        priors=setting.priors if config.depth_pairs else None,
        order=setting.order,
    )
    found = _searched(setting, workshop)
    return _refine_best(setting, lenses, found, on_selected=workshop.on_selected)


def _searched(setting: Setting, workshop: Workshop) -> SearchResult:
    """Reconstructions by all ways that were needed; refuses where none gave any."""
    config, emit = setting.config, setting.emit
    found = search(
        workshop,
        max_rounds=config.max_rounds,
        workers=config.workers,
        num_photos=len(setting.names),
        num_connected=len(setting.groups[0]),
        emit=emit,
    )
    workshop.forget_databases()
    if text := workshop.tolerance.told("failed"):
        emit(Message("poses", text, "warning"))
    if not found.hypotheses:
        workshop.tolerance.check()
        raise nothing_reconstructed(
            setting.capture, setting.graph, setting.groups, found.tried, config.min_matches
        )
    return found


def _refine_best(
    setting: Setting, lenses: Lenses, found: SearchResult, *, on_selected: bool
) -> Attempt:
    """Refines the best hypothesis, and where nothing confirms it its strongest rival too."""
    config, emit, table = setting.config, setting.emit, setting.table
    contenders = found.contenders
    results: list[tuple[Refined, SparseModel, Explanation]] = []
    jumps: list[Float[np.ndarray, " V"]] = []
    for number, contender in enumerate(contenders):
        emit(Progress("poses", number, len(contenders), f"refining {contender.name}"))
        refined = refine(
            contender.reconstruction,
            lenses.graph.database,
            setting.names,
            table,
            free_intrinsics=config.intrinsics == "auto",
            max_error_px=config.max_error_px,
            min_matches=config.min_matches,
            seed=setting.seed,
            priors=setting.priors,
            on_selected=on_selected,
        )
        model = model_from_reconstruction(refined.reconstruction, setting.names)
        explanation = explain(model, table, max_error_px=config.max_error_px)
        results.append((refined, model, explanation))
        jumps.append(step_jumps(model, setting.order))
    emit(Progress("poses", len(contenders), len(contenders), "refined"))
    held_against = [handicap(uneven) for uneven in unevenness(jumps).tolist()]
    total = [
        explanation.score - less
        for (_, _, explanation), less in zip(results, held_against, strict=True)
    ]
    best = total.index(max(total))
    chosen = contenders[best]
    if text := decided_by_steps(found, chosen):
        emit(Message("poses", text))
    if not found.agreeing:
        emit(Message("poses", unconfirmed(found, chosen), "warning"))
    return Attempt(lenses, found, chosen, *results[best])
