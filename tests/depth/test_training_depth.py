"""Which maps a training is to look at, and what it then knows of the depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.depth import CAMERA, DepthScene, make_depth_scene, priors_of, ray_cast

from splatpose.depth import training_depth as choosing
from splatpose.depth.alignment import align
from splatpose.depth.map_worth import map_worth
from splatpose.depth.sampling import undistorted_map
from splatpose.depth.training_depth import TrainingDepth, training_depth
from splatpose.events import Message
from splatpose.geometry.projection import pixels_from_normalized
from splatpose.keys import Keyed
from splatpose.scene.views import Views
from splatpose.stages.depth.stage import guided

K = np.array([[105.0, 0, 60], [0, 105, 45], [0, 0, 1]])
WIDTH, HEIGHT = 120, 90


@pytest.fixture(scope="module")
def scene() -> DepthScene:
    return make_depth_scene(points=120)


def views_of(scene: DepthScene, held_out: tuple[int, ...] = ()) -> Views:
    count = len(scene.poses.names)
    return Views(
        names=scene.poses.names,
        images=(np.zeros((HEIGHT, WIDTH, 3), np.uint8),) * count,
        masks=(None,) * count,
        Ks=np.tile(K, (count, 1, 1)),
        cam_from_world=scene.poses.cam_from_world,
        held_out=np.isin(np.arange(count), held_out),
        points=scene.poses.points,
        point_colors=scene.poses.point_colors,
    )


def chosen(
    scene: DepthScene, folder: Path, maps: list, views: Views, wish="auto", kind: str = "auto"
) -> TrainingDepth:
    folder.mkdir(exist_ok=True)
    priors = priors_of(folder, maps, kind)
    alignment = align(priors, scene.poses, [(CAMERA.width, CAMERA.height)] * len(maps))
    return training_depth(priors, alignment, scene.poses, views, wish)


def test_depth_is_that_of_the_undistorted_pixels(scene: DepthScene, tmp_path: Path) -> None:
    views = views_of(scene, held_out=(2,))
    found = chosen(scene, tmp_path, [*scene.depth], views)
    assert found.depths is not None
    assert found.depths[2] is None
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = (np.stack([x.ravel(), y.ravel()], 1) - K[:2, 2]) / K[0, 0]
    for view in (0, 4):
        depth = found.depths[view]
        assert depth is not None
        true, _ = ray_cast(views.cam_from_world[view], pixels_from_normalized(CAMERA, rays))
        error = np.abs(depth / true.reshape(HEIGHT, WIDTH) - 1)
        assert np.isfinite(error).mean() > 0.85  # jumps, and what the map does not cover, are not
        assert np.nanquantile(error, 0.99) < 0.01
    assert found.reason == "depth maps guide the training on 4 of 4 photos"


@pytest.mark.parametrize("kind", ["depth", "disparity"])
def test_no_scale_and_no_shift_of_a_map_changes_anything(
    scene: DepthScene, tmp_path: Path, kind: str
) -> None:
    values = [depth if kind == "depth" else 1 / depth for depth in scene.depth]
    moved = [0.01 * (i + 1) * value + 7 * i for i, value in enumerate(values)]
    views = views_of(scene)
    plain = chosen(scene, tmp_path / "plain", values, views, "on", kind)
    other = chosen(scene, tmp_path / "other", moved, views, "on", kind)
    assert plain.depths is not None
    assert other.depths is not None
    for a, b in zip(plain.depths, other.depths, strict=True):
        assert a is not None
        assert b is not None
        both = np.isfinite(a) & np.isfinite(b)
        assert both.mean() > 0.85
        np.testing.assert_allclose(a[both], b[both], rtol=1e-3)


def test_maps_that_say_nothing_take_no_part_and_reasons_are_told(
    scene: DepthScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng, views = np.random.default_rng(0), views_of(scene)
    noise = [rng.uniform(1, 2, depth.shape) for depth in scene.depth]
    assert chosen(scene, tmp_path, noise, views).depths is None
    assert "none agrees" in chosen(scene, tmp_path, noise, views, "on").reason
    maps = [*scene.depth]
    assert "as asked" in chosen(scene, tmp_path, maps, views, "off").reason
    monkeypatch.setattr(choosing, "MOST_PHOTOS", 4)
    assert "5 photos tell the depth" in chosen(scene, tmp_path, maps, views).reason
    assert chosen(scene, tmp_path, maps, views, "on").depths is not None
    held_out = chosen(scene, tmp_path, maps, views_of(scene, held_out=(0, 1, 2, 3, 4)))
    assert held_out.depths is None


def test_where_points_are_everywhere_no_map_is_looked_at_but_as_asked(tmp_path: Path) -> None:
    scene = make_depth_scene(points=400)
    maps, views = [*scene.depth], views_of(scene)
    auto = chosen(scene, tmp_path, maps, views)
    assert auto.depths is None
    assert "points tell the depth of 71 % of the photos" in auto.reason
    assert chosen(scene, tmp_path, maps, views, "on").depths is not None


def test_maps_that_know_little_relief_are_off_by_themselves(
    scene: DepthScene, tmp_path: Path
) -> None:
    """Noise that agrees with the points well enough to be kept, and is looked at only if asked."""
    maps = [
        np.clip(depth + 1.4 * np.random.default_rng(i).standard_normal(depth.shape), 0.1, None)
        for i, depth in enumerate(scene.depth)
    ]
    views = views_of(scene)
    assert "2 of 5" in chosen(scene, tmp_path, maps, views, "on").reason
    auto = chosen(scene, tmp_path, maps, views)
    assert auto.depths is None
    assert "none predicts" in auto.reason


def test_left_out_points_tell_maps_apart() -> None:
    rng = np.random.default_rng(1)
    pixels = rng.uniform(0, 400, (300, 2))
    depth = 2 + np.sin(pixels[:, 0] / 60) + 0.5 * np.cos(pixels[:, 1] / 40)
    exact = map_worth(3 * depth - 1, depth, pixels, "depth")
    assert exact.known_relief == pytest.approx(1, abs=1e-9)
    weak = map_worth(depth + rng.normal(0, 0.2, 300), depth, pixels, "depth")
    assert 0.4 < weak.known_relief < 0.95
    nothing = map_worth(rng.normal(0, 1, 300), depth, pixels, "depth")
    assert nothing.known_relief < 0.2
    wrong = map_worth(-depth, depth, pixels, "depth")
    assert wrong.by_map == np.inf
    assert wrong.known_relief < 0
    unit = map_worth(3 * depth - 1, 1000 * depth, pixels, "depth")
    assert unit.flat == pytest.approx(exact.flat, rel=1e-9)


def test_a_map_at_the_pixels_of_the_undistorted_picture() -> None:
    """Values that grow along the photo's x axis are where the lens puts the picture's pixels."""
    values = np.tile(np.arange(480) + 0.5, (360, 1))
    found = undistorted_map(values, CAMERA, K, WIDTH, HEIGHT)
    y, x = np.mgrid[:HEIGHT, :WIDTH] + 0.5
    rays = (np.stack([x.ravel(), y.ravel()], 1) - K[:2, 2]) / K[0, 0]
    expected = pixels_from_normalized(CAMERA, rays)[:, 0].reshape(HEIGHT, WIDTH)
    known = np.isfinite(found)
    assert known.mean() > 0.8
    np.testing.assert_allclose(found[known], expected[known], atol=0.51)
    assert np.abs(found - expected)[known & (expected > 1) & (expected < 479)].max() < 1e-9


def test_views_change_their_key_only_where_they_get_depth(
    scene: DepthScene, tmp_path: Path
) -> None:
    views, poses = Keyed(views_of(scene), "views"), Keyed(scene.poses, "poses")
    priors = priors_of(tmp_path, [*scene.depth])
    sizes = [(CAMERA.width, CAMERA.height)] * len(scene.depth)
    fits = Keyed(align(priors, scene.poses, sizes), "fits")
    events: list = []
    seen = guided(views, Keyed(priors, "maps"), fits, poses, "auto", events.append)
    assert seen.key != views.key
    assert seen.value.depths is not None
    assert guided(views, Keyed(priors, "maps"), fits, poses, "off", events.append) is views
    assert events[0] == Message("depth", "depth maps guide the training on 5 of 5 photos")
    assert "as asked" in events[1].text
