"""What computed a result: versions of software, and the machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import psutil
import torch

from ..._version import __version__
from ...host import processor_name
from ...scene.solved import Solved
from ...scene.splats import TrainedSplats

_PACKAGES = ("torch", "gsplat", "numpy", "numba", "pycolmap", "kornia", "opencv-python-headless")


def versions() -> dict[str, str | None]:
    """Versions of splatpose, Python and packages; None where one is missing."""
    found: dict[str, str | None] = {
        "splatpose": __version__,
        "python": platform.python_version(),
    }
    for package in _PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = None
    return found


def machine() -> dict[str, Any]:
    """System, processor, memory and GPUs."""
    devices = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    affinity = getattr(os, "sched_getaffinity", None)
    return {
        "system": platform.platform(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "usable_cores": len(affinity(0)) if affinity else os.cpu_count(),
        "torch_threads": torch.get_num_threads(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "cuda": devices,
    }


def budget(solved: Solved, trained: TrainedSplats, records: Sequence[Any]) -> dict[str, Any] | None:
    """What was planned, and how long it took: a training that went on was interrupted in between,
    and its steps alone are known."""
    if solved.plan is None:
        return None
    took = [record.seconds for record in records if record.stage == "splats"]
    took += [sample[1] for sample in trained.curve[-1:]]
    return asdict(solved.plan) | {"took_seconds": max(took, default=None)}
