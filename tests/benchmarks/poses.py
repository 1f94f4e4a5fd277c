"""Poses of real photo sets against their truth, beside COLMAP's own mapping of the same photos.

    python tests/benchmarks/poses.py [--sets fox fountain_p11 ...] [--matcher xfeat] [--no-colmap]
    python tests/benchmarks/poses.py --sets few --out runs      # few views of some sets
    python tests/benchmarks/poses.py --sets llff_fern:6 rgbd_room/3 --out runs --reuse
    python tests/benchmarks/poses.py --against tests/benchmarks/results/poses_auto_2026-11-21.json

NAME:6 are six photos of a set, evenly spaced in the order of their names, NAME/3 is every third,
NAME~1 is the set with its photos named at random (by seed 1), so that their order says nothing.
`--reuse` takes matches and COLMAP's models that are in `--out` already and runs the poses anew.
`--against` compares our poses with those of an earlier results file.

splatpose's capture, matching and poses stages run as `fit` runs them; COLMAP (pycolmap) extracts
and matches SIFT exhaustively and maps incrementally and globally, with its default options. Only
the photos are given to either; the truth is read afterwards, by the scoring tool that comes with
the sets. "places" is a folder made of one photo of each of eight sets: it must be refused.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import pycolmap
from photo_sets import ROOT, SHARED, fresh, photos_of
from pose_comparison import changes, costs, print_changes, print_costs

sys.path.insert(0, str(ROOT))

from splatpose.errors import SplatposeError
from splatpose.evaluation.colmap_baseline import MAPPERS, run_colmap
from splatpose.events import Event, EventSink, Message
from splatpose.scene.capture import Capture
from splatpose.scene.depth_maps import DepthPriors
from splatpose.stages.capture.config import CaptureConfig
from splatpose.stages.capture.stage import build_capture, load_capture
from splatpose.stages.depth.config import DepthConfig
from splatpose.stages.depth.stage import build_depth, load_depth
from splatpose.stages.late_registration.config import LateRegistrationConfig
from splatpose.stages.late_registration.stage import (
    load_late_registration,
    register_left_out,
)
from splatpose.stages.matching.config import MatchingConfig
from splatpose.stages.matching.stage import load_matches, match_photos, resolve_matcher
from splatpose.stages.poses.config import PosesConfig
from splatpose.stages.poses.stage import load_poses, solve_poses

SETS = (
    "fox",
    "fountain_p11",
    "herz_jesu_p25",
    "llff_fern",
    "tt_family24",
    "hololens_office",
    "pano_s5",
    "places",
)
FEW = (
    *("herz_jesu_p25:3", "herz_jesu_p25:4", "herz_jesu_p25:6"),
    *("dtu_scan24:6", "dtu_scan24:12", "llff_fern:3", "llff_fern:6"),
    *("hololens_office/2", "rgbd_room", "rgbd_room/3"),
)
"""What `--sets few` stands for: few views, and thinned walks."""
MATCHERS = ("auto", "xfeat", "xfeat+sift", "aliked", "sift")
COLUMNS = ("registered", "ate", "rot", "auc5", "auc30")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--matcher", choices=MATCHERS, default="auto")
    parser.add_argument("--depth", help="name of a set's folder of depth maps, such as depth_mono")
    parser.add_argument("--no-colmap", action="store_true", help="splatpose alone")
    parser.add_argument("--weights-dir", type=Path, help="default: as fit finds them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep databases and models here")
    parser.add_argument("--reuse", action="store_true", help="matches and COLMAP models of --out")
    parser.add_argument("--against", type=Path, help="an earlier results file")
    args = parser.parse_args()
    before = json.loads(args.against.read_text())["rows"] if args.against else []
    if args.reuse and args.out is None:
        parser.error("--reuse needs the --out of an earlier run")
    pycolmap.logging.minloglevel = 2
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or Path(scratch)
        for name in FEW if args.sets == ["few"] else args.sets:
            home = out / name.replace("/", "_every")
            images, truth = photos_of(name, home)
            rows += splatpose_rows(name, images, truth, home / "splatpose", args)
            if not args.no_colmap and truth:
                rows += colmap_rows(name, images, truth, home / "colmap", args)
    table(rows)
    result = {"version": 1, **machine.describe(), "seed": args.seed, "rows": rows}
    result["costs"] = costs(rows)
    print_costs(result["costs"])
    if args.against:
        result["against"] = {"file": args.against.name, "sets": changes(rows, before)}
        print_changes(result["against"]["sets"])
    label = machine.label_of(args.sets, SETS)
    machine.write_result(f"poses{label}_{args.matcher}_{result['date']}", result)


def splatpose_rows(
    name: str, images: Path, truth: Path | None, folder: Path, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Our three stages; a refusal is a result."""

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            print(f"  {event.stage}: {event.text}", flush=True)

    print(f"{name}: splatpose", flush=True)
    reuse = args.reuse and (folder / "matching" / "matching.json").exists()
    parts = {stage: folder / stage for stage in ("capture", "matching", "poses", "late")}
    for stage in ("poses",) if reuse else parts:
        fresh(parts[stage])
    seconds: dict[str, float] = {}
    row: dict[str, Any] = {"set": name, "method": "splatpose"}
    if reuse:
        row["reused"] = True
    try:
        start = time.perf_counter()
        if not reuse:
            build_capture(images, CaptureConfig(), parts["capture"], tell)
        capture = load_capture(parts["capture"])
        seconds["capture"] = time.perf_counter() - start
        start = time.perf_counter()
        if not reuse:
            wanted = MatchingConfig(matcher=args.matcher)
            photos = len(capture.photos)
            config = resolve_matcher(wanted, photos, args.weights_dir, tell)
            match_photos(
                capture,
                config,
                parts["matching"],
                tell,
                weights_dir=args.weights_dir,
                seed=args.seed,
            )
        graph = load_matches(parts["matching"])
        seconds["matching"] = time.perf_counter() - start
        row["method"] = f"splatpose, {graph.matcher}" + (f", {args.depth}" if args.depth else "")
        start = time.perf_counter()
        depth = priors_of(name, capture, folder / "depth", args.depth, tell)
        config = PosesConfig()
        solve_poses(capture, graph, config, parts["poses"], tell, seed=args.seed, depth=depth)
        poses = load_poses(parts["poses"])
        register_left_out(
            capture, graph, poses, LateRegistrationConfig(), fresh(parts["late"]), tell,
            backend="auto", max_error_px=config.max_error_px, min_matches=config.min_matches,
            seed=args.seed,
        )  # fmt: skip
        poses = load_late_registration(parts["late"]) or poses
        seconds["poses"] = time.perf_counter() - start
    except SplatposeError as error:
        return [{**row, "refused": error.message, "seconds": seconds}]
    row["hypotheses"] = [
        {"name": h.name, "registered": h.num_registered, "explained": h.explained_share,
         "chosen": h.chosen, "note": h.note, "seconds": h.seconds}
        for h in poses.hypotheses
    ]  # fmt: skip
    row["camera"] = {"model": poses.cameras[0].model, "params": poses.cameras[0].params.tolist()}
    return [{**row, **score(poses.model_dir, truth), "seconds": seconds}]


