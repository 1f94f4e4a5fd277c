"""Names that are made of the user's names fit into a file system."""

from __future__ import annotations

from pathlib import Path

import pytest

from splatpose.io.atomic import write_bytes, write_json
from splatpose.io.file_names import MOST_BYTES, flat_names, shortened

LONGEST = 255
"""Bytes of a name that Linux's and other systems' folders take."""
NESTED = "/".join(["wall " * 40, "d" * 250, "e" * 250, "a" * 240 + ".jpg"])


def test_short_names_stay_as_they_are() -> None:
    assert shortened("Büro") == "Büro"
    assert shortened("x" * MOST_BYTES) == "x" * MOST_BYTES


@pytest.mark.parametrize("name", ["x" * 121, "ö" * 200, "写真" * 100, "\U0001f4f7" * 90])
def test_long_names_are_cut_between_characters_and_stay_apart(name: str) -> None:
    cut = shortened(name)
    assert len(cut.encode()) <= MOST_BYTES
    assert name.startswith(cut[: cut.rindex("-")])
    assert cut == shortened(name) != shortened(name + "y")


def test_previews_of_deeply_nested_photos_can_be_written(tmp_path: Path) -> None:
    names = (NESTED, NESTED.replace(".jpg", ".png"), "x/" + NESTED, NESTED[:-4] + "b.jpg", "a.jpg")
    files = flat_names(names, ".png")
    assert len({file.lower() for file in files}) == len(names)
    assert files[-1] == "a.png"
    for file in files:
        write_bytes(tmp_path / file, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(files)


def test_flat_names_of_other_endings() -> None:
    assert flat_names(["a/b.jpg", "a_b.png"], ".npy") == ("a_b.npy", "a_b-2.npy")


@pytest.mark.parametrize("name", ["x" * LONGEST, "x" * 251 + ".ply", "a." + "b" * 253, "ö" * 127])
def test_the_longest_name_can_be_written_whole_or_not_at_all(tmp_path: Path, name: str) -> None:
    write_json(tmp_path / name, {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == [name]
