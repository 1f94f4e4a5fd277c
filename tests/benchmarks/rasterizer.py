"""Speed of the CPU rasterizer, as ratios inside one run. Prints a table, writes JSON.

    OMP_WAIT_POLICY=passive python tests/benchmarks/rasterizer.py [--quick]

Times are the best of several calls (wall clock), contributions the (pixel, Gaussian) pairs that
are blended. The machine's multiply-add peak is measured in the same run, to compare machines.
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
from typing import Any

import machine
import numba
import numpy as np
import torch

from splatpose.render import reference
from splatpose.render.cpu import pipeline, use_threads
from splatpose.render.cpu.compilation import kernel
from splatpose.render.cpu.layout import R_POWER, R_X, R_XX, R_XY, R_Y, R_YY, RECORD, TILE
from splatpose.render.cpu.loss import photometric_loss
from splatpose.render.cpu.rasterization import rasterization
from splatpose.render.cpu.simd import LANES, fma, load, store
from splatpose.render.loss import photometric_loss as torch_loss

RESULTS = machine.RESULTS / "rasterizer.json"


def scene(count: int, width: int, height: int, pixels: float, seed: int = 0) -> list[torch.Tensor]:
    """Gaussians all over the view, spread log-normally around `pixels` standard deviation."""
    generator = torch.Generator().manual_seed(seed)
    focal = 0.8 * width
    z = 2 + 4 * torch.rand(count, generator=generator)
    xy = torch.rand(count, 2, generator=generator) * 1.1 - 0.55
    means = torch.cat([xy * torch.tensor([width, height]) * z[:, None] / focal, z[:, None]], 1)
    scales = torch.exp(torch.randn(count, 3, generator=generator) * 0.5) * pixels * 4 / focal
    return [
        means,
        torch.randn(count, 4, generator=generator),
        scales,
        torch.sigmoid(torch.randn(count, generator=generator) * 1.5),
        torch.randn(count, 16, 3, generator=generator) * 0.3,
        torch.eye(4)[None],
        torch.tensor([[[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]]]),
    ]


@kernel
def multiply_add(rounds, numbers):
    """Ten independent chains of vector multiply-adds."""
    x, y = load(numbers, 0), load(numbers, LANES)
    a, b, c, d, e, f, g, h, i, j = x, x, x, x, x, x, x, x, x, x
    for _ in range(rounds):
        a, b, c, d, e = fma(a, x, y), fma(b, x, y), fma(c, x, y), fma(d, x, y), fma(e, x, y)
        f, g, h, i, j = fma(f, x, y), fma(g, x, y), fma(h, x, y), fma(i, x, y), fma(j, x, y)
    store(numbers, 0, a + b + c + d + e + f + g + h + i + j)


@numba.njit
def count_contributions(offsets, members, records, width, height):
    """(pixel, Gaussian) pairs that are blended, one after the other in float64."""
    pairs, tiles_x = 0, (width + TILE - 1) // TILE
    for tile in range(len(offsets) - 1):
        left, top = tile % tiles_x * TILE, tile // tiles_x * TILE
        for y in range(top, min(top + TILE, height)):
            for x in range(left, min(left + TILE, width)):
                light = 1.0
                for place in range(offsets[tile], offsets[tile + 1]):
                    base = members[place] * RECORD
                    dx, dy = x + 0.5 - records[base + R_X], y + 0.5 - records[base + R_Y]
                    power = records[base + R_POWER] + records[base + R_XX] * dx * dx
                    power += records[base + R_XY] * dx * dy + records[base + R_YY] * dy * dy
                    alpha = min(2.0**power, 0.999)
                    if alpha < 1 / 255:
                        continue
                    light *= 1 - alpha
                    if light <= 1e-4:
                        break
                    pairs += 1
    return pairs


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
    """Wall time spent in each kernel, by wrapping the pipeline's launcher."""

    def __init__(self) -> None:
        self.best: dict[str, float] = {}
        self._launch = pipeline.share

    def __enter__(self) -> StageTimes:
        def timed(function: Any, *args: Any) -> None:
            start = time.perf_counter()
            self._launch(function, *args)
            spent = 1e3 * (time.perf_counter() - start)
            name = function.__name__
            self.best[name] = min(self.best.get(name, spent), spent)

        pipeline.share = timed
        return self

    def __exit__(self, *exc: object) -> None:
        pipeline.share = self._launch


def measure(count: int, width: int, height: int, pixels: float, threads: int, repeats: int) -> dict:
    """Forward, backward and contributions per second of one scene, RGB and expected depth."""
    inputs = [x.requires_grad_() for x in scene(count, width, height, pixels)[:6]]
    K = scene(1, width, height, pixels)[6]

    def forward() -> torch.Tensor:
        return rasterization(*inputs, K, width, height, sh_degree=3, render_mode="RGB+ED")[0]

    gradient = torch.full((1, height, width, 4), 0.1)

    def both() -> None:
        for x in inputs:
            x.grad = None
        forward().backward(gradient)

    with use_threads(threads), StageTimes() as stages:
        forward_ms = best(forward, repeats)
        both_ms = best(both, repeats)
        drawn = forward().grad_fn.drawn[0]  # type: ignore[union-attr]  # set by the function
        pairs = count_contributions(drawn.offsets, drawn.members, drawn.records, width, height)
    per_core = {k: pairs / stages.best[k] / threads / 1e6 for k in ("forward", "backward")}
    return {
        "gaussians": count,
        "size": [width, height],
        "threads": threads,
        "forward_ms": forward_ms,
        "backward_ms": both_ms - forward_ms,
        "total_ms": both_ms,
        "contributions_million": pairs / 1e6,
        "forward_giga_per_core": per_core["forward"],
        "backward_giga_per_core": per_core["backward"],
        "kernels_ms": stages.best,
    }


