"""What aligned depth maps say of triangulated points, as residuals of bundle adjustment.

A map is right up to a scale and a shift of its own, so both are estimated along with the cameras:
what is left are the ratios of depths within one photo, which is all that a map says. The world's
scale changes no residual.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pyceres
from jaxtyping import Float, Int

from ...depth.keypoints import KeypointPriors
from ...depth.map_fit import FittedMap, fit_maps, fitted_depth
from ...geometry.robust import SIGMA_OF_MEDIAN
from ...scene.depth_maps import DepthKind
from ...scene.sparse_model import SparseModel
from ..thresholds import DEPTH

_MOST = 150
"""Points of a photo that are asked."""
_INDEPENDENT = 10.0
"""Networks bend whole regions of a photo: no more of its points count as independent."""
_LEAST_SIGMA = 0.05
"""Sigma of the logarithm of a depth by its map, however well the map fits."""


@dataclass(frozen=True)
class DepthTerms:
    """What one photo's map says of points that the photo observes."""

    photo: int
    tracks: Int[np.ndarray, " N"]
    share: Float[np.ndarray, " N"]
    """Where each value lies between the smallest and the largest of them, from 0 to 1."""
    ends: Float[np.ndarray, " 2"]
    """Logarithms of depth (or disparity) at the smallest and the largest value: scale and shift of
    the map in a form that stays positive between them."""
    kind: DepthKind
    sigma: float
    """Standard deviation of the logarithm of one depth."""

    @property
    def weight(self) -> float:
        """Factor of each residual, so that all together count as independent ones do."""
        return math.sqrt(min(1.0, _INDEPENDENT / len(self.tracks)))


def depth_terms(model: SparseModel, priors: KeypointPriors) -> list[DepthTerms]:
    """Terms of every photo whose map follows the depths of the model's points."""
    kind, fitted = fit_maps(model, priors)
    terms = [_terms_of(model, one, kind) for one in fitted if one.fit.kept]
    return [one for one in terms if one is not None]


def _terms_of(model: SparseModel, fitted: FittedMap, kind: DepthKind) -> DepthTerms | None:
    alpha, beta = fitted.fit.alpha, fitted.fit.beta
    known = np.flatnonzero(np.isfinite(fitted_depth(fitted.values, fitted.fit, kind)))
    if len(known) < DEPTH.min_term_points:
        return None
    some = known[np.unique(np.linspace(0, len(known) - 1, _MOST).astype(int))]
    values = fitted.values[some]
    low, high = float(values.min()), float(values.max())
    if not high > low:
        return None
    return DepthTerms(
        photo=fitted.photo,
        tracks=model.observations[fitted.rows[some], 0],
        share=(values - low) / (high - low),
        ends=np.log(alpha * np.array([low, high]) + beta),
        kind=kind,
        sigma=max(_LEAST_SIGMA, SIGMA_OF_MEDIAN * fitted.fit.residual),
    )


class DepthCost(pyceres.CostFunction):
    """Logarithm of a point's depth in a photo over what the photo's map says, times a factor.

    Parameter blocks: cam_from_world (quaternion x y z w, translation), the point in the world, and
    `DepthTerms.ends`.
    """

    def __init__(self, share: float, kind: DepthKind, factor: float) -> None:
        """Args: `share` and `kind` as in `DepthTerms`; what the residual is multiplied by."""
        super().__init__()
        self._share, self._factor = share, factor
        self._sign = -1.0 if kind == "depth" else 1.0
        self.set_num_residuals(1)
        self.set_parameter_block_sizes([7, 3, 2])

    # Called by ceres for each point and iteration: plain numbers are several times faster here
    # than arrays of three.
    def Evaluate(self, parameters, residuals, jacobians):
        """The residual, and its derivatives where they are asked for."""
        (qx, qy, qz, qw, _, _, tz), (x, y, z), (low, high) = (p.tolist() for p in parameters)
        row = (2 * (qx * qz - qw * qy), 2 * (qy * qz + qw * qx), 1 - 2 * (qx * qx + qy * qy))
        depth = row[0] * x + row[1] * y + row[2] * z + tz
        near = (1 - self._share) * math.exp(low)
        far = self._share * math.exp(high)
        if depth <= 0 or near + far <= 0:
            return False
        residuals[0] = self._factor * (math.log(depth) + self._sign * math.log(near + far))
        if jacobians is None:
            return True
        by_depth = self._factor / depth
        if jacobians[0] is not None:
            jacobians[0][:] = (
                2 * by_depth * (qz * x + qw * y - 2 * qx * z),
                2 * by_depth * (qz * y - qw * x - 2 * qy * z),
                2 * by_depth * (qx * x + qy * y),
                2 * by_depth * (qx * y - qy * x),
                0.0,
                0.0,
                by_depth,
            )
        if jacobians[1] is not None:
            jacobians[1][:] = (by_depth * row[0], by_depth * row[1], by_depth * row[2])
        if jacobians[2] is not None:
            by_map = self._sign * self._factor / (near + far)
            jacobians[2][:] = (by_map * near, by_map * far)
        return True
