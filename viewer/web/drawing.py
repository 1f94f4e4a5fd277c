"""Drawing the parts of a `World` into a viser scene, each anew only when it is another one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import viser
from jaxtyping import Float

from splatpose.geometry.centers import centers_of
from splatpose.scene.sparse_model import SparseModel
from splatpose.stages.outputs.crop import CropBox

from .frusta import COLORS, Frusta
from .gaussians import BrowserSplats
from .geometry import box_edges, ground_level, link_lines, path_lines, ring
from .world import MatchLinks, PhotoVerdict, VerdictLevel, World

_MOST_POINTS = 100_000
"""Most sparse points that are sent: more would be seen as a haze and take megabytes."""


@dataclass
class Shown:
    """What a page wants to see."""

    cameras: bool = True
    thumbnails: bool = True
    points: bool = True
    links: bool = False
    path: bool = False
    ground: bool = True
    splats: bool = True
    most_splats: int = 200_000
    splat_size: float = 1.0
    point_size: float = 0.006
    crop: CropBox | None = None
    """Box outside which no Gaussian is shown; None shows all."""
    snapshot: int = -1
    """Number of the saved poses that are shown; -1: the final ones."""


class Drawer:
    """Keeps one viser scene in step with the world and with what its page wants to see."""

    def __init__(
        self,
        scene: viser.SceneApi,
        on_photo: Callable[[int], None] | None = None,
        *,
        patient: bool = False,
    ) -> None:
        self._scene = scene
        self._frusta = Frusta(scene, on_photo, patient)
        self._drawn: dict[str, tuple[Any, ...]] = {}
        self._handles: dict[str, list[Any]] = {"cameras": []}
        self.splats_shown = 0

    @property
    def cameras_shown(self) -> int:
        return self._frusta.shown

    def draw(self, world: World, shown: Shown, eye: Float[np.ndarray, " 3"] | None = None) -> None:
        """Brings the scene up to date.

        Args:
            eye: where one looks from: of many cameras those near it have photos.
        """
        poses, at = world.poses, shown.snapshot
        cam_from_world, points = placed_poses(world, at)
        splats = world.splats.browser if world.splats and shown.splats else None
        self._if_changed(
            "cameras",
            (world.thumbnails, poses, world.verdicts, at, shown.cameras),
            lambda: self._frusta.draw(
                world, cam_from_world if shown.cameras else None, self._handles["cameras"]
            ),
        )
        place = np.zeros(3) if eye is None else eye
        self._frusta.update(place, shown.thumbnails, self._handles["cameras"])
        self._if_changed(
            "links",
            (world.links, world.capture, poses, at, shown.links),
            lambda: self._links(world.links, cam_from_world, shown.links or poses is None),
        )
        self._if_changed(
            "path",
            (poses, at, shown.path),
            lambda: self._path(cam_from_world if poses and shown.path else None),
        )
        self._if_changed(
            "points",
            (poses, at, shown.points, shown.point_size),
            lambda: self._points(poses, points, shown),
        )
        self._if_changed("ground", (poses, shown.ground), lambda: self._ground(poses, shown.ground))
        self._if_changed("crop", (shown.crop,), lambda: self._crop(shown.crop))
        self._if_changed(
            "splats",
            (splats, shown.most_splats, shown.splat_size),
            lambda: self._splats(splats, shown),
        )

    def enlarge(self, factor: float) -> None:
        """Makes everything that is drawn `factor` times as large: for a scene in metres."""
        for handle in (handle for part in self._handles.values() for handle in part):
            handle.position = tuple(factor * value for value in handle.position)
            handle.scale = handle.scale * factor

    def _if_changed(self, part: str, depends: tuple[Any, ...], draw: Callable[[], None]) -> None:
        # Large values are compared by identity: they are replaced, never changed.
        before = self._drawn.get(part)
        if before is not None and all(_same(a, b) for a, b in zip(before, depends, strict=True)):
            return
        draw()
        self._drawn[part] = depends

    def _clear(self, part: str) -> list[Any]:
        for handle in self._handles.get(part, ()):
            handle.remove()
        self._handles[part] = []
        return self._handles[part]

    def _links(
        self, links: MatchLinks | None, cam_from_world: np.ndarray | None, wanted: bool
    ) -> None:
        handles = self._clear("links")
        if links is None or cam_from_world is None or not wanted:
            return
        segments, colors = link_lines(centers_of(cam_from_world), links.pairs, links.matches)
        if len(segments):
            handles.append(
                _lines(self._scene, "/matches", segments, (colors * 255).astype(np.uint8))
            )

    def _path(self, cam_from_world: np.ndarray | None) -> None:
        handles = self._clear("path")
        if cam_from_world is None:
            return
        segments = path_lines(centers_of(cam_from_world))
        if len(segments):
            shade = np.linspace(0, 1, len(segments))[:, None, None]
            colors = (1 - shade) * np.array([255, 210, 60]) + shade * np.array([255, 80, 160])
            colors = np.repeat(colors, 2, axis=1).astype(np.uint8)
            handles.append(_lines(self._scene, "/trajectory", segments, colors))

    def _points(
        self, poses: SparseModel | None, points: Float[np.ndarray, "T 3"], shown: Shown
    ) -> None:
        handles = self._clear("points")
        if poses is None or not shown.points or not len(points):
            return
        colors = np.full((len(points), 3), 190, np.uint8)
        if len(points) == len(poses.points):
            colors = poses.point_colors
        every = -(-len(points) // _MOST_POINTS)
        points, colors = points[::every], colors[::every]
        handles.append(
            self._scene.add_point_cloud(
                "/points",
                points.astype(np.float32),
                colors,
                point_size=shown.point_size,
                point_shape="circle",
                precision="float32",
            )
        )

    def _ground(self, poses: SparseModel | None, wanted: bool) -> None:
        handles = self._clear("ground")
        if poses is None or not wanted:
            return
        handles.append(
            self._scene.add_grid(
                "/ground",
                width=8,
                height=8,
                cell_size=0.25,
                section_size=1.0,
                plane="xz",
                cell_color=(70, 70, 80),
                section_color=(95, 95, 110),
                position=(0.0, ground_level(poses.points), 0.0),
            )
        )

    def _crop(self, box: CropBox | None) -> None:
        handles = self._clear("crop")
        if box is not None:
            edges = box_edges(box)
            colors = np.full((*edges.shape[:2], 3), 255, np.uint8)
            handles.append(_lines(self._scene, "/crop box", edges, colors))

    def _splats(self, splats: BrowserSplats | None, shown: Shown) -> None:
        if splats is None or not len(splats):
            self._clear("splats")
            self.splats_shown = 0
            return
        splats = splats.limited(shown.most_splats)
        self.splats_shown = len(splats)
        zoom = splats.zoom(shown.splat_size)
        values = {
            "centers": splats.centers * zoom,
            "covariances": splats.covariances * (zoom * shown.splat_size) ** 2,
            "rgbs": splats.colors,
            "opacities": splats.opacities,
        }
        existing = self._handles.get("splats")
        if existing and existing[0].scale == 1 / zoom:
            existing[0].set_gaussians(**values)
            return
        handles = self._clear("splats")
        handles.append(self._scene.add_gaussian_splats("/splats", **values, scale=1 / zoom))


def placed_poses(
    world: World, snapshot: int
) -> tuple[Float[np.ndarray, "V 4 4"] | None, Float[np.ndarray, "T 3"]]:
    """Where cameras and points are: on a ring at first, then where a snapshot of the poses says."""
    none = np.zeros((0, 3))
    if world.poses is None:
        return (None if world.capture is None else ring(len(world.capture.photos))), none
    if 0 <= snapshot < len(world.poses.snapshots) - 1:
        chosen = world.poses.snapshots[snapshot]
        return chosen.cam_from_world, chosen.points
    return world.poses.cam_from_world, world.poses.points


def count_levels(verdicts: Sequence[PhotoVerdict]) -> dict[VerdictLevel, int]:
    """Photos of each level, those levels that occur."""
    counts: dict[VerdictLevel, int] = {}
    for level in COLORS:
        count = sum(verdict.level == level for verdict in verdicts)
        if count:
            counts[level] = count
    return counts


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, int | float | str | bool | CropBox) or a is None:
        return type(a) is type(b) and a == b
    return a is b


def _lines(scene: viser.SceneApi, name: str, segments: np.ndarray, colors: np.ndarray) -> Any:
    return scene.add_line_segments(
        name,
        segments.astype(np.float32),
        colors,
        thickness=1.5,
        thickness_units="screen",
    )
