"""From matches to camera poses: refuse, reconstruct, choose, refine, record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...depth.keypoints import sample_priors
from ...events import EventSink, Message
from ...io.colmap import quiet_colmap
from ...io.colmap_database import read_cameras
from ...io.sparse_model import read_sparse_model as load_poses
from ...io.sparse_model import write_sparse_model
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.depth_maps import DepthPriors
from ...scene.evidence import HypothesisEvidence, PhotoEvidence
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import match_table
from ...sfm.mapping.hypotheses import Hypothesis
from ...sfm.match_consistency import explain
from ...sfm.photo_evidence import Record, photo_evidence
from ...sfm.step_lengths import walking_order
from ...sfm.viewgraph.refined_pairs import RefinedPairs
from .attempt import Lenses, Setting
from .config import PosesConfig
from .finishing import in_world, selected_matches, settled
from .hypothesis_evidence import hypothesis_evidence
from .lenses import best_of_lenses, clear
from .refusal import (
    check_count,
    check_overlap,
    check_result,
    check_support,
    check_turning,
    overlap_groups,
)
from .sentences import summary, tell_doubts, tell_left_out, told_focal_lengths
from .snapshots import snapshot

__all__ = ["load_poses", "solve_poses"]

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
       where its matches deny it, both once more with as many lenses as they call for;
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
    given = np.array([photo.group for photo in capture.photos])
    setting = Setting(
        capture, names, graph, table, groups, config, seed, pairs, priors, order, emit
    )
    with quiet_colmap():
        built_on = selected_matches(graph, table, sizes, folder / _SELECTED)
        lenses = Lenses(built_on, cameras, known, given)
        best, parted = best_of_lenses(setting, lenses, folder)
        found, chosen, refined = best.found, best.chosen, best.refined
        model, scaled = settled(
            refined.reconstruction, graph, table, config, best.lenses.cameras, names, priors
        )
        model = in_world(model, capture, best.lenses.camera_index)
    focals = told_focal_lengths(refined.choice.settled, capture, model)
    for text in (*focals, *scaled):
        emit(Message("poses", text))
    explanation = explain(model, table, max_error_px=config.max_error_px)
    registered = int(model.registered.sum())
    angle = explanation.median_angle
    check_result(capture, graph, groups, registered, angle, config.min_matches)
    check_support(len(names), registered, explanation, confirmed=found.agreeing)
    record = Record(model, table, explanation, groups, refined.late, refined.contradicted)
    photos = photo_evidence(record)
    rows = hypothesis_evidence(found, chosen)
    notes = {
        "skipped_hypotheses": list(found.skipped),
        "intrinsics": [*refined.choice.notes, *focals],
        "free_scales": list(scaled),
        "lenses": list(parted),
    }
    _write(folder, graph, model, photos, rows, chosen, notes)
    clear(folder)
    (folder / _SELECTED).unlink(missing_ok=True)
    tell_left_out(names, groups, photos, emit)
    tell_doubts(capture, table, model, config, emit)
    return summary(model, explanation, chosen)


def _write(
    folder: Path,
    graph: MatchGraph,
    model: SparseModel,
    photos: Sequence[PhotoEvidence],
    rows: Sequence[HypothesisEvidence],
    chosen: Hypothesis,
    notes: Mapping[str, Any],
) -> None:
    """The model with its evidence, and notes for whoever reads the JSON."""
    model = replace(
        model,
        evidence=tuple(photos),
        hypotheses=tuple(rows),
        snapshots=(snapshot("initial", chosen.model, model), snapshot("global", model, model)),
    )
    write_sparse_model(folder, model, graph.keypoints, notes)


def _space(capture: Capture, graph: MatchGraph, config: PosesConfig) -> int:
    """Copies of the database, in bytes: for two reconstructions side by side, with focal lengths to
    start from, and with further lenses where photos are parted."""
    del capture, config
    return 4 * graph.database.stat().st_size


POSES = Stage("poses", solve_poses, load_poses, _space)
