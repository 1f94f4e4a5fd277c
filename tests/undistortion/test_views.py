"""Undistortion, resampling, the held-out split, and `Views` on disk."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from PIL import Image

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, Progress, ignore_events
from splatpose.scene.camera import Camera
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.views import Views
from splatpose.stages.views.config import ViewsConfig
from splatpose.stages.views.stage import load_views, undistort_views
from splatpose.undistortion.lens import Pinhole, choose_pinhole, distort, undistort
from splatpose.undistortion.resample import Resampler

WIDTH, HEIGHT = 600, 420
CAMERAS = {
    "SIMPLE_PINHOLE": [500.0, 303.0, 207.0],
    "PINHOLE": [500.0, 520.0, 303.0, 207.0],
    "SIMPLE_RADIAL": [500.0, 297.0, 214.0, -0.12],
    "RADIAL": [480.0, 303.0, 207.0, 0.09, -0.03],
    "OPENCV": [500.0, 510.0, 303.0, 207.0, -0.2, 0.05, 0.004, -0.006],
    "FULL_OPENCV": [500.0, 510.0, 303.0, 207.0, 0.23, -0.6, 0.004, -0.006, 0.7, 0.05, -0.02, 0.01],
}


def camera_of(model: str) -> Camera:
    return Camera(model, WIDTH, HEIGHT, np.array(CAMERAS[model]))  # pyright: ignore[reportArgumentType]


def colmap(camera: Camera) -> pycolmap.Camera:
    """The same camera in COLMAP, whose projection is the oracle here."""
    return pycolmap.Camera(
        model=camera.model, width=camera.width, height=camera.height, params=camera.params
    )


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Pixels of points in the camera frame, by COLMAP."""
    pixels = colmap(camera).img_from_cam(points)
    assert pixels is not None
    return pixels


def unproject(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """Points on the plane z = 1 that are seen at the pixels, by COLMAP."""
    rays = colmap(camera).cam_from_img(pixels)
    assert rays is not None
    return rays


def render_dots(pixels: np.ndarray, sigma: float, width: int, height: int) -> np.ndarray:
    """A photo of bright dots whose centres are exactly at `pixels`."""
    y, x = np.mgrid[:height, :width] + 0.5
    picture = np.zeros((height, width))
    for px, py in pixels:
        picture += np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2))
    return np.repeat((250 * picture).round().astype(np.uint8)[..., None], 3, axis=2)


def dot_centre(image: np.ndarray, near: np.ndarray, sigma: float) -> np.ndarray:
    """Centre of mass of the dot at about `near`, in our pixel convention."""
    left, top = (np.floor(near - 4 * sigma)).astype(int)
    size = int(np.ceil(8 * sigma))
    patch = image[top : top + size, left : left + size, 0].astype(float)
    y, x = np.mgrid[: patch.shape[0], : patch.shape[1]]
    centre = np.array([(patch * x).sum(), (patch * y).sum()]) / patch.sum()
    return centre + np.array([left, top]) + 0.5


@pytest.mark.parametrize("max_size", [2000, 400, 190])
@pytest.mark.parametrize("model", CAMERAS)
def test_undistorted_dots_land_at_their_pinhole_projection(
    tmp_path: Path, model: str, max_size: int
) -> None:
    """3D points seen through the lens end where the new pinhole camera projects them."""
    camera = camera_of(model)
    pinhole = choose_pinhole(camera, max_size)
    reduction = camera.K[0, 0] / pinhole.K[0, 0]
    sigma = 2.0
    # 3D points whose dots are wholly inside both pictures and apart from each other.
    margin = 5 * sigma
    new = np.stack(
        np.meshgrid(
            np.linspace(margin, pinhole.width - margin, 6) + 0.3,
            np.linspace(margin, pinhole.height - margin, 5) - 0.2,
        ),
        axis=-1,
    ).reshape(-1, 2)
    rays = (new - pinhole.K[:2, 2]) / np.diag(pinhole.K)[:2]
    depth = np.random.default_rng(0).uniform(1, 5, len(rays))
    points = np.concatenate([rays, np.ones((len(rays), 1))], axis=1) * depth[:, None]
    path = tmp_path / "photo.png"
    photo = render_dots(project(camera, points), sigma * reduction, WIDTH, HEIGHT)
    Image.fromarray(photo).save(path)
    image, mask = Resampler(camera, pinhole)(path)
    assert image.shape == (pinhole.height, pinhole.width, 3)
    assert mask is None
    projected = points @ pinhole.K.T
    projected = projected[:, :2] / projected[:, 2:]
    found = np.array([dot_centre(image, p, sigma) for p in projected])
    assert np.abs(found - projected).max() < 0.06


