"""Fixtures for everybody, and shape checking of every public array."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jaxtyping import install_import_hook

ROOT = Path(__file__).parent.parent

# Stage modules keep their array types behind TYPE_CHECKING to stay light, and configs take an int
# for a float, so only the modules that do the work are checked.
PACKAGES = (
    "capture",
    "depth",
    "evaluation",
    "evaluation.readers",
    "evaluation.suites",
    "local",
    "matching",
    "motion",
    "poses",
    "resection",
    "views",
    "splats",
    "trust",
    "outputs",
)
CHECKED = [
    *("splatpose.types", "splatpose.geometry", "splatpose.io", "splatpose.render"),
    *(f"splatpose.outputs.page.{name}" for name in ("matrix", "support", "thumbnails", "topview")),
    *(
        f"splatpose.{package}.{path.stem}"
        for package in PACKAGES
        for path in sorted((ROOT / "splatpose" / package.replace(".", "/")).glob("*.py"))
        if path.stem not in ("__init__", "config", "stage")
    ),
]
_hook = install_import_hook(CHECKED, "beartype.beartype")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real photos with true poses, and network weights; never part of the project."""
    path = Path(os.environ.get("SPLATPOSE_SHARED", ROOT.parent / "shared"))
    if not (path / "data").is_dir():
        pytest.skip(f"no real photo sets at {path} (set SPLATPOSE_SHARED)")
    return path


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium with software GL, driven by playwright."""
    from viewer_browsing import CHROMIUM, SOFTWARE_GL  # here, because it imports what is checked

    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_GL)
        yield chromium
        chromium.close()
