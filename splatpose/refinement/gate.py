"""The gate: poses that were refined are kept only if what they never saw agrees with them more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

from ..undistortion.hold_out import with_near_copies

_FEWEST_LEARNING = 4
_VALIDATION = 2


@dataclass(frozen=True)
class Split:
    """What each view does while poses and Gaussians are optimised together."""

    learning: Bool[np.ndarray, " V"]
    """Views that Gaussians are trained on, and whose pixels move their poses."""
    validation: Bool[np.ndarray, " V"]
    """Views that judge by their pixels, and have poses by their matches alone."""


@dataclass(frozen=True)
class Figures:
    """What was measured of one set of poses."""

    psnr: tuple[float, ...]
    """PSNR of each validation photo, in dB."""
    match_error: float
    """Mean clipped error of the held-out tracks, in pixels."""


@dataclass(frozen=True)
class GateThresholds:
    """What refined poses must show to be kept."""

    min_gain: float
    """Gain in PSNR on the validation photos, in dB."""
    min_standard_errors: float
    """Gain in PSNR in its own standard errors over the validation photos."""
    match_tolerance: float
    """Allowed growth of the held-out tracks' error, as a share."""


def split_views(
    held_out: Bool[np.ndarray, " V"], every: int, exposures: Int[np.ndarray, " V"] | None = None
) -> Split | None:
    """Takes validation photos from those that are not held out, evenly; None if too few are left.

    Neither the first nor the last photo judges: no other surrounds it. What shows the same as a
    photo that judges is learned from no more than that photo is.
    """
    candidates = np.flatnonzero(~held_out)
    count = max(_VALIDATION, len(candidates) // max(2, every))
    if len(candidates) - count < _FEWEST_LEARNING:
        return None
    places = (np.arange(count) + 0.5) * len(candidates) / count
    validation = np.zeros(len(held_out), bool)
    validation[candidates[places.astype(int)]] = True
    learning = ~held_out & ~with_near_copies(validation, exposures)
    if learning.sum() < _FEWEST_LEARNING:
        return None
    return Split(learning=learning, validation=validation)


def decide(
    before: Figures, after: Figures, thresholds: GateThresholds
) -> tuple[Literal["kept", "rolled back"], str]:
    """Whether refined poses are kept, and why. A figure that is not finite never keeps them."""
    gains = np.array(after.psnr) - np.array(before.psnr)
    standard_error = float(gains.std(ddof=1)) / len(gains) ** 0.5
    least = max(thresholds.min_gain, thresholds.min_standard_errors * standard_error)
    growth = after.match_error / before.match_error - 1 if before.match_error > 0 else np.inf
    photos = f"validation photos {np.mean(before.psnr):.2f} to {np.mean(after.psnr):.2f} dB"
    matches = f"held-out matches {before.match_error:.3f} to {after.match_error:.3f} pixels"
    if not growth <= thresholds.match_tolerance:
        return "rolled back", f"held-out matches agree less: {matches}; {photos}"
    if not gains.mean() >= least:
        return "rolled back", f"validation photos gain too little: {photos}; {matches}"
    return "kept", f"{photos}; {matches}"
