"""Verdicts read for the page."""

from __future__ import annotations

import json
from pathlib import Path

from splatpose.scene import verdicts as trust
from splatpose.stages.trust.storage import save as save_verdicts
from splatpose.viewer.web.reading import read_final_verdicts, read_verdicts


def test_verdicts_of_the_trust_stage_and_of_the_report_are_shown(tmp_path: Path) -> None:
    folder = tmp_path / ".splatpose" / "trust"
    folder.mkdir(parents=True)
    rows = [("a.jpg", "trusted", None), ("b.jpg", "weak", "Go closer."), ("c.jpg", "refused", None)]
    photos = tuple(
        trust.PhotoVerdict(name, level, f"about {name}", advice, trust.PhotoTrust())
        for name, level, advice in rows
    )
    save_verdicts(folder, trust.Verdicts(photos, (), ()))
    verdicts = read_verdicts(tmp_path / ".splatpose")
    assert [verdict.level for verdict in verdicts] == ["trusted", "weak", "refused"]
    assert verdicts[1].advice == "Go closer."
    assert read_final_verdicts(tmp_path, verdicts) == verdicts, "there is no report"
    lines = [{"name": name, "verdict": "weak", "verdict_reason": "seen"} for name, _, _ in rows]
    (tmp_path / "report.json").write_text(json.dumps({"photos": lines}))
    final = read_final_verdicts(tmp_path, verdicts)
    assert [verdict.level for verdict in final] == ["weak", "weak", "refused"]
    assert final[0].reason == "seen"
    assert final[2] == verdicts[2], "a photo without a pose has none in another run's report either"
