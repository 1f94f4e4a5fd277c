"""Tracks in two halves, and what cameras that were fitted to one cost the other."""

from __future__ import annotations

import numpy as np
import pycolmap
from jaxtyping import Float, Int

from ...io.colmap import model_from_reconstruction
from ..held_out import drawn
from ..lens_thresholds import LENS
from ..reprojection import reprojection_errors
from .bundle_adjustment import Scales, bundle_options

_MAX_TRACKS = 4000
ITERATIONS = 30
"""Of a bundle adjustment of some tracks."""
_BEHIND = 1e3
"""In pixels: what the error behind a camera counts as."""


def halves_of_tracks(
    reconstruction: pycolmap.Reconstruction, seed: int
) -> tuple[pycolmap.Reconstruction, pycolmap.Reconstruction] | None:
    """Two copies with a random half of the longest tracks each, or None if there are too few."""
    ids = np.array(sorted(reconstruction.point3D_ids()), np.int64)
    if len(ids) < LENS.min_tracks:
        return None
    lengths = np.array([reconstruction.points3D[int(i)].track.length() for i in ids])
    rng = np.random.default_rng(seed)
    # Long tracks tie the cameras together, but all lengths shall be there: a random order, with
    # the two-view tracks last.
    order = np.lexsort((rng.random(len(ids)), lengths < 3))[:_MAX_TRACKS]
    first, second = drawn(ids[order], len(order) // 2, rng)
    return _only(reconstruction, first), _only(reconstruction, second)


def _only(
    reconstruction: pycolmap.Reconstruction, keep: Int[np.ndarray, " T"]
) -> pycolmap.Reconstruction:
    result = pycolmap.Reconstruction(reconstruction)
    for point in reconstruction.point3D_ids() - {int(i) for i in keep}:
        result.delete_point3D(point)
    return result


def every_camera(reconstruction: pycolmap.Reconstruction) -> pycolmap.BundleAdjustmentConfig:
    """Bundle adjustment of all photos that have a pose."""
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in sorted(reconstruction.reg_image_ids()):
        config.add_image(image_id)
    config.fix_gauge(pycolmap.BundleAdjustmentGauge.TWO_CAMS_FROM_WORLD)
    return config


def unseen_cost(
    fitted: pycolmap.Reconstruction, tracks: pycolmap.Reconstruction, scales: Scales
) -> Float[np.ndarray, " T"]:
    """Cost of each track under cameras that were fitted without it.

    Geman-McClure's, which is bounded: what wrong matches cost differs at random between two fits,
    and an unbounded cost would drown the comparison in it.
    """
    test = pycolmap.Reconstruction(tracks)
    for camera_id, camera in fitted.cameras.items():
        test.cameras[camera_id].model = camera.model
        test.cameras[camera_id].params = camera.params
    for frame_id in fitted.reg_frame_ids():
        test.frame(frame_id).rig_from_world = fitted.frame(frame_id).rig_from_world
    options = bundle_options(scales.loss, principal_point=False, iterations=ITERATIONS)
    options.refine_focal_length = options.refine_extra_params = False
    options.refine_rig_from_world = options.refine_sensor_from_rig = False
    config = every_camera(test)
    pycolmap.create_default_bundle_adjuster(options, config, test).solve()
    model = model_from_reconstruction(test)
    errors = reprojection_errors(model)
    squared = (np.where(np.isinf(errors), _BEHIND, errors) / scales.loss) ** 2
    cost = np.zeros(len(model.points))
    np.add.at(cost, model.observations[:, 0], squared / (1 + squared))
    return cost
