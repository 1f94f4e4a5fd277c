"""Depth maps at pixels and in space."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scenes.depth import CAMERA, make_depth_scene, pixel_grid, ray_cast, surface_error

from splatpose.depth.sampling import aligned_depth, on_surface, sample_map
from splatpose.geometry.projection import normalized_from_pixels


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 40), st.integers(2, 40), st.integers(0, 99))
def test_a_linear_map_is_sampled_exactly_at_any_resolution(
    rows: int, columns: int, seed: int
) -> None:
    """Value (r, c) lies at the pixel ((c + 0.5) W / columns, (r + 0.5) H / rows)."""
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=3)
    width, height = 640, 480
    x = (np.arange(columns) + 0.5) * width / columns
    y = (np.arange(rows) + 0.5) * height / rows
    values = a * x / width + b * y[:, None] / height + c
    pixels = rng.uniform((x[0], y[0]), (x[-1], y[-1]), (50, 2))
    expected = a * pixels[:, 0] / width + b * pixels[:, 1] / height + c
    np.testing.assert_allclose(sample_map(values, pixels, width, height), expected, atol=1e-9)


def test_samples_know_what_is_not_there() -> None:
    values = np.arange(12.0).reshape(3, 4)
    values[1, 2] = np.nan
    at = np.array([[25.0, 15.0], [15.0, 15.0], [-0.1, 5.0], [41.0, 5.0], [np.nan, 5.0], [0.0, 0.0]])
    found = sample_map(values, at, 40, 30)
    np.testing.assert_array_equal(found, [np.nan, 5, np.nan, np.nan, np.nan, 0])
    # Between a valid and an invalid value: the valid one alone, on its own side only.
    near = sample_map(values, np.array([[19.0, 15.0], [21.0, 15.0]]), 40, 30)
    np.testing.assert_allclose(near, [5, np.nan])


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_numpy_and_torch_align_alike_and_gradients_are_right(kind) -> None:
    values = np.array([[0.5, 1.0, 2.0], [-3.0, 4.0, np.nan]])
    numpy = aligned_depth(values, 0.7, 0.2, kind)
    assert np.isnan(numpy[1]).tolist() == [True, False, True]
    tensor = torch.from_numpy(values).requires_grad_()
    alpha, beta = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (0.7, 0.2))
    found = aligned_depth(tensor, alpha, beta, kind)
    np.testing.assert_allclose(found.detach().numpy(), numpy, rtol=1e-12)
    found[torch.isfinite(found)].sum().backward()
    assert alpha.grad is not None
    assert torch.isfinite(alpha.grad)
    good = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda v, a, b: aligned_depth(v, a, b, kind), (good, alpha, beta)
    )


def back_project(depth: np.ndarray, pose: np.ndarray) -> np.ndarray:
    """World points of a map's surfaces."""
    rows, columns = depth.shape
    keep = on_surface(depth, CAMERA).ravel()
    pixels = pixel_grid(rows, columns)[keep]
    rays = np.c_[normalized_from_pixels(CAMERA, pixels), np.ones(len(pixels))]
    return (rays * depth.reshape(-1, 1)[keep] - pose[:3, 3]) @ pose[:3, :3]


@pytest.mark.parametrize("blur", [0.0, 1.0, 2.0])
def test_no_points_hang_between_object_and_background(blur: float) -> None:
    """A network's edges are smeared; what lies in between must go, the surfaces must stay."""
    scene = make_depth_scene(points=1)
    for pose, true in zip(scene.poses.cam_from_world, scene.depth, strict=True):
        depth = cv2.GaussianBlur(true, (0, 0), blur) if blur else true.copy()
        depth[:20, :30] = np.nan
        assert surface_error(back_project(depth, pose)).max() < 0.25  # the ball: 1 before it
        kept = on_surface(depth, CAMERA)
        assert not kept[:20, :30].any()
        assert kept.mean() > 0.85


def test_a_steep_wall_is_a_surface_at_any_resolution() -> None:
    """75 degrees between the viewing ray and the normal: sheer, but no edge."""
    pose = np.eye(4)
    turn = np.radians(75)
    for rows, columns in ((90, 120), (180, 240), (360, 480)):
        pixels = pixel_grid(rows, columns)
        pinhole = CAMERA.__class__("SIMPLE_PINHOLE", 480, 360, CAMERA.params[:3])
        u = (pixels - pinhole.params[1:]) / pinhole.params[0]
        depth = (1 / (1 - u[:, 0] * np.tan(turn) * 0.4)).reshape(rows, columns)
        middle = np.where(depth > 0, depth, np.nan)
        assert on_surface(middle, pinhole)[:, : columns // 2].all()
    assert ray_cast(pose, pixels[:1])[0].shape == (1,)
