"""Veils at views off the path, and what photos say of it.

    python tests/benchmarks/off_path.py herz_jesu_p25 fountain_p11 fox demo
    python tests/benchmarks/off_path.py herz_jesu_p25 fountain_p11 fox demo --middle

Trains each set with true cameras and tells the measure of `splatting/off_path.py` beside the PSNR
of held-out photos. With `--middle` only the middle half of the photos is trained on, so that those
held out are themselves off the path: photos in place of the measure.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import timed_training
import torch
from machine import describe, label_of, write_result
from true_views import load_true_views

from splatpose.configs import PRESETS
from splatpose.events import ignore_events
from splatpose.render import choose_backend
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.off_path import measure_off_path
from splatpose.splatting.quality import measure
from splatpose.splatting.trainer import Trainer

ROOT = Path(__file__).parents[2]


def middle_half(views: Views) -> Views:
    """All but the middle half of the photos held out."""
    count = len(views.names)
    held_out = np.ones(count, bool)
    held_out[count // 4 : count - count // 4] = False
    return replace(views, held_out=held_out)


def trained(views: Views, config: TrainingConfig, seed: int) -> dict[str, Any]:
    """Trains once; scores of the held-out photos, the measure, and what that took."""
    trainer = Trainer(views, config, choose_backend(config.backend), seed, ignore_events)
    start = time.process_time()
    for _ in range(config.steps):
        trainer.advance()
    seconds = time.process_time() - start
    trainer.bake_exposure()
    scores = measure(trainer.photos, trainer.render_photo)
    start = time.process_time()
    found = measure_off_path(trainer.splats(), trainer.photos, trainer.backend)
    return {
        "seed": seed,
        "psnr": float(np.mean([score.psnr for score in scores])),
        "color_fitted_psnr": float(np.mean([score.color_fitted_psnr for score in scores])),
        "off_path": None if found is None else asdict(found),
        "gaussians": len(trainer.model),
        "cpu_seconds": seconds,
        "measuring_cpu_seconds": time.process_time() - start,
    }


def benchmark(name: str, arguments: Any) -> list[dict[str, Any]]:
    """One set, with every seed."""
    shared = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared")) / "data"
    folder = ROOT / "assets" / "demo" if name == "demo" else shared / name
    views = load_true_views(folder, arguments.max_size)
    views = middle_half(views) if arguments.middle else views
    config = replace(PRESETS["default"].training, keep_holdout=True)
    config = timed_training.stretched(config, arguments.steps)
    config = replace(config, max_gaussians=arguments.gaussians)
    rows = []
    for seed in range(arguments.seeds):
        row = {"set": name, **trained(views, config, seed)}
        rows.append(row)
        beside = row["off_path"] or {}
        figures = [row["psnr"], row["color_fitted_psnr"]]
        figures += [beside.get(k, np.nan) for k in ("veil_percent", "psnr", "photo_psnr")]
        cells = " | ".join(f"{figure:.2f}" for figure in figures)
        print(f"| {name} | {cells} |", flush=True)
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+", help="names in the shared data, or demo")
    parser.add_argument("--middle", action="store_true", help="train on the middle half alone")
    parser.add_argument("--max-size", type=int, default=320, help="long side in pixels")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--gaussians", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    timed_training.warm_up()
    print("| set | PSNR | after a colour fit | veils, % | off the path | on it |")
    print("|---|---|---|---|---|---|")
    rows = [row for name in arguments.sets for row in benchmark(name, arguments)]
    options = {key: value for key, value in vars(arguments).items() if key != "sets"}
    name = f"off_path{'_middle' * arguments.middle}{label_of(arguments.sets)}"
    write_result(name, {"machine": describe(), "options": options, "rows": rows})
    return 0


if __name__ == "__main__":
    sys.exit(main())
