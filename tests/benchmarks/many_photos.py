"""What a run of many photos is to look at: report.html and viewer of a made walk.

    python tests/benchmarks/many_photos.py [--photos 1000] [--long-names] [--keep FOLDER]
    python tests/benchmarks/many_photos.py --photos 250 500 1000     # how costs grow

The walk is `scenes.long_walk`: cameras on a path gone round two and a half times, 100 points a
photo, matches of all photos that see a point, verdicts of every level, 200,000 Gaussians. Nothing
is matched, mapped or trained; outputs are written as every run writes them. Printed and recorded
are seconds and peak memory of that, sizes, and what headless Chromium does with the page and with
`splatpose view`: until something is painted, until all is there, frames while scrolling, filtering.
Without a GPU the browser draws on the processor: its times are comparable in one run only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import machine
import psutil

sys.path.insert(0, str(Path(__file__).parents[1]))

from scenes.long_walk import Walk, long_name, make_walk, short_name
from scenes.page_browser import browsing, find_browser
from scenes.viewer_browsing import CHROMIUM, FRUSTA, PATIENCE, SOFTWARE_GL, viewing

from splatpose.config import FitConfig
from splatpose.events import Message
from splatpose.keys import Keyed
from splatpose.runs.memory import PeakMemory
from splatpose.scene.solved import Solved
from splatpose.stages.outputs.config import OutputsConfig
from splatpose.stages.outputs.layout import PAGE, PREVIEWS, REPORT
from splatpose.stages.outputs.report import run_facts
from splatpose.stages.outputs.stage import finish

FRAMES = """new Promise(done => {
  const gaps = []; let last = performance.now();
  const step = () => {
    const now = performance.now(); gaps.push(now - last); last = now;
    if (gaps.length > 120) return done([Math.max(...gaps), gaps.reduce((a, b) => a + b) / 121]);
    scrollTo(0, document.documentElement.scrollHeight * gaps.length / 120);
    requestAnimationFrame(step);
  };
  requestAnimationFrame(step);
})"""
FILTER = """(async () => {
  const start = performance.now();
  document.getElementById("show-LEVEL").click();
  await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
  return performance.now() - start;
})()"""
PAINT = """new Promise(done => {
  const ask = () => {
    const found = performance.getEntriesByName("first-contentful-paint")[0];
    found ? done(found.startTime) : setTimeout(ask, 10);
  };
  ask();
})"""


def write(walk: Walk) -> dict[str, float]:
    """Writes the outputs and says what it took."""
    scene = walk.scene
    views = Keyed(scene.views, "made")
    found = (scene.capture, scene.graph, scene.poses, views, walk.verdicts)
    solved = Solved(*found, depth=None, local=None, joint=None, backend="cpu")
    facts = run_facts(scene.capture.photos[0].path.parent, FitConfig(), solved, [])
    warnings: list[str] = []

    def emit(event: Any) -> None:
        if isinstance(event, Message) and event.level == "warning":
            warnings.append(event.text)

    before = psutil.Process().memory_info().rss / 2**20
    start = time.perf_counter()
    with PeakMemory() as memory:
        finish(scene.out, solved, scene.trained, facts, OutputsConfig(), emit)
    seconds = time.perf_counter() - start
    assert not warnings, warnings
    previews = [file.stat().st_size for file in (scene.out / PREVIEWS).iterdir()]
    return {
        "outputs_s": seconds,
        "outputs_more_memory_mb": memory.mb - before,
        "page_mb": (scene.out / PAGE).stat().st_size / 1e6,
        "report_json_mb": (scene.out / REPORT).stat().st_size / 1e6,
        "previews": len(previews),
        "previews_mb": sum(previews) / 1e6,
    }


def read_page(file: Path) -> dict[str, float]:
    """What a browser does with the page."""
    executable = find_browser()
    assert executable, "there is no Chromium"
    with tempfile.TemporaryDirectory() as profile, browsing(executable, Path(profile)) as page:
        page.open(file, 1400, 900)
        load = "performance.getEntriesByType('navigation')[0].loadEventEnd"
        result = {
            "page_first_paint_s": page.evaluate(PAINT) / 1000,
            "page_load_s": page.evaluate(load) / 1000,
            "page_elements": page.evaluate("document.querySelectorAll('*').length"),
        }
        result["scroll_worst_ms"], result["scroll_mean_ms"] = page.evaluate(FRAMES)
        for level in ("weak", "trusted", "all"):
            took = page.evaluate(FILTER.replace("LEVEL", level))
            result["filter_worst_ms"] = max(took, result.get("filter_worst_ms", 0))
        assert not page.complaints, page.complaints
    return result


@contextmanager
def viewer_page() -> Iterator[Any]:
    """A page of a browser with software GL."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_GL)
        page = browser.new_page(viewport={"width": 1100, "height": 700})
        page.set_default_timeout(PATIENCE * 1000)
        yield page
        browser.close()


