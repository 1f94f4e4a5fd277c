"""Photos of other cameras than the capture says, in a copy of the database."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.poses import CAMERA, arc, cloud, make_scene
from scenes.zooms import zoomed

from splatpose.io.camera_groups import regroup, with_cameras
from splatpose.io.colmap_database import opened, read_cameras, read_graph


def test_photos_change_cameras_and_keep_their_matches(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(4), cloud(80))
    index = np.array([0, 1, 0, 1])
    cameras = (CAMERA, zoomed(1.5))
    path = tmp_path / "lenses.db"
    graph = with_cameras(scene.graph, cameras, (True, False), index, path)
    found, known = read_cameras(path)
    assert known == (True, False)
    assert [camera.params[0] for camera in found] == [700, 1050]
    with opened(path) as database:
        images = sorted(database.read_all_images(), key=lambda image: image.image_id)
        assert [image.camera_id for image in images] == [1, 2, 1, 2]
        assert [database.read_frame(i.frame_id).rig_id for i in images] == [1, 2, 1, 2]
        pycolmap.DatabaseCache.create(database, pycolmap.DatabaseCacheOptions())
    again = read_graph(path, "sift")
    np.testing.assert_array_equal(again.matches, scene.graph.matches)
    assert all((a == b).all() for a, b in zip(again.keypoints, scene.graph.keypoints, strict=True))
    assert graph.database == path
    # What the capture says stays as it is.
    assert len(read_cameras(scene.graph.database)[0]) == 1


def test_whether_a_focal_length_is_known_stays_where_nothing_is_said_of_it(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, arc(4), cloud(80))
    index = np.array([0, 1, 0, 1])
    known = tmp_path / "known.db"
    with_cameras(scene.graph, (CAMERA,), (True,), np.zeros(4, np.int64), known)
    with opened(known) as database:
        regroup(database, {0: zoomed(1.1), 1: zoomed(1.5)}, index)
    cameras, told = read_cameras(known)
    assert told == (True, False)
    assert [camera.params[0] for camera in cameras] == pytest.approx([770, 1050])
    with opened(known) as database:
        regroup(database, {1: zoomed(1.4)}, index, (False, True))
    assert read_cameras(known)[1] == (True, True), "only of cameras that are written"


def test_a_database_that_was_not_finished_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(tmp_path, arc(3), cloud(60))
    path = tmp_path / "lenses.db"

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("splatpose.io.camera_groups.regroup", killed)
        with pytest.raises(KeyboardInterrupt):
            with_cameras(scene.graph, (CAMERA,), (True,), np.zeros(3, np.int64), path)
    assert not path.exists()
