"""Numbers as a person says them, for the page and the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ...wording import duration as duration


def known(value: Any) -> bool:
    """Whether a number of the report was measured."""
    return value is not None and math.isfinite(value)


def percent(share: float) -> str:
    """0.976 -> 98 %; small shares with a digit after the point."""
    value = 100 * share
    return f"{value:.1f} %" if 0.05 <= value < 1.95 else f"{value:.0f} %"


def quantity(value: float) -> str:
    """Two significant digits, never in powers of ten: 0.012, 0.35, 4.2, 120."""
    if value == 0:
        return "0"
    digits = max(0, 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 6)}f}"


def memory(mebibytes: float) -> str:
    """683 MiB, 1.2 GiB."""
    return f"{mebibytes / 1024:.1f} GiB" if mebibytes >= 1000 else f"{mebibytes:.0f} MiB"


def plural(number: int, word: str) -> str:
    """1 photo, 2 photos, 1,000 photos."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def training_time(report: Mapping[str, Any]) -> str:
    """Time of the training against what was planned; empty where no minutes were asked for."""
    budget: Any = report.get("budget") or {}
    took, planned = budget.get("took_seconds"), budget.get("seconds")
    if not (known(took) and known(planned)):
        return ""
    return f"trained in {duration(took)}, planned {duration(planned)}"
