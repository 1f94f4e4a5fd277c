"""The CPU backend: Numba kernels with explicit vectors, wrapped as torch functions."""

from __future__ import annotations

from splatpose.render.cpu.compilation import compile_listener as compile_listener
from splatpose.render.cpu.compile_ahead import warmup as warmup
from splatpose.render.cpu.threads import available_threads as available_threads
from splatpose.render.cpu.threads import use_threads as use_threads
