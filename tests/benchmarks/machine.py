"""What a figure was measured on: written beside every benchmark result."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
# First of all: what is measured is this checkout's package, whichever one is installed.
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


def write_result(name: str, result: dict[str, Any]) -> Path:
    """Writes a benchmark's result under a name that no earlier result has, and tells it."""
    RESULTS.mkdir(exist_ok=True)
    path, number = RESULTS / f"{name}.json", 1
    while path.exists():
        number += 1
        path = RESULTS / f"{name}_{number}.json"
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"\nwritten to {path}")
    return path


def label_of(sets: Sequence[str], usual: Sequence[str] = ()) -> str:
    """What the name of a result says of its sets, with "_" before it; nothing of the usual ones."""
    if tuple(sets) == tuple(usual):
        return ""
    names = [re.sub(r"\W", "-", name) for name in sets]
    return "_" + ("_".join(names) if len(names) <= 3 else f"{len(names)}-sets")
