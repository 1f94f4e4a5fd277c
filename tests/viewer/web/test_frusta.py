"""Cameras in the scene: few have a frustum each, of many only those near the looker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from scenes.long_walk import make_walk

from splatpose.geometry.centers import centers_of
from splatpose.viewer.web.access import Door
from splatpose.viewer.web.drawing import Drawer, Shown
from splatpose.viewer.web.frusta import COLORS, MANY, NEAREST, Frusta, Lenses
from splatpose.viewer.web.geometry import frustum_size, nearest
from splatpose.viewer.web.reading import plain_verdicts
from splatpose.viewer.web.server import PrivateServer, open_server
from splatpose.viewer.web.thumbnails import Thumbnails
from splatpose.viewer.web.world import World

COUNT = 400


def world_of(root: Path, count: int) -> World:
    scene = make_walk(root, count, tracks=4 * count, gaussians=10).scene
    paths = [photo.path for photo in scene.capture.photos]  # gone: their pictures are grey
    return World(
        capture=scene.capture,
        thumbnails=Thumbnails(paths),
        poses=scene.poses,
        verdicts=plain_verdicts(scene.poses),
    )


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_of(tmp_path_factory.mktemp("walk"), COUNT)


@pytest.fixture(scope="module")
def server() -> Iterator[PrivateServer]:
    """A real one, which nobody looks at."""
    server = open_server("127.0.0.1", 0, Door("nobody"))
    yield server
    server.stop()


def near(frusta: Frusta) -> set[int]:
    return set(frusta._single)


def test_of_many_cameras_the_nearest_have_photos(many: World, server: PrivateServer) -> None:
    assert many.poses is not None
    centers = centers_of(many.poses.cam_from_world)
    placed = np.flatnonzero(many.poses.registered)
    drawer, shown = Drawer(server.scene, lambda index: None, patient=True), Shown()
    eye = centers[placed[100]]
    drawer.draw(many, shown, eye)
    assert drawer.cameras_shown == len(placed) > MANY
    frusta = drawer._frusta
    order = placed[np.argsort(np.linalg.norm(centers[placed] - eye, axis=1), kind="stable")]
    assert near(frusta) == set(order[:NEAREST].tolist())
    assert all(handle.image is not None for handle in frusta._single.values())
    nodes = drawer._handles["cameras"]
    assert len(nodes) == NEAREST + 2  # lines of one verdict, and what is clicked on
    before = dict(frusta._single)
    drawer.draw(many, shown, eye + 1e-9)
    assert frusta._single == before
    for place in placed[::7]:
        drawer.draw(many, shown, centers[place])
        assert int(place) in near(frusta)
        assert NEAREST <= len(near(frusta)) <= NEAREST * 3 // 2
        assert not any(node._impl.removed for node in nodes)
    shown.thumbnails = False
    drawer.draw(many, shown, eye)
    assert near(frusta) == set()
    assert len(nodes) == 2
    shown.cameras = False
    drawer.draw(many, shown, eye)
    assert drawer.cameras_shown == 0
    assert drawer._handles["cameras"] == []


def test_many_cameras_grow_with_their_scene(many: World, server: PrivateServer) -> None:
    """A page to keep has nothing to click on, and is in metres where these are known."""
    drawer = Drawer(server.scene, patient=True)
    drawer.draw(many, Shown())
    nodes = drawer._handles["cameras"]
    assert len(nodes) == NEAREST + 1
    before = [(handle.scale, np.array(handle.position)) for handle in nodes]
    drawer.enlarge(2.0)
    for handle, (scale, position) in zip(nodes, before, strict=True):
        assert handle.scale == 2 * scale
        np.testing.assert_allclose(handle.position, 2 * position)


def test_few_cameras_have_a_frustum_each(tmp_path: Path, server: PrivateServer) -> None:
    few = world_of(tmp_path, 30)
    drawer, shown = Drawer(server.scene, patient=True), Shown(thumbnails=False)
    drawer.draw(few, shown)
    assert few.poses is not None
    assert near(drawer._frusta) == set(np.flatnonzero(few.poses.registered).tolist())
    assert all(handle.image is None for handle in drawer._frusta._single.values())
    shown.thumbnails = True
    drawer.draw(few, shown)
    assert all(handle.image is not None for handle in drawer._frusta._single.values())


def test_few_cameras_move_with_their_poses(tmp_path: Path, server: PrivateServer) -> None:
    """Drawn anew they would jump through the world's origin in a browser."""
    few = world_of(tmp_path, 30)
    drawer = Drawer(server.scene, patient=True)
    drawer.draw(few, Shown())
    nodes, photos = list(drawer._handles["cameras"]), drawer._frusta._single
    assert few.poses is not None
    poses = few.poses.cam_from_world.copy()
    poses[:, :3, 3] *= 2
    trusted = tuple(replace(verdict, level="trusted") for verdict in few.verdicts)
    moved = replace(few, poses=replace(few.poses, cam_from_world=poses), verdicts=trusted)
    drawer.draw(moved, Shown())
    assert [id(node) for node in drawer._handles["cameras"]] == [id(node) for node in nodes]
    centers = centers_of(poses)
    for index, handle in photos.items():
        np.testing.assert_allclose(handle.position, centers[index], atol=1e-12)
        assert handle.scale == pytest.approx(frustum_size(centers))
        assert tuple(handle.color) == COLORS["trusted"]
        assert handle.image is not None
    gone = np.flatnonzero(few.poses.registered)[:2].tolist()
    lost = [photos[index] for index in gone]
    without = poses.copy()
    without[gone] = np.nan
    drawer.draw(replace(moved, poses=replace(few.poses, cam_from_world=without)), Shown())
    assert drawer.cameras_shown == len(nodes) - 2
    assert all(node._impl.removed for node in lost)
    assert not any(node._impl.removed for node in drawer._handles["cameras"])
    assert len(drawer._handles["cameras"]) == len(nodes) - 2
    drawer.draw(moved, Shown())
    assert drawer.cameras_shown == len(drawer._handles["cameras"]) == len(nodes)
    assert {*gone} < near(drawer._frusta)
    drawer.draw(moved, Shown(cameras=False))
    assert drawer._handles["cameras"] == []
    assert drawer.cameras_shown == 0


