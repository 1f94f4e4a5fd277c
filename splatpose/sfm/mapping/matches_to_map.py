"""Which matches mappers are given, where photos are few and their matches very many.

Which way of mapping is right shows in a third of the matches as in all, at a third of the cost or
less: every pair keeps enough of them, and every part of a photo its longest tracks.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Int

from ...io.colmap_database import read_cameras
from ...io.match_subset import subset_of_matches
from ...scene.matches import MatchGraph
from ..correspondences import match_table
from ..thresholds import TRACKS, TRACKS_OF_FEW
from ..track_selection import select_tracks
from .bundle_adjustment import FEW_PHOTOS
from .mapper_variants import MANY_PHOTOS


def matches_to_map(
    graph: MatchGraph, camera_index: Int[np.ndarray, " V"], path: Path
) -> MatchGraph:
    """The graph itself, or the matches of selected tracks; those of many photos are selected
    before.

    Args:
        camera_index: each photo's camera in the graph's database.
        path: for the database of selected ones; one that is there already is used again.
    """
    if not FEW_PHOTOS < len(camera_index) < MANY_PHOTOS:
        return graph
    if len(graph.matches) < TRACKS.many_matches:
        return graph
    cameras, _ = read_cameras(graph.database)
    sizes = np.array([(camera.width, camera.height) for camera in cameras])[camera_index]
    return subset_of_matches(graph, select_tracks(match_table(graph), sizes, TRACKS_OF_FEW), path)
