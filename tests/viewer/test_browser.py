"""The live viewer in a real browser: headless Chromium, driven by playwright."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from scenes import DEMO, TESTS
from scenes.viewer_browsing import (
    CHROMIUM,
    FRUSTA,
    PATIENCE,
    SOFTWARE_GL,
    Log,
    camera_position,
    page_at,
    press,
    shown,
    viewing,
    wait_until,
)
from scenes.viewer_run import REGISTERED, compute_run

from splatpose.events import RunFinished
from splatpose.io.ply import read_splat_ply

pytestmark = pytest.mark.slow

COMPUTE = [sys.executable, "-m", "scenes.viewer_run"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("browser") / "run"
    compute_run(out, 60)
    return out


def click_a_frustum(page: Any) -> None:
    """Clicks until the camera moves: where drawing is slow, the first view may still be on its way
    to the screen, and the click meets what was there before."""
    from playwright.sync_api import TimeoutError as TooLate

    moved = """before => window.__viserMutable.camera.position.toArray()
        .some((value, i) => Math.abs(value - before[i]) > 0.05)"""
    for _ in range(5):
        before = camera_position(page)
        page.mouse.click(*page.evaluate(IMAGE_OF_A_FRUSTUM))
        with suppress(TooLate):
            page.wait_for_function(moved, arg=before, timeout=20_000)
            return
    raise AssertionError("no click on a frustum moved the camera")


def test_a_finished_run(browser: Any, finished: Path) -> None:
    with viewing(finished) as address, page_at(browser, address) as page:
        page.wait_for_selector("[data-total]")
        page.wait_for_function(f"({FRUSTA}) === {REGISTERED}")
        assert shown(page, "cameras") == REGISTERED
        assert shown(page, "splats") == shown(page, "total") > 100
        assert page.locator("[data-stage=splats]").get_attribute("data-state") == "done"
        assert "weak" in page.inner_text("body")
        click_a_frustum(page)
        page.get_by_role("tab", name="Photos").click()
        page.wait_for_selector("[data-photo^=photo_]")
        page.get_by_role("tab", name="Scene").click()
        page.get_by_text("Crop", exact=True).click()
        page.get_by_label("Show only what is in a box").click()
        page.wait_for_function(
            """() => {
                const count = document.querySelector('[data-total]').dataset;
                return 0 < Number(count.splats) && Number(count.splats) < Number(count.total);
            }"""
        )


IMAGE_OF_A_FRUSTUM = """() => {
    const {camera, nodeRefFromName} = window.__viserMutable;
    const canvas = document.querySelector('canvas').getBoundingClientRect();
    for (const [name, node] of Object.entries(nodeRefFromName)) {
        if (!/^\\/cameras\\/./.test(name) || !node) continue;
        node.updateWorldMatrix(true, false);
        // The picture stands one frustum's length before the camera's centre.
        const place = node.localToWorld(node.position.clone().set(0, 0, 0.3)).project(camera);
        const x = canvas.left + (place.x + 1) / 2 * canvas.width;
        const y = canvas.top + (1 - place.y) / 2 * canvas.height;
        const free = document.elementFromPoint(x, y);
        if (place.z < 1 && free && free.tagName === 'CANVAS') return [x, y];
    }
    return [0, 0];
}"""


def test_narrow_screens_show_the_scene_first(browser: Any, finished: Path) -> None:
    sheet = '[style*="position: fixed"][style*="max-height: 60%"]'
    with viewing(finished) as address, page_at(browser, address) as page:
        page.set_viewport_size({"width": 390, "height": 780})
        page.wait_for_function(
            f"""() => {{
                const sheet = document.querySelector('{sheet}');
                return sheet && sheet.getBoundingClientRect().height < 80;
            }}"""
        )
        assert page.title() == f"{finished.name} - splatpose"
        page.click(f'{sheet} [style*="cursor: pointer"]')
        page.wait_for_function(
            f"""() => {{
                const box = document.querySelector('{sheet}').getBoundingClientRect();
                return box.height > 300 && box.width === 390;
            }}"""
        )


def test_a_run_while_it_is_computed(browser: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    fit = subprocess.Popen([*COMPUTE, str(out), "200000"], cwd=TESTS)
    log = Log(out)
    try:
        wait_until(lambda: (out / ".splatpose").is_dir(), "the run's folder")
        with viewing(out) as address:
            with page_at(browser, address) as page:
                watch_and_pause(page, log)
            step = log.step
            wait_until(lambda: log.step > step + 20, "the fit goes on without a browser")
            assert fit.poll() is None
            with page_at(browser, address) as page:
                press(page, "Stop and save")
                wait_until(lambda: isinstance(log.events[-1], RunFinished), "the end of the run")
                page.wait_for_selector("text=done:")
        assert fit.wait(PATIENCE) == 0
        assert len(read_splat_ply(out / "splat.ply")) > 100
        assert 0 < log.step < 200_000
    finally:
        fit.kill()


def watch_and_pause(page: Any, log: Log) -> None:
    """The number of Gaussians grows, PSNR gets points, a pause holds the steps."""
    page.wait_for_selector("[data-total]")
    first = shown(page, "total")
    page.wait_for_function(
        "first => Number(document.querySelector('[data-total]').dataset.total) > first", arg=first
    )
    page.wait_for_selector("text=Held-out PSNR (dB)")
    press(page, "Pause")
    wait_until(lambda: log.says("training pauses"), "the pause")
    page.wait_for_selector("button:has-text('Resume')")
    step = log.step
    page.wait_for_timeout(2000)
    assert log.step == step, "the step counter did not stop"
    press(page, "Resume")
    wait_until(lambda: log.step > step, "the training goes on")


def test_a_browser_that_is_killed_leaves_the_fit_running(tmp_path: Path) -> None:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    out = tmp_path / "run"
    fit = subprocess.Popen([*COMPUTE, str(out), "200000"], cwd=TESTS)
    log = Log(out)
    try:
        wait_until(lambda: (out / ".splatpose").is_dir(), "the run's folder")
        with viewing(out) as address:
            profile = tmp_path / "profile"
            command = [str(CHROMIUM), "--headless=new", *SOFTWARE_GL, f"--user-data-dir={profile}"]
            chromium = subprocess.Popen(
                [*command, address], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            snapshot = out / ".splatpose" / "splats.part" / "live.pt"
            wait_until(snapshot.exists, "a snapshot for the browser that looks on")
            chromium.kill()
            chromium.wait(PATIENCE)
            step = log.step
            wait_until(lambda: log.step > step + 20, "the fit goes on")
        # And so does it without the viewer.
        step = log.step
        wait_until(lambda: log.step > step + 20, "the fit goes on without the viewer")
        assert fit.poll() is None
    finally:
        fit.kill()
    del api


def test_a_shared_page_needs_its_token(browser: Any, finished: Path) -> None:
    with viewing(finished, "--host", "0.0.0.0") as address:
        found = re.fullmatch(r"http://[^:/]+:(\d+)/\?token=(\S+)", address)
        assert found is not None
        port, token = found.groups()
        base = f"http://127.0.0.1:{port}/"
        for wrong in ("", "?token=", f"?token={token[:-1]}x"):
            with pytest.raises(urllib.error.HTTPError, match="403"):
                urllib.request.urlopen(base + wrong, timeout=30)
        with page_at(browser, base) as page:
            page.wait_for_selector("text=token")
            assert page.locator("canvas").count() == 0
        with page_at(browser, f"{base}?token={token}") as page:
            page.wait_for_selector("[data-total]")
            assert shown(page, "cameras") == REGISTERED


def test_an_exported_page_needs_no_network(browser: Any, finished: Path, tmp_path: Path) -> None:
    page_file = tmp_path / "scene.html"
    command = [sys.executable, "-m", "splatpose", "export", str(finished), "-o", str(page_file)]
    subprocess.run(command, check=True, timeout=PATIENCE)
    context = browser.new_context(offline=True)
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(page_file.as_uri(), wait_until="commit")
    page.wait_for_function(
        f"window.__viserSceneTree && ({FRUSTA}) === {REGISTERED}", timeout=PATIENCE * 1000
    )
    assert not [url for url in asked if url.startswith(("http:", "https:", "ws:", "wss:"))]
    context.close()


def test_a_fit_that_is_killed_takes_its_viewer_along(tmp_path: Path) -> None:
    photos = DEMO
    command = [sys.executable, "-m", "splatpose", "fit", str(photos), "-o", str(tmp_path / "out")]
    fit = subprocess.Popen(
        [*command, "--matcher", "sift", "--view", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert fit.stdout is not None
        lines = (line for line in fit.stdout if "viewer: http" in line)
        address = "http" + next(lines).strip().partition("http")[2]
        assert urllib.request.urlopen(address, timeout=30).status == 200
        fit.kill()
        wait_until(lambda: not answers(address), "the viewer ends with the fit")
    finally:
        fit.kill()
        fit.wait(PATIENCE)


def answers(address: str) -> bool:
    try:
        return urllib.request.urlopen(address, timeout=30).status == 200
    except OSError:
        return False


def test_two_pages_on_one_run(browser: Any, finished: Path) -> None:
    with (
        viewing(finished) as first,
        viewing(finished) as second,
        page_at(browser, first) as one,
        page_at(browser, first) as two,
        page_at(browser, second) as three,
    ):
        for page in (one, two, three):
            page.wait_for_selector("[data-total]")
            assert shown(page, "cameras") == REGISTERED
