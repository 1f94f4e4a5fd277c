"""What the joint optimisation does to poses: held-out PSNR and errors before and after.

    python tests/benchmarks/joint.py fountain_p11 llff_fern --runs RUNS [--perturb 2 3]

RUNS/NAME holds the finished stage folders capture, matching and poses of each set (as
`tests/benchmarks/poses.py --out` or `splatpose fit` leave them); truth is only read for scoring.
Held-out photos are test photos here: the gate has validation photos of its own. Their PSNR is
taken from trainings of equal length with the poses held fast, given and refined, in which the
number of Gaussians is fixed: otherwise chance would be larger than what poses are worth.

`--perturb DEGREES PERCENT` turns every camera by so much about a random axis and shifts it by so
much of the cameras' RMS radius, after matching, and triangulates all points with what came out.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import machine
import numpy as np
import torch
from poses import score

from splatpose.events import Event, Message, ignore_events
from splatpose.geometry.rotations import so3_exp
from splatpose.io.colmap import write_model
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.views import Views
from splatpose.sfm.tracks import tracks_of, triangulated
from splatpose.splatting.config import TrainingConfig
from splatpose.stages.capture.stage import load_capture
from splatpose.stages.joint.config import JointConfig
from splatpose.stages.joint.stage import load_joint, refine_jointly
from splatpose.stages.matching.stage import load_matches
from splatpose.stages.poses.stage import load_poses
from splatpose.stages.splats.stage import load_splats, resolve_backend, train_splats
from splatpose.stages.views.config import ViewsConfig
from splatpose.stages.views.stage import load_views, undistort_views

HISTORY = machine.RESULTS / "joint.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+")
    parser.add_argument("--runs", type=Path, nargs="+", required=True)
    parser.add_argument("--perturb", type=float, nargs=2, metavar=("DEGREES", "PERCENT"))
    parser.add_argument("--max-size", type=int, default=320, help="long side in pixels")
    parser.add_argument("--eval-every", type=int, default=4)
    parser.add_argument("--steps", type=int, default=500, help="of the trainings that measure")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    config = _configured(args.set)
    rows = [run(name, args, config) for name in args.sets]
    table(rows)
    history = json.loads(HISTORY.read_text())["runs"] if HISTORY.exists() else []
    options = {"perturb": args.perturb, "max_size": args.max_size, "steps": args.steps}
    entry = {"machine": machine.describe(), **options, "config": asdict(config), "sets": rows}
    HISTORY.write_text(json.dumps({"version": 1, "runs": [*history, entry]}, indent=2) + "\n")


def run(name: str, args: argparse.Namespace, config: JointConfig) -> dict[str, Any]:
    """One set: the joint stage between two measurements."""

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            print(f"  {event.stage}: {event.text}", flush=True)

    stages = _stages(args.runs, name)
    capture, graph = load_capture(stages / "capture"), load_matches(stages / "matching")
    backend = resolve_backend(TrainingConfig(), ignore_events).backend
    with tempfile.TemporaryDirectory() as scratch:
        parts = {part: Path(scratch) / part for part in ("views", "joint", "model")}
        for folder in parts.values():
            folder.mkdir()
        poses = load_poses(stages / "poses")
        views_config = ViewsConfig(max_size=args.max_size, eval_every=args.eval_every)
        undistort_views(capture, poses, views_config, parts["views"], ignore_events)
        views = load_views(parts["views"])
        unperturbed = score(poses.model_dir, name)
        if args.perturb:
            poses = perturbed(poses, views, *args.perturb, parts["model"], args.seed)
            registered = poses.cam_from_world[poses.registered]
            views = replace(views, cam_from_world=registered, points=poses.points)
        print(f"{name}: {len(views.names)} photos, {len(views.points)} tracks", flush=True)
        start = time.perf_counter()
        refine_jointly(
            graph,
            poses,
            views,
            config,
            parts["joint"],
            tell,
            backend=backend,
            max_error_px=1.0,
            seed=args.seed,
        )
        seconds = time.perf_counter() - start
        joint = load_joint(parts["joint"], poses, views)
        before = held_out_psnr(views, args.steps, backend, args.seed)
        kept = joint.evidence.decision == "kept"
        after = held_out_psnr(joint.views, args.steps, backend, args.seed) if kept else before
        row = {
            "set": name,
            "test_photos": int(views.held_out.sum()),
            "psnr_before": before,
            "psnr_after": after,
            "unperturbed": unperturbed,
            "before": score(poses.model_dir, name),
            "after": score(joint.poses.model_dir, name),
            "evidence": asdict(joint.evidence),
            "seconds": seconds,
        }
    table([row])
    return row


def perturbed(
    poses: SparseModel, views: Views, degrees: float, percent: float, folder: Path, seed: int
) -> SparseModel:
    """Every camera turned about its centre and shifted, points triangulated with the result."""
    rng = np.random.default_rng(seed)
    index = np.flatnonzero(poses.registered)
    world_from_cam = np.linalg.inv(poses.cam_from_world[index])
    centers = world_from_cam[:, :3, 3].copy()
    radius = np.sqrt(((centers - centers.mean(axis=0)) ** 2).sum(axis=1).mean())
    axes, shifts = (rng.standard_normal((len(index), 3)) for _ in range(2))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    shifts /= np.linalg.norm(shifts, axis=1, keepdims=True)
    world_from_cam[:, :3, :3] = world_from_cam[:, :3, :3] @ so3_exp(axes * np.radians(degrees))
    world_from_cam[:, :3, 3] = centers + shifts * radius * percent / 100
    cam_from_world = poses.cam_from_world.copy()
    cam_from_world[index] = np.linalg.inv(world_from_cam)
    points = triangulated(tracks_of(poses, views), cam_from_world[index]).points
    moved = replace(poses, cam_from_world=cam_from_world, points=points, model_dir=folder)
    names = {field.name for field in fields(SparseModel)}
    write_model(SparseModel(**{name: getattr(moved, name) for name in names}), folder)
    return moved


def held_out_psnr(views: Views, steps: int, backend: Any, seed: int) -> float:
    """Mean PSNR in dB of the held-out photos after a training that never saw them."""
    config = TrainingConfig(
        backend=backend,
        steps=steps,
        keep_holdout=True,
        sh_degree=1,
        refine_start=steps,
        fill_below=8000,
        background="black",
    )
    with tempfile.TemporaryDirectory() as folder:
        train_splats(views, config, Path(folder), ignore_events, seed=seed)
        return float(np.mean([score.psnr for score in load_splats(Path(folder)).held_out]))


def table(rows: list[dict[str, Any]]) -> None:
    """Prints the rows as Markdown."""
    print("| set | decision | test PSNR | gain | ATE % given, start, end | AUC@5 | joint s |")
    print("|---" * 7 + "|")
    for row in rows:
        states = [row[key] for key in ("unperturbed", "before", "after")]
        gain = row["psnr_after"] - row["psnr_before"]
        print(
            f"| {row['set']} | {row['evidence']['candidate']} {row['evidence']['decision']} "
            f"| {row['psnr_before']:.2f} to {row['psnr_after']:.2f} | {gain:+.3f} | "
            + ", ".join(f"{state['ate']:.3f}" for state in states)
            + " | "
            + ", ".join(f"{state['auc5']:.1f}" for state in states)
            + f" | {row['seconds']:.0f} |",
            flush=True,
        )


def _stages(runs: list[Path], name: str) -> Path:
    for folder in runs:
        for inner in (".splatpose", "splatpose"):
            if (folder / name / inner / "poses").is_dir():
                return folder / name / inner
    raise SystemExit(f"no finished poses of {name} under {', '.join(map(str, runs))}")


def _configured(settings: list[str]) -> JointConfig:
    config = JointConfig(steps=500, max_size=320)
    for setting in settings:
        name, _, value = setting.partition("=")
        config = replace(config, **{name: type(getattr(config, name))(value)})
    return config


if __name__ == "__main__":
    main()
