"""nerfstudio's transforms.json: camera-to-world matrices whose cameras have OpenGL axes.

OpenGL cameras look along -z with +y up, ours (OpenCV) along +z with +y down: the second and third
column of every camera-to-world matrix change sign, and nothing else. Pixels agree: both count the
centre of the top-left pixel as (0.5, 0.5).
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from ..errors import SplatposeError
from ..scene.camera import Camera
from .atomic import write_bytes
from .regular_files import read_text

_FLIP = np.array([1.0, -1.0, -1.0, 1.0])
_MODELS = ("OPENCV", "PINHOLE", "SIMPLE_PINHOLE")
_DISTORTION = ("k1", "k2", "p1", "p2", "k3")
"""In the order of COLMAP's parameters."""
_HINT = "Give a transforms.json as nerfstudio or instant-ngp writes it."


@dataclass(frozen=True)
class Transforms:
    """What a transforms.json holds. V photos."""

    photos: tuple[Path, ...]
    """Absolute paths of the photos."""
    cam_from_world: Float[np.ndarray, "V 4 4"]
    cameras: tuple[Camera, ...]
    camera_index: Int[np.ndarray, " V"]
    point_cloud: Path | None = None
    """Sparse points (.ply) in the same world frame, absolute; None where the file names none."""


def opengl_from_cam(cam_from_world: Float[np.ndarray, "*B 4 4"]) -> Float[np.ndarray, "*B 4 4"]:
    """World-from-camera matrices for cameras with OpenGL axes, of ours."""
    return np.linalg.inv(cam_from_world) * _FLIP


def cam_from_opengl(world_from_gl: Float[np.ndarray, "*B 4 4"]) -> Float[np.ndarray, "*B 4 4"]:
    """Our camera-from-world matrices of world-from-camera matrices with OpenGL axes."""
    return np.linalg.inv(world_from_gl * _FLIP)


def write_transforms(
    path: Path, scene: Transforms, *, folder: Path | None = None, absolute: bool = False
) -> None:
    """Writes a transforms.json atomically.

    Intrinsics stand once at the top for a single camera, else in every frame.

    Args:
        path: the file; its folder must exist.
        scene: what to write.
        folder: where the file will lie in the end: photos are named as seen from there. Default:
            the folder of `path`.
        absolute: name photos by their absolute paths.
    """
    seen_from = path.parent if folder is None else folder

    def named(target: Path) -> str:
        return target.resolve().as_posix() if absolute else relative_path(target, seen_from)

    shared = len(set(scene.camera_index.tolist())) == 1
    value: dict[str, Any] = {"camera_model": "OPENCV"}
    if shared:
        value |= _intrinsics(scene.cameras[int(scene.camera_index[0])])
    if scene.point_cloud is not None:
        value["ply_file_path"] = relative_path(scene.point_cloud, seen_from)
    value["frames"] = [
        {
            "file_path": named(photo),
            **({} if shared else _intrinsics(scene.cameras[int(camera)])),
            "transform_matrix": pose.tolist(),
        }
        for photo, camera, pose in zip(
            scene.photos, scene.camera_index, opengl_from_cam(scene.cam_from_world), strict=True
        )
    ]
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_transforms(path: Path) -> Transforms:
    """Reads a transforms.json written by us, nerfstudio, instant-ngp or NeRF's Blender scenes.

    Raises:
        SplatposeError: the file is missing or no transforms.json; a camera is of a kind that
            splatpose has not (fisheye, higher radial distortion); intrinsics are missing.
    """
    value = _load(path)
    base = path.resolve().parent
    frames = value["frames"]
    cameras: list[Camera] = []
    keys: dict[str, int] = {}
    index = []
    for frame in frames:
        camera = _camera(path, {**value, **frame})
        key = f"{camera.width} {camera.height} {camera.params.tolist()}"
        if key not in keys:
            keys[key] = len(cameras)
            cameras.append(camera)
        index.append(keys[key])
    try:
        poses = np.array([frame["transform_matrix"] for frame in frames], np.float64)
        photos = tuple(base / str(frame["file_path"]) for frame in frames)
    except (KeyError, ValueError, TypeError) as error:
        raise SplatposeError(
            f"{path}: a frame lacks its file_path or a 4x4 transform_matrix ({error}).", _HINT
        ) from error
    poses = _squared(poses)
    if poses.shape != (len(frames), 4, 4) or not np.isfinite(poses).all():
        raise SplatposeError(f"{path}: every transform_matrix must be 4x4 and finite.", _HINT)
    cloud = value.get("ply_file_path")
    return Transforms(
        photos=photos,
        cam_from_world=cam_from_opengl(poses),
        cameras=tuple(cameras),
        camera_index=np.array(index, np.int64),
        point_cloud=None if cloud is None else base / cloud,
    )


