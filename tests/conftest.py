"""Fixtures for everybody, and shape checking of every public array."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jaxtyping import install_import_hook

ROOT = Path(__file__).parent.parent

UNCHECKED = {
    "__init__": "what it re-exports is checked where it is defined",
    "__main__": "starts the command line",
    "config": "configs take an int for a float, and the command line checks them",
    "stage": "array types stand behind TYPE_CHECKING, so that --help is fast",
}
"""Modules whose arrays nobody checks, by the last part of their name, and why."""
UNCHECKED_PACKAGES = {
    "splatpose.cli": "no arrays; types for the command line are read by tyro",
    "splatpose.render.cpu": "kernels that numba compiles",
}


def checked_modules() -> list[str]:
    """Every module of the package that is not named above, by its import name."""
    roots = {"splatpose": ROOT / "splatpose", "splatpose.viewer": ROOT / "viewer"}
    found = [
        ".".join((name, *path.relative_to(root).with_suffix("").parts))
        for name, root in roots.items()
        for path in sorted(root.rglob("*.py"))
        if path.stem not in UNCHECKED
    ]
    return [
        module
        for module in found
        if not any(module.startswith(f"{package}.") for package in UNCHECKED_PACKAGES)
    ]


_hook = install_import_hook(checked_modules(), "beartype.beartype")


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
    from scenes.viewer_browsing import (  # here, because it imports what is checked
        CHROMIUM,
        SOFTWARE_GL,
    )

    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    with api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=SOFTWARE_GL)
        yield chromium
        chromium.close()
