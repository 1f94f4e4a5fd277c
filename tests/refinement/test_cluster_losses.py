"""Laws of what prior depth adds: residuals, their derivatives, scales and shifts, gauge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes.clusters import LocalScene, local_scene
from scipy.spatial import cKDTree

from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.geometry.twists import se3_exp
from splatpose.refinement.camera_optimizer import PoseSchedule
from splatpose.refinement.cluster_cameras import ClusterCameras, PriorWeights
from splatpose.refinement.cluster_depth import PriorMaps
from splatpose.refinement.cluster_losses import cloud_term, depth_term, lifted, moved, surface_term

SCHEDULE = PoseSchedule(steps=100, start=0.0, rate=0.06, track_weight=0.01)
WEIGHTS = PriorWeights(depth=0.04, cloud=1.0, surface=1.0, anneal=1.0, rate=2e-3)


@pytest.fixture(scope="module")
def scene() -> LocalScene:
    return local_scene()


def cloud(count: int, seed: int) -> torch.Tensor:
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.uniform((-1, -1, 3), (1, 1, 4), (count, 3)))


def given(scene: LocalScene, kind: str, alpha: float, beta: float) -> list[np.ndarray | None]:
    """Maps of which the aligned depth is the true one for this scale and shift."""
    target = [depth if kind == "depth" else 1 / depth for depth in scene.depth]
    return [(values - beta) / alpha for values in target]


def maps_of(scene: LocalScene, kind: str = "depth", alpha: float = 2.0, beta: float = 0.4):
    return PriorMaps(given(scene, kind, alpha, beta), kind, scene.views, on_surface(scene), 0)


def on_surface(scene: LocalScene):
    """Tracks of points on the surfaces: one observation each is all that a map needs."""
    rng = np.random.default_rng(3)
    points, view, rays = [], [], []
    for v, (depth, K) in enumerate(zip(scene.depth, scene.views.Ks, strict=True)):
        row, column = rng.integers(4, (depth.shape[0] - 4, depth.shape[1] - 4), (60, 2)).T
        at = (np.stack([column, row], 1) + 0.5 - K[:2, 2]) / K[0, 0]
        pose = scene.views.cam_from_world[v]
        z = depth[row, column]
        points.append((np.c_[at, np.ones(60)] * z[:, None] - pose[:3, 3]) @ pose[:3, :3])
        view.append(np.full(60, v))
        rays.append(at)
    count = 60 * len(scene.depth)
    return replace(
        scene.tracks,
        points=np.concatenate(points),
        track=np.arange(count),
        view=np.concatenate(view),
        rays=np.concatenate(rays),
    )


def test_cloud_term_is_the_chamfer_distance() -> None:
    a, b = cloud(200, 0), cloud(150, 1)
    there, j = cKDTree(b).query(a)
    here = cKDTree(a).query(b)[0]
    expected = (there / b[j, 2].numpy()).mean() + (here / b[:, 2].numpy()).mean()
    assert float(cloud_term(a, b, 10.0)) == pytest.approx(expected, rel=1e-12)
    near = there <= 0.05 * a[:, 2].numpy()
    back = here <= 0.05 * b[:, 2].numpy()
    expected = (there[near] / b[j[near], 2].numpy()).mean()
    expected += (here[back] / b[back, 2].numpy()).mean()
    assert float(cloud_term(a, b, 0.05)) == pytest.approx(expected, rel=1e-12)
    assert float(cloud_term(a, a, 0.05)) < 1e-9
    assert float(cloud_term(a, cloud(0, 0), 0.05)) == 0


def test_terms_have_the_derivatives_of_finite_differences() -> None:
    points = cloud(30, 2).requires_grad_()
    reference = cloud(25, 3)
    assert torch.autograd.gradcheck(lambda p: cloud_term(p, reference, 10.0), points)
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(12, 16, 3, generator=generator, dtype=torch.float64)
    colors = torch.rand(30, 3, generator=generator, dtype=torch.float64)
    K = torch.tensor([[14.0, 0, 8], [0, 14, 6], [0, 0, 1]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda p: surface_term(p, colors, image, K), points)
    rendered = (1 + torch.rand(5, 6, generator=generator, dtype=torch.float64)).requires_grad_()
    prior = 3 + torch.rand(5, 6, generator=generator, dtype=torch.float64)
    prior[0, :3] = float("nan")
    prior.requires_grad_()
    assert torch.autograd.gradcheck(depth_term, (rendered, prior))


def test_poses_and_scales_have_the_derivatives_of_finite_differences(scene: LocalScene) -> None:
    """Through the whole chain: twist and (A, B) to the cloud and the surface term."""
    maps = maps_of(scene)
    base = torch.from_numpy(scene.views.cam_from_world)
    image = torch.from_numpy(scene.views.images[1] / 255)
    K = torch.from_numpy(scene.views.Ks[1])
    rays, depth, _ = maps.cloud(1)
    reference = lifted(rays, depth).detach()

    def total(twist: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
        maps.changes[0] = change
        rays, depth, colors = maps.cloud(0)
        points = moved(lifted(rays, depth), se3_exp(twist) @ base[0], base[1])
        return surface_term(points, colors, image, K) + cloud_term(points, reference, 10.0)

    rng = np.random.default_rng(4)
    twist = torch.from_numpy(0.01 * rng.standard_normal(6)).requires_grad_()
    change = torch.tensor([1.03, 0.02], dtype=torch.float64, requires_grad=True)
    value = total(twist, change)
    value.backward()
    for leaf in (twist, change):
        assert leaf.grad is not None
        for k in range(len(leaf)):
            values = []
            for step in (1e-6, -1e-6):
                with torch.no_grad():
                    leaf[k] += step
                    values.append(float(total(twist, change)))
                    leaf[k] -= step
            numeric = (values[0] - values[1]) / 2e-6
            assert float(leaf.grad[k]) == pytest.approx(numeric, rel=2e-2, abs=2e-4)


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_first_scale_and_shift_are_those_of_the_tracks(scene: LocalScene, kind: str) -> None:
    maps = maps_of(scene, kind)
    assert len(maps) == len(scene.depth)
    for view, depth in enumerate(scene.depth):
        found = maps.picture(view, *depth.shape).detach().numpy()
        known = np.isfinite(found)
        assert known.mean() > 0.5
        np.testing.assert_allclose(found[known], depth[known], rtol=0.03)


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_scale_and_shift_come_back_from_a_wrong_start(scene: LocalScene, kind: str) -> None:
    """With the true poses the two terms of pairs alone tell each map's scale and shift."""
    maps = maps_of(scene, kind)
    exact = [maps.picture(v, *d.shape).detach() for v, d in enumerate(scene.depth)]
    cameras = ClusterCameras(scene.views, scene.tracks, maps, 84.0, SCHEDULE, WEIGHTS)
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for change in maps.changes:
            change += torch.from_numpy(rng.uniform(-0.06, 0.06, 2))

    def errors() -> list[float]:
        found = [maps.picture(v, *d.shape).detach() for v, d in enumerate(scene.depth)]
        return [float((a / b - 1).abs().nanmedian()) for a, b in zip(found, exact, strict=True)]

    before = errors()
    optimizer = torch.optim.Adam(maps.changes, lr=4e-3)
    for step in range(150):
        optimizer.zero_grad()
        sum(cameras.pair_terms(view, step) for view in range(len(maps))).backward()
        optimizer.step()
    assert max(errors()) < 0.012
    assert max(errors()) < 0.4 * max(before)


