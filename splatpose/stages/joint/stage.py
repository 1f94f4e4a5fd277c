"""Between views and splats: poses refined together with Gaussians, or left as they are."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ...events import EventSink
from ...keys import Stage
from .config import JointConfig

if TYPE_CHECKING:
    from ...scene.matches import MatchGraph
    from ...scene.sparse_model import SparseModel
    from ...scene.views import Joint, Views


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
        max_error_px: distance within which a match counts as explained, as `PosesConfig.max_error_px`.
        seed: of the order of photos and the choice of tracks.

    Returns:
        One line for a person.
    """
    from ...refinement.joint import refine

    return refine(
        graph, poses, views, config, backend, folder, emit, max_error_px=max_error_px, seed=seed
    )


def load_joint(folder: Path, poses: SparseModel, views: Views) -> Joint:
    """Reads what `refine_jointly` decided for these poses and views."""
    from .storage import load

    return load(folder, poses, views)


def joint_stage(poses: SparseModel, views: Views) -> Stage[Joint]:
    """The stage for these poses and views, which are its result where it keeps no others."""
    return Stage("joint", refine_jointly, partial(load_joint, poses=poses, views=views))
