"""Training views with true poses, for benchmarks that must not depend on our own pose solver.

Reads a photo set of the shared data (poses.json) or the demo (transforms.json), undistorts and
resizes its photos, and triangulates SIFT points with the true poses held fixed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pycolmap
from PIL import Image

from splatpose.events import ignore_events
from splatpose.io.colmap import read_model
from splatpose.scene.camera import Camera
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.views import Views
from splatpose.undistortion.subset import reduced, with_views

_FULL_SIZE = 100_000
"""Pixels that no photo's longer side has."""


def load_true_views(dataset: Path, max_size: int, eval_every: int = 8) -> Views:
    """Views of `dataset` at long side `max_size` pixels, world centred with RMS radius 1.

    The split is the product's: ids[eval_every // 2 :: eval_every] are held out.
    """
    views = _without_points(_frames(dataset), max_size)
    points, colors = _points_of(_triangulated(views.images, views.Ks, views.cam_from_world))
    if eval_every:
        views.held_out[eval_every // 2 :: eval_every] = True
    return replace(views, points=points, point_colors=colors)


def load_thinned_views(
    dataset: Path, max_size: int, training: Sequence[int], held_out: Sequence[int]
) -> tuple[Views, SparseModel]:
    """Some photos of `dataset`, of which only `training` are trained on and triangulated from.

    Points are those of the product's matcher, by the true poses.

    Returns:
        The views, in the order of the photos, and a model of the same photos at full size: the
        held-out ones' pixels have no part in it.
    """
    frames = _frames(dataset)
    kept = sorted({*training, *held_out})
    whole = _without_points([frames[i] for i in kept], _FULL_SIZE)
    views, trained = reduced(whole, max_size), np.isin(kept, list(training))
    seen = _matched(with_views(whole, trained))
    observations = seen.observations.copy()
    observations[:, 1] = np.flatnonzero(trained)[observations[:, 1]]
    cameras = [_camera(image, K) for image, K in zip(whole.images, whole.Ks, strict=True)]
    model = replace(
        SparseModel.of_cameras(views.names, views.cam_from_world, np.arange(len(kept)), cameras),
        points=seen.points,
        point_colors=seen.point_colors,
        point_errors=seen.point_errors,
        observations=observations,
        observation_xy=seen.observation_xy,
    )
    views = replace(views, held_out=~trained, points=seen.points, point_colors=seen.point_colors)
    return views, model


def _matched(views: Views) -> SparseModel:
    """Points from matches of all pairs, cameras held where they are."""
    from splatpose.stages.capture.config import CaptureConfig
    from splatpose.stages.capture.stage import build_capture, load_capture
    from splatpose.stages.matching.config import MatchingConfig
    from splatpose.stages.matching.matchers import resolve_matcher
    from splatpose.stages.matching.stage import match_photos

    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / part for part in ("images", "capture", "matching", "sparse")]
        for folder in folders:
            folder.mkdir()
        names = _write_pictures(folders[0], views.images)
        build_capture(folders[0], CaptureConfig(), folders[1], ignore_events)
        capture = load_capture(folders[1])
        matching = resolve_matcher(MatchingConfig(), len(names), None, ignore_events)
        match_photos(capture, matching, folders[2], ignore_events, weights_dir=None, seed=0)
        database = folders[2] / "database.db"
        model = _posed_model(database, views.images, views.Ks, views.cam_from_world)
        _triangulate(model, database, folders[0], folders[3])
        return read_model(folders[3], names)


def _camera(image: np.ndarray, K: np.ndarray) -> Camera:
    height, width = image.shape[:2]
    return Camera("PINHOLE", width, height, np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]]))


def _without_points(frames: list[dict], max_size: int) -> Views:
    """The photos with their true poses, none of them held out; no points."""
    world_from_cam = np.array([frame["c2w"] for frame in frames], np.float64)
    centres = world_from_cam[:, :3, 3]
    middle = centres.mean(axis=0)
    radius = np.sqrt(np.mean(np.sum((centres - middle) ** 2, axis=1)))
    world_from_cam[:, :3, 3] = (centres - middle) / radius
    images, masks, Ks = [], [], []
    for frame in frames:
        image, mask, K = _undistorted(frame["path"], frame, max_size)
        images.append(image)
        masks.append(mask)
        Ks.append(K)
    return Views(
        names=tuple(frame["file"] for frame in frames),
        images=tuple(images),
        masks=tuple(masks),
        Ks=np.array(Ks),
        cam_from_world=np.linalg.inv(world_from_cam),
        held_out=np.zeros(len(frames), bool),
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
    )


def _frames(dataset: Path) -> list[dict]:
    """The photos' paths and true cameras, in the form of the shared data's poses.json."""
    for name in ("poses.json", "poses_pseudo.json"):
        if (dataset / name).exists():
            frames = json.loads((dataset / name).read_text())["frames"]
            return [{**frame, "path": dataset / "images" / frame["file"]} for frame in frames]
    value = json.loads((dataset / "transforms.json").read_text())
    # Nerfstudio's axes are OpenGL's, and its pixel centres are halves.
    camera = {"fx": value["fl_x"], "fy": value["fl_y"], "w": value["w"], "h": value["h"]}
    camera |= {"cx": value["cx"] - 0.5, "cy": value["cy"] - 0.5}
    return [
        {
            **camera,
            "file": frame["file_path"],
            "path": dataset / frame["file_path"],
            "c2w": np.array(frame["transform_matrix"]) @ np.diag([1.0, -1.0, -1.0, 1.0]),
        }
        for frame in value["frames"]
    ]


