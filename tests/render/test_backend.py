"""The choice of a backend, and both backends on the same inputs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from scenes import ROOT

from splatpose.errors import SplatposeError
from splatpose.render import choose_backend, use_backend
from splatpose.render.cpu import available_threads, compilation, use_threads
from splatpose.render.gsplat_backend import why_gsplat_cannot_run
from splatpose.render.reference import RasterizeMode, RenderMode

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")


def test_cpu_can_always_be_asked_for() -> None:
    backend = choose_backend("cpu")
    assert backend.name == "cpu"
    assert backend.device.type == "cpu"


@needs_no_gpu
def test_auto_says_why_it_falls_back() -> None:
    backend = choose_backend("auto")
    assert backend.name == "cpu"
    assert (why_gsplat_cannot_run() or "?") in backend.reason


@needs_no_gpu
def test_gsplat_without_a_gpu_is_refused_with_the_reason() -> None:
    with pytest.raises(SplatposeError, match="gsplat") as refusal:
        choose_backend("gsplat")
    assert refusal.value.hint


def test_a_test_can_put_its_own_backend_in_place() -> None:
    mine = replace(choose_backend("cpu"), reason="mine")
    with use_backend(mine):
        assert choose_backend("auto") is mine
    assert choose_backend("cpu") is not mine


def test_threads_respect_torch_and_the_block() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert available_threads() == 1
        with use_threads(3):
            assert available_threads() == 3
        assert available_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_first_use_is_announced_and_cached(tmp_path: Path) -> None:
    """Compiling the smallest kernel in a new cache is announced; loading it is not."""
    code = """
import logging
import numpy as np
logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
from splatpose.render.cpu import compilation
from splatpose.render.cpu.binning import tile_offsets
compilation.call_assistant = lambda: None  # which would compile all the others
told = []
with compilation.compile_listener(told.append):
    tile_offsets(np.zeros((1, 2), np.int64), np.zeros(3, np.int64))
print(len(told))
"""
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    results = [
        subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        for _ in range(2)
    ]
    assert [r.stdout.strip() for r in results] == ["1", "0"]
    assert "splatpose.render.cpu" in results[0].stderr


def test_kernels_run_where_nothing_can_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a home, and an installation that belongs to another."""
    monkeypatch.setattr("numba.core.caching.CacheImpl._locator_classes", [])
    monkeypatch.setattr(compilation, "_not_kept", [])
    assert "kept on disk and done once" in compilation._announcement()

    def total(values):
        return values.sum()

    assert compilation.kernel(total)(np.arange(4)) == 6
    assert "in every run anew" in compilation._announcement()
    assert "NUMBA_CACHE_DIR" in compilation._announcement()


@pytest.mark.slow
def test_warmup_prepares_all_that_training_calls(tmp_path: Path) -> None:
    """Also that a second process compiles its half: this one must not compile those kernels."""
    code = """
import sys
sys.path.insert(0, "tests")
from numba.core import event
from splatpose.render.cpu import warmup
class Listener(event.Listener):
    names = []
    def on_start(self, event):
        self.names.append(event.data["dispatcher"].py_func.__name__)
    def on_end(self, event):
        pass
event.register("numba:compile", Listener())
warmup()
print(*Listener.names)
Listener.names.clear()
from pathlib import Path
from scenes.splats import synthetic_views
from splatpose.splatting.config import TrainingConfig
from splatpose.stages.splats.stage import train_splats
config = TrainingConfig(backend="cpu", steps=20, refine_start=5, refine_every=5, final_steps=5)
train_splats(synthetic_views(), config, Path(sys.argv[1]), lambda event: None, seed=0)
print(*Listener.names)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    first, then = done.stdout.splitlines()
    assert {"project", "forward", "sort_tiles"} <= set(first.split())
    if len(os.sched_getaffinity(0)) > 1:
        assert not {"backward", "project_backward"} & set(first.split())
    assert then == ""


@pytest.mark.cuda
@pytest.mark.parametrize("mode", get_args(RenderMode))
@pytest.mark.parametrize("rasterize_mode", get_args(RasterizeMode))
def test_both_backends_render_the_same(mode: str, rasterize_mode: str) -> None:
    obstacle = why_gsplat_cannot_run()
    if obstacle is not None:
        pytest.skip(obstacle)
    generator = torch.Generator().manual_seed(0)
    count = 500
    means = torch.randn(count, 3, generator=generator) * 0.7 + torch.tensor([0.0, 0.0, 3.0])
    inputs = [
        means,
        torch.randn(count, 4, generator=generator),
        torch.exp(torch.randn(count, 3, generator=generator) * 0.5 - 3),
        torch.rand(count, generator=generator),
        torch.randn(count, 16, 3, generator=generator) * 0.3,
        torch.eye(4).repeat(2, 1, 1),
    ]
    inputs[5][1, 0, 3] = 0.2
    K = torch.tensor([[[100.0, 0, 64], [0, 100.0, 50], [0, 0, 1]]]).repeat(2, 1, 1)
    background = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]])
    results = []
    for name in ("cpu", "gsplat"):
        backend = choose_backend(name)
        leaves = [x.to(backend.device).detach().requires_grad_() for x in inputs]
        image, alpha, meta = backend.rasterization(
            *leaves,
            K.to(backend.device),
            129,
            97,
            sh_degree=3,
            backgrounds=background.to(backend.device),
            render_mode=mode,  # type: ignore[arg-type]  # a parameter of the test
            rasterize_mode=rasterize_mode,  # type: ignore[arg-type]  # a parameter of the test
            absgrad=True,
        )
        meta["means2d"].retain_grad()
        (image.square().mean() + alpha.mean()).backward()
        gradients = [leaf.grad for leaf in leaves]
        gradients += [meta["means2d"].grad, meta["means2d"].absgrad]
        results.append([image, alpha, *gradients])
    names = ("image", "alpha", "means", "quats", "scales", "opacities", "colors", "viewmats",
             "means2d", "absgrad")  # fmt: skip
    for name, ours, theirs in zip(names, *results, strict=True):
        if ours is None or theirs is None:
            assert theirs is None or not theirs.any()
            continue
        error = (ours - theirs.cpu()).norm() / theirs.norm().cpu()
        # gsplat is compiled with fast maths; single pixels may fall on the other side of 1/255.
        assert error < 3e-3, (name, error)


@pytest.mark.cuda
def test_both_backends_compare_the_same() -> None:
    obstacle = why_gsplat_cannot_run()
    if obstacle is not None:
        pytest.skip(obstacle)
    image, target = torch.rand(40, 50, 3), torch.rand(40, 50, 3)
    losses = []
    for name in ("cpu", "gsplat"):
        backend = choose_backend(name)
        losses.append(
            backend.photometric_loss(image.to(backend.device), target.to(backend.device)).item()
        )
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
