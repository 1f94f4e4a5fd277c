"""A step asks nothing of the device that the host would have to wait for.

Without a GPU: what would wait there is counted on the CPU, outside `render.cpu`, which a GPU never
comes to.
"""

from __future__ import annotations

import traceback
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scenes.splats import synthetic_views
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from splatpose.events import ignore_events
from splatpose.render import Backend, choose_backend, few_kernels_loss, gsplat_backend
from splatpose.render.backend import cpu_backend
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.finite_watch import Diverged, FiniteWatch, LateCopy, Losses
from splatpose.splatting.trainer import Trainer
from splatpose.splatting.training_photos import TrainingPhotos, ViewingOrder

CONFIG = TrainingConfig(
    backend="cpu", steps=10_000, refine_start=9, refine_every=9, sh_every=4, fill_below=0
)
_WAITING = {
    "_local_scalar_dense": "reads a number",
    "nonzero": "counts what is not zero",
    "masked_select": "counts a mask",
    "bincount": "looks for the largest",
    "unique": "counts what is different",
    "lift_fresh": "copies numbers from the host",
    "equal": "compares on the host",
}


_ON_THE_HOST = {("finite_watch.py", "read")}


class Waits(TorchDispatchMode):
    """Lists what would wait for a GPU, each with the files that led to it."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._methods = _Methods(self)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__
        waits = _WAITING.get(name)
        if name in ("index", "index_put", "index_put_", "_index_put_impl_"):
            masks = [i for i in args[1] if i is not None and i.dtype == torch.bool]
            waits = "counts a mask" if masks else None
        if name == "where" and any(isinstance(a, torch.Tensor) and not a.dim() for a in args):
            waits = "copies a number from the host"
        if waits:
            self.note(f"{name} {waits}")
        return func(*args, **(kwargs or {}))

    def __enter__(self) -> Waits:
        self._methods.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._methods.__exit__(*error)

    def note(self, text: str) -> None:
        """Adds something that waits."""
        frames = [frame.f_code for frame, _ in traceback.walk_stack(None)]
        places = [(Path(code.co_filename), code.co_name) for code in frames]
        # Adam that is not fused counts its steps on the host, wherever the parameter lies; and
        # what has arrived is there.
        if not any(
            file.parent.name == "cpu" or (file.name, name) in _ON_THE_HOST or file.name == "adam.py"
            for file, name in places
        ):
            self.found.append(f"{text}: {' < '.join(name for _, name in places[1:8])}")


class _Methods(TorchFunctionMode):
    """What copies to the host by name, and does nothing at all on a CPU."""

    def __init__(self, waits: Waits) -> None:
        super().__init__()
        self._waits = waits

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name in ("cpu", "tolist", "numpy", "item"):
            self._waits.note(f"{name} copies to the host")
        return func(*args, **(kwargs or {}))


def _trainer(views: Views, config: TrainingConfig, late: bool = True) -> Trainer:
    whole = cpu_backend("for a test")
    backend = Backend(
        "cpu",
        "for a test",
        torch.device("cpu"),
        whole.rasterization,
        few_kernels_loss.photometric_loss,
    )
    trainer = Trainer(views, config, backend, 0, ignore_events)
    trainer._watch = FiniteWatch(late=late)
    return trainer


def _run(trainer: Trainer, steps: int) -> list[torch.Tensor]:
    return [trainer.advance() for _ in range(steps)]


@pytest.fixture(scope="module")
def views() -> Views:
    views = synthetic_views()
    mask = np.ones(views.images[0].shape[:2], bool)
    mask[:5] = False
    return replace(views, masks=(mask, *views.masks[1:]))


def test_ordinary_steps_wait_for_nothing(views: Views):
    waits = Waits()
    trainer = _trainer(views, CONFIG)
    _run(trainer, 3)  # what is made once, at the first step or photo of a size
    trainer.step = 49  # scales are bounded and finite values looked for at the next one
    with waits:
        losses = _run(trainer, 5)
    assert waits.found == []
    assert all(isinstance(loss, torch.Tensor) and not loss.requires_grad for loss in losses)


def test_what_waits_is_counted(views: Views):
    waits = Waits()
    trainer = _trainer(views, CONFIG, late=False)
    with waits:
        trainer.advance()
    assert any("_local_scalar_dense reads" in text for text in waits.found)
    for work in (
        lambda x: x.cpu(),
        lambda x: x.tolist(),
        lambda x: x[x > 0],
        lambda x: torch.where(x > 0, x, 0),
        lambda x: x.new_tensor([1.0, 2.0]),
        lambda x: (x > 0).nonzero(),
    ):
        waits.found.clear()
        with waits:
            work(torch.ones(3))
        assert waits.found, "not counted"


def test_a_late_watch_tells_of_a_divergence_at_the_next_look():
    watch = FiniteWatch(late=True)
    good, bad = torch.tensor(1.0), torch.tensor(float("nan"))
    sums = torch.ones(2)
    watch.see_loss(good)
    assert watch.ask(sums)
    watch.see_loss(bad)
    assert watch.ask(sums), "that of the look before"
    with pytest.raises(Diverged, match="loss"):
        watch.ask(sums)
    watch = FiniteWatch(late=True)
    assert watch.ask(torch.tensor([1.0, float("inf")]))
    assert not watch.ask(sums)
    watch.see_loss(bad)
    with pytest.raises(Diverged, match="loss"):
        watch.settle()
    with pytest.raises(Diverged, match="loss"):
        FiniteWatch(late=False).see_loss(bad)
    assert LateCopy(sums).read() == [1, 1]


def test_a_training_that_is_watched_late_diverges_before_its_end(views: Views):
    config = replace(CONFIG, lr_means=1e38, lr_means_final=1e38, steps=60, refine_start=50)
    trainer = _trainer(views, config)
    with pytest.raises(Diverged):
        _run(trainer, 60)


def test_losses_are_read_when_somebody_asks():
    losses = Losses([0.5])
    losses.add(torch.tensor(0.1))
    losses.add(torch.tensor(0.3))
    assert losses.numbers() == [0.5, float(torch.tensor(0.1)), float(torch.tensor(0.3))]
    assert Losses(losses.numbers()).numbers() == losses.numbers()


def test_the_order_of_photos_is_drawn_once_an_epoch(monkeypatch: pytest.MonkeyPatch):
    photos = np.array([3, 5, 8, 9])
    expected = [
        int(photos[np.random.default_rng([7, step // 4]).permutation(4)[step % 4]])
        for step in range(20)
    ]
    drawn: list[int] = []
    draw = np.random.default_rng
    monkeypatch.setattr(np.random, "default_rng", lambda seed: drawn.append(1) or draw(seed))
    order = ViewingOrder(photos, 7)
    assert [order.at(step) for step in range(20)] == expected
    assert len(drawn) == 5
    assert order.at(2) == expected[2], "after a rollback"


def test_photos_that_do_not_fit_are_brought_each_time(views: Views):
    """With a device that stores nothing in place of a GPU."""
    device = torch.device("meta")
    one = TrainingPhotos(views, (2.0, 1.0), torch.device("cpu")).at(1, 1.0).nbytes
    photos = TrainingPhotos(views, (2.0, 1.0), device, room=3 * one)
    coarse = [photos.target(index, 2.0) for index in range(9)]
    assert {image.device.type for image in coarse} == {"meta"}
    assert photos.at(2, 2.0) is photos.at(2, 2.0)
    stays = [photos.at(index, 1.0) for index in range(9)]
    photos.target(0, 1.0)  # training has gone on: the coarse ones leave
    again = [photos.at(index, 1.0) for index in range(9)]
    same = [a is b for a, b in zip(stays, again, strict=True)]
    assert not any(same[3:])
    held = sum(photo.nbytes for photo in photos._resident.values())
    assert {factor for factor, _ in photos._resident} == {1.0}
    assert held <= 3 * one
    assert photos._free == 3 * one - held
    everything = TrainingPhotos(views, (2.0, 1.0), device, room=10**9)
    first = [everything.at(index) for index in range(9)]
    assert all(everything.at(index) is first[index] for index in range(9))


def test_the_loss_on_a_gpu_has_few_kernels():
    assert gsplat_backend.photometric_loss is few_kernels_loss.photometric_loss
    counted: list[str] = []

    class Count(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None):
            counted.append(func.overloadpacket.__name__)
            return func(*args, **(kwargs or {}))

    render, target = torch.rand(20, 30, 3).requires_grad_(), torch.rand(20, 30, 3)
    few_kernels_loss.photometric_loss(render, target)
    with Count():
        few_kernels_loss.photometric_loss(render, target).backward()
    assert sum(name == "convolution" for name in counted) == 4
    assert "lift_fresh" not in counted


@pytest.mark.cuda
def test_steps_on_a_gpu_wait_only_inside_gsplat(views: Views):
    """gsplat itself asks how many tiles Gaussians touch, once a rendering."""
    obstacle = gsplat_backend.why_gsplat_cannot_run()
    if obstacle is not None:
        pytest.skip(obstacle)
    trainer = Trainer(views, CONFIG, choose_backend("gsplat"), 0, ignore_events)
    _run(trainer, 30)
    trainer.step = 49
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            _run(trainer, 5)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    waits = [w for w in caught if "synchroniz" in str(w.message) and "gsplat" not in w.filename]
    assert [f"{w.filename}:{w.lineno}" for w in waits] == []
