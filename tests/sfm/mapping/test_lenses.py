"""Lenses: how many terms the matches call for, and what holds what they leave open."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pycolmap
import pytest
from scenes.lenses import (
    STRONG,
    aimed,
    desk,
    flat_land,
    forgotten,
    hand_held,
    nadir_grid,
    observed,
)
from scenes.poses import arc, cloud

from splatpose.geometry.camera_alignment import camera_errors
from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.similarity import alignment
from splatpose.io.colmap import (
    model_from_reconstruction,
    quiet_colmap,
    reconstruction_from_model,
)
from splatpose.scene.camera import Camera
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping import camera_model_selection
from splatpose.sfm.mapping.bundle_adjustment import Freedom, measure_scales
from splatpose.sfm.mapping.camera_model_selection import choose_freedom
from splatpose.sfm.mapping.focal_settlement import (
    exif_focals,
    lens_priors,
    settle_focal_lengths,
)
from splatpose.sfm.mapping.lens_adjustment import adjust_with_lens
from splatpose.sfm.mapping.lens_prior import LensPrior
from splatpose.sfm.mapping.pose_covariance import pose_uncertainty
from splatpose.sfm.mapping.unseen_tracks import unseen_cost
from splatpose.sfm.registration.final_refinement import _cropped

SIMPLE = Freedom("SIMPLE_RADIAL")
ORDINARY = Camera("SIMPLE_RADIAL", 800, 600, np.array([700.0, 400, 300, -0.05]))
CROPPED = Camera("SIMPLE_RADIAL", 800, 600, np.array([1000.0, 800, 600, -0.05]))
"""The upper left quarter of a photo."""
AERIAL = Camera("SIMPLE_RADIAL", 3333, 1875, np.array([2311.0, 1666.5, 937.5, -0.02]))


def adjusted(model: SparseModel, focal: float, freedom: Freedom) -> pycolmap.Reconstruction:
    reconstruction = reconstruction_from_model(forgotten(model, focal))
    for _ in range(2):
        adjust_with_lens(reconstruction, {1: freedom}, 2.0, {})
    reconstruction.update_point_3d_errors()
    return reconstruction


def worst_turn(found: SparseModel, true: SparseModel) -> float:
    fit = alignment(found.cam_from_world, true.cam_from_world)
    return float(camera_errors(true.cam_from_world, found.cam_from_world, fit)[0].max())


def test_a_lens_that_distorts_in_three_ways_is_found() -> None:
    """Its first two terms alone explain no unseen track better, and give another focal length."""
    true = observed(STRONG, hand_held(), desk(300), 0.4)
    with quiet_colmap():
        plain = adjusted(true, 560, SIMPLE)
        choice = choose_freedom(plain, measure_scales(plain), seed=0)
        assert choice.freedom[1] == Freedom("FULL_OPENCV")
        assert "FULL_OPENCV" in choice.notes[1]
        rich = adjusted(true, 560, choice.freedom[1]).cameras[1]
    assert abs(plain.cameras[1].params[0] / 521 - 1) > 0.01
    assert abs(rich.params[0] / 521 - 1) < 0.006
    assert rich.params[0] == rich.params[1]
    np.testing.assert_array_equal(rich.params[2:4], (320, 240))
    np.testing.assert_array_equal(rich.params[[6, 7, 9, 10, 11]], 0)


def test_cameras_are_judged_by_tracks_that_they_were_not_fitted_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[tuple[set[int], set[int]]] = []

    def spied(fitted, tracks, scales):
        asked.append((set(fitted.point3D_ids()), set(tracks.point3D_ids())))
        return unseen_cost(fitted, tracks, scales)

    monkeypatch.setattr(camera_model_selection, "unseen_cost", spied)
    true = observed(ORDINARY, arc(6, 60, 4.5), cloud(150), 0.4)
    with quiet_colmap():
        plain = adjusted(true, 760, SIMPLE)
        choose_freedom(plain, measure_scales(plain), seed=0)
    assert len(asked) >= 4
    assert all(fitted and tracks and not fitted & tracks for fitted, tracks in asked)


def test_an_ordinary_lens_gets_no_third_term() -> None:
    true = observed(ORDINARY, arc(6, 60, 4.5), cloud(150), 0.4)
    with quiet_colmap():
        plain = adjusted(true, 760, SIMPLE)
        assert choose_freedom(plain, measure_scales(plain), seed=0).freedom[1] == SIMPLE


def test_photos_cropped_to_one_corner_have_their_principal_point_there() -> None:
    true = observed(CROPPED, aimed(CROPPED, arc(8, 70, 4.5, 0.9)), cloud(200), 0.4)
    with quiet_colmap():
        plain = adjusted(true, 1100, SIMPLE)
        assert worst_turn(model_from_reconstruction(plain), true) > 1
        choice = choose_freedom(plain, measure_scales(plain), seed=0)
        assert choice.freedom[1] == Freedom("SIMPLE_RADIAL", principal_point=True)
        found = adjusted(true, 1100, choice.freedom[1])
    assert _cropped(found)
    assert not _cropped(plain)
    np.testing.assert_allclose(found.cameras[1].params[1:3], (800, 600), atol=8)
    assert worst_turn(model_from_reconstruction(found), true) < 0.2


def test_a_prior_holds_what_matches_leave_open_and_nothing_else() -> None:
    prior = {1: LensPrior(focal=650.0, focal_sigma=0.02)}
    freedom = {1: SIMPLE}
    open_one = observed(ORDINARY, hand_held(4, 0.05), desk(40), 0.4)
    settled = observed(ORDINARY, arc(10, 90, 4.5), cloud(200), 0.4)
    with quiet_colmap():
        found = []
        for model in (open_one, settled):
            reconstruction = reconstruction_from_model(forgotten(model, 650.0))
            for _ in range(2):
                adjust_with_lens(reconstruction, freedom, 2.0, prior)
            found.append(reconstruction.cameras[1].params[0])
    assert abs(found[0] / 650 - 1) < 0.02
    assert abs(found[1] / 700 - 1) < 0.01


def test_exif_of_a_wide_crop_may_be_of_the_whole_sensor() -> None:
    assert exif_focals(Camera("PINHOLE", 4000, 3000, np.zeros(4)), 3000.0) == (3000.0,)
    assert exif_focals(Camera("PINHOLE", 2000, 3000, np.zeros(4)), 3000.0) == (3000.0,)
    # 24 mm: of a diagonal of 43.27 mm is that of 4000 x 2250 pixels, or that of 4000 x 3000.
    pixels = 24 / np.hypot(36, 24)
    told = exif_focals(Camera("PINHOLE", 4000, 2250, np.zeros(4)), pixels * np.hypot(4000, 2250))
    np.testing.assert_allclose(told[1:], [pixels * 5000, pixels * np.hypot(4000, 8000 / 3)])
    # A square keeps the height of the sensor.
    told = exif_focals(Camera("PINHOLE", 3000, 3000, np.zeros(4)), pixels * np.hypot(3000, 3000))
    np.testing.assert_allclose(told[1], pixels * 5000)


@pytest.mark.parametrize("exif", [2121.0, None])
def test_a_focal_length_that_height_hides_is_exif_s(exif: float | None) -> None:
    """Straight down on flat land, a longer lens and a greater height take the same photos."""
    true = observed(AERIAL, nadir_grid(), flat_land(), 1.5, shared=1.0)
    with quiet_colmap():
        reconstruction = reconstruction_from_model(forgotten(true, 2797.0))
        adjust_with_lens(reconstruction, {}, 4.0, {})
        reconstruction.update_point_3d_errors()
        told = settle_focal_lengths(
            reconstruction, true.names, {1: SIMPLE}, 4.0, {} if exif is None else {1: exif}
        )
    focal = reconstruction.cameras[1].params[0]
    if exif is None:
        assert (told, focal) == ((), 2797)
    else:
        (one,) = told
        assert one.exif == pytest.approx(2311, abs=1)
        assert (one.camera, one.by_matches) == (0, 2797)
        assert one.focal == pytest.approx(focal, rel=0.01)
        assert 0.02 < one.open_share < 1
        assert abs(focal / 2311 - 1) < 0.04


def test_a_focal_length_that_ran_away_comes_back_towards_what_lenses_are_like() -> None:
    true = observed(ORDINARY, hand_held(4, 0.02), desk(40), 0.5)
    with quiet_colmap():
        reconstruction = reconstruction_from_model(forgotten(true, 3200.0))
        adjust_with_lens(reconstruction, {}, 2.0, {})
        reconstruction.update_point_3d_errors()
        told = settle_focal_lengths(reconstruction, true.names, {1: SIMPLE}, 2.0, {})
    assert told[0].exif is None
    assert reconstruction.cameras[1].params[0] < 0.94 * 3200


def test_what_lenses_are_like_is_not_asked_about_one_that_matches_tell_to_a_fifth() -> None:
    """Long lenses exist."""
    long = replace(ORDINARY, params=np.r_[2400.0, ORDINARY.params[1:]])
    true = observed(long, arc(6, 30, 12.0), cloud(60), 1.0)
    with quiet_colmap():
        reconstruction = reconstruction_from_model(forgotten(true, 2400.0))
        adjust_with_lens(reconstruction, {}, 2.0, {})
        reconstruction.update_point_3d_errors()
        assert not settle_focal_lengths(reconstruction, true.names, {1: SIMPLE}, 2.0, {})
    assert reconstruction.cameras[1].params[0] == 2400


@pytest.mark.parametrize(("exif", "start"), [(760.0, 700.0), (300.0, 700.0)])
def test_matches_that_tell_the_focal_length_are_not_asked_about_exif(
    exif: float, start: float
) -> None:
    true = observed(ORDINARY, arc(10, 90, 4.5), cloud(200), 0.4)
    with quiet_colmap():
        reconstruction = adjusted(true, start, SIMPLE)
        before = np.array(reconstruction.cameras[1].params)
        assert not settle_focal_lengths(reconstruction, true.names, {1: SIMPLE}, 2.0, {1: exif})
    np.testing.assert_array_equal(reconstruction.cameras[1].params, before)


def test_exif_counts_in_the_evidence_only_where_the_model_has_it() -> None:
    near, far = lens_priors((ORDINARY, ORDINARY), (690.0, 400.0))
    assert near.focal_sigma < 0.05
    assert far == lens_priors((ORDINARY,), (None,))[0]


def test_how_open_the_lens_is_tells_photos_that_go_with_it() -> None:
    """A tenth of the sideways motion: the same residuals, and positions that hang on the lens."""
    wide, narrow = (
        pose_uncertainty(observed(ORDINARY, hand_held(12, side), desk(200), 0.5))
        for side in (0.6, 0.03)
    )
    assert (narrow.lens_position > 3 * wide.lens_position).all()
    round_it = pose_uncertainty(observed(ORDINARY, arc(10, 90, 4.5), cloud(200), 0.5))
    assert round_it.lens_position.max() < 0.5
    assert round_it.lens_rotation.max() < 0.3
    assert round_it.focal[0] < 0.005 < 2 * wide.focal[0] < 2 * narrow.focal[0]


def test_what_is_said_of_the_lens_is_what_happens_to_poses_when_it_moves() -> None:
    """The direct probe: the focal length moved by its own uncertainty, held, all else adjusted."""
    true = observed(ORDINARY, hand_held(8, 0.15), desk(150), 0.5)
    with quiet_colmap():
        reconstruction = adjusted(true, 700, SIMPLE)
        best = model_from_reconstruction(reconstruction)
        told = pose_uncertainty(best)
        focal = best.cameras[0].params[0] * (1 + told.focal[0])
        moved = {1: LensPrior(focal=focal, focal_sigma=1e-5)}
        adjust_with_lens(reconstruction, {1: Freedom("FULL_OPENCV")}, 2.0, moved)
        probed = model_from_reconstruction(reconstruction)
    fit = alignment(probed.cam_from_world, best.cam_from_world)
    turn, shift = camera_errors(best.cam_from_world, probed.cam_from_world, fit)
    shift = 100 * shift / rms_radius(centers_of(best.cam_from_world))
    # The focal length is the weakest of the directions in which the lens is open.
    assert 0.3 * told.lens_rotation.max() < turn.max() < 2 * told.lens_rotation.max()
    assert 0.3 * told.lens_position.max() < shift.max() < 2 * told.lens_position.max()


@pytest.mark.parametrize("off", [0.95, 1.05])
def test_a_wrong_focal_length_shows_although_poses_were_adjusted_to_it(off: float) -> None:
    true = observed(ORDINARY, arc(10, 70, 4.5, 0.9), 1.2 * cloud(200), 0.4)
    with quiet_colmap():
        reconstruction = reconstruction_from_model(forgotten(true, 700 * off))
        reconstruction.cameras[1].params[3] = -0.05
        adjust_with_lens(reconstruction, {}, 2.0, {})
        reconstruction.update_point_3d_errors()
        told = pose_uncertainty(model_from_reconstruction(reconstruction))
    np.testing.assert_allclose((1 + told.focal_drift[0]) * off, 1, atol=0.015)
    assert abs(told.focal_drift[0]) > 5 * told.focal[0]
    right = pose_uncertainty(true)
    assert abs(right.focal_drift[0]) < 0.005
    assert right.drift_position.max() < 0.3 * told.drift_position.max()
