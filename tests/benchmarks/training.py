"""How good a splat is after how much time, with the cameras given.

    python tests/benchmarks/training.py fountain_p11 fox --max-size 640 --budget 300
    python tests/benchmarks/training.py fountain_p11 fox --max-size 640 --convergence
    python tests/benchmarks/training.py demo --poses product

Trains on photo sets of the shared data (or on assets/demo) and prints, and appends to
tests/benchmarks/results/training.json, PSNR and SSIM of the held-out photos over seconds of
training proper: measurements do not count and leave the training as it was. `--budget` is the
time that the schedule is stretched to (see timed_training.py; may be given several times, a
training each); without it the config's own number of steps is done. `--convergence` trains for
5 and for 20 minutes and says what the longer training gains. `--poses truth` takes the true
cameras and triangulates SIFT points with them; `--poses product` runs splatpose's own stages up
to the views. Any field of TrainingConfig can be set with `--set steps=2000 --set sh_degree=1`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any, get_args

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import timed_training
import torch
from machine import RESULTS, describe
from true_views import load_true_views

from splatpose.configs import PRESETS, PresetName
from splatpose.events import ignore_events
from splatpose.io.atomic import write_json
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.stages.splats.stage import resolve_backend

ROOT = Path(__file__).parents[2]
HISTORY = RESULTS / "training.json"
SHORT, LONG = 300.0, 1200.0
"""Seconds of the two trainings of `--convergence`."""
ALLOWED_LOSS = 0.5
"""dB that the short one may stay behind the long one."""


def product_views(images: Path, max_size: int) -> Views:
    """Views by splatpose's own capture, matching and poses."""
    from splatpose.stages.capture.config import CaptureConfig
    from splatpose.stages.capture.stage import build_capture, load_capture
    from splatpose.stages.matching.config import MatchingConfig
    from splatpose.stages.matching.stage import load_matches, match_photos, resolve_matcher
    from splatpose.stages.poses.config import PosesConfig
    from splatpose.stages.poses.stage import load_poses, solve_poses
    from splatpose.stages.views.config import ViewsConfig
    from splatpose.stages.views.stage import load_views, undistort_views

    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / stage for stage in ("capture", "matching", "poses", "views")]
        for folder in folders:
            folder.mkdir()
        build_capture(images, CaptureConfig(), folders[0], ignore_events)
        capture = load_capture(folders[0])
        weights = os.environ.get("SPLATPOSE_WEIGHTS")
        weights_dir = Path(weights) if weights else None
        photos = len(capture.photos)
        matching = resolve_matcher(MatchingConfig(), photos, weights_dir, ignore_events)
        match_photos(capture, matching, folders[1], ignore_events, weights_dir=weights_dir, seed=0)
        graph = load_matches(folders[1])
        solve_poses(capture, graph, PosesConfig(), folders[2], ignore_events, seed=0)
        config = ViewsConfig(max_size=max_size)
        undistort_views(capture, load_poses(folders[2]), config, folders[3], ignore_events)
        return load_views(folders[3])


def benchmark(
    name: str, views: Views, config: TrainingConfig, budget: float | None, arguments: Any
) -> dict[str, Any]:
    """Trains once and returns what there is to know about it."""
    height, width = views.images[0].shape[:2]
    print(
        f"{name}: {len(views.names)} photos, {int(views.held_out.sum())} held out, "
        f"{width}x{height}, {len(views.points)} points"
    )
    if budget is not None:
        config = timed_training.within(config, views, budget, arguments.seed)
        print(f"  {config.steps} steps for {budget:.0f} s")
    training = timed_training.train(views, config, arguments.seed, arguments.measure_at)
    print(
        f"  {training.gaussians:,} Gaussians ({training.faint_share:.1%} faint, at most"
        f" {training.most_gaussians:,}), {training.psnr:.2f} dB after {training.seconds:.0f} s,"
        f" {training.peak_mb:.0f} MiB"
    )
    return {
        "set": name,
        "photos": len(views.names),
        "size": [width, height],
        "points": len(views.points),
        "budget_seconds": budget,
        **asdict(training),
    }


def convergence(runs: list[dict[str, Any]]) -> bool:
    """Prints what the long trainings gain over the short ones; whether it is little enough."""
    print(f"\n| set | {SHORT / 60:.0f} min | {LONG / 60:.0f} min | behind | |")
    print("|---|---|---|---|---|")
    good = True
    for short, long in zip(runs[::2], runs[1::2], strict=True):
        behind = long["psnr"] - short["psnr"]
        good = good and behind <= ALLOWED_LOSS
        print(
            f"| {short['set']} | {short['psnr']:.2f} dB ({short['seconds']:.0f} s)"
            f" | {long['psnr']:.2f} dB ({long['seconds']:.0f} s) | {behind:+.2f} dB"
            f" | {'good' if behind <= ALLOWED_LOSS else 'too much'} |"
        )
    return good


def load_views(name: str, arguments: Any) -> Views:
    """Views of a photo set with the cameras that were asked for."""
    shared = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared")) / "data"
    folder = ROOT / "assets" / "demo" if name == "demo" else shared / name
    if arguments.poses == "product":
        images = folder / "images" if (folder / "images").is_dir() else folder
        return product_views(images, arguments.max_size)
    return load_true_views(folder, arguments.max_size)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+", help="names in the shared data, or demo")
    parser.add_argument("--poses", choices=("truth", "product"), default="truth")
    parser.add_argument("--preset", choices=get_args(PresetName), default="default")
    parser.add_argument("--max-size", type=int, default=480, help="long side in pixels")
    parser.add_argument("--budget", type=float, action="append", default=[], help="seconds")
    parser.add_argument("--convergence", action="store_true", help="5 minutes against 20")
    parser.add_argument(
        "--measure-at", type=float, nargs="*", default=[30, 60, 120, 300, 600],
        help="seconds of training after which the held-out photos are measured",
    )  # fmt: skip
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    parser.add_argument("--output", type=Path, default=HISTORY, help="history to append to")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = _configured(PRESETS[arguments.preset].training, arguments.set)
    config = resolve_backend(config, lambda event: print(getattr(event, "text", "")))
    timed_training.warm_up()
    budgets = [SHORT, LONG] if arguments.convergence else arguments.budget or [None]
    runs = []
    for name in arguments.sets:
        views = load_views(name, arguments)
        runs += [benchmark(name, views, config, budget, arguments) for budget in budgets]
    output = arguments.output
    history = json.loads(output.read_text())["runs"] if output.exists() else []
    where = describe() | {"threads": torch.get_num_threads(), "load_average": os.getloadavg()}
    entry = {"machine": where, "poses": arguments.poses, "preset": arguments.preset, "sets": runs}
    output.parent.mkdir(parents=True, exist_ok=True)
    write_json(output, {"runs": [*history, entry]})
    return int(arguments.convergence and not convergence(runs))


def _configured(config: TrainingConfig, settings: list[str]) -> TrainingConfig:
    config = replace(config, keep_holdout=True)
    kinds = {field.name: type(getattr(config, field.name)) for field in fields(config)}
    for setting in settings:
        name, _, value = setting.partition("=")
        kind = kinds[name]
        parsed = value in ("1", "true", "True") if kind is bool else kind(value)
        config = replace(config, **{name: parsed})
    return config


if __name__ == "__main__":
    sys.exit(main())
