"""Figures of estimated poses against independent implementations, laws and exact cases."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.linalg
from poses_scene import look_at
from scipy.spatial.transform import Rotation

from splatpose.evaluation.align import (
    align_cameras,
    camera_errors,
    centers_of,
    find_consensus,
    rms_radius,
)
from splatpose.evaluation.pose_metrics import PoseMetrics, pair_errors, pose_auc, score_poses
from splatpose.evaluation.readers import read_dataset
from splatpose.geometry.similarity import Similarity


def ring(count: int = 12, seed: int = 0) -> np.ndarray:
    """Cameras around the origin at changing heights, looking about its middle."""
    rng = np.random.default_rng(seed)
    angles = np.linspace(0, 1.7 * np.pi, count)
    return np.stack(
        [
            look_at((3 * np.cos(a), rng.normal(0, 0.5), 3 * np.sin(a)), rng.normal(0, 0.3, 3))
            for a in angles
        ]
    )


def world(seed: int) -> Similarity:
    """Some other world frame."""
    rng = np.random.default_rng(seed)
    return Similarity(
        float(rng.uniform(0.1, 9)),
        Rotation.random(random_state=seed).as_matrix(),
        rng.normal(0, 5, 3),
    )


def disturbed(
    poses: np.ndarray, seed: int, degrees: float = 1.0, distance: float = 0.05
) -> np.ndarray:
    """Cameras turned and moved at random."""
    rng = np.random.default_rng(seed)
    result = np.linalg.inv(poses)
    turns = Rotation.from_rotvec(np.radians(degrees) * rng.normal(size=(len(poses), 3)))
    result[:, :3, :3] = turns.as_matrix() @ result[:, :3, :3]
    result[:, :3, 3] += distance * rng.normal(size=(len(poses), 3))
    return np.linalg.inv(result)


def without(poses: np.ndarray, *rows: int) -> np.ndarray:
    result = poses.copy()
    result[list(rows)] = np.nan
    return result


@pytest.fixture(scope="module")
def oracle(shared: Path) -> ModuleType:
    file = shared / "tools" / "score_poses.py"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    spec = importlib.util.spec_from_file_location("score_poses", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("missing", [(), (2, 5)])
@pytest.mark.parametrize(
    ("name", "degrees", "distance"),
    [("fox", 0.3, 0.02), ("llff_fern", 3.0, 0.3), ("lego", 20.0, 2.0)],
)
def test_against_another_program(
    oracle: ModuleType,
    shared: Path,
    name: str,
    degrees: float,
    distance: float,
    missing: tuple[int, ...],
) -> None:
    """The same figures as a program that others wrote, on real cameras with noise."""
    file = shared / "data" / name / "poses.json"
    if not file.is_file():
        pytest.skip(f"{file} is not there")
    frames = json.loads(file.read_text())["frames"][:40]
    true = read_dataset(file).cam_from_world[:40]
    estimated = world(1).cam_from_world(disturbed(true, 0, degrees, distance))
    c2w_true, c2w = np.linalg.inv(true), np.linalg.inv(estimated)
    names = [frame["file"] for frame in frames]
    kept = [i for i in range(len(true)) if i not in missing]
    theirs = oracle.score(
        {names[i]: c2w[i] for i in kept}, {names[i]: c2w_true[i] for i in range(len(true))}
    )
    ours = score_poses(true, without(estimated, *missing)).metrics
    # They divide by the radius of the registered photos, we by that of all.
    share = rms_radius(centers_of(true[kept])) / ours.radius
    rounding = {"rel": 1e-6, "abs": 6e-5}
    assert theirs["registered"] == f"{ours.registered}/{ours.photos}"
    assert ours.ate_percent / share == pytest.approx(theirs["ate"], **rounding)
    assert ours.rotation_mean == pytest.approx(theirs["rot"], **rounding)
    assert ours.auc5 == pytest.approx(theirs["auc5"], **rounding)
    assert ours.auc30 == pytest.approx(theirs["auc30"], **rounding)
    assert ours.rpe_rotation == pytest.approx(theirs["rpe_r"], **rounding)
    assert ours.rpe_translation / ours.radius / share == pytest.approx(theirs["rpe_t"], **rounding)


def aligned_by_definition(true: np.ndarray, estimated: np.ndarray) -> np.ndarray:
    """Camera-to-world matrices after the least-squares similarity, by scipy's solution of
    Wahba's problem and the closed form of the scale."""
    target, source = true[:, :3, 3], estimated[:, :3, 3]
    t, s = target - target.mean(0), source - source.mean(0)
    turn = Rotation.align_vectors(t, s)[0]
    scale = (t * turn.apply(s)).sum() / (s**2).sum()
    result = estimated.copy()
    result[:, :3, :3] = turn.as_matrix() @ estimated[:, :3, :3]
    result[:, :3, 3] = scale * turn.apply(s) + target.mean(0)
    return result


