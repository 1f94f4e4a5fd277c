"""What being watched costs a training: python tests/benchmarks/viewer.py OUT [--steps N].

OUT is a run of `splatpose fit` with its stages. The training is repeated by turns without a viewer
and with `splatpose view` and one browser on it. Printed are the share of the training's time that
snapshots and measurements for the viewer take; the viewer's processor time over the training's,
which it takes from the training where all cores are busy; and wall times, which depend on what else
the machine does and, without a GPU, on the browser's drawing on the same processor.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from splatpose.events import StageSkipped, ignore_events
from splatpose.keys import Keyed, Unkeyed
from splatpose.runs import RunFolder
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.live import LiveView
from splatpose.stages.splats.stage import train_splats
from splatpose.stages.views.stage import load_views

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SOFTWARE_GL = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]


def train(out: Path, steps: int) -> dict[str, float]:
    """Trains the views of a copied run and says what it took; the first steps do not count."""
    views = load_views(out / ".splatpose" / "views")
    config = TrainingConfig(backend="cpu", steps=steps, checkpoint_seconds=1e6)
    process = psutil.Process()
    with RunFolder.open(out) as run:
        emit = run.emit
        for stage in ("capture", "matching", "poses", "views"):
            emit(StageSkipped(stage, "copied"))
        warm = TrainingConfig(backend="cpu", steps=30, final_steps=0)
        with tempfile.TemporaryDirectory() as folder:
            train_splats(views, warm, Path(folder), ignore_events, seed=0)
        spent = count_live_view()
        before, start = sum(process.cpu_times()[:2]), time.perf_counter()
        fresh = Keyed(views, str(start))
        run.stage(SPLATS, config, fresh, seed=0, steering=Unkeyed(run.steering))
        return {
            "wall": time.perf_counter() - start,
            "training": sum(process.cpu_times()[:2]) - before,
            "live": sum(spent),
        }


def count_live_view() -> list[float]:
    """Seconds of each snapshot and measurement of the trainings that begin from now on."""
    spent: list[float] = []

    def counted(work: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            start = time.perf_counter()
            try:
                return work(*arguments, **options)
            finally:
                spent.append(time.perf_counter() - start)

        return run

    LiveView.write = counted(LiveView.write)
    LiveView.measure = counted(LiveView.measure)
    return spent


def watched(out: Path, steps: int) -> dict[str, float]:
    """The same with a viewer and a browser."""
    command = [sys.executable, "-m", "splatpose", "view", str(out), "--port", "0", "--for-fit"]
    viewer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert viewer.stdout is not None
    assert viewer.stdin is not None
    address = ""
    for line in viewer.stdout:
        if line.startswith("viewer: "):
            address = line.removeprefix("viewer: ").strip()
            break
    with tempfile.TemporaryDirectory() as profile:
        small = ["--headless=new", "--window-size=200,150"]  # to have little to draw
        options = [*small, *SOFTWARE_GL, f"--user-data-dir={profile}", address]
        browser = subprocess.Popen(
            [str(CHROMIUM), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            wait_for_page(out)
            process = psutil.Process(viewer.pid)
            child = start(out, steps)
            wait_for_step(out)
            before = sum(process.cpu_times()[:2])
            result = finish(child)
            result["viewer"] = sum(process.cpu_times()[:2]) - before
        finally:
            browser.kill()
            browser.wait()
            viewer.stdin.close()
            viewer.wait()
    return result


def wait_until(condition: Callable[[], bool], late: str) -> None:
    """Returns when the condition holds.

    Raises:
        TimeoutError: it does not within two minutes.
    """
    end = time.monotonic() + 120
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(late)
        time.sleep(0.1)


def wait_for_page(out: Path) -> None:
    """Returns when a browser looks on."""

    def looks_on() -> bool:
        files = (out / ".splatpose" / "watchers").glob("[!.]*.json")
        return any(json.loads(file.read_text()).get("pages") for file in files)

    wait_until(looks_on, "the browser does not come")


def wait_for_step(out: Path) -> None:
    """Returns when the training has begun: what went before is not the training's time."""
    log = out / ".splatpose" / "events.jsonl"
    wait_until(
        lambda: log.exists() and '"training_step"' in log.read_text(),
        "the training does not begin",
    )


def alone(out: Path, steps: int) -> dict[str, float]:
    """A training in a fresh process."""
    return finish(start(out, steps))


def start(out: Path, steps: int) -> subprocess.Popen[str]:
    """Begins a training; the log of the one before is gone then."""
    (out / ".splatpose" / "events.jsonl").unlink(missing_ok=True)
    command = [sys.executable, __file__, str(out), "--steps", str(steps), "--child"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(child: subprocess.Popen[str]) -> dict[str, float]:
    """What it took."""
    printed, _ = child.communicate()
    assert child.returncode == 0
    return json.loads(printed)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--child", action="store_true")
    arguments = parser.parse_args()
    if arguments.child:
        print(json.dumps(train(arguments.out, arguments.steps)))
        return
    rows: dict[str, list[dict[str, Any]]] = {"alone": [], "watched": []}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "run"
        shutil.copytree(arguments.out, copy)
        for _ in range(arguments.rounds):
            for name, measure in (("alone", alone), ("watched", watched)):
                rows[name].append(measure(copy, arguments.steps))
                print(name, rows[name][-1], flush=True)
    watched_rows = rows["watched"]
    live = sum(row["live"] for row in watched_rows) / sum(row["wall"] for row in watched_rows)
    print(f"snapshots and measurements: {live:.1%} of the training's time")
    total = {name: {k: sum(r[k] for r in found) for k in found[0]} for name, found in rows.items()}
    base, more = total["alone"], total["watched"]
    print(f"viewer: {more['viewer'] / more['training']:.1%} of the training's processor time")
    print(f"training's processor time: {more['training'] / base['training'] - 1:+.1%}")
    print(f"wall time: {more['wall'] / base['wall'] - 1:+.1%}")


if __name__ == "__main__":
    main()
