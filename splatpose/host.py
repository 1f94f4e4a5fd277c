"""What the machine calls itself, for reports that others must be able to compare."""

from __future__ import annotations

import platform
from pathlib import Path


def processor_name() -> str:
    """The processor's name as its maker wrote it, or what the platform knows instead."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
