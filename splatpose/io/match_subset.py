"""A database with only some of the verified matches of another."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from ..scene.camera import Camera
from ..scene.matches import MatchGraph
from .atomic import replacing
from .camera_groups import regroup
from .colmap_database import keep_inliers, opened, transaction, update_cameras


def subset_of_matches(
    graph: MatchGraph,
    kept: Bool[np.ndarray, " M"],
    path: Path,
    *,
    fewest: int = 1,
    cameras: Mapping[int, Camera] | None = None,
    camera_index: Int[np.ndarray, " V"] | None = None,
) -> MatchGraph:
    """The graph with the kept matches only, on a database of its own.

    Args:
        path: the database, written whole or not at all; one that is there already is used again.
        fewest: pairs with fewer kept matches have none in the database.
        cameras: other intrinsics for some of the cameras, by their index; further ones are added.
        camera_index: each photo's camera, where it is another than the database says.
    """
    if not path.exists():
        with replacing(path) as temporary:
            _write(graph, kept, temporary, fewest, cameras or {}, camera_index)
    offsets = np.concatenate([[0], np.cumsum(kept)])[graph.offsets]
    return replace(graph, database=path, matches=graph.matches[kept], offsets=offsets)


def _write(
    graph: MatchGraph,
    kept: Bool[np.ndarray, " M"],
    path: Path,
    fewest: int,
    cameras: Mapping[int, Camera],
    camera_index: Int[np.ndarray, " V"] | None,
) -> None:
    shutil.copyfile(graph.database, path)
    with opened(path) as database, transaction(database, path.stat().st_size):
        if camera_index is None:
            update_cameras(database, cameras)
        else:
            regroup(database, cameras, camera_index)
        for number, (i, j) in enumerate(graph.pairs.tolist()):
            if graph.num_verified[number]:
                rows = slice(graph.offsets[number], graph.offsets[number + 1])
                matches = graph.matches[rows][kept[rows]]
                keep_inliers(database, (i, j), matches if len(matches) >= fewest else matches[:0])
