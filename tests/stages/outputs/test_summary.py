"""The five lines that a run ends with."""

from __future__ import annotations

import copy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scenes.outputs import HELD_OUT, Scene, make_scene

from splatpose.stages.outputs.formatting import duration, known, memory, percent, plural, quantity
from splatpose.stages.outputs.report import build_report
from splatpose.stages.outputs.summary import closing_lines, summary_lines

NAN = float("nan")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path)


@pytest.fixture
def report(scene: Scene) -> dict[str, Any]:
    return build_report(scene.capture, scene.graph, scene.poses, scene.views, scene.trained)


def judged(report: dict[str, Any], *levels: str) -> dict[str, Any]:
    report = copy.deepcopy(report)
    report["verdicts"] = {"advice": [], "notes": ["two halves agree"], "counts": {}}
    for row, level in zip(report["photos"], levels, strict=True):
        row["verdict"], row["verdict_reason"] = level, f"it is {level}"
    return report


def test_without_verdicts(report: dict[str, Any]) -> None:
    assert summary_lines(report, Path("out")) == (
        "photos    5 of 6 have a pose, 1 file skipped",
        "poses     12 points, 0.50 px median error, incremental mapping: best",
        "splat     20 Gaussians; unseen views: PSNR 28.50 dB, SSIM 0.900 on 1 held-out photo",
        "weakest   photo_2.jpg: too few matches",
        "files     out/report.html tells more; splat.ply, sparse/0, transforms.json lie beside it",
    )


def test_with_verdicts(report: dict[str, Any]) -> None:
    lines = summary_lines(
        judged(report, "trusted", "weak", "refused", "weak", "trusted", "weak"), Path("out")
    )
    assert lines[0] == "photos    2 of 6 trusted, 3 weak, 1 refused, 1 file skipped"
    assert lines[1].endswith("incremental mapping: best")
    assert lines[3] == "weakest   photo_2.jpg: it is refused"
    weak = judged(report, "trusted", "weak", "trusted", "weak", "trusted", "weak")
    assert summary_lines(weak, Path("out"))[3] == (
        "weakest   sub/photo_1.jpg: it is weak (2 more weak)"
    )
    weak["verdicts"]["advice"] = ["3 photos between a and b", "another"]
    assert summary_lines(weak, Path("out"))[3] == (
        "next      3 photos between a and b (1 more in the report)"
    )


def test_where_all_is_well_the_weakest_is_named_all_the_same(report: dict[str, Any]) -> None:
    report = judged(report, *["trusted"] * 6)
    for row in report["photos"]:
        row["registered"] = True
    name = report["photos"][HELD_OUT]["name"]
    assert summary_lines(report, Path("out"))[3] == f"weakest   {name}, rendered at 28.50 dB"
    report["summary"] |= {"held_out": 0, "held_out_psnr": None, "held_out_ssim": None}
    for row in report["photos"]:
        row["held_out_psnr"] = None
    report["photos"][1]["inlier_share"] = 0.5
    lines = summary_lines(report, Path("out"))
    assert "no photo was held out" in lines[2]
    assert lines[3] == "weakest   sub/photo_1.jpg, 50 % of its matches agree with its pose"


def test_names_cannot_break_the_lines(report: dict[str, Any]) -> None:
    report["photos"][2]["name"] = "a\nb\x1b[31m\u202ec.jpg"
    lines = summary_lines(report, Path("out"))
    assert len(lines) == 5
    assert all(line.isprintable() for line in lines)
    assert "a?b?[31m?c.jpg" in lines[3]


def test_the_lines_are_those_of_the_written_report(scene: Scene, report: dict[str, Any]) -> None:
    scene.write()
    assert closing_lines(scene.out) == summary_lines(report, scene.out)


def test_words() -> None:
    assert [percent(v) for v in (0.0, 0.004, 0.976, 1.0)] == ["0 %", "0.4 %", "98 %", "100 %"]
    assert [quantity(v) for v in (0.0, 0.0123, 0.351, 4.24, 1234.5)] == [
        "0", "0.012", "0.35", "4.2", "1,234"
    ]  # fmt: skip
    assert [duration(v) for v in (0.4, 59.4, 59.6, 187.0, 3720.0)] == [
        "0.4 s", "59 s", "1 min 0 s", "3 min 7 s", "1 h 2 min"
    ]  # fmt: skip
    assert [memory(v) for v in (683.2, 1500.0)] == ["683 MiB", "1.5 GiB"]
    assert [plural(n, "photo") for n in (0, 1, 2000)] == ["0 photos", "1 photo", "2,000 photos"]
    assert [known(v) for v in (None, NAN, float("inf"), 0, 1.5)] == [False] * 3 + [True] * 2


def test_the_lines_need_no_heavy_imports() -> None:
    code = (
        "import sys, splatpose.stages.outputs.summary; "
        "print([m for m in ('numpy', 'torch', 'jinja2') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