def measure_loss(threads: int, repeats: int) -> dict:
    """The fused loss against torch's, value and gradient, 640x480."""
    target = torch.rand(480, 640, 3)
    render = (target + 0.1 * torch.randn(480, 640, 3)).requires_grad_()
    with use_threads(threads):
        fused = best(lambda: photometric_loss(render, target).backward(), repeats)
    plain = best(lambda: torch_loss(render, target).backward(), 2)
    return {"fused_ms": fused, "torch_ms": plain, "ratio": plain / fused}


def measure_reference(threads: int) -> dict:
    """The dense torch reference in float32 on a scene that it can hold."""
    width, height, count = 96, 64, 300
    inputs = [x.requires_grad_() for x in scene(count, width, height, 4.0)[:6]]
    K = scene(1, width, height, 4.0)[6]

    def dense() -> None:
        image, _ = reference.rasterization(*inputs, K, width, height, sh_degree=3)
        image.sum().backward()

    def ours() -> None:
        image, _, _ = rasterization(*inputs, K, width, height, sh_degree=3)
        image.sum().backward()

    with use_threads(threads):
        fast = best(ours, 20)
    slow = best(dense, 3)
    return {"gaussians": count, "size": [width, height], "ours_ms": fast, "torch_ms": slow,
            "ratio": slow / fast}  # fmt: skip


def measure_first_call() -> dict:
    """Seconds of the first forward and backward in a new process: compiled, then from disk."""
    code = (
        "import time, torch\n"
        "from splatpose.render.cpu import warmup\n"
        "start = time.perf_counter()\n"
        "warmup(('RGB',))\n"
        "print(time.perf_counter() - start)\n"
    )
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "NUMBA_CACHE_DIR": cache}
        cold, cached = (
            float(
                subprocess.run(
                    [sys.executable, "-c", code],
                    env=environment,
                    capture_output=True,
                    check=True,
                    text=True,
                ).stdout
            )
            for _ in range(2)
        )
    return {"cold_s": cold, "cached_s": cached}


def measure_peak() -> float:
    """Multiply-add peak of one core in GFLOP/s."""
    rounds = 5_000_000
    numbers = np.full(2 * LANES, 0.5, np.float32)
    return rounds * 10 * LANES * 2 / best(lambda: multiply_add(rounds, numbers), 5) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="leave out first call and 500k")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    threads, repeats = arguments.threads, 8
    scenes = [(20_000, 640, 480, 4.0, 1), (20_000, 640, 480, 4.0, threads),
              (100_000, 640, 480, 2.5, threads)]  # fmt: skip
    if not arguments.quick:
        scenes.append((500_000, 1280, 960, 2.5, threads))
    result: dict[str, Any] = {
        "version": 1,
        "machine": machine.describe(),
        "lanes": LANES,
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        "peak_gflops_per_core": measure_peak(),
        "scenes": [measure(*arguments_, repeats) for arguments_ in scenes],
        "loss": measure_loss(threads, repeats),
        "reference": measure_reference(threads),
    }
    one, many = result["scenes"][:2]
    result["scaling"] = one["total_ms"] / many["total_ms"]
    if not arguments.quick:
        result["first_call"] = measure_first_call()
    print_table(result)
    RESULTS.parent.mkdir(exist_ok=True)
    history = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    RESULTS.write_text(json.dumps([*history, result], indent=1) + "\n")


def print_table(result: dict[str, Any]) -> None:
    print(f"{result['machine']['cpu']}, {result['lanes']} lanes, load"
          f" {result['load_average']:.1f}, peak"
          f" {result['peak_gflops_per_core']:.0f} GFLOP/s a core")  # fmt: skip
    print("| Gaussians | size | threads | forward ms | backward ms | total ms | M pairs"
          " | forward G/s/core | backward G/s/core |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|")
    for s in result["scenes"]:
        print(
            f"| {s['gaussians']} | {s['size'][0]}x{s['size'][1]} | {s['threads']}"
            f" | {s['forward_ms']:.1f} | {s['backward_ms']:.1f} | {s['total_ms']:.1f}"
            f" | {s['contributions_million']:.1f} | {s['forward_giga_per_core']:.2f}"
            f" | {s['backward_giga_per_core']:.2f} |"
        )
    print(f"scaling from one thread: {result['scaling']:.2f}")
    loss, dense = result["loss"], result["reference"]
    print(f"loss: {loss['fused_ms']:.1f} ms, torch {loss['torch_ms']:.0f} ms,"
          f" {loss['ratio']:.0f} times")  # fmt: skip
    print(f"dense torch reference: {dense['torch_ms']:.0f} ms against {dense['ours_ms']:.2f},"
          f" {dense['ratio']:.0f} times")  # fmt: skip
    if "first_call" in result:
        first = result["first_call"]
        print(f"first call: {first['cold_s']:.1f} s compiling, {first['cached_s']:.2f} s cached")


if __name__ == "__main__":
    main()
