"""First guesses of the focal lengths, before any reconstruction.

EXIF where the photos have it, else the fundamental matrices of all verified pairs together
(view-graph calibration, as in GLOMAP, Pan et al. 2024), else a usual field of view.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pycolmap

from ...io.colmap import index_of_camera
from ...io.colmap_database import opened, read_cameras, update_cameras
from ...scene.camera import Camera
from ..thresholds import FOCAL_RATIOS


@dataclass(frozen=True)
class Calibration:
    """A database whose cameras have calibrated focal lengths."""

    database: Path
    cameras: tuple[Camera, ...]
    """The cameras as this database has them."""
    num_calibrated: int
    """Cameras whose focal length the view graph gave; 0 where the guesses stand."""


def calibrate(source: Path, target: Path, *, seed: int) -> Calibration:
    """Copies a database and calibrates its view graph in the copy.

    A focal length that no lens has (as small sets and internet photos give) is put back to the
    guess. A `target` that is there already is whole, and is used as it is.
    """
    before, _ = read_cameras(source)
    if not target.exists():
        temporary = target.with_name(f"{target.stem}.tmp{target.suffix}")
        shutil.copyfile(source, temporary)
        _calibrate(temporary, before, seed)
        os.replace(temporary, target)
    after, _ = read_cameras(target)
    changed = sum(int(a.params[0] != b.params[0]) for a, b in zip(after, before, strict=True))
    return Calibration(target, after, changed)


def write_focal_lengths(source: Path, target: Path, cameras: Sequence[Camera]) -> None:
    """Copies a database and gives its cameras, in the order of their ids, other intrinsics.

    A `target` that is there already is whole, and is used as it is.
    """
    if target.exists():
        return
    temporary = target.with_name(f"{target.stem}.tmp{target.suffix}")
    shutil.copyfile(source, temporary)
    with opened(temporary) as database:
        update_cameras(database, dict(enumerate(cameras)))
    os.replace(temporary, target)


def _calibrate(database_path: Path, guesses: tuple[Camera, ...], seed: int) -> None:
    options = pycolmap.ViewGraphCalibrationOptions()
    options.random_seed = seed
    # RANSAC on every pair once more takes minutes where a third of the matches are wrong, and
    # the focal lengths do not depend on it.
    options.reestimate_relative_pose = False
    pycolmap.calibrate_view_graph(database_path, options)
    with opened(database_path) as database:
        for camera in database.read_all_cameras():
            ratio = camera.params[0] / max(camera.width, camera.height)
            guess = list(guesses[index_of_camera(camera.camera_id)].params)
            # What EXIF tells may lie beyond what a calibration is believed.
            if not FOCAL_RATIOS.plausible_start(ratio) and list(camera.params) != guess:
                camera.params = guess
                camera.has_prior_focal_length = False
                database.update_camera(camera)
