"""From matches to camera poses: refuse, reconstruct, choose, refine, record."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ...depth.keypoints import KeypointPriors, sample_priors
from ...events import EventSink, Message, Progress
from ...io.colmap import model_from_reconstruction, quiet_colmap
from ...io.colmap_database import read_cameras
from ...io.sparse_model import read_sparse_model as load_poses
from ...io.sparse_model import write_sparse_model
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.depth_maps import DepthPriors
from ...scene.evidence import HypothesisEvidence, PhotoEvidence
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import MatchTable, match_table
from ...sfm.mapping.hypotheses import Hypothesis, Workshop
from ...sfm.match_consistency import explain
from ...sfm.photo_evidence import Record, photo_evidence
from ...sfm.registration.final_refinement import Refined, refine
from ...sfm.step_lengths import handicap, step_jumps, unevenness, walking_order
from ...sfm.viewgraph.refined_pairs import RefinedPairs
from .config import PosesConfig
from .finishing import in_world, selected_matches, settled
from .hypothesis_evidence import decided_by_steps, hypothesis_evidence, unconfirmed
from .refusal import (
    check_count,
    check_overlap,
    check_result,
    check_support,
    check_turning,
    nothing_reconstructed,
    overlap_groups,
)
from .search import SearchResult, search
from .sentences import summary, tell_doubts, tell_left_out
from .snapshots import snapshot

__all__ = ["load_poses", "solve_poses"]

_HYPOTHESES = "hypotheses"
_SELECTED = "selected.db"


def solve_poses(
    capture: Capture,
    graph: MatchGraph,
    config: PosesConfig,
    folder: Path,
    emit: EventSink,
    *,
    seed: int,
    pairs: RefinedPairs | None = None,
    depth: DepthPriors | None = None,
) -> str:
    """Finds the poses of all photos and writes them, with their evidence, into `folder`.

    1. refuse what no mapper could solve: one photo, no overlap, a camera that only turned;
    2. search: rounds of independent reconstructions until two agree;
    3. final refinement of the best one: late registration by PnP, camera models, bundle adjustment;
    4. scales that no track decides, from depth maps where there are any;
    5. world frame and colours;
    6. evidence for every photo, or a refusal that rests on it.

    Finished reconstructions of an interrupted run in `folder` are used again.

    Args:
        pairs: relative poses that the local stage refined, for one more reconstruction.
        depth: maps of the same photos. They give scales that matches leave open, and never
            override matches.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: a refusal: one photo, no overlap, a camera that only turned, or no
            reconstruction. It says why, and what to photograph next.
    """
    names = tuple(photo.name for photo in capture.photos)
    check_count(capture)
    groups = overlap_groups(graph, len(names), config.min_matches)
    check_overlap(capture, groups)
    table = match_table(graph)
    cameras, known = read_cameras(graph.database)
    check_turning(capture, graph, table, cameras, known, config.min_matches)
    sizes = [(photo.width, photo.height) for photo in capture.photos]
    priors = sample_priors(depth, graph.keypoints, sizes) if depth else None
    order = walking_order(capture.photos, table)
    with quiet_colmap():
        built_on = selected_matches(graph, table, sizes, folder / _SELECTED)
        workshop = Workshop(
            folder / _HYPOTHESES,
            built_on,
            names,
            np.array([photo.group for photo in capture.photos]),
            table,
            max_error_px=config.max_error_px,
            min_matches=config.min_matches,
            seed=seed,
            refined=pairs,
            priors=priors if config.depth_pairs else None,
            order=order,
        )
        found = _searched(workshop, capture, graph, groups, config, emit)
        chosen, refined = _refine_best(
            found, built_on, names, table, config, emit, seed, priors, order
        )
        model, scaled = settled(
            refined.reconstruction, graph, table, config, cameras, names, priors
        )
        model = in_world(model, capture)
    for text in scaled:
        emit(Message("poses", text))
    explanation = explain(model, table, max_error_px=config.max_error_px)
    registered = int(model.registered.sum())
    angle = explanation.median_angle
    check_result(capture, graph, groups, registered, angle, config.min_matches)
    check_support(len(names), registered, explanation, confirmed=found.agreeing)
    record = Record(model, table, explanation, groups, refined.late, refined.contradicted)
    photos = photo_evidence(record)
    rows = hypothesis_evidence(found, chosen)
    _write(folder, graph, model, photos, rows, chosen, refined, found, scaled)
    shutil.rmtree(folder / _HYPOTHESES)
    (folder / _SELECTED).unlink(missing_ok=True)
    tell_left_out(names, groups, photos, emit)
    tell_doubts(capture, table, model, config, emit)
    return summary(model, explanation, chosen)


def _searched(
    workshop: Workshop,
    capture: Capture,
    graph: MatchGraph,
    groups: Sequence[Sequence[int]],
    config: PosesConfig,
    emit: EventSink,
) -> SearchResult:
    """Reconstructions by all ways that were needed; refuses where none gave any."""
    found = search(
        workshop,
        max_rounds=config.max_rounds,
        workers=config.workers,
        num_photos=len(capture.photos),
        num_connected=len(groups[0]),
        emit=emit,
    )
    if text := workshop.tolerance.told("failed"):
        emit(Message("poses", text, "warning"))
    if not found.hypotheses:
        workshop.tolerance.check()
        raise nothing_reconstructed(capture, graph, groups, found.tried, config.min_matches)
    return found


def _write(
    folder: Path,
    graph: MatchGraph,
    model: SparseModel,
    photos: Sequence[PhotoEvidence],
    rows: Sequence[HypothesisEvidence],
    chosen: Hypothesis,
    refined: Refined,
    found: SearchResult,
    scaled: Sequence[str],
) -> None:
    """The model with its evidence, and notes for whoever reads the JSON."""
    model = replace(
        model,
        evidence=tuple(photos),
        hypotheses=tuple(rows),
        snapshots=(snapshot("initial", chosen.model, model), snapshot("global", model, model)),
    )
    notes = {
        "skipped_hypotheses": list(found.skipped),
        "intrinsics": list(refined.choice.notes),
        "free_scales": list(scaled),
    }
    write_sparse_model(folder, model, graph.keypoints, notes)


def _refine_best(
    found: SearchResult,
    graph: MatchGraph,
    names: Sequence[str],
    table: MatchTable,
    config: PosesConfig,
    emit: EventSink,
    seed: int,
    priors: KeypointPriors | None,
    order: Int[np.ndarray, " V"] | None,
) -> tuple[Hypothesis, Refined]:
    """Refines the best hypothesis, and where nothing confirms it its strongest rival too."""
    contenders = found.contenders
    results: list[tuple[float, Refined]] = []
    jumps: list[Float[np.ndarray, " V"]] = []
    for number, contender in enumerate(contenders):
        emit(Progress("poses", number, len(contenders), f"refining {contender.name}"))
        refined = refine(
            contender.reconstruction,
            graph.database,
            names,
            table,
            free_intrinsics=config.intrinsics == "auto",
            max_error_px=config.max_error_px,
            min_matches=config.min_matches,
            seed=seed,
            priors=priors,
        )
        model = model_from_reconstruction(refined.reconstruction, names)
        score = explain(model, table, max_error_px=config.max_error_px).score
        results.append((score, refined))
        jumps.append(step_jumps(model, order))
    emit(Progress("poses", len(contenders), len(contenders), "refined"))
    held_against = [handicap(uneven) for uneven in unevenness(jumps).tolist()]
    total = [score - less for (score, _), less in zip(results, held_against, strict=True)]
    best = total.index(max(total))
    chosen = contenders[best]
    if text := decided_by_steps(found, chosen):
        emit(Message("poses", text))
    if not found.agreeing:
        emit(Message("poses", unconfirmed(found, chosen), "warning"))
    return chosen, results[best][1]


def _space(capture: Capture, graph: MatchGraph, config: PosesConfig) -> int:
    """A copy of the database for each of the first two reconstructions, in bytes."""
    del capture, config
    return 2 * graph.database.stat().st_size


POSES = Stage("poses", solve_poses, load_poses, _space)
