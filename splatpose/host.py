"""What the machine calls itself, and where its user is at home."""

from __future__ import annotations

import os
import platform
from pathlib import Path


def processor_name() -> str:
    """The processor's name as its maker wrote it, or what the platform knows instead: for reports
    that others must be able to compare."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    for line in lines:
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def expanded(path: str | Path) -> Path:
    """The path with its leading `~` as a shell reads it; as it is where nobody is at home."""
    return Path(os.path.expanduser(path))
