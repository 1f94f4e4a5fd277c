"""Depth priors in poses: maps at keypoints, and photos that only prior depth can place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.depth import make_depth_scene, priors_of
from scenes.poses import Scene, arc, cloud, make_scene

from splatpose.depth.keypoints import KeypointPriors, sample_priors
from splatpose.depth.sampling import sample_map
from splatpose.events import ignore_events
from splatpose.geometry.centers import centers_of
from splatpose.geometry.projection import project
from splatpose.geometry.rotations import rotation_angle
from splatpose.geometry.similarity import umeyama
from splatpose.io.colmap import model_from_reconstruction
from splatpose.io.colmap_database import read_graph
from splatpose.sfm.correspondences import MatchTable, match_table
from splatpose.sfm.mapping.global_mapper import reconstructions
from splatpose.sfm.registration.final_refinement import Refined, refine
from splatpose.stages.poses.config import PosesConfig
from splatpose.stages.poses.stage import load_poses, solve_poses

LAST = 5
"""A photo that shares with its neighbour alone what nobody else sees of it."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """Photo 5 matches photo 4 only, in keypoints that photo 4 shares with no other."""
    scene = make_scene(tmp_path, arc(6), cloud(400), noise=0.2)
    rng = np.random.default_rng(0)
    private = rng.random(len(scene.graph.keypoints[4])) < 0.4
    database = pycolmap.Database.open(scene.graph.database)
    for i, j in scene.graph.pairs.tolist():
        if j < 4:
            continue
        geometry = database.read_two_view_geometry(i + 1, j + 1)
        database.delete_two_view_geometry(i + 1, j + 1)
        if j == LAST and i < 4:
            continue
        own = private[geometry.inlier_matches[:, 0 if i == 4 else 1]]
        geometry.inlier_matches = geometry.inlier_matches[own == (j == LAST)]
        database.write_two_view_geometry(i + 1, j + 1, geometry)
    database.close()
    graph = read_graph(scene.graph.database, "sift")
    return Scene(scene.capture, graph, scene.cam_from_world, scene.points, scene.camera)


def maps(scene: Scene, noise: float) -> KeypointPriors:
    """Disparity at the keypoints up to a scale and shift, with errors of some percent."""
    rng = np.random.default_rng(1)
    values = []
    for photo, pose in enumerate(scene.cam_from_world):
        xy, z = project(scene.camera, pose, scene.points)
        distance = np.linalg.norm(xy[:, None] - scene.graph.keypoints[photo][None], axis=2)
        value = 1 / z[distance.argmin(0)] * np.exp(noise * rng.standard_normal(distance.shape[1]))
        values.append(100 * value * (photo + 1) - 3)
    return KeypointPriors(tuple(values), "auto")


def refined(
    scene: Scene, table: MatchTable, folder: Path, priors: KeypointPriors | None
) -> Refined:
    names = [photo.name for photo in scene.capture.photos]
    start = reconstructions(
        scene.graph,
        table,
        (scene.camera,),
        np.zeros(6, np.int64),
        names,
        folder,
        min_matches=15,
        seed=0,
    )[0]
    if start.image(LAST + 1).has_pose:
        start.deregister_frame(start.image(LAST + 1).frame_id)
    return refine(
        start,
        scene.graph.database,
        names,
        table,
        free_intrinsics=False,
        max_error_px=1.0,
        min_matches=15,
        seed=0,
        priors=priors,
    )


def test_a_photo_that_meets_no_point_is_placed_by_depth(scene: Scene, tmp_path: Path) -> None:
    table = match_table(scene.graph)
    without = refined(scene, table, tmp_path, None)
    assert without.late == set()
    found = refined(scene, table, tmp_path, maps(scene, 0.03))
    assert found.late == {LAST}
    names = [photo.name for photo in scene.capture.photos]
    model = model_from_reconstruction(found.reconstruction, names)
    fit = umeyama(centers_of(model.cam_from_world)[:LAST], scene.centers[:LAST])
    off = np.linalg.norm(fit.points(centers_of(model.cam_from_world)) - scene.centers, axis=1)
    step = np.linalg.norm(scene.centers[LAST] - scene.centers[4])
    assert off[LAST] < 0.1 * step
    Ra, Rb = model.cam_from_world[:, :3, :3], scene.cam_from_world[:, :3, :3]
    relative = Ra[LAST] @ Ra[4].T @ (Rb[LAST] @ Rb[4].T).T
    assert rotation_angle(relative) < 1.0


def test_maps_without_information_place_nothing(scene: Scene, tmp_path: Path) -> None:
    priors = maps(scene, 0.0)
    rng = np.random.default_rng(2)
    useless = KeypointPriors(tuple(rng.permutation(v) for v in priors.values), "auto")
    found = refined(scene, match_table(scene.graph), tmp_path, useless)
    assert found.late == set()


def test_maps_are_read_at_keypoints(tmp_path: Path) -> None:
    scene = make_depth_scene(3)
    priors = priors_of(tmp_path, [scene.depth[0], None, scene.depth[2]], "depth")
    rng = np.random.default_rng(3)
    keypoints = [rng.uniform(1, 359, (n, 2)) for n in (5, 4, 7)]
    found = sample_priors(priors, keypoints, [(480, 360)] * 3)
    assert [len(values) for values in found.values] == [5, 4, 7]
    assert np.isnan(found.values[1]).all()
    np.testing.assert_allclose(
        found.values[2], sample_map(scene.depth[2].astype(np.float32), keypoints[2], 480, 360)
    )


def test_depth_changes_nothing_where_matches_say_all(tmp_path: Path) -> None:
    """The stage with maps, wrong ones at that, gives the poses that it gives without."""
    scene = make_scene(tmp_path, arc(6), cloud(), noise=0.2)
    rng = np.random.default_rng(4)
    wrong = priors_of(tmp_path, [rng.random((30, 40)) for _ in range(6)])
    found = []
    for name, depth in (("without", None), ("with", wrong)):
        folder = tmp_path / name
        folder.mkdir()
        solve_poses(
            scene.capture, scene.graph, PosesConfig(), folder, ignore_events, seed=0, depth=depth
        )
        found.append(load_poses(folder).cam_from_world)
    np.testing.assert_array_equal(*found)
