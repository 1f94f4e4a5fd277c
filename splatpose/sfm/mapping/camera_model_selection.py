"""How much of each camera's intrinsics do the photos determine?

Tracks are split in two halves. Cameras fitted to one half are tested on the tracks of the other,
whose points alone are re-estimated, and the other way round. A camera gets one more degree of
freedom only if that predicts tracks it has not seen better, beyond the noise of the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pycolmap
from jaxtyping import Float

from ...scene.camera import CameraModel
from ...workers import in_threads
from ..lens_thresholds import LENS
from .bundle_adjustment import Freedom, Scales, bundle_options, least_freedom, set_model
from .focal_settlement import SettledFocal
from .lens_adjustment import SAME_CERES, adjust_with_lens
from .unseen_tracks import ITERATIONS, every_camera, halves_of_tracks, unseen_cost

LADDER: tuple[Freedom, ...] = (
    Freedom("SIMPLE_RADIAL"),
    Freedom("RADIAL"),
    *([Freedom("FULL_OPENCV")] if SAME_CERES else []),
)
"""Models without a free principal point, each asked after the one before it.

FULL_OPENCV is that with three radial terms: a lens that strongly distorts in more than one way
shows in none of the first two, whose best fit is another focal length. OPENCV comes last and only
together with a principal point: its tangential terms move it."""

_WITH_CENTER: tuple[CameraModel, ...] = ("RADIAL", "OPENCV")
"""What is asked about once a principal point is taken."""
_MAX_CAMERAS = 4


@dataclass(frozen=True)
class Choice:
    """What was decided, and the figures behind it."""

    freedom: dict[int, Freedom]
    """What is free of each camera, by its id."""
    notes: tuple[str, ...]
    """One a step tried: the change of the robust cost on unseen tracks, and the verdict."""
    settled: tuple[SettledFocal, ...] = ()
    """Focal lengths that matches leave open."""


def choose_freedom(reconstruction: pycolmap.Reconstruction, scales: Scales, *, seed: int) -> Choice:
    """Decides for each camera how much of it bundle adjustment may estimate.

    Cameras with too few photos, or too many of them to ask each, keep focal length and one
    distortion coefficient.
    """
    freedom = least_freedom(reconstruction)
    folds = halves_of_tracks(reconstruction, seed)
    if folds is None:
        return Choice(freedom, ("too few tracks to test intrinsics",))
    notes: list[str] = []
    for camera_id in _cameras_to_ask(reconstruction):
        trial = _climbed(_Trial(folds, camera_id, scales, freedom))
        freedom[camera_id] = trial.current
        notes += trial.notes
    return Choice(freedom, tuple(notes))


def _climbed(trial: _Trial) -> _Trial:
    """The trial, or another one, when it has taken all that is worth it."""
    trial.start(LADDER[0])
    for step in LADDER[1:]:
        trial.offer(step)
    if trial.num_photos < LENS.min_photos_center:
        return trial
    taken = trial.offer(Freedom(trial.current.model, principal_point=True))
    if trial.far_out and not (taken and trial.current.model == LADDER[0].model):
        # Distortion that was taken for want of a principal point is none.
        return trial.better(_cropped(trial))
    if taken:
        _enrich(trial, _WITH_CENTER)
    return trial


def _cropped(trial: _Trial) -> _Trial:
    """A trial whose first step is the principal point, as photos cropped to one side need it."""
    other = trial.anew()
    other.start(LADDER[0])
    if other.offer(Freedom(LADDER[0].model, principal_point=True)):
        _enrich(other, [step.model for step in LADDER[1:]])
    return other


def _enrich(trial: _Trial, models: Sequence[CameraModel]) -> None:
    """Offers what is richer than what the trial has, with a principal point."""
    for model in models:
        step = Freedom(model, principal_point=True)
        if _num_parameters(step) > _num_parameters(trial.current):
            trial.offer(step)


@dataclass(frozen=True)
class _Fit:
    """Cameras fitted to each half, and what they cost the tracks of the other half."""

    halves: tuple[pycolmap.Reconstruction, pycolmap.Reconstruction]
    cost: Float[np.ndarray, " T"]


class _Trial:
    """The ladder of one camera; the intrinsics of the others stay as they are."""

    def __init__(
        self,
        folds: tuple[pycolmap.Reconstruction, pycolmap.Reconstruction],
        camera_id: int,
        scales: Scales,
        freedom: Mapping[int, Freedom],
    ) -> None:
        self._folds = folds
        self._camera_id = camera_id
        self._scales = scales
        self._freedom = freedom
        self.current = freedom[camera_id]
        self.far_out = False
        """Whether the principal point last asked about is where only that of a crop can be."""
        images = folds[0].images.values()
        self.num_photos = sum(i.has_pose and i.camera_id == camera_id for i in images)
        self.notes: list[str] = []

    def anew(self) -> _Trial:
        """The same camera from the beginning, what was tried before noted."""
        other = _Trial(self._folds, self._camera_id, self._scales, self._freedom)
        other.notes = list(self.notes)
        return other

    def better(self, other: _Trial) -> _Trial:
        """That of two trials of a camera which predicts unseen tracks better."""
        return other if other._best.cost.sum() < self._best.cost.sum() else self

    def start(self, freedom: Freedom) -> None:
        self.current = freedom
        self._best = self._fit(self._folds, freedom)

    def offer(self, freedom: Freedom) -> bool:
        """Takes the richer camera if it predicts unseen tracks better."""
        fit = self._fit(self._best.halves, freedom)
        saved = self._best.cost - fit.cost
        gain = float(saved.sum() / max(self._best.cost.sum(), 1e-12))
        noise = float(saved.std() * np.sqrt(len(saved)))
        sigmas = float(saved.sum() / max(noise, 1e-12))
        overwhelming = gain >= LENS.overwhelming_gain and sigmas >= LENS.overwhelming_sigmas
        objection = self._objection(fit, freedom, anywhere=overwhelming)
        enough = gain >= self._least_gain(freedom) and sigmas >= LENS.min_sigmas
        taken = enough and objection is None
        verdict = "taken" if taken else f"left ({objection})" if objection else "left"
        self.notes.append(
            f"camera {self._camera_id}: {freedom} lowers the cost of unseen tracks by "
            f"{100 * gain:.2f} % ({sigmas:.1f} sigma): {verdict}"
        )
        if taken:
            self.current, self._best = freedom, fit
        return taken

    def _least_gain(self, freedom: Freedom) -> float:
        if freedom.principal_point and not self.current.principal_point:
            return LENS.min_gain_center
        added = _num_parameters(freedom) - _num_parameters(self.current)
        least = added * LENS.min_gain_a_parameter
        return max(least, LENS.min_gain_third) if freedom.model == "FULL_OPENCV" else least

    def _fit(
        self,
        halves: tuple[pycolmap.Reconstruction, pycolmap.Reconstruction],
        freedom: Freedom,
    ) -> _Fit:
        # Side by side, as each needs one thread: ceres sums in the order in which threads arrive.
        def fitted(number: int) -> tuple[pycolmap.Reconstruction, Float[np.ndarray, " T"]]:
            half = self._adjusted(halves[number], freedom)
            return half, unseen_cost(half, self._folds[1 - number], self._scales)

        (first, of_second), (second, of_first) = in_threads(fitted, (0, 1), 2)
        cost = np.concatenate([of_second, of_first])
        return _Fit((first, second), cost)

    def _adjusted(self, half: pycolmap.Reconstruction, freedom: Freedom) -> pycolmap.Reconstruction:
        result = pycolmap.Reconstruction(half)
        if freedom.model == "FULL_OPENCV":
            own = {self._camera_id: freedom}
            adjust_with_lens(result, own, self._scales.loss, {}, iterations=ITERATIONS)
            return result
        set_model(result.cameras[self._camera_id], freedom.model)
        config = every_camera(result)
        for camera_id in result.cameras:
            if camera_id != self._camera_id:
                config.set_constant_cam_intrinsics(camera_id)
        options = bundle_options(
            self._scales.loss, principal_point=freedom.principal_point, iterations=ITERATIONS
        )
        pycolmap.create_default_bundle_adjuster(options, config, result).solve()
        return result

    def _objection(self, fit: _Fit, freedom: Freedom, *, anywhere: bool) -> str | None:
        """What no camera looks like, or the two halves disagree about.

        Args:
            anywhere: whether enough speaks for the camera to believe that photos were cropped, to
                one corner perhaps: the principal point may then lie outside of them.
        """
        cameras = [half.cameras[self._camera_id] for half in fit.halves]
        before = [half.cameras[self._camera_id] for half in self._best.halves]
        size = max(cameras[0].width, cameras[0].height)
        shift = np.array([_center(a) - _center(b) for a, b in zip(cameras, before, strict=True)])
        offset = np.array([_center(c) - (c.width / 2, c.height / 2) for c in cameras])
        stayed = self.current.principal_point and np.abs(shift).max() < 0.1 * np.abs(offset).max()
        self.far_out = bool(np.abs(offset).max() > LENS.max_principal_shift * size)
        if self.far_out and not (anywhere or stayed):
            return "principal point too far out"
        if freedom.principal_point and freedom.model == self.current.model:
            spread = np.linalg.norm(shift[0] - shift[1])
            if spread > 0.5 * np.linalg.norm(shift.mean(0)):
                return "halves disagree"
        aspect = [c.focal_length_x / c.focal_length_y for c in cameras if c.model_name == "OPENCV"]
        if any(abs(np.log(a)) > LENS.max_aspect for a in aspect):
            return "pixels not square"
        return None


def _num_parameters(freedom: Freedom) -> int:
    if freedom.model == "FULL_OPENCV":
        return 6 if freedom.principal_point else 4
    count = {"SIMPLE_PINHOLE": 1, "PINHOLE": 2, "SIMPLE_RADIAL": 2, "RADIAL": 3, "OPENCV": 6}
    return count[freedom.model]


def _cameras_to_ask(reconstruction: pycolmap.Reconstruction) -> list[int]:
    """Cameras with enough photos, the busiest first."""
    count: dict[int, int] = {}
    for image in reconstruction.images.values():
        if image.has_pose:
            count[image.camera_id] = count.get(image.camera_id, 0) + 1
    busy = sorted((i for i in count if count[i] >= LENS.min_photos), key=lambda i: (-count[i], i))
    return busy[:_MAX_CAMERAS]


def _center(camera: pycolmap.Camera) -> Float[np.ndarray, " 2"]:
    return np.array([camera.principal_point_x, camera.principal_point_y])
