"""The NoPe-NeRF benchmark: poses of the training photos and novel views of the test photos.

Protocol (Bian et al., CVPR 2023): every eighth photo from the fifth is a test photo, in Tanks &
Temples Family every second; poses are scored on the training photos. Every scene of a folder in
any format that is read counts, so that the same table can be had for other data sets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ...config import FitConfig
from ...errors import SplatposeError
from ...events import ignore_events
from ...io.json_numbers import number
from ..dataset import Dataset
from ..estimate import read_estimate
from ..finished_run import read_report
from ..held_out_run import find_lpips, load_trained
from ..novel_views import SOURCES, Metric, NovelViews, ViewScore, score_novel_views
from ..pose_metrics import PoseMetrics
from ..poses import evaluate_poses
from ..readers import READERS, read_dataset
from ..splits import DEFAULT_SPLIT, held_out_names
from .jobs import Job, Outcome, run_jobs
from .methods import RUN, splatpose_job

_FAMILY = "Family"
_DEPTH = 2
"""Folders below the one that was named in which scenes are looked for."""


@dataclass(frozen=True)
class SceneScores:
    """One scene. None or NaN: could not be measured, `error` or `refused` says why."""

    scene: str
    split: str
    photos: int
    test: tuple[str, ...]
    size: tuple[int, int]
    """Width and height in pixels of the pictures that were compared."""
    poses: PoseMetrics | None = None
    """Scores of the training photos' poses."""
    views: NovelViews | None = None
    """Scores of the test photos' renderings."""
    refused: str | None = None
    error: str | None = None
    seconds: float = float("nan")
    """Seconds that all stages of `fit` took."""


def find_datasets(data: Path, only: Sequence[str] = ()) -> tuple[Dataset, ...]:
    """Every scene in a folder, in the order of their names.

    Args:
        data: a scene itself, or a folder of scenes.
        only: names of scenes; empty for all.

    Raises:
        SplatposeError: there is none, one of `only` is not there, or one is damaged.
    """
    found = [read_dataset(path) for path in _scenes_in(data, _DEPTH)]
    names = [scene.name for scene in found]
    unknown = set(only) - set(names)
    if unknown:
        raise SplatposeError(
            f"{data} has no scene {min(unknown)}.", f"Choose from: {', '.join(names) or 'none'}."
        )
    if not found:
        raise SplatposeError(
            f"{data} holds no scene with true cameras in a format that splatpose reads.",
            "Name the folder that holds one folder a scene with --data.",
        )
    return tuple(scene for scene in found if not only or scene.name in only)


