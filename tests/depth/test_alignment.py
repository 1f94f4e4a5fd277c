"""Scale and shift of depth priors, on scenes whose depth is known exactly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from scenes.depth import (
    CAMERA,
    DepthScene,
    make_depth_scene,
    pixel_grid,
    priors_of,
    ray_cast,
    surface_error,
)

from splatpose.depth.alignment import align, point_depths, summarise
from splatpose.depth.fitting import fit_scale_shift, spearman
from splatpose.depth.map_fit import DropRule, fit_map, fitted_depth
from splatpose.events import Message
from splatpose.stages.depth.stage import align_depth

ALPHA, BETA = 0.37, 1.9
KINDS = ("depth", "disparity")


@pytest.fixture(scope="module")
def scene() -> DepthScene:
    return make_depth_scene()


def prior(depth: np.ndarray, kind: str, alpha: float = ALPHA, beta: float = BETA) -> np.ndarray:
    """Values that `alpha` and `beta` turn into the depth."""
    return ((depth if kind == "depth" else 1 / depth) - beta) / alpha


def sizes(scene: DepthScene) -> list[tuple[int, int]]:
    return [(CAMERA.width, CAMERA.height)] * len(scene.poses.names)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e3])
def test_scale_and_shift_are_exact_without_noise(kind, unit: float) -> None:
    depth = np.random.default_rng(0).uniform(1, 6, 200)
    found = fit_scale_shift(prior(depth, kind) * unit, depth, kind)
    assert found is not None
    assert found.alpha == pytest.approx(ALPHA / unit, rel=1e-6)
    assert found.beta == pytest.approx(BETA, abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(5))
def test_outliers_and_noise_move_scale_and_shift_little(kind, seed: int) -> None:
    """40 % gross outliers beside 2 % noise; without robustness the scale is off by half or more."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1, 6, 400)
    values = prior(depth * np.exp(0.02 * rng.standard_normal(400)), kind)
    seen = np.where(rng.random(400) < 0.4, rng.uniform(0.5, 20, 400), depth)
    found = fit_scale_shift(values, seen, kind, seed=seed)
    assert found is not None
    assert found.alpha == pytest.approx(ALPHA, rel=0.04)
    target = seen if kind == "depth" else 1 / seen
    naive = np.polyfit(values, target, 1)[0]
    assert abs(naive / ALPHA - 1) > 0.1


def test_a_near_object_that_the_map_misses_does_not_move_the_wall() -> None:
    """Errors are relative, so a missed near object has the largest of all."""
    rng = np.random.default_rng(1)
    wall, near = rng.uniform(6, 8, 300), rng.uniform(2.5, 3.5, 200)
    values = np.concatenate([wall, rng.uniform(6, 8, 200)])
    found = fit_scale_shift(values, np.concatenate([wall, near]), "depth")
    assert found is not None
    assert np.abs((found.alpha * wall + found.beta) / wall - 1).max() < 0.01


def test_what_falls_or_is_constant_has_no_scale() -> None:
    depth = np.linspace(1, 5, 100)
    assert fit_scale_shift(-depth, depth, "depth") is None
    assert fit_scale_shift(np.ones(100), depth, "depth") is None


def test_rank_correlation_is_scipys() -> None:
    rng = np.random.default_rng(2)
    a = rng.integers(0, 30, 200).astype(float)
    b = a + rng.normal(scale=10, size=200)
    assert spearman(a, b) == pytest.approx(scipy.stats.spearmanr(a, b).statistic, abs=1e-12)
    assert spearman(np.ones(5), b[:5]) == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("told", [True, False])
def test_every_map_finds_its_own_scale_and_shift(
    scene: DepthScene, tmp_path: Path, kind, told: bool
) -> None:
    truth = [(0.2 + 0.1 * i, -0.1 + 0.05 * i) for i in range(len(scene.depth))]
    maps = [prior(d, kind, *t) for d, t in zip(scene.depth, truth, strict=True)]
    priors = priors_of(tmp_path, [*maps], kind if told else "auto")
    result = align(priors, scene.poses, sizes(scene))
    assert result.kind == kind
    assert result.kept.all()
    # Points on the ball, where linear interpolation errs, are outliers to those on the wall.
    np.testing.assert_allclose(result.alpha, [a for a, _ in truth], rtol=1e-4)
    np.testing.assert_allclose(result.beta, [b for _, b in truth], atol=1e-4)
    assert all(fit.residual < 2e-3 and fit.rank_correlation > 0.98 for fit in result.fits)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_points_and_edges_do_not_matter(tmp_path: Path, kind) -> None:
    scene = make_depth_scene(outliers=0.3, seed=3)
    result = align(
        priors_of(tmp_path, [prior(d, kind) for d in scene.depth]), scene.poses, sizes(scene)
    )
    assert result.kept.all()
    np.testing.assert_allclose(result.alpha, ALPHA, rtol=0.01)
    np.testing.assert_allclose(result.beta, BETA, atol=0.02)


