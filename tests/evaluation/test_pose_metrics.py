"""Figures of estimated poses against independent implementations, laws and exact cases."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import scipy.linalg
from scenes.disturbed_cameras import disturbed, moved, ring, without, world
from scipy.spatial.transform import Rotation

from splatpose.evaluation.pose_metrics import PoseMetrics, pair_errors, pose_auc, score_poses
from splatpose.evaluation.readers import read_dataset
from splatpose.geometry.centers import centers_of, rms_radius
from splatpose.geometry.similarity import Similarity


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
