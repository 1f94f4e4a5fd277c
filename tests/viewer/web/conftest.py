"""A finished run, which tests of the viewer's parts share."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenes.viewer_run import compute_run


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("viewer") / "run"
    compute_run(out, 30)
    return out
