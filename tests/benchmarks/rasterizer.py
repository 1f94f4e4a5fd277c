"""Speed of the CPU rasterizer, as ratios inside one run. Prints tables, appends to a history.

    OMP_WAIT_POLICY=passive python tests/benchmarks/rasterizer.py [--quick] [--compare]

Times are the best of several calls (wall clock), contributions the (pixel, Gaussian) pairs that
are blended. The machine's multiply-add peak is measured in the same run, to compare machines and
to scale the targets. With `--compare` the exit status is 1 when a ratio is worse by more than 20 %
than in the last entry of the same machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import machine
import numpy as np
import targets
import tiles_reference
import torch
from splat_scenes import Scene, count_contributions, garden, random_scene
from torch import Tensor

from splatpose.io.atomic import write_bytes
from splatpose.render.cpu import camera_pass, use_threads
from splatpose.render.cpu.allocator import keep_freed_memory
from splatpose.render.cpu.compilation import kernel
from splatpose.render.cpu.loss import photometric_loss
from splatpose.render.cpu.rasterization import rasterization
from splatpose.render.cpu.simd import LANES, fma, load, store
from splatpose.render.cpu.threads import run_on_threads
from splatpose.render.loss import photometric_loss as torch_loss
from splatpose.scene.splats import Splats
from splatpose.splatting.gaussian_model import GaussianModel

RESULTS = machine.RESULTS / "rasterizer.json"
VERSION = 2
_ROUNDS = 5_000_000


@kernel
def multiply_add(rounds, numbers):
    """Ten independent chains of vector multiply-adds."""
    x, y = load(numbers, 0), load(numbers, LANES)
    a, b, c, d, e, f, g, h, i, j = x, x, x, x, x, x, x, x, x, x
    for _ in range(rounds):
        a, b, c, d, e = fma(a, x, y), fma(b, x, y), fma(c, x, y), fma(d, x, y), fma(e, x, y)
        f, g, h, i, j = fma(f, x, y), fma(g, x, y), fma(h, x, y), fma(i, x, y), fma(j, x, y)
    store(numbers, 0, a + b + c + d + e + f + g + h + i + j)


def measure_peak(threads: int) -> float:
    """Multiply-add peak of one core in GFLOP/s, with as many cores at work as `threads`."""
    numbers = [np.full(2 * LANES, 0.5, np.float32) for _ in range(threads)]
    spent = best(
        lambda: run_on_threads(lambda thread: multiply_add(_ROUNDS, numbers[thread]), threads), 5
    )
    return _ROUNDS * 10 * LANES * 2 / spent / 1e6


def best(call: Callable[[], Any], repeats: int) -> float:
    """Least wall time of a call in ms, after one call for warming up."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


class StageTimes:
    """Least wall time spent in each kernel, by wrapping their launcher."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}
        self._launch = camera_pass.share

    def __enter__(self) -> StageTimes:
        def timed(function: Any, *args: Any) -> None:
            start = time.perf_counter()
            self._launch(function, *args)
            spent = 1e3 * (time.perf_counter() - start)
            name = function.__name__
            self.best[name] = min(self.best.get(name, spent), spent)

        camera_pass.share = timed
        return self

    def __exit__(self, *exc: object) -> None:
        camera_pass.share = self._launch


def render(scene: Scene) -> tuple[Tensor, Tensor]:
    """RGB and expected depth."""
    return rasterization(
        *scene.leaves, scene.Ks, scene.width, scene.height, sh_degree=scene.sh_degree,
        render_mode="RGB+ED",
    )[:2]  # fmt: skip


def forward_and_backward(scene: Scene, draw: Callable[[Scene], tuple[Tensor, Tensor]]) -> None:
    for leaf in scene.leaves:
        leaf.grad = None
    image, _ = draw(scene)
    image.backward(torch.full(image.shape, 0.1))


def measure(scene: Scene, threads: int, repeats: int) -> dict[str, Any]:
    """Times of one scene with all cameras, RGB and expected depth; kernels' rates."""
    with use_threads(threads), StageTimes() as stages:
        forward_ms = best(lambda: render(scene), repeats)
        total_ms = best(lambda: forward_and_backward(scene, render), repeats)
    pairs = count_contributions(scene)
    # The launcher sees one camera at a time.
    seen = pairs / len(scene.viewmats) / threads / 1e6
    return {
        "name": scene.name,
        "gaussians": len(scene.gaussians[0]),
        "cameras": len(scene.viewmats),
        "size": [scene.width, scene.height],
        "threads": threads,
        "forward_ms": forward_ms,
        "backward_ms": total_ms - forward_ms,
        "total_ms": total_ms,
        "contributions_million": pairs / 1e6,
        "forward_giga_per_core": seen / stages.best["forward"],
        "backward_giga_per_core": seen / stages.best["backward"],
        "kernels_ms": stages.best,
    }


