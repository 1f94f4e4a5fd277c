"""What depth maps are worth in training: held-out photos with and without them.

    python tests/benchmarks/depth_training.py --out tests/benchmarks/results/depth_training.json
    python tests/benchmarks/depth_training.py --cases room:6/sensor --ways off both --seeds 0 1

A few photos of a set of the shared data are trained on, those between them are held out and have no
part in points or fits. Cameras are the true ones; points are those of the product's matcher. Maps
are of a small monocular network, `depth_mono/`, or of a sensor, `depth/`, fitted to the points.
Every way trains on the same views: `off` without depth, `loss` and `start` with one of the two
things that depth does, `both` with all maps that agree with the points, `auto` as the product
chooses. Rows are added to the result as they come, and those that it has are not done again.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from machine import RESULTS, describe
from photo_sets import SHARED
from true_views import load_thinned_views

from splatpose.depth.alignment import align
from splatpose.depth.training_depth import training_depth
from splatpose.events import ignore_events
from splatpose.io.atomic import write_json
from splatpose.io.depthmaps import read_depth_map
from splatpose.render import choose_backend
from splatpose.scene.depth_maps import DepthAlignment, DepthPriors
from splatpose.scene.sparse_model import SparseModel
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.quality import measure
from splatpose.splatting.trainer import Trainer


@dataclass(frozen=True)
class Case:
    """A thinned photo set, by the numbers of its photos."""

    photo_set: str
    training: tuple[int, ...]
    held_out: tuple[int, ...]
    maps: str
    """Folder of the maps, beside that of the photos."""


def _case(photo_set: str, first: int, last: int, step: int, maps: str, every: int = 1) -> Case:
    training = tuple(range(first, last + 1, step))
    held_out = tuple(i for i in range(first, last + 1, every) if i not in training)
    return Case(photo_set, training, held_out, maps)


CASES = {
    "fountain:3": _case("fountain_p11", 3, 7, 2, "depth_mono"),
    "fountain:6": _case("fountain_p11", 0, 10, 2, "depth_mono"),
    "herz_jesu:6": Case(
        "herz_jesu_p25",
        (0, 5, 10, 14, 19, 24),
        tuple(i for i in range(25) if i not in (0, 5, 10, 14, 19, 24)),
        "depth_mono",
    ),
    "office:6": _case("hololens_office", 14, 24, 2, "depth_mono"),
    "office:12": _case("hololens_office", 14, 36, 2, "depth_mono"),
    "room:6": _case("rgbd_room", 0, 25, 5, "depth_mono", 2),
    "room:12": _case("rgbd_room", 0, 44, 4, "depth_mono", 2),
    "office:6/sensor": _case("hololens_office", 14, 24, 2, "depth"),
    "room:6/sensor": _case("rgbd_room", 0, 25, 5, "depth", 2),
    "room:12/sensor": _case("rgbd_room", 0, 44, 4, "depth", 2),
}
WAYS: dict[str, dict[str, Any]] = {
    "off": {"depth": "off"},
    "loss": {"depth": "on", "depth_start": 0.0},
    "start": {"depth": "on", "depth_weight": 0.0},
    "both": {"depth": "on"},
    "auto": {"depth": "auto"},
}


def prepared(case: Case, max_size: int, cache: Path) -> tuple[Views, SparseModel]:
    """The views and their model, kept in `cache` for another time."""
    first, last = case.training[0], case.training[-1]
    numbers = f"{first}-{last}-{len(case.training)}-{len(case.held_out)}"
    file = cache / f"{case.photo_set}_{numbers}_{max_size}.pickle"
    if not file.exists():
        folder = SHARED / "data" / case.photo_set
        made = load_thinned_views(folder, max_size, case.training, case.held_out)
        cache.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pickle.dumps(made))
    return pickle.loads(file.read_bytes())


def fitted(case: Case, views: Views, model: SparseModel, cache: Path) -> tuple[Any, DepthAlignment]:
    """The maps and their fits; of held-out photos there are no points, so no fits."""
    folder = SHARED / "data" / case.photo_set / case.maps
    paths = []
    for name in views.names:
        path = cache / "maps" / case.photo_set / case.maps / f"{Path(name).stem}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, read_depth_map(folder / f"{Path(name).stem}.png"))
        paths.append(path)
    priors = DepthPriors(views.names, case.maps, "auto", tuple(paths), ("",) * len(paths))
    cameras = [model.cameras[i] for i in model.camera_index]
    return priors, align(priors, model, [(c.width, c.height) for c in cameras])


def train(views: Views, config: TrainingConfig, seed: int) -> dict[str, Any]:
    """One training, and how the held-out photos look then."""
    start = time.process_time()
    trainer = Trainer(views, config, choose_backend(config.backend), seed, ignore_events)
    first = len(trainer.model)
    while trainer.step < config.steps:
        trainer.advance()
    seconds = time.process_time() - start
    trainer.bake_exposure()
    scores = measure(trainer.photos, trainer.render_photo)
    return {
        "first_gaussians": first,
        "gaussians": len(trainer.model),
        "cpu_seconds": round(seconds, 1),
        "psnr": round(float(np.mean([score.psnr for score in scores])), 3),
        "ssim": round(float(np.mean([score.ssim for score in scores])), 4),
    }


def row(name: str, way: str, seed: int, arguments: Any) -> dict[str, Any]:
    """One line of the table."""
    case = CASES[name]
    views, model = prepared(case, arguments.max_size, arguments.cache)
    steps = arguments.steps
    config = TrainingConfig(
        steps=steps,
        final_steps=0,
        refine_every=max(1, steps // 40),
        refine_start=steps // 20,
        sh_every=steps // 5,
    )
    config = replace(config, **WAYS[way])
    found: dict[str, Any] = {"case": name, "way": way, "seed": seed}
    found |= {"training": len(case.training), "held_out": len(case.held_out)}
    found |= {"points": len(views.points), "with_depth": []}
    if config.depth != "off":
        priors, alignment = fitted(case, views, model, arguments.cache)
        choice = training_depth(priors, alignment, model, views, config.depth)
        views = replace(views, depths=choice.depths)
        known = zip(views.names, choice.depths or (), strict=False)
        found["with_depth"] = [photo for photo, depth in known if depth is not None]
        found["reason"] = choice.reason
    alike = [
        r
        for r in arguments.rows
        if _key(r) in ((name, "off", seed), (name, "both", seed))
        and r["with_depth"] == found["with_depth"]
    ]
    if way == "auto" and alike:  # the very same training
        return {**alike[0], **found}
    return found | train(views, config, seed)


def table(rows: list[dict[str, Any]]) -> str:
    """PSNR and SSIM by case and way, means over the seeds."""
    lines = ["| photos | points | maps that agree | " + " | ".join(WAYS) + " |"]
    lines.append("|---|---|---|" + "---|" * len(WAYS))
    for name in dict.fromkeys(r["case"] for r in rows):
        own = [r for r in rows if r["case"] == name]
        cells = []
        for way in WAYS:
            of = [r for r in own if r["way"] == way]
            psnr, ssim = (np.mean([r[key] for r in of]) if of else 0 for key in ("psnr", "ssim"))
            cells.append(f"{psnr:.2f} / {ssim:.3f}" if of else "")
        maps = max(len(r["with_depth"]) for r in own)
        lines.append(f"| {name} | {own[0]['points']} | {maps} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _key(found: dict[str, Any]) -> tuple[str, str, int]:
    return found["case"], found["way"], found["seed"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", nargs="*", choices=CASES, default=list(CASES))
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", nargs="*", type=int, default=[0])
    parser.add_argument("--max-size", type=int, default=240, help="long side in pixels")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--cache", type=Path, default=Path("/tmp/depth_training"))
    parser.add_argument("--out", type=Path, default=RESULTS / "depth_training.json")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    before = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"rows": []}
    rows = arguments.rows = before["rows"]
    size = {"max_size": arguments.max_size, "steps": arguments.steps}
    assert not rows or {key: before[key] for key in size} == size, "another size or length"
    for name in arguments.cases:
        for seed in arguments.seeds:
            for way in arguments.ways:
                if (name, way, seed) in map(_key, rows):
                    continue
                rows.append(row(name, way, seed, arguments))
                print(rows[-1], flush=True)
                write_json(arguments.out, {**size, "machine": describe(), "rows": rows}, 1)
    print(table(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
