"""Poses that go on with the matches of a second round, from the model that is there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Bool

from ...depth.keypoints import KeypointPriors, sample_priors
from ...events import EventSink, Message, Progress
from ...io.atomic import remove_folder
from ...io.colmap import quiet_colmap
from ...io.second_round import read_evidence, write_evidence
from ...io.sparse_model import read_sparse_model, write_sparse_model
from ...keys import Stage
from ...scene.capture import Capture
from ...scene.depth_maps import DepthPriors
from ...scene.matches import MatchGraph
from ...scene.second_round import MoreMatches, MorePoses, SecondRoundEvidence
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import MatchTable, match_table, with_matches
from ...sfm.mapping.global_mapper import grown_once
from ...sfm.mapping.loop_closure import Closed, close_loops
from ...sfm.match_consistency import Explanation, explain
from ...sfm.photo_evidence import Record, photo_evidence
from ...sfm.registration.final_refinement import Refined, refine
from ...sfm.step_lengths import walking_order
from ...sfm.validation.untried_pairs import refuted_pairs
from .config import PosesConfig
from .finishing import in_world, selected_matches, settled
from .lenses import of_lenses
from .refusal import overlap_groups
from .second_verdict import Question, furthest_moved, judged, sentence, worth_going_on
from .sentences import told_focal_lengths
from .snapshots import snapshot

_WORK, _ADJUSTED = "work", "adjusted"
"""Folder for what an interruption leaves to go on with, and the model in it."""
_SELECTED, _LENSES = "selected.db", "lenses.db"


def continue_poses(
    capture: Capture,
    graph: MatchGraph,
    more: MoreMatches,
    poses: SparseModel,
    config: PosesConfig,
    folder: Path,
    emit: EventSink,
    *,
    seed: int,
    depth: DepthPriors | None = None,
) -> str:
    """Lets the poses go on with the matches of both rounds; nothing is mapped anew.

    1. close loops: where new matches say that the model drifted, photos are moved as smoothly as
       may be;
    2. triangulate all tracks at these cameras, and adjust;
    3. final refinement: photos that were left out, camera models, bundle adjustment;
    4. keep the model only if it explains the matches at least as well, and places as many photos.

    A model that was adjusted before an interruption is used again.

    Args:
        graph: of the first round.
        more: of both rounds.
        poses: that followed from the first round.
        config: as the poses were found.
        depth: maps of the same photos.

    Returns:
        One line for a person.
    """
    assert more.graph is not None
    table = match_table(more.graph)
    order = walking_order(capture.photos, table)
    question = Question(table, _new(graph, table), order, config.max_error_px)
    with quiet_colmap():
        emit(Progress("second_poses", 0, 3, "closing loops"))
        start = _start(poses, question, seed)
        evidence = replace(
            more.evidence,
            loops=start.closed.loops,
            gap_before=start.closed.gap_before,
            gap_after=start.closed.gap_after,
            registered_before=int(poses.registered.sum()),
            explained_before=start.before.share,
        )
        moved = furthest_moved(poses, start.model)
        if not worth_going_on(question, moved):
            return _nothing_to_gain(evidence, moved, folder, emit)
        dropped = _dropped(poses, question, start, seed)
        evidence = replace(evidence, dropped=int(dropped.sum()))
        work = folder / _WORK
        work.mkdir(exist_ok=True)
        sizes = [(photo.width, photo.height) for photo in capture.photos]
        built_on = selected_matches(more.graph, table, sizes, work / _SELECTED, dropped)
        built_on = of_lenses(built_on, capture, poses, work / _LENSES)
        emit(Progress("second_poses", 1, 3, "triangulating and adjusting"))
        adjusted = grown_once(start.model, built_on, work / _ADJUSTED, config.min_matches, seed)
        emit(Progress("second_poses", 2, 3, "refining"))
        finished = None
        if adjusted is not None:
            priors = sample_priors(depth, more.graph.keypoints, sizes) if depth else None
            given = capture, more.graph, built_on, table, config, seed, priors
            finished = _finished(adjusted, poses, *given)
    emit(Progress("second_poses", 3, 3, "refined"))
    model = None if finished is None else finished.model
    evidence = judged(poses, start.before, model, question, evidence)
    told = ()
    if finished is not None and evidence.decision == "kept":
        told = (*finished.focals, *finished.scaled)
        _write(folder, more.graph, finished, poses, question, config)
    write_evidence(folder, evidence)
    remove_folder(work)
    for text in (sentence(evidence), *told):
        emit(Message("second_poses", text))
    return evidence.reason


def _nothing_to_gain(
    evidence: SecondRoundEvidence, moved: float, folder: Path, emit: EventSink
) -> str:
    """The first poses stay, at next to no cost."""
    reason = "the poses agree with the few pairs that were added"
    if evidence.loops:
        reason += f", which would move no photo by more than {moved:.2g} % of the radius"
    write_evidence(folder, replace(evidence, reason=reason))
    emit(Message("second_poses", f"{evidence.matched} pairs that the poses name match: {reason}."))
    return reason


def load_more_poses(folder: Path, *, to_show: bool = False) -> MorePoses:
    """Reads what `continue_poses` decided.

    Args:
        to_show: as of `read_sparse_model`.
    """
    evidence = read_evidence(folder)
    if evidence.decision != "kept":
        return MorePoses(None, evidence)
    return MorePoses(read_sparse_model(folder, to_show=to_show), evidence)


def _new(graph: MatchGraph, table: MatchTable) -> Bool[np.ndarray, " M"]:
    """Matches of pairs that had none in the first round."""
    count = int(table.pairs.max(initial=0)) + 1
    first = graph.pairs[graph.num_verified > 0] @ (count, 1)
    return ~np.isin(table.photos @ (count, 1), first)


@dataclass(frozen=True)
class _Start:
    """Where the poses go on."""

    model: SparseModel
    """Cameras of the first round, loops closed."""
    closed: Closed
    before: Explanation
    """What the first poses explain."""


def _start(poses: SparseModel, question: Question, seed: int) -> _Start:
    """Closes loops where new matches say that the poses drifted."""
    table, max_error_px = question.table, question.max_error_px
    before = explain(poses, table, max_error_px=max_error_px)
    new = question.new
    # By themselves: loops that the first poses deny would part them in two.
    first = explain(poses, with_matches(table, ~new), max_error_px=max_error_px)
    explained = before.explained & new
    explained[~new] = first.explained
    closed = close_loops(poses, table, explained, new, max_error_px=max_error_px, seed=seed)
    return _Start(replace(poses, cam_from_world=closed.cam_from_world), closed, before)


def _dropped(
    poses: SparseModel, question: Question, start: _Start, seed: int
) -> Bool[np.ndarray, " P"]:
    """Pairs of the table that take no part: those that the poses refute, where these are confirmed
    and nothing says that they drifted."""
    if any(hypothesis.confirmed for hypothesis in poses.hypotheses) and not start.closed.loops:
        return refuted_pairs(poses, question.table, start.before, seed)
    return np.zeros(len(question.table.pairs), bool)


@dataclass(frozen=True)
class _Finished:
    """The second model."""

    model: SparseModel
    refined: Refined
    focals: tuple[str, ...]
    """What lenses rest on, where matches leave them open."""
    scaled: tuple[str, ...]
    """What scales rest on, likewise."""


def _finished(
    adjusted: pycolmap.Reconstruction,
    poses: SparseModel,
    capture: Capture,
    graph: MatchGraph,
    built_on: MatchGraph,
    table: MatchTable,
    config: PosesConfig,
    seed: int,
    priors: KeypointPriors | None,
) -> _Finished:
    """As the first model was finished."""
    names = tuple(photo.name for photo in capture.photos)
    refined = refine(
        adjusted,
        built_on.database,
        names,
        table,
        free_intrinsics=config.intrinsics == "auto",
        max_error_px=config.max_error_px,
        min_matches=config.min_matches,
        seed=seed,
        priors=priors,
    )
    given = table, config, poses.cameras, names, priors
    model, scaled = settled(refined.reconstruction, graph, *given)
    model = in_world(model, capture, poses.camera_index)
    focals = told_focal_lengths(refined.choice.settled, capture, model)
    return _Finished(model, refined, focals, scaled)


def _write(
    folder: Path,
    graph: MatchGraph,
    finished: _Finished,
    poses: SparseModel,
    question: Question,
    config: PosesConfig,
) -> None:
    """The model with its evidence, and the moments of its making in its own frame."""
    table, model, refined = question.table, finished.model, finished.refined
    explanation = explain(model, table, max_error_px=question.max_error_px)
    groups = overlap_groups(graph, len(model.names), config.min_matches)
    late = refined.late | {i for i, one in enumerate(poses.evidence) if one.placed_by == "late"}
    record = Record(model, table, explanation, groups, late, refined.contradicted)
    earlier = [
        snapshot(
            one.stage,
            replace(
                poses,
                registered=np.isfinite(one.cam_from_world[:, 0, 0]),
                cam_from_world=one.cam_from_world,
                points=one.points,
            ),
            model,
        )
        for one in poses.snapshots[:1]
    ]
    model = replace(
        model,
        evidence=tuple(photo_evidence(record)),
        hypotheses=poses.hypotheses,
        snapshots=(*earlier, snapshot("global", model, model)),
    )
    notes = {
        "intrinsics": [*refined.choice.notes, *finished.focals],
        "free_scales": list(finished.scaled),
    }
    write_sparse_model(folder, model, graph.keypoints, notes)


def _space(
    capture: Capture, graph: MatchGraph, more: MoreMatches, poses: SparseModel, config: PosesConfig
) -> int:
    """Copies of the database: of selected matches, with other cameras, and for the mapper."""
    del capture, graph, poses, config
    return 3 * more.graph.database.stat().st_size if more.graph is not None else 0


SECOND_POSES = Stage("second_poses", continue_poses, load_more_poses, _space)