def rpe_by_definition(true: np.ndarray, aligned: np.ndarray) -> tuple[float, float]:
    """Mean translation times 100, mean rotation in degrees, of camera-to-world matrices."""
    lengths, angles = [], []
    for i in range(len(true) - 1):
        step_t = np.linalg.inv(true[i]) @ true[i + 1]
        step_e = np.linalg.inv(aligned[i]) @ aligned[i + 1]
        error = np.linalg.inv(step_t) @ step_e
        lengths.append(np.linalg.norm(error[:3, 3]))
        angles.append(np.degrees(Rotation.from_matrix(error[:3, :3]).magnitude()))
    return 100 * float(np.mean(lengths)), float(np.mean(angles))


@pytest.mark.parametrize("seed", range(3))
def test_units_of_the_literature(seed: int) -> None:
    """NoPe-NeRF's figures and CF-3DGS's, step by step as their programs take them."""
    true = ring(20, seed)
    estimated = world(seed).cam_from_world(disturbed(true, seed, 2.0, 0.2))
    metrics = score_poses(true, estimated).metrics
    gt, est = np.linalg.inv(true), np.linalg.inv(estimated)
    nope = aligned_by_definition(gt, est)
    translation, rotation = rpe_by_definition(gt, nope)
    ate = np.sqrt(((nope[:, :3, 3] - gt[:, :3, 3]) ** 2).sum(1).mean())
    assert metrics.ate == pytest.approx(ate)
    assert metrics.ate_percent == pytest.approx(100 * ate / rms_radius(gt[:, :3, 3]))
    assert (metrics.rpe_translation, metrics.rpe_rotation) == pytest.approx((translation, rotation))
    angles = Rotation.from_matrix(np.swapaxes(gt[:, :3, :3], 1, 2) @ nope[:, :3, :3]).magnitude()
    assert metrics.rotation_mean == pytest.approx(np.degrees(angles).mean())
    assert metrics.rotation_median == pytest.approx(np.median(np.degrees(angles)))
    # CF-3DGS: centre both, divide by Frobenius norms, scale by the procrustes problem's, align.
    gt[:, :3, 3] -= gt[:, :3, 3].mean(0)
    est[:, :3, 3] -= est[:, :3, 3].mean(0)
    gt[:, :3, 3] /= np.linalg.norm(gt[:, :3, 3])
    est[:, :3, 3] /= np.linalg.norm(est[:, :3, 3])
    est[:, :3, 3] *= scipy.linalg.orthogonal_procrustes(gt[:, :3, 3], est[:, :3, 3])[1]
    cf = aligned_by_definition(gt, est)
    translation, rotation = rpe_by_definition(gt, cf)
    ate = np.sqrt(((cf[:, :3, 3] - gt[:, :3, 3]) ** 2).sum(1).mean())
    assert metrics.ate_normalized == pytest.approx(ate)
    assert metrics.rpe_translation_normalized == pytest.approx(translation)
    assert metrics.rpe_rotation == pytest.approx(rotation)


def test_pairs_one_by_one() -> None:
    """Errors of relative poses, from each pair's own matrices."""
    true = ring(7)
    estimated = world(4).cam_from_world(disturbed(true, 4, 5.0, 0.3))
    expected = []
    for i in range(7):
        for j in range(i + 1, 7):
            t, e = (p[j] @ np.linalg.inv(p[i]) for p in (true, estimated))
            turn = Rotation.from_matrix(t[:3, :3].T @ e[:3, :3]).magnitude()
            # Direction towards the second camera, as the first one sees it.
            a, b = (p[i, :3, :3] @ (centers_of(p)[j] - centers_of(p)[i]) for p in (true, estimated))
            angle = np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))
            expected.append(np.degrees(max(turn, angle)))
    np.testing.assert_allclose(pair_errors(true, estimated, np.zeros(7, int)), expected)


def test_auc_by_hand() -> None:
    """Errors 1, 2 and 6 up to 5: trapezoids below (0,0) (1,1/3) (2,2/3) (5,2/3)."""
    assert pose_auc(np.array([6.0, 1.0, 2.0]), (5.0,)) == pytest.approx([100 * (8 / 3) / 5])
    assert pose_auc(np.zeros(4), (5.0, 30.0)) == [100.0, 100.0]
    assert pose_auc(np.full(4, 180.0), (30.0,)) == [0.0]
    assert np.isnan(pose_auc(np.zeros(0))).all()


def figures(metrics: PoseMetrics) -> np.ndarray:
    return np.array([float(value) for value in vars(metrics).values()])


@pytest.mark.parametrize("seed", range(5))
def test_the_estimates_world_frame_does_not_matter(seed: int) -> None:
    true, estimated = ring(15, seed), without(disturbed(ring(15, seed), seed, 4.0, 0.3), 3)
    other = world(seed + 10).cam_from_world(estimated)
    one, two = score_poses(true, estimated), score_poses(true, other)
    np.testing.assert_allclose(figures(one.metrics), figures(two.metrics), rtol=1e-6, atol=1e-7)
    assert one.right.tolist() == two.right.tolist()
    again = score_poses(true, estimated)
    np.testing.assert_array_equal(one.rotation_error, again.rotation_error)


