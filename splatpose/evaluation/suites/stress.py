"""The stress suite: scenes that break tools, with exact truth, and who says what he knows not.

Every method gets the same photos in the same run. A photo is right within 5 degrees and 5 % of
the scene's radius under the alignment that most photos agree on (`pose_metrics`). Where nothing
can be reconstructed, a photo is right if it has no pose.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ...config import FitConfig
from ...errors import SplatposeError
from ...host import expanded
from ...weights import cache_dir
from ..colmap_baseline import MAPPERS
from ..dataset import Dataset
from ..pose_metrics import PoseScore, score_poses
from ..readers import read_dataset
from .jobs import Job, Outcome, run_jobs
from .methods import colmap_job, read_answer, splatpose_job

Split = Literal["tune", "test", "all"]
Method = Literal["splatpose", "COLMAP incremental", "COLMAP global"]
OURS: Method = "splatpose"
METHODS: tuple[Method, ...] = (OURS, "COLMAP incremental", "COLMAP global")


@dataclass(frozen=True)
class Scene:
    """One scene of one seed."""

    folder: Path
    name: str
    seed: int
    split: Literal["tune", "test"]
    """Use of the scene: verdicts are calibrated on the tune scenes and checked on the test
    scenes."""
    about: str
    """One sentence on what the scene is."""
    reconstructable: bool
    """Whether the photos hold what poses can be found from."""

    @property
    def photos(self) -> Path:
        return self.folder / "photos"

    @property
    def label(self) -> str:
        return self.folder.name


@dataclass(frozen=True)
class Row:
    """What one method made of one scene. None: does not apply to this method."""

    scene: str
    seed: int
    split: str
    about: str
    reconstructable: bool
    method: Method
    photos: int
    registered: int = 0
    right: int = 0
    """Photos with a right pose; where nothing can be reconstructed, photos without a pose."""
    wrong: int = 0
    """Photos with a wrong pose."""
    right_in_any_model: int = 0
    """Photos with a right pose in one of the models, where the method left several."""
    trusted: int | None = None
    silent: int | None = None
    """Trusted photos whose pose is wrong."""
    trusted_right: int | None = None
    """Trusted photos whose pose is right."""
    ate_percent: float = float("nan")
    wrong_photos: tuple[str, ...] = ()
    silent_photos: tuple[str, ...] = ()
    refused: str | None = None
    error: str | None = None
    """Message of a crash; None where the method did not crash."""
    seconds: float = float("nan")
    """Seconds that all stages but a training took."""


def default_data() -> Path:
    """The folder of the suite's scenes: $SPLATPOSE_STRESS, else in the user's cache."""
    named = os.environ.get("SPLATPOSE_STRESS")
    return expanded(named) if named else cache_dir().parent / "stress"


def find_scenes(data: Path, split: Split, only: Sequence[str] = ()) -> tuple[Scene, ...]:
    """The scenes in a folder, by name.

    Args:
        data: holds a folder a scene and seed.
        split: which half of the suite.
        only: names of scenes or of their folders; empty for all.

    Raises:
        SplatposeError: there is none, or one of `only` is not there.
    """
    scenes = [_read_scene(path) for path in sorted(data.glob("*/scene.json"))]
    unknown = set(only) - {word for scene in scenes for word in (scene.name, scene.label)}
    if unknown:
        known = ", ".join(dict.fromkeys(scene.name for scene in scenes))
        raise SplatposeError(
            f"{data} has no scene {min(unknown)}.", f"Choose from: {known or 'nothing is there'}."
        )
    chosen = [scene for scene in scenes if split in ("all", scene.split)]
    if only:
        chosen = [scene for scene in chosen if scene.name in only or scene.label in only]
    if not chosen:
        raise SplatposeError(
            f"{data} has no scene of the split {split}.",
            "Render the scenes as tests/synthetic/README.md says, and name their folder with "
            "--data or $SPLATPOSE_STRESS.",
        )
    return tuple(chosen)


def run_stress(
    scenes: Sequence[Scene],
    out: Path,
    config: FitConfig,
    *,
    methods: Sequence[Method] = METHODS,
    train: bool = False,
    weights_dir: Path | None = None,
    overwrite: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> Iterator[Row]:
    """Runs every method on every scene, what an earlier run left in `out` excepted, and scores it.

    Rows come as soon as they are known.

    Args:
        scenes: see `find_scenes`.
        out: a folder a scene and method is made in it.
        config: of splatpose; its seed is COLMAP's too.
        methods: who runs; none of them is given anything but the photos.
        train: let splatpose train Gaussians too: some verdicts use held-out photos.
        weights_dir: where splatpose's network weights lie.
        overwrite: forget what is in `out`.
        tell: receives a line for a person after each method.
    """
    for scene in scenes:
        jobs = dict(_jobs(scene, out / scene.label, config, methods, train, weights_dir))
        truth = read_dataset(scene.folder, "poses-json")
        for method, outcome in zip(jobs, run_jobs(list(jobs.values()), overwrite=overwrite),
                                   strict=True):  # fmt: skip
            row = score(scene, method, truth, outcome)
            tell(_line(row, reused=outcome.reused))
            yield row


def score(scene: Scene, method: Method, truth: Dataset, outcome: Outcome) -> Row:
    """One method's answer against the truth."""
    row = Row(
        scene.name, scene.seed, scene.split, scene.about, scene.reconstructable, method,
        photos=len(truth.names), error=outcome.error,
    )  # fmt: skip
    if outcome.result is None:
        return row
    answer = read_answer(outcome.result)
    figures = _score_model(truth, answer.poses)
    registered = figures.registered
    right = figures.right & scene.reconstructable
    wrong = registered & ~right
    in_any = right.copy()
    for model in answer.others:
        in_any |= _score_model(truth, model).right & scene.reconstructable
    levels = answer.levels
    trusted = np.array([levels is not None and levels.get(n) == "trusted" for n in truth.names])
    names = np.array(truth.names, dtype=object)
    return Row(
        *(row.scene, row.seed, row.split, row.about, row.reconstructable, row.method, row.photos),
        registered=int(registered.sum()),
        right=int(right.sum() if scene.reconstructable else (~registered).sum()),
        wrong=int(wrong.sum()),
        right_in_any_model=int(in_any.sum()),
        trusted=None if levels is None else int(trusted.sum()),
        silent=None if levels is None else int((trusted & wrong).sum()),
        trusted_right=None if levels is None else int((trusted & right).sum()),
        ate_percent=figures.metrics.ate_percent,
        wrong_photos=tuple(names[wrong]),
        silent_photos=() if levels is None else tuple(names[trusted & wrong]),
        refused=answer.refused,
        seconds=sum(answer.seconds.values()),
    )


