"""Scales that no keypoint ties: loops, neighbouring depths and depth maps settle them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.loose_scales import grown, largest_shift, maps_of, two_parts
from scenes.poses import CAMERA

from splatpose.geometry.projection import project
from splatpose.geometry.similarity import umeyama
from splatpose.sfm.mapping.scale_ambiguity import resolve_scale_ambiguity
from splatpose.sfm.viewgraph.baseline_scales import PairDepths, Ratios
from splatpose.sfm.viewgraph.scale_bridges import Part, bridge_components, relative_scale
from splatpose.sfm.viewgraph.translation_averaging import (
    average_translations,
    camera_centers,
    log_baselines,
)


@pytest.mark.parametrize("factor", [0.3, 3.0])
def test_a_part_that_hangs_on_one_photo_gets_the_scale_of_its_neighbours(factor: float) -> None:
    truth = two_parts(slope=0.0)
    spoiled = grown(truth, factor)
    for photo in range(7):
        own = spoiled.observations[:, 1] == photo
        xy, _ = project(
            CAMERA, spoiled.cam_from_world[photo], spoiled.points[spoiled.observations[own, 0]]
        )
        np.testing.assert_allclose(xy, spoiled.observation_xy[own], atol=1e-6)
    assert largest_shift(spoiled, truth) > 0.3
    settled, notes = resolve_scale_ambiguity(spoiled)
    assert largest_shift(settled, truth) < 0.03
    assert len(notes) == 1
    assert "3.jpg" in notes[0]


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_a_map_knows_that_neighbours_are_not_equally_far(kind: str) -> None:
    truth = two_parts(slope=0.9)
    spoiled = grown(truth, 2.0)
    alone, _ = resolve_scale_ambiguity(spoiled)
    settled, _ = resolve_scale_ambiguity(spoiled, maps_of(truth, kind))
    assert largest_shift(settled, truth) < 0.6 * largest_shift(alone, truth)
    far = truth.observation_xy[:, 0]
    apart = (np.abs(far - 400) > 60) | (truth.observations[:, 1] != 3)
    apart_truth = replace(
        truth,
        observations=truth.observations[apart],
        observation_xy=truth.observation_xy[apart],
    )
    settled, _ = resolve_scale_ambiguity(grown(apart_truth, 2.0), maps_of(truth, kind))
    assert largest_shift(settled, truth) < 1e-3, "nothing lies side by side: the map alone says"


def test_what_tracks_hold_together_is_left_alone() -> None:
    truth = two_parts(slope=0.3)
    bridge = [[0, 5, 200], [1, 5, 201], [2, 5, 202], [3, 5, 203]]
    observations = np.concatenate([truth.observations, bridge])
    xy = np.concatenate([truth.observation_xy, np.zeros((4, 2))])
    order = np.lexsort((observations[:, 1], observations[:, 0]))
    model = replace(truth, observations=observations[order], observation_xy=xy[order])
    same, notes = resolve_scale_ambiguity(model)
    assert notes == ()
    np.testing.assert_array_equal(same.cam_from_world, model.cam_from_world)


def test_a_loop_tells_the_scale_of_its_parts() -> None:
    """A walk around a block in two parts without a common keypoint, the second thrice as large:
    only one scale closes the loop. One pair across is false."""
    rng = np.random.default_rng(3)
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    centers = np.stack([3 * np.cos(angle), 0.2 * np.sin(3 * angle), 2 * np.sin(angle)], 1)
    steps = [(i, (i + k) % 12) for i in range(12) for k in (1, 2)]
    pairs = np.sort(np.array([*steps, (2, 8)]), axis=1)
    offset = centers[pairs[:, 1]] - centers[pairs[:, 0]]
    length = np.linalg.norm(offset, axis=1)
    direction = offset / length[:, None] + 0.01 * rng.standard_normal(offset.shape)
    direction[-1] = (0, 1, 0)
    part = np.where((pairs < 6).all(1), 0, np.where((pairs >= 6).all(1), 1, 2))
    links = [(a, b) for a in range(len(pairs)) for b in range(a) if part[a] == part[b] < 2]
    edges = np.array(links)
    values = np.log(length[edges[:, 1]] / length[edges[:, 0]])
    ratios = Ratios(edges, values, np.full(len(edges), 0.02))
    start = log_baselines(ratios, len(pairs))
    start[part == 1] += np.log(3)
    sigma = np.full(len(pairs), 0.01)
    first, _ = camera_centers(pairs, np.exp(start)[:, None] * direction, sigma, 12)
    found, residual = average_translations(pairs, direction, sigma, ratios, first, start)
    before = np.linalg.norm(umeyama(first, centers).points(first) - centers, axis=1).max()
    after = np.linalg.norm(umeyama(found, centers).points(found) - centers, axis=1).max()
    assert before > 0.5
    assert after < 0.1
    assert set(np.flatnonzero(residual > 0.3)) == {len(pairs) - 1}


def wall(slope: float) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of one photo, and depths of a wall there."""
    xy = np.random.default_rng(4).uniform((0, 0), (1000, 700), (80, 2))
    return xy, 4 + slope * xy[:, 0] / 1000


def test_pairs_of_one_photo_are_joined_by_what_lies_side_by_side() -> None:
    """Two pairs of one photo see the left and the right of a wall, each in its own unit."""
    xy, depth = wall(0.0)
    edge = (xy[:, 0] > 500).astype(np.int64)
    unit = np.array([0.5, 2.0])
    depths = PairDepths(edge, np.arange(80), np.zeros(80, np.int64), xy, np.log(depth / unit[edge]))
    none = Ratios(np.zeros((0, 2), np.int64), np.zeros(0), np.zeros(0))
    found = bridge_components(depths, none, np.zeros(2))
    assert found.edges.tolist() == [[0, 1]]
    assert found.log_ratio[0] == pytest.approx(np.log(unit[1] / unit[0]), abs=1e-6)


def test_a_map_compares_parts_better() -> None:
    xy, depth = wall(8.0)
    value = 1000 / depth - 20

    def parts(value: np.ndarray, gap: float) -> list[Part]:
        sides = (xy[:, 0] < 500 - gap, xy[:, 0] > 500 + gap)
        units = zip(sides, (0.5, 2.0), strict=True)
        return [Part(0, 0, xy[own], np.log(depth[own] / unit), value[own]) for own, unit in units]

    truth = np.log(2.0 / 0.5)
    without = relative_scale(*parts(value, 0), None)
    with_map = relative_scale(*parts(value, 0), "disparity")
    assert abs(with_map[0] - truth) < abs(without[0] - truth)
    assert with_map[1] < without[1]
    apart = relative_scale(*parts(value, 60), "disparity")
    assert apart[0] == pytest.approx(truth, abs=1e-6), "nothing lies side by side"
    # A map that does not follow the depths is not believed.
    useless = np.random.default_rng(5).permutation(value)
    assert relative_scale(*parts(useless, 0), "disparity") == without
