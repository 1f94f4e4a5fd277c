"""Which photos are right: the alignment that they agree on, in exact and in degenerate cases."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scenes.disturbed_cameras import disturbed, moved, on_a_line, ring, without, world
from scipy.spatial.transform import Rotation

from splatpose.evaluation.pose_metrics import score_poses
from splatpose.geometry.camera_alignment import align_cameras, camera_errors, find_consensus
from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.similarity import Similarity


@pytest.mark.parametrize(
    ("degrees", "percent", "right"),
    [
        (4.8, 0, True),
        (5.6, 0, False),
        (8.0, 0, False),
        (0, 4.8, True),
        (0, 5.6, False),
        (0, 9, False),
    ],
)
def test_thresholds(degrees: float, percent: float, right: bool) -> None:
    """The alignment does not go half-way towards a photo that is a little too far off."""
    true = ring(40)
    estimated = true.copy()
    estimated[5] = moved(true[5], degrees, percent / 100 * rms_radius(centers_of(true)))
    score = score_poses(true, world(3).cam_from_world(estimated))
    assert score.right.tolist() == [right or i != 5 for i in range(40)]
    assert score.rotation_error[5] == pytest.approx(degrees, abs=0.25)


@pytest.mark.parametrize("count", [12, 120])
@pytest.mark.parametrize("seed", range(3))
def test_wrong_photos_are_found(count: int, seed: int) -> None:
    """Four in ten are elsewhere together, as after a false loop: least squares cannot tell."""
    true = ring(count, seed)
    estimated = disturbed(true, seed, 0.3, 0.01)
    wrong = np.arange(count) >= 0.6 * count
    swung = Similarity(
        1.0, Rotation.from_rotvec([0.2, 1.0, 0.1]).as_matrix(), np.array([1, 0, 2.0])
    )
    estimated[wrong] = swung.cam_from_world(estimated[wrong])
    estimated = world(seed).cam_from_world(estimated)
    score = score_poses(true, estimated)
    assert score.right.tolist() == (~wrong).tolist()
    assert score.metrics.ate_percent > 10
    assert np.median(score.position_error[~wrong]) < 0.05


def test_a_model_that_bends_is_not_cut_in_two() -> None:
    """Drift within the thresholds everywhere: all photos are right, not only a part that fits."""
    true = on_a_line(30)
    drift = np.linalg.inv(true)
    share = np.linspace(-1, 1, 30)
    drift[:, 1, 3] += 0.07 * rms_radius(centers_of(true)) * (share**2 - 1 / 3)
    score = score_poses(true, world(2).cam_from_world(np.linalg.inv(drift)))
    assert score.metrics.right == 30


def truncated_error(true: np.ndarray, estimated: np.ndarray, similarity: Similarity) -> float:
    """What the consensus makes small: squares of the worse of both errors, up to the threshold."""
    turns = true[:, :3, :3] @ similarity.rotation @ np.swapaxes(estimated[:, :3, :3], 1, 2)
    degrees = np.degrees(Rotation.from_matrix(turns).magnitude())
    moved = similarity.scale * centers_of(estimated) @ similarity.rotation.T
    off = np.linalg.norm(moved + similarity.translation - centers_of(true), axis=1)
    worst = np.maximum(degrees / 5, off / (0.05 * rms_radius(centers_of(true))))
    return float((np.minimum(worst, 1) ** 2).sum())


@pytest.mark.parametrize("bend", [1.0, 1e-3])
@pytest.mark.parametrize("seed", range(3))
def test_the_consensus_is_the_best_fit(seed: int, bend: float) -> None:
    """No alignment that one could think of leaves smaller errors: neither least squares of the
    centres of all or of the right photos, nor the mean of the rotations (centres near a line say
    little about the turn about it)."""
    true = np.linalg.inv(on_a_line(24))
    true[:, :3, 3] += bend * np.random.default_rng(seed).normal(size=(24, 3))
    true = np.linalg.inv(true)
    estimated = disturbed(true, seed, 1.0, 0.05)
    estimated[20:] = disturbed(true[20:], seed, 60, 3)
    agreed = find_consensus(true, estimated, rms_radius(centers_of(true)))
    assert agreed.similarity is not None
    best = truncated_error(true, estimated, agreed.similarity)
    for rows in (np.arange(24), np.arange(20)):
        fit = align_cameras(true[rows], estimated[rows])
        assert fit is not None
        assert best <= truncated_error(true, estimated, fit) + 1e-9
    turns = np.swapaxes(true[:20, :3, :3], 1, 2) @ estimated[:20, :3, :3]
    turn = Rotation.from_matrix(turns).mean()
    t, s = centers_of(true[:20]), turn.apply(centers_of(estimated[:20]))
    scale = ((t - t.mean(0)) * (s - s.mean(0))).sum() / ((s - s.mean(0)) ** 2).sum()
    mean = Similarity(float(scale), turn.as_matrix(), t.mean(0) - scale * s.mean(0))
    assert best <= truncated_error(true, estimated, mean) + 1e-9


def test_the_mean_of_rotations_that_disagree() -> None:
    """Half turns about x (three times), y and z (twice): their sum mirrors, the nearest rotation is
    the first."""
    about = [0, 0, 0, 1, 1, 2, 2]
    estimated = np.tile(np.eye(4), (7, 1, 1))
    estimated[:, :3, :3] = Rotation.from_rotvec(np.pi * np.eye(3)[about]).as_matrix()
    similarity = align_cameras(np.tile(np.eye(4), (7, 1, 1)), estimated)
    assert similarity is not None
    np.testing.assert_allclose(similarity.rotation, np.diag([1.0, -1, -1]), atol=1e-9)


def test_random_poses_are_wrong() -> None:
    rng = np.random.default_rng(0)
    estimated = np.tile(np.eye(4), (30, 1, 1))
    estimated[:, :3, :3] = Rotation.random(30, random_state=0).as_matrix()
    estimated[:, :3, 3] = rng.normal(size=(30, 3))
    assert score_poses(ring(30), estimated).metrics.right <= 3


def test_centers_on_a_line() -> None:
    """Their rotations settle the turn about the line; a photo turned about it is wrong."""
    true = on_a_line(8)
    metrics = score_poses(true, world(5).cam_from_world(true)).metrics
    assert metrics.right == 8
    assert metrics.rotation_mean == pytest.approx(0, abs=1e-4)
    assert metrics.rpe_translation == pytest.approx(0, abs=1e-6)
    twisted = np.linalg.inv(true)
    axis = np.array([0.7, 0.2, -0.1]) / np.linalg.norm([0.7, 0.2, -0.1])
    twisted[5:, :3, :3] = Rotation.from_rotvec(0.5 * axis).as_matrix() @ twisted[5:, :3, :3]
    score = score_poses(true, world(5).cam_from_world(np.linalg.inv(twisted)))
    assert score.right.tolist() == [True] * 5 + [False] * 3


def test_only_the_estimate_is_on_a_line() -> None:
    """Then too the centres leave the turn about the line open."""
    estimated = on_a_line(8)
    bent = np.linalg.inv(estimated)
    bent[:, 1, 3] += 0.02 * np.linspace(-1, 1, 8) ** 2
    metrics = score_poses(np.linalg.inv(bent), world(5).cam_from_world(estimated)).metrics
    assert metrics.rotation_mean < 1
    assert metrics.right == 8


@pytest.mark.parametrize("cameras", [ring, on_a_line, lambda n: ring(n)[[0, 0, 0, 3]]])
def test_alignment_undoes_a_similarity(cameras: Callable[[int], np.ndarray]) -> None:
    true = cameras(9)
    similarity = align_cameras(true, world(7).cam_from_world(true))
    assert similarity is not None
    rotation, position = camera_errors(true, world(7).cam_from_world(true), similarity)
    assert rotation.max() < 1e-4
    assert position.max() < 1e-9
    agreed = find_consensus(true, world(7).cam_from_world(true), rms_radius(centers_of(true)))
    assert agreed.right.all()


def test_places() -> None:
    """Photos of two places in one model: one place is right, and all pairs across are failures."""
    true = np.concatenate([ring(6, 0), ring(4, 1)])
    place = np.array([0] * 6 + [3] * 4)
    joined = world(0).cam_from_world(true)
    score = score_poses(true, joined, place)
    assert score.main_place == 0
    assert score.right.tolist() == [True] * 6 + [False] * 4
    assert (score.metrics.registered, score.metrics.right) == (10, 6)
    # Within the places 15 and 6 pairs are exact; 24 across are failures.
    assert score.metrics.auc30 == pytest.approx(100 * 21 / 45, abs=1e-3)
    apart = score_poses(true, without(joined, *range(6, 10)), place)
    assert (apart.metrics.registered, apart.metrics.right) == (6, 6)
    # Pairs across do not exist; the six of the other place are missing.
    assert apart.metrics.auc30 == pytest.approx(100 * 15 / 21, abs=1e-3)
    assert apart.metrics.radius == pytest.approx(rms_radius(centers_of(true[:6])))
    other = score_poses(true, without(joined, *range(6)), place)
    assert other.main_place == 3
    assert other.right.tolist() == [False] * 6 + [True] * 4