def priors_of(
    name: str, capture: Capture, folder: Path, maps: str | None, tell: EventSink
) -> DepthPriors | None:
    """The depth maps of a set's photos."""
    source = SHARED / "data" / name.replace("/", ":").partition(":")[0] / str(maps)
    if not maps or not source.is_dir():
        return None
    build_depth(capture, DepthConfig(source=str(source)), fresh(folder), tell, weights_dir=None)
    return load_depth(folder)


def colmap_rows(
    name: str, images: Path, truth: Path, folder: Path, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """COLMAP's incremental and global mapping of SIFT matches, one camera for equal sizes."""
    rows_file = folder / "rows.json"
    if args.reuse and rows_file.exists():
        return [{**row, "reused": True} for row in json.loads(rows_file.read_text())]
    print(f"{name}: COLMAP", flush=True)
    fresh(folder)
    rows = []
    for mapper in MAPPERS:
        found = run_colmap(images, folder, mapper, seed=args.seed)
        row = {"set": name, "method": f"COLMAP {mapper}, sift", "seconds": found.seconds}
        if found.models:
            row.update(score(found.models[0], truth))
        rows.append(row)
    rows_file.write_text(json.dumps(rows))
    return rows


def score(model: Path, truth: Path | None) -> dict[str, Any]:
    """The scoring tool's answer."""
    if truth is None:
        return {"registered": str(pycolmap.Reconstruction(model).num_reg_images())}
    tool = SHARED / "tools" / "score_poses.py"
    command = [sys.executable, str(tool), str(model), str(truth)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def table(rows: list[dict[str, Any]]) -> None:
    """Prints the rows as Markdown."""
    print("\n| set | method | registered | ATE % | rot deg | AUC@5 | AUC@30 | match s | poses s |")
    print("|---" * 9 + "|")
    for row in rows:
        cells = [
            f"{row[c]:.3f}" if isinstance(row.get(c), float) else row.get(c, "") for c in COLUMNS
        ]
        if "refused" in row:
            cells = [f"refused: {row['refused']}", "", "", "", ""]
        times = [f"{row['seconds'].get(part, 0):.0f}" for part in ("matching", "poses")]
        print("| " + " | ".join([row["set"], row["method"], *map(str, cells), *times]) + " |")


if __name__ == "__main__":
    main()
