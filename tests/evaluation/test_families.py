"""The families of scenes: exact lenses, seeds and places of their own, folders whole or not."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pycolmap
import pytest
import torch
from synthetic.families import of_lenses, paths, scenes, surfels, weather
from synthetic.families.catalogue import FAMILIES
from synthetic.families.catalogue import scenes as all_scenes
from synthetic.families.folders import write_scene
from synthetic.families.lenses import Lens, Warp
from synthetic.families.photos import Label, Shot, World, developed, enlarged, exposed, taken
from synthetic.families.scenes import Scene
from synthetic.families.sites import Site, site
from synthetic.shapes import quad
from synthetic.things import Lamp, Thing
from synthetic.walks.plan import house_walls
from synthetic.walks.shots import drawn_over

from splatpose.evaluation.readers import read_dataset
from splatpose.geometry.projection import project
from splatpose.io.photos import read_header
from splatpose.scene.camera import Camera
from splatpose.scene.splats import Splats

LENSES = (
    Lens(),
    Lens(k=(0.23, -0.78, 0.92)),
    Lens(k=(-0.15, 0.04), center=(200.0, 190.0)),
    Lens(kind="fisheye", focal=300.0, k=(-0.02, 0.004)),
)


def in_view(lens: Lens, count: int = 300) -> np.ndarray:
    """Points of the camera's frame that the lens sees."""
    rng = np.random.default_rng(3)
    pixels = rng.uniform((0, 0), (lens.width, lens.height), (count, 2))
    depth = rng.uniform(0.5, 9.0, (count, 1))
    return np.concatenate([lens.rays(pixels), np.ones((count, 1))], 1) * depth


@pytest.mark.parametrize("k", [(), (-0.12,), (-0.2, 0.08)])
def test_radial_lenses_see_points_where_project_has_them(k):
    lens = Lens(k=k, center=(200.0, 190.0))
    model = ("SIMPLE_PINHOLE", "SIMPLE_RADIAL", "RADIAL")[len(k)]
    camera = Camera(model, 480, 360, np.array([lens.focal, 200.0, 190.0, *k]))
    points = in_view(lens)
    expected, _ = project(camera, np.eye(4), points)
    np.testing.assert_allclose(lens.pixels(points), expected, atol=1e-9)


@pytest.mark.parametrize("lens", LENSES)
def test_lenses_see_points_where_colmap_has_them(lens):
    k = (*lens.k, 0, 0, 0, 0)[:4]
    x, y = lens.principal_point
    params = [lens.focal, lens.focal, x, y]
    if lens.kind == "fisheye":
        model, params = "OPENCV_FISHEYE", [*params, *k]
    else:
        model, params = "FULL_OPENCV", [*params, k[0], k[1], 0, 0, k[2], 0, 0, 0]
    camera = pycolmap.Camera(model=model, width=480, height=360, params=params)
    points = in_view(lens)
    np.testing.assert_allclose(lens.pixels(points), camera.img_from_cam(points), atol=1e-6)


@pytest.mark.parametrize("lens", LENSES)
def test_rays_are_the_inverse_of_pixels(lens):
    pixels = np.random.default_rng(0).uniform((0, 0), (480, 360), (200, 2))
    rays = np.concatenate([lens.rays(pixels), np.ones((200, 1))], 1)
    np.testing.assert_allclose(lens.pixels(rays), pixels, atol=1e-4)


@pytest.mark.parametrize("lens", LENSES)
def test_a_warped_photo_has_at_every_pixel_what_its_ray_meets(lens):
    """A picture that tells the direction of each of its pixels becomes a photo that does so."""
    lens = lens.scaled(0.4)
    warp = Warp(lens)
    K, width, height = warp.pinhole
    columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    picture = np.stack([columns - K[0, 2], rows - K[1, 2]], -1) / K[0, 0] + 5.0
    photo = warp(picture) - 5.0
    columns, rows = np.meshgrid(np.arange(192) + 0.5, np.arange(144) + 0.5)
    expected = lens.rays(np.stack([columns, rows], -1))
    assert np.abs(photo - expected)[3:-3, 3:-3].max() * lens.focal < 0.02  # pixels


