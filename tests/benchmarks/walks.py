"""Poses and verdicts of made walks of up to 1,000 photos, beside COLMAP's mappers.

    python -m tests.synthetic.render_walk --photos 250 500 1000 --thin     # makes them
    python tests/benchmarks/walks.py [--walks walk250-3 walk500-3 ...] [--colmap] [--out runs]
    python tests/benchmarks/walks.py --walks walk250-3 --kills 10

splatpose runs as `fit` does, up to the verdicts, in a process of its own, whose seconds by stage
and peak memory (with its children's) are measured. The true cameras are read afterwards. With
`--colmap` both of COLMAP's mappers map the very matches that splatpose found, by their defaults.
`--kills N` kills a run (SIGKILL) at N moments spread over its time, lets it go on each time, and
compares the final poses with those of the undisturbed run.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import numpy as np
import psutil
import pycolmap
from photo_sets import ROOT, fresh

sys.path.insert(0, str(ROOT))

from splatpose.config import FitConfig
from splatpose.evaluation.colmap_baseline import MAPPERS, model_poses
from splatpose.events import Event, StageFinished
from splatpose.io.colmap import quiet_colmap
from splatpose.pipeline import solve
from splatpose.runs.folder import WORK
from splatpose.sfm.model_comparison import difference
from splatpose.stages.matching.stage import DATABASE
from splatpose.stages.trust.stage import load_verdicts
from tests.synthetic.render_walk import default_folder

POSES = "poses.npy"
"""What a run ends with, whichever stage it is from."""
_POLL_S = 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--walks", nargs="+", default=["walk250-3", "walk500-3", "walk1000-3"])
    parser.add_argument("--folder", type=Path, default=default_folder(), help="of the walks")
    parser.add_argument("--out", type=Path, help="keep the runs here")
    parser.add_argument("--colmap", action="store_true", help="COLMAP's mappers on our matches")
    parser.add_argument("--kills", type=int, default=0, help="kill a run at so many moments")
    parser.add_argument("--solve", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.solve:
        solve_here(*args.solve)
        return
    pycolmap.logging.minloglevel = 2
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in args.walks:
            walk, home = args.folder / name, (args.out or Path(scratch)) / name
            rows.append({"walk": name, **splatpose_row(walk, fresh(home / "run"))})
            print(json.dumps(rows[-1]), flush=True)
            if args.kills:
                rows[-1]["kills"] = killed(walk, home, args.kills, rows[-1]["seconds"]["all"])
                print(rows[-1]["kills"], flush=True)
            if args.colmap:
                rows += [colmap_row(walk, home, mapper) for mapper in MAPPERS]
    table(rows)
    result = {"version": 1, **machine.describe(), "rows": rows}
    machine.write_result(f"walks{machine.label_of(args.walks)}_{result['date']}", result)


def solve_here(images: Path, out: Path) -> None:
    """A run in this process; a line of JSON for each finished stage."""

    def tell(event: Event) -> None:
        if isinstance(event, StageFinished):
            print(json.dumps({"stage": event.stage, "seconds": event.seconds}), flush=True)

    solved = solve(images, out, FitConfig(), emit=tell)
    np.save(out / POSES, solved.poses.cam_from_world)


def splatpose_row(walk: Path, out: Path) -> dict[str, Any]:
    """A whole run of splatpose, measured and compared with the truth."""
    start = time.perf_counter()
    child = started(walk, out)
    peak = 0
    while child.poll() is None:
        peak = max(peak, resident(child.pid))
        time.sleep(_POLL_S)
    if child.returncode:
        raise SystemExit(f"{walk.name}: the run ended with {child.returncode}")
    assert child.stdout is not None
    told = [json.loads(line) for line in child.stdout if line.startswith("{")]
    seconds = {row["stage"]: row["seconds"] for row in told}
    seconds["all"] = time.perf_counter() - start
    poses = np.load(out / POSES)
    verdicts = load_verdicts(stage_folder(out, "trust"))
    trusted = np.array([photo.level == "trusted" for photo in verdicts.photos])
    return {
        "method": "splatpose",
        "seconds": seconds,
        "peak_gib": peak / 2**30,
        **compared(walk, poses, trusted),
    }


def started(walk: Path, out: Path) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--solve", str(walk / "images"), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)


def resident(pid: int) -> int:
    """Bytes of memory that a process and its children hold."""
    total = 0
    try:
        process = psutil.Process(pid)
        for one in (process, *process.children(recursive=True)):
            total += one.memory_info().rss
    except psutil.Error:
        pass
    return total


def stage_folder(out: Path, stage: str) -> Path:
    """Where a run keeps what a stage found."""
    return out / WORK / stage


def compared(walk: Path, poses: np.ndarray, trusted: np.ndarray | None) -> dict[str, Any]:
    """Photos placed right (within 5 degrees and 5 % of the radius), and trusted, by section."""
    frames = json.loads((walk / "poses.json").read_text())["frames"]
    true = np.linalg.inv(np.array([frame["c2w"] for frame in sorted(frames, key=_file)]))
    off = difference(poses, true)
    right = off.agrees
    sections = json.loads((walk / "sections.json").read_text())["sections"]
    result: dict[str, Any] = {
        "photos": len(true),
        "placed": int(np.isfinite(poses[:, 0, 0]).sum()),
        "right": int(right.sum()),
        "position_median": float(np.nanmedian(off.position)),
        "sections": {},
    }
    if trusted is not None:
        result["trusted_right"] = int((trusted & right).sum())
        result["trusted_wrong"] = int((trusted & ~right).sum())
    for section in sections:
        rows = slice(section["first"], section["last"] + 1)
        own = result["sections"].setdefault(section["name"], {"photos": 0, "right": 0})
        own["photos"] += section["last"] + 1 - section["first"]
        own["right"] += int(right[rows].sum())
    return result


def _file(frame: dict[str, Any]) -> str:
    return Path(frame["file"]).name


def colmap_row(walk: Path, home: Path, mapper: str) -> dict[str, Any]:
    """One of COLMAP's mappers on splatpose's matches, with its defaults; its largest model."""
    database = home / f"{mapper}.db"
    shutil.copyfile(stage_folder(home / "run", "matching") / DATABASE, database)
    models = fresh(home / mapper)
    start = time.perf_counter()
    with quiet_colmap():
        run = pycolmap.global_mapping if mapper == "global" else pycolmap.incremental_mapping
        found = run(database, walk / "images", models)
    seconds = time.perf_counter() - start
    names = sorted(path.name for path in (walk / "images").iterdir())
    poses = np.full((len(names), 4, 4), np.nan)
    if found:
        best = max(found.values(), key=lambda model: model.num_reg_images())
        best.write_binary(fresh(home / f"{mapper}_best"))
        placed = model_poses(home / f"{mapper}_best")
        for row, name in enumerate(names):
            poses[row] = placed.get(name, poses[row])
    return {
        "walk": walk.name,
        "method": f"COLMAP {mapper}",
        "seconds": {"poses": seconds},
        **compared(walk, poses, None),
    }


def killed(walk: Path, home: Path, kills: int, seconds: float) -> dict[str, Any]:
    """Kills a run again and again, and tells whether it ends as the undisturbed one did."""
    out = fresh(home / "killed")
    done = 0
    for _ in range(kills):
        child = started(walk, out)
        try:
            child.wait(timeout=seconds / kills)
        except subprocess.TimeoutExpired:
            done += 1
            for one in (*psutil.Process(child.pid).children(recursive=True), child):
                one.send_signal(signal.SIGKILL)
            child.wait()
        else:
            break
    if (code := started(walk, out).wait()) != 0:
        return {"kills": done, "ended_with": code}
    poses = [np.load(run / POSES) for run in (home / "run", out)]
    same = np.array_equal(*poses, equal_nan=True)
    return {"kills": done, "same_poses": bool(same)}


def table(rows: list[dict[str, Any]]) -> None:
    print("\n| walk | method | placed | right | trusted right / wrong | min: all (stages) | GiB |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        trusted = f"{row.get('trusted_right', '-')} / {row.get('trusted_wrong', '-')}"
        parts = ", ".join(f"{name} {s / 60:.1f}" for name, s in row["seconds"].items())
        print(
            f"| {row['walk']} | {row['method']} | {row['placed']} of {row['photos']} "
            f"| {row['right']} | {trusted} | {parts} | {row.get('peak_gib', float('nan')):.1f} |"
        )


if __name__ == "__main__":
    main()