@pytest.mark.parametrize("model", CAMERAS)
def test_distortion_agrees_with_colmap_and_its_inverse(model: str) -> None:
    camera = camera_of(model)
    pixels = np.random.default_rng(0).uniform((0, 0), (WIDTH, HEIGHT), (200, 2))
    K = camera.K
    distorted = (pixels - K[:2, 2]) / (K[0, 0], K[1, 1])
    rays = undistort(camera, distorted)
    np.testing.assert_allclose(rays, unproject(camera, pixels), atol=1e-6)
    back, possible = distort(camera, rays)
    np.testing.assert_allclose(back, distorted, atol=1e-6)
    assert possible.all()


@pytest.mark.parametrize("model", ["SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV"])
def test_the_picture_is_the_largest_without_empty_pixels(model: str) -> None:
    camera = camera_of(model)
    pinhole = choose_pinhole(camera, 640)
    sides = seen_in_photo(camera, pinhole)
    for side in sides:
        assert np.all(side >= -0.01)
        # Somewhere each side touches the photo's own; rounding to whole pixels may cost one.
        assert side.min() < 1.5
    assert max(pinhole.width, pinhole.height) <= 640
    # Square photo pixels stay square.
    ratio = pinhole.K[1, 1] / pinhole.K[0, 0]
    assert ratio == pytest.approx(camera.K[1, 1] / camera.K[0, 0])


def seen_in_photo(camera: Camera, pinhole: Pinhole) -> list[np.ndarray]:
    """For each side of the new picture: how far inside the photo's own side it is seen."""
    t = np.linspace(0, 1, 101)
    w, h = pinhole.width, pinhole.height
    edges = [
        np.stack([np.zeros_like(t), t * h], 1),
        np.stack([t * w, np.zeros_like(t)], 1),
        np.stack([np.full_like(t, w), t * h], 1),
        np.stack([t * w, np.full_like(t, h)], 1),
    ]
    result = []
    for index, edge in enumerate(edges):
        rays = np.linalg.solve(pinhole.K, np.concatenate([edge, np.ones((101, 1))], 1).T).T
        seen = project(camera, rays)
        distance = seen if index < 2 else (WIDTH, HEIGHT) - seen
        result.append(distance[:, index % 2])
    return result


@pytest.mark.parametrize("model", ["SIMPLE_RADIAL", "RADIAL", "OPENCV", "FULL_OPENCV"])
@pytest.mark.parametrize("max_size", [300, 1000])
def test_kept_edges_are_masked_exactly_where_the_photo_ends(
    tmp_path: Path, model: str, max_size: int
) -> None:
    camera = camera_of(model)
    pinhole = choose_pinhole(camera, max_size, keep_edges=1.0)
    path = tmp_path / "white.png"
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(path)
    image, mask = Resampler(camera, pinhole)(path)
    assert mask is not None
    y, x = np.mgrid[: pinhole.height, : pinhole.width] + 0.5
    pixels = np.stack([x, y, np.ones_like(x)], -1).reshape(-1, 3)
    seen = project(camera, np.linalg.solve(pinhole.K, pixels.T).T)
    depth = np.minimum(seen, (WIDTH, HEIGHT) - seen).min(1).reshape(mask.shape)
    # Up to one pixel of the new picture at the border counts as neither.
    border = camera.K[0, 0] / pinhole.K[0, 0]
    assert mask[depth > border].all()
    assert not mask[depth < -border].any()
    assert np.all(image[mask] == 255)
    assert not image[~mask].any()
    # All that was photographed is there.
    corners = np.array([(0, 0), (0, HEIGHT), (WIDTH, 0), (WIDTH, HEIGHT)], float)
    sides = np.array([(0, 207), (WIDTH, 207), (303, 0), (303, HEIGHT)], float)
    rays = unproject(camera, np.concatenate([corners, sides]))
    kept = rays * np.diag(pinhole.K)[:2] + pinhole.K[:2, 2]
    assert np.all(kept > -1)
    assert np.all(kept < np.array([pinhole.width, pinhole.height]) + 1)