def measure_training(scene: Scene, threads: int, repeats: int) -> dict[str, Any]:
    """Training steps: activations, rendering, L1 + 0.2 D-SSIM, backward, Adam; nothing moves."""
    means, quats, scales, opacities, colors = (x.detach() for x in scene.gaussians)
    model = GaussianModel(
        Splats(means, quats, scales.log(), torch.logit(opacities), colors), torch.device("cpu")
    )
    model.set_learning_rates(dict.fromkeys(model.params, 0.0))
    target = torch.rand(scene.height, scene.width, 3, generator=torch.Generator().manual_seed(1))
    viewmats = scene.viewmats.detach()

    def step() -> None:
        params = model.params
        image, _, _ = rasterization(
            params["means"], params["quats"], params["scales"].exp(),
            params["opacities"].sigmoid(), model.sh, viewmats, scene.Ks, scene.width,
            scene.height, sh_degree=3,
        )  # fmt: skip
        photometric_loss(image[0], target).backward()
        model.step()

    with use_threads(threads):
        spent = best(step, repeats)
    return {"name": scene.name, "threads": threads, "steps_per_second": 1e3 / spent}


def measure_loss(threads: int, repeats: int) -> dict[str, float]:
    """The fused loss against torch's, value and gradient, 640x480."""
    target = torch.rand(480, 640, 3)
    image = (target + 0.1 * torch.randn(480, 640, 3)).requires_grad_()
    with use_threads(threads):
        fused = best(lambda: photometric_loss(image, target).backward(), repeats)
    plain = best(lambda: torch_loss(image, target).backward(), 2)
    return {"fused_ms": fused, "torch_ms": plain, "ratio": plain / fused}


def measure_tiles_reference(scene: Scene, total_ms: float) -> dict[str, float]:
    """Forward and backward of plain torch, once, and how far its image is from ours."""
    start = time.perf_counter()
    forward_and_backward(scene, tiles_reference.rasterize)
    torch_ms = 1e3 * (time.perf_counter() - start)
    with torch.no_grad():
        ours, theirs = render(scene)[0][0, ..., :3], tiles_reference.rasterize(scene)[0][..., :3]
    difference = (ours - theirs).abs()
    # A few pixels differ by up to 1/255 of a colour: rounding at the alpha threshold.
    assert float(difference.mean()) < 1e-5, float(difference.mean())
    return {
        "torch_ms": torch_ms,
        "ours_ms": total_ms,
        "ratio": torch_ms / total_ms,
        "mean_difference": float(difference.mean()),
        "largest_difference": float(difference.max()),
    }


def in_child(*arguments: object, cache: str | None = None) -> dict[str, float]:
    """Runs child.py and returns what it prints."""
    environment = dict(os.environ)
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = cache
    script = Path(__file__).parent / "child.py"
    run = subprocess.run(
        [sys.executable, str(script), *map(str, arguments)],
        env=environment, capture_output=True, check=True, text=True,
    )  # fmt: skip
    return json.loads(run.stdout.splitlines()[-1])