def view(out: Path) -> dict[str, float]:
    """What the viewer and a browser on it do."""
    start = time.perf_counter()
    with viewing(out) as address:
        result = {"view_address_s": time.perf_counter() - start}
        with viewer_page() as page:
            result |= look(page, address)
        viewers = [p for p in psutil.Process().children() if "view" in p.cmdline()]
        result["view_memory_mb"] = viewers[0].memory_info().rss / 2**20
    return result


def look(page: Any, address: str) -> dict[str, float]:
    """What a browser gets to see, and when."""
    received: list[int] = []

    def count(socket: Any) -> None:
        socket.on("framereceived", lambda data: received.append(len(data)))

    page.on("websocket", count)
    start = time.perf_counter()
    page.goto(address, wait_until="commit")
    result = {"view_first_paint_s": page.evaluate(PAINT) / 1000}
    nodes = "Object.keys(window.__viserSceneTree?.getState() ?? {})"
    page.wait_for_function(f"{nodes}.some(name => /^\\/(all )?cameras./.test(name))")
    result["view_first_cameras_s"] = time.perf_counter() - start
    result["view_first_cameras_mb"] = sum(received) / 1e6
    page.wait_for_function(f"{nodes}.includes('/splats')")
    result["view_all_s"] = time.perf_counter() - start
    page.wait_for_timeout(5000)
    result["view_all_mb"] = sum(received) / 1e6
    result["view_frusta"] = page.evaluate(FRUSTA)
    result["view_nodes"] = page.evaluate(f"{nodes}.length")
    result["view_heap_mb"] = page.evaluate("performance.memory.usedJSHeapSize / 1e6")
    return result


def measure(folder: Path, count: int, *, long_names: bool) -> dict[str, Any]:
    """All figures of a walk of so many photos."""
    name = long_name if long_names else short_name
    walk = make_walk(folder, count, tracks=100 * count, name=name, pictures=True, model=True)
    result: dict[str, Any] = {
        "photos": count,
        "long_names": long_names,
        "pairs": len(walk.scene.graph.pairs),
        "matches": int(walk.scene.graph.num_verified.sum()),
    }
    result |= write(walk)
    out = walk.scene.out
    del walk
    return result | read_page(out / PAGE) | view(out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, nargs="+", default=[1000])
    parser.add_argument("--long-names", action="store_true")
    parser.add_argument("--keep", type=Path, help="leave the runs here")
    arguments = parser.parse_args()
    rows = []
    for count in arguments.photos:
        with tempfile.TemporaryDirectory() as temporary:
            folder = (arguments.keep or Path(temporary)) / f"walk_{count}"
            folder.mkdir(parents=True)
            rows.append(measure(folder, count, long_names=arguments.long_names))
    for key in rows[0]:
        values = "".join(f"{row[key]:>14.4g}" for row in rows)
        print(f"{key:<26}{values}")
    names = "_long_names" if arguments.long_names else ""
    label = "_".join(map(str, arguments.photos))
    machine.write_result(f"many_photos_{label}{names}", {**machine.describe(), "rows": rows})


if __name__ == "__main__":
    main()
