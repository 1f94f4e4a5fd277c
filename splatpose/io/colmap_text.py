"""COLMAP models as text (https://colmap.github.io/format.html#text-format), read by ourselves.

COLMAP's own reader cuts a photo's name at its first blank, and drops a photo without observations
whose empty line is missing, as it is at the end of many files.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Float, Int

from ..errors import SplatposeError
from .atomic import write_bytes

CAMERAS, IMAGES, POINTS = "cameras.txt", "images.txt", "points3D.txt"
FILES = (CAMERAS, IMAGES, POINTS)
_HINT = "Check that the file is complete; COLMAP's documentation shows the format."


@dataclass(frozen=True)
class _Line:
    """A line with the place where it stands."""

    path: Path
    number: int
    text: str

    def error(self, what: str) -> SplatposeError:
        return SplatposeError(f"{self.path}, line {self.number}: {what}.", _HINT)

    def numbers(self, words: list[str]) -> list[float]:
        """The words as finite numbers."""
        try:
            values = [float(word) for word in words]
        except ValueError as error:
            raise self.error(str(error)) from error
        if not all(map(math.isfinite, values)):
            raise self.error("a number is not finite")
        return values

    def whole(self, word: str) -> int:
        try:
            return int(word)
        except ValueError as error:
            raise self.error(f"{word!r} is no whole number") from error


def read_text_model(folder: Path) -> pycolmap.Reconstruction:
    """Reads cameras.txt, images.txt and points3D.txt.

    Raises:
        SplatposeError: a file is missing, is no text, or a line is not what it should be.
    """
    model = pycolmap.Reconstruction()
    for line in _lines(folder / CAMERAS):
        if line.text.strip():
            model.add_camera_with_trivial_rig(_camera(line, model))
    points_of: dict[int, Int[np.ndarray, " K"]] = {}
    for line, observed in _photos(folder / IMAGES):
        image, pose, points = _image(line, observed, model)
        model.add_image_with_trivial_frame(image, pose)
        points_of[image.image_id] = points
    for line in _lines(folder / POINTS):
        if line.text.strip():
            _add_point(line, model, points_of)
    return model


def write_text_model(model: pycolmap.Reconstruction, folder: Path) -> None:
    """Writes the three files into `folder`, made if missing; photos without a pose are left out.

    Raises:
        SplatposeError: a photo's name has a line break, which a line cannot hold.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images = [image for _, image in sorted(model.images.items()) if image.has_pose]
    for image in images:
        if "\n" in image.name or "\r" in image.name:
            raise SplatposeError(
                f"{image.name!r} has a line break in its name, which no text model can hold.",
                "Rename the photo, or write a binary model.",
            )
    cameras = [
        f"{number} {camera.model_name} {camera.width} {camera.height} {_words(camera.params)}\n"
        for number, camera in sorted(model.cameras.items())
    ]
    rows = []
    for image in images:
        pose = image.cam_from_world()
        turn = np.roll(pose.rotation.quat, 1)
        numbers = f"{image.image_id} {_words(turn)} {_words(pose.translation)} {image.camera_id}"
        seen = " ".join(
            f"{_words(point.xy)} {point.point3D_id if point.has_point3D() else -1}"
            for point in image.points2D
        )
        rows.append(f"{numbers} {image.name}\n{seen}\n")
    points = []
    for number, point in sorted(model.points3D.items()):
        track = " ".join(f"{e.image_id} {e.point2D_idx}" for e in point.track.elements)
        color = " ".join(str(int(value)) for value in point.color)
        points.append(f"{number} {_words(point.xyz)} {color} {float(point.error)!r} {track}\n")
    for name, lines in ((CAMERAS, cameras), (IMAGES, rows), (POINTS, points)):
        write_bytes(folder / name, (_HEADERS[name] + "".join(lines)).encode())


_HEADERS = {
    CAMERAS: "# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n",
    IMAGES: "# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n"
    "# POINTS2D[] as (X, Y, POINT3D_ID)\n",
    POINTS: "# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)\n",
}


def _words(values: Float[np.ndarray, " N"]) -> str:
    """Numbers that are read back as they were."""
    return " ".join(repr(float(value)) for value in values)


