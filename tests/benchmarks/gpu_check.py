"""All that has to be seen on a GPU, in less than eight minutes on one card.

    python tests/benchmarks/gpu_check.py
    python tests/benchmarks/gpu_check.py --parts backends step
    python tests/benchmarks/gpu_check.py --dry

Builds gsplat, runs the tests marked `cuda`, compares both backends' renders and gradients, times
our training step against the plain loop around gsplat's rasterizer, trains two sets (fox and
fountain_p11 of the shared data, or assets/demo), and writes all of it, with machine and versions,
to tests/benchmarks/results/gpu_check_DATE.json. Ends with 1 where something is not as it should
be. Without a card `--dry` takes the same ways at tiny sizes with our own rasterizer in the place
of gsplat's, and writes only where `--out` says; its times mean nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import machine
import plain_loop
import timed_training
import torch
from gsplat_stand_in import gsplat_on_cpu
from photo_sets import ROOT, SHARED
from splat_scenes import random_scene
from true_views import load_true_views

from splatpose.configs import PRESETS
from splatpose.errors import SplatposeError
from splatpose.render import Backend, choose_backend, use_backend
from splatpose.render import loss as exact_loss
from splatpose.render.backend import cpu_backend
from splatpose.scene.views import Views

LARGEST_ERROR = 3e-3
"""Largest relative difference of renders and gradients: gsplat is compiled with fast maths."""
LARGEST_LOSS_ERROR = 1e-4
"""Largest relative difference of the loss' gradient from double precision."""
LARGEST_RATIO = 1.05
"""Time of our step over that of the plain loop."""
_TROUBLE = (RuntimeError, OSError, ValueError, AssertionError, ImportError, SplatposeError)
"""What a card, a driver or a compiler comes up with."""
SETS = ("fox", "fountain_p11")


@dataclass(frozen=True)
class Sizes:
    """How much is done; times in seconds, sizes in pixels."""

    compared: tuple[int, int, int] = (20_000, 640, 480)
    """Gaussians, width and height of the renders that are compared."""
    step: plain_loop.Race = field(default_factory=plain_loop.Race)
    max_size: int = 1600
    gaussians: int = 1_000_000
    train_seconds: float = 60.0
    """Training of each set, measurements apart."""
    total_seconds: float = 450.0
    """Everything; trainings are shortened to keep it."""


TINY = Sizes((300, 48, 36), plain_loop.Race(300, 64, 48, 3, 2, 4), 64, 400, 0.5)


class Check:
    """The parts, each of which returns what goes into the result, with `good` where it can fail."""

    def __init__(self, backend: Backend, sizes: Sizes, *, dry: bool) -> None:
        self.backend, self.sizes, self.dry = backend, sizes, dry
        self.start = time.perf_counter()

    def build(self) -> dict[str, Any]:
        """Compiles gsplat's kernels, where nobody has, by a first rendering."""
        start = time.perf_counter()
        self._render(self.backend, random_scene(100, 32, 32, 2.0), "classic", packed=False)
        return {"seconds": time.perf_counter() - start, "good": True}

    def tests(self) -> dict[str, Any]:
        """Runs the tests that are marked `cuda`; dry, they are found and skipped."""
        files = [str(path) for path in _files_with_cuda_tests()]
        words = [sys.executable, "-m", "pytest", "-m", "cuda", "-n", "0", "-rs", *files]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr[-300:]
        counts = {word: int(number) for number, word in re.findall(r"(\d+) (\w+)", last)}
        ran = self.dry or counts.get("passed", 0) > 0
        good = done.returncode == 0 and ran and (self.dry or "skipped" not in counts)
        return {"summary": last, "good": good}

    def backends(self) -> dict[str, Any]:
        """Renders and gradients of both backends, and the loss against double precision."""
        scene = random_scene(*self.sizes.compared, 2.0)
        errors: dict[str, float] = {}
        for mode in ("classic", "antialiased"):
            ours = self._render(cpu_backend("to compare with"), scene, mode, packed=False)
            for packed in (False, True):
                theirs = self._render(self.backend, scene, mode, packed=packed)
                for name, value in ours.items():
                    label = f"{mode}{' packed' * packed}: {name}"
                    errors[label] = _relative(theirs[name], value)
        worst = max(errors.values())
        loss = self._loss_error(*self.sizes.compared[1:])
        return {
            "errors": errors,
            "worst": worst,
            "loss": loss,
            "good": worst <= LARGEST_ERROR and loss <= LARGEST_LOSS_ERROR,
        }

    def step(self) -> dict[str, Any]:
        """Times our step against the plain loop."""
        times = self.sizes.step.run(self.backend)
        return {**times, "good": self.dry or times["ratio"] <= LARGEST_RATIO}

    def sets(self) -> dict[str, Any]:
        """Trains two sets as a GPU would have them: large photos, many Gaussians."""
        rows = []
        for number, (name, folder) in enumerate(_sets(self.dry)):
            left = self.sizes.total_seconds - (time.perf_counter() - self.start)
            views = load_true_views(folder, self.sizes.max_size)
            seconds = min(self.sizes.train_seconds, 0.8 * left / (2 - number))
            rows.append({"set": name, **self._trained(views, max(seconds, 0.2))})
        return {"sets": rows, "good": self.dry or all(row["psnr"] > 20 for row in rows)}

    def _trained(self, views: Views, seconds: float) -> dict[str, Any]:
        config = replace(
            PRESETS["default"].training,
            max_gaussians=self.sizes.gaussians,
            sh_degree=3,
            keep_holdout=True,
        )
        if self.backend.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        config = timed_training.within(config, views, seconds, 0)
        done = timed_training.train(views, config, 0, [])
        return {
            "photos": len(views.names),
            "size": list(views.images[0].shape[1::-1]),
            "steps": config.steps,
            "seconds": done.seconds,
            "gaussians": done.gaussians,
            "psnr": done.psnr,
            "ssim": done.ssim,
            "gpu_mb": _gpu_megabytes(self.backend.device),
        }

    def _render(self, backend: Backend, scene: Any, mode: Any, packed: bool) -> dict[str, Any]:
        """A rendering and its gradients, on the CPU."""
        leaves = [x.detach().to(backend.device).requires_grad_() for x in scene.leaves]
        image, alpha, meta = backend.rasterization(
            *leaves,
            scene.Ks.to(backend.device),
            scene.width,
            scene.height,
            sh_degree=scene.sh_degree,
            rasterize_mode=mode,
            absgrad=True,
            packed=packed,
        )
        meta["means2d"].retain_grad()
        (image.square().mean() + alpha.mean()).backward()
        absgrad, ids = meta["means2d"].absgrad, meta.get("gaussian_ids")
        if ids is not None:
            absgrad = absgrad.new_zeros(1, len(leaves[0]), 2).index_add_(1, ids, absgrad[None])
        names = ("means", "quats", "scales", "opacities", "colors", "viewmats")
        gradients = {name: leaf.grad for name, leaf in zip(names, leaves, strict=True)}
        values = {"image": image, "alpha": alpha, "absgrad": absgrad, **gradients}
        return {name: value.detach().cpu() for name, value in values.items() if value is not None}

    def _loss_error(self, width: int, height: int) -> float:
        """Of the gradient of the backend's loss, relative to the definition in double precision."""
        generator = torch.Generator().manual_seed(0)
        target = torch.rand(height, width, 3, generator=generator).to(self.backend.device)
        render = (0.8 * target + 0.1).requires_grad_()
        self.backend.photometric_loss(render, target).backward()
        exact = render.detach().double().requires_grad_()
        exact_loss.photometric_loss(exact, target.double()).backward()
        assert render.grad is not None
        assert exact.grad is not None
        return _relative(render.grad.double(), exact.grad)


