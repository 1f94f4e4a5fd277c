"""Focal lengths that matches leave open, as what is known of lenses has them.

An optimum of bundle adjustment is one even where nothing holds it: seen from above, or walking
straight on, a longer lens and a place farther away make the same photos. Where matches leave the
focal length so open that EXIF, or what lenses are like, would move it, it goes where both together
have it most probably.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pycolmap

from ...io.colmap import (
    camera_from_colmap,
    camera_id_of,
    index_of_camera,
    model_from_reconstruction,
)
from ...scene.camera import Camera
from ..lens_thresholds import LENS
from .bundle_adjustment import Freedom
from .lens_adjustment import SAME_CERES, adjust_with_lens
from .lens_prior import LensPrior, lens_prior
from .pose_covariance import pose_uncertainty

_MOST_PHOTOS = 300
"""Photos beyond which nobody asks: so many tell a focal length, and the question costs time."""
_SENSORS = (4 / 3, 3 / 2)
"""Shapes of sensors; photos of another shape are cropped from one."""
_SAME_SHAPE = 0.02
_OPEN = 10.0
"""Standard deviation of a logarithm of which nothing is known."""
_SETTLED = 1e-3
"""Standard deviation of a focal length that is not to be asked again."""


@dataclass(frozen=True)
class SettledFocal:
    """A focal length that matches left open, and what it was settled by. Pixels."""

    camera: int
    """Index of the camera."""
    open_share: float
    """Standard deviation of the focal length by matches alone, as a share of it."""
    by_matches: float
    """Focal length by matches alone."""
    focal: float
    """Focal length by both together."""
    exif: float | None
    """Focal length by EXIF; None where what lenses are like settled it."""


def exif_focals(camera: Camera, focal: float) -> tuple[float, ...]:
    """Focal lengths in pixels that one by EXIF may mean.

    The 35 mm equivalent is that of the diagonal of what was taken, by the standard; of a photo
    cropped to another shape many cameras write that of the whole sensor.

    Args:
        focal: in pixels, by the diagonal of the photo.
    """
    long_side, short_side = sorted((camera.width, camera.height), reverse=True)
    shape = long_side / short_side
    if any(abs(shape / sensor - 1) < _SAME_SHAPE for sensor in _SENSORS):
        return (focal,)
    found = [focal]
    for sensor in _SENSORS:
        # Wider photos keep the sensor's width, others its height.
        side = 1.0 if shape > sensor else sensor / shape
        whole = side * math.hypot(1, 1 / sensor)
        found.append(focal * whole / math.hypot(1, 1 / shape))
    return tuple(found)


def meant_by_exif(camera: Camera, focal: float) -> float:
    """That of `exif_focals` which is nearest to a camera's focal length."""
    return min(exif_focals(camera, focal), key=lambda f: abs(math.log(f / camera.K[0, 0])))


def lens_priors(cameras: Sequence[Camera], exif: Sequence[float | None]) -> tuple[LensPrior, ...]:
    """What is known of the lenses of a model; EXIF where it does not contradict the model.

    Args:
        exif: of each camera the focal length in pixels by EXIF, if there is one.
    """
    found = []
    for camera, focal in zip(cameras, exif, strict=True):
        sigma = None
        if focal is not None:
            off = abs(math.log(meant_by_exif(camera, focal) / camera.K[0, 0]))
            sigma = LENS.exif_sigma if off < LENS.exif_outlier * LENS.exif_sigma else None
        found.append(lens_prior(camera, sigma))
    return tuple(found)


def settle_focal_lengths(
    reconstruction: pycolmap.Reconstruction,
    names: Sequence[str],
    freedom: Mapping[int, Freedom],
    loss_scale: float,
    exif: Mapping[int, float],
) -> tuple[SettledFocal, ...]:
    """Moves focal lengths that matches leave open, in place.

    Args:
        freedom: camera id to what may be estimated.
        loss_scale: where the Cauchy loss bends, in pixels.
        exif: camera id to EXIF's focal length in pixels.
    """
    cameras = {i: camera_from_colmap(c) for i, c in reconstruction.cameras.items()}
    seen = {image.camera_id for image in reconstruction.images.values() if image.has_pose}
    aims = {i: _aim(camera, exif.get(i)) for i, camera in cameras.items() if i in seen}
    doubtful = [i for i, aim in aims.items() if _matters(cameras[i], *aim, told=i in exif)]
    few = 2 <= reconstruction.num_reg_images() <= _MOST_PHOTOS
    if not (SAME_CERES and doubtful and few):
        return ()
    model = model_from_reconstruction(reconstruction, names)
    ids = sorted(reconstruction.cameras)
    priors = [replace(lens_prior(cameras[i]), focal_sigma=_OPEN) for i in ids]
    sigma = dict(zip(ids, pose_uncertainty(model, priors=priors).focal.tolist(), strict=True))
    settled: dict[int, LensPrior] = {}
    told = []
    for i in doubtful:
        focal, own = cameras[i].K[0, 0], LENS.systematic * sigma[i]
        aim, believed = aims[i]
        off = math.log(aim / focal)
        if not np.isfinite(own) or (
            i in exif and abs(off) > LENS.exif_outlier * math.hypot(own, believed)
        ):
            continue
        if i not in exif and own < LENS.open_typical:
            continue
        shift = off * own**2 / (own**2 + believed**2)
        if abs(shift) < (LENS.min_shift if i in exif else LENS.min_shift_typical):
            continue
        settled[i] = replace(
            lens_prior(cameras[i]), focal=focal * math.exp(shift), focal_sigma=_SETTLED
        )
        both, source = float(focal * math.exp(shift)), aim if i in exif else None
        told.append(SettledFocal(index_of_camera(i), float(own), float(focal), both, source))
    if settled:
        chosen = {i: freedom[i] for i in settled}
        adjust_with_lens(reconstruction, chosen, loss_scale, settled)
        reconstruction.update_point_3d_errors()
    return tuple(told)


def _aim(camera: Camera, exif: float | None) -> tuple[float, float]:
    """A focal length and the standard deviation of its logarithm, before any match."""
    if exif is not None:
        return meant_by_exif(camera, exif), LENS.exif_sigma
    ratio, sigma = LENS.typical_focal
    return ratio * max(camera.width, camera.height), sigma


def _matters(camera: Camera, aim: float, sigma: float, *, told: bool) -> bool:
    """Whether a focal length is so far off that it could be for want of matches: EXIF's by more
    than a half of its standard deviation, others by more than one."""
    share = 0.5 if told else 1.0
    return abs(math.log(camera.K[0, 0] / aim)) > share * sigma


def focals_by_exif(cameras: Sequence[Camera], known: Sequence[bool]) -> dict[int, float]:
    """Camera id to EXIF's focal length in pixels, of the cameras of a database."""
    return {
        camera_id_of(index): float(camera.K[0, 0])
        for index, (camera, told) in enumerate(zip(cameras, known, strict=True))
        if told
    }
