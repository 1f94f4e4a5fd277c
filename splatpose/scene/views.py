"""Photos as a Gaussian trainer wants them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from .evidence import JointEvidence
from .sparse_model import SparseModel


@dataclass(frozen=True)
class Views:
    """Registered photos as a Gaussian trainer wants them: undistorted pinhole, resized."""

    names: tuple[str, ...]
    images: tuple[UInt8[np.ndarray, "_H _W 3"], ...]
    """Undistorted photos, RGB; sizes may differ between cameras."""
    masks: tuple[Bool[np.ndarray, "_H _W"] | None, ...]
    """Pixels that exist in the photo; None when all do."""
    Ks: Float[np.ndarray, "V 3 3"]
    cam_from_world: Float[np.ndarray, "V 4 4"]
    held_out: Bool[np.ndarray, " V"]
    """Photos that Gaussian training must never see before they are measured."""
    points: Float[np.ndarray, "T 3"]
    point_colors: UInt8[np.ndarray, "T 3"]
    exposures: Int[np.ndarray, " V"] | None = None
    """Number of what each photo shows, equal for near-copies: of these none is trained on while
    another one measures. None where no two photos show the same."""
    depths: tuple[Float[np.ndarray, "_h _w"] | None, ...] | None = None
    """What a prior says of the depth along z, in world units: a map a view that covers its picture
    at a size of its own, NaN where it says nothing, None of a view without. None where there are no
    priors, or none that a training is to look at."""


@dataclass(frozen=True)
class Joint:
    """Poses and views after the joint optimisation: refined ones, or the given ones."""

    poses: SparseModel
    views: Views
    evidence: JointEvidence
