"""Few real photos from beginning to end, against their truth."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.rotations import rotation_angle
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.stage import build_capture, load_capture
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.stage import load_matches, match_photos
from splatpose.stages.poses.config import PosesConfig
from splatpose.stages.poses.stage import load_poses, solve_poses


@pytest.mark.slow
@pytest.mark.parametrize(("name", "count"), [("llff_fern", 3), ("herz_jesu_p25", 6)])
def test_few_views(shared: Path, tmp_path: Path, name: str, count: int) -> None:
    """Every photo is placed, and relative rotations and directions are right."""
    photos = sorted((shared / "data" / name / "images").iterdir())
    folders = {part: tmp_path / part for part in ("images", "capture", "matching", "poses")}
    for folder in folders.values():
        folder.mkdir()
    for index in np.linspace(0, len(photos) - 1, count).round().astype(int):
        shutil.copyfile(photos[index], folders["images"] / photos[index].name)
    build_capture(folders["images"], CaptureConfig(), folders["capture"], lambda event: None)
    capture = load_capture(folders["capture"])
    match_photos(
        capture,
        MatchingConfig(matcher="sift"),
        folders["matching"],
        lambda event: None,
        weights_dir=None,
        seed=0,
    )
    graph = load_matches(folders["matching"])
    solve_poses(capture, graph, PosesConfig(), folders["poses"], lambda event: None, seed=0)
    poses = load_poses(folders["poses"])
    assert poses.registered.all()
    frames = json.loads((shared / "data" / name / "poses.json").read_text())["frames"]
    truth = {frame["file"]: np.linalg.inv(np.array(frame["c2w"])) for frame in frames}
    expected = np.stack([truth[file] for file in poses.names])
    i, j = np.triu_indices(count, 1)
    R, t = relative_pose(poses.cam_from_world[i], poses.cam_from_world[j])
    true_R, true_t = relative_pose(expected[i], expected[j])
    cosine = (t * true_t).sum(1) / np.linalg.norm(t, axis=1) / np.linalg.norm(true_t, axis=1)
    assert rotation_angle(R @ np.swapaxes(true_R, 1, 2)).max() < 2.5
    assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 4
