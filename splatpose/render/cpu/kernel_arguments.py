"""What kernels take: arrays and numbers that belong together, under one name.

Numba takes named tuples apart when it compiles, so that fields cost nothing inside a kernel. Arrays
are flat and float32 where nothing else is said.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Gaussians(NamedTuple):
    """N Gaussians."""

    means: np.ndarray
    """[N * 3]."""
    quats: np.ndarray
    """[N * 4] wxyz."""
    scales: np.ndarray
    """[N * 3]."""
    opacities: np.ndarray
    """[N]."""
    colors: np.ndarray
    """[N * color_stride] harmonics (channel fastest), or plain colours."""
    color_stride: int
    higher: np.ndarray
    """[N * higher_stride] the harmonics that come after those in `colors`."""
    higher_stride: int


class View(NamedTuple):
    """One camera, and what it is to show of each Gaussian."""

    camera: np.ndarray
    """[CAMERA] numbers in the order of `ewa.C_*`."""
    sh_degree: int
    """Degree of harmonics to use, or -1 for plain colours."""
    color_channels: int
    """3 with harmonics; 0 where only depth is rendered."""
    depth_channel: int
    """Channel that holds the depth, or -1."""
    antialiased: bool


class Projected(NamedTuple):
    """N Gaussians as one camera sees them."""

    records: np.ndarray
    """[(N + LANES) * RECORD], undefined for Gaussians that are not visible."""
    depths: np.ndarray
    """[N], 0 if not visible."""
    boxes: np.ndarray
    """[N * 4] int32: first and last tile column and row; undefined if not visible."""


class Slots(NamedTuple):
    """Where the gradients of (tile, Gaussian) pairs are kept: those of a Gaussian in a row."""

    start: np.ndarray
    """[N + 1] int64: first slot of each Gaussian; as many are reserved as its box has tiles."""
    used: np.ndarray
    """[N] int32: slots in use, from the first on: tiles that the Gaussian touches."""
    tiles: np.ndarray
    """[slots] int32: the tile of each slot in use."""


class TileLists(NamedTuple):
    """The Gaussians of each tile, nearest first."""

    offsets: np.ndarray
    """[tiles + 1] int64: where each tile's list starts."""
    members: np.ndarray
    """[entries] int32: Gaussian of each entry."""
    slots: np.ndarray
    """[entries] int32: slot of each entry's gradients."""


class Picture(NamedTuple):
    """A rendered image."""

    width: int
    height: int
    expected_depth: bool
    """Whether the last channel is divided by alpha."""
    image: np.ndarray
    """[height * width * channels]."""
    transmittance: np.ndarray
    """[height * width]: light left behind the last Gaussian."""


class PictureGradients(NamedTuple):
    """Gradients w.r.t. a picture."""

    image: np.ndarray
    """[height * width * channels]."""
    alpha: np.ndarray
    """[height * width]."""


class GaussianGradients(NamedTuple):
    """Gradients w.r.t. N Gaussians, of the sizes of the inputs, and to one camera's 2-D means."""

    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray
    opacities: np.ndarray
    colors: np.ndarray
    higher: np.ndarray
    means2d: np.ndarray
    """[N * 2]."""
    absolute2d: np.ndarray
    """[N * 2] sums of absolute values over pixels, or empty where nobody wants them."""
