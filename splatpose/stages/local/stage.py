"""Between matching and poses: relative poses refined in clusters, or left as two views say."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Int

from ...errors import SplatposeError
from ...events import EventSink, Message, Progress
from ...io.colmap_database import read_cameras
from ...keys import Stage
from ...refinement.camera_optimizer import PoseSchedule
from ...refinement.cluster_cameras import PriorWeights
from ...refinement.cluster_merging import merged
from ...refinement.cluster_optimization import ClusterSettings, Solved, solve
from ...refinement.cluster_photos import Pictures
from ...refinement.cluster_problem import Problem, part
from ...refinement.cluster_selection import LARGEST, SMALLEST, clusters, strengths, strong_edges
from ...render import choose_backend
from ...render.cpu import warmup
from ...scene.camera import Camera
from ...scene.capture import Capture
from ...scene.depth_maps import DepthPriors
from ...scene.evidence import LocalEvidence
from ...scene.matches import MatchGraph
from ...sfm.correspondences import MatchTable, match_table, with_matches
from ...sfm.held_out import held_out_matches
from ...sfm.twoview.all_pairs import RelativePoses, relative_poses
from ...sfm.twoview.match_errors import fitting_matches
from ...sfm.viewgraph.focal_calibration import calibrate_focal_lengths
from ...sfm.viewgraph.view_graph import consistent_pairs
from ...workers import in_processes
from .config import LocalConfig
from .storage import cluster_path, load_cluster, save, save_cluster
from .storage import load_local as load_local


def refine_pairs(
    capture: Capture,
    graph: MatchGraph,
    config: LocalConfig,
    folder: Path,
    emit: EventSink,
    *,
    depth: DepthPriors | None,
    backend: Literal["auto", "gsplat", "cpu"],
    min_matches: int,
    seed: int,
) -> str:
    """Optimises clusters of neighbouring views and keeps the poses that unseen matches confirm.

    The local part of NoPe-NeRF++ (arXiv 2511.17322) with Gaussians in place of the field: in each
    cluster poses, Gaussians and the scale and shift of prior depth are optimised together. The
    clusters run in processes that are started afresh, so a script that calls this needs the usual
    `if __name__ == "__main__"`. An interrupted stage goes on with the clusters that are missing.

    Args:
        capture: the photos.
        graph: their matches.
        depth: relative depth of the photos, if there is any.
        config: how; `steps` must not be 0.
        backend: rasterizer.
        folder: owned by this stage.
        emit: receives progress, and a summary as a message.
        min_matches: verified matches that a pair needs, as `PosesConfig.min_matches`.
        seed: of everything random.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: a setting is out of bounds, or a photo cannot be read any more.
    """
    check(config)
    emit(Progress("local", 0, 1, "looking for clusters"))
    table = match_table(graph)
    cameras, known = read_cameras(graph.database)
    camera_index = np.array([photo.group for photo in capture.photos])
    cameras = calibrate_focal_lengths(
        table, cameras, camera_index, known, min_matches=min_matches, seed=seed
    )
    relative = relative_poses(table, cameras, camera_index, min_matches=min_matches, seed=seed)
    problems = problems_of(
        capture, table, relative, cameras, camera_index, depth, config,
        min_matches=min_matches, seed=seed,
    )  # fmt: skip
    solved = _solved(problems, config, backend, folder, emit, min_matches=min_matches, seed=seed)
    kept = [cluster for cluster in solved if cluster.evidence.kept != "two views"]
    pairs = merged(kept, relative, table, cameras, camera_index)
    evidence = LocalEvidence(
        clusters=tuple(cluster.evidence for cluster in solved),
        num_pairs=len(relative),
        num_refined=int(pairs.refined.sum()),
    )
    save(folder, pairs, evidence)
    shutil.rmtree(cluster_path(folder, 0).parent, ignore_errors=True)
    text = _summary(evidence)
    emit(Message("local", text))
    return text


def check(config: LocalConfig) -> None:
    """Raises SplatposeError for settings that make no sense."""
    bounds = {
        "cluster_size": (SMALLEST, LARGEST),
        "held_out_share": (0.02, 0.5),
        "max_size": (32, 1000),
        "workers": (1, 64),
    }
    for name, (low, high) in bounds.items():
        if not low <= getattr(config, name) <= high:
            raise SplatposeError(
                f"local: {name} is {getattr(config, name)}, not between {low} and {high}.",
                f"Change --local.{name.replace('_', '-')}.",
            )


def cluster_settings(config: LocalConfig) -> ClusterSettings:
    """The part of the settings that the optimisation of one cluster asks for."""
    return ClusterSettings(
        schedule=PoseSchedule(config.steps, config.start, config.lr_poses, config.match_weight),
        prior=PriorWeights(
            depth=config.depth_weight,
            cloud=config.cloud_weight,
            surface=config.surface_weight,
            anneal=config.anneal,
            rate=config.lr_depth,
        ),
        gaussians=config.gaussians,
        settled=config.settled,
        min_standard_errors=config.min_standard_errors,
    )


def problems_of(
    capture: Capture,
    table: MatchTable,
    relative: RelativePoses,
    cameras: tuple[Camera, ...],
    camera_index: Int[np.ndarray, " V"],
    priors: DepthPriors | None,
    config: LocalConfig,
    *,
    min_matches: int,
    seed: int,
) -> list[Problem]:
    """The clusters, each with what a process needs to optimise it.

    Args:
        relative: of all pairs, fitted to all matches; it tells which of them may judge.
    """
    count = len(capture.photos)
    fits = fitting_matches(table, relative, cameras, camera_index)
    judging, learning = held_out_matches(table, fits, config.held_out_share, seed)
    to_learn, to_judge = with_matches(table, learning), with_matches(table, judging)
    learned = relative_poses(to_learn, cameras, camera_index, min_matches=min_matches, seed=seed)
    consistent = consistent_pairs(learned, count)
    if not len(consistent):
        return []
    strength = strengths(consistent)
    strong = strong_edges(consistent.pairs, strength, config.neighbours, count)
    order = sorted(range(count), key=lambda i: (capture.photos[i].sha256, i))
    groups = clusters(consistent.pairs, strength, strong, np.argsort(order), config.cluster_size)
    pictures = Pictures(capture, cameras, priors, config.max_size)
    problems = []
    for group in groups:
        photos = np.array(group)
        inside = np.asarray(np.isin(consistent.pairs, photos).all(axis=1))
        own = consistent.subset(inside)
        problems.append(
            Problem(
                photos=photos,
                table=part(to_learn, own.row, photos),
                judging=part(to_judge, own.row, photos),
                relative=_renumbered(own, photos),
                cameras=cameras,
                camera_index=camera_index[photos],
                views=pictures.views(photos),
                maps=tuple(pictures.map(photo) for photo in group),
                kind="auto" if priors is None else priors.kind,
            )
        )
    return problems


@dataclass(frozen=True)
class _Task:
    number: int
    problem: Problem
    settings: ClusterSettings
    backend: Literal["auto", "gsplat", "cpu"]
    folder: Path
    min_matches: int
    seed: int


def _work(task: _Task) -> None:
    """Runs in a process of its own."""
    solved = solve(
        task.problem, task.settings, task.backend, min_matches=task.min_matches, seed=task.seed
    )
    save_cluster(cluster_path(task.folder, task.number), solved)


def _solved(
    problems: Sequence[Problem],
    config: LocalConfig,
    backend: Literal["auto", "gsplat", "cpu"],
    folder: Path,
    emit: EventSink,
    *,
    min_matches: int,
    seed: int,
) -> list[Solved]:
    """All clusters; those that an interrupted run finished are read."""
    settings = cluster_settings(config)
    tasks = [
        _Task(number, problem, settings, backend, folder, min_matches, seed)
        for number, problem in enumerate(problems)
        if not cluster_path(folder, number).exists()
    ]
    finished = len(problems) - len(tasks)

    def tell() -> None:
        nonlocal finished
        finished += 1
        emit(Progress("local", finished, len(problems), "clusters optimised"))

    emit(Progress("local", finished, max(1, len(problems)), "clusters optimised"))
    if tasks and choose_backend(backend).name == "cpu":
        warmup()  # once and onto the disk, not in every process at the same time
    lost = SplatposeError(
        "A process that optimised a cluster ended before its time.",
        "If memory ran out, use --local.workers 1. A script of your own that calls "
        'splatpose must do so under `if __name__ == "__main__":`.',
    )
    one_thread = partial(torch.set_num_threads, 1)
    in_processes(_work, tasks, config.workers, tell, start=one_thread, lost=lost)
    return [load_cluster(cluster_path(folder, number)) for number in range(len(problems))]


def _renumbered(relative: RelativePoses, photos: Int[np.ndarray, " n"]) -> RelativePoses:
    """Pairs between some photos, as `part` numbers photos and rows."""
    values = {name: getattr(relative, name) for name in relative.__dataclass_fields__}
    values["pairs"] = np.searchsorted(photos, relative.pairs)
    values["row"] = np.arange(len(relative))
    return RelativePoses(**values)


def _summary(evidence: LocalEvidence) -> str:
    kept = sum(cluster.kept != "two views" for cluster in evidence.clusters)
    joint = sum(cluster.kept == "joint" for cluster in evidence.clusters)
    return (
        f"{kept} of {len(evidence.clusters)} clusters agree better with held-out matches "
        f"({joint} by Gaussians, {kept - joint} by tracks alone): "
        f"{evidence.num_refined} of {evidence.num_pairs} pairs refined"
    )


LOCAL = Stage("local", refine_pairs, load_local)
