"""The live viewer on a real fit of six demo photos, in headless Chromium."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scenes import DEMO
from scenes.viewer_browsing import (
    FRUSTA,
    PATIENCE,
    Log,
    page_at,
    press,
    shown,
    viewing,
    wait_until,
)

from splatpose.io.nerfstudio import read_transforms
from splatpose.io.sparse_model import read_sparse_model as load_poses

pytestmark = pytest.mark.slow

PHOTOS = 6
OPTIONS = [
    "--matcher",
    "sift",
    "--max-size",
    "160",
    "--max-steps",
    "40",
    "--training.final-steps",
    "0",
]
POINTS = "() => '/points' in window.__viserSceneTree.getState()"
PLACES = """() => Object.fromEntries(Object.entries(window.__viserMutable.nodeRefFromName)
    .filter(([name, node]) => node && /^\\/cameras\\/./.test(name))
    .map(([name, node]) => {
        node.updateWorldMatrix(true, false);
        return [name, node.matrixWorld.elements.slice()];
    }))"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("real")
    photos = folder / "photos"
    photos.mkdir()
    for number in range(1, 2 * PHOTOS, 2):
        shutil.copy(DEMO / f"photo_{number:02}.jpg", photos)
    out = folder / "out"
    command = [sys.executable, "-m", "splatpose", "fit", str(photos), "-o", str(out), *OPTIONS]
    subprocess.run(command, check=True, timeout=600, capture_output=True)
    return out


def open_scene(page: Any) -> None:
    page.wait_for_selector("[data-total]")
    page.wait_for_function(f"({FRUSTA}) === {PHOTOS}")
    page.get_by_role("tab", name="Scene").click()


def test_the_scrubber_moves_the_cameras_to_where_they_were(browser: Any, real: Path) -> None:
    poses = load_poses(real / ".splatpose" / "poses")
    first, last = poses.snapshots[0], poses.snapshots[-1]
    with viewing(real) as address, page_at(browser, address) as page:
        open_scene(page)
        page.wait_for_selector(f"[data-snapshot={last.stage}]")
        final = page.evaluate(PLACES)
        scrubber = page.locator("//label[text()='Poses']/following::*[@role='slider'][1]")
        scrubber.press("Home")
        page.wait_for_selector(f"[data-snapshot={first.stage}]")
        page.wait_for_function(
            f"final => JSON.stringify(({PLACES})()) !== JSON.stringify(final)", arg=final
        )
        page.wait_for_timeout(1000)
        early = page.evaluate(PLACES)
        assert early.keys() == final.keys()
        expected = np.linalg.inv(first.cam_from_world)[:, :3, 3]
        expected -= np.linalg.inv(last.cam_from_world)[:, :3, 3]
        moved = [np.subtract(early[name][12:15], final[name][12:15]) for name in sorted(final)]
        np.testing.assert_allclose(
            np.linalg.norm(moved, axis=1), np.linalg.norm(expected, axis=1), rtol=0.02, atol=1e-6
        )
        scrubber.press("End")
        page.wait_for_selector(f"[data-snapshot={last.stage}]")
        page.wait_for_function(
            f"final => JSON.stringify(({PLACES})()) === JSON.stringify(final)", arg=final
        )


def click_in_the_scene(page: Any, x: float, y: float) -> None:
    """Where the canvas is; x and y from 0 to 1."""
    box = page.locator("canvas").first.bounding_box()
    page.mouse.click(box["x"] + x * box["width"], box["y"] + y * box["height"])


