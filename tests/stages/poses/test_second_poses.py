"""Poses that go on with the matches of a second round."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from scenes.loops import DRIFT, PHOTOS, PIXELS, drifted, loop_scene, model_of
from scenes.poses import CONFIG, Scene, position_error
from scenes.zooms import FOCAL, zoomed

from splatpose.events import Message, Progress
from splatpose.geometry.rotations import so3_exp
from splatpose.io.camera_groups import with_cameras
from splatpose.io.colmap_database import (
    PairMatches,
    opened,
    read_cameras,
    read_graph,
    write_pairs,
)
from splatpose.scene.evidence import HypothesisEvidence, PhotoEvidence
from splatpose.scene.matches import MatchGraph
from splatpose.scene.second_round import MoreMatches, MorePoses, SecondRoundEvidence
from splatpose.scene.sparse_model import PoseSnapshot, SparseModel
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.match_consistency import explain
from splatpose.stages.poses.lenses import of_lenses
from splatpose.stages.poses.second import continue_poses, load_more_poses
from splatpose.stages.poses.second_verdict import Question, judged, sentence

FOUND = SecondRoundEvidence(60, 40, "not tried", "")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Scene, Scene]:
    """The walk as the first round knows it, and as both do."""
    root = tmp_path_factory.mktemp("loop")
    return loop_scene(root / "first", blind=True), loop_scene(root / "both")


@pytest.fixture(scope="module")
def first(scenes: tuple[Scene, Scene]) -> SparseModel:
    """A model that drifted, without the last photo."""
    blind, _ = scenes
    poses = drifted(blind.cam_from_world)
    poses[PHOTOS - 1] = np.nan
    model = model_of(blind, blind.graph, poses)
    nan = float("nan")
    chosen = HypothesisEvidence("global", PHOTOS - 1, 9, 0.9, nan, 1.0, 1.0, True, "", nan, True)
    worse = drifted(blind.cam_from_world, 2 * DRIFT)
    worse[PHOTOS - 1] = np.nan
    start = PoseSnapshot("initial", worse, model.points)
    evidence = tuple(
        PhotoEvidence(name, i < PHOTOS - 1, "", 9, 0.9, 0.5, "late" if i == 3 else "mapping")
        for i, name in enumerate(model.names)
    )
    return replace(model, hypotheses=(chosen,), snapshots=(start,), evidence=evidence)


def go_on(
    scenes: tuple[Scene, Scene], first: SparseModel, folder: Path, emit=lambda event: None
) -> MorePoses:
    folder.mkdir(exist_ok=True)
    blind, both = scenes
    more = MoreMatches(both.graph, FOUND)
    continue_poses(both.capture, blind.graph, more, first, CONFIG, folder, emit, seed=0)
    return load_more_poses(folder)


@pytest.fixture(scope="module")
def finished(
    scenes: tuple[Scene, Scene], first: SparseModel, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MorePoses, list]:
    events: list = []
    found = go_on(scenes, first, tmp_path_factory.mktemp("second") / "a", events.append)
    return found, events


def test_drift_falls_and_photos_join(
    scenes: tuple[Scene, Scene], first: SparseModel, finished: tuple[MorePoses, list]
) -> None:
    _, both = scenes
    found, events = finished
    told = found.evidence
    assert told.decision == "kept"
    assert found.model is not None
    assert position_error(found.model, both) < 0.2 * position_error(first, both)
    assert (told.registered_before, told.registered_after) == (PHOTOS - 1, PHOTOS)
    assert (told.named, told.matched, told.dropped) == (60, 40, 0)
    assert told.loops >= 10
    assert told.gap_after < told.gap_before
    assert told.explained_after > told.explained_before
    assert told.position_change > 1
    messages = [event.text for event in events if isinstance(event, Message)]
    assert len(messages) == 1
    assert "40 of 60 pairs that the poses name match" in messages[0]
    assert "1 more of them placed" in messages[0]
    assert str(found.model.hypotheses) == str(first.hypotheses)
    assert [one.stage for one in found.model.snapshots] == ["initial", "global"]
    turns = [
        poses[PHOTOS - 2, :3, :3] @ poses[0, :3, :3].T
        for poses in (one.snapshots[0].cam_from_world for one in (found.model, first))
    ]
    np.testing.assert_allclose(*turns, atol=1e-6)  # as it was, in the frame of the final model
    assert np.isnan(found.model.snapshots[0].cam_from_world[PHOTOS - 1]).all()
    assert all(photo.registered for photo in found.model.evidence)
    late = [i for i, photo in enumerate(found.model.evidence) if photo.placed_by == "late"]
    assert late == [3, PHOTOS - 1], "in either round"


def test_an_interrupted_run_goes_on_to_the_same(
    scenes: tuple[Scene, Scene],
    first: SparseModel,
    finished: tuple[MorePoses, list],
    tmp_path: Path,
) -> None:
    def interrupt(event) -> None:
        if isinstance(event, Progress) and event.text == "refining":
            raise KeyboardInterrupt

    folder = tmp_path / "second"
    with pytest.raises(KeyboardInterrupt):
        go_on(scenes, first, folder, interrupt)
    before = (folder / "work" / "adjusted" / "images.bin").stat().st_mtime_ns
    moments: list[int] = []

    def watch(event) -> None:
        if isinstance(event, Progress) and event.text == "refining":
            moments.append((folder / "work" / "adjusted" / "images.bin").stat().st_mtime_ns)

    again = go_on(scenes, first, folder, watch)
    assert moments == [before], "what was adjusted is used again"
    expected, _ = finished
    assert again.model is not None
    assert expected.model is not None
    np.testing.assert_array_equal(again.model.cam_from_world, expected.model.cam_from_world)
    np.testing.assert_array_equal(again.model.points, expected.model.points)
    assert str(again.evidence) == str(expected.evidence)
    assert not any(path.is_dir() and path.name != "model" for path in folder.iterdir())


def test_a_model_that_explains_less_or_places_fewer_is_not_kept(
    scenes: tuple[Scene, Scene], first: SparseModel
) -> None:
    _, both = scenes
    table = match_table(both.graph)
    question = Question(table, np.zeros(len(table), bool), None, PIXELS)
    truth = model_of(both, both.graph, both.cam_from_world)
    told = explain(truth, table, max_error_px=PIXELS)
    whole = model_of(both, both.graph, drifted(both.cam_from_world))
    worse = judged(truth, told, whole, question, FOUND)
    assert worse.decision == "rolled back"
    assert "explains the matches worse" in worse.reason
    fewer = judged(truth, told, first, question, replace(FOUND, registered_before=PHOTOS))
    assert fewer.decision == "rolled back"
    assert f"{PHOTOS - 1} in place of {PHOTOS} photos" in fewer.reason
    assert judged(truth, told, None, question, FOUND).decision == "rolled back"
    assert judged(truth, told, truth, question, FOUND).decision == "kept"


def test_a_walk_whose_steps_jump_in_the_second_model_alone_keeps_the_first(
    scenes: tuple[Scene, Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, both = scenes
    table = match_table(both.graph)
    question = Question(table, np.zeros(len(table), bool), np.arange(PHOTOS), PIXELS)
    truth = model_of(both, both.graph, both.cam_from_world)
    told = explain(truth, table, max_error_px=PIXELS)
    module = "splatpose.stages.poses.second_verdict.step_jumps"
    for jump_before, jump_now, decision in ((0, 4, "rolled back"), (4, 0, "kept"), (4, 4, "kept")):
        jumps = iter([np.full(PHOTOS, float(jump)) for jump in (jump_before, jump_now)])
        monkeypatch.setattr(module, lambda model, order, jumps=jumps: next(jumps))
        assert judged(truth, told, replace(truth), question, FOUND).decision == decision


def test_what_the_round_did_is_told() -> None:
    kept = replace(
        FOUND, decision="kept", reason="it explains 90 %", loops=7, gap_before=0.256,
        registered_before=28, registered_after=30, position_change=12.34,
    )  # fmt: skip
    assert sentence(kept) == (
        "40 of 60 pairs that the poses name match; in 7 of them the poses had drifted by 26 % of "
        "the depth. The poses went on with them: photos moved by up to 12.3 % of the radius, 2 "
        "more of them placed; it explains 90 %."
    )
    same = replace(kept, loops=0, registered_after=28)
    assert sentence(same) == (
        "40 of 60 pairs that the poses name match. The poses went on with them: photos moved by up "
        "to 12.3 % of the radius; it explains 90 %."
    )
    back = replace(kept, loops=0, decision="rolled back", reason="it places fewer photos")
    assert sentence(back) == (
        "40 of 60 pairs that the poses name match. The first poses stay; as to the second model, "
        "it places fewer photos."
    )


def test_matches_of_the_first_round_do_not_pay_for_those_of_the_second(
    scenes: tuple[Scene, Scene],
) -> None:
    _, both = scenes
    table = match_table(both.graph)
    before = model_of(both, both.graph, drifted(both.cam_from_world))
    told = explain(before, table, max_error_px=PIXELS)
    poses = both.cam_from_world.copy()
    poses[PHOTOS // 2, :3] = so3_exp(np.radians([0, 4.0, 0])) @ poses[PHOTOS // 2, :3]
    after = model_of(both, both.graph, poses)
    assert explain(after, table, max_error_px=PIXELS).score > told.score
    question = Question(table, ~told.explained, None, PIXELS)
    assert judged(before, told, after, question, FOUND).decision == "rolled back"
    truth = model_of(both, both.graph, both.cam_from_world)
    assert judged(before, told, truth, question, FOUND).decision == "kept"


def test_cameras_that_were_not_parted_keep_what_exif_says(
    scenes: tuple[Scene, Scene], tmp_path: Path
) -> None:
    """The first poses found a further lens among the photos of one of two cameras."""
    _, both = scenes
    groups = np.arange(PHOTOS) % 2
    exif = (zoomed(1.0), zoomed(1.1))
    graph = with_cameras(both.graph, exif, (True, True), groups, tmp_path / "given.db")
    photos = tuple(
        replace(photo, group=int(group))
        for photo, group in zip(both.capture.photos, groups, strict=True)
    )
    capture = replace(both.capture, photos=photos)
    index = np.where(groups == 0, np.where(np.arange(PHOTOS) < 6, 2, 0), 1)
    solved = replace(
        model_of(both, both.graph, both.cam_from_world),
        cameras=(zoomed(1.02), zoomed(1.12), zoomed(1.5)),
        camera_index=index,
    )
    found = of_lenses(graph, capture, solved, tmp_path / "lenses.db")
    cameras, known = read_cameras(found.database)
    assert known == (False, True, False)
    assert [camera.params[0] / FOCAL for camera in cameras] == pytest.approx([1.02, 1.1, 1.5])
    same = replace(solved, camera_index=groups)
    assert of_lenses(graph, capture, same, tmp_path / "none.db") is graph


def with_false_pair(scene: Scene, folder: Path, pair: tuple[int, int]) -> Scene:
    """The scene with verified matches of two photos that have nothing in common."""
    rng = np.random.default_rng(0)
    shutil.copyfile(scene.graph.database, folder)
    rows = [rng.permutation(len(scene.graph.keypoints[k]))[:60] for k in pair]
    matches = np.stack(rows, 1)
    geometry = pycolmap.TwoViewGeometry()
    geometry.config = 2
    geometry.inlier_matches = matches.astype(np.uint32)
    with opened(folder) as database:
        write_pairs(database, [PairMatches(*pair, matches, geometry)])
    return replace(scene, graph=read_graph(folder, "sift"))


@pytest.mark.parametrize("confirmed", [True, False])
def test_pairs_that_confirmed_poses_refute_take_no_part(
    confirmed: bool,
    scenes: tuple[Scene, Scene],
    first: SparseModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    far = (2, 14)
    blind, both = (
        with_false_pair(scene, tmp_path / f"{i}.db", far) for i, scene in enumerate(scenes)
    )
    truth = replace(
        model_of(blind, scenes[0].graph, blind.cam_from_world),
        hypotheses=(replace(first.hypotheses[0], confirmed=confirmed),),
    )
    built_on: list[dict[tuple[int, ...], int]] = []

    def adjusted(start: SparseModel, graph: MatchGraph, *args: object) -> None:
        written = read_graph(graph.database, "sift")
        counts = zip(map(tuple, written.pairs.tolist()), written.num_verified.tolist(), strict=True)
        built_on.append(dict(counts))

    monkeypatch.setattr("splatpose.stages.poses.second.grown_once", adjusted)
    told = go_on((blind, both), truth, tmp_path / "second").evidence
    assert told.loops == 0
    assert told.dropped == int(confirmed)
    before = scenes[1].graph
    others = dict(zip(map(tuple, before.pairs.tolist()), before.num_verified.tolist(), strict=True))
    (found,) = built_on
    assert found.pop(far) == (0 if confirmed else 60)
    assert found == others
    assert told.decision == "rolled back"
    assert told.reason == "no points were found"


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_few_pairs_with_next_to_no_drift_change_nothing(
    scenes: tuple[Scene, Scene], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: float
) -> None:
    monkeypatch.setattr("splatpose.stages.poses.second_verdict._WORTH", 1.0)
    blind, _ = scenes
    events: list = []
    poses = drifted(blind.cam_from_world, share * DRIFT)
    found = go_on(scenes, model_of(blind, blind.graph, poses), tmp_path / "second", events.append)
    assert found.model is None
    assert found.evidence.decision == "not tried"
    assert "agree" in found.evidence.reason
    assert (found.evidence.loops > 0) == (share > 0)
    assert ("would move no photo by more than 0." in found.evidence.reason) == (share > 0)
    assert [path.name for path in (tmp_path / "second").iterdir()] == ["second_round.json"]
    assert sum(isinstance(event, Message) for event in events) == 1
