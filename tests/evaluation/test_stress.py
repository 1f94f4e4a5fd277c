"""The stress suite's cameras, effects and folders, and what was rendered where it is at hand."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile
from synthetic.render_stress import default_folder
from synthetic.stress import effects, outdoors, stages, walks
from synthetic.stress.folders import film_folder, photo_names, write_scene
from synthetic.stress.scenes import SCENES, SPLITS, Scene, Source, Split, film_seed
from synthetic.things import Thing

NAMES = {
    *("textured_room", "blank_corridor", "duplicated_facade", "rotation_stretch"),
    *("forward_motion", "full_orbit", "forward_facing", "few_views", "two_cameras"),
    *("exposure_ramp", "motion_blur", "moving_object", "mirror", "textureless_object"),
    *("shuffled_order", "jpeg_20", "two_places", "no_overlap", "pure_rotation"),
}


def test_every_scene_is_there_and_tuning_never_sees_a_test_seed() -> None:
    assert {scene.name for scene in SCENES} == NAMES
    seeds = {split: {film_seed(film, split) for film in stages.FILMS} for split in SPLITS}
    assert len(seeds["tune"]) == len(seeds["test"]) == len(stages.FILMS)
    assert not seeds["tune"] & seeds["test"]
    hopeless = {scene.name for scene in SCENES if not scene.reconstructable}
    assert hopeless == {"no_overlap", "pure_rotation"}


def test_no_overlap_shows_no_place_twice_and_all_photos_exist() -> None:
    counts = {name: len(film(1).poses) for name, film in stages.FILMS.items()}
    for scene in SCENES:
        for source in scene.sources:
            assert max(source.photos or (0,)) < counts[source.film]
    alone = next(scene for scene in SCENES if scene.name == "no_overlap")
    assert len({source.film for source in alone.sources}) == len(alone.sources) == 8
    assert all(source.photos is not None and len(source.photos) == 1 for source in alone.sources)


@pytest.mark.parametrize("film", stages.FILMS)
@pytest.mark.parametrize("split", SPLITS)
def test_cameras_are_rigid_upright_and_move(film: str, split: Split) -> None:
    made = stages.FILMS[film](film_seed(film, split))
    R, centre = made.poses[:, :3, :3], made.poses[:, :3, 3]
    np.testing.assert_allclose(
        R @ R.transpose(0, 2, 1), np.broadcast_to(np.eye(3), R.shape), atol=1e-9
    )
    np.testing.assert_allclose(np.linalg.det(R), 1)
    np.testing.assert_array_equal(made.poses[:, 3], np.tile([0, 0, 0, 1], (len(R), 1)))
    assert (R[:, 2, 1] < -0.8).all(), "+y of the camera points down, the world has z up"
    assert len(made.cameras) == len(made.poses)
    steps = np.linalg.norm(np.diff(centre, axis=0), axis=1)
    if film == "pure_rotation":
        assert not steps.any()
    elif film == "rotation_stretch":
        assert not steps[stages.STRETCH.start : stages.STRETCH.stop - 1].any()
        first, *_, last = R[stages.STRETCH]
        assert np.degrees(np.arccos((np.trace(first.T @ last) - 1) / 2)) > 45
        assert (
            np.delete(steps, np.arange(stages.STRETCH.start, stages.STRETCH.stop - 1)) > 0.05
        ).all()
    else:
        assert (steps > 0.03).all()


def test_splits_walk_differently() -> None:
    for film, make in stages.FILMS.items():
        tune, test = (make(film_seed(film, split)).poses for split in SPLITS)
        assert np.abs(tune - test).max() > 0.02, film


def test_the_orbit_closes() -> None:
    poses = stages.full_orbit(3).poses
    steps = np.linalg.norm(np.roll(poses[:, :3, 3], -1, 0) - poses[:, :3, 3], axis=1)
    assert steps[-1] < 1.5 * np.median(steps)
    a = np.unwrap(np.arctan2(poses[:, 1, 3], poses[:, 0, 3]))
    assert abs(abs(a[-1] - a[0]) - 2 * np.pi * 17 / 18) < 0.2


def test_forward_motion_goes_where_it_looks() -> None:
    poses = stages.forward_motion(3).poses
    way = poses[-1, :3, 3] - poses[0, :3, 3]
    assert (poses[:, :3, 2] @ way / np.linalg.norm(way) > 0.97).all()


def test_blurred_photos_are_true_at_the_middle_of_the_exposure() -> None:
    film = stages.motion_blur(3)
    assert film.shutter is not None
    first, last = film.shutter[:, 0], film.shutter[:, 1]
    np.testing.assert_allclose((first[:, :3, 3] + last[:, :3, 3]) / 2, film.poses[:, :3, 3])
    half = np.linalg.inv(first[:, :3, :3]) @ film.poses[:, :3, :3]
    np.testing.assert_allclose(film.poses[:, :3, :3] @ half, last[:, :3, :3], atol=1e-12)


def test_a_path_goes_through_its_waypoints() -> None:
    eyes = np.array([(0, 0, 1), (1, 2, 1.5), (3, 2, 1.0)])
    poses = walks.along(eyes, [(0, 9, 1)], 5, seed=0, shake=0.0, roll=0.0)
    np.testing.assert_allclose(poses[[0, 2, 4], :3, 3], eyes, atol=1e-12)


@pytest.mark.slow
def test_facade_bays_are_exact_copies() -> None:
    things = outdoors.facade(5, modules=2)
    bays: list[list[Thing]] = [[next(things)], []]
    for thing in things:
        if thing.texture is bays[0][0].texture:
            bays[1].append(thing)
            break
        bays[0].append(thing)
    bays[1] += islice(things, len(bays[0]) - 1)
    assert len(bays[0]) > 10
    for one, other in zip(*bays, strict=True):
        assert one.texture is other.texture
        shift = other.mesh.vertices - one.mesh.vertices
        np.testing.assert_allclose(shift, np.broadcast_to((outdoors.MODULE, 0, 0), shift.shape))


def test_exposure_is_a_gain_of_light() -> None:
    photo = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, 2)
    np.testing.assert_array_equal(effects.expose(photo, 0.0), photo)
    darker = effects.expose(photo, -1.0, (1.0, 0.5, 1.0))
    light, less = effects.to_linear(photo / 255), effects.to_linear(darker / 255)
    ratio = less[12:] / light[12:]
    np.testing.assert_allclose(ratio[..., 0], 0.5, rtol=0.02)
    np.testing.assert_allclose(ratio[..., 1], 0.25, rtol=0.03)
    assert (effects.expose(photo, 1.0)[-1] == 255).all(), "what is too bright is clipped"
    grey = effects.to_linear(np.array(118 / 255))
    assert abs(grey - 0.18) < 0.005, "118 is the middle grey of 18 %"


def test_jpeg_quality_and_no_exif(tmp_path: Path) -> None:
    photo = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    tables = {}
    for quality in (92, 20):
        effects.save_jpeg(tmp_path / f"{quality}.jpg", photo, quality)
        with Image.open(tmp_path / f"{quality}.jpg") as image:
            assert not image.getexif()
            assert isinstance(image, JpegImageFile)
            tables[quality] = image.quantization[0][0]
    assert tables[20] == 40, "the standard table's 16 at quality 20 is 16 * 5000/20 / 100"
    assert tables[92] == 3


def test_depth_is_kept_to_the_millimetre(tmp_path: Path) -> None:
    effects.save_depth(tmp_path / "d.png", np.array([[0.0, 1.2344], [64.9, 70.0]]))
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "d.png")), [[0, 1234], [64900, 0]]
    )


def test_random_names_tell_no_order() -> None:
    names = photo_names(18, 5)
    assert names == photo_names(18, 5)
    assert len(set(names)) == 18
    assert names != sorted(names)
    assert photo_names(3, None) == ["IMG_01", "IMG_02", "IMG_03"]


def _small_film(out: Path, film: str, photos: int) -> None:
    folder = film_folder(out, film, "tune")
    folder.mkdir(parents=True)
    frames = []
    for number in range(photos):
        grey = np.full((6, 8, 3), 40 * (number + 1), np.uint8)
        Image.fromarray(grey).save(folder / f"{number:02d}.png")
        effects.save_depth(folder / f"{number:02d}-depth.png", np.full((6, 8), number + 1.0))
        pose = np.eye(4)
        pose[0, 3] = number
        frames.append({"c2w": pose.tolist(), "focal": 5.0, "width": 8, "height": 6})
    (folder / "cameras.json").write_text(json.dumps({"frames": frames}))


def test_a_scene_of_two_places_keeps_its_truth(tmp_path: Path) -> None:
    _small_film(tmp_path, "textured_room", 4)
    _small_film(tmp_path, "full_orbit", 3)
    sources = (Source("textured_room", (1, 3)), Source("full_orbit"))
    scene = Scene("both", "Two places.", sources, random_names=True)
    said: list[str] = []
    write_scene(tmp_path, scene, "tune", say=said.append)
    write_scene(tmp_path, scene, "tune", say=said.append)
    assert said == ["both-tune: 5 photos"], "a folder that is there is not written again"
    folder = tmp_path / "both-tune"
    assert not list(tmp_path.glob("*.part"))
    about = json.loads((folder / "scene.json").read_text())
    assert about == {
        "scene": "both",
        "seed": film_seed("textured_room", "tune"),
        "split": "tune",
        "about": "Two places.",
        "reconstructable": True,
    }
    frames = json.loads((folder / "poses.json").read_text())["frames"]
    assert [frame["file"] for frame in frames] == sorted(frame["file"] for frame in frames)
    assert sorted(frame["place"] for frame in frames) == [0, 0, 1, 1, 1]
    for frame in frames:
        assert (frame["cx"], frame["cy"], frame["w"], frame["h"]) == (3.5, 2.5, 8, 6)
        number = frame["c2w"][0][3]
        assert np.asarray(Image.open(folder / frame["depth"]))[0, 0] == 1000 * (number + 1)
        photo = np.asarray(Image.open(folder / frame["file"]))
        assert abs(int(photo[0, 0, 0]) - 40 * (number + 1)) < 3


@pytest.fixture(params=[f"{scene.name}-{split}" for scene in SCENES for split in SPLITS])
def rendered(request: pytest.FixtureRequest) -> Path:
    folder = default_folder() / request.param
    if not (folder / "scene.json").exists():
        pytest.skip(f"{folder} is not rendered (python -m tests.synthetic.render_stress)")
    return folder


class _Shot:
    """A photo in grey, its depth in metres and its true camera."""

    def __init__(self, folder: Path, frame: dict) -> None:
        self.place = frame["place"]
        with Image.open(folder / frame["file"]) as image:
            assert image.size == (frame["w"], frame["h"])
            self.grey = np.asarray(image.convert("L"), float)
        self.depth = np.asarray(Image.open(folder / frame["depth"])) / 1000
        self.c2w = np.array(frame["c2w"])
        self.K = np.array([[frame["fx"], 0, frame["cx"]], [0, frame["fy"], frame["cy"]], [0, 0, 1]])

    def distance(self, other: _Shot) -> float:
        """How different the view is: metres, and a metre a radian or so."""
        way = np.linalg.norm(self.c2w[:3, 3] - other.c2w[:3, 3])
        return float(way + np.linalg.norm(self.c2w[:3, 2] - other.c2w[:3, 2]))

    def points(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """World points [N, 3] behind every step-th pixel, and those pixels' greys."""
        y, x = np.mgrid[0 : self.grey.shape[0] : step, 0 : self.grey.shape[1] : step]
        z = self.depth[y, x]
        rays = np.stack([x, y, np.ones_like(x)], -1) @ np.linalg.inv(self.K).T
        points = (rays * z[..., None]) @ self.c2w[:3, :3].T + self.c2w[:3, 3]
        return points[z > 0], self.grey[y, x][z > 0]

    def seen(self, points: np.ndarray) -> tuple[np.ndarray, ...]:
        """Which points fall into the photo; the depth they have, the depth and grey found there."""
        local = (points - self.c2w[:3, 3]) @ self.c2w[:3, :3]
        pixel = local @ self.K.T
        x, y = np.round(pixel[:, :2] / np.maximum(pixel[:, 2:], 1e-6)).astype(int).T
        inside = (local[:, 2] > 0) & (x >= 0) & (y >= 0)
        inside &= (x < self.grey.shape[1]) & (y < self.grey.shape[0])
        x, y = x[inside], y[inside]
        return inside, local[inside, 2], self.depth[y, x], self.grey[y, x]