def test_maps_that_contradict_the_matches_are_dropped_and_the_others_kept(
    scene: DepthScene, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    maps: list[np.ndarray | None] = [prior(d, "depth") for d in scene.depth]
    maps[1] = rng.uniform(1, 2, (60, 80))  # noise
    maps[2] = -maps[2]  # another scene's order  # pyright: ignore[reportOptionalOperand]
    maps[4] = None
    poses = replace(scene.poses, registered=np.array([True, True, True, True, True]))
    events: list = []
    result = align_depth(priors_of(tmp_path, maps), scene.capture, poses, events.append)
    assert result.kept.tolist() == [True, False, False, True, False]
    assert "rank correlation" in result.fits[1].reason
    assert result.fits[4].reason == "there is none"
    assert np.isnan(result.alpha[[1, 2, 4]]).all()
    assert events == [Message("depth", summarise(result))]
    assert "2 of 4 maps" in events[0].text
    assert "2 are dropped" in events[0].text


def test_all_dropped_is_a_warning(scene: DepthScene, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    events: list = []
    noise = [rng.uniform(1, 2, (60, 80)) for _ in scene.depth]
    result = align_depth(priors_of(tmp_path, [*noise]), scene.capture, scene.poses, events.append)
    assert not result.kept.any()
    assert events[0].level == "warning"
    assert "all are dropped" in events[0].text


def test_a_map_no_better_than_a_constant_is_dropped(scene: DepthScene, tmp_path: Path) -> None:
    """Small errors mean nothing where all points are about equally far."""
    rng = np.random.default_rng(5)
    maps = [
        prior(np.median(d) * (d / np.median(d)) ** 0.1 * np.exp(0.3 * rng.normal(size=d.shape)), k)
        for d, k in zip(scene.depth, ["depth"] * 5, strict=True)
    ]
    result = align(
        priors_of(tmp_path, [*maps], "depth"), scene.poses, sizes(scene), DropRule(0, -1.0, 9.0)
    )
    assert not result.kept.any()
    assert all("constant depth" in fit.reason for fit in result.fits if np.isfinite(fit.alpha))


def test_few_points_are_no_evidence(tmp_path: Path) -> None:
    scene = make_depth_scene(points=25)
    result = align(
        priors_of(tmp_path, [prior(d, "depth") for d in scene.depth]), scene.poses, sizes(scene)
    )
    few = [fit for fit in result.fits if fit.points < 20]
    assert few
    assert not any(fit.kept for fit in few)
    assert all("triangulated points" in fit.reason for fit in few)


def test_a_flat_scale_is_dropped(scene: DepthScene, tmp_path: Path) -> None:
    """NoPe-NeRF's alpha >= 0.01, relative to the other maps."""
    maps = [prior(d, "depth", 1.0 if i else 0.005, 0.0) for i, d in enumerate(scene.depth)]
    result = align(priors_of(tmp_path, [*maps]), scene.poses, sizes(scene))
    assert result.kept.tolist() == [False, True, True, True, True]
    assert "hundredth" in result.fits[0].reason


@pytest.mark.parametrize("kind", KINDS)
def test_alignment_follows_a_scaling_of_the_world(scene: DepthScene, tmp_path: Path, kind) -> None:
    """In a world s times as large, depths by the maps are s times as large."""
    s = 2.5
    priors = priors_of(tmp_path, [prior(d, kind, 0.2, 0.05) for d in scene.depth])
    before = align(priors, scene.poses, sizes(scene))
    scaled = scene.poses.cam_from_world.copy()
    scaled[:, :3, 3] *= s
    poses = replace(scene.poses, cam_from_world=scaled, points=scene.poses.points * s)
    again = align(priors, poses, sizes(scene))
    factor = s if kind == "depth" else 1 / s
    np.testing.assert_allclose(again.alpha, factor * before.alpha, rtol=1e-6)
    np.testing.assert_allclose(again.beta, factor * before.beta, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_gives_depths_and_a_dropped_one_gives_none(kind) -> None:
    depth = np.random.default_rng(0).uniform(1, 6, 60)
    values = prior(depth, kind)
    fit = fit_map(values, depth, kind)
    assert fit.kept
    np.testing.assert_allclose(fitted_depth(values, fit, kind), depth, rtol=1e-6)
    dropped = fit_map(values[:19], depth[:19], kind)
    assert not dropped.kept
    assert np.isnan(fitted_depth(values, dropped, kind)).all()


def test_points_without_parallax_do_not_count(scene: DepthScene) -> None:
    """Depth from a hair's breadth of baseline is noise."""
    together = np.repeat(scene.poses.cam_from_world[:1], 5, 0)
    together[:, 0, 3] += 0.01 * np.arange(5)
    assert len(point_depths(replace(scene.poses, cam_from_world=together)).depth) == 0
    known = point_depths(scene.poses)
    assert len(known.depth) == len(scene.poses.observations)
    for photo in range(5):
        own = known.photo == photo
        true, _ = ray_cast(scene.poses.cam_from_world[photo], known.pixels[own])
        np.testing.assert_allclose(known.depth[own], true, rtol=1e-6)


def test_the_scene_is_what_it_says(scene: DepthScene) -> None:
    assert surface_error(scene.poses.points).max() < 1e-6
    depth, ball = ray_cast(scene.poses.cam_from_world[0], pixel_grid(180, 240))
    assert 0.05 < ball.mean() < 0.6
    assert (depth > 0).all()
