"""What photos must share, against its definition point by point."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scenes.poses import Scene
from scenes.trust import PIXELS, subject_of

from splatpose.geometry.centers import centers_of
from splatpose.geometry.projection import project
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.validation import missing_overlap
from splatpose.sfm.validation.missing_overlap import measure_overlap
from splatpose.sfm.validation.thresholds import OVERLAP


def plain(model: SparseModel, matched: set[tuple[int, int, int]], a: int, b: int) -> list[int]:
    """Visible and matched points of photo `a` in `b`, cells with several, and empty ones.

    Args:
        matched: photo, keypoint and other photo of all matches that agree.
    """
    camera, pose = model.cameras[0], model.cam_from_world[b]
    side = max(camera.width, camera.height)
    own = model.observations[:, 1] == b
    where, depths = project(camera, pose, model.points)
    xy_b, depth_b = model.observation_xy[own], depths[model.observations[own, 0]]
    centers = centers_of(model.cam_from_world)
    cells: dict[tuple[int, ...], list[bool]] = {}
    for track, _, keypoint in model.observations[model.observations[:, 1] == a].tolist():
        point, xy, depth = model.points[track], where[track], depths[track]
        rays = [point - centers[photo] for photo in (a, b)]
        far = [float(np.linalg.norm(ray)) for ray in rays]
        angle = np.degrees(np.arccos(np.clip(rays[0] @ rays[1] / far[0] / far[1], -1, 1)))
        inside = (xy > OVERLAP.margin * side).all() and (
            xy < np.array([camera.width, camera.height]) - OVERLAP.margin * side
        ).all()
        ratio = max(far) / min(far)
        if depth <= 0 or angle >= OVERLAP.max_angle or ratio >= OVERLAP.max_scale or not inside:
            continue
        distance = np.linalg.norm(xy_b - xy, axis=1)
        near = np.argsort(distance)[:3]
        if distance[near[2]] >= OVERLAP.near * side:
            continue
        if depth >= OVERLAP.behind * np.median(depth_b[near]):
            continue
        same = abs(depth_b[near[0]] / depth - 1) < OVERLAP.same_depth
        known = same and distance[near[0]] < OVERLAP.same_place * side
        known = known or track in model.observations[own, 0] or (a, keypoint, b) in matched
        cell = tuple(np.floor(8 * xy / (camera.width, camera.height)).astype(int).tolist())
        cells.setdefault(cell, []).append(bool(known))
    full = [hits for hits in cells.values() if len(hits) >= OVERLAP.min_in_cell]
    return [
        sum(map(len, cells.values())),
        sum(map(sum, cells.values())),
        len(full),
        sum(not any(hits) for hits in full),
    ]


def apart(model: SparseModel) -> SparseModel:
    """Half of the points are others in each photo, a little farther away."""
    track, photo = model.observations[:, :2].T
    own = model.points[track, 0] < 0
    centers = centers_of(model.cam_from_world)[photo[own]]
    points = centers + 1.05 * (model.points[track[own]] - centers)
    observations = model.observations.copy()
    observations[own, 0] = len(model.points) + np.arange(len(points))
    order = np.argsort(observations[:, 0], kind="stable")
    count = len(model.points) + len(points)
    return replace(
        model,
        points=np.concatenate([model.points, points]),
        point_colors=np.zeros((count, 3), np.uint8),
        point_errors=np.zeros(count),
        observations=observations[order],
        observation_xy=model.observation_xy[order],
    )


@pytest.mark.parametrize("at_once", [50, 2])
def test_overlap_is_what_each_point_says(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(missing_overlap, "_AT_ONCE", at_once)
    subject = subject_of(scene)
    table = subject.table
    rng = np.random.default_rng(0)
    model = apart(subject.model)
    # Points that some photos lost, and a photo without a pose.
    rows = (rng.random(len(model.observations)) < 0.6) & (model.observations[:, 1] != 4)
    model = replace(
        model,
        registered=np.arange(7) != 4,
        observations=model.observations[rows],
        observation_xy=model.observation_xy[rows],
    )
    agree = explain(model, table, max_error_px=PIXELS).explained & (rng.random(len(table)) < 0.1)
    photos, keypoints = table.photos[agree], table.keypoints[agree]
    matched = {
        (int(photos[m, s]), int(keypoints[m, s]), int(photos[m, 1 - s]))
        for m in range(len(photos))
        for s in (0, 1)
    }
    found = measure_overlap(model, table, agree, subject.graph.pairs, 0)
    tried = [(i, j) for i, j in subject.graph.pairs.tolist() if 4 not in (i, j)]
    pairs = [[a, b] for i, j in tried for a, b in ((i, j), (j, i))]
    assert found.pairs.tolist() == pairs
    counts = np.stack([found.visible, found.matched, found.cells, found.empty], 1)
    expected = [plain(model, matched, a, b) for a, b in pairs]
    assert counts.sum(0).all(), "an example of each"
    np.testing.assert_array_equal(counts, expected)


def test_nothing_tried_and_nothing_seen(scene: Scene) -> None:
    subject = subject_of(scene)
    nothing = np.zeros(len(subject.table), bool)
    none = measure_overlap(subject.model, subject.table, nothing, np.zeros((0, 2), np.int64), 0)
    assert none.pairs.shape == (0, 2)
    model = subject.model
    bare = SparseModel.of_cameras(
        model.names, model.cam_from_world, model.camera_index, model.cameras
    )
    assert not len(measure_overlap(bare, subject.table, nothing, subject.graph.pairs, 0).pairs)
