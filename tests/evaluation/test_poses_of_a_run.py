"""An evaluation takes the poses that a run went on with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenes.splats import synthetic_views
from scenes.two_rounds import MOVED, write_rounds
from scenes.viewer_run import REGISTERED, SIZE

from splatpose.errors import SplatposeError
from splatpose.evaluation.held_out_run import load_poses


def shift_of(out: Path, second_round: dict[str, str] | None, stages: list[dict[str, Any]]) -> float:
    """How far the poses that are read are from the first ones."""
    poses = load_poses(out, {"stages": stages, "second_round": second_round})
    true = synthetic_views(REGISTERED, *SIZE).cam_from_world
    return float(np.mean(poses.cam_from_world[:REGISTERED, 0, 3] - true[:, 0, 3]))


def test_the_second_round_s_poses_count_where_they_were_kept(tmp_path: Path) -> None:
    write_rounds(tmp_path / "run", "kept")
    for decision, expected in (("kept", MOVED), ("rolled back", 0), ("not tried", 0)):
        told = {"decision": decision}
        assert shift_of(tmp_path / "run", told, []) == pytest.approx(expected, abs=1e-9)
    assert shift_of(tmp_path / "run", None, []) == pytest.approx(0, abs=1e-9)


def test_photos_that_were_registered_late_come_after_both_rounds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rounds(tmp_path / "run", "kept")
    stages, told = [{"stage": "late_registration"}], {"decision": "kept"}
    with pytest.raises(SplatposeError, match="late_registration"):
        shift_of(tmp_path / "run", told, stages)
    work = tmp_path / "run" / ".splatpose"
    late = work / "late_registration"
    late.mkdir()
    (late / "manifest.json").write_bytes((work / "poses" / "manifest.json").read_bytes())
    module = "splatpose.evaluation.held_out_run.load_late_registration"
    monkeypatch.setattr(module, lambda folder: None)
    assert shift_of(tmp_path / "run", told, stages) == pytest.approx(MOVED, abs=1e-9)