@pytest.mark.parametrize("seed", range(5))
def test_the_truths_unit(seed: int) -> None:
    """Lengths in the truth's unit scale with it; everything else does not change."""
    true, estimated = ring(15, seed), disturbed(ring(15, seed), seed, 4.0, 0.3)
    scaled = Similarity(7.0, np.eye(3), np.zeros(3)).cam_from_world(true)
    one, two = score_poses(true, estimated).metrics, score_poses(scaled, estimated).metrics
    for name, value in vars(one).items():
        factor = 7.0 if name in ("radius", "ate", "rpe_translation") else 1.0
        assert getattr(two, name) == pytest.approx(factor * value, nan_ok=True), name


def test_a_perfect_estimate_and_missing_photos() -> None:
    true = ring(10)
    estimated = without(world(2).cam_from_world(true), 0, 7)
    score = score_poses(true, estimated)
    metrics = score.metrics
    assert (metrics.photos, metrics.registered, metrics.right) == (10, 8, 8)
    assert metrics.ate_percent == pytest.approx(0, abs=1e-9)
    assert metrics.rotation_mean == pytest.approx(0, abs=1e-5)
    # 28 of 45 pairs are there and exact.
    assert metrics.auc5 == pytest.approx(100 * 28 / 45, abs=0.01)
    assert score.registered.tolist() == [i not in (0, 7) for i in range(10)]


def test_unknown_truth_does_not_count() -> None:
    true = ring(10)
    score = score_poses(without(true, 4), disturbed(true, 0))
    assert (score.metrics.photos, score.metrics.registered) == (9, 9)
    assert not score.known[4]
    assert not score.registered[4]


def test_focal_error() -> None:
    ratios = np.array([1.1, 0.8, np.nan, 5.0])
    true = ring(4)
    assert score_poses(true, without(true, 3), focal_ratio=ratios).metrics.focal_percent == (
        pytest.approx(15.0)
    )


def moved(pose: np.ndarray, degrees: float, distance: float) -> np.ndarray:
    result = np.linalg.inv(pose)
    result[:3, :3] = result[:3, :3] @ Rotation.from_rotvec([0, np.radians(degrees), 0]).as_matrix()
    result[:3, 3] += (distance, 0, 0)
    return np.linalg.inv(result)


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


def test_two_photos_from_one_spot() -> None:
    """No direction leads from one to the other: only their rotations are compared."""
    true = ring(6)
    true[1] = moved(true[0], 20, 0)
    errors = pair_errors(true, world(3).cam_from_world(true), np.zeros(6, int))
    assert errors.max() < 1e-4
    estimated = true.copy()
    estimated[1] = estimated[0]
    errors = pair_errors(true, world(3).cam_from_world(estimated), np.zeros(6, int))
    assert errors[0] == pytest.approx(20)


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


def on_a_line(count: int) -> np.ndarray:
    return np.stack(
        [look_at((0.7 * i, 0.2 * i, -0.1 * i), (2, 0.3, 9 + i % 3)) for i in range(count)]
    )


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


def test_two_photos() -> None:
    """A similarity fits any two centres; whether they are right, the rotations say."""
    true = ring(6)[[0, 2]]
    metrics = score_poses(true, world(1).cam_from_world(true)).metrics
    assert (metrics.registered, metrics.right) == (2, 2)
    assert metrics.rotation_mean == pytest.approx(0, abs=1e-4)
    assert metrics.auc5 == pytest.approx(100, abs=1e-3)
    assert np.isnan([metrics.ate, metrics.ate_percent, metrics.rpe_translation]).all()
    turned = true.copy()
    turned[1] = moved(true[1], 30, 0)
    assert score_poses(true, turned).metrics.right == 0


@pytest.mark.parametrize("registered", [0, 1])
def test_hardly_any_photo(registered: int) -> None:
    true = ring(5)
    metrics = score_poses(true, without(true, *range(registered, 5))).metrics
    assert (metrics.photos, metrics.registered, metrics.right) == (5, registered, 0)
    assert metrics.auc30 == 0
    for value in (metrics.ate, metrics.rotation_mean, metrics.rpe_rotation, metrics.focal_percent):
        assert np.isnan(value)


def test_nothing_known() -> None:
    metrics = score_poses(np.full((3, 4, 4), np.nan), ring(3)).metrics
    assert (metrics.photos, metrics.registered, metrics.right) == (0, 0, 0)
    assert np.isnan(metrics.auc5)


def test_coincident_centers() -> None:
    """A camera that only turned: rotations decide, and no figure speaks of positions."""
    true = ring(6)
    true[:, :3, 3] = 0
    estimated = disturbed(true, 0, 0.1, 0.3)
    estimated[4] = moved(estimated[4], 20, 0)
    score = score_poses(true, estimated)
    assert score.right.tolist() == [i != 4 for i in range(6)]
    assert np.isnan(
        [score.metrics.ate, score.metrics.ate_percent, score.metrics.rpe_translation]
    ).all()
    assert score.metrics.rpe_rotation > 0
    collapsed = ring(6)
    collapsed[:, :3, 3] = 0
    assert score_poses(ring(6), collapsed).metrics.ate_percent == pytest.approx(100)


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
