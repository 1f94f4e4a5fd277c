"""Photos that meet no point of the model, registered on the depth that Gaussians render.

Gaussians are trained for a moment on the photos around those left out; their depth lifts the
keypoints there, and PnP does the rest. The Gaussians are thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from ..events import ignore_events
from ..render import choose_backend
from ..scene.capture import Capture
from ..scene.matches import MatchGraph
from ..scene.sparse_model import SparseModel
from ..scene.splats import Splats
from ..scene.views import Views
from ..sfm.correspondences import MatchTable
from ..sfm.registration.candidates import around
from ..sfm.registration.from_depth import Attempt, place
from ..sfm.registration.join import joined
from ..splatting.trainer import Trainer
from ..undistortion.make_views import make_views
from .rendered_depth import keypoint_depths
from .short_training import run_steps, short_config

_SIZE = 320
"""Long side of the photos that the Gaussians are trained on, in pixels."""
_GAUSSIANS = 8000
_REFINE_START = 50
_OPACITY = 0.8
"""Opacity to begin with: depth is a mean, which what shines through from behind would spoil."""
_TELL_EVERY = 20


def register_on_rendered_depth(
    photos: Sequence[int],
    model: SparseModel,
    graph: MatchGraph,
    table: MatchTable,
    depths: Sequence[Float[np.ndarray, " _K"]],
    *,
    max_error_px: float,
    min_matches: int,
    seed: int,
) -> tuple[SparseModel, list[Attempt]]:
    """The model with those of the photos that find a proven place; and what came of each.

    Args:
        photos: not registered, the best matched first.
        depths: of the keypoints of registered photos, see `depths_around`.
        max_error_px: distance within which a match counts as explained, as in `explain`.
        min_matches: of a pair that counts as overlapping.
    """
    attempts = [
        place(photo, model, table, depths, max_error_px=max_error_px, seed=seed) for photo in photos
    ]
    found = {a.photo: a.cam_from_world for a in attempts if not a.reason}
    model, denied = joined(
        model, found, graph, table, max_error_px=max_error_px, min_matches=min_matches, seed=seed
    )
    return model, [replace(a, reason=denied.get(a.photo, a.reason)) for a in attempts]


def depths_around(
    photos: Sequence[int],
    capture: Capture,
    graph: MatchGraph,
    poses: SparseModel,
    table: MatchTable,
    backend: Literal["auto", "gsplat", "cpu"],
    *,
    steps: int,
    min_matches: int,
    seed: int,
    progress: Callable[[int, int], None] = lambda step, steps: None,
) -> tuple[Float[np.ndarray, " _K"], ...] | None:
    """Depth of the keypoints of photos around those left out; None if the training diverged.

    Args:
        steps: of the training.
        progress: is told the step and how many there are.
    """
    near = replace(poses, registered=around(photos, poses.registered, table, min_matches))
    views = make_views(capture, near, _SIZE)
    splats = _trained(views, steps, backend, seed, progress)
    if splats is None:
        return None
    return keypoint_depths(splats, views, near, graph.keypoints, choose_backend(backend))


def _trained(
    views: Views,
    steps: int,
    backend: Literal["auto", "gsplat", "cpu"],
    seed: int,
    progress: Callable[[int, int], None],
) -> Splats | None:
    """Gaussians for their depth alone; None if the training diverged."""
    training = short_config(
        steps,
        _GAUSSIANS,
        len(views.points),
        sh_degree=0,
        refine_start=_REFINE_START,
        initial_opacity=_OPACITY,
    )

    def tell(trainer: Trainer) -> bool:
        if trainer.step % _TELL_EVERY == 0:
            progress(trainer.step, steps)
        return False

    trainer = Trainer(views, training, choose_backend(backend), seed, ignore_events)
    return trainer.splats() if run_steps(trainer, tell) else None