def test_depth_of_a_photo_is_the_depth_of_the_next(rendered: Path) -> None:
    frames = json.loads((rendered / "poses.json").read_text())["frames"]
    about = json.loads((rendered / "scene.json").read_text())
    shots = [_Shot(rendered, frame) for frame in frames]
    for shot in shots:
        assert shot.depth[shot.depth > 0].min() > 0.4, "the camera stands in something"
        assert 25 < shot.grey.mean() < 200
    places = {shot.place for shot in shots}
    if about["scene"] == "no_overlap":
        assert len(places) == len(shots)
        return
    for one in shots:
        points, grey = one.points(12)
        same_place = [other for other in shots if other is not one and other.place == one.place]
        depth_agrees = looks_alike = 0.0
        for other in sorted(same_place, key=one.distance)[:3]:
            inside, expected, found, greys = other.seen(points)
            same = np.abs(expected - found) < 0.01 * expected
            if inside.mean() > 0.3 and same.mean() > 0.5:
                likeness = np.corrcoef(grey[inside][same], greys[same])[0, 1]
                depth_agrees = max(depth_agrees, float(same.mean()))
                looks_alike = max(looks_alike, float(likeness))
        assert depth_agrees > 0.7
        assert looks_alike > 0.4, "photos and cameras do not belong together"


@pytest.mark.parametrize("split", SPLITS)
def test_the_rendered_floor_lies_at_zero(split: str) -> None:
    folder = default_folder() / f"full_orbit-{split}"
    if not folder.exists():
        pytest.skip(f"{folder} is not rendered")
    frames = json.loads((folder / "poses.json").read_text())["frames"]
    points = np.concatenate([_Shot(folder, frame).points(11)[0] for frame in frames])
    low = points[points[:, 2] < 0.02, 2]
    assert len(low) > 0.2 * len(points)
    assert low.min() > -0.004
    assert (np.abs(low) < 0.003).mean() > 0.97
