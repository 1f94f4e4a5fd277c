"""Photos that a hypothesis left out, and those that the rest contradicts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.poses import Scene, arc, cloud, make_scene
from scenes.spoiled import loose, partial

from splatpose.io.colmap import model_from_reconstruction, reconstruction_from_model
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import MatchTable, match_table
from splatpose.sfm.mapping.bundle_adjustment import mapping, measure_scales
from splatpose.sfm.mapping.retriangulation import with_points
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.model_comparison import compare
from splatpose.sfm.registration.final_refinement import Refined, refine
from splatpose.sfm.thresholds import TrackThresholds
from splatpose.sfm.track_selection import select_tracks


def of_scene(model: SparseModel, scene: Scene) -> pycolmap.Reconstruction:
    return reconstruction_from_model(model, [k.astype(np.float64) for k in scene.graph.keypoints])


def refined_from(
    start: pycolmap.Reconstruction, scene: Scene, table: MatchTable, *, on_selected: bool = False
) -> Refined:
    names = [photo.name for photo in scene.capture.photos]
    return refine(
        start,
        scene.graph.database,
        names,
        table,
        free_intrinsics=False,
        max_error_px=1.0,
        min_matches=15,
        seed=0,
        on_selected=on_selected,
    )


def test_left_out_photo_gets_a_second_chance(
    truth: SparseModel, scene: Scene, table: MatchTable
) -> None:
    start = of_scene(partial(truth), scene)
    refined = refined_from(start, scene, table)
    assert refined.late == {5, 6, 7}
    model = model_from_reconstruction(refined.reconstruction, truth.names)
    assert compare(model, truth).holds(center=0.01, rotation=0.3)
    assert start.num_reg_images() == 5, "the hypothesis itself is left as it is"


def test_photos_that_the_rest_contradicts_are_taken_out(
    truth: SparseModel, scene: Scene, table: MatchTable
) -> None:
    start = of_scene(loose(truth), scene)
    refined = refined_from(start, scene, table)
    model = model_from_reconstruction(refined.reconstruction, truth.names)
    assert explain(model, table).connected[model.registered].all()
    assert set(np.flatnonzero(~model.registered)) == refined.contradicted
    assert compare(model, partial(truth)).holds(overlap=0.6, center=0.02, rotation=0.5)


@pytest.mark.parametrize("free_intrinsics", [False, True])
def test_a_camera_of_which_no_photo_is_placed_costs_nothing(
    free_intrinsics: bool, truth: SparseModel, tmp_path: Path
) -> None:
    """A start that lacks the camera: the matches bring it in when they are loaded."""
    scene = make_scene(tmp_path, arc(8), cloud(), noise=0.25, outliers=0.1, strangers=2)
    names = [photo.name for photo in scene.capture.photos]
    refined = refine(
        of_scene(truth, scene),
        scene.graph.database,
        names,
        match_table(scene.graph),
        free_intrinsics=free_intrinsics,
        max_error_px=1.0,
        min_matches=15,
        seed=0,
    )
    model = model_from_reconstruction(refined.reconstruction, names)
    assert model.registered.tolist() == [True] * 8 + [False] * 2


def test_cameras_that_nobody_decided_on_have_the_least_freedom(
    truth: SparseModel, scene: Scene
) -> None:
    reconstruction = of_scene(truth, scene)
    scales = measure_scales(reconstruction)
    with mapping(reconstruction, scene.graph.database, scales, min_matches=15, seed=0) as mapper:
        mapper.refine({}, rounds=1)
    assert reconstruction.cameras[1].model_name == "SIMPLE_RADIAL"


def test_a_start_on_selected_tracks_is_refined_on_all_of_them(
    truth: SparseModel, scene: Scene, table: MatchTable
) -> None:
    kept = select_tracks(table, np.full((8, 2), 800), TrackThresholds(of_a_cell=1, of_a_pair=10))
    start = of_scene(with_points(truth, table, 1.0, kept), scene)
    assert start.num_points3D() < 0.6 * len(truth.points)
    refined = refined_from(start, scene, table, on_selected=True).reconstruction
    whole = refined_from(of_scene(truth, scene), scene, table).reconstruction
    counts = [r.compute_num_observations() for r in (refined, whole)]
    assert min(counts) > 0.99 * max(counts)
    model = model_from_reconstruction(refined, truth.names)
    assert compare(model, truth).holds(center=0.01, rotation=0.3)
