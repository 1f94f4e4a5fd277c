"""Depth priors on disk: depth.json and one .npy a photo."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from ...errors import SplatposeError
from ...io.atomic import replacing, write_json
from ...scene.depth_maps import DepthPriors

_FILE = "depth.json"
_VERSION = 1


def map_path(folder: Path, photo: int) -> Path:
    """Where the map of a photo lies in the stage's folder."""
    return folder / "maps" / f"{photo:05d}.npy"


def save_map(folder: Path, photo: int, values: Float[np.ndarray, "H W"], max_size: int) -> None:
    """Writes a map as float32, at most `max_size` on its long side.

    Larger ones are thinned, not averaged: a mean over the edge of an object is the depth of
    neither side.
    """
    path = map_path(folder, photo)
    path.parent.mkdir(exist_ok=True)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, thinned(values, max_size).astype(np.float32))


def thinned(values: Float[np.ndarray, "H W"], max_size: int) -> Float[np.ndarray, "h w"]:
    """The nearest values on a grid whose long side is at most `max_size`."""
    scale = max_size / max(values.shape)
    if scale >= 1:
        return values
    take = [
        ((np.arange(count) + 0.5) * (side / count)).astype(np.int64)
        for side in values.shape
        for count in [max(1, round(side * scale))]
    ]
    return np.ascontiguousarray(values[np.ix_(*take)])


def save_priors(
    folder: Path,
    names: tuple[str, ...],
    source: str,
    kind: Literal["auto", "depth", "disparity"],
    reasons: tuple[str, ...],
) -> None:
    """Writes what is known of all maps; a photo has one where its reason is empty."""
    value = {"source": source, "kind": kind, "photos": dict(zip(names, reasons, strict=True))}
    write_json(folder / _FILE, value, _VERSION)


def read_priors(folder: Path) -> DepthPriors:
    """Reads what `save_priors` wrote; the maps are where `folder` is now.

    Raises:
        SplatposeError: another version of splatpose wrote it.
    """
    value = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    if value["version"] != _VERSION:
        raise SplatposeError(
            f"{folder / _FILE} has version {value['version']}, not {_VERSION}.",
            "Run again with --overwrite.",
        )
    reasons = tuple(value["photos"].values())
    return DepthPriors(
        names=tuple(value["photos"]),
        source=value["source"],
        kind=value["kind"],
        paths=tuple(None if why else map_path(folder, i) for i, why in enumerate(reasons)),
        reasons=reasons,
    )
