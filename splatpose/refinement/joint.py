"""The joint optimisation from beginning to end: optimise, re-solve, measure, decide."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float

from ..geometry.centers import rms_radius
from ..geometry.rotations import rotation_angle
from ..geometry.similarity import alignment
from ..io.colmap import quiet_colmap
from ..render import choose_backend
from ..scene.evidence import JointEvidence
from ..scene.sparse_model import SparseModel
from ..scene.views import Views
from ..sfm.held_out import held_out_tracks
from ..sfm.mapping.track_adjustment import held_out_error, resected, resolved
from ..sfm.tracks import Tracks, clipped_error, tracks_of
from ..splatting.config import TrainingConfig
from ..undistortion.subset import reduced, with_views
from .camera_optimizer import CameraOptimizer, PoseSchedule
from .gate import Figures, GateThresholds, Split, decide, split_views
from .short_training import constant_number_config

_LEAST_MOTION = 0.02
"""Poses that moved less than this many pixels (median over the observations) are as given."""
_FEWEST_TRACKS = 50


@dataclass(frozen=True)
class JointSettings:
    """How poses and Gaussians are optimised together, and what the poses must show."""

    schedule: PoseSchedule
    """When and how fast poses move; each of the three trainings has its `steps`."""
    max_size: int
    """Long side of the photos in the trainings, in pixels."""
    gaussians: int
    """Gaussians, or as many as there are tracks if those are more."""
    validation_every: int
    """One training photo in this many, two at least, judges."""
    held_out_share: float
    """Share of the tracks that judges."""
    thresholds: GateThresholds
    backend: Literal["auto", "gsplat", "cpu"]


@runtime_checkable
class Trainings(Protocol):
    """Runs the trainings, or knows from an interrupted run what they came to."""

    def moved(
        self, views: Views, config: TrainingConfig, cameras: CameraOptimizer
    ) -> Float[np.ndarray, "V 4 4"]:
        """cam_from_world of the views at the end of the training in which they move."""
        ...

    def held_out_psnr(
        self, views: Views, config: TrainingConfig, of: Literal["before", "after"]
    ) -> tuple[float, ...]:
        """PSNR in dB of each view that is held out, by the poses as given or as refined."""
        ...


@dataclass(frozen=True)
class JointResult:
    """What a joint optimisation came to; world frame and order are those of the given views."""

    evidence: JointEvidence
    cam_from_world: Float[np.ndarray, "V 4 4"]
    """Poses of the views that were judged, kept or not."""
    points: Float[np.ndarray, "T 3"]
    """Points of all tracks."""


def refine(
    poses: SparseModel, views: Views, settings: JointSettings, trainings: Trainings, seed: int
) -> JointResult:
    """Optimises poses, tracks and Gaussians together, and judges what becomes of the poses.

    Args:
        poses: where the optimisation starts, and what it must surpass.
        views: its registered photos. Those held out are used by their matches alone.
        settings: how.
        trainings: are asked for one after the other.
        seed: of the choice of tracks that judge.
    """
    tracks = tracks_of(poses, views)
    split = split_views(views.held_out, settings.validation_every, views.exposures)
    if split is None or len(tracks) < _FEWEST_TRACKS:
        lack = "photos" if split is None else "tracks"
        evidence = _not_tried(f"too few {lack} to spare some for judging")
        return JointResult(evidence, views.cam_from_world, tracks.points)
    with quiet_colmap():
        return _JointOptimization(views, tracks, split, settings, trainings, seed).run()


@dataclass(frozen=True)
class _Candidate:
    name: Literal["joint", "re-solved"]
    tracks: Tracks
    """Tracks that are not held out, at their refined places."""
    cam_from_world: Float[np.ndarray, "V 4 4"]


class _JointOptimization:
    """World frame and order of views are those of the given views."""

    def __init__(
        self,
        views: Views,
        tracks: Tracks,
        split: Split,
        settings: JointSettings,
        trainings: Trainings,
        seed: int,
    ) -> None:
        self._given, self._all, self._split = views, tracks, split
        self._settings, self._trainings = settings, trainings
        self._judges = held_out_tracks(tracks, settings.held_out_share, seed)
        self._small = reduced(views, settings.max_size)
        steps = settings.schedule.steps
        self._training = constant_number_config(
            steps,
            settings.gaussians,
            len(tracks),
            backend=settings.backend,
            sh_degree=1,
            sh_every=max(1, steps // 3),
        )

    def run(self) -> JointResult:
        """Finds a candidate and judges it."""
        given = self._given.cam_from_world
        candidate = self._candidate()
        judges = self._all.subset(self._judges)
        _, error_before = held_out_error(judges, given)
        placed, error_after = held_out_error(judges, candidate.cam_from_world)
        points = self._all.points.copy()
        points[~self._judges], points[self._judges] = candidate.tracks.points, placed.points
        after = self._all.moved(points)
        evidence = JointEvidence(
            decision="rolled back",
            reason="the poses hardly moved",
            candidate=candidate.name,
            validation=tuple(self._given.names[i] for i in np.flatnonzero(self._split.validation)),
            psnr_before=float("nan"),
            psnr_after=float("nan"),
            held_out_tracks=len(judges),
            match_error_before=error_before,
            match_error_after=error_after,
            **_changes(given, candidate.cam_from_world),
        )
        if self._motion(candidate.cam_from_world, after) >= _LEAST_MOTION:
            evidence = self._judged(evidence, candidate, after.points)
        return JointResult(evidence, candidate.cam_from_world, after.points)

    def _judged(
        self, evidence: JointEvidence, candidate: _Candidate, points: Float[np.ndarray, "T 3"]
    ) -> JointEvidence:
        """Evidence with the PSNR of the validation views by either poses, and the decision."""
        refined = replace(self._small, cam_from_world=candidate.cam_from_world, points=points)
        before = Figures(self._validation_psnr(self._small, "before"), evidence.match_error_before)
        after = Figures(self._validation_psnr(refined, "after"), evidence.match_error_after)
        decision, reason = decide(before, after, self._settings.thresholds)
        return replace(
            evidence,
            decision=decision,
            reason=reason,
            psnr_before=float(np.mean(before.psnr)),
            psnr_after=float(np.mean(after.psnr)),
        )

    def _candidate(self) -> _Candidate:
        """The poses that the gate will judge, in the frame of the given ones."""
        known = self._all.subset(~self._judges)
        known, start = resolved(known, self._given.cam_from_world)
        moved = self._moved(known, start)
        tracks, poses = resected(known, moved, self._split.learning)
        frame = alignment(poses, self._given.cam_from_world)
        tracks, poses = tracks.moved(frame.points(tracks.points)), frame.cam_from_world(poses)
        allowed = (1 + self._settings.thresholds.match_tolerance) * clipped_error(
            known.errors(start)
        )
        if clipped_error(tracks.errors(poses)) <= allowed:
            return _Candidate("joint", tracks, poses)
        return _Candidate("re-solved", *resolved(tracks, poses))

    def _moved(
        self, known: Tracks, start: Float[np.ndarray, "V 4 4"]
    ) -> Float[np.ndarray, "V 4 4"]:
        """Poses at the end of the training in which they move; only the learning views' do."""
        learning = np.flatnonzero(self._split.learning)
        cameras = CameraOptimizer(
            start[learning],
            known.of(learning).shared(),
            float(np.median(self._small.Ks[:, 0, 0])),
            self._settings.schedule,
            torch.device(choose_backend(self._settings.backend).device),
        )
        points = self._small.points.copy()
        points[~self._judges] = known.points
        views = replace(self._small, cam_from_world=start, points=points)
        poses = start.copy()
        poses[learning] = self._trainings.moved(
            with_views(views, self._split.learning), self._training, cameras
        )
        return poses

    def _validation_psnr(self, views: Views, of: Literal["before", "after"]) -> tuple[float, ...]:
        """PSNR of each validation view after a training on the learning views."""
        views = replace(views, held_out=self._split.validation)
        views = with_views(views, self._split.learning | self._split.validation)
        return self._trainings.held_out_psnr(views, self._training, of)

    def _motion(self, poses: Float[np.ndarray, "V 4 4"], after: Tracks) -> float:
        """By how many pixels the picture moved, as the median over the observations."""
        before = self._all.projected(self._given.cam_from_world)
        moved = np.linalg.norm(after.projected(poses) - before, axis=1)
        return float(np.median(np.nan_to_num(moved, nan=np.inf)))


def _not_tried(reason: str) -> JointEvidence:
    nan = float("nan")
    return JointEvidence("not tried", reason, "none", (), nan, nan, 0, nan, nan, 0.0, 0.0)


def _changes(
    given: Float[np.ndarray, "V 4 4"], refined: Float[np.ndarray, "V 4 4"]
) -> dict[str, float]:
    """Median changes of rotation and position, as `JointEvidence` has them."""
    turned = rotation_angle(np.einsum("vij,vkj->vik", refined[:, :3, :3], given[:, :3, :3]))
    centers = [np.linalg.inv(poses)[:, :3, 3] for poses in (given, refined)]
    shifted = np.linalg.norm(centers[1] - centers[0], axis=1) / rms_radius(centers[0])
    return {
        "rotation_change": float(np.median(turned)),
        "position_change": float(100 * np.median(shifted)),
    }
