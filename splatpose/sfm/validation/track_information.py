"""What the observations of each track say of its point, side by side for parts of a model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from ...geometry.projection import project
from ...geometry.robust import CAUCHY_BEND, cauchy_divisor
from ...scene.sparse_model import SparseModel
from ..correspondences import REFERENCE_SIDE
from ..mapping.pose_covariance import noise_sigma
from ..thresholds import INLIERS


@dataclass(frozen=True)
class TrackInformation:
    """Normal equations of the points of a model, one observation at a time, grouped by track."""

    track: Int[np.ndarray, " O"]
    photo: Int[np.ndarray, " O"]
    square: Float[np.ndarray, "O 3 3"]
    """Derivatives of the residual by the point, squared, over the noise."""
    slope: Float[np.ndarray, "O 3"]
    """Derivatives times the residual, likewise."""
    start: Int[np.ndarray, " S"]
    """First row of each track."""
    by_photo: Int[np.ndarray, " O"]
    """Tracks of the observations of each photo, photo after photo."""
    photo_start: Int[np.ndarray, " B"]
    """First entry of `by_photo` of each photo."""

    @property
    def num_tracks(self) -> int:
        return len(self.start) - 1

    def common_tracks(self, side: Bool[np.ndarray, " V"]) -> Int[np.ndarray, " N"]:
        """Tracks that are seen from both sides, and by three photos at least."""
        bounds = self.photo_start
        photos = np.flatnonzero(side).tolist()
        seen = [self.by_photo[bounds[photo] : bounds[photo + 1]] for photo in photos]
        inside = np.bincount(np.concatenate(seen), minlength=self.num_tracks)
        total = np.diff(self.start)
        return np.flatnonzero((inside > 0) & (inside < total) & (total >= 3))

    def without_photos_held_elsewhere(
        self, side: Bool[np.ndarray, " V"], share: float
    ) -> Bool[np.ndarray, " V"]:
        """The side without photos that share as many tracks with two or more of the other one.

        Args:
            share: of the tracks that a photo shares with its own side.
        """
        kept = side.copy()
        for _ in range(_BORDER):
            inside = kept[self.photo]
            own = np.bincount(self.track[inside], minlength=self.num_tracks)
            other = np.diff(self.start) - own
            photo, track = self.photo[inside], self.track[inside]
            with_own = np.bincount(photo[own[track] > 1], minlength=len(side))
            with_other = np.bincount(photo[other[track] > 1], minlength=len(side))
            held = kept & (with_other > share * with_own)
            if not held.any():
                break
            kept &= ~held
        return kept

    def rows(self, tracks: Int[np.ndarray, " N"]) -> Int[np.ndarray, " R"]:
        """Observations of some tracks, track after track."""
        number = self.start[tracks + 1] - self.start[tracks]
        ends = np.cumsum(number)
        return np.arange(ends[-1]) + np.repeat(self.start[tracks] - ends + number, number)

    def most_seen_by(
        self, tracks: Int[np.ndarray, " N"], photos: Bool[np.ndarray, " V"]
    ) -> int | None:
        """The photo that sees most of some tracks."""
        if not len(tracks):
            return None
        number = np.bincount(self.photo[self.rows(tracks)], minlength=len(photos))
        return int(np.where(photos, number, -1).argmax())

    def between(
        self, tracks: Int[np.ndarray, " N"], side: Bool[np.ndarray, " V"]
    ) -> tuple[Float[np.ndarray, "N 3 3"], Float[np.ndarray, "N 3"]]:
        """What tracks say of a shift of one side: the inverse of the sum of the covariances that
        either side has of the point; and that times the way from one side's point to the other's.
        """
        rows = self.rows(tracks)
        number = self.start[tracks + 1] - self.start[tracks]
        first = np.cumsum(number) - number
        inside = side[self.photo[rows]].astype(float)
        total = np.add.reduceat(self.square[rows], first)
        part = np.add.reduceat(inside[:, None, None] * self.square[rows], first)
        slope = np.add.reduceat(self.slope[rows], first)
        own = np.add.reduceat(inside[:, None] * self.slope[rows], first)
        trace = np.einsum("tii->t", total)
        total = total + _RIDGE * trace[:, None, None] * np.eye(3) + 1e-300 * np.eye(3)
        given = np.linalg.solve(total, part)
        both = part - np.einsum("tji,tjk->tik", part, given)
        # At the point that suits both sides best, what one side pulls the other pulls back.
        pull = own - np.einsum("tji,tj->ti", given, slope)
        return 0.5 * (both + both.transpose(0, 2, 1)), pull


_RIDGE = 1e-9
_BORDER = 5
"""Photos, one behind the other, that a border moves at most."""


def track_information(model: SparseModel) -> TrackInformation:
    """Linearises all observations at the points of the model; those that do not fit count less."""
    order = np.argsort(model.observations[:, 0], kind="stable")
    track, photo = model.observations[order, 0], model.observations[order, 1]
    xy = model.observation_xy[order]
    residual, J = _linearised(model, track, photo, xy)
    sizes = np.array([max(c.width, c.height) for c in model.cameras]) / REFERENCE_SIDE
    pixel = sizes[model.camera_index[photo]]
    distance = np.linalg.norm(residual, axis=1) / pixel
    known = np.isfinite(distance)
    unknowns = 3 * len(model.points) + 6 * int(model.registered.sum())
    median = float(np.median(distance[known])) if known.any() else 0.0
    noise = noise_sigma(median, 2 * len(distance), unknowns, INLIERS.noise_floor_px)
    weight = 1 / cauchy_divisor(distance, CAUCHY_BEND * noise) / (noise * pixel) ** 2
    weight = np.where(known, weight, 0.0)
    residual, J = np.where(known[:, None], residual, 0), np.where(known[:, None, None], J, 0)
    tracks = np.arange(len(model.points) + 1)
    places = np.argsort(photo, kind="stable")
    return TrackInformation(
        track=track,
        photo=photo,
        square=np.einsum("o,oki,okj->oij", weight, J, J),
        slope=np.einsum("o,oki,ok->oi", weight, J, residual),
        start=np.searchsorted(track, tracks),
        by_photo=track[places],
        photo_start=np.searchsorted(photo[places], np.arange(len(model.names) + 1)),
    )


def _linearised(
    model: SparseModel,
    track: Int[np.ndarray, " O"],
    photo: Int[np.ndarray, " O"],
    xy: Float[np.ndarray, "O 2"],
) -> tuple[Float[np.ndarray, "O 2"], Float[np.ndarray, "O 2 3"]]:
    """Residuals in pixels, NaN behind the camera, and their derivatives by the points; the lens
    bends the residuals, and hardly the derivatives."""
    residual = np.full((len(track), 2), np.nan)
    order = np.argsort(photo, kind="stable")
    bounds = np.searchsorted(photo[order], np.arange(len(model.names) + 1))
    for index in np.unique(photo).tolist():
        own = order[bounds[index] : bounds[index + 1]]
        camera = model.cameras[model.camera_index[index]]
        found, depth = project(camera, model.cam_from_world[index], model.points[track[own]])
        residual[own] = np.where(depth[:, None] > 0, found - xy[own], np.nan)
    pose = model.cam_from_world[photo]
    x = np.einsum("oij,oj->oi", pose[:, :3, :3], model.points[track]) + pose[:, :3, 3]
    focal = np.array([[c.K[0, 0], c.K[1, 1]] for c in model.cameras])[model.camera_index[photo]]
    z = x[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        of_x = np.zeros((len(track), 2, 3))
        of_x[:, 0, 0], of_x[:, 1, 1] = focal[:, 0] / z, focal[:, 1] / z
        of_x[:, :, 2] = -focal * x[:, :2] / z[:, None] ** 2
        return residual, of_x @ pose[:, :3, :3]
