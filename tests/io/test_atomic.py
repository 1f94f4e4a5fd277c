"""Writes and removals that happen wholly or not at all."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from splatpose.io.atomic import remove_folder


def test_a_removal_that_is_ended_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "work"
    (folder / "models").mkdir(parents=True)
    (folder / "done").touch()

    def killed(path: Path, **kwargs: object) -> None:
        if path.exists():
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            remove_folder(folder)
    assert not folder.exists()
    folder.mkdir()
    remove_folder(folder)
    assert not list(tmp_path.iterdir())
    remove_folder(folder)  # there is none
