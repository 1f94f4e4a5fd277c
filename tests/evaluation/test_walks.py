"""The made walks: their cameras, their parts, and how photos come from a splat."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch
from synthetic.render_walk import SEED
from synthetic.stress.stages import Camera
from synthetic.walks import routes, shots
from synthetic.walks.folders import Clip, long_walk, photo_name, thin_clip, write_walk
from synthetic.walks.paths import Walk
from synthetic.walks.plan import GARDEN, garden_walls, house_walls
from synthetic.walks.points import thinned
from synthetic.walks.survey import STREETS, survey

from splatpose.evaluation.readers import poses_json
from splatpose.scene.splats import Splats


@pytest.fixture(scope="module")
def long() -> Walk:
    return long_walk(1000, SEED).walk


@pytest.fixture(scope="module")
def thin() -> Walk:
    return thin_clip(SEED).walk


def centres(walk: Walk) -> np.ndarray:
    return walk.poses[:, :3, 3]


def test_a_longer_walk_begins_with_a_shorter_one(long):
    for count in (250, 500):
        short = long_walk(count, SEED).walk
        np.testing.assert_array_equal(short.poses, long.poses[:count])
        np.testing.assert_array_equal(short.shutter, long.shutter[:count])
        assert len(short.poses) == count


def test_steps_are_even(long, thin):
    for walk in (long, thin):
        steps = np.linalg.norm(np.diff(centres(walk), axis=0), axis=1)
        assert np.median(steps) == pytest.approx(routes.STEP, rel=0.03)
        assert steps.min() > 0.6 * routes.STEP
        assert steps.max() < 1.5 * routes.STEP


def turned(walk: Walk) -> np.ndarray:
    """Degrees from each photo to the next."""
    rotation = walk.poses[:, :3, :3]
    relative = np.einsum("vji,vjk->vik", rotation[:-1], rotation[1:])
    cosine = (np.trace(relative, axis1=1, axis2=2) - 1) / 2
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))


def test_the_way_is_smooth(long, thin):
    assert turned(long).max() < 30
    assert np.flatnonzero(turned(thin) > 26).tolist() == [17, 18, 19]
    ahead = np.diff(centres(long)[:, :2], axis=0)
    bend = np.abs(np.diff(np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))))
    assert np.degrees(bend).max() < 40


def test_poses_are_rigid_and_upright(long):
    rotation = long.poses[:, :3, :3]
    np.testing.assert_allclose(
        rotation @ rotation.transpose(0, 2, 1), np.tile(np.eye(3), (1000, 1, 1)), atol=1e-9
    )
    assert (rotation[:, 2, 1] < -0.9).all()  # +y of the camera points down


@pytest.mark.parametrize("count", [250, 500, 1000])
def test_sections_cover_all_photos(count):
    sections = long_walk(count, SEED).walk.sections
    assert sections[0][1] == 0
    assert sections[-1][2] == count - 1
    for (_, _, last), (_, first, _) in itertools.pairwise(sections):
        assert first == last + 1
    assert {"straight start", "turn", "loop", "revisit", "open"} == {name for name, *_ in sections}


def test_thin_clip_has_its_sections(thin):
    names = [name for name, *_ in thin.sections]
    assert names == ["straight start", "thin place", "turn", "loop"]
    assert thin.sections[1][1:] == (18, 19)


def test_start_is_straight_and_looks_ahead(long, thin):
    for walk, fewest in ((long, 20), (thin, 18)):
        _, first, last = walk.sections[0]
        assert last - first + 1 >= fewest
        spots = centres(walk)[first : last + 1]
        way = (spots[-1] - spots[0]) / np.linalg.norm(spots[-1] - spots[0])
        beside = spots - spots[0] - ((spots - spots[0]) @ way)[:, None] * way
        assert np.linalg.norm(beside, axis=1).max() < 0.4
        assert (walk.poses[first : last - 1, :3, 2] @ way > np.cos(np.radians(12))).all()


def test_revisits_and_loops_come_back(long):
    spots = centres(long)
    for name, first, last in long.sections:
        if name == "revisit":
            for photo in range(first + 4, last - 4):
                away = np.linalg.norm(spots[: photo - 60] - spots[photo], axis=1)
                assert away.min() < 2.0
        if name == "loop":
            away = np.linalg.norm(spots[: max(last - 25, 1)] - spots[last], axis=1)
            assert last == 999 or away.min() < 2.6


def test_nobody_walks_through_walls(long, thin):
    for spots in (centres(long)[:, :2], centres(thin)[:, :2]):
        for wall in (*house_walls(), *(w for side in range(4) for w in garden_walls(side))):
            a, b = np.array(wall.a), np.array(wall.b)
            share = np.clip((spots - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
            away = np.linalg.norm(spots - a - share[:, None] * (b - a), axis=1)
            assert away.min() > 0.6
        assert np.linalg.norm(spots - GARDEN, axis=1).min() > 1.5  # the statue


def test_survey_looks_at_everything_that_is_passed(long):
    poses = survey(SEED)
    for spot in centres(long):
        near = np.linalg.norm(poses[:, :3, 3] - spot, axis=1) < 2.5
        assert near.sum() >= 4
    assert len(STREETS) == 13


def test_pose_is_of_the_middle_of_the_exposure(long, thin):
    for walk in (long, thin):
        for pose, (opening, closing) in zip(walk.poses[:40], walk.shutter[:40], strict=True):
            for count in (1, 3, 5):
                poses = shots.during(opening, closing, count)
                np.testing.assert_allclose(poses[count // 2], pose, atol=1e-9)
                np.testing.assert_allclose(poses[:, :3, 3].mean(0), pose[:3, 3], atol=1e-9)


def test_a_longer_smear_takes_more_renders():
    counts = [shots.number_of_renders(pixels) for pixels in (0, 1, 3, 6, 100)]
    assert counts == sorted(counts)
    assert counts[0] == 1
    assert all(count % 2 for count in counts)


def test_blurred_photos_of_the_thin_place(thin):
    smears = np.array([shots.smear(*ends, shots.CAMERA.focal) for ends in thin.shutter])
    assert (smears[[18, 19]] > 12).all()
    assert np.median(smears) < 4


def test_exposure_follows_slowly_and_never_looks_ahead():
    brightness = np.concatenate([np.full(20, 0.1), np.full(20, 0.3)])
    stops = shots.automatic_exposure(brightness, {})
    assert np.abs(np.diff(stops)).max() < 0.5
    assert stops[-1] < stops[0]
    np.testing.assert_array_equal(shots.automatic_exposure(brightness[:25], {}), stops[:25])
    jolted = shots.automatic_exposure(brightness, {3: -1.0})
    assert np.flatnonzero(jolted != stops).tolist() == [3]


def test_thinned_keeps_one_point_in_a_cube_and_the_finer_ones():
    rng = np.random.default_rng(0)
    points = rng.uniform(0, 1, (4000, 3))
    kept = thinned(points, np.full(4000, 0.25))
    assert len(kept) == 64
    near = points[:, 0] < 0.5
    sizes = np.where(near, 0.125, 0.5)
    kept = thinned(points, sizes)
    assert near[kept].sum() == 256
    assert (~near[kept]).sum() == 4


def splat_wall(count: int = 400) -> Splats:
    """Coloured blobs before the start of the walk."""
    rng = np.random.default_rng(5)
    means = np.array((0.0, -4.0, 1.5)) + rng.uniform(-1, 1, (count, 3)) * (4, 1.5, 3)
    return Splats(
        means=torch.from_numpy(means).float(),
        quats=torch.tensor([1.0, 0, 0, 0]).repeat(count, 1),
        log_scales=torch.full((count, 3), -1.5),
        logit_opacities=torch.full((count,), 3.0),
        sh=torch.from_numpy(rng.normal(size=(count, 1, 3))).float(),
    )


TINY = Camera(64, 36, 43.0)


def test_walk_on_disk_reads_back(tmp_path):
    clip = long_walk(4, SEED)
    said: list[str] = []
    folder = write_walk(tmp_path, clip, splat_wall, seed=SEED, say=said.append, camera=TINY)
    dataset = poses_json.read(folder)
    assert list(dataset.names) == [photo_name(n).removeprefix("images/") for n in range(4)]
    np.testing.assert_allclose(np.linalg.inv(dataset.cam_from_world), clip.walk.poses, atol=1e-9)
    np.testing.assert_allclose(dataset.K[:, 0, 2], TINY.width / 2)
    sections = json.loads((folder / "sections.json").read_text())["sections"]
    assert sections == [{"name": "straight start", "first": 0, "last": 3}]
    assert len(list((folder / "images").iterdir())) == 4
    first = (folder / "images/000.jpg").read_bytes()

    def never() -> Splats:
        raise AssertionError("what is there is not made again")

    again = write_walk(tmp_path, clip, never, seed=SEED, say=said.append, camera=TINY)
    assert again == folder
    longer = write_walk(
        tmp_path, long_walk(5, SEED), splat_wall, seed=SEED, say=said.append, camera=TINY
    )
    assert (longer / "images/000.jpg").read_bytes() == first
    assert not list(tmp_path.glob("*.part"))


def test_blur_widens_an_edge(long):
    lens = shots.Lens(splat_wall(), TINY)
    pose = long.poses[0]
    turn = np.radians(4)
    about_down = np.array(
        [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    )
    ends = np.stack([pose, pose])
    ends[0, :3, :3], ends[1, :3, :3] = pose[:3, :3] @ about_down.T, pose[:3, :3] @ about_down
    sharp, smeared = lens.exposed(pose, pose), lens.exposed(*ends)
    rough = [np.abs(np.diff(light, axis=1)).mean() for light in (sharp, smeared)]
    assert rough[1] < 0.8 * rough[0]
    assert sharp.mean() == pytest.approx(smeared.mean(), rel=0.1)


def test_photos_that_were_made_before_a_stop_are_kept(tmp_path):
    clip = long_walk(3, SEED)
    part = tmp_path / f"{clip.name}-{SEED}.part" / "images"
    part.mkdir(parents=True)
    (part / "001.jpg").write_bytes(b"made before")
    folder = write_walk(tmp_path, clip, splat_wall, seed=SEED, say=lambda _: None, camera=TINY)
    assert (folder / "images/001.jpg").read_bytes() == b"made before"


def test_thin_clip_takes_no_photo_of_a_walk(tmp_path):
    write_walk(tmp_path, long_walk(2, SEED), splat_wall, seed=SEED, say=print, camera=TINY)
    walk = thin_clip(SEED).walk
    clip = Clip("thin", Walk(walk.poses[:2], walk.shutter[:2], (("straight start", 0, 1),)), {})
    folder = write_walk(tmp_path, clip, splat_wall, seed=SEED, say=print, camera=TINY)
    photos = [path.read_bytes() for path in sorted((folder / "images").iterdir())]
    assert photos[0] != (tmp_path / f"walk2-{SEED}/images/000.jpg").read_bytes()
