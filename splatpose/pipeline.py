"""The whole method, one stage after the other.

photos -> capture (-> depth) -> matches (-> local) -> poses -> views (-> joint) -> splats -> outputs
"""

from __future__ import annotations

import sys
import time
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path

from .capture import CaptureConfig, build_capture, fingerprint, load_capture
from .depth import (
    DepthConfig,
    align_depth,
    build_depth,
    depth_fingerprint,
    load_depth,
    resolve_depth,
)
from .events import EventSink, RunFinished, StageFinished, StageStarted, ignore_events
from .joint import JointConfig, load_joint, refine_jointly
from .local import LocalConfig, load_local, refine_pairs
from .matching import MatchingConfig, load_matches, match_photos, resolve_matcher
from .outputs import OutputsConfig, closing_lines, write_outputs
from .poses import PosesConfig, load_poses, solve_poses
from .splats import TrainingConfig, load_splats, resolve_backend, train_splats
from .views import ViewsConfig, load_views, undistort_views


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
    views: ViewsConfig = field(default_factory=ViewsConfig)
    """Undistorted photos for training, and which are held out."""
    joint: JointConfig = field(default_factory=JointConfig)
    """Poses refined together with Gaussians."""
    training: TrainingConfig = field(default_factory=TrainingConfig)
    """Gaussians."""
    outputs: OutputsConfig = field(default_factory=OutputsConfig)
    """Files in the output folder."""
    seed: int = 0
    """Seed of everything random. Same seed, machine and thread count: same result on CPU."""


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
        stage = partial(run.stage, emit=emit)
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
        matching = resolve_matcher(config.matching, weights_dir, emit)
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
        poses, poses_key = stage(
            "poses",
            config=config.poses,
            inputs=(pairs_key, str(seed), depth_key),
            compute=lambda folder: solve_poses(
                capture,
                graph,
                config.poses,
                folder,
                emit,
                seed=seed,
                pairs=pairs,
                depth=priors,
            ),
            load=load_poses,
        )
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
                    pixels=config.poses.threshold,
                    seed=seed,
                ),
                load=lambda folder: load_joint(folder, poses, views),
            )
            poses, views, evidence = joint.poses, joint.views, joint.evidence
            if evidence.decision == "kept":
                views_key = joint_key
        trained, _ = stage(
            "splats",
            config=training,
            inputs=(views_key, str(seed)),
            compute=lambda folder: train_splats(views, training, folder, emit, seed=seed),
            load=load_splats,
        )
        emit(StageStarted("outputs"))
        start = time.perf_counter()
        extras = {
            "command": sys.argv,
            "images": str(images),
            "seed": seed,
            "config": asdict(config),
            "matcher": matching.matcher,
            "backend": training.backend,
            "local": None if clusters is None else asdict(clusters),
            "joint": None if evidence is None else asdict(evidence),
            "stages": [asdict(record) for record in run.records()],
        }
        summary = write_outputs(
            out,
            capture,
            graph,
            poses,
            views,
            trained,
            depth=alignment,
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
                    "photos": len(capture.photos),
                    "registered": int(poses.registered.sum()),
                    "gaussians": len(trained.splats),
                    "held_out_psnr": sum(scores) / len(scores) if scores else float("nan"),
                },
                closing_lines(out),
            )
        )
    return out
