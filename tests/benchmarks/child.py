"""What can only be measured in a process of its own. Called by rasterizer.py; prints JSON."""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

import torch


def first_call() -> dict[str, float]:
    """Seconds of the first forward and backward."""
    from splatpose.render.cpu import warmup

    start = time.perf_counter()
    warmup()
    return {"seconds": time.perf_counter() - start}


def memory(count: int, width: int, height: int, pixels: float) -> dict[str, float]:
    """Peak of the resident memory over forward and backward, beyond inputs and results, MiB."""
    from splat_scenes import random_scene

    from splatpose.render.cpu import warmup
    from splatpose.render.cpu.rasterization import rasterization

    warmup(("RGB+ED",))
    scene = random_scene(count, width, height, pixels)
    gradient = torch.full((1, height, width, 4), 0.1)
    before = _resident()
    _forget_peak()
    results = 0
    for _ in range(3):
        for leaf in scene.leaves:
            leaf.grad = None
        image, alpha, meta = rasterization(
            *scene.leaves, scene.Ks, width, height, sh_degree=3, render_mode="RGB+ED"
        )
        image.backward(gradient)
        tensors = [image, alpha, meta["means2d"], meta["radii"], meta["means2d"].grad]
        tensors += [leaf.grad for leaf in scene.leaves]
        results = sum(tensor.nbytes for tensor in tensors)
    inputs = sum(leaf.nbytes for leaf in scene.leaves)
    return {
        "extra_mb": (_peak() - before - results) / 2**20,
        "inputs_mb": inputs / 2**20,
        "results_mb": results / 2**20,
    }


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


def _resident() -> int:
    return _status("VmRSS") if Path("/proc/self/status").exists() else _peak()


def _peak() -> int:
    if Path("/proc/self/status").exists():
        return _status("VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _forget_peak() -> None:
    # Elsewhere the peak of compiling stays in: the figure is then too low rather than wrong.
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def main() -> None:
    what, *numbers = sys.argv[1:]
    if what == "first-call":
        print(json.dumps(first_call()))
    else:
        count, width, height = map(int, numbers[:3])
        print(json.dumps(memory(count, width, height, float(numbers[3]))))


if __name__ == "__main__":
    main()
