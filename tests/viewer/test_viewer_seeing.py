"""What the viewer finds out by looking along rays: clicked points, errors seen from anywhere."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scenes.splats import orbit, random_splats
from scenes.viewer_run import compute_run

from splatpose.camera_path.paths import look_at
from splatpose.scene.splats import Splats
from splatpose.viewer.web.comparing import (
    Reference,
    References,
    Surface,
    compare,
    heat_map,
    view_angles,
)
from splatpose.viewer.web.follow import RunFollower
from splatpose.viewer.web.gaussians import for_browser
from splatpose.viewer.web.picking import depth_along, seen_along
from splatpose.viewer.web.server_render import Renderer, Request
from splatpose.viewer.web.world import ShownSplats, World

AHEAD = np.array([0.0, 0.0, 1.0])
NOTHING = np.zeros((0, 3))


def sheets(*planes: tuple[float, float]) -> Splats:
    """Walls of flat Gaussians across the z axis: (depth, opacity) of each."""
    x, y = np.meshgrid(np.linspace(-1, 1, 15), np.linspace(-1, 1, 15))
    means = np.concatenate(
        [np.stack([x, y, np.full_like(x, z)], 2).reshape(-1, 3) for z, _ in planes]
    )
    opacity = np.repeat([o for _, o in planes], x.size)
    count = len(means)
    return Splats(
        means=torch.tensor(means, dtype=torch.float32),
        quats=torch.tensor([[1.0, 0, 0, 0]]).expand(count, 4).clone(),
        log_scales=torch.tensor([0.1, 0.1, 0.001]).log().expand(count, 3).clone(),
        logit_opacities=torch.tensor(opacity).logit().float(),
        sh=torch.zeros(count, 1, 3),
    )


def test_a_ray_ends_on_the_surface_and_not_between_two() -> None:
    wall = sheets((2.0, 0.95), (3.0, 0.95))
    assert depth_along(wall, np.zeros(3), AHEAD) == pytest.approx(2.0, abs=1e-3)
    veiled = sheets((1.0, 0.02), (3.0, 0.95))
    assert depth_along(veiled, np.zeros(3), AHEAD) == pytest.approx(3.0, abs=1e-3)
    assert depth_along(wall, np.zeros(3), -AHEAD) is None, "it is behind"
    assert depth_along(sheets((2.0, 0.01)), np.zeros(3), AHEAD) is None, "hardly anything"
    slanted = np.array([0.3, 0.0, 1.0]) / np.hypot(0.3, 1)
    found = seen_along(wall, NOTHING, np.zeros(3), 5 * slanted)
    np.testing.assert_allclose(found, slanted * 2 * np.hypot(0.3, 1), atol=1e-2)


def test_a_ray_meets_turned_gaussians_where_they_are_rendered() -> None:
    splats = random_splats(300, 0)
    splats = dataclasses.replace(splats, logit_opacities=splats.logit_opacities + 4)
    poses, Ks = orbit(6, 96, 72)
    shown = ShownSplats(for_browser(splats), splats, None)
    renderer, errors = Renderer(), []
    for pose, K in zip(poses, Ks, strict=True):
        picture = renderer.render(
            Request(shown, pose, 2 * np.arctan(36 / K[1, 1]), (96, 72)), 96, 72
        )
        assert picture.depth is not None
        center, middle = np.linalg.inv(pose)[:3, 3], picture.depth[35:37, 47:49].mean()
        depth = depth_along(splats, center, pose[2, :3])
        assert depth is not None
        errors.append(abs(depth - middle))
    assert np.median(errors) < 0.1, "of a ball of radius 1"


def test_without_gaussians_the_nearest_sparse_point_is_meant() -> None:
    points = np.array([[0.0, 0, 5], [0.02, 0, 4], [2, 0, 4], [0, 0, -3]])
    found = seen_along(None, points, np.zeros(3), AHEAD)
    np.testing.assert_array_equal(found, points[0])
    assert seen_along(None, points, np.zeros(3), np.array([0.0, 1, 0])) is None
    assert seen_along(None, NOTHING, np.zeros(3), AHEAD) is None


K = np.array([[80.0, 0, 48], [0, 80, 36], [0, 0, 1]])


def painted_wall(pose: np.ndarray) -> tuple[np.ndarray, Surface]:
    """A picture of the plane z = 3 + x / 5 with waves of colour, and its depths."""
    u, v = np.meshgrid(np.arange(96) + 0.5, np.arange(72) + 0.5)
    rays = np.stack([u, v, np.ones_like(u)], 2) @ np.linalg.inv(K).T @ pose[:3, :3]
    center, normal = -pose[:3, :3].T @ pose[:3, 3], np.array([-0.2, 0, 1])
    depth = (3 - normal @ center) / (rays @ normal)
    place = center + depth[..., None] * rays
    shade = 127 + 100 * np.sin(3 * place[..., 0]) * np.cos(2 * place[..., 1])
    image = np.repeat(shade[..., None], 3, axis=2).round().astype(np.uint8)
    return image, Surface(K, pose, depth, np.ones_like(depth, bool))


def reference_at(pose: np.ndarray) -> tuple[Reference, Surface]:
    image, surface = painted_wall(pose)
    return Reference("there.jpg", False, image, K, pose), surface


HERE = look_at(np.array([0.4, -0.2, 0.0]), np.array([0.0, 0.1, 3.0]))
THERE = look_at(np.array([-0.3, 0.1, 0.2]), np.array([0.2, 0.0, 3.0]))


def test_what_is_rendered_right_has_no_error_from_elsewhere() -> None:
    pixels, here = painted_wall(HERE)
    reference, there = reference_at(THERE)
    picture, share = compare(pixels, here, reference, there)
    assert 0.7 < share < 1
    unmoved, everything = compare(pixels, here, *reference_at(HERE))
    assert everything == 1
    assert unmoved.max() == heat_map(np.zeros((1, 1))).max()
    known = heat_map(np.full((1, 1), 4.0)).sum()
    assert np.median(picture.sum(2)) <= known
    wrong, _ = compare(
        np.clip(pixels.astype(int) + 30, 0, 255).astype(np.uint8), here, reference, there
    )
    expected = heat_map(np.full((1, 1), 30.0))[0, 0].astype(float)
    assert np.abs(np.median(wrong.reshape(-1, 3), 0) - expected).max() < 12


def test_what_the_photo_does_not_see_is_grey() -> None:
    pixels, here = painted_wall(HERE)
    reference, there = reference_at(THERE)
    _, share = compare(pixels, here, reference, there)
    near = there.depth.copy()
    near[:, :48] = 1.0  # something stands before the left half
    hidden, less = compare(pixels, here, reference, dataclasses.replace(there, depth=near))
    assert 0.2 * share < less < 0.8 * share
    assert (hidden[:, 3] == (pixels[:, 3] * 0.3).round()).all()
    away = look_at(np.array([0.0, 0, 0]), np.array([0.0, 0, -3]))
    assert compare(pixels, here, dataclasses.replace(reference, cam_from_world=away), there)[1] == 0


def test_the_nearest_photo_is_near_and_looks_the_same_way() -> None:
    points = np.random.default_rng(0).normal(size=(100, 3)) * 0.2 + [0, 0, 3]
    middle = np.array([0.0, 0, 3])
    others = np.stack(
        [
            look_at(np.array([0.1, 0, 0]), np.array([3.0, 0, 1.5])),
            look_at(np.array([1.0, 0, 0]), middle),
            look_at(np.array([0.4, 0, 0]), middle),
            look_at(np.array([0.0, 0, 6]), middle),
        ]
    )
    angles = view_angles(look_at(np.zeros(3), middle), others, points)
    assert np.argsort(angles).tolist()[:2] == [2, 1]
    assert angles[3] > np.pi


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    out = tmp_path_factory.mktemp("seeing") / "run"
    compute_run(out, 30)
    follower = RunFollower(out)
    follower.look()
    return follower.world


def test_the_error_mode_says_what_it_compares_with(world: World) -> None:
    assert world.poses is not None
    assert world.splats is not None
    references, renderer, shown = References(), Renderer(), world.splats

    def render(pose: np.ndarray, reference: Reference | None) -> str:
        request = Request(shown, pose, 0.8, (96, 72), "error", None, reference)
        return renderer.render(request, 96, 72).note

    pose = world.poses.cam_from_world[3].copy()
    pose[0, 3] += 0.1
    reference = references.nearest(world, pose)
    assert reference is not None
    assert reference.name == "photo_3.png"
    assert references.nearest(world, pose) is reference, "it is not read again"
    assert "photo_3.png" in render(pose, reference)
    away = look_at(np.array([0.0, 40, 0]), np.array([0.0, 80, 0.1]))
    assert references.nearest(world, away) is None
    assert "Too far from every photo" in render(pose, None)
    assert "Too far" in render(np.diag([1.0, -1, -1, 1]) @ pose, reference)


def test_the_error_mode_is_dark_where_the_photo_is_met() -> None:
    """A photo that is the rendering itself, looked at from beside it."""
    splats = random_splats(400, 0)
    splats = dataclasses.replace(splats, logit_opacities=splats.logit_opacities + 3)
    shown, renderer = ShownSplats(for_browser(splats), splats, None), Renderer()
    poses, Ks = orbit(60, 96, 72)
    fov = 2 * np.arctan(36 / Ks[0][1, 1])
    photo = renderer.render(Request(shown, poses[20], fov, (96, 72)), 96, 72).image
    reference = Reference("a.jpg", True, photo, Ks[0], poses[20])

    def brightness(pose: np.ndarray) -> float:
        request = Request(shown, pose, fov, (96, 72), "error", None, reference)
        picture = renderer.render(request, 96, 72)
        assert "(held out)" in picture.note
        return float(picture.image[20:52, 30:66].mean())

    same = brightness(poses[20])
    beside = brightness(poses[21])
    reference = dataclasses.replace(reference, image=np.ascontiguousarray(photo[::-1, ::-1]))
    assert same < 2
    assert beside < 0.5 * brightness(poses[21])
