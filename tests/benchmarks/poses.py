"""Poses of real photo sets against their truth, beside COLMAP's own mapping of the same photos.

    python tests/benchmarks/poses.py [--sets fox fountain_p11 ...] [--matcher xfeat] [--no-colmap]

splatpose's capture, matching and poses stages run as `fit` runs them; COLMAP (pycolmap) extracts
and matches SIFT exhaustively and maps incrementally and globally, with its default options. Only
the photos are given to either; the truth is read afterwards, by the scoring tool that comes with
the sets. "places" is a folder made of one photo of each of eight sets: it must be refused.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import machine
import pycolmap

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared"))
sys.path.insert(0, str(ROOT))

from splatpose.capture import CaptureConfig, build_capture, load_capture  # noqa: E402
from splatpose.errors import SplatposeError  # noqa: E402
from splatpose.events import Event, Message  # noqa: E402
from splatpose.matching import (  # noqa: E402
    MatchingConfig,
    load_matches,
    match_photos,
    resolve_matcher,
)
from splatpose.poses import PosesConfig, load_poses, solve_poses  # noqa: E402

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
PLACES = (
    "dtu_scan24",
    "fountain_p11",
    "fox",
    "hololens_office",
    "kitchen25",
    "llff_fern",
    "rgbd_room",
    "tt_family24",
)
COLUMNS = ("registered", "ate", "rot", "auc5", "auc30")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--matcher", choices=("auto", "xfeat", "aliked", "sift"), default="auto")
    parser.add_argument("--no-colmap", action="store_true", help="splatpose alone")
    weights = Path(os.environ.get("SPLATPOSE_WEIGHTS", SHARED / "weights"))
    parser.add_argument("--weights-dir", type=Path, default=weights)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="keep databases and models here")
    args = parser.parse_args()
    pycolmap.logging.minloglevel = 2
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        out = args.out or Path(scratch)
        for name in args.sets:
            images = photos_of(name, out)
            rows += splatpose_rows(name, images, fresh(out / name / "splatpose"), args)
            if not args.no_colmap and truth_of(name):
                rows += colmap_rows(name, images, fresh(out / name / "colmap"), args.seed)
    table(rows)
    result = {"version": 1, **machine.describe(), "seed": args.seed, "rows": rows}
    machine.RESULTS.mkdir(exist_ok=True)
    path = machine.RESULTS / f"poses_{args.matcher}_{result['date']}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {path}")


def photos_of(name: str, out: Path) -> Path:
    """The folder of photos of a set."""
    if name != "places":
        return SHARED / "data" / name / "images"
    folder = fresh(out / "places" / "images")
    for other in PLACES:
        photo = sorted((SHARED / "data" / other / "images").iterdir())[2]
        shutil.copyfile(photo, folder / f"{other}{photo.suffix}")
    return folder


def truth_of(name: str) -> Path | None:
    return next(iter(sorted((SHARED / "data" / name).glob("poses*.json"))), None)


def fresh(folder: Path) -> Path:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    return folder


def splatpose_rows(
    name: str, images: Path, folder: Path, args: argparse.Namespace
) -> list[dict[str, Any]]:
    """Our three stages; a refusal is a result."""

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            print(f"  {event.stage}: {event.text}", flush=True)

    print(f"{name}: splatpose", flush=True)
    parts = {stage: fresh(folder / stage) for stage in ("capture", "matching", "poses")}
    seconds: dict[str, float] = {}
    row: dict[str, Any] = {"set": name, "method": "splatpose"}
    try:
        start = time.perf_counter()
        build_capture(images, CaptureConfig(), parts["capture"], tell)
        capture = load_capture(parts["capture"])
        seconds["capture"] = time.perf_counter() - start
        start = time.perf_counter()
        config = resolve_matcher(MatchingConfig(matcher=args.matcher), args.weights_dir, tell)
        match_photos(
            capture, config, parts["matching"], tell, weights_dir=args.weights_dir, seed=args.seed
        )
        graph = load_matches(parts["matching"])
        seconds["matching"] = time.perf_counter() - start
        row["method"] = f"splatpose, {graph.matcher}"
        start = time.perf_counter()
        solve_poses(capture, graph, PosesConfig(), parts["poses"], tell, seed=args.seed)
        poses = load_poses(parts["poses"])
        seconds["poses"] = time.perf_counter() - start
    except SplatposeError as error:
        return [{**row, "refused": error.message, "seconds": seconds}]
    row["hypotheses"] = [
        {"name": h.name, "registered": h.num_registered, "explained": h.explained_share,
         "chosen": h.chosen, "note": h.note, "seconds": h.seconds}
        for h in poses.hypotheses
    ]  # fmt: skip
    row["camera"] = {"model": poses.cameras[0].model, "params": poses.cameras[0].params.tolist()}
    return [{**row, **score(poses.model_dir, name), "seconds": seconds}]


def colmap_rows(name: str, images: Path, folder: Path, seed: int) -> list[dict[str, Any]]:
    """COLMAP's incremental and global mapping of SIFT matches, one camera for equal sizes."""
    database = folder / "database.db"
    print(f"{name}: COLMAP", flush=True)
    capture_folder = fresh(folder / "capture")
    build_capture(images, CaptureConfig(), capture_folder, lambda event: None)
    one_camera = len(load_capture(capture_folder).groups) == 1
    mode = pycolmap.CameraMode.SINGLE if one_camera else pycolmap.CameraMode.AUTO
    start = time.perf_counter()
    pycolmap.extract_features(database, images, camera_mode=mode)
    pycolmap.match_exhaustive(database)
    matching = time.perf_counter() - start
    rows = []
    for method in ("incremental", "global"):
        models = fresh(folder / method)
        copy = folder / f"{method}.db"
        shutil.copyfile(database, copy)
        start = time.perf_counter()
        if method == "incremental":
            options = pycolmap.IncrementalPipelineOptions(random_seed=seed)
            found = pycolmap.incremental_mapping(copy, images, models, options)
        else:
            options = pycolmap.GlobalPipelineOptions(random_seed=seed)
            found = pycolmap.global_mapping(copy, images, models, options)
        seconds = {"matching": matching, "poses": time.perf_counter() - start}
        row = {"set": name, "method": f"COLMAP {method}, sift", "seconds": seconds}
        if found:
            best = max(found.items(), key=lambda item: item[1].num_reg_images())
            best_folder = fresh(folder / f"{method}_best")
            best[1].write_binary(best_folder)
            row.update(score(best_folder, name))
        rows.append(row)
    return rows


def score(model: Path, name: str) -> dict[str, Any]:
    """The scoring tool's answer."""
    truth = truth_of(name)
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
