"""Do the photos' errors look like those of a camera that moved while it read its rows?

Of a rolling shutter (and of stabilised video, whose window moves on while rows are read) every row
has a pose of its own. What is left of that after bundle adjustment with one pose a photo is, to
first order, a twist of the camera times how far down the photo a point lies (Hedborg et al.,
"Rolling shutter bundle adjustment", CVPR 2012). Blur and keypoints on blank walls make errors too,
but not of this form.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from ...geometry.groups import rows_of_each
from ...geometry.projection import normalized_from_pixels, twist_derivatives
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor, sigma_by_median
from ...scene.camera import Camera
from ...scene.sparse_model import SparseModel

_FEWEST, _MOST = 60, 400
"""Points of a photo that are asked."""
_SAMPLE = 100
"""Photos that tell what is usual."""
_TWIST = 6
"""Numbers that move a camera."""


def reading_motion(model: SparseModel) -> float:
    """Share of the squared errors of a photo's points that a steady motion while its rows, or its
    columns, are read explains beyond chance, 0 to 1: median over the photos, or over a sample of
    many; NaN where none has enough points."""
    photos = np.flatnonzero(model.registered)
    evenly = np.linspace(0, len(photos) - 1, min(len(photos), _SAMPLE)).round().astype(int)
    rows_of = rows_of_each(model.observations[:, 1], len(model.names))
    shares = []
    for photo in photos[evenly].tolist():
        rows = rows_of[photo]
        if len(rows) < _FEWEST:
            continue
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(int))]
        camera = model.cameras[int(model.camera_index[photo])]
        points = model.points[model.observations[rows, 0]]
        xy = model.observation_xy[rows]
        shares.append(_explained(camera, model.cam_from_world[photo], points, xy))
    return float(np.median(shares)) if shares else float("nan")


def _explained(
    camera: Camera,
    pose: Float[np.ndarray, "4 4"],
    points: Float[np.ndarray, "N 3"],
    xy: Float[np.ndarray, "N 2"],
) -> float:
    """Share of the errors of one photo's points, the pose free, that the better of both explains.

    Cauchy weights of the errors as they are; shares are of variances (adjusted R^2), so that they
    are 0 on average where nothing is explained.
    """
    x = points @ pose[:3, :3].T + pose[:3, 3]
    unit = float(np.median(np.abs(x[:, 2]))) or 1.0
    x[:, 2] = np.maximum(x[:, 2], 1e-6 * unit)
    off = x[:, :2] / x[:, 2:] - normalized_from_pixels(camera, xy)
    bend = CAUCHY_BEND * max(sigma_by_median(off), 1e-12)
    weight = 1 / np.sqrt(cauchy_divisor(np.linalg.norm(off, axis=1), bend))
    J = weight[:, None, None] * twist_derivatives(x, unit)
    still = J.reshape(-1, _TWIST)
    error = _without(still, (weight[:, None] * off).reshape(-1, 1))
    left = [1.0]
    for place in (xy / (camera.width, camera.height) - 0.5).T:
        moving = _without(still, (J * place[:, None, None]).reshape(-1, _TWIST))
        left.append(float((_without(moving, error) ** 2).sum() / max((error**2).sum(), 1e-300)))
    free = len(error) - _TWIST
    return max(0.0, 1 - min(left) * free / (free - _TWIST))


def _without(
    columns: Float[np.ndarray, "M K"], values: Float[np.ndarray, "M L"]
) -> Float[np.ndarray, "M L"]:
    """What linear combinations of the columns leave of the values."""
    Q, _ = np.linalg.qr(columns)
    return values - Q @ (Q.T @ values)
