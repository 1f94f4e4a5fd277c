"""Anybody's COLMAP model of the same photos, judged without truth."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pycolmap
from jaxtyping import Int

from ..errors import SplatposeError
from ..events import EventSink, Message, Progress
from ..io.colmap import camera_from_colmap, quiet_colmap
from ..io.stored_pixels import quarters_to_upright, turned_model
from ..runs.folder import stage_folder
from ..scene.camera import Camera
from ..scene.capture import Capture
from ..scene.matches import MatchGraph
from ..scene.sparse_model import SparseModel
from ..scene.verdicts import Verdicts
from ..sfm.correspondences import match_table
from ..sfm.mapping.retriangulation import with_points
from ..sfm.thresholds import INLIERS
from ..stages.capture.stage import load_capture
from ..stages.matching.stage import load_matches
from ..stages.trust.config import TrustConfig
from ..stages.trust.evidence import ModelUnderTest, model_under_test
from ..stages.trust.verdict import assess
from .readers.colmap import load_reconstruction

MIN_TRUSTED_SHARE = 0.5
"""Least share of the photos placed by the model that must be trusted: with fewer, not enough speaks
for it."""
_DENIALS = 2
"""Halves of the matches that place a photo elsewhere, to call its pose wrong."""
_NOT_PLACED = "the model does not place it"


@dataclass(frozen=True)
class Verification:
    """What is said of a model."""

    verdicts: Verdicts
    judgement: Literal["right", "unproven", "wrong"]
    """right: nothing contradicts it, and most of its photos are trusted. wrong: some of its poses
    are contradicted. unproven: neither."""
    sentence: str


def verify_model(
    out: Path,
    model: Path,
    emit: EventSink,
    *,
    config: TrustConfig | None = None,
    max_error_px: float = 1.0,
    min_matches: int = INLIERS.enough_matches,
    seed: int = 0,
) -> Verification:
    """Judges a COLMAP model (binary or text) by the matches of a run over the same photos.

    The model's own points and matches are not asked: cameras and lenses alone are tested, against
    what independently found matches say.

    Args:
        out: output folder of `splatpose fit`; its capture and matches are used, nothing in it
            changes, and its poses are not asked.
        model: folder with cameras, images and points3D, or with `sparse/0`.
        emit: receives progress.
        config, max_error_px, min_matches, seed: as in `judge_poses`.

    Raises:
        SplatposeError: no run at `out`, no model at `model`, a camera model that is not supported,
            or other photos.
    """
    capture = load_capture(stage_folder(out, "capture"))
    graph = load_matches(stage_folder(out, "matching"))
    with quiet_colmap():
        bare = read_foreign_model(model, capture)
    emit(Message("trust", f"{int(bare.registered.sum())} of {len(bare.names)} photos are in it"))

    def progress(text: str) -> None:
        emit(Progress("trust", 0, 0, text))

    with tempfile.TemporaryDirectory(prefix="splatpose-verify-") as scratch:
        verdicts = assess(
            _under_test(bare, capture, graph, max_error_px, min_matches),
            config or TrustConfig(),
            Path(scratch),
            [_NOT_PLACED] * len(bare.names),
            seed=seed,
            progress=progress,
        )
    return _judged(verdicts)


def _under_test(
    bare: SparseModel, capture: Capture, graph: MatchGraph, max_error_px: float, min_matches: int
) -> ModelUnderTest:
    """The cameras of a model with points triangulated from the run's matches."""
    model = with_points(bare, match_table(graph), max_error_px)
    return model_under_test(
        capture, graph, model, max_error_px=max_error_px, min_matches=min_matches
    )


def read_foreign_model(folder: Path, capture: Capture) -> SparseModel:
    """The cameras of a COLMAP model in the order of a capture, without points.

    Photos are found by their names, or by the last part of them where that is unambiguous.
    """
    reconstruction = load_reconstruction(folder)
    row = _rows(capture)
    poses = np.full((len(capture.photos), 4, 4), np.nan)
    cameras: list[Camera] = []
    number: dict[int, int] = {}
    index = np.zeros(len(capture.photos), np.int64)
    for image in reconstruction.images.values():
        photo = row.get(image.name, row.get(Path(image.name).name, -1))
        if photo < 0 or not image.has_pose:
            continue
        poses[photo] = np.eye(4)
        poses[photo, :3] = image.cam_from_world().matrix()
        if image.camera_id not in number:  # others may be of a kind that is not supported
            number[image.camera_id] = len(cameras)
            cameras.append(_camera(reconstruction.cameras[image.camera_id]))
        index[photo] = number[image.camera_id]
    registered = np.isfinite(poses[:, 0, 0])
    if registered.sum() < 2:
        raise SplatposeError(
            f"The model in {folder} and the run have {int(registered.sum())} photos in common.",
            "Both must be made from the same photos, under the same names.",
        )
    names = [photo.name for photo in capture.photos]
    stored = SparseModel.of_cameras(names, poses, index, cameras)
    model = turned_model(stored, _quarters(stored, capture))
    cameras, index = _fitted(list(model.cameras), model.camera_index, registered, capture, folder)
    return SparseModel.of_cameras(names, model.cam_from_world, index, cameras)


