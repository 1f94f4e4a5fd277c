"""Robust losses and scales."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

CAUCHY_BEND = 2.385
"""Where Cauchy's loss bends, in standard deviations of Gaussian noise: 95 % efficiency (Holland &
Welsch 1977)."""
SIGMA_OF_MEDIAN = 1.4826
"""Standard deviation of Gaussian noise over the median of its absolute values."""


def cauchy_loss(residual: Float[np.ndarray, " M"]) -> float:
    """Sum of Cauchy's loss of residuals in units of where it bends."""
    return float(np.log1p(residual**2).sum())


def cauchy_divisor(
    residual: Float[np.ndarray, "*B"], bend: float | Float[np.ndarray, "*B"] = 1.0
) -> Float[np.ndarray, "*B"]:
    """What reweighted least squares divides the weight of each residual by under Cauchy's loss."""
    return 1 + (residual / bend) ** 2


def sigma_by_median(residual: Float[np.ndarray, "*B"]) -> float:
    """Standard deviation of Gaussian noise about zero by the median of its absolute values."""
    return SIGMA_OF_MEDIAN * float(np.median(np.abs(residual)))


def median_of_few(values: Float[np.ndarray, " M"]) -> float:
    """`np.median` of at least one number, for short arrays, where that takes a while to begin."""
    ranked, count = np.sort(values), len(values)
    return float(0.5 * (ranked[(count - 1) // 2] + ranked[count // 2]))
