"""Time and memory of a device that computes behind the host's back, without one."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path

import pytest
import torch

from splatpose import host
from splatpose.render import Backend, choose_backend
from splatpose.splatting.device import StepClock, free_memory, wait_for
from splatpose.splatting.live import LiveView, _Seldom
from splatpose.splatting.training_photos import _GPU_SHARE, _room
from splatpose.stages.budget.stage import _CARD_BYTES, _memory


class Device:
    """Takes a second to be told of a step, and nine to make it."""

    def __init__(self) -> None:
        self.now = self.queued = 0.0

    def tell(self) -> None:
        self.now += 1
        self.queued += 9

    def wait(self) -> None:
        self.now += self.queued
        self.queued = 0


def test_steps_that_were_only_told_count_when_the_clock_is_read():
    device = Device()
    clock = StepClock(device.wait, lambda: device.now)
    for _ in range(3):
        with clock.running():
            device.tell()
    assert clock.read() == 30
    device.now += 100  # something else
    assert clock.read() == 30
    with pytest.raises(ZeroDivisionError), clock.running():
        device.now += 1 / 0
    clock.set(5)
    with clock.running():
        device.tell()
    assert clock.read() == 15
    wait_for(torch.device("cpu"))


def test_what_is_done_seldom_does_not_pay_for_steps_that_are_waited_for(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    device = Device()
    monkeypatch.setattr("splatpose.splatting.live.time.perf_counter", lambda: device.now)
    seldom = _Seldom(2.0, device.wait)
    device.tell()

    def work() -> str:
        device.wait()
        device.now += 0.03
        return "done"

    assert seldom.run(work) == "done"
    assert seldom._next == pytest.approx(device.now + 3)
    assert seldom.run(work) is None
    view = LiveView(tmp_path, device.wait)
    assert view._snapshots._settle == view._measurements._settle == device.wait


class Card:
    """A card of which torch keeps three quarters of what is not in use."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 1000
        self.asked: list[torch.device] = []
        monkeypatch.setattr(torch.cuda, "empty_cache", self.give_back)
        monkeypatch.setattr(torch.cuda, "mem_get_info", self.look)

    def give_back(self) -> None:
        self.free = 4000

    def look(self, device: torch.device) -> tuple[int, int]:
        self.asked.append(device)
        return self.free, 5000


def test_memory_that_torch_keeps_of_a_card_is_free(monkeypatch: pytest.MonkeyPatch):
    second = torch.device("cuda", 1)
    assert free_memory(torch.device("cpu")) > 2**20
    card = Card(monkeypatch)
    assert free_memory(second) == 4000
    card = Card(monkeypatch)
    assert _room(second) == int(_GPU_SHARE * 4000)
    card = Card(monkeypatch)
    cpu = choose_backend("cpu")
    backend = Backend("gsplat", "for a test", second, cpu.rasterization, cpu.photometric_loss)
    assert _memory(backend) == (_CARD_BYTES, 4000)
    assert card.asked == [second]


def test_memory_that_nobody_can_reach_is_free():
    class Circle:
        pass

    circle = Circle()
    circle.itself = circle  # type: ignore[attr-defined]  # that is what makes it one
    gone = weakref.ref(circle)
    gc.disable()
    try:
        del circle
        assert gone() is not None
        used, free = _memory(choose_backend("cpu"))
    finally:
        gc.enable()
    assert gone() is None
    assert min(used, free) > 2**20


def test_a_container_beyond_its_bound_has_nothing_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(host, "Path", lambda name: tmp_path / Path(name).name)
    left = host.available_memory()
    assert left > 2**20
    (tmp_path / "memory.max").write_text("1048576\n")
    for used, cached, expected in ((1_048_000, 0, 576), (2_000_000, 0, 0), (1_048_000, 24, 600)):
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text(f"anon 9\ninactive_file {cached}\nslab 7\n")
        assert host.available_memory() == expected
    (tmp_path / "memory.max").write_text("max\n")
    assert host.available_memory() > 2**20
