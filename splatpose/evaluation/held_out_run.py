"""Novel views of a finished run, whatever it held out: where it saw the test photos, it is trained
again without them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch

from ..errors import SplatposeError
from ..events import STAGES, EventSink, Message, Progress, StageName, ignore_events
from ..io.sparse_model import read_sparse_model
from ..pipeline import fit
from ..render import choose_backend
from ..runs.folder import WORK, stage_folder
from ..scene.sparse_model import SparseModel
from ..scene.splats import TrainedSplats
from ..scene.views import Views
from ..stages.joint.stage import load_joint
from ..stages.late_registration.stage import load_late_registration
from ..stages.splats.stage import load_splats
from ..stages.views.stage import load_views
from ..weights import announce_download
from .finished_run import config_of, read_report
from .lpips import Lpips, load_lpips
from .novel_views import NovelViews, check_unseen, score_novel_views
from .pose_search import PoseSearch
from .splits import held_out_names

_AGAIN = "novel_views"
"""Folder in a run for trainings with another split."""
_HELD_OUT_MATTERS: tuple[StageName, ...] = ("views", "joint", "splats", "outputs")
"""Stages that depend on what is held out."""


def novel_views_of(
    out: Path,
    split: str,
    *,
    images: Path | None = None,
    weights_dir: Path | None = None,
    lpips: Literal["auto", "download", "none"] = "auto",
    search: PoseSearch | None = None,
    emit: EventSink = ignore_events,
) -> NovelViews:
    """Scores a run's test photos.

    A run whose Gaussians saw one of them is trained again in `OUT/novel_views`, with its own
    options and poses, and without them.

    Args:
        out: folder of a finished `splatpose fit`.
        split: see `splits.held_out_names`.
        images: the photos, where they are not where the run had them.
        weights_dir: where network weights may lie.
        lpips: measured where its weights are at hand; downloaded (0.5 GB); or left out.
        search: the test-time optimisation of poses.
        emit: receives what is done and why.

    Raises:
        SplatposeError: the run is not finished, its photos are gone, or the split holds out none.
    """
    report = read_report(out)
    test = held_out_names([photo["name"] for photo in report["photos"]], split)
    if not test:
        raise SplatposeError(f"The split {split} holds out no photo.", "Use every:8, or a file.")
    views, trained = load_trained(out, report)
    try:
        check_unseen(views, trained, test)
    except SplatposeError as error:
        emit(Message("splats", f"{error.message} It is trained again without them.", "warning"))
        out = _train_without(out, report, test, images, weights_dir, emit)
        views, trained = load_trained(out, read_report(out))
    return score_novel_views(
        views,
        trained,
        test,
        search=search,
        lpips=find_lpips(weights_dir, lpips, emit),
        tell=lambda done, total: emit(Progress("splats", done, total, "test photos measured")),
    )


def load_trained(out: Path, report: dict[str, Any]) -> tuple[Views, TrainedSplats]:
    """Views, at the poses that were trained with, and the Gaussians of a run.

    Raises:
        SplatposeError: a stage is missing.
    """
    views = load_views(stage_folder(out, "views"))
    if (report.get("joint") or {}).get("decision") == "kept":
        views = load_joint(stage_folder(out, "joint"), load_poses(out, report), views).views
    return views, load_splats(stage_folder(out, "splats"))


def load_poses(out: Path, report: dict[str, Any]) -> SparseModel:
    """The reconstruction of a run before any joint optimisation.

    Raises:
        SplatposeError: a stage is missing.
    """
    late = None
    if any(stage["stage"] == "late_registration" for stage in report["stages"]):
        late = load_late_registration(stage_folder(out, "late_registration"))
    if late is not None:
        return late
    kept = (report.get("second_round") or {}).get("decision") == "kept"
    return read_sparse_model(stage_folder(out, "second_poses" if kept else "poses"))


def find_lpips(
    weights_dir: Path | None, wanted: Literal["auto", "download", "none"], emit: EventSink
) -> Lpips | str:
    """The network, or in a sentence why there is none and how to get it.

    Raises:
        SplatposeError: a download was asked for and failed.
    """
    if wanted == "none":
        return "LPIPS was not asked for. Leave --lpips none out to measure it."
    progress = announce_download("of LPIPS", "splats", emit) if wanted == "download" else None
    device = torch.device(choose_backend().device)
    try:
        return load_lpips(weights_dir, device, progress=progress)
    except SplatposeError as error:
        if wanted == "download":
            raise
        return f"{error.message} {error.hint}"


def _train_without(
    out: Path,
    report: dict[str, Any],
    test: tuple[str, ...],
    images: Path | None,
    weights_dir: Path | None,
    emit: EventSink,
) -> Path:
    config = config_of(report)
    images = images or Path(report["images"])
    if not images.exists():
        raise SplatposeError(
            f"The photos of {out} are not at {images} any more.",
            "Name their folder with --images; to train without the test photos they are needed.",
        )
    again = out / _AGAIN
    for stage in STAGES:
        if stage in _HELD_OUT_MATTERS:
            continue
        source, target = out / WORK / stage, again / WORK / stage
        if source.is_dir() and not target.exists():
            shutil.copytree(source, target)
    config = replace(
        config,
        views=replace(config.views, hold_out=test),
        training=replace(config.training, keep_holdout=True),
    )
    return fit(images, again, config, weights_dir=weights_dir, emit=emit)