def test_terms_do_not_depend_on_the_gauge(scene: LocalScene) -> None:
    """Another frame and unit of the world: with depth in that unit nothing changes."""
    frame = Similarity(2.7, so3_exp(np.array([0.3, -0.8, 0.2])), np.array([4.0, -1.0, 0.5]))
    tracks = on_surface(scene)
    there = LocalScene(
        replace(scene.views, cam_from_world=frame.cam_from_world(scene.views.cam_from_world)),
        tuple(frame.scale * depth for depth in scene.depth),
        tracks.moved(frame.points(tracks.points)),
    )
    maps = given(scene, "depth", 2.0, 0.4)
    terms = []
    for one, own in ((scene, tracks), (there, there.tracks)):
        prior = PriorMaps(maps, "depth", one.views, own, 0)
        cameras = ClusterCameras(one.views, scene.tracks, prior, 84.0, SCHEDULE, WEIGHTS)
        rendered = torch.from_numpy(one.depth[0] * 1.1)
        with torch.no_grad():
            prior.changes[0] += torch.tensor([0.03, -0.02])
            terms.append(
                [
                    float(cameras.pair_terms(0, 0)),
                    float(cameras.pair_terms(2, 1)),
                    float(depth_term(rendered, prior.picture(0, *rendered.shape))),
                ]
            )
    assert terms[0][0] > 1e-3
    np.testing.assert_allclose(terms[1], terms[0], rtol=1e-3)


def test_a_map_that_lies_takes_no_part(scene: LocalScene) -> None:
    maps = given(scene, "depth", 1.0, 0.0)
    rng = np.random.default_rng(5)
    assert maps[2] is not None
    maps[1], maps[2] = None, rng.permutation(maps[2].ravel()).reshape(maps[2].shape)
    found = PriorMaps(maps, "auto", scene.views, on_surface(scene), 0)
    assert [one is not None for one in found.maps] == [True, False, False, True]
    cameras = ClusterCameras(scene.views, scene.tracks, found, 84.0, SCHEDULE, WEIGHTS)
    assert cameras.wants_depth(0)
    for step in range(3):
        assert torch.isfinite(cameras.pair_terms(0, step))
        cameras.viewmat(1, step)
        assert torch.isfinite(cameras.term(1, step))


def test_trust_in_prior_depth_anneals_to_zero(scene: LocalScene) -> None:
    weights = replace(WEIGHTS, anneal=0.5)
    cameras = ClusterCameras(scene.views, scene.tracks, maps_of(scene), 84.0, SCHEDULE, weights)
    trust = [cameras.trust(step) for step in range(0, 101, 10)]
    assert trust[0] == 1
    assert trust == sorted(trust, reverse=True)
    assert trust[5:] == [0] * 6
    assert not cameras.wants_depth(50)
    shown = torch.from_numpy(1.2 * scene.depth[0]).float()
    cameras.viewmat(0, 20)
    with_prior = cameras.term(0, 20, shown)
    cameras.viewmat(0, 60)
    without = cameras.term(0, 60, shown)
    assert float(without.detach()) < 1e-6 < float(with_prior.detach())