def _undistorted(
    path: Path, frame: dict, max_size: int
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """The photo without distortion, where it has pixels (None: everywhere), and its calibration."""
    image = np.array(Image.open(path).convert("RGB"))
    height, width = image.shape[:2]
    sx, sy = width / frame["w"], height / frame["h"]
    # The file's pixel centres are integers, ours are halves.
    K = np.array(
        [
            [frame["fx"] * sx, 0, (frame["cx"] + 0.5) * sx],
            [0, frame["fy"] * sy, (frame["cy"] + 0.5) * sy],
            [0, 0, 1],
        ]
    )
    seen = np.full(image.shape[:2], 255, np.uint8)
    if "dist_opencv" in frame:
        centre_at_zero = K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])
        image = cv2.undistort(image, centre_at_zero, np.array(frame["dist_opencv"]))
        seen = cv2.undistort(seen, centre_at_zero, np.array(frame["dist_opencv"]))
    scale = min(1.0, max_size / max(width, height))
    size = (round(width * scale), round(height * scale))
    image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    mask = cv2.resize(seen, size, interpolation=cv2.INTER_AREA) == 255
    return (
        image,
        None if mask.all() else mask,
        np.diag([size[0] / width, size[1] / height, 1.0]) @ K,
    )


def _triangulated(
    images: Sequence[np.ndarray], Ks: np.ndarray, cam_from_world: np.ndarray
) -> pycolmap.Reconstruction:
    pycolmap.logging.minloglevel = 2
    pycolmap.set_random_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        _write_pictures(folder / "images", images)
        database = folder / "database.db"
        # Known images keep their order, whichever thread is done with its own first.
        pycolmap.Database.open(database).close()
        per_image = pycolmap.CameraMode.PER_IMAGE
        pycolmap.import_images(database, folder / "images", camera_mode=per_image)
        pycolmap.extract_features(database, folder / "images", camera_mode=per_image)
        model = _posed_model(database, images, Ks, cam_from_world)
        match = pycolmap.match_sequential if len(images) > 40 else pycolmap.match_exhaustive
        options = pycolmap.TwoViewGeometryOptions()
        options.ransac.random_seed = 0
        match(database, verification_options=options)
        (folder / "sparse").mkdir()
        return _triangulate(model, database, folder / "images", folder / "sparse")


def _write_pictures(folder: Path, images: Sequence[np.ndarray]) -> tuple[str, ...]:
    """Writes numbered pictures and returns their names."""
    names = tuple(f"{index:04d}.png" for index in range(len(images)))
    for name, image in zip(names, images, strict=True):
        cv2.imwrite(str(folder / name), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
    return names


def _triangulate(
    model: pycolmap.Reconstruction, database: Path, images: Path, sparse: Path
) -> pycolmap.Reconstruction:
    mapping = pycolmap.IncrementalPipelineOptions(random_seed=0, num_threads=1)
    mapping.triangulation.random_seed = mapping.mapper.random_seed = 0
    return pycolmap.triangulate_points(model, database, images, sparse, True, mapping)


def _points_of(model: pycolmap.Reconstruction) -> tuple[np.ndarray, np.ndarray]:
    """Places and colours of a model's points."""
    points = list(model.points3D.values())
    xyz = np.array([point.xyz for point in points], np.float64).reshape(-1, 3)
    return xyz, np.array([point.color for point in points], np.uint8).reshape(-1, 3)


def _posed_model(
    database: Path, images: Sequence[np.ndarray], Ks: np.ndarray, cam_from_world: np.ndarray
) -> pycolmap.Reconstruction:
    model = pycolmap.Reconstruction()
    with pycolmap.Database.open(database) as opened:
        for row in opened.read_all_images():
            _add_image(model, opened, row, images, Ks, cam_from_world)
    return model


def _add_image(
    model: pycolmap.Reconstruction,
    database: pycolmap.Database,
    row: pycolmap.Image,
    images: Sequence[np.ndarray],
    Ks: np.ndarray,
    cam_from_world: np.ndarray,
) -> None:
    index = int(Path(row.name).stem)
    height, width = images[index].shape[:2]
    K = Ks[index]
    camera = pycolmap.Camera(
        model="PINHOLE",
        width=width,
        height=height,
        params=[K[0, 0], K[1, 1], K[0, 2], K[1, 2]],
        camera_id=row.camera_id,
    )
    camera.has_prior_focal_length = True
    if row.camera_id not in model.cameras:
        database.update_camera(camera)
        model.add_camera_with_trivial_rig(camera)
    else:  # the product takes photos of one size and no EXIF for one camera's
        assert np.allclose(model.cameras[row.camera_id].params, camera.params, rtol=1e-3)
    pose = pycolmap.Rigid3d(cam_from_world[index, :3])
    image = pycolmap.Image(name=row.name, camera_id=row.camera_id, image_id=row.image_id)
    model.add_image_with_trivial_frame(image, pose)