def measure_first_call() -> dict[str, float]:
    """Seconds of the first forward and backward in a new process: compiled, then from disk."""
    with tempfile.TemporaryDirectory() as cache:
        cold, cached = (in_child("first-call", cache=cache)["seconds"] for _ in range(2))
    return {"cold_s": cold, "cached_s": cached}


def measure_all(threads: int, repeats: int, *, quick: bool) -> dict[str, Any]:
    small, medium = random_scene(20_000, 640, 480, 4.0), random_scene(100_000, 640, 480, 2.5)
    result: dict[str, Any] = {
        "version": VERSION,
        "machine": machine.describe(),
        "lanes": LANES,
        "threads": threads,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "peak_gflops_per_core": measure_peak(1),
        "peak_gflops_per_core_all_threads": measure_peak(threads),
    }
    runs = [(small, 1), (small, threads), (medium, 1), (medium, threads)]
    real = garden()
    if isinstance(real, str):
        print(f"garden is left out: {real}")
    else:
        runs.append((real, threads))
    if not quick:
        runs.append((random_scene(500_000, 1280, 960, 2.5), threads))
    result["scenes"] = [measure(scene, count, repeats) for scene, count in runs]
    one, many, medium_one, medium_many = (scene["total_ms"] for scene in result["scenes"][:4])
    if threads == 2:
        result["scaling"] = min(one / many, medium_one / medium_many)
    result["training"] = [
        measure_training(random_scene(20_000, 320, 240, 2.0), threads, 3 * repeats),
        measure_training(medium, threads, repeats),
    ]
    result["loss"] = measure_loss(threads, repeats)
    result["memory"] = in_child("memory", 100_000, 640, 480, 2.5)
    if not quick:
        with use_threads(threads):
            result["tiles_reference"] = measure_tiles_reference(small, many)
        result["first_call"] = measure_first_call()
    # Again, since a busy moment at the start would make all targets too easy.
    for key, count in (("peak_gflops_per_core", 1), ("peak_gflops_per_core_all_threads", threads)):
        result[key] = max(result[key], measure_peak(count))
    return result


def print_scenes(result: dict[str, Any]) -> None:
    alone = result["peak_gflops_per_core"]
    together = result["peak_gflops_per_core_all_threads"]
    print(f"{result['machine']['cpu']}, {result['lanes']} lanes, load"
          f" {result['load_average']:.1f}, peak {alone:.0f} GFLOP/s a core,"
          f" {together:.0f} with {result['threads']} at work")  # fmt: skip
    print("| scene | threads | forward ms | backward ms | total ms | M pairs"
          " | forward G/s/core | backward G/s/core |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|")
    for s in result["scenes"]:
        print(
            f"| {s['name']} | {s['threads']}"
            f" | {s['forward_ms']:.1f} | {s['backward_ms']:.1f} | {s['total_ms']:.1f}"
            f" | {s['contributions_million']:.1f} | {s['forward_giga_per_core']:.2f}"
            f" | {s['backward_giga_per_core']:.2f} |"
        )
    loss = result["loss"]
    print(f"loss: {loss['fused_ms']:.1f} ms, torch {loss['torch_ms']:.0f} ms,"
          f" {loss['ratio']:.0f} times")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="without 500k, first call and plain torch"
    )
    parser.add_argument("--compare", action="store_true", help="exit 1 after a regression")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--output", type=Path, default=RESULTS, help="history to append to")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    result = measure_all(arguments.threads, arguments.repeats, quick=arguments.quick)
    print_scenes(result)
    targets.print_table(result)
    history = json.loads(arguments.output.read_text()) if arguments.output.exists() else []
    worse = targets.regressions(result, history)
    for line in worse:
        print(f"worse by more than {targets.REGRESSION:.0%}: {line}")
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps([*history, result], indent=1) + "\n"
    write_bytes(arguments.output, text.encode())
    return int(arguments.compare and bool(worse))


if __name__ == "__main__":
    sys.exit(main())
