"""Saving a training so that it can go on as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import pickle
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..io.atomic import replacing
from ..keys import keyed_fields
from ..scene.views import Views
from .config import TrainingConfig

VERSION = 1
DAMAGES = (
    OSError, RuntimeError, pickle.UnpicklingError, EOFError, LookupError, ValueError, TypeError,
    AttributeError, struct.error,
)  # fmt: skip
"""What reading damaged tensors ends with; there is no common base."""


class UnusableCheckpoint(Exception):
    """A checkpoint that must not be continued from. The message says why."""


def save_tensors(path: Path, value: dict[str, Any]) -> None:
    """Writes tensors, numbers, strings and containers of them, atomically."""
    with replacing(path) as temporary:
        torch.save(value, temporary)


def save_checkpoint(path: Path, state: dict[str, Any], identity: str) -> None:
    """Writes `state` atomically.

    Args:
        path: the file.
        state: tensors and plain values.
        identity: of what is being trained; only the same identity may be resumed.
    """
    save_tensors(path, {"version": VERSION, "identity": identity, **state})


def load_checkpoint(path: Path, identity: str, device: torch.device) -> dict[str, Any]:
    """Reads a checkpoint without running any code that it might hold.

    Raises:
        FileNotFoundError: there is none.
        UnusableCheckpoint: truncated, of another training or version, or with NaN or infinity.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise
    except DAMAGES as error:
        raise UnusableCheckpoint("it is truncated or damaged") from error
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise UnusableCheckpoint("it is of another version of splatpose")
    if state["identity"] != identity:
        raise UnusableCheckpoint("it belongs to other photos or another configuration")
    bad = first_not_finite(state)
    if bad is not None:
        raise UnusableCheckpoint(f"it holds NaN or infinity in {bad}")
    return state


def first_not_finite(value: Any, name: str = "") -> str | None:
    """Place of the first tensor in a checkpoint's state that holds NaN or infinity, or None."""
    if isinstance(value, torch.Tensor):
        if value.is_floating_point() and not bool(value.isfinite().all()):
            return name
    elif isinstance(value, dict):
        for key, item in value.items():
            found = first_not_finite(item, f"{name}.{key}" if name else str(key))
            if found is not None:
                return found
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            found = first_not_finite(item, f"{name}[{index}]")
            if found is not None:
                return found
    return None


def training_identity(views: Views, config: TrainingConfig, seed: int) -> str:
    """Hash of all that decides the result, so that no other training's checkpoint is taken."""
    digest = hashlib.sha256(json.dumps([keyed_fields(config), seed, views.names]).encode())
    for array in (views.Ks, views.cam_from_world, views.held_out, views.points):
        digest.update(np.ascontiguousarray(array).tobytes())
    training = np.flatnonzero(~np.asarray(views.held_out, bool))
    for index in training:
        digest.update(str(views.images[index].shape).encode())
        digest.update(np.ascontiguousarray(views.images[index]).tobytes())
    for view, depth in enumerate(views.depths or ()):
        if depth is not None:
            digest.update(f"{view} {depth.shape}".encode() + np.ascontiguousarray(depth).tobytes())
    return digest.hexdigest()
