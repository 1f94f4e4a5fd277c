"""NaN and infinity are told, wherever in a training they come up, and never kept."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from scenes.splats import synthetic_views

from splatpose.events import Event, Message, ignore_events
from splatpose.render import Backend, choose_backend
from splatpose.scene.views import Views
from splatpose.splatting.checkpoint import load_checkpoint
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.finite_watch import Diverged, FiniteWatch
from splatpose.splatting.train import _Run
from splatpose.splatting.trainer import Trainer
from splatpose.steering import unsteered

CONFIG = TrainingConfig(
    backend="cpu", steps=100, final_steps=40, refine_start=1000, fill_below=0, coarse_factor=1.0
)
NAN = float("nan")


@pytest.fixture(scope="module")
def views() -> Views:
    return synthetic_views(5, 24, 18, held_out_every=3)


def made(views: Views, config: TrainingConfig = CONFIG) -> Trainer:
    return Trainer(views, config, choose_backend("cpu"), 0, ignore_events)


def plant(trainer: Trainer) -> None:
    """In one Gaussian, of which no rendering shows anything then."""
    trainer.model.params["means"].data[3] = NAN


@pytest.mark.parametrize("late", [False, True])
def test_what_comes_up_in_the_last_pass_is_told_at_its_end(views: Views, late: bool):
    trainer = made(views)
    trainer._watch = FiniteWatch(late=late)
    trainer.step = 110
    plant(trainer)
    for _ in range(29):
        trainer.advance()
    with pytest.raises(Diverged, match="means"):
        trainer.advance()


def test_a_photo_s_exposure_is_looked_at_too(views: Views):
    trainer = made(views)
    trainer.step = 99
    seen = trainer._order.at(99)
    trainer.exposure.maps[(seen + 1) % 5].data[0, 0] = NAN
    with pytest.raises(Diverged, match="exposure"):
        trainer.advance()


def test_a_loss_on_a_cpu_is_looked_at_in_its_own_step(views: Views):
    trainer = made(views)
    trainer.step = 7
    trainer.exposure.maps[trainer._order.at(7)].data[0, 0] = NAN
    with pytest.raises(Diverged, match="loss"):
        trainer.advance()
    assert trainer.step == 7


def run_of(views: Views, folder: Path, emit=ignore_events, **fields) -> _Run:
    config = replace(CONFIG, **fields)
    return _Run(config, folder, emit, made(views, config), "this one", unsteered)


@pytest.mark.parametrize("poisoned", ["means", "exposure", "moments"])
def test_a_sound_checkpoint_is_never_replaced_by_another(
    views: Views, tmp_path: Path, poisoned: str
):
    events: list[Event] = []
    run = run_of(views, tmp_path, events.append)
    run.train_until(3, threading.Event())
    run._save()
    sound = (tmp_path / "checkpoint.pt").read_bytes()
    if poisoned == "means":
        plant(run.trainer)
    elif poisoned == "exposure":
        run.trainer.exposure.maps[1].data[0, 0] = NAN
    else:
        model = run.trainer.model
        model.optimizers["sh0"].state[model.params["sh0"]]["exp_avg_sq"][2] = float("inf")
    run._save()
    run._save()
    told = [e.text for e in events if isinstance(e, Message) and "nothing is saved" in e.text]
    assert len(told) == 1, "once"
    assert (tmp_path / "checkpoint.pt").read_bytes() == sound
    load_checkpoint(tmp_path / "checkpoint.pt", "this one", torch.device("cpu"))


def test_a_last_pass_that_goes_back_to_the_beginning_measures_again(views: Views, tmp_path: Path):
    events: list[Event] = []
    run = run_of(views, tmp_path, events.append, steps=6, final_steps=3)
    run.train_until(6, threading.Event())
    run.measure_held_out()
    (tmp_path / "checkpoint.pt").unlink()
    plant(run.trainer)
    run.train_until(9, threading.Event())
    assert any("back to step 0" in e.text for e in events if isinstance(e, Message))
    assert "after 9 steps, PSNR" in run.finish()


@pytest.mark.parametrize("strategy", ["mcmc", "default"])
def test_strategies_get_renders_that_they_can_read(views: Views, strategy: str):
    """gsplat packs large ones unless it is told not to, which its own strategy is not told of."""
    cpu = choose_backend("cpu")
    options: list[dict[str, object]] = []

    def rasterization(*args, **kwargs):
        options.append(kwargs)
        return cpu.rasterization(*args, **kwargs)

    backend = Backend("cpu", "for a test", cpu.device, rasterization, cpu.photometric_loss)
    config = replace(CONFIG, strategy=strategy)
    Trainer(views, config, backend, 0, ignore_events).advance()
    packed = [chosen.get("packed", "as it likes") for chosen in options]
    assert packed == [{"mcmc": "as it likes", "default": False}[strategy]]
