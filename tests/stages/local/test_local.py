"""The local stage on photos: determinism, what it keeps, the hypothesis that it feeds."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenes import DEMO
from scenes.demo_photos import copy_small, first_photos

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, Progress, ignore_events
from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.rotations import rotation_angle
from splatpose.io.colmap import quiet_colmap
from splatpose.io.colmap_database import read_cameras
from splatpose.scene.capture import Capture
from splatpose.scene.evidence import LocalEvidence
from splatpose.scene.matches import MatchGraph
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.mapping.hypotheses import Hypothesis, Workshop
from splatpose.sfm.mapping.mapper_variants import FROM_REFINED_PAIRS, ROUNDS
from splatpose.sfm.twoview.all_pairs import relative_poses
from splatpose.sfm.viewgraph.focal_calibration import calibrate_focal_lengths
from splatpose.sfm.viewgraph.refined_pairs import RefinedPairs
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.stage import build_capture, load_capture
from splatpose.stages.depth.config import DepthConfig
from splatpose.stages.depth.stage import build_depth, load_depth
from splatpose.stages.local.config import LocalConfig
from splatpose.stages.local.stage import load_local, refine_pairs
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.stage import load_matches, match_photos

CONFIG = LocalConfig(steps=40, max_size=96, gaussians=600, cluster_size=4, neighbours=2, workers=2)
OPTIONS: dict[str, Any] = {"depth": None, "backend": "cpu", "min_matches": 15, "seed": 0}


def prepared(photos: list[Path], folder: Path) -> tuple[Capture, MatchGraph]:
    """Copies of photos, captured and matched with SIFT."""
    images = folder / "images"
    images.mkdir()
    for photo in photos:
        shutil.copy(photo, images)
    for stage in ("capture", "matching"):
        (folder / stage).mkdir()
    build_capture(images, CaptureConfig(), folder / "capture", ignore_events)
    capture = load_capture(folder / "capture")
    config = MatchingConfig(matcher="sift")
    match_photos(capture, config, folder / "matching", ignore_events, weights_dir=None, seed=0)
    return capture, load_matches(folder / "matching")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Capture, MatchGraph]:
    small = tmp_path_factory.mktemp("small")
    copy_small(first_photos(5), small)
    return prepared(sorted(small.iterdir()), tmp_path_factory.mktemp("demo"))


@pytest.fixture(scope="module")
def done(
    demo: tuple[Capture, MatchGraph], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[Event]]:
    folder = tmp_path_factory.mktemp("local")
    events: list[Event] = []
    refine_pairs(*demo, CONFIG, folder, events.append, **OPTIONS)
    return folder, events


def true_poses(capture: Capture, transforms: Path) -> np.ndarray:
    """cam_from_world of the demo's photos."""
    frames = json.loads(transforms.read_text())["frames"]
    named = {Path(frame["file_path"]).name: frame["transform_matrix"] for frame in frames}
    opengl = np.diag([1.0, -1, -1, 1])
    return np.stack(
        [np.linalg.inv(np.array(named[photo.name]) @ opengl) for photo in capture.photos]
    )


def mean_turn(pairs: RefinedPairs, true: np.ndarray) -> float:
    """Mean rotation error of the refined pairs in degrees."""
    rows = pairs.relative.subset(pairs.refined)
    R, _ = relative_pose(true[rows.pairs[:, 0]], true[rows.pairs[:, 1]])
    return float(rotation_angle(rows.rotation @ np.swapaxes(R, 1, 2)).mean())


def test_clusters_are_judged_and_pairs_refined(
    demo: tuple[Capture, MatchGraph], done: tuple[Path, list[Event]]
) -> None:
    capture, _ = demo
    folder, events = done
    pairs, evidence = load_local(folder)
    assert not (folder / "clusters").exists()
    assert len(evidence.clusters) >= 2
    assert evidence.num_refined == pairs.refined.sum() >= 5
    kept = [cluster for cluster in evidence.clusters if cluster.kept != "two views"]
    assert kept
    for cluster in kept:
        after = {
            "tracks": cluster.match_error_tracks,
            "joint": cluster.match_error_joint,
        }[cluster.kept]
        assert after == min(cluster.match_error_tracks, cluster.match_error_joint)
        assert after < cluster.match_error_two_views
        assert cluster.held_out_tracks >= 15
        assert 3 <= len(cluster.photos) <= 4
        assert 0 < cluster.steps <= CONFIG.steps
    assert mean_turn(pairs, true_poses(capture, DEMO / "transforms.json")) < 0.5
    assert np.isfinite(pairs.baselines[pairs.relative.row[pairs.refined]]).mean() > 0.5
    progress = [e for e in events if isinstance(e, Progress)]
    assert progress[-1].done == progress[-1].total == len(evidence.clusters)
    assert any(isinstance(e, Message) and "pairs refined" in e.text for e in events)


