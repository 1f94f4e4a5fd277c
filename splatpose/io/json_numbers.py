"""NaN in JSON, which has no word for it: null, and NaN again where that is read."""

from __future__ import annotations

from typing import Any


def without_nan(value: Any) -> Any:
    """The value with null in place of NaN and infinity, however deep; tuples become lists."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def with_nan(item: dict[str, Any]) -> dict[str, Any]:
    """An object of figures and words as it was before `without_nan`, itself alone."""
    return {key: float("nan") if entry is None else entry for key, entry in item.items()}


def number(value: float | None) -> float:
    """A single figure likewise."""
    return float("nan") if value is None else float(value)
