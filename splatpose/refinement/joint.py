"""The joint optimisation from beginning to end: optimise, re-solve, measure, decide, record."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from ..events import Event, EventSink, Message, Progress, TrainingStep
from ..geometry.centers import rms_radius
from ..geometry.rotations import rotation_angle
from ..geometry.similarity import alignment
from ..io.colmap import quiet_colmap
from ..render import choose_backend
from ..scene.evidence import JointEvidence
from ..scene.matches import MatchGraph
from ..scene.sparse_model import SparseModel
from ..scene.views import Views
from ..sfm.held_out import held_out_tracks
from ..sfm.mapping.track_adjustment import held_out_error, resected, resolved
from ..sfm.tracks import Tracks, clipped_error, tracks_of
from ..splatting.config import TrainingConfig
from ..splatting.train import train
from ..stages.joint.config import JointConfig
from ..stages.joint.storage import load_array, save, save_array
from ..stages.splats.stage import load_splats
from ..undistortion.subset import reduced, with_views
from .camera_optimizer import CameraOptimizer, Motion
from .gate import Figures, Split, decide, split_views

_LEAST_MOTION = 0.02
"""Poses that moved less than this many pixels (median over the observations) are as given."""
_FEWEST_TRACKS = 50
_TRAININGS = {
    "moved": "poses and Gaussians together",
    "before": "measuring the poses as given",
    "after": "measuring the refined poses",
}


def refine(
    graph: MatchGraph,
    poses: SparseModel,
    views: Views,
    config: JointConfig,
    backend: Literal["auto", "gsplat", "cpu"],
    folder: Path,
    emit: EventSink,
    *,
    max_error_px: float,
    seed: int,
) -> str:
    """See `splatpose.stages.joint.refine_jointly`."""
    tracks = tracks_of(poses, views)
    split = split_views(views.held_out, config.validation_every)
    if split is None or len(tracks) < _FEWEST_TRACKS:
        lack = "photos" if split is None else "tracks"
        evidence = _not_tried(f"too few {lack} to spare some for judging")
        refined, points = views.cam_from_world, tracks.points
    else:
        with quiet_colmap():
            work = _Work(views, tracks, split, config, backend, folder, emit, seed)
            evidence, refined, points = work.run()
    save(folder, graph, poses, refined, points, evidence, max_error_px)
    for name in _TRAININGS:
        shutil.rmtree(folder / name, ignore_errors=True)
        _result(folder, name).unlink(missing_ok=True)
    text = f"refined poses {evidence.decision}: {evidence.reason}"
    emit(Message("joint", text))
    return text


@dataclass(frozen=True)
class _Candidate:
    name: Literal["joint", "re-solved"]
    tracks: Tracks
    """Those that are not held out, at their refined places."""
    cam_from_world: Float[np.ndarray, "V 4 4"]


class _Work:
    """One joint optimisation. World frame and order of views are those of the given views."""

    def __init__(
        self,
        views: Views,
        tracks: Tracks,
        split: Split,
        config: JointConfig,
        backend: Literal["auto", "gsplat", "cpu"],
        folder: Path,
        emit: EventSink,
        seed: int,
    ) -> None:
        self._given, self._all, self._split, self._config = views, tracks, split, config
        self._folder, self._emit, self._seed = folder, emit, seed
        self._judges = held_out_tracks(tracks, config.held_out_share, seed)
        self._small = reduced(views, config.max_size)
        self._training = TrainingConfig(
            backend=backend,
            steps=config.steps,
            final_steps=0,
            keep_holdout=True,
            max_gaussians=max(config.gaussians, len(tracks)),
            sh_degree=1,
            sh_every=max(1, config.steps // 3),
            # What decides the number of Gaussians at random would drown what poses are worth.
            refine_start=config.steps,
            fill_below=config.gaussians,
            background="black",
        )

    def run(
        self,
    ) -> tuple[JointEvidence, Float[np.ndarray, "V 4 4"], Float[np.ndarray, "T 3"]]:
        """Evidence, and the poses and points of all tracks that it judged."""
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
            views = replace(
                self._small, cam_from_world=candidate.cam_from_world, points=after.points
            )
            psnr_before = self._validation_psnr(self._small, "before")
            psnr_after = self._validation_psnr(views, "after")
            decision, reason = decide(
                Figures(psnr_before, error_before), Figures(psnr_after, error_after), self._config
            )
            evidence = replace(
                evidence,
                decision=decision,
                reason=reason,
                psnr_before=float(np.mean(psnr_before)),
                psnr_after=float(np.mean(psnr_after)),
            )
        return evidence, candidate.cam_from_world, after.points

    def _candidate(self) -> _Candidate:
        """The poses that the gate will judge, in the frame of the given ones."""
        known = self._all.subset(~self._judges)
        known, start = resolved(known, self._given.cam_from_world)
        moved = self._moved(known, start)
        tracks, poses = resected(known, moved, self._split.learning)
        frame = alignment(poses, self._given.cam_from_world)
        tracks, poses = tracks.moved(frame.points(tracks.points)), frame.cam_from_world(poses)
        allowed = (1 + self._config.match_tolerance) * clipped_error(known.errors(start))
        if clipped_error(tracks.errors(poses)) <= allowed:
            return _Candidate("joint", tracks, poses)
        return _Candidate("re-solved", *resolved(tracks, poses))

    def _moved(
        self, known: Tracks, start: Float[np.ndarray, "V 4 4"]
    ) -> Float[np.ndarray, "V 4 4"]:
        """Poses at the end of the training in which they move; only the learning views' do."""
        config, path = self._config, _result(self._folder, "moved")
        poses = start.copy()
        learning = np.flatnonzero(self._split.learning)
        if not path.exists():
            cameras = CameraOptimizer(
                start[learning],
                known.of(learning).shared(),
                float(np.median(self._small.Ks[:, 0, 0])),
                Motion(config.steps, config.start, config.lr_poses, config.track_weight),
                torch.device(choose_backend(self._training.backend).device),
            )
            points = self._small.points.copy()
            points[~self._judges] = known.points
            views = replace(self._small, cam_from_world=start, points=points)
            self._train(with_views(views, self._split.learning), "moved", cameras)
            save_array(path, cameras.poses())
        poses[learning] = load_array(path)
        return poses

    def _validation_psnr(self, views: Views, name: str) -> tuple[float, ...]:
        """PSNR of each validation view after a training on the learning views."""
        path = _result(self._folder, name)
        if not path.exists():
            views = replace(views, held_out=self._split.validation)
            views = with_views(views, self._split.learning | self._split.validation)
            folder = self._train(views, name)
            save_array(path, np.array([score.psnr for score in load_splats(folder).held_out]))
        return tuple(load_array(path).tolist())

    def _train(self, views: Views, name: str, cameras: CameraOptimizer | None = None) -> Path:
        """A short training in a folder of its own, which it goes on in where it was interrupted."""
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        emit = _relabelled(self._emit, list(_TRAININGS).index(name), _TRAININGS[name])
        train(views, self._training, folder, emit, self._seed, cameras)
        return folder

    def _motion(self, poses: Float[np.ndarray, "V 4 4"], after: Tracks) -> float:
        """By how many pixels the picture moved, as the median over the observations."""
        before = self._all.projected(self._given.cam_from_world)
        moved = np.linalg.norm(after.projected(poses) - before, axis=1)
        return float(np.median(np.nan_to_num(moved, nan=np.inf)))


def _result(folder: Path, training: str) -> Path:
    """What is kept of a finished training until all are done."""
    return folder / f"{training}.npy"


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


def _relabelled(emit: EventSink, number: int, text: str) -> EventSink:
    """A training's steps as this stage's progress; what else it says is about its own result."""

    def relabelled(event: Event) -> None:
        if isinstance(event, TrainingStep):
            done = number * event.total_steps + event.step
            emit(Progress("joint", done, len(_TRAININGS) * event.total_steps, text))

    return relabelled
