"""Checks what `splatpose fit` left of the demo photos: python .ci/check_demo.py OUT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

FILES = ("splat.ply", "transforms.json", "trajectory.tum", "sparse/0/cameras.bin")
LOWEST_PSNR = 27.0
"""What the demo must reach on its held-out photos, in dB."""


def check(out: Path) -> list[str]:
    """What is wrong with the results, one line each."""
    problems = [f"{name} is missing or empty" for name in FILES if not _has_content(out / name)]
    if not any((out / "previews").glob("*.png")):
        problems.append("there are no previews")
    summary = json.loads((out / "report.json").read_text())["summary"]
    if summary["registered"] != summary["photos"]:
        problems.append(f"{summary['registered']} of {summary['photos']} photos are registered")
    if not summary["held_out"] or summary["held_out_psnr"] < LOWEST_PSNR:
        problems.append(f"held-out PSNR is {summary['held_out_psnr']}, not {LOWEST_PSNR} dB")
    print(", ".join(f"{name} {value}" for name, value in summary.items()))
    return problems


def _has_content(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


if __name__ == "__main__":
    sys.exit("\n".join(check(Path(sys.argv[1]))) or None)
