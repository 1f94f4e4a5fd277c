"""A run or a file is followed from its files."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from scenes.splats import random_splats
from scenes.viewer_run import REGISTERED, compute_run

from splatpose.errors import SplatposeError
from splatpose.events import Message
from splatpose.io.ply import write_splat_ply
from splatpose.runs.log import EventLog
from splatpose.viewer.web.follow import FileFollower, RunFollower
from splatpose.viewer.web.show import follower_of


def test_a_finished_run_is_read_whole(finished: Path) -> None:
    follower = RunFollower(finished)
    assert follower.look()
    world, progress = follower.world, follower.progress
    assert world.problems == ()
    assert progress.finished is not None
    assert progress.error == ""
    assert world.capture is not None
    assert len(world.thumbnails) == len(world.capture.photos) == REGISTERED + 1
    assert world.poses is not None
    assert int(world.poses.registered.sum()) == REGISTERED
    assert world.links is not None
    assert world.links.pairs.tolist()[0] == [0, 1]
    assert world.links.matches.tolist()[:2] == [20, 10]
    assert world.splats is not None
    assert world.splats.step is None
    assert len(world.splats.browser) == len(world.splats.full)
    assert world.views is not None
    assert len(progress.curve) > 1
    levels = [verdict.level for verdict in world.verdicts]
    assert levels == ["weak"] + ["registered"] * (REGISTERED - 1) + ["refused"]
    assert world.verdicts[0].advice == "Photograph it again."
    assert not follower.look(), "nothing is new"
    assert follower.world is world


def test_a_stage_is_shown_while_the_next_one_is_read(finished: Path) -> None:
    follower = RunFollower(finished)
    seen = [(follower.world.poses, follower.world.splats) for _ in follower.parts()]
    known = [(poses is not None, splats is not None) for poses, splats in seen]
    assert known[0] == (False, False)
    assert (True, False) in known
    assert known[-1] == (True, True)


def test_a_run_without_a_log_is_read_by_its_manifests(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    os.system(f"cp -r '{finished}' '{out}'")
    (out / ".splatpose" / "events.jsonl").unlink()
    follower = RunFollower(out)
    follower.look()
    assert follower.world.splats is not None
    assert follower.progress.stages["poses"].state == "done"
    assert len(follower.progress.curve) > 1


def test_a_run_is_followed_from_nothing_through_its_stages(tmp_path: Path) -> None:
    out = tmp_path / "run"
    follower = RunFollower(out)
    assert not follower.look()
    seen: list[str] = []

    def look(event: object) -> None:
        if follower.look():
            world = follower.world
            parts = {"capture": world.capture, "poses": world.poses, "splats": world.splats}
            seen.extend(name for name, part in parts.items() if part and name not in seen)

    compute_run(out, 20, look)
    follower.look()
    assert seen[:2] == ["capture", "poses"]
    assert follower.world.splats is not None
    before = follower.world
    compute_run(out, 20, last="capture")
    follower.look()
    assert follower.world is not before
    assert follower.world.poses is None, "the poses of an earlier run are not this one's"
    assert follower.progress.stages["capture"].state == "kept"


def test_a_run_that_died_is_known_to_be_dead(tmp_path: Path) -> None:
    work = tmp_path / ".splatpose"
    work.mkdir()
    with EventLog(work) as log:
        log.sink(lambda event: None)(Message("poses", "x"))
    text = (work / "events.jsonl").read_text().replace(f'"pid": {os.getpid()}', '"pid": 99999999')
    (work / "events.jsonl").write_text(text)
    follower = RunFollower(tmp_path)
    follower.look()
    assert "gone" in follower.progress.error


def test_a_splat_file_is_drawn_as_its_header_says(tmp_path: Path) -> None:
    path = tmp_path / "scene.ply"
    write_splat_ply(path, dataclasses.replace(random_splats(3, 0), antialiased=True))
    follower = follower_of(path)
    follower.look()
    assert follower.world.splats is not None
    assert follower.world.splats.full.antialiased


def test_a_splat_file_is_shown_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "scene.ply"
    write_splat_ply(path, random_splats(30, 0))
    follower = follower_of(path)
    assert isinstance(follower, FileFollower)
    assert follower.look()
    assert not follower.look()
    write_splat_ply(path, random_splats(40, 0))
    os.utime(path, (1, 1))
    assert follower.look()
    assert follower.world.splats is not None
    assert len(follower.world.splats.browser) == 40


def test_what_cannot_be_shown_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="nothing at"):
        follower_of(tmp_path / "absent")
    with pytest.raises(SplatposeError, match="no output folder"):
        follower_of(tmp_path)
    (tmp_path / "points.ply").write_text("ply\n")
    with pytest.raises(SplatposeError, match="readable"):
        follower_of(tmp_path / "points.ply").look()
