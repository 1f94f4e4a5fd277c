"""Photos whose own points ask for another lens than they have in the model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.poses import CAMERA
from scenes.zooms import facade, front, seen_by, zoomed

from splatpose.scene.camera import Camera
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm import lens_doubts
from splatpose.sfm.correspondences import MatchTable
from splatpose.sfm.lens_doubts import (
    Pulls,
    lens_pulls,
    photos_to_ask,
    shifted_crops,
    usual_shift,
)
from splatpose.sfm.match_consistency import Explanation


def moved(shift: float) -> Camera:
    """A crop whose window moved sideways."""
    params = CAMERA.params.copy()
    params[1] += shift
    return Camera(CAMERA.model, CAMERA.width, CAMERA.height, params)


@pytest.mark.parametrize("factor", [0.9, 1.08, 1.5])
def test_points_pull_at_the_focal_length_of_a_zoomed_photo(factor: float) -> None:
    cameras = [zoomed(factor if i == 2 else 1.0) for i in range(6)]
    pulls = lens_pulls(seen_by(cameras, facade(6), front(300)))
    assert np.exp(pulls.log_focal[2]) == pytest.approx(factor, rel=0.02)
    others = np.arange(6) != 2
    assert np.abs(pulls.log_focal[others]).max() < 0.01
    assert pulls.log_focal[2] ** 2 > (4 * pulls.log_focal_sigma[2]) ** 2


def test_points_pull_at_the_principal_point_of_a_moved_crop() -> None:
    cameras = [moved(32.0 if i == 3 else 0.0) for i in range(6)]
    pulls = lens_pulls(seen_by(cameras, facade(6), front(300)))
    assert pulls.center[3] == pytest.approx([0.04, 0], abs=3 * pulls.center_sigma[3])
    assert np.linalg.norm(pulls.center[3]) > 4 * pulls.center_sigma[3]
    assert np.abs(np.delete(pulls.center, 3, axis=0)).max() < 0.01
    found = shifted_crops(seen_by(cameras, facade(6), front(300)))
    assert found.tolist() == [False, False, False, True, False, False]


def test_a_crop_that_moved_by_a_hundredth_is_not_told_however_sure() -> None:
    """The points of real photos of one lens pull as far."""
    model = seen_by([moved(9.0 if i == 3 else 0.0) for i in range(6)], facade(6), front(300))
    pulls = lens_pulls(model)
    off = np.linalg.norm(pulls.center[3])
    assert off == pytest.approx(0.011, abs=0.003)
    assert off > lens_doubts.LENS_GROUPS.pull_sigmas * pulls.center_sigma[3]
    assert not shifted_crops(model).any()


def test_photos_with_few_points_are_not_asked() -> None:
    pulls = lens_pulls(seen_by([CAMERA] * 4, facade(4), front(20)))
    assert np.isnan(pulls.log_focal).all()


COUNT, SHARED = 6, 30
"""Photos, and matches of each pair of them."""


def doubted(
    model: SparseModel, contradicted: dict[int, int] | None = None, share: float = 0.9
) -> np.ndarray:
    """Photos to ask where so many matches of some photos, with all others, deny a model."""
    table = complete_table()
    against = np.zeros(len(table), bool)
    for photo, count in (contradicted or {}).items():
        own = np.flatnonzero((table.photos == photo).any(1))
        against[own[np.linspace(0, len(own) - 1, count).astype(int)]] = True
    explanation = Explanation(model.registered, ~against, against, share, share, 0.0, 0.875, 10.0)
    return photos_to_ask(model, table, explanation, 15)


def complete_table() -> MatchTable:
    """Every photo matches every other one."""
    pairs = np.stack(np.triu_indices(COUNT, 1), 1)
    pair = np.repeat(np.arange(len(pairs)), SHARED)
    nothing = np.zeros((len(pair), 2), np.int64)
    return MatchTable(pairs, pair, pairs[pair], nothing, np.zeros((len(pair), 2, 2)))


@pytest.fixture(scope="module")
def plain() -> SparseModel:
    """Six photos of one lens."""
    return seen_by([CAMERA] * COUNT, facade(COUNT), front(300))


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if six photos were many."""
    few = replace(lens_doubts.LENS_GROUPS, many_photos=COUNT)
    monkeypatch.setattr(lens_doubts, "LENS_GROUPS", few)


