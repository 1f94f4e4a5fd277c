"""`splatpose warmup`: compile ahead, so that the first fit does not wait."""

from __future__ import annotations

import time
from dataclasses import dataclass

from .arguments import parse
from .main import DONE


@dataclass(frozen=True)
class Warmup:
    """Compiles the CPU rasterizer for this machine and keeps it for later runs.

    The first fit does the same by itself; this only moves the wait, for example into the build
    of a container.
    """


def run(words: list[str]) -> int:
    """Runs `splatpose warmup` and returns the exit code."""
    parse(Warmup, words, prog="splatpose warmup")
    from ..render.cpu import compile_listener, warmup

    start = time.perf_counter()
    with compile_listener(print):
        warmup()
    print(f"The CPU rasterizer is compiled ({time.perf_counter() - start:.1f} s).")
    return DONE