def _quarters(model: SparseModel, capture: Capture) -> Int[np.ndarray, " V"]:
    """By how many quarters a model's photos must be turned clockwise to be upright.

    COLMAP reads the pixels as they are stored; a model of upright copies is known by its sizes.
    """
    quarters = quarters_to_upright([photo.orientation for photo in capture.photos])
    quarters[~model.registered] = 0
    upright = 0
    for photo in np.flatnonzero(quarters % 2).tolist():
        camera = model.cameras[int(model.camera_index[photo])]
        given = capture.photos[photo]
        alike = (camera.width > camera.height) == (given.width > given.height)
        upright += 1 if alike else -1
    if upright > 0:
        quarters[:] = 0
    return quarters


def _camera(camera: pycolmap.Camera) -> Camera:
    try:
        return camera_from_colmap(camera)
    except ValueError as error:
        raise SplatposeError(
            f"The model's {error}.",
            "Give the model of the undistorted photos, or one with an OPENCV camera.",
        ) from error


def _rows(capture: Capture) -> dict[str, int]:
    """Photo indices by name, and by the last part of the name where only one photo has it."""
    names = [photo.name for photo in capture.photos]
    last = [Path(name).name for name in names]
    short = {name: i for i, name in enumerate(last) if last.count(name) == 1}
    return short | {name: i for i, name in enumerate(names)}


def _fitted(
    cameras: list[Camera],
    index: np.ndarray,
    registered: np.ndarray,
    capture: Capture,
    folder: Path,
) -> tuple[list[Camera], np.ndarray]:
    """Cameras in the pixels of the photos, where the model was made from smaller or larger ones."""
    found: dict[tuple[int, int, int], int] = {}
    result: list[Camera] = []
    for photo in np.flatnonzero(registered).tolist():
        camera, given = cameras[index[photo]], capture.photos[photo]
        shape = (camera.width / camera.height) / (given.width / given.height)
        if abs(shape - 1) > 0.02:
            raise SplatposeError(
                f"{given.name} has {given.width} x {given.height} pixels, and "
                f"{camera.width} x {camera.height} in the model in {folder}.",
                "Both must be made from the same photos, turned upright in the same way.",
            )
        key = (int(index[photo]), given.width, given.height)
        if key not in found:
            found[key] = len(result)
            same = (camera.width, camera.height) == (given.width, given.height)
            result.append(camera if same else camera.resized(given.width, given.height))
        index[photo] = found[key]
    index[~registered] = 0
    return result, index


def _judged(verdicts: Verdicts) -> Verification:
    placed = [photo for photo in verdicts.photos if photo.level != "refused"]
    wrong = [p for p in placed if p.evidence.folds_denying >= _DENIALS]
    trusted = sum(photo.level == "trusted" for photo in placed)
    text = f"{trusted} of the {len(placed)} poses are trusted"
    if wrong:
        names = ", ".join(photo.name for photo in wrong[:3])
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        return Verification(
            verdicts,
            "wrong",
            f"The model is wrong: independent matches place {names}{more} elsewhere; {text}.",
        )
    if trusted < MIN_TRUSTED_SHARE * len(placed):
        return Verification(verdicts, "unproven", f"Nothing proves the model right: only {text}.")
    return Verification(verdicts, "right", f"The model holds: {text}, and nothing denies the rest.")


def describe_verification(verification: Verification) -> list[str]:
    """One line a photo, what holds for all of them, and the sentence at the end."""
    photos = verification.verdicts.photos
    width = max(len(photo.name) for photo in photos)
    lines = [f"{photo.name:<{width}}  {photo.level:<7}  {photo.reason}" for photo in photos]
    return [*lines, "", *verification.verdicts.notes, verification.sentence]
