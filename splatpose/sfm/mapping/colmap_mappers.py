"""COLMAP's own mappers, in a process that may die of them.

    python -m splatpose.sfm.mapping.colmap_mappers < TASK.json

Light to import: a child is there for one mapping.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pycolmap

from ...native import end_with_parent, is_alone
from ...workers import in_child
from ..thresholds import INLIERS

_ONLY_FATAL = 3


@dataclass(frozen=True)
class MapperTask:
    """One mapping; all that it depends on beside the database."""

    mapper: Literal["incremental", "global"]
    database: str
    models: str
    """Folder for the models, one a sub-folder. The log goes beside it."""
    seed: int
    min_matches: int
    """Verified matches of a pair that counts."""
    relaxed: bool
    """Accept weaker photos and initial pairs (incremental only)."""
    few: bool
    """Keep two-view tracks."""


def run_mapper(task: MapperTask, token: pycolmap.CancellationToken) -> None:
    """Maps in a child, unless everything is to stay in this process (see `native`).

    Raises:
        CancelledError: the token was cancelled meanwhile.
        Died: the mapper ended its process.
        RuntimeError: the mapper failed.
    """
    if is_alone():
        map_here(task, token)
        return
    in_child(__name__, dataclasses.asdict(task), lambda: token.is_cancelled)


def map_here(task: MapperTask, token: pycolmap.CancellationToken | None = None) -> None:
    """Maps in this process; the global mapper does not ask the token."""
    token = token or pycolmap.CancellationToken()
    held = _holds_rich_lens(Path(task.database))
    images = Path(task.database).parent  # where there are none: no colours are asked for
    if task.mapper == "global":
        options = global_options(task.seed, task.min_matches, few=task.few)
        options.mapper.bundle_adjustment.refine_extra_params = not held
        pycolmap.global_mapping(task.database, images, task.models, options)
        return
    options = incremental_options(task.seed, task.min_matches, relaxed=task.relaxed, few=task.few)
    options.ba_refine_extra_params = not held
    pycolmap.incremental_mapping(
        task.database, images, task.models, options, cancellation_token=token
    )


def _holds_rich_lens(path: Path) -> bool:
    """Whether a camera is known to distort in many terms: COLMAP would free eight of them, which
    nothing tells apart."""
    database = pycolmap.Database.open(path)
    try:
        cameras = database.read_all_cameras()
        return any(camera.model == pycolmap.CameraModelId.FULL_OPENCV for camera in cameras)
    finally:
        database.close()


def incremental_options(
    seed: int, min_matches: int, *, relaxed: bool, few: bool
) -> pycolmap.IncrementalPipelineOptions:
    """COLMAP's incremental mapper for hand-held captures; `few` keeps two-view tracks."""
    options = pycolmap.IncrementalPipelineOptions()
    options.min_num_matches = min_matches
    options.min_model_size = 2
    options.num_threads = options.mapper.num_threads = 1
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = seed
    options.extract_colors = False
    # Matches that no geometry fits would otherwise keep it busy for minutes.
    options.init_num_trials = 50
    # The default of 16 degrees rules out forward-facing captures.
    options.mapper.init_min_tri_angle = 2.0 if relaxed else 4.0
    options.triangulation.ignore_two_view_tracks = not few
    if relaxed:
        options.mapper.init_min_num_inliers = 50
        options.mapper.abs_pose_min_num_inliers = INLIERS.enough_matches
        options.mapper.abs_pose_min_inlier_ratio = 0.15
    return options


def global_options(seed: int, min_matches: int, *, few: bool) -> pycolmap.GlobalPipelineOptions:
    """COLMAP's global mapper (GLOMAP, Pan et al. 2024); `few` keeps two-view tracks."""
    options = pycolmap.GlobalPipelineOptions()
    options.min_num_matches = min_matches
    options.num_threads = options.mapper.num_threads = 1
    options.random_seed = options.mapper.random_seed = seed
    if few:
        mapper = options.mapper
        options.min_model_size = 2
        mapper.track_min_num_views_per_track = 2
        mapper.global_positioning.min_num_view_per_track = 2
        mapper.bundle_adjustment.min_track_length = 2
        mapper.retriangulation.ignore_two_view_tracks = False
    return options


def _main() -> None:
    end_with_parent()
    pycolmap.logging.minloglevel = _ONLY_FATAL
    map_here(MapperTask(**json.load(sys.stdin)))


if __name__ == "__main__":
    _main()
