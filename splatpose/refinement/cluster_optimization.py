"""One cluster from beginning to end: place, adjust, optimise with Gaussians, judge."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from ..events import ignore_events
from ..io.colmap import quiet_colmap
from ..render import choose_backend
from ..scene.evidence import ClusterEvidence
from ..scene.views import Views
from ..sfm.mapping.pair_covariance import PairCovariance, pair_covariance
from ..sfm.mapping.track_adjustment import resected, resolved
from ..sfm.thresholds import INLIERS
from ..sfm.tracks import Tracks
from ..splatting.trainer import Trainer
from ..undistortion.subset import with_views
from .camera_optimizer import PoseSchedule
from .cluster_cameras import ClusterCameras, PriorWeights
from .cluster_depth import PriorMaps
from .cluster_losses import lifted
from .cluster_problem import Problem, judged, place, without_outliers
from .short_training import constant_number_config, run_steps

_FINE_OUTLIER = 8.0
"""In pixels: a track further off than this after bundle adjustment is not one."""
_FEWEST_TRACKS = 30
_LOOK_EVERY = 50

Candidate = Literal["two views", "tracks", "joint"]
"""Whose poses: the view graph's, the bundle adjustment's of the cluster's tracks that sets out from
them, or those that the training with Gaussians sets out from there and ends with."""


@dataclass(frozen=True)
class ClusterSettings:
    """How a cluster is optimised, and what it must show."""

    schedule: PoseSchedule
    """When and how fast poses move; `track_weight` counts for every 100 matched keypoints in a
    photo."""
    prior: PriorWeights
    """How much prior depth has to say."""
    gaussians: int
    """Gaussians, or as many as there are tracks if those are more."""
    settled: float
    """The training stops when pictures move by less than this in 50 steps, in pixels."""
    min_standard_errors: float
    """Gain on the held-out matches, in its own standard errors, that poses must show."""


@dataclass(frozen=True)
class Solved:
    """What a cluster came to. Photos are numbered as in the capture."""

    photos: Int[np.ndarray, " m"]
    cam_from_world: Float[np.ndarray, "m 4 4"]
    """Poses in a frame and scale of the cluster's own."""
    pairs: Int[np.ndarray, "E 2"]
    """Numbers in `photos` of the cluster's pairs."""
    certainty: PairCovariance
    """How certain the relative poses of `pairs` are."""
    observed: Int[np.ndarray, "O 2"]
    """Photo and keypoint of each observation of the cluster's points."""
    log_depth: Float[np.ndarray, " O"]
    """Logarithm of the depth of each observed point, in that photo and the cluster's scale."""
    evidence: ClusterEvidence


def solve(
    problem: Problem,
    settings: ClusterSettings,
    backend: Literal["auto", "gsplat", "cpu"],
    *,
    min_matches: int,
    seed: int,
) -> Solved:
    """Optimises a cluster, and decides by the matches held out of it what is kept."""
    start = time.perf_counter()
    with quiet_colmap():
        placed = place(problem, min_matches=min_matches, seed=seed)
        if placed is None:
            return _nothing(problem, "two views do not place three of its photos", start)
        if len(placed.judges) < INLIERS.enough_matches or len(placed.tracks) < _FEWEST_TRACKS:
            return _nothing(problem, "too few tracks", start)
        tracks, adjusted = resolved(placed.tracks, placed.cam_from_world)
        tracks, keypoint = without_outliers(tracks, placed.keypoint, adjusted, _FINE_OUTLIER)
        joint = optimise(problem, placed.members, tracks, adjusted, settings, backend, seed)
        candidates: dict[Candidate, Float[np.ndarray, "m 4 4"]] = {
            "two views": placed.cam_from_world,
            "tracks": adjusted,
            "joint": joint.poses,
        }
        errors: dict[Candidate, Float[np.ndarray, " T"]] = {
            name: judged(placed.judges, poses) for name, poses in candidates.items()
        }
        kept, reason = choose(errors, settings.min_standard_errors)
        tracks, _ = resected(tracks, candidates[kept], np.ones(len(placed.members), bool))
    tracks, keypoint = without_outliers(tracks, keypoint, candidates[kept], _FINE_OUTLIER)
    evidence = ClusterEvidence(
        photos=tuple(problem.views.names[member] for member in placed.members),
        kept=kept,
        reason=reason,
        held_out_tracks=len(placed.judges),
        match_error_two_views=float(errors["two views"].mean()),
        match_error_tracks=float(errors["tracks"].mean()),
        match_error_joint=float(errors["joint"].mean()),
        depth_maps=joint.depth_maps,
        steps=joint.steps,
        seconds=time.perf_counter() - start,
    )
    return _result(problem, placed.members, candidates[kept], tracks, keypoint, evidence)


def _result(
    problem: Problem,
    members: Int[np.ndarray, " m"],
    poses: Float[np.ndarray, "m 4 4"],
    tracks: Tracks,
    keypoint: Int[np.ndarray, " O"],
    evidence: ClusterEvidence,
) -> Solved:
    """Poses and points in the capture's numbers, and how certain they are."""
    photos = problem.photos[members]
    inside = np.isin(problem.table.pairs, members).all(axis=1)
    pairs = np.searchsorted(members, problem.table.pairs[inside])
    return Solved(
        photos=photos,
        cam_from_world=poses,
        pairs=pairs,
        certainty=pair_covariance(tracks, poses, pairs),
        observed=np.stack([photos[tracks.view], keypoint], axis=1),
        log_depth=np.log(tracks.depths(poses)),
        evidence=evidence,
    )


