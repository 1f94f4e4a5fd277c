"""What is gained by modelling what cameras do to colour, on held-out photos.

    python tests/benchmarks/appearance.py sacre_coeur10 fox herz_jesu_p25 demo demo:ramp+balance

A set may be followed by what is done to its photos, in linear light: `ramp` (exposure, +-0.8 stops
in random order), `balance` (white balance), `vignette` (45 % at the corners, held-out photos too),
`gamma` (two cameras of another gamma each, held-out photos too). Of the ramp and the balance
held-out photos get nothing, which is their mean. Each set is trained without any model, with the
product's own, and with the candidates of `physical_appearance.py`; cameras are true ones. Told are
PSNR raw (as in splat.ply), after a colour fit (`splatting/color_fit.py`) and, of candidates, with
the vignetting and tone curve of the photo's camera.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import timed_training
import torch
from machine import describe, label_of, write_result
from physical_appearance import PhysicalAppearance, Weights, radius_squared
from synthetic.stress.effects import to_linear, to_srgb
from true_views import load_true_views

from splatpose.configs import PRESETS
from splatpose.events import ignore_events
from splatpose.render import choose_backend
from splatpose.scene.views import Views
from splatpose.splatting.color_fit import color_fitted
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.quality import psnr
from splatpose.splatting.trainer import Trainer

ROOT = Path(__file__).parents[2]
STOPS, WARM, COLD, CORNERS, GAMMAS = 0.8, 1.18, 0.75, 0.45, (0.85, 1.18)
CANDIDATES: dict[str, Weights] = {
    "exposure, balance": Weights(),
    "+ offset": Weights(offset=0.5),
    "+ vignetting": Weights(vignetting=0.01),
    "+ vignetting, tone": Weights(vignetting=0.01, tone=0.1),
}


def altered(views: Views, effects: Sequence[str]) -> Views:
    """The views, their photos as worse cameras would have taken them."""
    count = len(views.names)
    places = np.random.default_rng(5).permutation(np.linspace(-1, 1, count))
    places[np.asarray(views.held_out, bool)] = 0
    images, Ks = [], views.Ks.copy()
    for i, (image, place) in enumerate(zip(views.images, places, strict=True)):
        light = to_linear(image / 255.0)
        if "ramp" in effects:
            light = light * 2 ** (STOPS * place)
        if "balance" in effects:
            light = light * np.array([WARM**place, 1.0, COLD**place])
        if "vignette" in effects:
            light = light * (1 - CORNERS * radius_squared(*image.shape[:2], Ks[i]))[..., None]
        values = to_srgb(light)
        if "gamma" in effects:
            values = values ** GAMMAS[i % 2]
            Ks[i, 0, 0] *= 1 + 1e-9 * (i % 2)  # another camera
        images.append(np.round(255 * values).astype(np.uint8))
    return replace(views, images=tuple(images), Ks=Ks)


def trained(views: Views, config: TrainingConfig, model: str, seed: int) -> dict[str, Any]:
    """Trains once; the scores of the held-out photos."""
    given = CANDIDATES.get(model)
    config = replace(config, exposure=model != "none")
    config = config if given is None else replace(config, exposure_weight=1.0)
    trainer = Trainer(views, config, choose_backend(config.backend), seed, ignore_events)
    own = None if given is None else PhysicalAppearance(views, given)
    if own is not None:
        trainer.exposure = own  # type: ignore[assignment]  # has all that a training asks of it
    start = time.process_time()
    for _ in range(config.steps):
        trainer.advance()
    seconds = time.process_time() - start
    trainer.bake_exposure()
    scores: dict[str, list[float]] = {"raw": [], "fitted": [], "camera": []}
    for index in np.flatnonzero(views.held_out).tolist():
        photo = trainer.photos.at(index)
        target, image = photo.colors, trainer.render_photo(index).clamp(0, 1)
        scores["raw"].append(psnr(image, target, photo.mask))
        scores["fitted"].append(psnr(color_fitted(image, target, photo.mask), target, photo.mask))
        if own is not None:
            with torch.no_grad():
                image = own.by_camera(image, index).clamp(0, 1)
            scores["camera"].append(psnr(image, target, photo.mask))
    means = {name: float(np.mean(values)) for name, values in scores.items() if values}
    return {"model": model, **means, "cpu_seconds": seconds} | _recovered(own, views)


def _recovered(own: PhysicalAppearance | None, views: Views) -> dict[str, Any]:
    """Exposures in stops, and the falloff at the corners of the first camera."""
    if own is None:
        return {}
    stops = [float(value.detach()) for value in own.stops]
    with torch.no_grad():
        corner = own.falloff(0, views.images[0].shape[:2])[0, 0].mean()
    return {"stops": stops, "corner_gain": float(corner)}


def benchmark(name: str, arguments: Any) -> list[dict[str, Any]]:
    """All models on one set."""
    base, _, effects = name.partition(":")
    shared = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared")) / "data"
    folder = ROOT / "assets" / "demo" if base == "demo" else shared / base
    views = load_true_views(folder, arguments.max_size)
    if len(views.names) < 12:
        held_out = np.zeros(len(views.names), bool)
        held_out[1::3] = True
        views = replace(views, held_out=held_out)
    views = altered(views, effects.split("+")) if effects else views
    config = replace(PRESETS["default"].training, keep_holdout=True)
    config = timed_training.stretched(config, arguments.steps)
    config = replace(config, max_gaussians=arguments.gaussians)
    rows = []
    for model in arguments.models:
        rows.append({"set": name, **trained(views, config, model, arguments.seed)})
        camera = f"{rows[-1]['camera']:.2f}" if "camera" in rows[-1] else "-"
        print(f"| {name} | {model} | {rows[-1]['raw']:.2f} | {rows[-1]['fitted']:.2f} | {camera} |")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sets", nargs="+", help="names in the shared data, or demo; with effects")
    names = ("none", "affine", *CANDIDATES)
    parser.add_argument("--models", nargs="*", default=names, choices=names)
    parser.add_argument("--max-size", type=int, default=320, help="long side in pixels")
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--gaussians", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    timed_training.warm_up()
    print("| set | model | raw | after a colour fit | by its camera |\n|---|---|---|---|---|")
    rows = [row for name in arguments.sets for row in benchmark(name, arguments)]
    options = {key: value for key, value in vars(arguments).items() if key != "sets"}
    candidates = {name: asdict(weights) for name, weights in CANDIDATES.items()}
    result = {"machine": describe(), "options": options, "candidates": candidates, "rows": rows}
    write_result(f"appearance{label_of(arguments.sets)}", result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
