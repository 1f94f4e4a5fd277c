"""The folder of a run with poses of two rounds, of which the second were kept or not."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pycolmap

from scenes.splats import synthetic_views
from scenes.viewer_run import REGISTERED, SIZE, write_matches, write_photos, write_poses
from splatpose.io.atomic import write_json
from splatpose.io.colmap_database import PairMatches, opened, write_pairs
from splatpose.io.second_round import write_evidence
from splatpose.keys import LAYOUT
from splatpose.runs.folder import MANIFEST, WORK
from splatpose.scene.second_round import SecondRoundEvidence

MOVED = 0.25
"""Shift of the second poses."""


def write_rounds(out: Path, decision: str) -> None:
    """Matches and poses of both rounds; the second model lies there even where it is not kept."""
    photos = out / "photos"
    photos.mkdir(parents=True)
    views = synthetic_views(REGISTERED, *SIZE)
    capture = write_photos(photos, views)
    poses = views.cam_from_world.copy()
    poses[:, 0, 3] += MOVED
    moved = dataclasses.replace(views, cam_from_world=poses)
    for stage in ("matching", "second_matching", "poses", "second_poses"):
        folder = out / WORK / stage
        folder.mkdir(parents=True)
        if "matching" in stage:
            write_matches(folder / "database.db", capture)
            if stage == "second_matching":
                add_pair(folder / "database.db")
        else:
            write_poses(folder, capture, moved if stage == "second_poses" else views)
        write_json(folder / MANIFEST, {"summary": stage, "seconds": 1.0}, LAYOUT)
    evidence = SecondRoundEvidence(9, 5, decision, "")  # type: ignore[arg-type]
    write_evidence(out / WORK / "second_poses", evidence)


def add_pair(path: Path) -> None:
    """Matches of the first photo and the last one with a pose, which only the second round has."""
    matches = np.stack([np.arange(7)] * 2, 1)
    geometry = pycolmap.TwoViewGeometry()
    geometry.config = 2
    geometry.inlier_matches = matches.astype(np.uint32)
    with opened(path) as database:
        write_pairs(database, [PairMatches(0, REGISTERED - 1, matches, geometry)])