def test_photos_that_nothing_speaks_against_are_not_asked(plain: SparseModel) -> None:
    assert not doubted(plain).any()
    # Of the 150 matches of photo 3 a fifth denies it, and too few to count.
    assert not doubted(plain, {3: 29}).any()


def test_one_photo_that_is_denied_has_all_asked_unless_they_are_many(
    plain: SparseModel, many: None
) -> None:
    assert doubted(plain, {3: 31}).tolist() == [False, False, False, True, False, False]
    assert doubted(plain, {3: 31}, share=0.69).all(), "a model that explains little"


def test_of_few_photos_all_are_asked(plain: SparseModel) -> None:
    assert doubted(plain, {3: 31}).all()


def test_many_matches_that_deny_are_no_reason_where_many_more_agree(
    plain: SparseModel, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    strict = replace(lens_doubts.LENS_GROUPS, denied_share=0.22)
    monkeypatch.setattr(lens_doubts, "LENS_GROUPS", strict)
    assert not doubted(plain, {3: 31}).any()


def test_a_photo_whose_points_pull_at_its_focal_length_is_asked(many: None) -> None:
    cameras = [zoomed(1.08 if i == 2 else 1.0) for i in range(COUNT)]
    found = doubted(seen_by(cameras, facade(COUNT), front(300)))
    assert found.tolist() == [False, False, True, False, False, False]


def test_a_photo_that_matches_should_have_placed_is_asked(plain: SparseModel, many: None) -> None:
    def without(*photos: int) -> SparseModel:
        poses = plain.cam_from_world.copy()
        poses[list(photos)] = np.nan
        kept = np.isfinite(poses[:, 0, 0])
        seen = kept[plain.observations[:, 1]]
        return replace(
            plain,
            cam_from_world=poses,
            registered=kept,
            observations=plain.observations[seen],
            observation_xy=plain.observation_xy[seen],
        )

    # Photo 5 shares 150 matches with five photos that have a pose; 90 are enough.
    assert doubted(without(5)).tolist() == [False] * 5 + [True]
    # 60 are too few, and what photos without a pose share with each other is no reason.
    assert not doubted(without(2, 3, 4, 5)).any()


def test_the_usual_shift_is_that_of_most_photos_where_their_points_tell_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = seen_by([CAMERA] * 5, facade(5), front(300))
    assert usual_shift(model) == 0.0, "one lens, and nothing moved"
    shift = np.array([0.008, 0.009, 0.007, 0.0, 0.02])

    def pulls(sigma: float) -> Pulls:
        nothing = np.full(5, np.nan)
        center = np.stack([shift, np.zeros(5)], 1)
        return Pulls(nothing, nothing, center, np.full(5, sigma))

    monkeypatch.setattr(lens_doubts, "lens_pulls", lambda model, photos: pulls(0.001))
    assert usual_shift(model) == 0.008
    monkeypatch.setattr(lens_doubts, "lens_pulls", lambda model, photos: pulls(0.003))
    assert usual_shift(model) == 0.0, "most are no more than noise"
    shift *= 100
    monkeypatch.setattr(lens_doubts, "lens_pulls", lambda model, photos: pulls(0.02))
    assert usual_shift(model) == 0.0, "they leave it open"


def test_of_many_photos_a_sample_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lens_doubts, "_SAMPLE", 3)
    model = seen_by([CAMERA] * 6, facade(6), front(300))
    asked: list[list[int]] = []
    given = lens_doubts.lens_pulls

    def watched(model: SparseModel, photos: np.ndarray) -> Pulls:
        asked.append(photos.tolist())
        return given(model, photos)

    monkeypatch.setattr(lens_doubts, "lens_pulls", watched)
    assert usual_shift(model) == 0.0
    assert asked == [[0, 2, 5]]
