"""Scenes that tests share, and what drives a browser."""

from pathlib import Path

TESTS = Path(__file__).parent.parent
ROOT = TESTS.parent
DEMO = ROOT / "assets" / "demo"