def test_a_measured_distance_sets_the_scale_of_all_results(
    browser: Any, real: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    shutil.copytree(real, out)
    before = read_transforms(out / "transforms.json").cam_from_world[:, :3, 3]
    with viewing(out) as address, page_at(browser, address) as page:
        open_scene(page)
        page.get_by_text("Measure", exact=True).click()
        press(page, "Click two points")
        page.wait_for_selector("text=Click the first point")
        page.wait_for_timeout(1000)  # for the browser to be told that clicks are wanted
        click_in_the_scene(page, 0.25, 0.45)
        page.wait_for_selector("text=Click the second point")
        click_in_the_scene(page, 0.45, 0.55)
        page.wait_for_selector("[data-distance]")
        distance = float(page.locator("[data-distance]").get_attribute("data-distance"))
        assert 0.01 < distance < 20
        assert "units" in page.locator("[data-distance]").inner_text()
        metres = page.get_by_label("True length (m)")
        metres.fill("0.5")
        metres.press("Tab")
        page.wait_for_timeout(500)
        press(page, "Set the scale")
        page.wait_for_selector("text=All results are in metres now.")
        page.wait_for_function("document.querySelector('[data-distance]').innerText === '0.5 m'")
    report = json.loads((out / "report.json").read_text())
    assert report["units"] == "metres"
    assert report["metres_per_unit"] == pytest.approx(0.5 / distance)
    after = read_transforms(out / "transforms.json").cam_from_world[:, :3, 3]
    np.testing.assert_allclose(after, before * 0.5 / distance, atol=1e-9)
    with viewing(out) as address, page_at(browser, address) as page:
        open_scene(page)
        page.get_by_text("Measure", exact=True).click()
        page.wait_for_selector("text=The scale is set")
        press(page, "Forget the scale")
        page.wait_for_selector("text=No true scale")
    assert not (out / "scale.json").exists()
    assert json.loads((out / "report.json").read_text())["units"] == "arbitrary"


def test_the_error_is_shown_from_where_no_photo_was_taken(browser: Any, real: Path) -> None:
    with viewing(real) as address, page_at(browser, address) as page:
        open_scene(page)
        page.get_by_label("Rendered").click()
        page.get_by_role("option", name="error").click()
        page.wait_for_selector("[data-note]")
        assert "photo_" in page.inner_text("[data-note]") or "Too far" in page.inner_text(
            "[data-note]"
        )
        page.get_by_role("tab", name="Photos").click()
        page.get_by_text("next", exact=True).click()
        page.wait_for_selector("[data-photo^=photo_]")
        name = page.locator("[data-photo]").get_attribute("data-photo")
        page.get_by_role("tab", name="Scene").click()
        page.wait_for_selector(f"[data-note]:has-text('Error against {name}')")


def test_results_alone_show_cameras_points_and_gaussians(
    browser: Any, real: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results"
    shutil.copytree(real, out, ignore=shutil.ignore_patterns(".splatpose"))
    with viewing(out) as address, page_at(browser, address) as page:
        open_scene(page)
        assert shown(page, "cameras") == PHOTOS
        assert shown(page, "splats") == shown(page, "total") > 100
        page.get_by_role("tab", name="Run").click()
        assert page.locator("[data-stage=poses]").get_attribute("data-state") == "done"
        page.get_by_role("tab", name="Scene").click()
        assert not page.evaluate(POINTS), "the Gaussians have taken their place"
        page.get_by_label("Sparse points").click()
        page.wait_for_function(POINTS)


def test_a_stage_before_the_training_is_paused(browser: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-m", "splatpose", "fit", str(DEMO), "-o", str(out), *OPTIONS]
    fit = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = Log(out)
    try:
        wait_until((out / ".splatpose").is_dir, "the run's folder")
        with viewing(out) as address, page_at(browser, address) as page:
            press(page, "Pause")
            wait_until(lambda: log.says("pauses as asked"), "the pause")
            page.wait_for_selector("button:has-text('Resume')")
            assert page.get_by_role("button", name="Stop and save").is_disabled()
            count = len(log.events)
            page.wait_for_timeout(3000)
            assert len(log.events) == count, "it went on"
            press(page, "Resume")
            wait_until(lambda: len(log.events) > count + 2, "it goes on")
            assert fit.poll() is None
    finally:
        fit.kill()
        fit.wait(PATIENCE)