PARTS: dict[str, Callable[[Check], dict[str, Any]]] = {
    "build": Check.build,
    "tests": Check.tests,
    "backends": Check.backends,
    "step": Check.step,
    "sets": Check.sets,
}


def main(words: list[str] | None = None) -> int:
    """Runs the parts one after the other; a part that fails leaves the others alone."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--dry", action="store_true", help="without a GPU, at tiny sizes")
    parser.add_argument("--out", type=Path, help="file to write, in place of results/")
    arguments = parser.parse_args(words)
    sizes = TINY if arguments.dry else Sizes()
    if not arguments.dry:
        _for_this_card_alone()
    stand_in = gsplat_on_cpu() if arguments.dry else nullcontext(None)
    with stand_in as given:
        backend = given or choose_backend("gsplat")
        with use_backend(backend):
            result = _run(Check(backend, sizes, dry=arguments.dry), arguments.parts)
    _write(result, arguments.out, dry=arguments.dry)
    return 0 if all(result[part]["good"] for part in arguments.parts) else 1


def _run(check: Check, parts: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {"machine": machine.describe(), "gpu": _gpu(), "dry": check.dry}
    for part in parts:
        start = time.perf_counter()
        try:
            found = PARTS[part](check)
        except _TROUBLE as error:
            found = {"good": False, "error": f"{type(error).__name__}: {error}"[:2000]}
        result[part] = {**found, "took": time.perf_counter() - start}
        print(f"{part}: {json.dumps(result[part])}", flush=True)
    result["seconds"] = time.perf_counter() - check.start
    return result


def _write(result: dict[str, Any], out: Path | None, *, dry: bool) -> None:
    if out is not None:
        out.write_text(json.dumps(result, indent=2) + "\n")
    elif not dry:
        machine.write_result(f"gpu_check_{result['machine']['date']}", result)


def _sets(dry: bool) -> list[tuple[str, Path]]:
    """Names and folders of what is trained."""
    found = [(name, SHARED / "data" / name) for name in SETS]
    found = [(name, folder) for name, folder in found if folder.is_dir()]
    return found if found and not dry else [("demo", ROOT / "assets" / "demo")]


def _files_with_cuda_tests() -> list[Path]:
    paths = sorted((ROOT / "tests").rglob("test_*.py"))
    return [path for path in paths if "@pytest.mark.cuda" in path.read_text(encoding="utf-8")]


def _for_this_card_alone() -> None:
    """Has gsplat compiled for the card that is here: for all cards takes too long."""
    if torch.cuda.is_available():
        major, minor = torch.cuda.get_device_capability()
        os.environ.setdefault("TORCH_CUDA_ARCH_LIST", f"{major}.{minor}")
        os.environ.setdefault("MAX_JOBS", str(os.cpu_count() or 1))


def _gpu() -> dict[str, Any] | None:
    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return {
        "name": properties.name,
        "memory_gib": properties.total_memory / 2**30,
        "capability": list(torch.cuda.get_device_capability()),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _gpu_megabytes(device: torch.device) -> float | None:
    return torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else None


def _relative(value: torch.Tensor, exact: torch.Tensor) -> float:
    return float((value - exact).norm() / exact.norm().clamp(min=1e-30))


if __name__ == "__main__":
    sys.exit(main())
