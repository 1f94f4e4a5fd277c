"""The whole method, one stage after the other, in the order of `events.STAGES`.

What follows the capture is imported when it begins, so that wrong photos are told of at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .budget import for_poses, plan_budget, with_plan
from .config import FitConfig
from .events import EventSink, ignore_events
from .host import expanded
from .keys import Keyed, Unkeyed, key_of
from .opening import AnyPath, opened
from .runs import RunFolder
from .scene.capture import Capture
from .scene.solved import Solved as Solved


def fit(
    images: AnyPath,
    out: AnyPath,
    config: FitConfig | None = None,
    *,
    weights_dir: AnyPath | None = None,
    overwrite: bool = False,
    emit: EventSink = ignore_events,
) -> Path:
    """Turns photos with unknown poses into cameras and a splat.

    Args:
        images: a folder of photos (searched recursively) or a video file; `~` is understood.
        out: the run folder; what an earlier run finished with the same photos and options is kept.
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
    config = config or FitConfig()
    with opened(images, out, config, overwrite, emit) as (run, capture):
        solved = _solve(run, capture, config, weights_dir)
        from .stages.outputs.report import run_facts
        from .stages.outputs.stage import finish
        from .stages.splats.stage import SPLATS
        from .stages.trust.stage import with_held_out

        config = with_plan(config, solved.plan)
        training = replace(config.training, backend=solved.backend)
        steering = Unkeyed(run.steering)
        trained = run.stage(SPLATS, training, solved.views, seed=config.seed, steering=steering)
        solved = replace(solved, verdicts=with_held_out(solved.verdicts, trained.value))
        facts = run_facts(expanded(images), config, solved, trained.value, run.records())
        finish(run.path, solved, trained.value, facts, config.outputs, run.emit)
    return run.path


def solve(
    images: AnyPath,
    out: AnyPath,
    config: FitConfig | None = None,
    *,
    weights_dir: AnyPath | None = None,
    overwrite: bool = False,
    emit: EventSink = ignore_events,
) -> Solved:
    """The first half of `fit`: cameras, sparse points and verdicts, without the final Gaussians.

    Arguments and errors are those of `fit`, which goes on from here in the same folder.
    """
    config = for_poses(config or FitConfig())
    with opened(images, out, config, overwrite, emit) as (run, capture):
        return _solve(run, capture, config, weights_dir)


def _solve(
    run: RunFolder, capture: Keyed[Capture], config: FitConfig, weights: AnyPath | None
) -> Solved:
    """From photos to views and verdicts, a line or two a stage."""
    weights_dir = None if weights is None else expanded(weights)
    from .second_round import second_round
    from .stages.depth.config import NO_DEPTH
    from .stages.depth.stage import DEPTH, align_depth, depth_fingerprint, guided, resolve_depth
    from .stages.joint.stage import joint_stage
    from .stages.late_registration.stage import LATE_REGISTRATION
    from .stages.local.stage import LOCAL
    from .stages.matching.matchers import resolve_matcher
    from .stages.matching.stage import MATCHING
    from .stages.poses.stage import POSES
    from .stages.splats.stage import resolve_backend
    from .stages.trust.stage import TRUST
    from .stages.views.stage import VIEWS, check_names

    seed, networks = {"seed": config.seed}, {"weights_dir": Unkeyed(weights_dir)}
    few = {"min_matches": config.poses.min_matches}
    near = {"max_error_px": config.poses.max_error_px}
    local = joint = alignment = priors = None
    check_names(capture.value, config.views)
    depth = resolve_depth(config.depth, weights_dir, run.emit)
    if depth.source != NO_DEPTH:
        mapped = Keyed(capture.value, key_of(capture.key, depth_fingerprint(depth)))
        priors = run.stage(DEPTH, depth, mapped, **networks)
    matching = resolve_matcher(config.matching, len(capture.value.photos), weights_dir, run.emit)
    graph = run.stage(MATCHING, matching, capture, **networks, **seed)
    backend = resolve_backend(config.training, run.emit).backend
    device = {"backend": backend}
    if config.local.steps:
        given = config.local, capture, graph
        local = run.stage(LOCAL, *given, depth=priors, **device, **few, **seed)
    pairs = local and local.part(local.value[0])
    poses = run.stage(POSES, config.poses, capture, graph, pairs=pairs, depth=priors, **seed)
    given = config, matching, capture, graph, poses, priors, networks["weights_dir"]
    graph, poses, second = second_round(run, *given)
    if config.late_registration.steps and not poses.value.registered.all():
        given = config.late_registration, capture, graph, poses
        late = run.stage(LATE_REGISTRATION, *given, **device, **near, **few, **seed)
        poses = poses if late.value is None else late.part(late.value)
    plan = plan_budget(run, config, capture, poses, backend)
    views = run.stage(VIEWS, with_plan(config, plan).views, capture, poses)
    if config.joint.steps:
        stage = joint_stage(poses.value, views.value)
        joint = run.stage(stage, config.joint, graph, poses, views, **device, **near, **seed)
        if joint.value.evidence.decision == "kept":
            poses, views = joint.part(joint.value.poses), joint.part(joint.value.views)
    if priors is not None:
        aligned = align_depth(priors.value, capture.value, poses.value, run.emit)
        alignment = Keyed(aligned, key_of(priors.key, poses.key))
        views = guided(views, priors, alignment, poses, config.training.depth, run.emit)
    given = config.trust, capture, graph, poses
    verdicts = run.stage(TRUST, *given, depth=alignment, maps=priors, **near, **few, **seed)
    return Solved(
        capture=capture.value,
        graph=graph.value,
        poses=poses.value,
        views=views,
        verdicts=verdicts.value,
        depth=alignment and alignment.value,
        local=local and local.value[1],
        second=second,
        joint=joint and joint.value.evidence,
        backend=backend,
        plan=plan,
    )
