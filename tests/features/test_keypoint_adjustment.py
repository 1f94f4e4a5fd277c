"""Aligning keypoints on the photos."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scenes.matching import make_capture, texture, transform, warp

from splatpose.features.keypoint_adjustment import MIN_CORRELATION, refine_keypoints
from splatpose.features.patch_alignment import RADIUS, align, fit_affinities
from splatpose.stages.matching.photos import GrayPhotos, refine_matches

RNG = np.random.default_rng(0)
WIDTH, HEIGHT = 320, 240


def gray(photo: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)


def jacobian(H: np.ndarray, xy: np.ndarray) -> np.ndarray:
    step = 1e-4
    columns = [
        (transform(H, xy + d) - transform(H, xy - d)) / (2 * step)
        for d in (np.array([step, 0]), np.array([0, step]))
    ]
    return np.stack(columns, 2)


HOMOGRAPHIES = [
    np.array([[1, 0, 3.37], [0, 1, -2.18], [0, 0, 1]]),
    np.array([[0.94, -0.34, 60], [0.34, 0.94, -35], [0, 0, 1]]),
    np.array([[1.2, 0.1, -20], [-0.05, 0.9, 10], [2e-4, -1e-4, 1]]),
]


@pytest.mark.parametrize("H", HOMOGRAPHIES)
def test_alignment_finds_the_true_place(H: np.ndarray) -> None:
    photo = texture(WIDTH, HEIGHT)
    other = np.clip(0.8 * warp(photo, H, WIDTH, HEIGHT) + 20, 0, 255).astype(np.uint8)
    at = RNG.uniform([40, 40], [WIDTH - 40, HEIGHT - 40], (150, 2))
    truth = transform(H, at)
    inside = ((truth > 15) & (truth < [WIDTH - 15, HEIGHT - 15])).all(1)
    at, truth = at[inside], truth[inside]
    start = truth + RNG.uniform(-1, 1, truth.shape)
    found, correlation = align(gray(photo), gray(other), at, start, jacobian(H, at))
    off = np.linalg.norm(found - truth, axis=1)
    assert len(at) > 60
    assert np.median(off) < 0.08
    assert (off[correlation > 0.95] < 0.3).mean() > 0.97
    assert (correlation > 0.95).mean() > 0.8


def test_unrelated_windows_do_not_correlate() -> None:
    first, second = gray(texture(WIDTH, HEIGHT, 1)), gray(texture(WIDTH, HEIGHT, 2))
    at = RNG.uniform([40, 40], [WIDTH - 40, HEIGHT - 40], (100, 2))
    _, correlation = align(first, second, at, at, np.tile(np.eye(2), (100, 1, 1)))
    assert (correlation < MIN_CORRELATION).mean() > 0.9


def test_blank_windows_are_no_evidence() -> None:
    blank = np.full((HEIGHT, WIDTH), 90, np.uint8)
    at = np.array([[100.0, 100.0]])
    found, correlation = align(blank, blank, at, at + 0.7, np.eye(2)[None])
    np.testing.assert_allclose(found, at + 0.7)
    assert correlation[0] < MIN_CORRELATION


def test_alignment_at_the_border_and_of_nothing() -> None:
    photo = gray(texture(WIDTH, HEIGHT))
    corner = np.array([[0.5, 0.5], [WIDTH - 0.5, HEIGHT - 0.5]])
    found, _ = align(photo, photo, corner, corner, np.tile(np.eye(2), (2, 1, 1)))
    np.testing.assert_allclose(found, corner, atol=0.05)
    none = np.zeros((0, 2))
    found, correlation = align(photo, photo, none, none, np.zeros((0, 2, 2)))
    assert found.shape == (0, 2)
    assert correlation.shape == (0,)


@pytest.mark.parametrize("H", HOMOGRAPHIES)
def test_affinities_are_the_local_jacobian(H: np.ndarray) -> None:
    xy = RNG.uniform(0, 300, (400, 2))
    got = fit_affinities(xy, transform(H, xy))
    off = np.abs(got - jacobian(H, xy)).max((1, 2))
    assert np.median(off) < 0.08


@pytest.mark.parametrize("count", [1, 2, 3])
def test_affinities_of_few_matches_are_finite(count: int) -> None:
    xy = RNG.uniform(0, 300, (count, 2))
    assert np.isfinite(fit_affinities(xy, 2 * xy)).all()
    same = np.tile(xy[:1], (count, 1))
    np.testing.assert_allclose(fit_affinities(same, same), np.tile(np.eye(2), (count, 1, 1)))


def noisy_tracks(count: int, noise: float):
    """Five views of one plane, the same points in each with noise, and all matches."""
    views = [np.eye(3)]
    for angle in (0.05, -0.08, 0.12, -0.02):
        c, s = np.cos(angle), np.sin(angle)
        views.append(np.array([[c, -s, 60 * angle + 3.3], [s, c, -40 * angle], [0, 0, 1]]))
    base = texture(WIDTH, HEIGHT, 7)
    photos = [gray(warp(base, H, WIDTH, HEIGHT)) for H in views]
    margin = 3 * RADIUS + 10
    points = RNG.uniform(margin, [WIDTH - margin, HEIGHT - margin], (count, 2))
    truth = [transform(H, points) for H in views]
    keypoints = [xy + RNG.normal(scale=noise, size=xy.shape) for xy in truth]
    every = np.stack([np.arange(count)] * 2, 1)
    pairs = [(i, j, every) for i in range(5) for j in range(i + 1, 5)]
    return views, photos, truth, keypoints, pairs


def disagreement(views: list[np.ndarray], keypoints) -> np.ndarray:
    """Distance between what two views say of a point, for all pairs of views, in pixels."""
    world = [transform(np.linalg.inv(H), xy) for H, xy in zip(views, keypoints, strict=True)]
    return np.array(
        [np.linalg.norm(world[i] - world[j], axis=1) for i in range(5) for j in range(i)]
    )


def test_tracks_agree_after_refinement() -> None:
    views, photos, _, keypoints, pairs = noisy_tracks(200, 0.6)
    refined = refine_keypoints(keypoints, pairs, lambda i: photos[i])
    assert np.median(disagreement(views, keypoints)) > 0.8
    assert np.median(disagreement(views, refined.keypoints)) < 0.12
    assert np.mean(np.concatenate(refined.precise)) > 0.9
    moved = np.concatenate(
        [np.linalg.norm(a - b, axis=1) for a, b in zip(refined.keypoints, keypoints, strict=True)]
    )
    assert np.quantile(moved, 0.99) < 4


def test_wrong_matches_are_not_called_precise() -> None:
    _, photos, _, keypoints, pairs = noisy_tracks(200, 0.3)
    first, second, right = pairs[0]
    wrong = right.copy()
    wrong[:40, 1] = np.roll(wrong[:40, 1], 11)
    refined = refine_keypoints(keypoints, [(first, second, wrong)], lambda i: photos[i])
    assert refined.precise[0][:40].mean() < 0.15
    assert refined.precise[0][40:].mean() > 0.85


def test_unmatched_keypoints_stay() -> None:
    _, photos, _, keypoints, pairs = noisy_tracks(60, 0.5)
    half = [(i, j, m[:30]) for i, j, m in pairs]
    refined = refine_keypoints(keypoints, half, lambda i: photos[i])
    for before, after in zip(keypoints, refined.keypoints, strict=True):
        np.testing.assert_array_equal(before[30:], after[30:])
        assert not np.array_equal(before[:30], after[:30])


def test_pairs_are_kept_by_how_much_the_photos_confirm(tmp_path: Path) -> None:
    """Enough confirmed: only those. Almost none: no pair. In between: all, as they were."""
    _, photos, _, keypoints, pairs = noisy_tracks(100, 0.3)
    capture = make_capture(tmp_path, [np.stack([p] * 3, 2) for p in photos])
    right = pairs[0][2]
    shuffled = np.stack([right[:, 0], np.roll(right[:, 1], 17)], 1)
    mixed = np.concatenate([right[:20], shuffled[20:25]])
    matches = [(0, 1, right), (0, 2, shuffled), (1, 2, mixed)]
    moved, kept, enough = refine_matches(keypoints, matches, GrayPhotos(capture, 1600, 9), 30, 8)
    assert enough == [True, False, False]
    assert 80 <= len(kept[0][2]) <= 100
    assert len(kept[1][2]) == 0
    np.testing.assert_array_equal(kept[2][2], mixed)
    assert [len(xy) for xy in moved] == [len(xy) for xy in keypoints]


def test_reduced_photos_align_in_pixels_of_the_photo(tmp_path: Path) -> None:
    views, photos, _, keypoints, pairs = noisy_tracks(100, 0.6)
    large = [cv2.resize(p, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for p in photos]
    capture = make_capture(tmp_path, [np.stack([p] * 3, 2) for p in large])
    reader = GrayPhotos(capture, WIDTH, 9)
    assert reader.read(0).shape == (HEIGHT, WIDTH)
    moved, _, _ = refine_matches([2 * xy for xy in keypoints], pairs, reader, 30, 8)
    assert np.median(disagreement(views, [xy / 2 for xy in moved])) < 0.12


def test_refinement_without_matches() -> None:
    refined = refine_keypoints([np.ones((3, 2)), np.zeros((0, 2))], [], lambda i: np.zeros((4, 4)))
    np.testing.assert_array_equal(refined.keypoints[0], np.ones((3, 2)))
    assert refined.keypoints[1].shape == (0, 2)
    assert refined.precise == ()


def test_refinement_does_not_depend_on_the_number_of_threads() -> None:
    _, photos, _, keypoints, pairs = noisy_tracks(50, 0.5)
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 1, 3):
            torch.set_num_threads(threads)
            found.append(refine_keypoints(keypoints, pairs, lambda i: photos[i]))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0].keypoints, other.keypoints, strict=True):
            np.testing.assert_array_equal(a, b)
        for a, b in zip(found[0].precise, other.precise, strict=True):
            np.testing.assert_array_equal(a, b)


def test_windows_far_outside_and_without_a_number_read_nothing_else() -> None:
    """Local maps of wrong matches may be anything."""
    photo = gray(texture(WIDTH, HEIGHT))
    at = np.full((6, 2), 100.0)
    start = np.array([[1e7, 100], [-1e7, 5], [np.nan, 100], [100, np.inf], [100, 100], [100, 100]])
    affine = np.tile(np.eye(2), (6, 1, 1))
    affine[4] *= 1e12
    affine[5] = np.nan
    _, correlation = align(photo, photo, at, start, affine)
    # Mirrored at the borders the photo goes on for ever, and there a window finds something.
    assert np.isfinite(correlation[:2]).all()
    assert not (correlation[2:] >= MIN_CORRELATION).any()