def test_a_click_on_any_camera_is_a_click_on_its_photo(many: World, server: PrivateServer) -> None:
    clicked: list[int] = []
    handles: list[Any] = []
    frusta = Frusta(server.scene, clicked.append, patient=True)
    assert many.poses is not None
    frusta.draw(many, many.poses.cam_from_world, handles)
    placed = np.flatnonzero(many.poses.registered).tolist()
    (entry,) = handles[-1]._impl.click_cb
    callback = entry.callback
    for place in (0, 50, len(placed) - 1):
        callback(SimpleNamespace(instance_index=place))
    callback(SimpleNamespace(instance_index=None))
    assert clicked == [placed[0], placed[50], placed[-1]]
    # What is clicked on lies where the lines are.
    node = handles[-1]
    np.testing.assert_allclose(
        node.batched_positions, centers_of(many.poses.cam_from_world)[placed], atol=1e-6
    )
    assert sum(len(handle.points) for handle in handles[:-1]) == 8 * len(placed)


def test_all_frusta_are_as_large_as_viser_draws_them(many: World) -> None:
    lenses = Lenses.of(many)
    extent = lenses.extent(0.1)
    np.testing.assert_allclose(extent.prod(axis=1) / 3, 0.1**3, rtol=1e-9)
    np.testing.assert_allclose(extent[:, 1] / extent[:, 2], np.tan(lenses.fov / 2))
    np.testing.assert_allclose(extent[:, 0] / extent[:, 1], 640 / 360)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 50])
def test_the_size_of_frusta_is_by_the_distance_of_neighbours(count: int) -> None:
    centers = np.random.default_rng(0).normal(size=(count, 3)) * 0.3
    if count < 2:
        assert frustum_size(centers) == 0.2
        return
    distances = np.linalg.norm(centers[:, None] - centers, axis=2) + np.diag([np.inf] * count)
    assert frustum_size(centers) == pytest.approx(
        np.clip(0.6 * np.median(distances.min(1)), 0.03, 0.16)
    )


def test_the_nearest_come_first() -> None:
    centers = np.array([[3.0, 0, 0], [1, 0, 0], [0, 0, 0], [2, 0, 0]])
    assert nearest(centers, np.zeros(3), 2, 1).tolist() == [2, 1, 3]