def test_one_process_interrupted_comes_to_the_same_as_two(
    demo: tuple[Capture, MatchGraph], done: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    folder, _ = done
    config = replace(CONFIG, workers=1)
    finished: list[int] = []

    def interrupt(event: Event) -> None:
        if isinstance(event, Progress) and event.text == "clusters optimised":
            finished.append(event.done)
            if finished == [0, 1]:
                raise KeyboardInterrupt

    for _ in range(2):
        with contextlib.suppress(KeyboardInterrupt):
            refine_pairs(*demo, config, tmp_path, interrupt, **OPTIONS)
    assert finished[:2] == [0, 1]
    assert finished[2] >= 1, "a finished cluster is optimised again"
    assert same(load_local(folder), load_local(tmp_path))


def same(a: tuple[RefinedPairs, LocalEvidence], b: tuple[RefinedPairs, LocalEvidence]) -> bool:
    """Whether two results are equal to the last bit, but for the seconds."""
    for first, second in ((a[0], b[0]), (a[0].relative, b[0].relative)):
        for field in dataclasses.fields(first):
            x, y = getattr(first, field.name), getattr(second, field.name)
            if isinstance(x, np.ndarray) and not np.array_equal(x, y, equal_nan=x.dtype == float):
                return False
    return all(
        replace(x, seconds=0.0) == replace(y, seconds=0.0)
        for x, y in zip(a[1].clusters, b[1].clusters, strict=True)
    )


def test_the_view_graph_from_refined_pairs_is_one_more_hypothesis(
    demo: tuple[Capture, MatchGraph], done: tuple[Path, list[Event]], tmp_path: Path
) -> None:
    capture, graph = demo
    pairs, _ = load_local(done[0])

    def workshop(refined: RefinedPairs | None) -> Workshop:
        return Workshop(
            tmp_path / "hypotheses", graph, [photo.name for photo in capture.photos],
            np.array([photo.group for photo in capture.photos]), match_table(graph),
            max_error_px=1.0, min_matches=15, seed=0, refined=refined,
        )  # fmt: skip

    nothing = replace(pairs, refined=np.zeros_like(pairs.refined))
    assert workshop(None).rounds == workshop(nothing).rounds == ROUNDS
    with_pairs = workshop(pairs)
    assert FROM_REFINED_PAIRS in with_pairs.rounds[1]
    assert with_pairs.rounds[0] == ROUNDS[0]
    with quiet_colmap():
        (found,) = with_pairs.run([FROM_REFINED_PAIRS], 1)
    assert isinstance(found, Hypothesis)
    assert found.num_registered == 5
    assert found.explanation.share > 0.8


def test_real_facade_with_prior_depth(shared: Path, tmp_path: Path) -> None:
    """Three photos of a real set with a network's depth, which is poor there."""
    data = shared / "data" / "fountain_p11"
    if not (data / "depth_mono").is_dir():
        pytest.skip(f"no depth maps at {data}")
    photos = sorted((data / "images").iterdir())[4:7]
    capture, graph = prepared(photos, tmp_path)
    for name in ("depth", "local"):
        (tmp_path / name).mkdir()
    source = DepthConfig(source=str(data / "depth_mono"))
    build_depth(capture, source, tmp_path / "depth", ignore_events, weights_dir=None)
    priors = load_depth(tmp_path / "depth")
    config = replace(CONFIG, steps=60, max_size=128, neighbours=4)
    refine_pairs(
        *(capture, graph, config, tmp_path / "local", ignore_events),
        **(OPTIONS | {"depth": priors}),
    )
    pairs, evidence = load_local(tmp_path / "local")
    assert evidence.num_refined >= 2
    frames = {f["file"]: f["c2w"] for f in json.loads((data / "poses.json").read_text())["frames"]}
    true = np.stack([np.linalg.inv(np.array(frames[p.name])) for p in capture.photos])
    table, (cameras, known) = match_table(graph), read_cameras(graph.database)
    index = np.zeros(3, np.int64)
    cameras = calibrate_focal_lengths(table, cameras, index, known, min_matches=15, seed=0)
    plain = relative_poses(table, cameras, index, min_matches=15, seed=0)
    two_views = replace(pairs, relative=plain.subset(np.isin(plain.row, pairs.relative.row)))
    assert mean_turn(pairs, true) < 1.02 * mean_turn(two_views, true)


@pytest.mark.parametrize(
    "wrong", [{"cluster_size": 2}, {"cluster_size": 9}, {"held_out_share": 0.9}, {"workers": 0}]
)
def test_settings_out_of_bounds_are_refused(
    demo: tuple[Capture, MatchGraph], tmp_path: Path, wrong: dict
) -> None:
    config = replace(CONFIG, **wrong)
    with pytest.raises(SplatposeError, match=f"local: {next(iter(wrong))}"):
        refine_pairs(*demo, config, tmp_path, ignore_events, **OPTIONS)
