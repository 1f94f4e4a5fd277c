"""Between views and splats: poses refined together with Gaussians, or left as they are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

from ...events import EventSink, Message
from ...keys import Stage
from ...refinement.camera_optimizer import PoseSchedule
from ...refinement.gate import GateThresholds
from ...refinement.joint import JointSettings, refine
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...scene.views import Joint, Views
from .config import JointConfig
from .storage import load_joint as load_joint
from .storage import save
from .trainings import ResumableTrainings


def refine_jointly(
    graph: MatchGraph,
    poses: SparseModel,
    views: Views,
    config: JointConfig,
    folder: Path,
    emit: EventSink,
    *,
    backend: Literal["auto", "gsplat", "cpu"],
    max_error_px: float,
    seed: int,
) -> str:
    """Optimises poses, tracks and Gaussians together and keeps the poses if they are better.

    Photos that are held out are used by their matches alone: their poses follow from the tracks,
    never from their pixels. An interrupted optimisation goes on from its checkpoints in `folder`.

    Args:
        graph: keypoints and matches of the poses.
        poses: where the optimisation starts, and what it must surpass.
        views: the registered photos.
        config: how; `steps` must not be 0.
        backend: rasterizer.
        folder: owned by this stage.
        emit: receives progress, and the decision with its figures as a message.
        max_error_px: distance within which a match counts as explained, as
            `PosesConfig.max_error_px`.
        seed: of the order of photos and the choice of tracks.

    Returns:
        One line for a person.
    """
    trainings = ResumableTrainings(folder, emit, seed)
    found = refine(poses, views, _settings(config, backend), trainings, seed)
    refined, evidence = found.cam_from_world, found.evidence
    save(folder, graph, poses, refined, found.points, evidence, max_error_px)
    trainings.remove()
    text = f"refined poses {evidence.decision}: {evidence.reason}"
    emit(Message("joint", text))
    return text


def _settings(config: JointConfig, backend: Literal["auto", "gsplat", "cpu"]) -> JointSettings:
    return JointSettings(
        schedule=PoseSchedule(config.steps, config.start, config.lr_poses, config.track_weight),
        max_size=config.max_size,
        gaussians=config.gaussians,
        validation_every=config.validation_every,
        held_out_share=config.held_out_share,
        thresholds=GateThresholds(
            config.min_gain, config.min_standard_errors, config.match_tolerance
        ),
        backend=backend,
    )


def joint_stage(poses: SparseModel, views: Views) -> Stage[Joint]:
    """The stage for these poses and views, which are its result where it keeps no others."""
    return Stage("joint", refine_jointly, partial(load_joint, poses=poses, views=views))
