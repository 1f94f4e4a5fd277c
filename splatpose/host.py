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


def available_memory() -> int:
    """Bytes that can still be asked for: what the machine has left, or its container if less.

    A container's cache of files counts as free, for it makes room. 0 where it holds more than its
    bound, which may have been lowered.
    """
    import psutil

    left = int(psutil.virtual_memory().available)
    try:
        # Control groups of version 2, as containers have them.
        most = Path("/sys/fs/cgroup/memory.max").read_text(encoding="utf-8").strip()
        used = Path("/sys/fs/cgroup/memory.current").read_text(encoding="utf-8").strip()
        told = Path("/sys/fs/cgroup/memory.stat").read_text(encoding="utf-8").split()
    except OSError:
        return left
    if most.isdecimal() and used.isdecimal():
        cached = dict(zip(told[::2], told[1::2], strict=False)).get("inactive_file", "0")
        return max(0, min(left, int(most) - int(used) + int(cached)))
    return left
