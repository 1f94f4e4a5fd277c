"""What a bug report needs to say about the machine and what is installed on it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import sys
from pathlib import Path

from .._version import __version__
from ..host import processor_name

PACKAGES = (
    "gsplat",
    "jaxtyping",
    "kornia",
    "llvmlite",
    "numba",
    "numpy",
    "opencv-python-headless",
    "pillow",
    "pillow-heif",
    "plyfile",
    "pyceres",
    "pycolmap",
    "rich",
    "scipy",
    "torch",
    "tyro",
)

_SIMD = ("sse4.2", "avx", "avx2", "fma", "avx512f", "avx512bw", "avx512vl", "neon", "sve")

Facts = dict[str, str]
"""Pairs of what is asked and the answer."""


def describe_splatpose() -> Facts:
    """Versions of splatpose, Python and the system, and where they lie."""
    return {
        "splatpose": __version__,
        "installed in": str(Path(__file__).parents[1]),
        "python": f"{platform.python_version()} ({platform.python_implementation()})",
        "executable": sys.executable,
        "system": platform.platform(),
    }


def describe_packages() -> Facts:
    """Installed versions of what splatpose stands on."""
    versions: Facts = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def describe_machine() -> Facts:
    """Processor, threads and memory."""
    import numba
    import psutil
    import torch
    from llvmlite import binding

    features = binding.get_host_cpu_features()
    memory = psutil.virtual_memory()
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": f"{processor_name()} ({binding.get_host_cpu_name()})",
        "SIMD": ", ".join(name for name in _SIMD if features.get(name)) or "none known",
        "cores": f"{psutil.cpu_count(logical=False)} physical, {os.cpu_count()} logical, "
        f"{allowed} allowed to this process",
        "threads": f"numba {numba.get_num_threads()}, torch {torch.get_num_threads()}, "
        f"OMP_NUM_THREADS={os.environ.get('OMP_NUM_THREADS', 'unset')}",
        "memory": f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB free",
    }


def describe_cuda() -> Facts:
    """CUDA devices, and what gsplat's compilation for them needs."""
    import torch

    facts = {"torch built for": f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"}
    count = torch.cuda.device_count()
    if not count:
        return {**facts, "devices": "none"}
    for index in range(count):
        device = torch.cuda.get_device_properties(index)
        facts[f"device {index}"] = (
            f"{device.name}, compute capability {device.major}.{device.minor}, "
            f"{device.total_memory / 2**30:.1f} GiB"
        )
    compiled = any(torch_extensions_dir().glob("**/gsplat_cuda/gsplat_cuda.so"))
    facts["gsplat's kernels"] = (
        "compiled"
        if compiled
        else "not compiled yet: the first fit does it once, in some minutes, with nvcc and a "
        "C++ compiler"
    )
    facts["nvcc"] = _nvcc() or "not found: gsplat cannot be compiled without the CUDA toolkit"
    facts["C++ compiler"] = shutil.which(os.environ.get("CXX", "c++")) or "not found"
    return facts


def describe_caches() -> Facts:
    """Folders that splatpose and what it stands on fill outside of the run folder."""
    from ..weights import cache_dir

    return {
        "network weights": str(cache_dir()),
        "weights folder": os.environ.get("SPLATPOSE_WEIGHTS", "SPLATPOSE_WEIGHTS is not set"),
        "compiled CPU kernels": os.environ.get("NUMBA_CACHE_DIR", "beside the modules (numba)"),
        "compiled CUDA kernels": str(torch_extensions_dir()),
    }


def torch_extensions_dir() -> Path:
    """Where torch keeps what gsplat compiles."""
    from torch.utils import cpp_extension

    return Path(os.environ.get("TORCH_EXTENSIONS_DIR") or cpp_extension.get_default_build_root())


def _nvcc() -> str | None:
    home = os.environ.get("CUDA_HOME") or os.environ.get("CUDA_PATH") or "/usr/local/cuda"
    return shutil.which("nvcc") or shutil.which("nvcc", path=str(Path(home) / "bin"))
