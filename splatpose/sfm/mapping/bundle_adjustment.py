"""Robust bundle adjustment of a reconstruction together with its tracks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pycolmap
from jaxtyping import Float

from ...io.colmap import image_id_of
from ...io.colmap_database import opened
from ...scene.camera import CameraModel
from ..correspondences import REFERENCE_SIDE

FEW_PHOTOS = 3
"""Photos so few that tracks of two views are all there is; with more they are left out as
unchecked."""

_ITERATIONS = 50
"""Most iterations of a bundle adjustment."""
_ROUGH_ITERATIONS = 6
"""Those of a rough one."""
_MIN_ANGLE_DEG = 1.5
"""Between the rays to a point (COLMAP's default)."""
_SETTLED = 5e-4
"""Share of the observations: where tracks change by less, no further round follows."""


@dataclass(frozen=True)
class Freedom:
    """What bundle adjustment may estimate of one camera."""

    model: CameraModel
    principal_point: bool = False

    def __str__(self) -> str:
        return self.model + (" with principal point" if self.principal_point else "")


@dataclass(frozen=True)
class Scales:
    """Thresholds of one reconstruction, in pixels of its photos as given."""

    loss: float
    """Where the Cauchy loss bends."""
    outlier: float
    """Observations with a larger reprojection error are dropped."""


def measure_scales(reconstruction: pycolmap.Reconstruction) -> Scales:
    """Thresholds that suit the keypoints of a reconstruction, see `scales_of`."""
    pixel = max(max(c.width, c.height) for c in reconstruction.cameras.values()) / REFERENCE_SIDE
    errors = [point.error for point in reconstruction.points3D.values() if point.has_error()]
    return scales_of(np.array(errors, np.float64), pixel)


def scales_of(errors: Float[np.ndarray, " T"], pixel: float) -> Scales:
    """Thresholds that suit the keypoints' own accuracy.

    The loss bends at twice the median track error, which is 2.385 standard deviations of Gaussian
    noise, where Cauchy's estimator is 95 % efficient (Holland & Welsch 1977). Learned
    keypoints are several times noisier than SIFT's, and a fixed scale would either trust their
    tails or discard half of them.

    Args:
        errors: mean reprojection error of each track in pixels.
        pixel: one of a photo whose longer side has `REFERENCE_SIDE`, in those.
    """
    median = float(np.median(errors)) if len(errors) else pixel
    loss = float(np.clip(2.0 * median, 0.25 * pixel, 2.0 * pixel))
    return Scales(loss, float(np.clip(8.0 * median, 2.0 * pixel, 4.0 * pixel)))


def least_freedom(reconstruction: pycolmap.Reconstruction) -> dict[int, Freedom]:
    """What every camera may estimate without being asked: focal length and, unless there are only
    few photos, one distortion coefficient. Those do not tell a long lens that distorts from a
    short one. Of a camera known to distort in many terms the distortion stays as it is."""
    few = reconstruction.num_reg_images() <= FEW_PHOTOS
    model: CameraModel = "SIMPLE_PINHOLE" if few else "SIMPLE_RADIAL"
    return {
        i: Freedom("FULL_OPENCV" if camera.model_name == "FULL_OPENCV" else model)
        for i, camera in reconstruction.cameras.items()
    }


def set_model(camera: pycolmap.Camera, model: CameraModel) -> None:
    """Changes a camera's model, keeping what both models have; new parameters start at zero."""
    focal = camera.mean_focal_length()
    center = [camera.principal_point_x, camera.principal_point_y]
    radial = [*camera.params[list(camera.extra_params_idxs())], *[0.0] * 8]
    params = {
        "SIMPLE_PINHOLE": [focal, *center],
        "PINHOLE": [focal, focal, *center],
        "SIMPLE_RADIAL": [focal, *center, radial[0]],
        "RADIAL": [focal, *center, *radial[:2]],
        "OPENCV": [focal, focal, *center, *radial[:4]],
        "FULL_OPENCV": [focal, focal, *center, *radial[:8]],
    }[model]
    if camera.model_name != model:
        camera.model = getattr(pycolmap.CameraModelId, model)
        camera.params = params


def bundle_options(
    loss_scale: float, *, principal_point: bool, iterations: int = _ITERATIONS
) -> pycolmap.BundleAdjustmentOptions:
    """Bundle adjustment with a Cauchy loss, in one thread: ceres sums in the order in which its
    threads arrive, and the same seed shall give the same result."""
    options = pycolmap.BundleAdjustmentOptions()
    options.refine_principal_point = principal_point
    options.print_summary = False
    options.ceres.use_gpu = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.CAUCHY
    options.ceres.loss_function_scale = loss_scale
    options.ceres.solver_options.max_num_iterations = iterations
    options.ceres.solver_options.function_tolerance = 1e-6
    options.ceres.solver_options.num_threads = 1
    # Under a robust loss joint steps creep along the points for dozens of iterations; with points
    # and cameras also adjusted each by itself (Ruhe and Wedin, SIAM Review 1980) ten are enough.
    options.ceres.solver_options.use_inner_iterations = iterations > _ROUGH_ITERATIONS
    return options


class Mapper:
    """COLMAP's incremental mapper holding a finished reconstruction.

    Tracks of two views are triangulated with few photos, or where `two_view_tracks` asks for them.
    """

    def __init__(
        self,
        mapper: pycolmap.IncrementalMapper,
        reconstruction: pycolmap.Reconstruction,
        scales: Scales,
        seed: int,
        two_view_tracks: bool = False,
    ) -> None:
        self.mapper = mapper
        self.reconstruction = reconstruction
        self._scales = scales
        self._seed = seed
        self._two_view_tracks = two_view_tracks

    def with_scales(self, scales: Scales) -> Mapper:
        """The same mapper with other thresholds."""
        others = (self.reconstruction, scales, self._seed, self._two_view_tracks)
        return Mapper(self.mapper, *others)

    def options(self) -> pycolmap.IncrementalMapperOptions:
        options = pycolmap.IncrementalMapperOptions()
        options.num_threads = 1
        options.random_seed = self._seed
        options.filter_max_reproj_error = self._scales.outlier
        return options

    def triangulation(self) -> pycolmap.IncrementalTriangulatorOptions:
        options = pycolmap.IncrementalTriangulatorOptions()
        options.random_seed = self._seed
        options.merge_max_reproj_error = self._scales.outlier
        options.complete_max_reproj_error = self._scales.outlier
        few = self.reconstruction.num_reg_images() <= FEW_PHOTOS
        options.ignore_two_view_tracks = not (few or self._two_view_tracks)
        return options

    def register_at(self, photo: int, pose: Float[np.ndarray, "4 4"]) -> None:
        """Gives a photo a pose (cam_from_world) and triangulates what it sees."""
        frame = self.reconstruction.image(image_id_of(photo)).frame_id
        self.reconstruction.frame(frame).rig_from_world = pycolmap.Rigid3d(pose[:3])
        self.mapper.observation_manager.register_frame(frame)
        self.mapper.triangulate_image(self.triangulation(), image_id_of(photo))

    def triangulate_all(self) -> None:
        """Triangulates what the photos that have a pose see."""
        for image_id in sorted(self.reconstruction.reg_image_ids()):
            self.mapper.triangulate_image(self.triangulation(), image_id)

    def filter_points(self) -> None:
        """Drops observations far off, and points that all see from one side."""
        self.mapper.observation_manager.filter_all_points3D(self._scales.outlier, _MIN_ANGLE_DEG)

    def deregister(self, photos: Iterable[int]) -> None:
        """Takes the poses of photos back."""
        for photo in sorted(photos):
            frame = self.reconstruction.image(image_id_of(photo)).frame_id
            self.mapper.observation_manager.deregister_frame(frame)

    def refine(
        self,
        freedom: Mapping[int, Freedom],
        *,
        rounds: int,
        hold: bool = False,
        held: Iterable[int] = (),
        rough: int = 0,
    ) -> None:
        """Alternates bundle adjustment with completing, merging and filtering tracks.

        Args:
            freedom: camera id to what may be estimated; cameras that it lacks, those of which no
                photo was placed when it was decided, have the least.
            hold: keep the intrinsics as they are.
            held: cameras to keep the intrinsics of.
            rough: rounds of a few iterations before the others. From near its end, what is adjusted
                finely before tracks have come and gone is so in vain.
        """
        freedom = least_freedom(self.reconstruction) | dict(freedom)
        for camera_id, camera in self.reconstruction.cameras.items():
            set_model(camera, freedom[camera_id].model)
        parts = [(rough, _ROUGH_ITERATIONS), (rounds, _ITERATIONS)]
        for phase in _phases(freedom, frozenset(held)):
            options = self.options()
            options.constant_cameras = set(freedom) if hold else set(phase.constant)
            for number, iterations in [part for part in parts if part[0]]:
                bundle = bundle_options(
                    self._scales.loss,
                    principal_point=phase.principal_point,
                    iterations=iterations,
                )
                bundle.refine_extra_params = phase.distortion
                self.mapper.iterative_global_refinement(
                    number, _SETTLED, options, bundle, self.triangulation(), True
                )


@contextmanager
def mapping(
    reconstruction: pycolmap.Reconstruction,
    database_path: Path,
    scales: Scales,
    *,
    min_matches: int,
    seed: int,
    two_view_tracks: bool = False,
) -> Iterator[Mapper]:
    """Loads the matches of a database and works on `reconstruction` in place."""
    options = pycolmap.DatabaseCacheOptions()
    options.min_num_matches = min_matches
    with opened(database_path) as database:
        cache = pycolmap.DatabaseCache.create(database, options)
    models = _take_models(reconstruction, cache)
    mapper = pycolmap.IncrementalMapper(cache)
    mapper.begin_reconstruction(reconstruction)
    for camera_id, (model, params) in models.items():
        camera = reconstruction.cameras[camera_id]
        camera.model = model
        camera.params = list(params)
    try:
        yield Mapper(mapper, reconstruction, scales, seed, two_view_tracks)
    finally:
        mapper.end_reconstruction(False)
        reconstruction.update_point_3d_errors()


def _take_models(
    reconstruction: pycolmap.Reconstruction, cache: pycolmap.DatabaseCache
) -> dict[int, tuple[pycolmap.CameraModelId, np.ndarray]]:
    """Gives the cameras the database's models, which COLMAP insists on when it loads."""
    kept = {}
    for camera_id, camera in reconstruction.cameras.items():
        kept[camera_id] = (camera.model, np.array(camera.params))
        if cache.exists_camera(camera_id):
            set_model(camera, cast(CameraModel, cache.camera(camera_id).model_name))
    return kept


@dataclass(frozen=True)
class _Phase:
    """One of several bundle adjustments in a row."""

    principal_point: bool
    distortion: bool
    constant: frozenset[int]
    """Cameras whose intrinsics are held."""


def _phases(freedom: Mapping[int, Freedom], held: frozenset[int]) -> Sequence[_Phase]:
    """Bundle adjustments to run.

    COLMAP frees the principal points of all cameras or of none, and the distortion likewise, so
    cameras that may not move theirs wait while the others do.
    """
    rich = frozenset(i for i, f in freedom.items() if f.model == "FULL_OPENCV") - held
    free = frozenset(i for i, f in freedom.items() if f.principal_point) - held - rich
    waiting = frozenset(freedom) - free - rich - held
    phases = []
    if waiting or not (free or rich):
        phases.append(_Phase(False, True, held | rich))
    if free:
        phases.append(_Phase(True, True, frozenset(freedom) - free))
    if rich:
        phases.append(_Phase(False, False, frozenset(freedom) - rich))
    return phases
