"""How good a splat is after how much time, with the cameras given.

    python tests/benchmarks/training.py fountain_p11 fox llff_fern --max-size 480
    python tests/benchmarks/training.py demo --poses product

Trains on photo sets of the shared data (or on assets/demo) and prints, and appends to
tests/benchmarks/results/training.json, the held-out PSNR and SSIM over time, wall time and peak
memory. `--poses truth` takes the true cameras and triangulates SIFT points with them;
`--poses product` runs splatpose's own stages up to the views. Any field of TrainingConfig can be
set with `--set steps=2000 --set sh_degree=1`.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import psutil
import torch
from machine import RESULTS, describe
from true_views import load_true_views

from splatpose.events import Event, Message, TrainingStep, ignore_events
from splatpose.io.atomic import write_json
from splatpose.splats import TrainingConfig, load_splats, resolve_backend, train_splats
from splatpose.types import Views

ROOT = Path(__file__).parents[2]
HISTORY = RESULTS / "training.json"


def product_views(images: Path, max_size: int) -> Views:
    """Views by splatpose's own capture, matching and poses."""
    from splatpose.capture import CaptureConfig, build_capture, load_capture
    from splatpose.matching import MatchingConfig, load_matches, match_photos, resolve_matcher
    from splatpose.poses import PosesConfig, load_poses, solve_poses
    from splatpose.views import ViewsConfig, load_views, undistort_views

    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / stage for stage in ("capture", "matching", "poses", "views")]
        for folder in folders:
            folder.mkdir()
        build_capture(images, CaptureConfig(), folders[0], ignore_events)
        capture = load_capture(folders[0])
        weights = os.environ.get("SPLATPOSE_WEIGHTS")
        weights_dir = Path(weights) if weights else None
        matching = resolve_matcher(MatchingConfig(), weights_dir, ignore_events)
        match_photos(capture, matching, folders[1], ignore_events, weights_dir=weights_dir, seed=0)
        graph = load_matches(folders[1])
        solve_poses(capture, graph, PosesConfig(), folders[2], ignore_events, seed=0)
        config = ViewsConfig(max_size=max_size)
        undistort_views(capture, load_poses(folders[2]), config, folders[3], ignore_events)
        return load_views(folders[3])


class Recorder:
    """Keeps the held-out PSNR over time and the largest resident memory."""

    def __init__(self) -> None:
        self.curve: list[dict[str, float]] = []
        self.peak_mb = 0.0
        self._start = time.perf_counter()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Message):
            print(f"    {event.text}", flush=True)
        if isinstance(event, TrainingStep) and event.held_out_psnr is not None:
            seconds = time.perf_counter() - self._start
            print(
                f"    step {event.step:5d}  {seconds:6.1f} s  {event.num_gaussians:6d} Gaussians"
                f"  {event.held_out_psnr:.2f} dB",
                flush=True,
            )
            self.curve.append(
                {
                    "step": event.step,
                    "seconds": seconds,
                    "gaussians": event.num_gaussians,
                    "psnr": event.held_out_psnr,
                }
            )

    def __enter__(self) -> Recorder:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(0.1):
            self.peak_mb = max(self.peak_mb, process.memory_info().rss / 2**20)


def benchmark(name: str, views: Views, config: TrainingConfig, seed: int) -> dict[str, Any]:
    """Trains once and returns what there is to know about it."""
    height, width = views.images[0].shape[:2]
    print(
        f"{name}: {len(views.names)} photos, {int(views.held_out.sum())} held out, "
        f"{width}x{height}, {len(views.points)} points"
    )
    with tempfile.TemporaryDirectory() as folder, Recorder() as recorder:
        started, used = time.perf_counter(), time.process_time()
        summary = train_splats(views, config, Path(folder), recorder, seed=seed)
        wall, used = time.perf_counter() - started, time.process_time() - used
        trained = load_splats(Path(folder))
    print(f"  {summary}; {wall:.0f} s, {recorder.peak_mb:.0f} MiB")
    return {
        "set": name,
        "photos": len(views.names),
        "size": [width, height],
        "points": len(views.points),
        "gaussians": len(trained.splats),
        "psnr": float(np.mean([score.psnr for score in trained.held_out])),
        "ssim": float(np.mean([score.ssim for score in trained.held_out])),
        "wall_seconds": wall,
        "step_seconds": trained.curve[-1][1],
        "cpu_seconds": used,
        "peak_mb": recorder.peak_mb,
        "curve": recorder.curve,
        "held_out": [asdict(score) for score in trained.held_out],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+", help="names in the shared data, or demo")
    parser.add_argument("--poses", choices=("truth", "product"), default="truth")
    parser.add_argument("--max-size", type=int, default=480, help="long side in pixels")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--measure-every", type=int, default=500, help="steps")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = _configured(arguments.set, arguments.measure_every)
    config = resolve_backend(config, lambda event: print(getattr(event, "text", "")))
    shared = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared")) / "data"
    runs = []
    for name in arguments.sets:
        folder = ROOT / "assets" / "demo" if name == "demo" else shared / name
        if arguments.poses == "product":
            images = folder / "images" if (folder / "images").is_dir() else folder
            views = product_views(images, arguments.max_size)
        else:
            views = load_true_views(folder, arguments.max_size)
        runs.append(benchmark(name, views, config, arguments.seed))
    history = json.loads(HISTORY.read_text())["runs"] if HISTORY.exists() else []
    where = describe() | {"threads": torch.get_num_threads(), "load_average": os.getloadavg()}
    entry = {"machine": where, "poses": arguments.poses, "config": asdict(config), "sets": runs}
    RESULTS.mkdir(exist_ok=True)
    write_json(HISTORY, {"runs": [*history, entry]})


def _configured(settings: list[str], measure_every: int) -> TrainingConfig:
    config = TrainingConfig(keep_holdout=True, measure_every=measure_every)
    kinds = {field.name: type(getattr(config, field.name)) for field in fields(config)}
    for setting in settings:
        name, _, value = setting.partition("=")
        kind = kinds[name]
        parsed = value in ("1", "true", "True") if kind is bool else kind(value)
        config = replace(config, **{name: parsed})
    return config


if __name__ == "__main__":
    main()
