"""What each part of the pose optimisation is worth, part by part, on sets with true poses.

    python tests/benchmarks/poses.py --sets fountain_p11 llff_fern --no-colmap --out runs
    python tests/benchmarks/ablation.py fountain_p11 llff_fern --out runs [--steps 400]

Matches are those of `poses.py --out`. Each row adds a part to the one above it:

    initial    relative poses of two views, averaged; no bundle adjustment
    + local    the same, from relative poses refined in clusters of neighbouring views
    + global   hypotheses, evidence and bundle adjustment; `+ global, no local` is the default
    + tracks   poses, tracks and Gaussians together; whatever comes of it is taken
    + gate     the same, taken only where validation photos and held-out matches gain

Test photos (every eighth) are never trained on, and the gate's photos are never test photos. PSNR
is that of trainings of equal length with the row's poses held fast and a fixed number of Gaussians.
The truth is read for scoring alone.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import machine
import numpy as np
import poses as posing
import pycolmap
import torch
from joint import held_out_psnr
from photo_sets import photos_of

from splatpose.errors import SplatposeError
from splatpose.events import ignore_events
from splatpose.io.colmap import (
    model_from_reconstruction,
    quiet_colmap,
    reconstruction_from_model,
    write_model,
)
from splatpose.io.colmap_database import read_cameras
from splatpose.scene.capture import Capture
from splatpose.scene.matches import MatchGraph
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.viewgraph.focal_calibration import calibrate_focal_lengths
from splatpose.sfm.viewgraph.refined_pairs import RefinedPairs
from splatpose.sfm.viewgraph.view_graph import solve_view_graph
from splatpose.splatting.config import TrainingConfig
from splatpose.stages.capture.stage import load_capture
from splatpose.stages.joint.config import JointConfig
from splatpose.stages.joint.stage import load_joint, refine_jointly
from splatpose.stages.local.config import LocalConfig
from splatpose.stages.local.stage import load_local, refine_pairs
from splatpose.stages.matching.stage import load_matches
from splatpose.stages.poses.config import PosesConfig
from splatpose.stages.poses.stage import load_poses, solve_poses
from splatpose.stages.splats.stage import resolve_backend
from splatpose.stages.views.config import ViewsConfig
from splatpose.stages.views.stage import load_views, undistort_views

SETS = (
    *("fountain_p11", "herz_jesu_p25", "dtu_scan24", "llff_fern", "fox", "tt_family24"),
    *("sacre_coeur10", "hololens_office", "rgbd_room"),
)
_MODEL = {field.name for field in fields(SparseModel)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="*", default=SETS)
    parser.add_argument("--out", type=Path, required=True, help="the --out of poses.py")
    parser.add_argument("--max-size", type=int, default=320, help="long side of the photos, pixels")
    parser.add_argument("--steps", type=int, default=400, help="of each training")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    rows: list[dict[str, Any]] = []
    for name in args.sets:
        with tempfile.TemporaryDirectory() as scratch, quiet_colmap():
            for row in Ablation(name, args, Path(scratch)).rows():
                rows.append({"set": name, **row})
                print(line(rows[-1]), flush=True)
    table(rows)
    result = {"version": 1, **machine.describe(), "steps": args.steps, "rows": rows}
    label = machine.label_of(args.sets, SETS)
    machine.write_result(f"ablation{label}_{result['date']}", result)


@dataclass
class Ablation:
    """One set: its matches, and the rows one after the other."""

    name: str
    args: argparse.Namespace
    scratch: Path

    def __post_init__(self) -> None:
        home = self.args.out / self.name.replace("/", "_every")
        if not (home / "splatpose" / "matching" / "matching.json").exists():
            raise SystemExit(f"no matches of {self.name} in {self.args.out}: run poses.py first")
        self.capture: Capture = load_capture(home / "splatpose" / "capture")
        self.graph: MatchGraph = load_matches(home / "splatpose" / "matching")
        self.truth = photos_of(self.name, home)[1]
        self.backend = resolve_backend(TrainingConfig(), ignore_events).backend

    def rows(self) -> Iterator[dict[str, Any]]:
        """All rows, each with the seconds of its own part."""
        yield self._row("initial", lambda: self._averaged(None))[0]
        start = time.perf_counter()
        pairs = self._refined_pairs()
        local_seconds = time.perf_counter() - start
        row, _ = self._row("+ local", lambda: self._averaged(pairs))
        yield {**row, "seconds": row["seconds"] + local_seconds}
        row, poses = self._row("+ global, no local", lambda: self._solved(None))
        yield row
        if pairs is not None:
            row, with_local = self._row("+ global", lambda: self._solved(pairs))
            yield row
            poses = with_local or poses
        if poses is not None:
            start_from = poses
            for label, gated in (("+ tracks", False), ("+ gate", True)):
                yield self._row(label, lambda g=gated: self._joint(start_from, gated=g))[0]

    def _row(
        self, label: str, make: Callable[[], SparseModel | None]
    ) -> tuple[dict[str, Any], SparseModel | None]:
        start = time.perf_counter()
        try:
            poses = make()
        except SplatposeError as error:
            return {"part": label, "failed": error.message, "seconds": 0.0}, None
        seconds = time.perf_counter() - start
        if poses is None:
            return {"part": label, "failed": "no poses", "seconds": seconds}, None
        figures = posing.score(poses.model_dir, self.truth)
        return {"part": label, **figures, "psnr": self._psnr(poses), "seconds": seconds}, poses

    def _averaged(self, pairs: RefinedPairs | None) -> SparseModel | None:
        """Cameras as averaging places them, and points triangulated with them held fast."""
        table = match_table(self.graph)
        cameras, known = read_cameras(self.graph.database)
        index = np.array([photo.group for photo in self.capture.photos])
        common = {"min_matches": PosesConfig().min_matches, "seed": self.args.seed}
        cameras = calibrate_focal_lengths(table, cameras, index, known, **common)
        found = solve_view_graph(table, cameras, index, **common, refined=pairs)
        if found is None:
            return None
        names = [photo.name for photo in self.capture.photos]
        empty = SparseModel.of_cameras(names, found.cam_from_world, index, found.cameras)
        return self._triangulated(empty)

    def _triangulated(self, model: SparseModel) -> SparseModel:
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        (folder / "triangulated").mkdir()
        start = reconstruction_from_model(model, self.graph.keypoints)
        found = pycolmap.triangulate_points(
            start,
            self.graph.database,
            self.capture.photos[0].path.parent,
            folder / "triangulated",
            clear_points=True,
        )
        model = model_from_reconstruction(found, model.names)
        write_model(model, folder, self.graph.keypoints)
        values = {name: getattr(model, name) for name in _MODEL}
        return SparseModel(**values, model_dir=folder, evidence=(), hypotheses=())

    def _refined_pairs(self) -> RefinedPairs | None:
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        config = LocalConfig(steps=self.args.steps)
        try:
            refine_pairs(
                self.capture, self.graph, config, folder, ignore_events, depth=None,
                backend=self.backend, min_matches=PosesConfig().min_matches, seed=self.args.seed,
            )  # fmt: skip
        except SplatposeError:
            return None
        return load_local(folder)[0]

    def _solved(self, pairs: RefinedPairs | None) -> SparseModel:
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        solve_poses(
            self.capture, self.graph, PosesConfig(), folder, ignore_events,
            seed=self.args.seed, pairs=pairs,
        )  # fmt: skip
        return load_poses(folder)

    def _joint(self, poses: SparseModel, *, gated: bool) -> SparseModel:
        config = JointConfig(steps=self.args.steps, max_size=self.args.max_size)
        if not gated:
            anything = -1e9
            config = replace(
                config, min_gain=anything, min_standard_errors=anything, match_tolerance=1e9
            )
        views = self._views(poses)
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        refine_jointly(
            self.graph, poses, views, config, folder, ignore_events, backend=self.backend,
            max_error_px=PosesConfig().max_error_px, seed=self.args.seed,
        )  # fmt: skip
        return load_joint(folder, poses, views).poses

    def _views(self, poses: SparseModel):
        folder = Path(tempfile.mkdtemp(dir=self.scratch))
        config = ViewsConfig(max_size=self.args.max_size)
        undistort_views(self.capture, poses, config, folder, ignore_events)
        return load_views(folder)

    def _psnr(self, poses: SparseModel) -> float:
        views = self._views(poses)
        if not views.held_out.any():
            return float("nan")
        return held_out_psnr(views, self.args.steps, self.backend, self.args.seed)


def line(row: dict[str, Any]) -> str:
    """One row of the table."""
    if "failed" in row:
        return f"| {row['set']} | {row['part']} | {row['failed']} | | | | | {row['seconds']:.0f} |"
    return (
        f"| {row['set']} | {row['part']} | {row['registered']} | {row['ate']:.3f} "
        f"| {row['rot']:.3f} | {row['auc5']:.1f} | {row['psnr']:.2f} | {row['seconds']:.0f} |"
    )


def table(rows: list[dict[str, Any]]) -> None:
    """Prints all rows as Markdown, and the mean gain of each part over the one before it."""
    print("\n| set | part | registered | ATE % | rot deg | AUC@5 | PSNR | s |")
    print("|---" * 8 + "|")
    for row in rows:
        print(line(row))
    by_part = {(row["set"], row["part"]): row for row in rows if "failed" not in row}
    steps = (
        ("initial", "+ local"),
        ("+ global, no local", "+ global"),
        ("+ global", "+ tracks"),
        ("+ global", "+ gate"),
    )
    print("\n| part | sets | ATE ratio (geometric mean) | PSNR gain, mean | worst |")
    print("|---" * 5 + "|")
    for before, after in steps:
        both = [
            (by_part[name, before], by_part[name, after])
            for name in dict.fromkeys(row["set"] for row in rows)
            if (name, before) in by_part and (name, after) in by_part
        ]
        if both:
            ratio = np.exp(np.mean([np.log(b["ate"] / a["ate"]) for a, b in both]))
            gains = [b["psnr"] - a["psnr"] for a, b in both]
            print(
                f"| {after} against {before} | {len(both)} | {ratio:.3f} "
                f"| {np.nanmean(gains):+.2f} dB | {np.nanmin(gains):+.2f} dB |"
            )


if __name__ == "__main__":
    main()
