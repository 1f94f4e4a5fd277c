"""Training views with true poses, for benchmarks that must not depend on our own pose solver.

Reads a photo set of the shared data (poses.json) or the demo (transforms.json), undistorts and
resizes its photos, and triangulates SIFT points with the true poses held fixed.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pycolmap
from PIL import Image

from splatpose.scene.views import Views


def load_true_views(dataset: Path, max_size: int, eval_every: int = 8) -> Views:
    """Views of `dataset` at long side `max_size` pixels, world centred with RMS radius 1.

    The split is the product's: ids[eval_every // 2 :: eval_every] are held out.
    """
    frames = _frames(dataset)
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
    cam_from_world = np.linalg.inv(world_from_cam)
    points, colors = _triangulated(images, np.array(Ks), cam_from_world)
    held_out = np.zeros(len(frames), bool)
    if eval_every:
        held_out[eval_every // 2 :: eval_every] = True
    return Views(
        names=tuple(frame["file"] for frame in frames),
        images=tuple(images),
        masks=tuple(masks),
        Ks=np.array(Ks),
        cam_from_world=cam_from_world,
        held_out=held_out,
        points=points,
        point_colors=colors,
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
    images: list[np.ndarray], Ks: np.ndarray, cam_from_world: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    pycolmap.logging.minloglevel = 2
    pycolmap.set_random_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "images").mkdir()
        for index, image in enumerate(images):
            path = folder / "images" / f"{index:04d}.png"
            cv2.imwrite(str(path), cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
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
        mapping = pycolmap.IncrementalPipelineOptions(random_seed=0, num_threads=1)
        mapping.triangulation.random_seed = mapping.mapper.random_seed = 0
        model = pycolmap.triangulate_points(
            model, database, folder / "images", folder / "sparse", True, mapping
        )
        points = list(model.points3D.values())
        xyz = np.array([point.xyz for point in points], np.float64).reshape(-1, 3)
        color = np.array([point.color for point in points], np.uint8).reshape(-1, 3)
    return xyz, color


def _posed_model(
    database: Path, images: list[np.ndarray], Ks: np.ndarray, cam_from_world: np.ndarray
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
    images: list[np.ndarray],
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
    database.update_camera(camera)
    model.add_camera_with_trivial_rig(camera)
    pose = pycolmap.Rigid3d(cam_from_world[index, :3])
    image = pycolmap.Image(name=row.name, camera_id=row.camera_id, image_id=row.image_id)
    model.add_image_with_trivial_frame(image, pose)