def _score_model(truth: Dataset, poses: dict[str, np.ndarray]) -> PoseScore:
    unknown = np.full((4, 4), np.nan)
    estimated = np.stack([poses.get(name, unknown) for name in truth.names])
    return score_poses(truth.cam_from_world, estimated, truth.place)


def _jobs(
    scene: Scene,
    out: Path,
    config: FitConfig,
    methods: Sequence[Method],
    train: bool,
    weights_dir: Path | None,
) -> Iterator[tuple[Method, Job]]:
    if OURS in methods:
        yield OURS, splatpose_job(
            out / "splatpose", scene.photos, name=scene.label, seed=config.seed, train=train,
            config=asdict(config),
            weights_dir=weights_dir,
        )  # fmt: skip
    for mapper, method in zip(MAPPERS, METHODS[1:], strict=True):
        if method in methods:
            folder = out / method.replace(" ", "_").lower()
            yield (
                method,
                colmap_job(folder, scene.photos, mapper, name=scene.label, seed=config.seed),
            )


def _read_scene(path: Path) -> Scene:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Scene(
            path.parent, value["scene"], value["seed"], value["split"], value["about"],
            value["reconstructable"],
        )  # fmt: skip
    except (json.JSONDecodeError, KeyError) as error:
        raise SplatposeError(
            f"{path} does not describe a scene of the stress suite ({error!r}).",
            "Render the scene again.",
        ) from error


def _line(row: Row, *, reused: bool) -> str:
    text = f"{row.scene} (seed {row.seed}), {row.method}: "
    if row.error is not None:
        return text + row.error
    text += f"{row.right} of {row.photos} right, {row.wrong} wrong, {row.seconds:.0f} s"
    if row.silent is not None:
        text += f", {row.trusted} trusted, {row.silent} of them wrong"
    return text + (" (from an earlier run)" if reused else "")
