"""Whether `--minutes` keeps its time, and what the time is worth.

    python tests/benchmarks/minutes.py [--sets fox demo] [--minutes 1 2 5 20] [--threads 1 2]

Poses are solved once a set; then `splatpose fit --minutes M` goes on from them in a process of its
own for every number of minutes and of threads, with the held-out photos kept out of training. Told
are the plan, the time of the training against what was asked for and what was planned, its memory
against what was planned, and PSNR and SSIM of the held-out photos at the size trained at. Exit
code 1 where a training took more than a tenth more or less than it was asked to, or, where its plan
said why it would, than was planned. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
from photo_sets import ROOT, SHARED

ALLOWED = 0.1
"""Share of the time that a training may be off."""


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=["fox", "herz_jesu_p25"], help="or demo")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 2, 5, 20])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of fit, last")
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.sets:
            images = (
                ROOT / "assets" / "demo" if name == "demo" else SHARED / "data" / name / "images"
            )
            solved = solve_once(images, Path(scratch) / name, args.options)
            for threads in args.threads:
                for minutes in args.minutes:
                    row = {"set": name, "threads": threads, "minutes": minutes}
                    rows.append(row | timed(images, solved, threads, minutes, args.options))
                    print(json.dumps(rows[-1]), flush=True)
    table(rows)
    result = {"version": 1, **machine.describe(), "load": os.getloadavg(), "rows": rows}
    label = machine.label_of(args.sets, parser.get_default("sets"))
    machine.write_result(f"minutes{label}_{result['date']}", result)
    missed = [text for row in rows if (text := miss(row))]
    for text in missed:
        print(f"missed: {text}")
    return int(bool(missed))


def miss(row: dict[str, Any]) -> str:
    """By how much a training missed the time that it was to take; empty where it kept it."""
    took, asked, planned = row["took_seconds"], 60 * row["minutes"], row["planned_seconds"]
    # Where a plan says that it does not take the time asked for, its own word counts.
    said, due = ("planned", planned) if row["note"] else ("asked for", asked)
    if abs(took / due - 1) <= ALLOWED:
        return ""
    return f"{row['set']}, {row['minutes']:g} min: took {took:.0f} s, {said} {due:.0f} s"


def solve_once(images: Path, out: Path, options: list[str]) -> Path:
    """A run with the poses of a set, and the least of trainings."""
    fit(images, out, 2, ["--max-size", "64", "--max-steps", "1", *options])
    return out


def timed(
    images: Path, solved: Path, threads: int, minutes: float, options: list[str]
) -> dict[str, Any]:
    """One training of so many minutes, in a copy of the run."""
    out = solved.with_name(f"{solved.name}-{threads}-{minutes:g}")
    shutil.copytree(solved, out)
    fit(images, out, threads, ["--minutes", str(minutes), *options])
    report = json.loads((out / "report.json").read_text(encoding="utf-8"))
    shutil.rmtree(out)
    plan, summary = report["budget"], report["summary"]
    stages = {stage["stage"]: stage for stage in report["stages"]}
    return {
        "off": plan["took_seconds"] / (60 * minutes) - 1,
        "took_seconds": plan["took_seconds"],
        "planned_seconds": plan["seconds"],
        "calibration_seconds": stages["budget"]["seconds"],
        "memory_mb": stages["splats"]["peak_memory_mb"],
        "planned_memory_mb": plan["memory_mb"],
        **{name: plan[name] for name in ("max_size", "steps", "max_gaussians", "sh_degree")},
        "gaussians": summary["gaussians"],
        "psnr": summary["held_out_psnr"],
        "ssim": summary["held_out_ssim"],
        "note": plan["note"],
    }


def fit(images: Path, out: Path, threads: int, options: list[str]) -> None:
    """The command line, with so many threads."""
    command = [sys.executable, "-m", "splatpose", "fit", str(images), "-o", str(out)]
    command += ["--keep-holdout", *options]
    print("$", *command, flush=True)
    names = ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
    env = (
        os.environ | dict.fromkeys(names, str(threads)) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    )
    subprocess.run(command, cwd=ROOT, env=env, check=True)


def table(rows: list[dict[str, Any]]) -> None:
    """The rows as Markdown."""
    print(
        "\n| set | threads | asked | took | off | planned | size | steps | Gaussians | PSNR | MiB |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        print(
            f"| {row['set']} | {row['threads']} | {row['minutes']:g} min "
            f"| {row['took_seconds']:.0f} s | {row['off']:+.0%} | {row['planned_seconds']:.0f} s "
            f"| {row['max_size']} | {row['steps']:,} | {row['gaussians']:,} "
            f"| {row['psnr']:.2f} | {row['memory_mb']:.0f} ({row['planned_memory_mb']:.0f}) |"
        )


if __name__ == "__main__":
    sys.exit(main())
