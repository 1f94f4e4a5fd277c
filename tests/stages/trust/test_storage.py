"""Verdicts on disk."""

from __future__ import annotations

from pathlib import Path

from scenes.trust import five_verdicts

from splatpose.stages.trust.stage import load_verdicts
from splatpose.stages.trust.storage import save


def test_verdicts_survive_the_disk(tmp_path: Path) -> None:
    save(tmp_path, five_verdicts())
    assert repr(load_verdicts(tmp_path)) == repr(five_verdicts())
