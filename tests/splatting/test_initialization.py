"""The first Gaussians: laws of scale, colour and place."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes.splats import synthetic_views

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, ignore_events
from splatpose.scene.splats import Splats
from splatpose.scene.views import Views
from splatpose.splatting.gaussian_model import SH_C0
from splatpose.splatting.initialization import initial_splats, scene_scale, seen_points


def _initial(views: Views, **options: object) -> Splats:
    options = {"fill_below": 0, "max_gaussians": 100_000, "seed": 0, **options}
    return initial_splats(views, ignore_events, **options)  # pyright: ignore[reportArgumentType]


def test_colors_and_opacity_are_those_of_the_points():
    views = synthetic_views()
    splats = _initial(views, opacity=0.25)
    assert len(splats) == len(views.points)
    torch.testing.assert_close(
        splats.means.double(), torch.from_numpy(views.points), atol=1e-6, rtol=0
    )
    colors = splats.sh[:, 0] * SH_C0 + 0.5
    torch.testing.assert_close(colors, torch.from_numpy(views.point_colors / 255).float())
    torch.testing.assert_close(splats.logit_opacities.sigmoid(), torch.full((len(splats),), 0.25))


def test_scales_on_a_grid_are_its_spacing_and_follow_the_world():
    views = synthetic_views()
    axis = np.linspace(-0.5, 0.5, 6)
    grid = np.stack(np.meshgrid(axis, axis, axis), -1).reshape(-1, 3)
    colors = np.zeros(grid.shape, np.uint8)
    splats = _initial(replace(views, points=grid, point_colors=colors))
    expected = torch.full((len(grid), 3), 0.2)
    torch.testing.assert_close(splats.log_scales.exp(), expected, rtol=1e-4, atol=0)
    bigger = views.cam_from_world.copy()
    bigger[:, :3, 3] *= 10
    scaled = replace(views, points=grid * 10, point_colors=colors, cam_from_world=bigger)
    ten = _initial(scaled)
    torch.testing.assert_close(ten.log_scales.exp(), 10 * expected, rtol=1e-4, atol=0)
    assert scene_scale(ten, scaled) == pytest.approx(10 * scene_scale(splats, views), rel=1e-6)


def test_outliers_and_duplicates_get_sane_scales():
    views = synthetic_views()
    points = views.points.copy()
    points[:4] = points[5]
    # One far behind the scene but in sight, one behind a wall of nothing: no camera sees it.
    toward = np.linalg.inv(views.cam_from_world[0])
    points[10] = toward[:3, 3] + 300 * toward[:3, 2]
    points[11] = (0.0, 1e6, 0.0)
    points[12] = np.nan
    splats = _initial(replace(views, points=points))
    assert len(splats) == len(points) - 2
    cloud = seen_points(replace(views, points=points), np.flatnonzero(~views.held_out))
    pixels = splats.log_scales.exp()[:, 0].numpy() / cloud.pixel_sizes
    assert pixels.min() >= 0.299
    assert pixels.max() <= 0.151 * 48


def test_few_points_are_filled_up_and_it_is_said():
    views = synthetic_views()
    few = replace(views, points=views.points[:20], point_colors=views.point_colors[:20])
    events: list[Event] = []
    splats = initial_splats(few, events.append, fill_below=300, max_gaussians=1000, seed=0)
    assert len(splats) == 300
    assert any(isinstance(e, Message) and "280 more" in e.text for e in events)
    photos = np.flatnonzero(~views.held_out)
    sampled = replace(few, points=splats.means.numpy().astype(np.float64),
                      point_colors=np.zeros((300, 3), np.uint8))  # fmt: skip
    assert len(seen_points(sampled, photos).points) == 300


def test_no_points_at_all_still_start():
    views = synthetic_views()
    none = replace(views, points=np.zeros((0, 3)), point_colors=np.zeros((0, 3), np.uint8))
    splats = _initial(none, fill_below=100)
    assert len(splats) == 100
    assert splats.means.isfinite().all()
    assert splats.log_scales.isfinite().all()


def test_the_budget_bounds_the_start():
    assert len(_initial(synthetic_views(), max_gaussians=40)) == 40


def test_nothing_to_train_on_is_refused():
    views = synthetic_views()
    with pytest.raises(SplatposeError, match="held out"):
        _initial(replace(views, held_out=np.ones(len(views.names), bool)))