def test_a_crop_and_a_smaller_photo_keep_their_rays():
    lens = LENSES[2]
    pixels = np.array([(3.0, 4.0), (100.0, 50.0)])
    crop = lens.cropped(30, 20, 300, 200)
    np.testing.assert_allclose(crop.rays(pixels), lens.rays(pixels + np.array((30, 20))))
    np.testing.assert_allclose(lens.scaled(0.5).rays(pixels), lens.rays(2 * pixels))


def test_a_lens_that_does_not_reach_its_corners_is_told_of():
    with pytest.raises(ValueError, match="corners"):
        _ = Warp(Lens(focal=200.0, k=(-0.6,))).pinhole


@pytest.fixture(scope="module")
def catalogue() -> dict[str, list[Scene]]:
    return {"tune": all_scenes("tune"), "test": all_scenes("test")}


def test_there_are_enough_scenes_of_every_family(catalogue):
    assert len(catalogue["tune"]) >= 100
    assert len(catalogue["test"]) >= 60
    for split in catalogue.values():
        assert {scene.family for scene in split} == set(FAMILIES)
        assert all(3 <= len(scene.shots) <= 30 for scene in split)
        assert sum(len(scene.shots) >= 24 for scene in split) >= 2


def in_village(split: list[Scene]) -> np.ndarray:
    """Places [V, 3] of all photos of the village."""
    shots = [(scene.worlds[shot.place], shot) for scene in split for shot in scene.shots]
    return np.stack([shot.pose[:3, 3] for world, shot in shots if world == "village"])


def test_splits_share_no_seed_no_made_world_and_no_camera(catalogue):
    tune, test = catalogue["tune"], catalogue["test"]
    assert len({scene.seed for scene in tune + test}) == len(tune + test)
    worlds = [{name for scene in split for name in scene.worlds} for split in (tune, test)]
    assert worlds[0] & worlds[1] == {"village"}
    spots = [in_village(split) for split in (tune, test)]
    away = np.linalg.norm(spots[0][:, None] - spots[1], axis=2)
    assert np.quantile(away.min(1), 0.05) > 0.5


def test_a_scene_is_the_same_when_it_is_made_again(catalogue):
    for scene in catalogue["tune"][::9]:
        make = FAMILIES[scene.family][0]
        again = make(scenes.draft(scene.family, scene.split, scene.number))
        for one, other in zip(scene.shots, again.shots, strict=True):
            np.testing.assert_array_equal(one.pose, other.pose)
            assert one.lens == other.lens


def test_every_lens_can_be_drawn_and_every_pose_is_rigid(catalogue):
    for scene in (*catalogue["tune"], *catalogue["test"]):
        for lens in {shot.lens for shot in scene.shots}:
            assert max(Warp(lens).pinhole[1:]) < 2800
        rotation = np.stack([shot.pose[:3, :3] for shot in scene.shots])
        assert np.abs(rotation @ rotation.transpose(0, 2, 1) - np.eye(3)).max() < 1e-9
        assert (np.linalg.det(rotation) > 0).all()


