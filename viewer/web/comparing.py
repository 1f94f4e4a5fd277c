"""The error of a rendering from any viewpoint, against the photo that was taken nearest to it."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from splatpose.errors import SplatposeError
from splatpose.geometry.centers import centers_of
from splatpose.scene.sparse_model import SparseModel

from .world import ViewTable, World

_WIDEST = math.radians(60)
"""Photos that see the scene from further round are no witnesses of what is seen here."""
_BEHIND = 1.05
"""What lies further away than the photo's surface by this factor is hidden in the photo."""
_CONTRAST = 4.0
_UNKNOWN = 0.3
"""Brightness of what the photo does not see, 0 to 1."""


@dataclass(frozen=True)
class Reference:
    """A photo, undistorted, and where it was taken."""

    name: str
    held_out: bool
    image: UInt8[np.ndarray, "H W 3"]
    K: Float[np.ndarray, "3 3"]
    cam_from_world: Float[np.ndarray, "4 4"]


@dataclass(frozen=True)
class Surface:
    """What is seen from somewhere."""

    K: Float[np.ndarray, "3 3"]
    cam_from_world: Float[np.ndarray, "4 4"]
    depth: Float[np.ndarray, "H W"]
    """Depth along the optical axis in units of the world."""
    solid: Bool[np.ndarray, "H W"]
    """Pixels where there is something."""


class References:
    """Finds the photo to compare with; keeps the picture that was read last."""

    def __init__(self) -> None:
        self._last: tuple[ViewTable, SparseModel, Reference] | None = None

    def nearest(self, world: World, cam_from_world: Float[np.ndarray, "4 4"]) -> Reference | None:
        """The photo that sees most nearly the same, or None where all are too far away."""
        poses, views = world.poses, world.views
        if poses is None or views is None:
            return None
        number_of = {name: number for number, name in enumerate(poses.names)}
        rows = [number_of[name] for name in views.names]
        angles = view_angles(cam_from_world, poses.cam_from_world[rows], poses.points)
        if not len(angles) or angles.min() > _WIDEST:
            return None
        number = int(np.argmin(angles))
        name, pose = views.names[number], poses.cam_from_world[rows[number]]
        last = self._last
        if last is not None and last[0] is views and last[1] is poses and last[2].name == name:
            return last[2]
        try:
            image = views.picture(number)
        except (OSError, SplatposeError):
            return None
        reference = Reference(name, views.held_out[number], image, views.Ks[number], pose)
        self._last = (views, poses, reference)
        return reference


def view_angles(
    cam_from_world: Float[np.ndarray, "4 4"],
    others: Float[np.ndarray, "V 4 4"],
    points: Float[np.ndarray, "T 3"],
) -> Float[np.ndarray, " V"]:
    """How differently cameras see what one camera sees, in radians.

    The angle between the directions of view, and the one under which the cameras' distance appears
    from the scene: from the median depth of the points before the camera.
    """
    depths = points @ cam_from_world[2, :3] + cam_from_world[2, 3]
    depths = depths[depths > 0.05]
    depth = float(np.median(depths)) if len(depths) else 1.0
    apart = np.linalg.norm(centers_of(others) - centers_of(cam_from_world[None]), axis=1)
    cosines = others[:, 2, :3] @ cam_from_world[2, :3]
    return np.arccos(np.clip(cosines, -1, 1)) + np.arctan(apart / depth)


def compare(
    pixels: UInt8[np.ndarray, "H W 3"], here: Surface, reference: Reference, there: Surface
) -> tuple[UInt8[np.ndarray, "H W 3"], float]:
    """A rendering's error against a photo that was taken elsewhere, and the share that is known.

    Every pixel is looked up in the photo at the place where its surface lies there. Grey is what
    the photo does not see: outside its frame, hidden behind something, or no surface at all.

    Args:
        pixels: the rendering.
        here: the surface that it shows.
        reference: the photo.
        there: the surface that the photo's camera sees, in any size.
    """
    xy, z = _project(here, reference)
    height, width = reference.image.shape[:2]
    inside = (xy >= 0).all(2) & (xy[..., 0] <= width) & (xy[..., 1] <= height)
    grown = xy * [there.depth.shape[1] / width, there.depth.shape[0] / height]
    surface = _look_up(np.where(there.solid, there.depth, np.inf), grown, cv2.INTER_NEAREST)
    known = here.solid & inside & (z > 0) & (z < _BEHIND * surface)
    photo = _look_up(reference.image, xy, cv2.INTER_LINEAR).astype(np.float32)
    heat = heat_map(np.abs(photo - pixels).mean(2))
    grey = np.repeat(pixels.mean(2, keepdims=True) * _UNKNOWN, 3, axis=2)
    picture = np.where(known[..., None], heat, grey).round().astype(np.uint8)
    return picture, float(known.sum() / max(int(here.solid.sum()), 1))


def heat_map(error: Float[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """Colours of errors in grey levels: black for none, white for 64 and more of 255."""
    levels = np.clip(error * _CONTRAST, 0, 255).astype(np.uint8)
    return cv2.cvtColor(cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO), cv2.COLOR_BGR2RGB)


def _project(
    here: Surface, reference: Reference
) -> tuple[Float[np.ndarray, "H W 2"], Float[np.ndarray, "H W"]]:
    """Where the surface's pixels lie in the photo, in pixels, and how far before its camera."""
    height, width = here.depth.shape
    u, v = np.meshgrid(
        np.arange(width, dtype=np.float32) + 0.5, np.arange(height, dtype=np.float32) + 0.5
    )
    there_from_here = reference.cam_from_world @ np.linalg.inv(here.cam_from_world)
    turn = reference.K @ there_from_here[:3, :3] @ np.linalg.inv(here.K)
    shift = reference.K @ there_from_here[:3, 3]
    x, y, z = (
        here.depth * (row[0] * u + row[1] * v + row[2]) + offset
        for row, offset in zip(turn.astype(np.float32), shift.astype(np.float32), strict=True)
    )
    ahead = np.where(np.abs(z) < 1e-9, 1e-9, z)
    return np.stack([x / ahead, y / ahead], axis=2), z


def _look_up(image: np.ndarray, xy: Float[np.ndarray, "H W 2"], kind: int) -> np.ndarray:
    # OpenCV counts from the centre of the first pixel, cameras from its corner.
    place = np.clip(xy - 0.5, -1e4, 1e4).astype(np.float32)
    if image.dtype == np.float64:
        image = image.astype(np.float32)
    return cv2.remap(image, place[..., 0], place[..., 1], kind, borderMode=cv2.BORDER_REPLICATE)
