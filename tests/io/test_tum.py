"""TUM trajectories: what a line means, round trips, wrong files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from splatpose.errors import SplatposeError
from splatpose.geometry.rotations import so3_exp
from splatpose.io.tum import read_tum, write_tum


def test_a_line_is_the_camera_in_the_world_with_the_scalar_last(tmp_path: Path) -> None:
    """A camera at (1, 2, 3) turned by 90 degrees about the world's z axis."""
    half = np.sqrt(0.5)
    world_from_cam = np.array([[0.0, -1, 0, 1], [1, 0, 0, 2], [0, 0, 1, 3], [0, 0, 0, 1]])
    write_tum(tmp_path / "t.tum", np.array([7.0]), np.linalg.inv(world_from_cam)[None])
    comment, line = (tmp_path / "t.tum").read_text().splitlines()
    assert comment.startswith("#")
    np.testing.assert_allclose(
        [float(word) for word in line.split()], [7, 1, 2, 3, 0, 0, half, half], atol=1e-8
    )


def test_round_trip(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    poses = np.tile(np.eye(4), (30, 1, 1))
    poses[:, :3, :3] = so3_exp(rng.normal(size=(30, 3)) * 2)
    poses[:, :3, 3] = rng.normal(size=(30, 3))
    stamps = np.sort(rng.random(30)) * 100
    write_tum(tmp_path / "t.tum", stamps, poses)
    read_stamps, read_poses = read_tum(tmp_path / "t.tum")
    np.testing.assert_allclose(read_stamps, stamps, atol=1e-6)
    np.testing.assert_allclose(read_poses, poses, atol=1e-7)


def test_reads_other_tools_files(tmp_path: Path) -> None:
    """Comments, commas, blank lines, a quaternion that is not quite of unit length."""
    path = tmp_path / "t.txt"
    path.write_text("# a comment\n\n1.5, 0 0 0, 0 0 0 2\n")
    stamps, poses = read_tum(path)
    np.testing.assert_allclose(stamps, [1.5])
    np.testing.assert_allclose(poses[0], np.eye(4))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no pose"),
        ("# only a comment\n", "no pose"),
        ("1 2 3\n", "line 1"),
        ("# x\n1 0 0 0 0 0 0 one\n", "line 2"),
        ("1 0 0 0 0 0 0 0\n", "line 1"),
        ("1 nan 0 0 0 0 0 1\n", "line 1"),
    ],
)
def test_wrong_files_are_explained(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "t.tum"
    path.write_text(text)
    with pytest.raises(SplatposeError, match=says):
        read_tum(path)


def test_a_missing_or_binary_file_is_explained(tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="does not exist"):
        read_tum(tmp_path / "t.tum")
    (tmp_path / "b.tum").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SplatposeError, match="not a text file"):
        read_tum(tmp_path / "b.tum")
