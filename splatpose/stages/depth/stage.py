"""Depth priors: relative depth of every photo from a network, a sensor or a folder of maps."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ...bounds import check_bounds
from ...depth.alignment import align, summarise
from ...depth.training_depth import training_depth
from ...errors import SplatposeError
from ...events import EventSink, Message
from ...keys import Keyed, Stage, key_of
from ...scene.capture import Capture
from ...scene.depth_maps import DepthAlignment, DepthPriors
from ...scene.sparse_model import SparseModel
from ...scene.views import Views
from ...weights import WEIGHTS, announce_download, resolve
from .config import DEPTH_ANYTHING, NO_DEPTH, DepthConfig
from .folder import hash_folder, import_maps
from .storage import read_priors, save_priors


def resolve_depth(config: DepthConfig, weights_dir: Path | None, emit: EventSink) -> DepthConfig:
    """Replaces "auto" by what will run, a folder by its full path, and checks what is needed.

    Args:
        config: the user's wishes.
        weights_dir: folder with weight files, or None for $SPLATPOSE_WEIGHTS.
        emit: is told the choice of "auto" with its reason, and of downloads.

    Raises:
        SplatposeError: the folder does not exist, or the network that was asked for by name cannot
            be had.
    """
    check_bounds(config, "depth")
    if config.source == "":
        raise SplatposeError(
            "depth: source is empty.", "Give a folder, auto, depth-anything or none."
        )
    if config.source == NO_DEPTH:
        return config
    if config.source not in ("auto", DEPTH_ANYTHING):
        return replace(config, source=str(Path(config.source).resolve()))
    try:
        _network_weights(weights_dir, emit)
    except SplatposeError as error:
        if config.source != "auto":
            raise
        emit(Message("depth", f"No depth priors. {error.message}", "warning"))
        return replace(config, source=NO_DEPTH)
    if config.source == "auto":
        emit(Message("depth", "Depth priors from Depth Anything V2 Small: it is on this machine."))
    return replace(config, source=DEPTH_ANYTHING, kind="disparity")


def depth_fingerprint(config: DepthConfig) -> str:
    """Hash of everything besides the photos that the stage reads.

    Args:
        config: resolved, not "none".

    Raises:
        SplatposeError: the folder does not exist or holds no maps.
    """
    if config.source == DEPTH_ANYTHING:
        return WEIGHTS[DEPTH_ANYTHING].sha256[0]
    return hash_folder(Path(config.source))


def build_depth(
    capture: Capture,
    config: DepthConfig,
    folder: Path,
    emit: EventSink,
    *,
    weights_dir: Path | None,
) -> str:
    """Writes a map of every photo that has one into `folder`.

    Args:
        capture: the photos.
        config: resolved, not "none".
        folder: receives `depth.json` and `maps/`; maps that are there already are kept.
        emit: receives progress, and a warning that names photos without a map.
        weights_dir: folder with weight files, or None for $SPLATPOSE_WEIGHTS.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: not one map can be used, or the network cannot be had.
    """
    names = tuple(photo.name for photo in capture.photos)
    if config.source == DEPTH_ANYTHING:
        from .depth_anything import predict_maps

        weights = _network_weights(weights_dir, emit)
        reasons = predict_maps(
            capture,
            weights,
            folder,
            short_side=config.input_size,
            max_size=config.max_size,
            emit=emit,
        )
    else:
        reasons = import_maps(capture, Path(config.source), folder, config.max_size, emit)
    save_priors(folder, names, config.source, config.kind, reasons)
    _tell_missing(names, reasons, emit)
    count = reasons.count("")
    return f"{count} of {len(names)} photos have a depth map from {config.source}"


def load_depth(folder: Path) -> DepthPriors:
    """Reads what `build_depth` wrote."""
    return read_priors(folder)


def align_depth(
    priors: DepthPriors, capture: Capture, poses: SparseModel, emit: EventSink
) -> DepthAlignment:
    """Scale and shift of every map in the frame of `poses`, and which maps contradict the matches.

    Args:
        priors: the maps.
        capture: their photos.
        poses: with triangulated points; reads nothing else.
        emit: is told what the maps are and how many are dropped.
    """
    sizes = [(photo.width, photo.height) for photo in capture.photos]
    alignment = align(priors, poses, sizes)
    some = bool(alignment.kept.any())
    emit(Message("depth", summarise(alignment), "info" if some else "warning"))
    return alignment


def guided(
    views: Keyed[Views],
    priors: Keyed[DepthPriors],
    alignment: Keyed[DepthAlignment],
    poses: Keyed[SparseModel],
    wish: Literal["auto", "on", "off"],
    emit: EventSink,
) -> Keyed[Views]:
    """Views with the depth that the final training is to know; as they are where that is none.

    Args:
        views: of the registered photos.
        priors: the maps.
        alignment: their fits.
        poses: that they were fitted to.
        wish: as `TrainingConfig.depth`.
        emit: is told what was chosen, with the reason.
    """
    choice = training_depth(priors.value, alignment.value, poses.value, views.value, wish)
    emit(Message("depth", choice.reason))
    if choice.depths is None:
        return views
    return Keyed(replace(views.value, depths=choice.depths), key_of(views.key, alignment.key))


def _network_weights(weights_dir: Path | None, emit: EventSink) -> Path:
    if importlib.util.find_spec("transformers") is None:
        raise SplatposeError(
            "Depth Anything needs the package transformers, which is not installed.",
            "Run: pip install 'splatpose[depth]'. Or give --depth a folder of depth maps, or none.",
        )
    weight = WEIGHTS[DEPTH_ANYTHING]
    return resolve(weight, weights_dir, announce_download(weight.paths[0], "depth", emit))


def _tell_missing(names: tuple[str, ...], reasons: tuple[str, ...], emit: EventSink) -> None:
    """One warning a reason, since hundreds of photos may lack a map for the same one."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in zip(names, reasons, strict=True):
        if reason:
            by_reason.setdefault(reason, []).append(name)
    for reason, without in by_reason.items():
        shown = ", ".join(without[:3])
        shown += f" and {len(without) - 3} more" if len(without) > 3 else ""
        emit(Message("depth", f"No depth map for {shown}: {reason}", "warning"))


DEPTH = Stage("depth", build_depth, load_depth)
