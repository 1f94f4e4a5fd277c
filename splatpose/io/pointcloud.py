"""Coloured points as a plain .ply, which every mesh viewer and nerfstudio's splatfacto read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from plyfile import PlyData, PlyElement

from .atomic import replacing

_TYPE = np.dtype(
    [(axis, "<f4") for axis in ("x", "y", "z")] + [(c, "u1") for c in ("red", "green", "blue")]
)


def write_point_cloud(
    path: Path, points: Float[np.ndarray, "T 3"], colors: UInt8[np.ndarray, "T 3"]
) -> None:
    """Writes points and their RGB colours atomically, binary little endian."""
    table = np.empty(len(points), _TYPE)
    for column, axis in enumerate(("x", "y", "z")):
        table[axis] = points[:, column]
    for column, channel in enumerate(("red", "green", "blue")):
        table[channel] = colors[:, column]
    with replacing(path) as temporary:
        PlyData([PlyElement.describe(table, "vertex")], byte_order="<").write(str(temporary))
