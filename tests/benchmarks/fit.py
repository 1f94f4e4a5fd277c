"""`splatpose fit` on real photo sets: time and memory of every stage, held-out PSNR.

    python tests/benchmarks/fit.py [--sets fox fountain_p11 llff_fern] [--max-size 480]

Each set runs in a process of its own through the command line, with the held-out photos kept out
of training to the end. Nothing but the photos is given to it; `tests/benchmarks/poses.py` scores
the poses.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=["fox", "fountain_p11", "llff_fern"])
    parser.add_argument("--max-size", type=int, default=480, help="long side in pixels")
    parser.add_argument("--preset", default="default")
    parser.add_argument("--matcher", default="auto")
    parser.add_argument("--weights-dir", type=Path, help="default: as fit finds them")
    parser.add_argument("--out", type=Path, help="keep the run folders here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or Path(scratch)
        rows = [run(name, out / name, args) for name in args.sets]
    table(rows)
    result = {"version": 1, **machine.describe(), "preset": args.preset, "sets": rows}
    label = machine.label_of(args.sets, parser.get_default("sets"))
    machine.write_result(f"fit{label}_{args.preset}_{result['date']}", result)


def run(name: str, out: Path, args: argparse.Namespace) -> dict[str, Any]:
    """One set through the command line."""
    images = ROOT / "assets" / "demo" if name == "demo" else SHARED / "data" / name / "images"
    command = [sys.executable, "-m", "splatpose", "fit", str(images), "-o", str(out)]
    command += ["--preset", args.preset, "--max-size", str(args.max_size), "--keep-holdout"]
    command += ["--matcher", args.matcher, "--overwrite"]
    if args.weights_dir:
        command += ["--weights-dir", str(args.weights_dir)]
    print("$", *command, flush=True)
    start = time.perf_counter()
    code = subprocess.run(command, cwd=ROOT).returncode
    seconds = time.perf_counter() - start
    if code:
        return {"set": name, "exit_code": code, "seconds": seconds}
    report = json.loads((out / "report.json").read_text())
    photos = report["photos"]
    held_out = [photo for photo in photos if photo["held_out_psnr"] is not None]
    return {
        "set": name,
        "matcher": report["matcher"],
        "registered": sum(photo["registered"] for photo in photos),
        "photos": len(photos),
        "psnr": statistics.mean(photo["held_out_psnr"] for photo in held_out),
        "ssim": statistics.mean(photo["held_out_ssim"] for photo in held_out),
        "held_out": len(held_out),
        "seconds": seconds,
        "stages": {
            stage["stage"]: {
                "seconds": round(stage["seconds"], 1),
                "peak_memory_mb": round(stage["peak_memory_mb"]),
            }
            for stage in report["stages"]
        },
    }


def table(rows: list[dict[str, Any]]) -> None:
    """Prints the rows as Markdown."""
    stages = ["capture", "matching", "poses", "views", "splats"]
    print("\n| set | registered | PSNR | SSIM | total s | " + " | ".join(stages) + " |")
    print("|---" * (5 + len(stages)) + "|")
    for row in rows:
        if "exit_code" in row:
            print(f"| {row['set']} | exit code {row['exit_code']} |" + " |" * (3 + len(stages)))
            continue
        cells = [
            f"{row['stages'][stage]['seconds']} s, {row['stages'][stage]['peak_memory_mb']} MB"
            for stage in stages
        ]
        print(
            f"| {row['set']} | {row['registered']}/{row['photos']} | {row['psnr']:.2f} "
            f"| {row['ssim']:.3f} | {row['seconds']:.0f} | " + " | ".join(cells) + " |"
        )


if __name__ == "__main__":
    main()
