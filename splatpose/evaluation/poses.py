"""A data set's true cameras against somebody's estimate: names, figures, the wrong photos."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from .dataset import Dataset
from .estimate import Estimate, turned_upright
from .formats import PhotoChoice
from .names import match_names
from .pose_metrics import PoseMetrics, PoseScore, score_poses


@dataclass(frozen=True)
class PhotoPose:
    """What became of one photo whose truth is known."""

    name: str
    registered: bool
    right: bool
    rotation_error: float
    """Rotation error in degrees, under the alignment that most photos agree on; NaN where it says
    nothing."""
    position_error_percent: float
    """Distance from the true centre in % of the true centres' RMS radius, under the alignment that
    most photos agree on."""
    place: int


@dataclass(frozen=True)
class PoseEvaluation:
    """One estimate measured against one data set."""

    dataset: str
    metrics: PoseMetrics
    photos: tuple[PhotoPose, ...]
    """Photos that count, in the data set's order."""
    matched_by: str
    """What names had to agree in."""
    not_given: tuple[str, ...]
    """Photos of the data set that the run was never given: they do not count."""
    unknown: tuple[str, ...]
    """Photos whose truth the data set does not know: they do not count."""

    @property
    def wrong(self) -> tuple[PhotoPose, ...]:
        """Registered photos that are not right."""
        return tuple(photo for photo in self.photos if photo.registered and not photo.right)

    def to_json(self) -> dict[str, Any]:
        """JSON object of the evaluation; `write_json` makes null of NaN."""
        return {
            "dataset": self.dataset,
            "metrics": asdict(self.metrics),
            "matched_by": self.matched_by,
            "not_given": list(self.not_given),
            "unknown": list(self.unknown),
            "photos": [asdict(photo) for photo in self.photos],
        }


def evaluate_poses(
    dataset: Dataset, estimate: Estimate, photos: PhotoChoice = "all"
) -> PoseEvaluation:
    """Measures estimated cameras.

    Where the estimate names all photos that it was given (a run of `splatpose fit`), those it was
    never given do not count; else every photo of the data set counts.

    Args:
        dataset: the truth.
        estimate: what to measure.
        photos: which photos count, by the data set's own split or else NoPe-NeRF's (see
            `held_out_photos`).

    Raises:
        SplatposeError: no photo of the estimate is in the data set.
    """
    found = match_names(dataset.names, estimate.names)
    rows, given = found.index, found.index >= 0
    estimate = _as_in_the_truth(dataset, estimate, rows)
    chosen = _chosen(dataset, photos)
    known = np.isfinite(dataset.cam_from_world).all((1, 2))
    counted = chosen & (given if estimate.complete else np.ones_like(given))
    poses = np.where(given[:, None, None], estimate.cam_from_world[rows], np.nan)
    score = score_poses(
        dataset.cam_from_world[counted],
        poses[counted],
        dataset.place[counted],
        _focal_ratio(dataset, estimate, rows)[counted],
    )
    names = np.array(dataset.names, dtype=object)
    return PoseEvaluation(
        dataset=dataset.name,
        metrics=score.metrics,
        photos=_photo_poses(names[counted].tolist(), dataset.place[counted], score),
        matched_by=found.rule,
        not_given=tuple(names[chosen & ~counted].tolist()),
        unknown=tuple(names[counted & ~known].tolist()),
    )


def _as_in_the_truth(dataset: Dataset, estimate: Estimate, rows: Int[np.ndarray, " V"]) -> Estimate:
    """The estimate of upright photos where the truth is of those: the sizes of photos tell that
    are stored on their side, and all photos of a truth are alike."""
    sides = np.where(rows >= 0, estimate.quarters_to_upright[rows], 0) % 2 == 1
    truth, own = dataset.sizes[sides], estimate.sizes[rows[sides]]
    turned = (truth[:, 0] - truth[:, 1]) * (own[:, 0] - own[:, 1])
    if not (turned < 0).sum() > (turned > 0).sum():
        return estimate
    return turned_upright(estimate, np.unique(rows[rows >= 0]))


def held_out_photos(dataset: Dataset, step: int = 8) -> Bool[np.ndarray, " V"]:
    """The held-out photos: the data set's own, else NoPe-NeRF's (every `step`-th, from half)."""
    if dataset.test is not None:
        return dataset.test
    held_out = np.zeros(len(dataset.names), bool)
    held_out[step // 2 :: step] = True
    return held_out


def _chosen(dataset: Dataset, photos: PhotoChoice) -> Bool[np.ndarray, " V"]:
    if photos == "all":
        return np.ones(len(dataset.names), bool)
    held_out = held_out_photos(dataset)
    return held_out if photos == "test" else ~held_out


def _focal_ratio(
    dataset: Dataset, estimate: Estimate, rows: Int[np.ndarray, " V"]
) -> Float[np.ndarray, " V"]:
    """Estimated over true focal length, both as seen in a photo of the same size."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = estimate.sizes[rows] / dataset.sizes
        scale = np.where(np.isfinite(scale) & (scale > 0), scale, 1.0)
        focal = [np.sqrt(K[:, 0, 0] * K[:, 1, 1]) for K in (dataset.K, estimate.K[rows])]
        ratio = focal[1] / (focal[0] * np.sqrt(scale.prod(1)))
    return np.where((rows >= 0) & np.isfinite(ratio), ratio, np.nan)


def _photo_poses(
    names: list[str], place: Int[np.ndarray, " V"], score: PoseScore
) -> tuple[PhotoPose, ...]:
    radius = score.metrics.radius if score.metrics.radius > 0 else math.nan
    return tuple(
        PhotoPose(
            name=name,
            registered=bool(score.registered[i]),
            right=bool(score.right[i]),
            rotation_error=float(score.rotation_error[i]),
            position_error_percent=100 * float(score.position_error[i]) / radius,
            place=int(place[i]),
        )
        for i, name in enumerate(names)
        if score.known[i]
    )
