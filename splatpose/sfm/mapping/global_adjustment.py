"""From cameras alone to a reconstruction: all points at once, and bundle adjustment.

    python -m splatpose.sfm.mapping.global_adjustment < TASK.json

Light to import: of many photos a child does it, because COLMAP lets no other thread of its process
work meanwhile.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pycolmap

from ...native import end_with_parent, is_alone
from ...workers import in_child
from .bundle_adjustment import FEW_PHOTOS, Mapper, Scales, least_freedom, mapping, measure_scales

_COARSE_OUTLIER = 16.0
"""In pixels at `REFERENCE_SIDE`, before the first bundle adjustment."""


@dataclass(frozen=True)
class AdjustmentTask:
    """What a child is to do."""

    start: str
    """Folder of the cameras, as COLMAP's binary model."""
    database: str
    result: str
    """Folder for the reconstruction, which stays empty where there is none."""
    min_matches: int
    seed: int


def triangulate_and_adjust(
    reconstruction: pycolmap.Reconstruction, database: Path, min_matches: int, seed: int
) -> pycolmap.Reconstruction | None:
    """Triangulates and adjusts a reconstruction that has cameras only; None without points."""
    freedom = least_freedom(reconstruction)
    pixel = measure_scales(reconstruction).loss
    coarse = Scales(2 * pixel, _COARSE_OUTLIER * pixel)
    # Where pairs are thin, their tracks of two views are all that ties two parts together.
    with mapping(
        reconstruction,
        database,
        coarse,
        min_matches=min_matches,
        seed=seed,
        two_view_tracks=True,
    ) as mapper:
        mapper.triangulate_all()
        if not reconstruction.num_points3D():
            return None
        # With few photos, focal lengths run away while poses and points are still coarse.
        mapper.refine(freedom, rounds=2, hold=True)
        reconstruction.update_point_3d_errors()
        fine = Mapper(mapper.mapper, reconstruction, measure_scales(reconstruction), seed)
        fine.mapper.observation_manager.filter_all_points3D(4 * pixel, 1.5)
        fine.triangulate_all()
        # Three photos tell little about a focal length that many pairs were not asked for.
        fine.refine(freedom, rounds=3, hold=reconstruction.num_reg_images() <= FEW_PHOTOS)
    return reconstruction if reconstruction.num_reg_images() >= 2 else None


def triangulate_and_adjust_aside(
    reconstruction: pycolmap.Reconstruction,
    database: Path,
    min_matches: int,
    seed: int,
    cancelled: Callable[[], bool],
) -> pycolmap.Reconstruction | None:
    """The same in a child, unless everything is to stay in this process (see `native`).

    Args:
        database: folders beside it are used.
        cancelled: asked now and then; the child is killed where it says so.

    Raises:
        CancelledError, Died, RuntimeError: as `splatpose.workers.in_child` has it.
    """
    if is_alone():
        return triangulate_and_adjust(reconstruction, database, min_matches, seed)
    start, result = database.with_suffix(".start"), database.with_suffix(".adjusted")
    for folder in (start, result):
        folder.mkdir()
    reconstruction.write_binary(start)
    task = AdjustmentTask(str(start), str(database), str(result), min_matches, seed)
    in_child(__name__, dataclasses.asdict(task), cancelled)
    found = any(result.iterdir())
    return pycolmap.Reconstruction(result) if found else None


def _main() -> None:
    end_with_parent()
    pycolmap.logging.minloglevel = 3
    task = AdjustmentTask(**json.load(sys.stdin))
    start = pycolmap.Reconstruction(task.start)
    found = triangulate_and_adjust(start, Path(task.database), task.min_matches, task.seed)
    if found is not None:
        found.write_binary(task.result)


if __name__ == "__main__":
    _main()
