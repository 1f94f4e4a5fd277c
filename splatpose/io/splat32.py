"""The .splat layout of the antimatter15 web viewer: 32 bytes a Gaussian, no view dependence.

Position and scale as 3 float32 each, colour and opacity as RGBA bytes, the rotation's wxyz as
bytes 128 + 128 q; the most visible Gaussians first, so that a viewer can show what has arrived.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..scene.splats import Splats
from .atomic import write_bytes
from .ply import finite_gaussians

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi))."""

_TYPE = np.dtype([("mean", "<f4", 3), ("scale", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def write_splat32(path: Path, splats: Splats) -> int:
    """Writes a .splat atomically and returns how many Gaussians were left out as not finite."""
    keep = finite_gaussians(splats).cpu().numpy()
    scale = splats.log_scales.detach().cpu().numpy()[keep]
    logit = splats.logit_opacities.detach().cpu().numpy()[keep].astype(np.float64)
    quat = splats.quats.detach().cpu().numpy()[keep].astype(np.float64)
    norm = np.linalg.norm(quat, axis=1, keepdims=True)
    quat = np.where(norm > 0, quat / np.where(norm > 0, norm, 1), (1.0, 0.0, 0.0, 0.0))
    opacity = 1 / (1 + np.exp(-np.clip(logit, -60, 60)))
    color = 0.5 + SH_C0 * splats.sh[:, 0].detach().cpu().numpy()[keep]
    rows = np.empty(len(quat), _TYPE)
    rows["mean"] = splats.means.detach().cpu().numpy()[keep]
    rows["scale"] = np.exp(scale)
    rows["rgba"] = _bytes(np.concatenate([color, opacity[:, None]], axis=1) * 255)
    rows["quat"] = _bytes(quat * 128 + 128)
    visible_first = np.argsort(-(scale.sum(axis=1) + np.log(opacity)), kind="stable")
    write_bytes(path, rows[visible_first].tobytes())
    return int((~keep).sum())


def _bytes(values: np.ndarray) -> np.ndarray:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
