"""The formats in which data sets with known cameras come, by name (imports nothing heavy)."""

from __future__ import annotations

from typing import Literal

Format = Literal[
    "auto",
    "poses-json",
    "nerfstudio",
    "colmap",
    "mipnerf360",
    "llff",
    "nope-nerf",
    "co3d",
    "scannet",
    "7scenes",
    "tum",
    "dtu",
]

PhotoChoice = Literal["all", "train", "test"]
"""Which photos of a data set count: all, or one side of its split."""
