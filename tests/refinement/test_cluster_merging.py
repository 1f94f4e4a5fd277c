"""Clusters' poses become pairs with baselines in one unit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scenes.clusters import COUNT, INDEX, local_scene
from scenes.poses import CAMERA, Scene

from splatpose.geometry.epipolar import relative_pose
from splatpose.geometry.rotations import rotation_angle, so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.refinement.cluster_merging import merged
from splatpose.refinement.cluster_optimization import Solved
from splatpose.scene.evidence import ClusterEvidence
from splatpose.sfm.mapping.pair_covariance import pair_covariance
from splatpose.sfm.twoview.pair_geometry import PairKind
from splatpose.sfm.viewgraph.view_graph import consistent_pairs


def solved_of(scene: Scene, photos: list[int], scale: float, noise: float, seed: int) -> Solved:
    """A cluster with true poses in a frame and unit of its own."""
    rng = np.random.default_rng(seed)
    frame = Similarity(scale, so3_exp(rng.standard_normal(3)), rng.standard_normal(3))
    true = frame.cam_from_world(scene.cam_from_world[photos])
    points = frame.points(scene.points)
    depth = np.einsum("vj,pj->vp", true[:, 2, :3], points) + true[:, 2, 3:]
    certainty = pair_covariance(local_scene().tracks, local_scene().views.cam_from_world,
                               np.array([(0, 1)]))  # fmt: skip
    pairs = np.stack(np.triu_indices(len(photos), 1), 1)
    evidence = ClusterEvidence((), "tracks", "", 9, 1.0, 0.5, 0.5, 0, 1, 0.0)
    number = np.broadcast_to(np.arange(len(points)), depth.shape)
    return Solved(
        photos=np.array(photos),
        cam_from_world=true,
        pairs=pairs,
        certainty=replace(
            certainty,
            covariance=np.repeat(certainty.covariance, len(pairs), axis=0),
            log_baseline_sigma=np.full(len(pairs), 0.01),
        ),
        observed=np.stack([np.repeat(photos, len(points)), number.ravel()], 1),
        log_depth=np.log(depth.ravel()) + noise * rng.standard_normal(depth.size),
        evidence=evidence,
    )


def test_merging_replaces_pairs_and_brings_baselines_to_one_unit(
    scene: Scene, table, relative
) -> None:
    solved = [
        solved_of(scene, [0, 1, 2, 3], 1.0, 0.05, 0),
        solved_of(scene, [3, 4, 5, 6], 7.0, 0.05, 1),
        solved_of(scene, [5, 6, 7, 8], 0.2, 0.05, 2),
    ]
    pairs = merged(solved, relative, table, (CAMERA,), INDEX)
    done = pairs.relative.subset(pairs.refined)
    assert len(done) == 6 + 6 + 5
    R, t = relative_pose(
        scene.cam_from_world[done.pairs[:, 0]], scene.cam_from_world[done.pairs[:, 1]]
    )
    assert rotation_angle(done.rotation @ np.swapaxes(R, 1, 2)).max() < 1e-5
    length = np.linalg.norm(t, axis=1)
    np.testing.assert_allclose(done.direction, t / length[:, None], atol=1e-6)
    ratio = pairs.baselines[done.row] / length
    np.testing.assert_allclose(ratio / np.median(ratio), 1, rtol=0.03)
    assert np.isnan(pairs.baselines).sum() == len(table.pairs) - len(done)
    # All others are as two views have them.
    rest = pairs.relative.subset(~pairs.refined)
    same = relative.subset(np.isin(relative.row, rest.row))
    np.testing.assert_array_equal(rest.rotation, same.rotation)
    none = merged([], relative, table, (CAMERA,), INDEX)
    assert not none.refined.any()
    np.testing.assert_array_equal(none.relative.row, consistent_pairs(relative, COUNT).row)


def test_a_pair_that_contradicts_its_cluster_is_not_replaced(scene: Scene, table, relative) -> None:
    cluster = solved_of(scene, [0, 1, 2, 3], 1.0, 0.0, 0)
    poses = cluster.cam_from_world.copy()
    poses[3, :3, :3] = so3_exp(np.radians([0, 4.0, 0])) @ poses[3, :3, :3]
    pairs = merged([replace(cluster, cam_from_world=poses)], relative, table, (CAMERA,), INDEX)
    done = pairs.relative.pairs[pairs.refined]
    assert sorted(map(tuple, done.tolist())) == [(0, 1), (0, 2), (1, 2)]


def test_a_weak_pair_is_made_good_by_its_cluster(scene: Scene, table, relative) -> None:
    kind = relative.kind.copy()
    weak = (relative.pairs == (0, 2)).all(1)
    kind[weak] = PairKind.WEAK
    pairs = merged(
        [solved_of(scene, [0, 1, 2], 1.0, 0.0, 0)],
        replace(relative, kind=kind), table, (CAMERA,), INDEX,
    )  # fmt: skip
    row = (pairs.relative.pairs == (0, 2)).all(1)
    assert pairs.relative.kind[row] == PairKind.GENERAL
    assert pairs.refined[row].all()
