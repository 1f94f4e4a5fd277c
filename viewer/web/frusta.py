"""The cameras in the scene: frusta with photos, of many cameras only those near the looker.

A frustum is a node of the browser's scene, with a texture of its own and work at every frame: a
thousand of them take megabytes and seconds. Of many cameras all are drawn as lines of one node.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import viser
from jaxtyping import Float, Int

from splatpose.geometry.centers import centers_of
from splatpose.geometry.rotations import quat_from_matrix

from .geometry import frustum_size, nearest
from .world import VerdictLevel, World

COLORS: dict[VerdictLevel, tuple[int, int, int]] = {
    "registered": (90, 170, 255),
    "trusted": (60, 200, 110),
    "weak": (255, 175, 40),
    "refused": (235, 70, 70),
}
_UNPLACED = (120, 120, 130)
MANY = 150
"""Cameras from which on only the nearest have a frustum of their own."""
NEAREST = 40
"""Of many cameras those that have a frustum with a photo; half as many more while one moves."""
_PYRAMID = np.array([[0, 0, 0], [-1, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], np.float32)
_SIDES = np.array([[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 4, 1]], np.uint32)
_EDGES = np.array([[0, 1], [0, 2], [0, 3], [0, 4], [1, 2], [2, 3], [3, 4], [4, 1]])
_UNSEEN = 0.02
"""Opacity of what is there to be clicked on."""


@dataclass(frozen=True)
class Lenses:
    """How the frusta of all V photos look."""

    fov: Float[np.ndarray, " V"]
    """Vertical field of view in radians."""
    aspect: Float[np.ndarray, " V"]
    colors: Int[np.ndarray, "V 3"]

    @classmethod
    def of(cls, world: World) -> Lenses:
        """Those of the poses, or before there are any of a usual camera."""
        photos = () if world.capture is None else world.capture.photos
        height = np.array([photo.height for photo in photos], np.float64)
        aspect = np.array([photo.width for photo in photos], np.float64) / height
        focal = 1.2 * height * np.maximum(aspect, 1)
        colors = np.tile(_UNPLACED, (len(photos), 1))
        if world.poses is not None:
            focals = np.array([camera.K[1, 1] for camera in world.poses.cameras])
            focal = focals[world.poses.camera_index]
            colors = np.array([COLORS[v.level] for v in world.verdicts]).reshape(-1, 3)
        return cls(2 * np.arctan(height / 2 / focal), aspect, colors)

    def extent(self, size: float) -> Float[np.ndarray, "V 3"]:
        """Half width, half height and length of viser's frusta, which have one volume."""
        y = np.tan(self.fov / 2)
        sides = np.stack([y * self.aspect, y, np.ones_like(y)], axis=1)
        return size * sides / np.cbrt(sides.prod(axis=1, keepdims=True) / 3)