def test_a_polynomial_that_turns_back_shows_nothing_twice(tmp_path: Path) -> None:
    """An absurd but possible estimate: the corners of the photo are beyond the lens's reach."""
    camera = Camera("SIMPLE_RADIAL", WIDTH, HEIGHT, np.array([250.0, 300.0, 210.0, -0.4]))
    pinhole = choose_pinhole(camera, 640, keep_edges=1.0)
    path = tmp_path / "white.png"
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(path)
    image, mask = Resampler(camera, pinhole)(path)
    assert mask is not None
    y, x = np.mgrid[: pinhole.height, : pinhole.width] + 0.5
    radius = np.hypot(
        (x - pinhole.K[0, 2]) / pinhole.K[0, 0], (y - pinhole.K[1, 2]) / pinhole.K[1, 1]
    )
    # d/dr (r + k r^3) = 0
    limit = np.sqrt(1 / 1.2)
    assert not mask[radius > limit + 0.01].any()
    assert mask[radius < limit - 0.01].any()
    assert not image[~mask].any()


@pytest.mark.parametrize("params", [(5000.0, 210.0, -0.4), (300.0, 210.0, np.nan)])
def test_impossible_distortion_is_refused(params: tuple[float, ...]) -> None:
    camera = Camera("SIMPLE_RADIAL", WIDTH, HEIGHT, np.array([500.0, *params]))
    with pytest.raises(SplatposeError, match="impossible"):
        choose_pinhole(camera, 640)


