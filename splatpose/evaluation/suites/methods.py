"""The methods that suites compare, each a function that a job calls.

A method is given a folder of photos and nothing else. What it returns is its answer: poses and
what it says of them, and how long it took. Truth is read by whoever scores, afterwards.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from ...config import FitConfig
from ...errors import SplatposeError
from ...events import Event, StageFinished, StageName, StageSkipped
from ...pipeline import fit, solve
from ...scene.sparse_model import SparseModel
from ...scene.verdicts import Level
from ...stages.capture.stage import fingerprint
from ..colmap_baseline import Mapper, model_poses, run_colmap
from ..finished_run import changed, read_report, stage_seconds
from .jobs import Job

RUN = "run"
"""Folder of splatpose's run in a job's folder."""


@dataclass(frozen=True)
class Answer:
    """What one method says of the photos of one scene."""

    poses: dict[str, Float[np.ndarray, "4 4"]]
    """cam_from_world of the registered photos, by name relative to the folder of photos."""
    others: tuple[dict[str, Float[np.ndarray, "4 4"]], ...]
    """Further models in frames of their own, where the method left more than one."""
    levels: dict[str, Level] | None
    """Verdicts by name; None where the method gives none."""
    refused: str | None
    """Why there are no poses at all, where the method said so."""
    seconds: dict[str, float]


def splatpose_job(
    folder: Path,
    images: Path,
    *,
    name: str,
    seed: int,
    train: bool,
    config: dict[str, Any],
    weights_dir: Path | None,
) -> Job:
    """splatpose as a job; `config` holds what differs from the default `FitConfig`."""
    arguments = {
        "images": str(images.resolve()),
        "seed": seed,
        "train": train,
        "config": config,
        "weights_dir": None if weights_dir is None else str(weights_dir.resolve()),
    }
    function = f"{__name__}:run_splatpose"
    return Job(f"{name}: splatpose", folder, function, arguments, fingerprint(images))


def colmap_job(folder: Path, images: Path, mapper: Mapper, *, name: str, seed: int) -> Job:
    """One of COLMAP's mappers as a job; those of one scene share the matches beside `folder`."""
    arguments = {
        "images": str(images.resolve()),
        "photos": fingerprint(images),
        "mapper": mapper,
        "seed": seed,
    }
    return Job(f"{name}: COLMAP {mapper}", folder, f"{__name__}:run_colmap_mapper", arguments)


def run_splatpose(
    folder: Path,
    *,
    images: str,
    seed: int,
    train: bool,
    config: dict[str, Any],
    weights_dir: str | None,
) -> dict[str, Any]:
    """The work of `splatpose_job`. A refusal is a result."""
    options = changed(FitConfig(seed=seed), config)
    weights = None if weights_dir is None else Path(weights_dir)
    out, seconds = folder / RUN, _Seconds(folder / RUN)
    # No pose is given of a photo that nothing is said about: of none, where there is a refusal.
    answer: dict[str, Any] = {"poses": {}, "others": [], "levels": {}, "refused": None}
    try:
        solved = solve(Path(images), out, options, weights_dir=weights, emit=seconds)
        answer["poses"] = _as_json(_registered(solved.poses))
        answer["matcher"] = solved.graph.matcher
        photos_said = [asdict(verdict) for verdict in solved.verdicts.photos]
        if train:
            fit(Path(images), out, options, weights_dir=weights, emit=seconds)
            photos_said = _from_report(read_report(out))
        answer["levels"] = {photo["name"]: photo["level"] for photo in photos_said}
        answer["verdicts"] = photos_said
    except SplatposeError as error:
        answer["refused"] = error.message
    return answer | {"seconds": seconds.stages}


def run_colmap_mapper(
    folder: Path, *, images: str, photos: str, mapper: Mapper, seed: int
) -> dict[str, Any]:
    """The work of `colmap_job`."""
    work = folder.parent / f"colmap_{photos[:16]}"
    found = run_colmap(Path(images), work, mapper, seed=seed)
    models = [_as_json(model_poses(model)) for model in found.models]
    return {
        "poses": models[0] if models else {},
        "others": models[1:],
        "levels": None,
        "refused": None if models else (found.error or "no model"),
        "seconds": found.seconds,
    }


def read_answer(result: dict[str, Any]) -> Answer:
    """What a job of this module returned."""
    return Answer(
        poses=_from_json(result["poses"]),
        others=tuple(_from_json(model) for model in result["others"]),
        levels=result["levels"],
        refused=result["refused"],
        seconds=result["seconds"],
    )


class _Seconds:
    """An event sink that keeps how long each stage took, in whatever run it was computed."""

    def __init__(self, out: Path) -> None:
        self.stages: dict[StageName, float] = {}
        self._out = out

    def __call__(self, event: Event) -> None:
        if isinstance(event, StageFinished):
            self.stages[event.stage] = event.seconds
        elif isinstance(event, StageSkipped):
            self.stages[event.stage] = stage_seconds(self._out, event.stage)


def _registered(poses: SparseModel) -> dict[str, Float[np.ndarray, "4 4"]]:
    return {poses.names[i]: poses.cam_from_world[i] for i in np.flatnonzero(poses.registered)}


def _from_report(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Verdicts after a training, which may have weakened them."""
    return [
        {
            "name": photo["name"],
            "level": photo["verdict"],
            "reason": photo["verdict_reason"],
            "advice": photo["advice"],
            "evidence": photo["evidence"],
        }
        for photo in report["photos"]
    ]


def _as_json(poses: dict[str, Float[np.ndarray, "4 4"]]) -> dict[str, Any]:
    return {name: pose.tolist() for name, pose in poses.items()}


def _from_json(poses: dict[str, Any]) -> dict[str, Float[np.ndarray, "4 4"]]:
    return {name: np.array(pose) for name, pose in poses.items()}