def _lines(path: Path) -> Iterator[_Line]:
    """The lines of a file but for comments, the empty ones too."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SplatposeError(f"{path} cannot be read: {error.strerror}.", _HINT) from error
    except UnicodeDecodeError as error:
        raise SplatposeError(f"{path} is no UTF-8 text.", _HINT) from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.lstrip().startswith("#"):
            yield _Line(path, number, line.rstrip("\r"))


def _photos(path: Path) -> Iterator[tuple[_Line, Float[np.ndarray, "K 3"]]]:
    """Each photo's line with its observations: x, y and point, -1 for none.

    Where these are missing although no empty line stands for them, the next photo's line comes.
    """
    nothing = np.zeros((0, 3))
    photo: _Line | None = None
    for line in _lines(path):
        if photo is None:
            photo = line if line.text.strip() else None
        elif (observed := _observations(line.text)) is not None:
            yield photo, observed
            photo = None
        else:
            yield photo, nothing
            photo = line
    if photo is not None:
        yield photo, nothing


def _observations(text: str) -> Float[np.ndarray, "K 3"] | None:
    """The observations in a line, or None where it is a photo's line."""
    words = text.split()
    try:
        values = np.array(words, np.float64)
    except ValueError:
        return None
    return values.reshape(-1, 3) if len(words) % 3 == 0 and np.isfinite(values).all() else None


def _camera(line: _Line, model: pycolmap.Reconstruction) -> pycolmap.Camera:
    words = line.text.split()
    if len(words) < 5:
        raise line.error("not 'CAMERA_ID MODEL WIDTH HEIGHT PARAMS[]'")
    number, width, height = (line.whole(words[i]) for i in (0, 2, 3))
    if model.exists_camera(number):
        raise line.error(f"there are two cameras {number}")
    kind = getattr(pycolmap.CameraModelId, words[1], None)
    if not isinstance(kind, pycolmap.CameraModelId) or width <= 0 or height <= 0:
        raise line.error(f"no camera {words[1]} of {width} x {height} pixels is known")
    params = line.numbers(words[4:])
    empty = pycolmap.Camera.create_from_model_id(number, kind, 1.0, width, height)
    if len(params) != len(empty.params):
        raise line.error(f"{words[1]} has {len(empty.params)} parameters, not {len(params)}")
    empty.params = params
    return empty


def _image(
    line: _Line, observed: Float[np.ndarray, "K 3"], model: pycolmap.Reconstruction
) -> tuple[pycolmap.Image, pycolmap.Rigid3d, Int[np.ndarray, " K"]]:
    """A photo, its pose, and the point of each of its keypoints, -1 where there is none."""
    words = line.text.split(maxsplit=9)
    if len(words) < 10:
        raise line.error("not 'IMAGE_ID QW QX QY QZ TX TY TZ CAMERA_ID NAME'")
    number, camera = line.whole(words[0]), line.whole(words[8])
    values = np.array(line.numbers(words[1:8]))
    norm = float(np.linalg.norm(values[:4]))
    if norm < 1e-6:
        raise line.error("the rotation is no quaternion")
    if model.exists_image(number):
        raise line.error(f"there are two photos {number}")
    if not model.exists_camera(camera):
        raise line.error(f"there is no camera {camera}")
    image = pycolmap.Image(
        name=words[9].rstrip(),
        keypoints=np.ascontiguousarray(observed[:, :2]),
        camera_id=camera,
        image_id=number,
    )
    rotation = pycolmap.Rotation3d(np.roll(values[:4] / norm, -1))
    return image, pycolmap.Rigid3d(rotation, values[4:]), observed[:, 2].astype(np.int64)


def _add_point(
    line: _Line, model: pycolmap.Reconstruction, points_of: dict[int, Int[np.ndarray, " K"]]
) -> None:
    """Adds a point with the part of its track that the photos' lines confirm."""
    words = line.text.split()
    if len(words) < 8 or len(words) % 2:
        raise line.error("not 'POINT3D_ID X Y Z R G B ERROR TRACK[]'")
    number = line.whole(words[0])
    values = line.numbers(words[1:8])
    track = [line.whole(word) for word in words[8:]]
    if model.exists_point3D(number):
        raise line.error(f"there are two points {number}")
    elements = [
        pycolmap.TrackElement(image, keypoint)
        for image, keypoint in zip(track[::2], track[1::2], strict=True)
        if image in points_of
        and 0 <= keypoint < len(points_of[image])
        and points_of[image][keypoint] == number
    ]
    point = pycolmap.Point3D(
        xyz=values[:3],
        color=np.clip(values[3:6], 0, 255).astype(np.uint8),
        error=values[6],
        track=pycolmap.Track(elements),
    )
    model.add_point3D_with_id(number, point)
    for element in elements:
        model.image(element.image_id).set_point3D_for_point2D(element.point2D_idx, number)
