"""How far the points of a model project from where photos saw them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from ..geometry.groups import rows_of_each
from ..geometry.projection import project
from ..scene.sparse_model import SparseModel


def reprojection_errors(model: SparseModel) -> Float[np.ndarray, " O"]:
    """Distance of every observation from its point's projection, in pixels of the photo as given;
    infinite behind the camera."""
    track, photo = model.observations[:, 0], model.observations[:, 1]
    return projection_errors(model, track, photo, model.observation_xy)


def projection_errors(
    model: SparseModel,
    track: Int[np.ndarray, " N"],
    photo: Int[np.ndarray, " N"],
    xy: Float[np.ndarray, "N 2"],
) -> Float[np.ndarray, " N"]:
    """Distance of pixels in photos from where the points of tracks project; infinite behind the
    camera, and in photos without a pose."""
    errors = np.full(len(track), np.inf)
    rows_of = rows_of_each(photo, len(model.names))
    for index in np.flatnonzero(model.registered).tolist():
        own = rows_of[index]
        if len(own):
            camera = model.cameras[model.camera_index[index]]
            found, _ = project(camera, model.cam_from_world[index], model.points[track[own]])
            errors[own] = np.linalg.norm(found - xy[own], axis=1)
    return np.where(np.isnan(errors), np.inf, errors)