def relative_path(target: Path, folder: Path) -> str:
    """`target` as seen from `folder`, with forward slashes; absolute on another drive.

    Both are resolved first: a `..` behind a symbolic link would lead elsewhere.
    """
    target, folder = target.resolve(), folder.resolve()
    try:
        return Path(os.path.relpath(target, folder)).as_posix()
    except ValueError:  # Windows: no relative path from one drive to another
        return target.as_posix()


def _intrinsics(camera: Camera) -> dict[str, Any]:
    K = camera.K
    distortion = np.zeros(8)
    distortion[: len(camera.distortion)] = camera.distortion
    assert not distortion[5:].any(), "no lens that splatpose estimates has rational terms"
    terms = {name: float(k) for name, k in zip(_DISTORTION, distortion, strict=False)}
    if not terms["k3"]:
        del terms["k3"]
    return {
        "w": camera.width,
        "h": camera.height,
        "fl_x": float(K[0, 0]),
        "fl_y": float(K[1, 1]),
        "cx": float(K[0, 2]),
        "cy": float(K[1, 2]),
        **terms,
    }


def _load(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(read_text(path))
    except FileNotFoundError as error:
        raise SplatposeError(f"{path} does not exist.", "Check the path.") from error
    except OSError as error:
        raise SplatposeError(
            f"{path} cannot be read: {error.strerror or error}.", "Check the path."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SplatposeError(f"{path} is not JSON: {error}.", _HINT) from error
    if not isinstance(value, dict) or not isinstance(value.get("frames"), list):
        raise SplatposeError(f"{path} has no list of frames.", _HINT)
    if not value["frames"]:
        raise SplatposeError(f"{path} holds no photo.", _HINT)
    if not all(isinstance(frame, dict) for frame in value["frames"]):
        raise SplatposeError(f"{path}: a frame is not an object.", _HINT)
    return value


def _camera(path: Path, entry: dict[str, Any]) -> Camera:
    """The camera of a frame whose entry was completed by the file's top level."""
    model = entry.get("camera_model", "OPENCV")
    name = PurePosixPath(str(entry.get("file_path", "a frame"))).name
    if model not in _MODELS:
        raise SplatposeError(
            f"{path}: the camera of {name} is {model}, which splatpose does not have.",
            f"It reads {', '.join(_MODELS)}; undistort the photos first.",
        )
    if entry.get("k4"):
        raise SplatposeError(
            f"{path}: the camera of {name} has radial distortion above k3.",
            "Undistort the photos first, or fit a model with k1 to k3 only.",
        )
    try:
        width, height = int(entry["w"]), int(entry["h"])
        if "fl_x" in entry:
            fx = float(entry["fl_x"])
        else:
            fx = width / 2 / np.tan(float(entry["camera_angle_x"]) / 2)
        fy = float(entry.get("fl_y", fx))
        centre = (float(entry.get("cx", width / 2)), float(entry.get("cy", height / 2)))
        distortion = [float(entry.get(k, 0.0)) for k in _DISTORTION]
    except (KeyError, ValueError, OverflowError, TypeError) as error:
        raise SplatposeError(
            f"{path}: the camera of {name} lacks w, h or fl_x ({error}).", _HINT
        ) from error
    if distortion[-1]:
        params = np.array([fx, fy, *centre, *distortion, 0.0, 0.0, 0.0])
        return Camera("FULL_OPENCV", width, height, params)
    return Camera("OPENCV", width, height, np.array([fx, fy, *centre, *distortion[:-1]]))


def _squared(poses: np.ndarray) -> np.ndarray:
    """Some tools leave out the last row of the matrices."""
    if poses.ndim == 3 and poses.shape[1:] == (3, 4):
        last = np.broadcast_to(np.array([0.0, 0.0, 0.0, 1.0]), (len(poses), 1, 4))
        return np.concatenate([poses, last], axis=1)
    return poses
