"""Cameras that somebody estimated, whoever did: what is to be measured."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from ..errors import SplatposeError
from ..io.stored_pixels import quarters_to_upright, turned_camera, turned_pose
from ..scene.camera import Camera
from ..stages.outputs.layout import MODEL, REPORT
from .dataset import Dataset
from .readers import colmap, nerfstudio, poses_json, tum
from .readers.assemble import make_dataset

_KINDS = {
    "poses.json": poses_json,
    "COLMAP model": colmap,
    "transforms.json": nerfstudio,
    "trajectory": tum,
}
_HINT = (
    "Give the output folder of `splatpose fit`, a folder with a COLMAP model, a transforms.json "
    "or a trajectory in TUM format."
)


@dataclass(frozen=True)
class Estimate:
    """E photos, those with an estimated pose and those without (one world frame for all)."""

    source: Path
    kind: str
    """Format it was read from, for people."""
    names: tuple[str, ...]
    cam_from_world: Float[np.ndarray, "E 4 4"]
    """Estimated poses; NaN where a photo is not registered."""
    K: Float[np.ndarray, "E 3 3"]
    """Calibration matrices in pixels; NaN where unknown."""
    sizes: Int[np.ndarray, "E 2"]
    """Width and height in pixels that `K` belongs to; 0 where unknown."""
    quarters_to_upright: Int[np.ndarray, " E"]
    """Quarters clockwise that turn each photo upright, where its pixels are stored otherwise and
    the estimate is for those."""
    complete: bool
    """Whether `names` are all the photos that were given; otherwise those not named may have been
    given and left out."""


def turned_upright(estimate: Estimate, photos: Int[np.ndarray, " P"]) -> Estimate:
    """The estimate with some of its photos turned upright."""
    poses, K, sizes = estimate.cam_from_world.copy(), estimate.K.copy(), estimate.sizes.copy()
    for photo in photos.tolist():
        quarters = int(estimate.quarters_to_upright[photo])
        if not quarters:
            continue
        (fx, _, cx), (_, fy, cy), _ = K[photo]
        width, height = map(int, sizes[photo])
        camera = turned_camera(
            Camera("PINHOLE", width, height, np.array([fx, fy, cx, cy])), quarters
        )
        poses[photo] = turned_pose(poses[photo], quarters)
        K[photo], sizes[photo] = camera.K, (camera.width, camera.height)
    return replace(estimate, cam_from_world=poses, K=K, sizes=sizes)


def read_estimate(path: Path) -> Estimate:
    """Reads a run of `splatpose fit`, a COLMAP model, a transforms.json or a TUM trajectory.

    Of several COLMAP models (folders 0, 1, ...) the one with the most photos.

    Raises:
        SplatposeError: `path` is none of these, or damaged.
    """
    if not path.exists():
        raise SplatposeError(f"{path} does not exist.", _HINT)
    if (path / REPORT).is_file():
        return _run(path)
    if len(models := colmap.numbered_models(path)) > 1:
        return _largest(path, models)
    for kind, reader in _KINDS.items():
        if reader.recognises(path):
            return _estimate(path, kind, reader.read(path))
    raise SplatposeError(f"{path} holds no estimated cameras.", _HINT)


def _largest(path: Path, models: list[Path]) -> Estimate:
    """The model with the most photos: the others have frames of their own."""
    found = [(folder, colmap.read(folder)) for folder in models]
    folder, data = max(found, key=lambda entry: np.isfinite(entry[1].cam_from_world[:, 0, 0]).sum())
    return _estimate(path, f"COLMAP model {folder.name}, the largest of {len(models)}", data)


def _run(path: Path) -> Estimate:
    """A finished run: its model, and from the report the photos that were given and not placed."""
    file = path / REPORT
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        # Copies and masks that were left out are no photos that ought to have a pose.
        skipped = [file for file in report["skipped"] if not file.get("kind")]
        given = [str(photo["name"]) for photo in [*report["photos"], *skipped]]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise SplatposeError(
            f"{file} is not the report of a run ({error!r}).", "Run `splatpose fit` again."
        ) from error
    model = colmap.read(path / MODEL)
    row = {name: i for i, name in enumerate(model.names)}
    names = tuple(dict.fromkeys([*given, *model.names]))
    rows = np.array([row.get(name, -1) for name in names], np.int64)
    absent = rows < 0
    poses, K, sizes = model.cam_from_world[rows], model.K[rows], model.sizes[rows]
    poses[absent], K[absent], sizes[absent] = np.nan, np.nan, 0
    data = make_dataset(path.name, path, names, poses, K, sizes)
    turns = {str(photo["name"]): photo.get("orientation") or 1 for photo in report["photos"]}
    quarters = quarters_to_upright([turns.get(name, 1) for name in names])
    found = _estimate(path, "run of splatpose fit", data, complete=True)
    return replace(found, quarters_to_upright=quarters)


def _estimate(path: Path, kind: str, data: Dataset, *, complete: bool = False) -> Estimate:
    upright = np.zeros(len(data.names), np.int64)
    return Estimate(
        path, kind, data.names, data.cam_from_world, data.K, data.sizes, upright, complete
    )
