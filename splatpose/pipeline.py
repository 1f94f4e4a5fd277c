"""The whole method, one stage after the other.

photos -> capture (-> depth) -> matches (-> local) -> poses -> views (-> joint) -> trust -> splats
-> outputs
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from .config import FitConfig
from .events import EventSink, RunFinished, StageFinished, StageStarted, ignore_events
from .splatting.config import TrainingConfig
from .stages.capture.stage import build_capture, fingerprint, load_capture
from .stages.depth.stage import (
    align_depth,
    build_depth,
    depth_fingerprint,
    load_depth,
    resolve_depth,
)
from .stages.joint.stage import load_joint, refine_jointly
from .stages.late_registration.stage import place_left_out
from .stages.local.stage import load_local, refine_pairs
from .stages.matching.stage import load_matches, match_photos, resolve_matcher
from .stages.outputs.stage import write_outputs
from .stages.outputs.summary import closing_lines
from .stages.poses.stage import load_poses, solve_poses
from .stages.splats.stage import load_splats, resolve_backend, train_splats
from .stages.trust.stage import judge_poses, load_verdicts, with_held_out
from .stages.views.stage import load_views, undistort_views

if TYPE_CHECKING:
    from .runs import RunFolder
    from .scene.capture import Capture
    from .scene.depth_maps import DepthAlignment, DepthPriors
    from .scene.evidence import JointEvidence, LocalEvidence
    from .scene.matches import MatchGraph
    from .scene.sparse_model import SparseModel
    from .scene.verdicts import Verdicts
    from .scene.views import Views


@dataclass(frozen=True)
class Solved:
    """All that is known before Gaussians are trained for good."""

    capture: Capture
    graph: MatchGraph
    poses: SparseModel
    views: Views
    verdicts: Verdicts
    alignment: DepthAlignment | None
    clusters: LocalEvidence | None
    joint: JointEvidence | None
    training: TrainingConfig
    """With the backend that runs here."""
    views_key: str
    """What the training depends on."""


@dataclass(frozen=True)
class _Cameras:
    """Poses as their stage leaves them."""

    capture: Capture
    graph: MatchGraph
    priors: DepthPriors | None
    poses: SparseModel
    clusters: LocalEvidence | None
    training: TrainingConfig
    graph_key: str
    depth_key: str
    poses_key: str


def fit(
    images: Path,
    out: Path,
    config: FitConfig | None = None,
    *,
    weights_dir: Path | None = None,
    overwrite: bool = False,
    emit: EventSink = ignore_events,
) -> Path:
    """Turns photos with unknown poses into cameras and a splat.

    Args:
        images: a folder of photos (searched recursively) or a video file.
        out: the run folder. Stages that an earlier run finished with the same photos and options
            are not computed again.
        config: presets are in `splatpose.configs`.
        weights_dir: where network weights lie, before the cache and the download are tried.
        overwrite: forget an earlier run's results in `out`.
        emit: receives the run's events.

    Returns:
        `out`, holding splat.ply, sparse/0, transforms.json, trajectory.tum, report.html,
        report.json, previews/.

    Raises:
        SplatposeError: anything the user can mend; a refusal says what to photograph next.
    """
    from .runs import RunFolder  # here, because `fit --help` imports this module

    config = config or FitConfig()
    seed = config.seed
    source = fingerprint(images)
    with RunFolder.open(out, overwrite=overwrite) as run:
        emit = run.steering.sink(run.log.sink(emit))
        solved = _solve(run, images, source, config, weights_dir, emit)
        poses, views, training = solved.poses, solved.views, solved.training
        trained, _ = run.stage(
            "splats",
            config=training,
            inputs=(solved.views_key, str(seed)),
            compute=lambda folder: train_splats(
                views, training, folder, emit, seed=seed, steering=run.steering
            ),
            load=load_splats,
            emit=emit,
        )
        verdicts = with_held_out(solved.verdicts, trained)
        emit(StageStarted("outputs"))
        start = time.perf_counter()
        extras = {
            "command": sys.argv,
            "images": str(images),
            "seed": seed,
            "config": asdict(config),
            "matcher": solved.graph.matcher,
            "backend": training.backend,
            "local": None if solved.clusters is None else asdict(solved.clusters),
            "joint": None if solved.joint is None else asdict(solved.joint),
            "stages": [asdict(record) for record in run.records()],
        }
        summary = write_outputs(
            out,
            solved.capture,
            solved.graph,
            poses,
            views,
            trained,
            verdicts=verdicts,
            depth=solved.alignment,
            config=config.outputs,
            report_extras=extras,
            emit=emit,
        )
        emit(StageFinished("outputs", summary, time.perf_counter() - start, 0.0))
        scores = [score.psnr for score in trained.held_out]
        emit(
            RunFinished(
                out,
                {
                    "photos": len(solved.capture.photos),
                    "registered": int(poses.registered.sum()),
                    "trusted": verdicts.count("trusted"),
                    "gaussians": len(trained.splats),
                    "held_out_psnr": sum(scores) / len(scores) if scores else float("nan"),
                },
                closing_lines(out),
            )
        )
    return out


def solve(
    images: Path,
    out: Path,
    config: FitConfig | None = None,
    *,
    weights_dir: Path | None = None,
    overwrite: bool = False,
    emit: EventSink = ignore_events,
) -> Solved:
    """The first half of `fit`: cameras, sparse points and verdicts, without the final Gaussians.

    Arguments and errors are those of `fit`, which goes on from here in the same folder.
    """
    from .runs import RunFolder

    config = config or FitConfig()
    source = fingerprint(images)
    with RunFolder.open(out, overwrite=overwrite) as run:
        return _solve(run, images, source, config, weights_dir, emit)


def _solve(
    run: RunFolder,
    images: Path,
    source: str,
    config: FitConfig,
    weights_dir: Path | None,
    emit: EventSink,
) -> Solved:
    """From photos to views and verdicts."""
    stage, seed = partial(run.stage, emit=emit), config.seed
    found = _cameras(run, images, source, config, weights_dir, emit)
    capture, graph, priors, training = found.capture, found.graph, found.priors, found.training
    poses, poses_key = found.poses, found.poses_key
    alignment = None if priors is None else align_depth(priors, capture, poses, emit)
    views, views_key = stage(
        "views",
        config=config.views,
        inputs=(poses_key,),
        compute=lambda folder: undistort_views(capture, poses, config.views, folder, emit),
        load=load_views,
    )
    evidence = None
    if config.joint.steps:
        joint, joint_key = stage(
            "joint",
            config=config.joint,
            inputs=(views_key, str(seed), training.backend),
            compute=lambda folder: refine_jointly(
                graph,
                poses,
                views,
                config.joint,
                training.backend,
                folder,
                emit,
                max_error_px=config.poses.max_error_px,
                seed=seed,
            ),
            load=lambda folder: load_joint(folder, poses, views),
        )
        poses, views, evidence = joint.poses, joint.views, joint.evidence
        if evidence.decision == "kept":
            poses_key = views_key = joint_key
            alignment = None if priors is None else align_depth(priors, capture, poses, emit)
    verdicts, _ = stage(
        "trust",
        config=config.trust,
        inputs=(found.graph_key, poses_key, found.depth_key, str(seed)),
        compute=lambda folder: judge_poses(
            capture,
            graph,
            poses,
            config.trust,
            folder,
            emit,
            max_error_px=config.poses.max_error_px,
            min_matches=config.poses.min_matches,
            seed=seed,
            depth=alignment,
        ),
        load=load_verdicts,
    )
    return Solved(
        capture,
        graph,
        poses,
        views,
        verdicts,
        alignment,
        found.clusters,
        evidence,
        training,
        views_key,
    )


def _cameras(
    run: RunFolder,
    images: Path,
    source: str,
    config: FitConfig,
    weights_dir: Path | None,
    emit: EventSink,
) -> _Cameras:
    """From photos to poses."""
    stage, seed = partial(run.stage, emit=emit), config.seed
    capture, capture_key = stage(
        "capture",
        config=config.capture,
        inputs=(source, str(images.resolve())),
        compute=lambda folder: build_capture(images, config.capture, folder, emit),
        load=load_capture,
    )
    depth = resolve_depth(config.depth, weights_dir, emit)
    priors, depth_key = None, ""
    if depth.source != "none":
        priors, depth_key = stage(
            "depth",
            config=depth,
            inputs=(capture_key, depth_fingerprint(depth)),
            compute=lambda folder: build_depth(
                capture, depth, folder, emit, weights_dir=weights_dir
            ),
            load=load_depth,
        )
    matching = resolve_matcher(config.matching, len(capture.photos), weights_dir, emit)
    graph, graph_key = stage(
        "matching",
        config=matching,
        inputs=(capture_key, str(seed)),
        compute=lambda folder: match_photos(
            capture, matching, folder, emit, weights_dir=weights_dir, seed=seed
        ),
        load=load_matches,
    )
    training = resolve_backend(config.training, emit)
    pairs, clusters, pairs_key = None, None, graph_key
    if config.local.steps:
        (pairs, clusters), pairs_key = stage(
            "local",
            config=config.local,
            inputs=(graph_key, depth_key, str(seed), training.backend),
            compute=lambda folder: refine_pairs(
                capture,
                graph,
                priors,
                config.local,
                training.backend,
                folder,
                emit,
                min_matches=config.poses.min_matches,
                seed=seed,
            ),
            load=load_local,
        )

    def compute_poses(folder: Path) -> str:
        summary = solve_poses(
            capture, graph, config.poses, folder, emit, seed=seed, pairs=pairs, depth=priors
        )
        more = place_left_out(
            capture, graph, config.poses, training.backend, folder, emit, seed=seed
        )
        return f"{summary}; {more}" if more else summary

    poses, poses_key = stage(
        "poses",
        config=config.poses,
        inputs=(pairs_key, str(seed), depth_key, training.backend),
        compute=compute_poses,
        load=load_poses,
    )
    return _Cameras(
        capture, graph, priors, poses, clusters, training, graph_key, depth_key, poses_key
    )