class Frusta:
    """Keeps the cameras of one viser scene.

    Args:
        on_photo: is told which camera was clicked.
        patient: wait for every photo; else it is shown as soon as it has been read.
    """

    def __init__(
        self, scene: viser.SceneApi, on_photo: Callable[[int], None] | None, patient: bool
    ) -> None:
        self._scene, self._on_photo, self._patient = scene, on_photo, patient
        self._world = World()
        self._poses: Float[np.ndarray, "V 4 4"] = np.zeros((0, 4, 4))
        self._placed: Int[np.ndarray, " R"] = np.zeros(0, np.int64)
        self._size = 0.0
        self._lenses = Lenses.of(self._world)
        self._single: dict[int, viser.CameraFrustumHandle] = {}
        self.shown = 0

    def draw(
        self, world: World, cam_from_world: Float[np.ndarray, "V 4 4"] | None, handles: list[Any]
    ) -> None:
        """Moves the cameras to where they are now; of many, and of other photos, draws all anew
        without photos. None where there are no poses.

        Args:
            handles: of what is drawn by this class; is filled.
        """
        before = self._world
        placed = np.zeros(0, np.int64)
        if world.capture is not None and cam_from_world is not None:
            placed = np.flatnonzero(np.isfinite(cam_from_world).all((1, 2)))
            self._world, self._poses = world, cam_from_world
            self._size = frustum_size(centers_of(cam_from_world))
            self._lenses = Lenses.of(world)
        stay = before.capture is world.capture and before.thumbnails is world.thumbnails
        if stay and len(self._single) == self.shown and len(placed) <= MANY:
            self._move(placed.tolist(), handles)
            return
        for handle in handles:
            handle.remove()
        handles.clear()
        self._single.clear()
        self._placed, self.shown = placed, len(placed)
        if self.shown > MANY:
            handles += self._lines()
            if self._on_photo is not None:
                handles.append(self._clickable(self._on_photo))
        else:
            for index in placed.tolist():
                self._add(index, handles)

    def update(self, eye: Float[np.ndarray, " 3"], wanted: bool, handles: list[Any]) -> None:
        """Gives photos to the frusta that should have one.

        Args:
            eye: where one looks from.
            wanted: whether there should be photos at all.
            handles: as in `draw`.
        """
        if self.shown > MANY:
            self._follow(eye if wanted else None, handles)
        for index, handle in self._single.items():
            if not wanted:
                if handle.image is not None:
                    handle.image = None
            elif handle.image is None and index < len(self._world.thumbnails):
                handle.image = self._photo(index)

    def _follow(self, eye: Float[np.ndarray, " 3"] | None, handles: list[Any]) -> None:
        """Frusta of those near the eye, and none of the others."""
        near: set[int] = set()
        if eye is not None:
            centers = centers_of(self._poses[self._placed])
            rows = nearest(centers, eye, NEAREST, NEAREST // 2)
            order = self._placed[rows].tolist()
            near = {*order[:NEAREST], *(set(order) & self._single.keys())}
        for index in self._single.keys() - near:
            self._remove(index, handles)
        for index in sorted(near - self._single.keys()):
            self._add(index, handles)

    def _photo(self, index: int) -> Any:
        thumbnails = self._world.thumbnails
        return thumbnails[index] if self._patient else thumbnails.at_hand(index)

    def _move(self, placed: list[int], handles: list[Any]) -> None:
        """Adds and removes what others are placed; a browser that draws a camera anew shows it at
        the world's origin in between."""
        self._placed, self.shown = np.array(placed, np.int64), len(placed)
        for index in self._single.keys() - set(placed):
            self._remove(index, handles)
        for index in placed:
            if index not in self._single:
                self._add(index, handles)
        for index, handle in self._single.items():
            for name, value in self._look(index).items():
                setattr(handle, name, value)

    def _remove(self, index: int, handles: list[Any]) -> None:
        handle = self._single.pop(index)
        # Not by `list.remove`: viser's handles of one kind are all equal.
        handles[:] = [other for other in handles if other is not handle]
        handle.remove()

    def _look(self, index: int) -> dict[str, Any]:
        """Where a frustum is, and what changes with poses and verdicts."""
        return {
            "fov": float(self._lenses.fov[index]),
            "scale": self._size,
            "color": tuple(self._lenses.colors[index].tolist()),
            "wxyz": tuple(self._turns([index])[0].tolist()),
            "position": tuple(centers_of(self._poses[[index]])[0].tolist()),
        }

    def _add(self, index: int, handles: list[Any]) -> None:
        assert self._world.capture is not None
        name = self._world.capture.photos[index].name.replace("/", "_")
        handle = self._scene.add_camera_frustum(
            f"/cameras/{index:04d} {name}",
            aspect=float(self._lenses.aspect[index]),
            thickness=2.0,
            thickness_units="screen",
            format="jpeg",
            **self._look(index),
        )
        on_photo = self._on_photo
        if on_photo is not None:
            handle.on_click(lambda _: on_photo(index))
        self._single[index] = handle
        handles.append(handle)

    def _lines(self) -> list[Any]:
        """The edges of all frusta, a node for each colour: browsers show those of single lines
        too pale."""
        placed = self._placed
        corners = _PYRAMID * self._lenses.extent(self._size)[placed, None]
        axes = self._poses[placed, :3, :3]  # of the world in the camera's frame
        corners = corners @ axes + centers_of(self._poses[placed])[:, None]
        colors, which = np.unique(self._lenses.colors[placed], axis=0, return_inverse=True)
        return [
            self._scene.add_line_segments(
                f"/all cameras {number}",
                corners[which == number][:, _EDGES].reshape(-1, 2, 3).astype(np.float32),
                tuple(color),
                thickness=2.0,
                thickness_units="screen",
            )
            for number, color in enumerate(colors.tolist())
        ]

    def _clickable(self, on_photo: Callable[[int], None]) -> Any:
        """All frusta as one mesh, which is hardly seen: a click on one is a click on its photo."""
        placed = self._placed
        handle = self._scene.add_batched_meshes_simple(
            "/all cameras to click",
            _PYRAMID,
            _SIDES,
            batched_wxyzs=self._turns(placed.tolist()),
            batched_positions=centers_of(self._poses[placed]),
            batched_scales=self._lenses.extent(self._size)[placed],
            batched_colors=self._lenses.colors[placed].astype(np.uint8),
            lod="off",
            wireframe=True,
            opacity=_UNSEEN,
            side="double",
            cast_shadow=False,
            receive_shadow=False,
        )
        handle.on_click(lambda event: _clicked(event, placed, on_photo))
        return handle

    def _turns(self, rows: list[int]) -> Float[np.ndarray, "N 4"]:
        return quat_from_matrix(self._poses[rows, :3, :3].transpose(0, 2, 1))


def _clicked(event: Any, placed: Int[np.ndarray, " R"], on_photo: Callable[[int], None]) -> None:
    if event.instance_index is not None:
        on_photo(int(placed[event.instance_index]))
