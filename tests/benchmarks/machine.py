"""What a figure was measured on: written beside every benchmark result."""

from __future__ import annotations

import datetime
import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

from splatpose.host import processor_name

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("torch", "gsplat", "numpy", "numba", "pycolmap", "kornia", "opencv-python-headless")


def describe() -> dict[str, Any]:
    """Machine, versions, commit and date."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    ).stdout.strip()
    return {
        "date": datetime.date.today().isoformat(),
        "commit": commit,
        "cpu": processor_name(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in _PACKAGES},
    }
