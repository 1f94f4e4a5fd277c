"""Figures that others published: what a table sets beside ours, marked as theirs.

They were measured by their authors, at their image sizes and on their machines. Methods that learn
poses know none of test photos and optimise them at test time: of ours the row "from neighbour" is
the one to compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Benchmark = Literal["nope-nerf", "mipnerf360", "tanks-and-temples-5", "co3d-v2"]


@dataclass(frozen=True)
class Published:
    """One published figure."""

    benchmark: Benchmark
    method: str
    psnr: float
    """Mean over the benchmark's test photos in dB."""
    source: str
    """Paper and table of the figure."""


_REPORTED = "as later papers report it on this benchmark"
_NOPE_NERF = (
    ("BARF", 23.42, _REPORTED),
    ("NoPe-NeRF", 26.34, "CVPR 2023"),
    ("COLMAP + 3DGS", 30.20, _REPORTED),
    ("CF-3DGS", 31.28, "CVPR 2024"),
    ("LongSplat", 32.83, _REPORTED),
    ("HT-3DGS", 33.53, _REPORTED),
)
_LARGE: tuple[tuple[str, tuple[float, float, float]], ...] = (
    ("COLMAP + MCMC", (27.91, 25.76, 33.21)),
    ("GloSplat-F", (27.77, 25.82, 32.71)),
    ("VGGT-X", (26.40, 24.77, 31.85)),
    ("3R-GS", (25.39, 21.47, 31.07)),
    ("CF-3DGS", (12.38, 12.19, 20.18)),
    ("HT-3DGS", (14.79, 13.83, 28.28)),
)
_LARGE_BENCHMARKS: tuple[Benchmark, ...] = ("mipnerf360", "tanks-and-temples-5", "co3d-v2")

PUBLISHED: tuple[Published, ...] = (
    *(Published("nope-nerf", method, psnr, source) for method, psnr, source in _NOPE_NERF),
    *(
        Published(
            benchmark,
            method,
            value,
            "arXiv 2603.04847" if method.startswith("GloSplat") else _REPORTED,
        )
        for method, values in _LARGE
        for benchmark, value in zip(_LARGE_BENCHMARKS, values, strict=True)
    ),
)


def published(benchmark: Benchmark) -> tuple[Published, ...]:
    """What others published on a benchmark."""
    return tuple(row for row in PUBLISHED if row.benchmark == benchmark)