def test_nobody_photographs_from_inside_a_house(catalogue):
    spots = np.concatenate([in_village(split) for split in catalogue.values()])[:, :2]
    for wall in house_walls():
        a, b = np.array(wall.a), np.array(wall.b)
        share = np.clip((spots - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        away = np.linalg.norm(spots - a - share[:, None] * (b - a), axis=1)
        assert away.min() > 0.5


def test_undecidable_scenes_tell_no_depth(catalogue):
    for scene in catalogue["tune"]:
        if scene.family == "zoom_on_the_spot":
            assert not scene.decidable
            centers = np.stack([shot.pose[:3, 3] for shot in scene.shots])
            assert np.linalg.norm(centers - centers[0], axis=1).max() < 0.01
            focals = [shot.lens.focal for shot in scene.shots]
            assert focals[-1] > 1.3 * focals[0]


def test_a_digital_zoom_shows_the_middle(catalogue):
    scene = next(s for s in catalogue["tune"] if s.family == "zooms_under_one_label")
    lenses = sorted({shot.lens for shot in scene.shots}, key=lambda lens: lens.focal)
    assert len(lenses) == 2
    assert lenses[1].focal / lenses[0].focal == pytest.approx(1.5, rel=0.01)
    middle = np.array([(240.0, 180.0)])
    np.testing.assert_allclose(lenses[1].rays(middle), lenses[0].rays(middle), atol=1e-3)


def test_looking_down_puts_the_top_of_the_photo_towards_the_heading():
    pose = paths.looking_down(np.array((1.0, 2.0, 20.0)), 0.5, np.zeros(2))
    np.testing.assert_allclose(pose[:3, 2], (0, 0, -1), atol=1e-12)
    np.testing.assert_allclose(-pose[:3, 1], (np.cos(0.5), np.sin(0.5), 0), atol=1e-12)


def test_shaking_hands_stay_near(catalogue):
    where = site("street", "tune", np.random.default_rng(1))
    poses = paths.shaken(where, 16, np.random.default_rng(2), sway=0.02)
    away = np.linalg.norm(poses[:, :3, 3] - where.eye, axis=1)
    assert away.max() < 0.15 * where.depth
    steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
    assert steps.max() < 0.05 * where.depth


def test_noise_and_exposure_are_fixed_by_the_seed():
    light = np.full((20, 30, 3), 0.2)
    dark = Shot(np.eye(4), Lens(), stops=-1.0, grain=1.0)
    one, again, other = (developed(light, dark, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    bright = developed(light, Shot(np.eye(4), Lens()), seed=1)
    assert bright.mean() > one.mean() + 20
    assert one.astype(float).std() > 2 * bright.astype(float).std()


def test_water_moves_and_dry_land_does_not():
    points = np.zeros((8, 8, 3))
    points[..., 0], points[..., 2] = np.arange(8), np.arange(8)[:, None] * 0.5
    light = np.full((8, 8, 3), 0.3)
    first, second = (weather.water(4, level=0.1)(light, points, t) for t in (0.0, 0.5))
    assert (first[0] != second[0]).any()
    np.testing.assert_array_equal(first[2:], light[2:])


def checked(color: float) -> np.ndarray:
    return np.full((32, 32, 3), color)


LAMP = Lamp((0.0, 0.0, 4.0), (0.0, 0.0, 0.0), (0.1, 0.1), 0.0, (0.5, 0.5, 0.5))


def test_meshes_become_closed_surfaces_with_shadows(monkeypatch):
    monkeypatch.setattr(surfels, "_MAP", 150)
    floor = Thing(quad((-1, 1, 0), (2, 0, 0), (0, -2, 0)), checked(0.8))
    plate = Thing(quad((-0.3, 0.3, 1), (0.6, 0, 0), (0, -0.6, 0)), checked(0.8))
    viewers = np.array([(0.0, 0.0, 3.0)])
    splats = surfels.splat_of(
        [floor, plate], viewers, focal=60.0, lamps=(LAMP,), ambient=0.3, span=1.5, nearest=1.0
    )
    pose = paths.look_at(np.array((1.6, 0.0, 3.0)), np.array((0.0, 0.0, 0.0)))
    K = np.array([[60.0, 0, 32], [0, 60.0, 32], [0, 0, 1]])
    _, cover = drawn_over(splats, pose, K, 64, 64)
    assert cover[28:36, 28:36].min() > 0.95
    on_floor = splats.means[:, 2].abs() < 1e-4
    x, y = splats.means[on_floor, 0].abs(), splats.means[on_floor, 1].abs()
    light = splats.sh[on_floor, 0, 0]
    shaded, lit = light[(x < 0.3) & (y < 0.3)], light[(x > 0.6) | (y > 0.6)]
    assert shaded.max() < lit.min()


def test_triangles_are_split_until_they_are_small_and_lose_no_area():
    thing = Thing(quad((-1, 1, 0), (2, 0, 0), (0, -2, 0)), checked(0.5))
    corners, uv = surfels._split(thing, np.array([(0.0, 0.0, 1.0)]), 60.0, 0.5)
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=1), axis=2)
    assert edges.max() < 4.0 * np.sqrt(3) / 60
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    assert np.linalg.norm(np.cross(first, second), axis=1).sum() / 2 == pytest.approx(4.0)
    np.testing.assert_allclose(uv[..., 0], (corners[..., 0] + 1) / 2)


def blobs(count: int = 300) -> Splats:
    rng = np.random.default_rng(5)
    return Splats(
        means=torch.from_numpy(rng.uniform(-1, 1, (count, 3)) + np.array((0, 4.0, 1.5))).float(),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        log_scales=torch.full((count, 3), -1.5),
        logit_opacities=torch.full((count,), 3.0),
        sh=torch.from_numpy(rng.normal(size=(count, 1, 3))).float(),
    )


class Blobs:
    """A shelf on which every world is the same."""

    def world(self, scene: Scene, place: int) -> World:
        return World(blobs())


WHERE = Site("blobs", np.array((0.0, 0.0, 1.5)), np.array((0.0, 4.0, 1.5)), 1.0, 0.5)


def made_scene() -> Scene:
    small = Lens(64, 48, 48.0, k=(-0.1,))
    poses = paths.sideways(WHERE, 3, np.random.default_rng(0))
    shots = scenes.shots_of(poses, small, label=Label("Vesta", "V11", 28.0))
    shots[1] = replace(shots[1], lens=small.cropped(10, 6, 40, 30), label=None)
    return scenes.draft("walk", "tune", 0).scene("A test.", WHERE, shots)


def test_a_scene_on_disk_reads_back(tmp_path):
    scene = made_scene()
    folder = write_scene(tmp_path, scene, Blobs(), lambda line: None)
    data = read_dataset(folder)
    assert list(data.names) == ["IMG_01.jpg", "IMG_02.jpg", "IMG_03.jpg"]
    true = np.linalg.inv(np.stack([shot.pose for shot in scene.shots]))
    np.testing.assert_allclose(data.cam_from_world, true, atol=1e-12)
    np.testing.assert_allclose(data.K[1], [[48, 0, 22], [0, 48, 18], [0, 0, 1]])
    about = json.loads((folder / "scene.json").read_text())
    assert (about["family"], about["split"], about["decidable"]) == ("walk", "tune", True)
    assert [len(about["lens"]), about["lens"][0]["k"]] == [2, [-0.1]]
    header = read_header(folder / "photos" / "IMG_01.jpg")
    assert (header.make, header.model, header.focal_35mm) == ("Vesta", "V11", 28.0)
    assert read_header(folder / "photos" / "IMG_02.jpg").make == ""
    assert (header.width, header.height) == (64, 48)
    assert write_scene(tmp_path, scene, None, lambda line: None) == folder  # type: ignore[arg-type]


def test_a_scene_that_fails_leaves_nothing_that_looks_whole(tmp_path):
    class Broken(Blobs):
        def world(self, scene: Scene, place: int) -> World:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_scene(tmp_path, made_scene(), Broken(), lambda line: None)
    assert not (tmp_path / "walk-tune-0").exists()


def test_what_stands_still_behind_a_turntable_is_in_every_photo():
    behind = blobs()
    front = blobs(1)
    world = World(front, backdrop=(behind, paths.look_at(WHERE.eye, WHERE.aim)))
    lens = Lens(64, 48, 48.0)
    poses = [paths.look_at(WHERE.eye + np.array((x, -30.0, 0)), WHERE.aim) for x in (0.0, 3.0)]
    one, other = taken([world], [Shot(pose, lens) for pose in poses], seed=1)
    assert np.abs(one.astype(float) - other).mean() < 4


def test_a_rolling_shutter_that_stands_still_changes_nothing():
    world, pose = World(blobs()), paths.look_at(WHERE.eye, WHERE.aim)
    lens, ends = Lens(64, 50, 48.0), np.stack([pose, pose])
    plain, rolled = (
        taken([world], [Shot(pose, lens, ends=e, rolling=e is not None)], seed=1)[0]
        for e in (None, ends)
    )
    assert np.abs(plain.astype(float) - rolled).mean() < 1


class Telling:
    """A world whose light tells the direction that a pixel shows, and the pose that it sees."""

    def light(self, pose, K, width, height, moment):
        columns, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
        rays = np.stack([columns - K[0, 2], rows - K[1, 2]], -1) / K[0, 0] + 5.0
        return np.dstack([rays, np.full((height, width), pose[0, 3])])


class Static:
    """A world that is as sharp as pixels can show."""

    def light(self, pose, K, width, height, moment):
        return np.random.default_rng(0).random((height, width, 3)) * 0.5


def directions(shot: Shot) -> np.ndarray:
    """Places on the plane z = 1 that a photo's pixels show."""
    return enlarged(exposed(Telling(), shot)[..., :2].astype(np.float32), shot) - 5.0


def expected(lens: Lens) -> np.ndarray:
    x, y = (np.arange(side) + 0.5 for side in (lens.width, lens.height))
    return lens.rays(np.stack(np.meshgrid(x, y), -1))


@pytest.mark.parametrize("ratio", [1.3, 1.5, 1.9])
@pytest.mark.parametrize("k", [(), (-0.07, 0.02)])
def test_a_digital_zoom_shows_what_its_lens_says(ratio, k):
    shot = of_lenses._zoomed(Shot(np.eye(4), Lens(k=k)), ratio)
    assert shot.lens.focal == pytest.approx(360 * ratio, rel=0.01)
    off = np.abs(directions(shot) - expected(shot.lens))[4:-4, 4:-4]
    assert off.max() * shot.lens.focal < 0.06  # pixels


def test_a_digital_zoom_is_no_sharper_than_the_pixels_it_was_read_from():
    shot = of_lenses._zoomed(Shot(np.eye(4), Lens()), 2.0)
    optical = replace(shot, read=None)
    sharp, photo = (developed(exposed(Static(), s), s, seed=1) for s in (optical, shot))
    assert photo.shape == sharp.shape == (360, 480, 3)

    def fine(picture):
        """Share of the power beyond half of what the pixels can show."""
        power = np.abs(np.fft.rfft(picture[..., 1] - picture[..., 1].mean(), axis=1)) ** 2
        return power[:, power.shape[1] // 2 :].sum() / power.sum()

    assert fine(sharp) > 0.4
    assert fine(photo) < 0.1


def test_only_zooms_are_enlarged(catalogue):
    shots = [(s.family, shot) for split in catalogue.values() for s in split for shot in s.shots]
    assert {family for family, shot in shots if shot.read} == {"zooms_under_one_label"}
    for _, shot in shots:
        if shot.read:
            assert shot.read.width * shot.lens.height == shot.read.height * shot.lens.width
            assert shot.read.focal * shot.lens.width == pytest.approx(
                shot.lens.focal * shot.read.width
            )


def test_rows_that_are_read_later_see_later_poses():
    first, last = np.eye(4), np.eye(4)
    last[0, 3] = 1.0
    ends, lens = np.stack([first, last]), Lens(64, 50, 48.0)
    rolled = exposed(Telling(), Shot(first, lens, ends=ends, rolling=True))[..., 2]
    assert (np.diff(rolled, axis=0) >= 0).all()
    assert rolled[0].max() < 0.1
    assert rolled[-1].min() > 0.9
    np.testing.assert_allclose(rolled.mean(), 0.5, atol=0.01)
    np.testing.assert_array_equal(rolled[:, 0], rolled[:, -1])
    # Every row shows what it would without, and a blur is the same for all rows.
    whole = Shot(first, lens, ends=ends, rolling=True)
    assert np.abs(directions(whole) - expected(lens)).max() < 1e-6
    blurred = exposed(Telling(), Shot(first, lens, ends=ends))[..., 2]
    np.testing.assert_allclose(blurred, 0.5)


@pytest.mark.parametrize("k", [(), (-0.07, 0.02)])
@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_crop_keeps_the_corner_that_it_is_said_to(x, y, k):
    whole = Lens(640, 480, 480.0, k=k)
    left, top = x * 220, y * 160
    part = Shot(np.eye(4), whole.cropped(left, top, 420, 320))
    kept = directions(Shot(np.eye(4), whole))[top : top + 320, left : left + 420]
    assert np.abs(directions(part) - kept)[3:-3, 3:-3].max() * whole.focal < 0.04  # pixels
    corner = kept[-1 if y else 0, -1 if x else 0]
    assert (np.sign(corner) == np.where((x, y), 1, -1)).all()


def test_cropped_scenes_say_which_part_they_keep(catalogue):
    for scene in (s for split in catalogue.values() for s in split if s.family == "cropped"):
        x, y = map(float, scene.about.removeprefix("Cropped at ").rstrip(".").split(", "))
        for lens in {shot.lens for shot in scene.shots}:
            # The middle of the whole photo is to the right where the left is kept.
            np.testing.assert_allclose(lens.principal_point, (320 - 220 * x, 240 - 160 * y))
