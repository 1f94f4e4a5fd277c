"""COLMAP on the same photos: what a table sets beside splatpose.

SIFT, exhaustive matching, then incremental and global mapping, all with pycolmap's own defaults.
COLMAP is given one thing more than the photos: that they share a camera, where they seem to.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pycolmap
from jaxtyping import Float

from ..events import ignore_events
from ..io.atomic import write_json
from ..io.colmap import quiet_colmap
from ..stages.capture.config import CaptureConfig
from ..stages.capture.stage import build_capture, load_capture

Mapper = Literal["incremental", "global"]
MAPPERS: tuple[Mapper, ...] = get_args(Mapper)
_DATABASE, _MATCHING = "database.db", "matching.json"


@dataclass(frozen=True)
class ColmapResult:
    """What one of COLMAP's mappers made of the photos."""

    mapper: Mapper
    models: tuple[Path, ...]
    """COLMAP model folders, the one with most photos first; none where mapping failed."""
    error: str | None
    """What the mapper complained of, where it gave up with an error."""
    seconds: dict[str, float]
    """Seconds that matching (with feature extraction) and mapping ("poses") took."""

    def poses(self, model: int = 0) -> dict[str, Float[np.ndarray, "4 4"]]:
        """cam_from_world of the registered photos of a model, by name."""
        if model >= len(self.models):
            return {}
        return model_poses(self.models[model])


def model_poses(folder: Path) -> dict[str, Float[np.ndarray, "4 4"]]:
    """cam_from_world of the registered photos of a COLMAP model, by name."""
    poses = {}
    for image in pycolmap.Reconstruction(folder).images.values():
        if image.has_pose:
            poses[image.name] = np.vstack([image.cam_from_world().matrix(), (0, 0, 0, 1)])
    return poses


def match_sift(images: Path, folder: Path) -> float:
    """Fills `folder` with a database of SIFT matches of all pairs; returns the seconds it took.

    A database that an earlier call finished is kept, with its seconds.
    """
    record = folder / _MATCHING
    if record.exists():
        return float(json.loads(record.read_text(encoding="utf-8"))["seconds"])
    (folder / _DATABASE).unlink(missing_ok=True)
    capture = _fresh(folder / "capture")
    build_capture(images, CaptureConfig(), capture, ignore_events)
    one_camera = len(load_capture(capture).groups) == 1
    mode = pycolmap.CameraMode.SINGLE if one_camera else pycolmap.CameraMode.AUTO
    start = time.perf_counter()
    with quiet_colmap():
        pycolmap.extract_features(folder / _DATABASE, images, camera_mode=mode)
        pycolmap.match_exhaustive(folder / _DATABASE)
    seconds = time.perf_counter() - start
    write_json(record, {"seconds": seconds})
    return seconds


def run_colmap(images: Path, folder: Path, mapper: Mapper, *, seed: int) -> ColmapResult:
    """Maps the photos, matching them first where `folder` holds no matches yet.

    Args:
        images: folder of the photos.
        folder: for database and models. Both mappers may share it: the matches then are the same.
        mapper: which of COLMAP's two.
        seed: of the mapper's random choices.

    Raises:
        SplatposeError: there is no usable photo.
    """
    folder.mkdir(parents=True, exist_ok=True)
    matching = match_sift(images, folder)
    found_in, best = _fresh(folder / mapper), _fresh(folder / f"{mapper}_best")
    database = folder / f"{mapper}.db"
    shutil.copyfile(folder / _DATABASE, database)
    start = time.perf_counter()
    error, found = None, {}
    try:
        with quiet_colmap():
            found = _map(database, images, found_in, mapper, seed)
    except (RuntimeError, ValueError) as failure:
        error = str(failure).strip().splitlines()[-1] if str(failure).strip() else "no reason given"
    seconds = {"matching": matching, "poses": time.perf_counter() - start}
    models = []
    for number, model in enumerate(
        sorted(found.values(), key=lambda model: model.num_reg_images(), reverse=True)
    ):
        models.append(_fresh(best / str(number)))
        model.write_binary(models[-1])
    database.unlink()
    return ColmapResult(mapper, tuple(models), error, seconds)


def _map(
    database: Path, images: Path, folder: Path, mapper: Mapper, seed: int
) -> dict[int, pycolmap.Reconstruction]:
    if mapper == "incremental":
        options = pycolmap.IncrementalPipelineOptions(random_seed=seed)
        return pycolmap.incremental_mapping(database, images, folder, options)
    options = pycolmap.GlobalPipelineOptions(random_seed=seed)
    return pycolmap.global_mapping(database, images, folder, options)


def _fresh(folder: Path) -> Path:
    """The folder, empty."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder
