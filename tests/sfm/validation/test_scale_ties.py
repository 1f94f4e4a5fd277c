"""Whether the scale of a part of a model is known, and how far that may carry its photos."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.walks import across, depths_of, stretched, torn, walk, without

from splatpose.geometry.centers import centers_of
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.model_comparison import camera_radius
from splatpose.sfm.validation.map_ties import MapTies
from splatpose.sfm.validation.scale_ties import ScaleTies, find_scale_ties
from splatpose.sfm.validation.thresholds import SCALE_TIES

COUNT, PLACE = 30, 12
ORDER = np.arange(COUNT)


def ties(model: SparseModel, maps: MapTies | None = None) -> ScaleTies:
    return find_scale_ties(model, np.arange(len(model.names)), maps)


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(lambda: walk(COUNT), id="long tracks"),
        pytest.param(lambda: walk(COUNT, far=5.0, density=150), id="short tracks"),
        pytest.param(lambda: walk(COUNT, density=15), id="few points"),
        pytest.param(lambda: torn(walk(COUNT), PLACE, 25), id="thin, but held"),
    ],
)
def test_parts_that_points_tie_are_no_guess(model) -> None:
    assert ties(model()).position.max() < SCALE_TIES.guess


@pytest.mark.parametrize(("kept", "hinge"), [(0, False), (2, False), (0, True)])
def test_a_part_that_nothing_ties_may_be_anywhere(kept: int, hinge: bool) -> None:
    model = torn(walk(COUNT), PLACE, kept, hinge=hinge)
    found = ties(model)
    tie = found.weakest[0]
    assert tie is not None
    assert tie.sigma == np.inf
    assert tie.points <= kept
    assert abs(tie.hinge - PLACE) <= 1
    centers = centers_of(model.cam_from_world)
    away = np.linalg.norm(centers[0] - centers[tie.hinge]) / camera_radius(centers)
    assert found.position[0] == pytest.approx(100 * away, rel=0.15), "as long as the part itself"
    assert (np.diff(found.position[:PLACE]) < 0).all(), "the nearer to the hinge, the less"
    assert not found.position[PLACE + 2 :].any()
    assert found.weakest[-1] is None


@pytest.mark.parametrize("factor", [1 / 3, 1.5, 3.0, 8.0])
def test_a_part_at_another_scale_is_seen_by_what_both_sides_see(factor: float) -> None:
    found = ties(stretched(walk(COUNT), PLACE, factor))
    assert found.position[0] > SCALE_TIES.guess
    assert found.position[PLACE + 2 :].max() < SCALE_TIES.guess


def test_false_tracks_tie_less_than_true_ones() -> None:
    model = torn(walk(COUNT), PLACE, 16)
    rows = np.isin(model.observations[:, 0], across(model, PLACE))
    rows &= model.observations[:, 1] >= PLACE
    shift = np.random.default_rng(1).normal(0, 20, (len(rows), 2)) * rows[:, None]
    false = ties(replace(model, observation_xy=model.observation_xy + shift))
    assert false.position[0] > 3 * max(ties(model).position[0], 1.0)


def test_photos_in_no_order_are_asked_along_the_tree_alone() -> None:
    found = find_scale_ties(torn(walk(COUNT), PLACE, 2))
    assert found.position[0] > 50
    assert find_scale_ties(walk(COUNT)).position.max() < SCALE_TIES.guess


def test_depth_maps_tie_what_points_do_not() -> None:
    model = walk(COUNT)
    priors = depths_of(model)
    open_one = torn(model, PLACE, 0, hinge=True)
    assert ties(open_one).position[0] > 50
    held = ties(open_one, MapTies(open_one, priors))
    assert held.position.max() < SCALE_TIES.guess
    wrong = stretched(open_one, PLACE, 2.0)
    assert ties(wrong, MapTies(wrong, priors)).position[0] > 50, "maps say that it is not so"


def test_without_points_nothing_is_measured() -> None:
    model = walk(COUNT)
    bare = without(model, np.ones(len(model.observations), bool))
    found = find_scale_ties(bare, ORDER)
    assert np.isnan(found.position).all()
    assert not any(found.weakest)
    lost = model.cam_from_world.copy()
    lost[3] = np.nan
    kept = without(model, model.observations[:, 1] == 3)
    found = ties(replace(kept, cam_from_world=lost, registered=np.arange(COUNT) != 3))
    assert np.isnan(found.position[3])
    assert np.nanmax(found.position) < SCALE_TIES.guess


def test_a_model_in_another_frame_and_size_is_the_same() -> None:
    model = torn(walk(COUNT), PLACE, 6)
    found = ties(model)
    size = 7.0
    poses = model.cam_from_world.copy()
    poses[:, :3, 3] *= size
    larger = ties(replace(model, cam_from_world=poses, points=size * model.points))
    np.testing.assert_allclose(larger.position, found.position, rtol=1e-6)