def run_nope_nerf(
    scenes: Sequence[Dataset],
    out: Path,
    config: FitConfig,
    *,
    split: str | None = None,
    weights_dir: Path | None = None,
    lpips: Literal["auto", "download", "none"] = "auto",
    overwrite: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[SceneScores]:
    """Fits every scene from its photos alone, and scores poses and test photos.

    Scores of a scene come as soon as they are known.

    Args:
        scenes: see `find_datasets`. Only their photos' folder and their test photos' names are
            given to `fit`.
        out: a folder a scene is made in it; scenes that an earlier run finished are kept.
        config: of `fit`; what is held out is set here.
        split: see `held_out_names`; None for NoPe-NeRF's, or the data set's own where it has one.
        weights_dir: where network weights lie.
        lpips: measured where its weights are at hand; downloaded first; or left out.
        overwrite: forget what is in `out`.
        tell: receives a line for a person after each scene.
    """
    network = find_lpips(weights_dir, lpips, ignore_events)
    missing = network if isinstance(network, str) else None
    for scene in scenes:
        row = _run_scene(scene, out / scene.name, config, split, weights_dir, missing, overwrite)
        tell(_line(row))
        yield row


def measure_views(
    _folder: Path,
    *,
    run: str,
    test: list[str],
    lpips_missing: str | None,
    weights_dir: str | None,
) -> dict[str, Any]:
    """The work of a job: test photos of a run that never saw them."""
    out, weights = Path(run), None if weights_dir is None else Path(weights_dir)
    report = read_report(out)
    views, trained = load_trained(out, report)
    scores = score_novel_views(
        views,
        trained,
        tuple(test),
        lpips=lpips_missing or find_lpips(weights, "auto", ignore_events),
    )
    return asdict(scores) | {"size": list(views.images[0].shape[1::-1])}


def split_of(scene: Dataset, split: str | None) -> tuple[str, tuple[str, ...]]:
    """What the split is called, and the scene's test photos by it."""
    if split is None and scene.test is not None:
        chosen = np.flatnonzero(scene.test)
        return "the data set's own", tuple(scene.names[i] for i in chosen)
    name = split or ("family:2" if scene.name == _FAMILY else DEFAULT_SPLIT)
    return name, held_out_names(scene.names, name)


def _scenes_in(folder: Path, depth: int) -> Iterator[Path]:
    if not folder.is_dir():
        raise SplatposeError(f"{folder} is not a folder.", "Name the data with --data.")
    if any(reader.recognises(folder) for reader in READERS.values()):
        yield folder
    elif depth:
        for path in sorted(folder.iterdir()):
            if path.is_dir() and not path.name.startswith("."):
                yield from _scenes_in(path, depth - 1)


def _run_scene(
    scene: Dataset,
    out: Path,
    config: FitConfig,
    split: str | None,
    weights_dir: Path | None,
    lpips_missing: str | None,
    overwrite: bool,
) -> SceneScores:
    name, test = split_of(scene, split)
    blank = SceneScores(scene.name, name, len(scene.names), test, (0, 0))
    config = replace(
        config,
        views=replace(config.views, hold_out=test, eval_every=0),
        training=replace(config.training, keep_holdout=True),
    )
    fitting = splatpose_job(
        out, scene.images, name=scene.name, seed=config.seed, train=True, config=asdict(config),
        weights_dir=weights_dir,
    )  # fmt: skip
    (fitted,) = run_jobs([fitting], overwrite=overwrite)
    if fitted.result is None or fitted.result["refused"]:
        refused = None if fitted.result is None else fitted.result["refused"]
        return replace(blank, error=fitted.error, refused=refused)
    row = replace(
        blank,
        poses=_pose_metrics(scene, out / RUN, test),
        seconds=sum(fitted.result["seconds"].values()),
    )
    measuring = _measuring(out, fitting, test, lpips_missing)
    (measured,) = run_jobs([measuring], overwrite=overwrite)
    return _with_views(row, measured)


def _measuring(out: Path, fitting: Job, test: tuple[str, ...], lpips_missing: str | None) -> Job:
    arguments = {
        "run": str((out / RUN).resolve()),
        "test": list(test),
        # A table without LPIPS is made anew once its weights are there.
        "lpips_missing": lpips_missing,
        "weights_dir": fitting.arguments["weights_dir"],
    }
    function = f"{__name__}:{measure_views.__name__}"
    name = f"{fitting.name}: novel views"
    return Job(name, out / "novel_views", function, arguments, fitting.inputs)


def _with_views(row: SceneScores, measured: Outcome) -> SceneScores:
    if measured.result is None:
        return replace(row, error=measured.error)
    value = measured.result
    views = NovelViews(
        scores={
            source: tuple(_view_score(score) for score in value["scores"][source])
            for source in SOURCES
        },
        missing=tuple(value["missing"]),
        num_training=value["num_training"],
        lpips_missing=value["lpips_missing"],
    )
    width, height = value["size"]
    return replace(row, views=views, size=(width, height))


def _view_score(value: dict[str, Any]) -> ViewScore:
    figures = {k: number(value[k]) for k in get_args(Metric) if k in value}  # a colour fit may lack
    return ViewScore(value["name"], **figures)


def _pose_metrics(scene: Dataset, run: Path, test: tuple[str, ...]) -> PoseMetrics:
    held_out = np.isin(np.array(scene.names), np.array(test))
    truth = replace(scene, test=held_out)
    return evaluate_poses(truth, read_estimate(run), "train").metrics


def _line(row: SceneScores) -> str:
    if row.error or row.refused or row.poses is None or row.views is None:
        return f"{row.scene}: {row.error or row.refused}"
    return (
        f"{row.scene}: {row.poses.registered} of {row.poses.photos} training photos registered, "
        f"ATE {row.poses.ate_percent:.2f} % of the radius, "
        f"PSNR {row.views.mean('registered', 'psnr'):.2f} dB, "
        f"{row.views.mean('from neighbour', 'psnr'):.2f} with test-time poses"
    )