def choose(
    errors: Mapping[Candidate, Float[np.ndarray, " T"]], min_standard_errors: float
) -> tuple[Candidate, str]:
    """The candidate that held-out tracks agree with best, and why.

    Those of two views stay unless another gains more than its standard error on the same tracks.

    Args:
        errors: of each held-out track in pixels, by the candidate's poses.
    """
    kept: Candidate = "two views"
    for name in ("tracks", "joint"):
        gain = errors["two views"] - errors[name]
        least = min_standard_errors * float(gain.std(ddof=1)) / len(gain) ** 0.5
        if gain.mean() > max(least, 0.0) and errors[name].mean() < errors[kept].mean():
            kept = name
    before = float(errors["two views"].mean())
    if kept == "two views":
        best = min(float(errors["tracks"].mean()), float(errors["joint"].mean()))
        return kept, f"held-out matches {before:.3f} to {best:.3f} pixels: no clear gain"
    return kept, f"held-out matches {before:.3f} to {errors[kept].mean():.3f} pixels"


@dataclass(frozen=True)
class Optimised:
    """Poses at the end of a cluster's training."""

    poses: Float[np.ndarray, "m 4 4"]
    steps: int
    depth_maps: int
    """Photos whose prior depth took part."""


def optimise(
    problem: Problem,
    members: Int[np.ndarray, " m"],
    tracks: Tracks,
    cam_from_world: Float[np.ndarray, "m 4 4"],
    settings: ClusterSettings,
    backend: Literal["auto", "gsplat", "cpu"],
    seed: int,
) -> Optimised:
    """Poses, tracks, Gaussians and prior depth together, coarse to fine, until poses settle.

    Args:
        tracks: of the members, numbered anew; to learn from.
        cam_from_world: of the members. The result is in the same frame.
    """
    views = with_views(problem.views, np.isin(np.arange(len(problem.photos)), members))
    views = replace(views, cam_from_world=cam_from_world)
    values = [problem.maps[member] for member in members]
    maps = PriorMaps(values, problem.kind, views, tracks, seed)
    views = seeded(views, tracks, maps, settings.gaussians, seed)
    focal = float(np.median(views.Ks[:, 0, 0]))
    cameras = ClusterCameras(views, tracks, maps, focal, settings.schedule, settings.prior)
    steps = settings.schedule.steps
    training = constant_number_config(steps, settings.gaussians, len(views.points), sh_degree=0)
    trainer = Trainer(views, training, choose_backend(backend), seed, ignore_events, cameras)
    before = tracks.projected(cam_from_world)

    def settled(trainer: Trainer) -> bool:
        nonlocal before
        if trainer.step % _LOOK_EVERY:
            return False
        now = tracks.projected(cameras.poses())
        still = np.median(np.linalg.norm(now - before, axis=1)) < settings.settled
        before = now
        # Before, coarse photos and a rate that has hardly risen keep poses still.
        return bool(still) and 2 * trainer.step >= steps

    finite = run_steps(trainer, settled)
    poses = cameras.poses() if finite else cam_from_world
    return Optimised(poses, trainer.step, len(maps))


def seeded(views: Views, tracks: Tracks, maps: PriorMaps, most: int, seed: int) -> Views:
    """The views with points for the first Gaussians: the tracks', and those of prior depth."""
    points, colors = [tracks.points], [_track_colors(views, tracks)]
    for view in range(len(views.names)):
        if maps.maps[view] is not None:
            rays, depth, shown = maps.cloud(view)
            pose = views.cam_from_world[view]
            in_camera = lifted(rays, depth).detach().numpy()
            points.append((in_camera - pose[:3, 3]) @ pose[:3, :3])
            colors.append((255 * shown.numpy()).round().astype(np.uint8))
    dense = np.concatenate([np.zeros((0, 3)), *points[1:]])
    paint = np.concatenate([np.zeros((0, 3), np.uint8), *colors[1:]])
    count = min(len(dense), max(0, most - len(points[0])))
    some = np.sort(np.random.default_rng([seed, 0xC10D]).permutation(len(dense))[:count])
    return replace(
        views,
        points=np.concatenate([points[0], dense[some]]),
        point_colors=np.concatenate([colors[0], paint[some]]),
    )


def _track_colors(views: Views, tracks: Tracks) -> UInt8[np.ndarray, "T 3"]:
    """Colour of each point where one of its views shows it."""
    colors = np.full((len(tracks), 3), 128, np.uint8)
    for view, (image, K) in enumerate(zip(views.images, views.Ks, strict=True)):
        own = tracks.view == view
        xy = tracks.rays[own] * K[[0, 1], [0, 1]] + K[:2, 2]
        size = np.array(image.shape[1::-1])
        column, row = np.clip(xy, 0, size - 1).astype(np.int64).T
        colors[tracks.track[own]] = image[row, column]
    return colors


def _nothing(problem: Problem, reason: str, start: float) -> Solved:
    nan = float("nan")
    evidence = ClusterEvidence(
        photos=problem.views.names,
        kept="two views",
        reason=f"not tried: {reason}",
        held_out_tracks=0,
        match_error_two_views=nan,
        match_error_tracks=nan,
        match_error_joint=nan,
        depth_maps=0,
        steps=0,
        seconds=time.perf_counter() - start,
    )
    return Solved(
        photos=problem.photos[:0],
        cam_from_world=np.zeros((0, 4, 4)),
        pairs=np.zeros((0, 2), np.int64),
        certainty=PairCovariance(np.zeros((0, 6, 6)), np.zeros(0)),
        observed=np.zeros((0, 2), np.int64),
        log_depth=np.zeros(0),
        evidence=evidence,
    )
