"""Pipes, sockets and folders in place of files: told at once, never waited for."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from splatpose.camera_path.paths import read_keyframes
from splatpose.errors import SplatposeError
from splatpose.evaluation.readers.assemble import matrix_in, photos_in
from splatpose.evaluation.readers.read import READERS
from splatpose.io.depthmaps import read_depth_map
from splatpose.io.nerfstudio import read_transforms
from splatpose.io.photos import read_header, read_photo
from splatpose.io.ply import read_splat_ply
from splatpose.io.regular_files import NotRegularFile, open_regular, read_text
from splatpose.io.tum import read_tum
from splatpose.io.video import sample_frames

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")


def within_seconds(call: Callable[[], Any]) -> BaseException | None:
    """What a call raises; fails where it waits."""
    raised: list[BaseException | None] = [None]

    def run() -> None:
        try:
            call()
        except BaseException as error:
            raised[0] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), "it waits for a pipe"
    return raised[0]


def first_frame(path: Path) -> None:
    list(sample_frames(path, rate=1.0, max_frames=1))


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("a.jpg", read_header),
        ("a.jpg", read_photo),
        ("a.npy", read_depth_map),
        ("a.exr", read_depth_map),
        ("a.png", read_depth_map),
        ("a.ply", read_splat_ply),
        ("a.tum", read_tum),
        ("a.json", read_transforms),
        ("a.json", read_keyframes),
        ("a.txt", matrix_in),
        ("a.mp4", first_frame),
    ],
)
def test_a_pipe_is_an_error_for_people(tmp_path: Path, name: str, read: Any) -> None:
    path = tmp_path / name
    os.mkfifo(path)
    error = within_seconds(lambda: read(path))
    assert isinstance(error, SplatposeError)
    assert "named pipe" in error.message


@pytest.mark.parametrize("format", READERS)
def test_truth_of_pipes_is_an_error_for_people(tmp_path: Path, format: str) -> None:
    """Every file that a reader of true cameras may open is a pipe."""
    for name in (
        *("poses.json", "transforms.json", "groundtruth.txt", "rgb.txt", "poses_bounds.npy"),
        *("cameras.npz", "frame-000000.pose.txt", "frame-000000.color.png"),
        *("images/a.jpg", "cams/a_cam.txt", "pose/a.txt", "color/a.jpg", "intrinsic/a.txt"),
        *(f"sparse/0/{part}.txt" for part in ("cameras", "images", "points3D")),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(tmp_path / name)
    reader = READERS[format]  # pyright: ignore[reportArgumentType]
    within_seconds(lambda: reader.recognises(tmp_path))
    assert isinstance(within_seconds(lambda: reader.read(tmp_path, None)), SplatposeError)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.jpg").mkdir()
    with socket.socket(socket.AF_UNIX) as end:
        where = os.getcwd()
        os.chdir(tmp_path)  # a socket's path is short
        try:
            end.bind("socket.jpg")
        finally:
            os.chdir(where)
        for name, word in (("folder.jpg", "a folder"), ("socket.jpg", "a socket")):
            with pytest.raises(NotRegularFile) as caught:
                open_regular(tmp_path / name)
            assert caught.value.strerror == f"{word}, not a file"
    with pytest.raises(NotRegularFile, match="a device"):
        read_text(Path("/dev/zero"))
    os.mkfifo(tmp_path / "b.jpg")
    with pytest.raises(SplatposeError, match="holds no photo"):
        photos_in(tmp_path)
    (tmp_path / "text").write_text("ä")
    (tmp_path / "link").symlink_to(tmp_path / "text")
    assert read_text(tmp_path / "link") == "ä"
    with pytest.raises(FileNotFoundError):
        read_text(tmp_path / "gone")
