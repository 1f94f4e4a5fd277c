"""Novel views: how well Gaussians that never saw a test photo predict it.

Each test photo is rendered from up to three poses, and every table has a row for each: the pose
that the pipeline gave it from its matches, which looks at none of its pixels through the splat;
and poses found by following the photometric gradient with the Gaussians held fast, from the
training photo next to it (the protocol of CF-3DGS) and from its own pose.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float

from ..errors import SplatposeError
from ..render import choose_backend
from ..scene.splats import TrainedSplats
from ..scene.views import Views
from ..splatting.color_fit import color_fitted
from ..splatting.quality import psnr, ssim
from ..splatting.training_photos import Photo, TrainingPhotos
from .lpips import Lpips
from .pose_search import FrozenSplats, PoseSearch, optimise_pose

PoseSource = Literal["registered", "from neighbour", "from registered"]
"""Registered: the pipeline's pose, no test-time optimisation. The others: optimised at test time,
from the pose of the neighbouring training photo or from the pipeline's own."""
SOURCES: tuple[PoseSource, ...] = get_args(PoseSource)
Metric = Literal["psnr", "color_fitted_psnr", "ssim", "lpips"]
Tell = Callable[[int, int], None]
"""Listener that is told the pictures done, and how many there are in all."""


@dataclass(frozen=True)
class ViewScore:
    """One test photo against its rendering."""

    name: str
    psnr: float
    """Peak signal-to-noise ratio in dB."""
    ssim: float
    lpips: float
    """Learned perceptual distance (Zhang et al. 2018); NaN where its weights were not at hand."""
    color_fitted_psnr: float = float("nan")
    """PSNR in dB after a colour fit: an affine map fitted on each half of the photo (left, right)
    and applied to the other; NaN in results of earlier versions."""


@dataclass(frozen=True)
class NovelViews:
    """Scores of a run's test photos."""

    scores: dict[PoseSource, tuple[ViewScore, ...]]
    """Scores by the origin of the poses; test photos in the order of the capture."""
    missing: tuple[str, ...]
    """Test photos that the run did not register: they cannot be rendered, and no mean has them."""
    num_training: int
    """Photos that the Gaussians were trained on."""
    lpips_missing: str | None
    """Why there is no LPIPS, and how to get it; None where it was measured."""

    def mean(self, source: PoseSource, metric: Metric) -> float:
        """Mean over the registered test photos; NaN where there are none."""
        values = [getattr(score, metric) for score in self.scores.get(source, ())]
        return float(np.mean(values)) if values else float("nan")


def score_novel_views(
    views: Views,
    trained: TrainedSplats,
    test: tuple[str, ...],
    *,
    search: PoseSearch | None = None,
    sources: tuple[PoseSource, ...] = SOURCES,
    lpips: Lpips | str = "not asked for",
    tell: Tell = lambda done, total: None,
) -> NovelViews:
    """Renders and measures the test photos.

    Args:
        views: registered photos; all registered test photos must be held out among them.
        trained: Gaussians that never saw them.
        test: names of the test photos.
        search: the test-time optimisation.
        sources: which poses to render from.
        lpips: the network, or why it is not measured.
        tell: told of progress.

    Raises:
        SplatposeError: the Gaussians saw a test photo, or no test photo is registered.
    """
    check_unseen(views, trained, test)
    indices = [i for i, name in enumerate(views.names) if name in set(test)]
    if not indices:
        raise SplatposeError(
            f"None of the {len(test)} test photos is registered.", "Choose another split."
        )
    backend = choose_backend()
    device = torch.device(backend.device)
    splats = FrozenSplats(trained.splats, backend)
    photos = TrainingPhotos(views, (1.0,), device)
    search = search or PoseSearch()
    scores: dict[PoseSource, list[ViewScore]] = {source: [] for source in sources}
    for done, index in enumerate(indices):
        photo = photos.at(index)
        for source in sources:
            pose = _pose(splats, views, index, photo, source, search)
            scores[source].append(_score(splats, views.names[index], photo, pose, lpips))
        tell(done + 1, len(indices))
    return NovelViews(
        scores={source: tuple(rows) for source, rows in scores.items()},
        missing=tuple(name for name in test if name not in views.names),
        num_training=int((~views.held_out).sum()),
        lpips_missing=lpips if isinstance(lpips, str) else None,
    )


def check_unseen(views: Views, trained: TrainedSplats, test: tuple[str, ...]) -> None:
    """Refuses to score a splat on photos that it was trained on.

    Raises:
        SplatposeError: it was.
    """
    held_out = {views.names[i] for i in np.flatnonzero(views.held_out)}
    seen = (set(test) & set(views.names)) - held_out
    if trained.final_pass_on_all:
        seen = set(test) & set(views.names)
    if seen:
        raise SplatposeError(
            f"The splat was trained on {len(seen)} of the test photos, {min(seen)} for one.",
            "Train with --keep-holdout and --views.hold-out, or let eval do it with --split.",
        )


def neighbour(views: Views, index: int) -> int:
    """The training photo nearest in the order of the capture; of two, the one before."""
    training = np.flatnonzero(~np.asarray(views.held_out, bool))
    assert len(training), "there is a splat, so something was trained on"
    return int(training[np.argmin(np.abs(training - index) - 0.5 * (training < index))])


def _pose(
    splats: FrozenSplats,
    views: Views,
    index: int,
    photo: Photo,
    source: PoseSource,
    search: PoseSearch,
) -> Float[np.ndarray, "4 4"]:
    start = neighbour(views, index) if source == "from neighbour" else index
    pose = views.cam_from_world[start]
    if source == "registered":
        return pose
    return optimise_pose(splats, pose, photo.K, photo.colors, photo.mask, search)


@torch.no_grad()
def _score(
    splats: FrozenSplats,
    name: str,
    photo: Photo,
    cam_from_world: Float[np.ndarray, "4 4"],
    lpips: Lpips | str,
) -> ViewScore:
    pose = torch.from_numpy(cam_from_world).to(photo.K)
    picture, target = splats.render(pose, photo.K, photo.size).clamp(0, 1), photo.colors
    distance = float("nan") if isinstance(lpips, str) else lpips(picture, target, photo.mask)
    return ViewScore(
        name,
        psnr(picture, target, photo.mask),
        ssim(picture, target, photo.mask),
        distance,
        psnr(color_fitted(picture, target, photo.mask), target, photo.mask),
    )
