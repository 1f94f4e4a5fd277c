"""The live viewer in headless Chromium, driven by playwright: what its tests share."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from splatpose.event_lines import parse_event
from splatpose.events import Message, TrainingStep
from splatpose.runs.log import LogReader

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SOFTWARE_GL = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
PATIENCE = 120.0
"""Seconds after which something that should happen is taken not to."""


@contextmanager
def viewing(target: Path, *options: str) -> Iterator[str]:
    """`splatpose view` in a process of its own; the address of its page."""
    command = [sys.executable, "-m", "splatpose", "view", str(target), "--port", "0", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("viewer: "):
                yield line.removeprefix("viewer: ").strip()
                break
        else:
            pytest.fail("the viewer ended without an address")
    finally:
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


@contextmanager
def page_at(browser: Any, address: str) -> Iterator[Any]:
    page = browser.new_page(viewport={"width": 1100, "height": 700})
    page.set_default_timeout(PATIENCE * 1000)
    page.goto(address, wait_until="commit")
    try:
        yield page
    finally:
        page.close()


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """The first value of `condition` that is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.1)
    pytest.fail(f"waited {PATIENCE:.0f} s in vain: {what}")


class Log:
    """What the run has said so far."""

    def __init__(self, out: Path) -> None:
        self._reader = LogReader(out / ".splatpose")
        self._events: list[Any] = []

    @property
    def events(self) -> list[Any]:
        self._events += [parse_event(line) for line in self._reader.lines()]
        return self._events

    @property
    def step(self) -> int:
        steps = [event.step for event in self.events if isinstance(event, TrainingStep)]
        return steps[-1] if steps else 0

    def says(self, words: str) -> bool:
        return any(isinstance(event, Message) and words in event.text for event in self.events)


def shown(page: Any, name: str) -> int:
    """A number that the page says of itself."""
    return int(page.locator(f"[data-{name}]").first.get_attribute(f"data-{name}"))


def press(page: Any, button: str) -> None:
    """Clicks a button that has stopped moving: in a folder that just opened it slides away."""
    found = page.get_by_role("button", name=button)
    places: list[Any] = []
    while len(places) < 5 or any(place != places[-1] for place in places[-5:]):
        places.append(found.bounding_box(timeout=PATIENCE * 1000))
        page.wait_for_timeout(100)
    found.click()


def camera_position(page: Any) -> list[float]:
    return page.evaluate("window.__viserMutable.camera.position.toArray()")


FRUSTA = """Object.keys(window.__viserSceneTree.getState())
    .filter(name => /^\\/cameras\\/./.test(name)).length"""
