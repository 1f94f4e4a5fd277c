"""Steps of a walk tell where a part of a model has another scale, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.walks import STEP, stretched, walk

from splatpose.scene.capture import Photo
from splatpose.sfm.correspondences import MatchTable
from splatpose.sfm.step_lengths import handicap, step_jumps, unevenness, walking_order

COUNT = 40
ORDER = np.arange(COUNT)


def largest(jumps: np.ndarray) -> float:
    return float(2.0 ** np.nanmax(np.abs(jumps)))


@pytest.mark.parametrize("factor", [1 / 8, 1 / 3, 1.5, 3.0, 8.0])
def test_a_part_at_another_scale_is_a_jump_as_large(factor: float) -> None:
    jumps = step_jumps(stretched(walk(COUNT), 17, factor), ORDER)
    place = int(np.nanargmax(np.abs(jumps)))
    assert 14 <= place <= 19
    assert 2.0 ** -jumps[place] == pytest.approx(factor, rel=0.25)


def test_an_even_walk_has_none() -> None:
    assert largest(step_jumps(walk(COUNT), ORDER)) < 1.5


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(np.r_[np.full(12, STEP), np.full(12, 0.004), np.full(15, STEP)], id="stands"),
        pytest.param(np.r_[np.full(19, STEP), 12 * STEP, np.full(19, STEP)], id="one leap"),
        pytest.param(np.r_[np.full(12, STEP / 6), np.full(27, STEP)], id="slow first"),
        pytest.param(STEP / 6 * 8 ** np.linspace(0, 1, 39), id="ever faster"),
        pytest.param(np.where(np.arange(39) % 5 == 0, 3 * STEP, STEP), id="uneven"),
    ],
)
def test_how_people_walk_is_no_other_scale(steps: np.ndarray) -> None:
    assert largest(step_jumps(walk(COUNT, steps=steps), ORDER)) < 2


def test_photos_without_a_pose_leave_gaps() -> None:
    model = stretched(walk(COUNT), 17, 8.0)
    poses, registered = model.cam_from_world.copy(), model.registered.copy()
    lost = [5, 12, 13, 20, 21, 30]
    poses[lost], registered[lost] = np.nan, False
    jumps = step_jumps(replace(model, cam_from_world=poses, registered=registered), ORDER)
    assert largest(jumps) == pytest.approx(8, rel=0.3)
    assert np.isnan(jumps[lost]).all()
    few = replace(model, registered=np.arange(COUNT) < 8)
    assert np.isnan(step_jumps(few, ORDER)).all()


def test_photos_in_no_order_tell_nothing() -> None:
    assert np.isnan(step_jumps(stretched(walk(COUNT), 17, 8.0), None)).all()


def test_the_order_of_the_capture_counts_not_that_of_the_list() -> None:
    model = stretched(walk(COUNT), 17, 8.0)
    shuffled = np.random.default_rng(0).permutation(COUNT)
    place = np.argsort(shuffled)
    rows = model.observations.copy()
    rows[:, 1] = place[rows[:, 1]]
    mixed = replace(model, cam_from_world=model.cam_from_world[shuffled], observations=rows)
    np.testing.assert_allclose(
        step_jumps(mixed, place)[place], step_jumps(model, ORDER), equal_nan=True
    )


def test_only_jumps_that_others_lack_count() -> None:
    even, wrong = (step_jumps(m, ORDER) for m in (walk(COUNT), stretched(walk(COUNT), 17, 8.0)))
    smaller = step_jumps(stretched(walk(COUNT), 17, 7.0), ORDER)
    elsewhere = np.where(ORDER > 25, even, np.nan)
    assert unevenness([wrong, even])[0] == pytest.approx(3, abs=0.4)
    assert unevenness([wrong, even])[1] < 0.5
    assert unevenness([wrong, smaller]).max() < 0.5, "both have it"
    assert unevenness([wrong, elsewhere]).max() < 0.5, "the other one does not place those photos"
    assert not unevenness([wrong]).any()
    assert not unevenness([np.full(COUNT, np.nan)] * 2).any()


def test_eight_outweighs_two_per_cent_and_two_nothing() -> None:
    assert handicap(3.0) > 0.03
    assert handicap(1.0) == 0
    assert handicap(30.0) < 0.1


def _photos(**fields: list[float]) -> tuple[Photo, ...]:
    names = [f"{i}.jpg" for i in range(12)]
    rows = [dict(zip(fields, values, strict=True)) for values in zip(*fields.values(), strict=True)]
    rows = rows or [{}] * len(names)
    return tuple(
        Photo(name, Path(name), 10, 10, 0, "", **row) for name, row in zip(names, rows, strict=True)
    )


def _table(place: np.ndarray) -> MatchTable:
    """Photos match those taken near them in time: more, the nearer."""
    pairs = np.array([(i, j) for i in range(12) for j in range(i + 1, 12)])
    apart = np.abs(place[pairs[:, 0]] - place[pairs[:, 1]])
    pair = np.repeat(np.arange(len(pairs)), 40 // apart)
    count = len(pair)
    zeros = np.zeros((count, 2), np.int64)
    return MatchTable(pairs, pair, pairs[pair], zeros, np.zeros((count, 2, 2)))


def test_order_from_matches_times_and_videos() -> None:
    straight, mixed = np.arange(12), np.random.default_rng(3).permutation(12)
    np.testing.assert_array_equal(walking_order(_photos(), _table(straight)), straight)
    assert walking_order(_photos(), _table(mixed)) is None
    times = (100.0 + mixed).tolist()
    by_time = np.argsort(mixed)
    timed = _photos(exif_seconds=times)
    np.testing.assert_array_equal(walking_order(timed, _table(mixed)), by_time)
    assert walking_order(timed, _table(straight)) is None, "matches contradict the times"
    np.testing.assert_array_equal(
        walking_order(_photos(seconds=times), _table(straight)), by_time, "a video has an order"
    )
    same = _photos(exif_seconds=[5.0] * 12)
    np.testing.assert_array_equal(walking_order(same, _table(straight)), straight)
