"""Commands run as users run them: the work in a child."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _in_a_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPLATPOSE_ONE_PROCESS", raising=False)
