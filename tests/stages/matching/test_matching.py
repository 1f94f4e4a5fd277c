"""The matching stage as a whole, and its database."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.matching import make_capture, wall_photos

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, Progress
from splatpose.features.matcher import Features
from splatpose.features.sift import SiftMatcher
from splatpose.io.colmap_database import (
    PairMatches,
    done_pairs,
    opened,
    read_graph,
    write_keypoints,
    write_pairs,
    write_photos,
)
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.scene.matches import MatchGraph
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.pairs import exhaustive_pairs
from splatpose.stages.matching.stage import load_matches, match_photos
from splatpose.stages.matching.verify import Verifier

CONFIG = MatchingConfig(matcher="sift", max_keypoints=800)
FILES = ["database.db", "matching.json", "tried.npy", "ways.csv"]


def run(capture: Capture, folder: Path, emit=lambda event: None, config=CONFIG) -> MatchGraph:
    folder.mkdir(exist_ok=True)
    summary = match_photos(capture, config, folder, emit, weights_dir=None, seed=0)
    assert "sift" in summary
    return load_matches(folder)


def assert_same(first: MatchGraph, second: MatchGraph) -> None:
    for a, b in zip(first.keypoints, second.keypoints, strict=True):
        np.testing.assert_array_equal(a, b)
    for name in ("pairs", "num_putative", "offsets", "matches", "configuration"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert first.ways == second.ways


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    return make_capture(tmp_path_factory.mktemp("wall"), wall_photos(5))


@pytest.fixture(scope="module")
def graph(capture: Capture, tmp_path_factory: pytest.TempPathFactory) -> MatchGraph:
    return run(capture, tmp_path_factory.mktemp("matching"))


def test_every_pair_has_its_way(graph: MatchGraph) -> None:
    assert graph.ways == ("sift",) * len(graph.pairs)


def test_overlapping_photos_are_matched(graph: MatchGraph, capture: Capture) -> None:
    verified = {tuple(p): n for p, n in zip(graph.pairs.tolist(), graph.num_verified, strict=True)}
    assert all(verified[i, i + 1] >= 100 for i in range(4))
    assert (graph.num_verified <= graph.num_putative).all()
    for xy, photo in zip(graph.keypoints, capture.photos, strict=True):
        assert (xy >= 0).all()
        assert (xy <= [photo.width, photo.height]).all()


def test_a_flat_wall_is_called_planar(graph: MatchGraph) -> None:
    planar = {
        int(pycolmap.TwoViewGeometryConfiguration.__members__[name])
        for name in ("PLANAR", "PANORAMIC", "PLANAR_OR_PANORAMIC")
    }
    neighbours = graph.pairs[:, 1] - graph.pairs[:, 0] == 1
    assert set(graph.configuration[neighbours].tolist()) <= planar


def test_same_seed_same_result(graph: MatchGraph, capture: Capture, tmp_path: Path) -> None:
    assert_same(run(capture, tmp_path / "again"), graph)


@pytest.mark.parametrize("stop", ["photos: keypoints found", "pairs of photos matched"])
def test_interrupted_matching_continues_where_it_was(
    graph: MatchGraph, capture: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    monkeypatch.setattr("splatpose.stages.matching.match_pairs.BATCH", 3)

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.text == stop and event.done >= 3:
            raise KeyboardInterrupt

    folder = tmp_path / "part"
    with pytest.raises(KeyboardInterrupt):
        run(capture, folder, interrupt)
    written = {p: p.stat().st_mtime_ns for p in folder.rglob("*.npz")}
    assert len(written) >= 3
    seen: list[Progress] = []

    def watch(event: Event) -> None:
        if isinstance(event, Progress):
            seen.append(event)
            if event.text == "pairs of photos matched":
                assert all(p.stat().st_mtime_ns == t for p, t in written.items())

    resumed = run(capture, folder, watch)
    assert_same(resumed, graph)
    first_pairs = next(e for e in seen if e.text == "pairs of photos matched")
    assert first_pairs.done == (6 if stop == "pairs of photos matched" else 3)


def test_pairs_without_matches_are_done_too(tmp_path: Path) -> None:
    photos = tuple(Photo(f"{i}.png", Path(f"{i}.png"), 64, 48, 0, "") for i in range(5))
    some = np.array([[0, 0], [1, 1]])
    verified, failed = pycolmap.TwoViewGeometry(), pycolmap.TwoViewGeometry()
    verified.inlier_matches = some.astype(np.uint32)
    pairs = [
        PairMatches(0, 1, some, verified),
        PairMatches(0, 4, some, failed),
        PairMatches(2, 3, some[:0], failed),
    ]
    with opened(tmp_path / "x.db") as database:
        write_photos(database, Capture(photos, (CameraGroup("x", 64, 48, None),)))
        every = exhaustive_pairs(5)
        assert done_pairs(database, every) == set()
        write_pairs(database, pairs)
        assert done_pairs(database, every) == {(0, 1), (0, 4), (2, 3)}
        assert done_pairs(database, every[:2]) == {(0, 1)}


def test_nothing_but_the_result_is_left(capture: Capture, tmp_path: Path) -> None:
    run(capture, tmp_path / "done")
    assert sorted(p.name for p in (tmp_path / "done").iterdir()) == FILES
    result = json.loads((tmp_path / "done" / "matching.json").read_text())
    assert result["matcher"] == "sift"


def test_result_may_be_moved(capture: Capture, graph: MatchGraph, tmp_path: Path) -> None:
    run(capture, tmp_path / "before")
    moved = (tmp_path / "before").rename(tmp_path / "after")
    loaded = load_matches(moved)
    assert loaded.database == moved / "database.db"
    assert_same(loaded, graph)


@pytest.mark.parametrize("count", [1, 2])
def test_few_or_unrelated_photos_are_no_error(tmp_path: Path, count: int) -> None:
    blank = [np.full((96, 128, 3), 60 * (i + 1), np.uint8) for i in range(count)]
    graph = run(make_capture(tmp_path / "blank", blank), tmp_path / "m")
    assert len(graph.keypoints) == count
    assert graph.num_verified.sum() == 0


def synthetic_capture(rec: pycolmap.Reconstruction, known_focal: bool) -> Capture:
    camera = rec.cameras[1]
    group = CameraGroup(
        "x", camera.width, camera.height, camera.mean_focal_length() if known_focal else None
    )
    photos = tuple(
        Photo(f"{i:03d}.jpg", Path(f"{i:03d}.jpg"), camera.width, camera.height, 0, "")
        for i in range(rec.num_reg_images())
    )
    return Capture(photos, (group,))


@pytest.fixture(scope="module")
def scene() -> pycolmap.Reconstruction:
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs = 1
    options.num_cameras_per_rig = 1
    options.num_frames_per_rig = 6
    options.num_points3D = 300
    options.camera_model_id = pycolmap.CameraModelId.SIMPLE_RADIAL
    pycolmap.set_random_seed(4)
    return pycolmap.synthesize_dataset(options)


def observations(rec: pycolmap.Reconstruction) -> tuple[list[np.ndarray], list[tuple]]:
    """Keypoints of every image, and exact matches of every pair."""
    images = sorted(rec.images.values(), key=lambda image: image.image_id)
    keypoints = [np.array([p.xy for p in image.points2D]) for image in images]
    seen = [{p.point3D_id: k for k, p in enumerate(i.points2D) if p.has_point3D()} for i in images]
    pairs = []
    for i in range(len(images)):
        for j in range(i + 1, len(images)):
            common = sorted(seen[i].keys() & seen[j].keys())
            index = np.array([(seen[i][t], seen[j][t]) for t in common], np.int64).reshape(-1, 2)
            pairs.append((i, j, index))
    return keypoints, pairs


@pytest.mark.parametrize("known_focal", [True, False])
def test_database_round_trip(
    scene: pycolmap.Reconstruction, tmp_path: Path, known_focal: bool
) -> None:
    capture = synthetic_capture(scene, known_focal)
    keypoints, pairs = observations(scene)
    verified = Verifier(capture, 1024, 15, 0).verify(keypoints, pairs, 4.0)
    with opened(tmp_path / "x.db") as database:
        write_photos(database, capture)
        write_keypoints(database, keypoints)
        write_pairs(database, verified)
    graph = read_graph(tmp_path / "x.db", "sift")
    for xy, expected in zip(graph.keypoints, keypoints, strict=True):
        np.testing.assert_allclose(xy, expected, atol=1e-3)
    np.testing.assert_array_equal(graph.pairs, [p[:2] for p in pairs])
    np.testing.assert_array_equal(graph.num_putative, [len(p[2]) for p in pairs])
    for p, (_, _, index) in enumerate(pairs):
        assert {tuple(m) for m in graph.verified(p)} <= {tuple(m) for m in index}
        assert graph.num_verified[p] >= 0.95 * len(index)
    kind = pycolmap.TwoViewGeometryConfiguration
    expected = kind.CALIBRATED if known_focal else kind.UNCALIBRATED
    assert set(graph.configuration.tolist()) == {int(expected)}
    with opened(tmp_path / "x.db") as database:
        (camera,) = database.read_all_cameras()
        assert camera.has_prior_focal_length == known_focal
        assert [i.name for i in database.read_all_images()] == [p.name for p in capture.photos]


def test_colmap_reconstructs_from_the_database(
    scene: pycolmap.Reconstruction, tmp_path: Path
) -> None:
    capture = synthetic_capture(scene, True)
    keypoints, pairs = observations(scene)
    with opened(tmp_path / "x.db") as database:
        write_photos(database, capture)
        write_keypoints(database, keypoints)
        write_pairs(database, Verifier(capture, 1024, 15, 0).verify(keypoints, pairs, 4.0))
    options = pycolmap.IncrementalPipelineOptions()
    options.random_seed = 0
    models = pycolmap.incremental_mapping(tmp_path / "x.db", tmp_path, tmp_path / "out", options)
    assert models[0].num_reg_images() == len(capture.photos)
    assert models[0].compute_mean_reprojection_error() < 0.1


def test_wrong_matches_are_rejected(scene: pycolmap.Reconstruction) -> None:
    capture = synthetic_capture(scene, True)
    keypoints, pairs = observations(scene)
    first, second, index = pairs[0]
    wrong = index.copy()
    wrong[::3, 1] = np.roll(wrong[::3, 1], 7)
    (result,) = Verifier(capture, 1024, 15, 0).verify(keypoints, [(first, second, wrong)], 4.0)
    kept = {tuple(m) for m in np.asarray(result.geometry.inlier_matches).tolist()}
    right = {tuple(m) for m in index.tolist()} & {tuple(m) for m in wrong.tolist()}
    assert len(right) < 0.7 * len(index)
    assert len(kept & right) >= 0.95 * len(right)
    assert len(kept - right) <= 0.1 * len(kept)


def test_too_few_matches_are_no_pair(scene: pycolmap.Reconstruction) -> None:
    capture = synthetic_capture(scene, True)
    keypoints, pairs = observations(scene)
    few = (*pairs[0][:2], pairs[0][2][:10])
    (result,) = Verifier(capture, 1024, 15, 0).verify(keypoints, [few], 4.0)
    assert isinstance(result, PairMatches)
    assert len(result.geometry.inlier_matches) == 0


def test_error_limit_grows_with_the_photo(scene: pycolmap.Reconstruction) -> None:
    """Four times the pixels and four times the noise verify alike."""
    capture = synthetic_capture(scene, True)
    keypoints, pairs = observations(scene)
    noise = np.random.default_rng(0).normal(scale=1.5, size=(len(keypoints), 3000, 2))
    noisy = [xy + n[: len(xy)] for xy, n in zip(keypoints, noise, strict=True)]
    big = replace(
        capture,
        photos=tuple(replace(p, width=4 * p.width, height=4 * p.height) for p in capture.photos),
        groups=tuple(
            replace(g, width=4 * g.width, height=4 * g.height, focal_prior=4 * (g.focal_prior or 0))
            for g in capture.groups
        ),
    )
    size = max(capture.photos[0].width, capture.photos[0].height)
    small_result = Verifier(capture, size, 15, 0).verify(noisy, pairs[:3], 4.0)
    big_result = Verifier(big, size, 15, 0).verify([4 * xy for xy in noisy], pairs[:3], 4.0)
    for a, b in zip(small_result, big_result, strict=True):
        assert len(a.geometry.inlier_matches) == pytest.approx(
            len(b.geometry.inlier_matches), rel=0.02
        )


def test_one_odd_pair_or_photo_costs_itself_only(
    graph: MatchGraph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo that is gone since it was checked, and a pair that a library cannot bear."""
    capture = make_capture(tmp_path / "wall", wall_photos(5))
    capture.photos[4].path.unlink()
    match, calls = SiftMatcher.match, []

    def odd(self: SiftMatcher, first: Features, second: Features) -> np.ndarray:
        calls.append(1)
        if len(calls) == 2:  # photos 0 and 2
            raise ValueError("a matrix of the wrong shape")
        return match(self, first, second)

    monkeypatch.setattr(SiftMatcher, "match", odd)
    events: list[Event] = []
    found = run(capture, tmp_path / "out", events.append)
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    names = [photo.name for photo in capture.photos]
    assert [w.partition(" (")[0] for w in warnings] == [
        f"{names[4]} could not be searched for keypoints and stays out",
        f"{names[0]} with {names[2]} could not be matched",
    ]
    assert len(found.keypoints[4]) == 0
    assert {tuple(p) for p in found.pairs.tolist()} <= {(0, 1), (0, 3), (1, 2), (1, 3), (2, 3)}
    for i in range(3):
        row = found.pairs.tolist().index([i, i + 1])
        before = graph.pairs.tolist().index([i, i + 1])
        assert found.num_verified[row] == pytest.approx(graph.num_verified[before], rel=0.2)


def test_photos_that_are_all_gone_are_an_error(tmp_path: Path) -> None:
    capture = make_capture(tmp_path / "wall", wall_photos(3))
    for photo in capture.photos:
        photo.path.unlink()
    with pytest.raises(SplatposeError, match="No such file"):
        run(capture, tmp_path / "out")