def test_a_photo_is_averaged_when_made_small(tmp_path: Path) -> None:
    """Detail finer than a new pixel turns grey instead of into false patterns."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 2, (HEIGHT * 4, WIDTH * 4), np.uint8) * 255
    path = tmp_path / "noise.png"
    Image.fromarray(noise).save(path)
    camera = camera_of("SIMPLE_RADIAL").resized(WIDTH * 4, HEIGHT * 4)
    image, _ = Resampler(camera, choose_pinhole(camera, 300))(path)
    # 8 x 8 coin tosses of 255 have a standard deviation of 16.
    assert image.mean() == pytest.approx(127.5, abs=1)
    assert 12 < image[..., 0].std() < 20


def scene(tmp_path: Path, names: list[str], registered: list[bool]) -> tuple[Capture, SparseModel]:
    """Photos of two cameras, alternating, each of a different brightness."""
    cameras = (
        camera_of("OPENCV"),
        Camera("SIMPLE_PINHOLE", 200, 300, np.array([220.0, 100.0, 150.0])),
    )
    photos = []
    for index, name in enumerate(names):
        camera = cameras[index % 2]
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (camera.width, camera.height), (index * 9, 100, 200)).save(path)
        photos.append(Photo(name, path, camera.width, camera.height, index % 2, str(index)))
    groups = tuple(CameraGroup("", c.width, c.height, None) for c in cameras)
    count = len(names)
    cam_from_world = np.tile(np.eye(4), (count, 1, 1))
    cam_from_world[:, 0, 3] = np.arange(count)
    cam_from_world[~np.array(registered)] = np.nan
    poses = SparseModel(
        names=tuple(names),
        registered=np.array(registered),
        cam_from_world=cam_from_world,
        camera_index=np.arange(count) % 2,
        cameras=cameras,
        points=np.random.default_rng(0).normal(size=(7, 3)),
        point_colors=np.arange(21, dtype=np.uint8).reshape(7, 3),
        point_errors=np.zeros(7),
        observations=np.zeros((0, 3), int),
        observation_xy=np.zeros((0, 2)),
        model_dir=tmp_path,
        evidence=(),
        hypotheses=(),
    )
    return Capture(tuple(photos), groups), poses


def build(
    tmp_path: Path, capture: Capture, poses: SparseModel, config: ViewsConfig, events: list[Event]
) -> Views:
    part, final = tmp_path / "views.part", tmp_path / "views"
    part.mkdir()
    undistort_views(capture, poses, config, part, events.append)
    part.rename(final)
    return load_views(final)


def test_views_of_a_mixed_capture(tmp_path: Path) -> None:
    names = [f"sub folder/ö {index}.png" for index in range(12)]
    registered = [index not in (1, 6) for index in range(12)]
    capture, poses = scene(tmp_path, names, registered)
    events: list[Event] = []
    views = build(tmp_path, capture, poses, ViewsConfig(max_size=150, eval_every=4), events)
    kept = [index for index in range(12) if registered[index]]
    assert views.names == tuple(names[index] for index in kept)
    for view, index in enumerate(kept):
        image = views.images[view]
        assert max(image.shape) == 150
        assert np.all(image == (index * 9, 100, 200))
        assert views.masks[view] is None
        assert views.cam_from_world[view, 0, 3] == index
        pinhole = choose_pinhole(poses.cameras[index % 2], 150)
        np.testing.assert_array_equal(views.Ks[view], pinhole.K)
        assert image.shape[:2] == (pinhole.height, pinhole.width)
    # NoPe-NeRF: ids[4 // 2 :: 4] of the registered photos.
    assert np.flatnonzero(views.held_out).tolist() == [2, 6]
    np.testing.assert_array_equal(views.points, poses.points)
    np.testing.assert_array_equal(views.point_colors, poses.point_colors)
    progress = [event for event in events if isinstance(event, Progress)]
    assert (progress[-1].done, progress[-1].total) == (10, 10)


def test_masks_come_back_from_disk(tmp_path: Path) -> None:
    capture, poses = scene(tmp_path, ["a.png", "b.png"], [True, True])
    views = build(tmp_path, capture, poses, ViewsConfig(keep_edges=1.0, eval_every=0), [])
    mask = views.masks[0]
    assert mask is not None
    assert mask.shape == views.images[0].shape[:2]
    assert 0.5 < mask.mean() < 1
    assert not views.images[0][~mask].any()
    assert views.masks[1] is None
    assert not views.held_out.any()


@pytest.mark.parametrize(
    ("count", "every", "expected"),
    [(20, 8, [4, 12]), (4, 8, []), (5, 8, [4]), (6, 2, [1, 3, 5]), (9, 0, [])],
)
def test_split(tmp_path: Path, count: int, every: int, expected: list[int]) -> None:
    capture, poses = scene(tmp_path, [f"{i:02d}.png" for i in range(count)], [True] * count)
    views = build(tmp_path, capture, poses, ViewsConfig(max_size=16, eval_every=every), [])
    assert np.flatnonzero(views.held_out).tolist() == expected


EXPOSURES = [0, 1, 2, 3, 4, 4, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("exposures", "config", "expected"),
    [
        (EXPOSURES, ViewsConfig(max_size=16, eval_every=8), [4, 5, 6]),
        (EXPOSURES, ViewsConfig(max_size=16, eval_every=2), [1, 3, 7, 9]),
        (EXPOSURES, ViewsConfig(max_size=16, hold_out=("05.png", "01.png")), [1, 4, 5, 6]),
        ([0] * 7 + [1, 2, 3], ViewsConfig(max_size=16, eval_every=2), [8]),
        ([0] * 10, ViewsConfig(max_size=16, eval_every=2), []),
        ([None] * 10, ViewsConfig(max_size=16, eval_every=8), [4]),
    ],
)
def test_near_copies_of_held_out_photos_are_never_trained_on(
    tmp_path: Path, exposures: list[int | None], config: ViewsConfig, expected: list[int]
) -> None:
    capture, poses = scene(tmp_path, [f"{i:02d}.png" for i in range(10)], [True] * 10)
    photos = zip(capture.photos, exposures, strict=True)
    capture = replace(capture, photos=tuple(replace(p, exposure=e) for p, e in photos))
    events: list[Event] = []
    views = build(tmp_path, capture, poses, config, events)
    assert np.flatnonzero(views.held_out).tolist() == expected
    assert views.exposures is not None
    told = [event.text for event in events if isinstance(event, Message)]
    if len(expected) > 2 and config.eval_every == 8:
        assert told == ["2 near-copies of held-out photos are held out with them."]
    if set(exposures) == {0}:
        assert "No photo is held out" in told[0]


def test_holding_out_all_that_show_the_same_leaves_nothing(tmp_path: Path) -> None:
    capture, poses = scene(tmp_path, ["a.png", "b.png"], [True] * 2)
    capture = replace(capture, photos=tuple(replace(p, exposure=0) for p in capture.photos))
    with pytest.raises(SplatposeError, match="near-copy"):
        build(tmp_path, capture, poses, ViewsConfig(hold_out=("a.png",)), [])


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path) -> None:
    capture, poses = scene(tmp_path, ["a.png", "b.png"], [True, True])
    folder = tmp_path / "part"
    folder.mkdir()
    undistort_views(capture, poses, ViewsConfig(keep_edges=1.0), folder, ignore_events)
    poses = replace(poses, registered=np.array([False, True]))
    undistort_views(capture, poses, ViewsConfig(), folder, ignore_events)
    assert len(list(folder.rglob("*.png"))) == 1
    assert load_views(folder).names == ("b.png",)


def test_a_photo_that_changed_since_is_an_error(tmp_path: Path) -> None:
    capture, poses = scene(tmp_path, ["a.png", "b.png"], [True, True])
    folder = tmp_path / "part"
    folder.mkdir()
    Image.new("RGB", (10, 10)).save(capture.photos[1].path)
    with pytest.raises(SplatposeError, match=r"b\.png is 10x10 now"):
        undistort_views(capture, poses, ViewsConfig(), folder, ignore_events)
    capture.photos[1].path.unlink()
    with pytest.raises(SplatposeError, match="No such file"):
        undistort_views(capture, poses, ViewsConfig(), folder, ignore_events)


@pytest.mark.parametrize(
    "config",
    [
        ViewsConfig(max_size=0),
        ViewsConfig(eval_every=1),
        ViewsConfig(eval_every=-8),
        ViewsConfig(keep_edges=1.5),
    ],
)
def test_impossible_options_are_refused(tmp_path: Path, config: ViewsConfig) -> None:
    capture, poses = scene(tmp_path, ["a.png"], [True])
    with pytest.raises(SplatposeError, match=r"views\..* must be a"):
        undistort_views(capture, poses, config, tmp_path, ignore_events)


def test_damaged_results_are_named(tmp_path: Path) -> None:
    capture, poses = scene(tmp_path, ["a.png"], [True])
    build(tmp_path, capture, poses, ViewsConfig(), [])
    folder = tmp_path / "views"
    (folder / "images" / "000000.png").write_bytes(b"x")
    with pytest.raises(SplatposeError, match="missing or damaged"):
        load_views(folder)
    path = folder / "views.json"
    path.write_text(path.read_text().replace('"version": 1', '"version": 99'))
    with pytest.raises(SplatposeError, match="version 99"):
        load_views(folder)
