"""Parts of the verdicts one by one: halves, alignment, ties, overlap, storage, renderings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.poses import Scene, arc, cloud, make_scene
from scenes.trust import PIXELS, subject_of, turned

from splatpose.geometry.projection import project
from splatpose.geometry.rotations import so3_exp
from splatpose.geometry.similarity import Similarity
from splatpose.scene.splats import HeldOutScore, Splats, TrainedSplats
from splatpose.scene.verdicts import PhotoTrust, PhotoVerdict, Verdicts
from splatpose.sfm.correspondences import keypoint_ids, match_table
from splatpose.sfm.held_out import split_matches
from splatpose.sfm.match_consistency import explain
from splatpose.sfm.model_comparison import camera_radius, difference
from splatpose.sfm.tracks import grown_labels
from splatpose.sfm.validation.connectivity import find_ties, spread
from splatpose.sfm.validation.lookalike_pairs import find_lookalikes
from splatpose.stages.trust.stage import load_verdicts, with_held_out
from splatpose.stages.trust.storage import save


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("arc"), arc(7), cloud(), outliers=0.3)


def test_halves_share_no_keypoint_and_next_to_nothing_is_lost(scene: Scene) -> None:
    table = match_table(scene.graph)
    half = split_matches(table, 0)
    ids = keypoint_ids(table)
    assert not set(ids[half == 0].ravel()) & set(ids[half == 1].ravel())
    assert (half < 0).mean() < 0.05
    assert 0.4 < (half == 0).mean() < 0.6
    np.testing.assert_array_equal(half, split_matches(table, 0))
    assert (half != split_matches(table, 1)).any()


def test_tracks_never_see_a_photo_twice(scene: Scene) -> None:
    table = match_table(scene.graph)
    label = grown_labels(table).ravel()
    ids, first = np.unique(keypoint_ids(table).ravel(), return_index=True)
    photo = table.photos.ravel()[first]
    assert len(ids) == len(np.unique(np.stack([label[first], photo]), axis=1).T)


def test_points_of_foreign_cameras_are_the_true_ones(scene: Scene) -> None:
    model = subject_of(scene).model
    assert len(model.points) > 200
    nearest = np.linalg.norm(model.points[:, None] - scene.points, axis=2).min(1)
    assert np.median(nearest) < 0.01
    for photo in range(7):
        own = model.observations[:, 1] == photo
        xy, _ = project(
            scene.camera, model.cam_from_world[photo], model.points[model.observations[own, 0]]
        )
        error = np.linalg.norm(xy - model.observation_xy[own], axis=1)
        assert error.max() < 4 * PIXELS


@pytest.mark.parametrize("wrong", [[], [2], [0, 6]])
def test_differences_are_exact_but_for_the_wrong_photos(wrong: list[int]) -> None:
    """Any similarity between the two, and a few photos far off."""
    truth = arc(7)
    other = Similarity(3.7, so3_exp(np.array([0.4, -1.1, 2.0])), np.array([5.0, -2.0, 9.0]))
    model = other.cam_from_world(truth)
    for photo in wrong:
        model = turned(model, photo, 12.0)
        model[photo, :3, 3] += 9.0
    found = difference(model, truth)
    right = [i for i in range(7) if i not in wrong]
    assert found.rotation[right].max() < 1e-5
    assert found.position[right].max() < 1e-5
    np.testing.assert_allclose(found.rotation[wrong], 12.0, atol=1e-5)
    assert (found.position[wrong] > 20).all()
    assert not found.agrees[wrong].any()


def test_differences_where_a_photo_is_missing() -> None:
    truth = arc(5)
    partial = truth.copy()
    partial[1] = np.nan
    found = difference(partial, truth)
    np.testing.assert_array_equal(np.isnan(found.rotation), np.arange(5) == 1)
    alone = np.full((5, 4, 4), np.nan)
    alone[0] = truth[0]
    assert np.isnan(difference(alone, truth).rotation).all()


def test_two_photos_differ_by_the_direction_between_them() -> None:
    truth = arc(2, span_deg=20)
    assert difference(truth, truth).position.max() < 1e-6
    bent = truth.copy()
    bent[1, :3, 3] += (0.0, 0.4, 0.0)
    assert not difference(bent, truth).agrees.any()


def test_a_camera_at_infinity_does_not_make_the_others_small() -> None:
    centers = np.random.default_rng(0).normal(size=(20, 3))
    radius = camera_radius(centers)
    assert camera_radius(np.concatenate([centers, [[1e6, 0, 0]]])) == pytest.approx(radius, rel=0.2)


def test_ties_name_the_bridge(tmp_path: Path) -> None:
    blocked = frozenset((i, j) for i in range(3) for j in range(3, 7) if (i, j) != (2, 3))
    scene = make_scene(tmp_path, arc(7), cloud(), blocked=blocked)
    subject = subject_of(scene)
    explanation = explain(subject.model, subject.table, max_error_px=PIXELS)
    ties = find_ties(subject.table, explanation, subject.model.registered, 15)
    cut = ties.cuts[0]
    assert (cut.part, cut.between, cut.pairs) == ((0, 1, 2), (2, 3), 1)
    assert cut.contradicted < 0.1 * cut.agreeing
    assert [c is None for c in ties.weakest] == [False] * 3 + [True] * 4
    np.testing.assert_array_equal(ties.neighbours, [2, 2, 3, 4, 3, 3, 3])


def test_nothing_ties_photos_that_match_all_around(scene: Scene) -> None:
    subject = subject_of(scene)
    explanation = explain(subject.model, subject.table, max_error_px=PIXELS)
    ties = find_ties(subject.table, explanation, subject.model.registered, 15)
    assert not ties.cuts
    np.testing.assert_array_equal(ties.neighbours, 6)


def test_strong_pairs_that_are_denied_are_lookalikes(scene: Scene) -> None:
    right = subject_of(scene)
    fine = find_lookalikes(
        right.model, right.table, explain(right.model, right.table, max_error_px=PIXELS), 0
    )
    assert (fine.overall, fine.shifted) == (0, 0)
    assert np.nanmax(fine.share) == 0
    for turn, shift, shifted in ((9.0, 0.0, False), (0.0, 0.6, True)):
        poses = scene.cam_from_world.copy()
        poses[:3, :3, :3] = so3_exp(np.radians([0.0, turn, 0.0])) @ poses[:3, :3, :3]
        poses[:3, 1, 3] += shift
        wrong = replace(right.model, cam_from_world=poses)
        explanation = explain(wrong, right.table, max_error_px=PIXELS)
        found = find_lookalikes(wrong, right.table, explanation, 0)
        assert found.overall > 0.3
        assert all((i < 3) != (j < 3) for i, j in found.pairs)
        assert found.shifted == (found.overall if shifted else 0)


def test_imprecise_pairs_count_half(scene: Scene) -> None:
    right = subject_of(scene)
    explanation = explain(right.model, right.table, max_error_px=PIXELS)
    rng = np.random.default_rng(0)
    crossing = (right.table.photos < 3).any(1) & (right.table.photos >= 3).any(1)
    # Of the matches between two groups few agree; the others miss by much, or by little.
    off = crossing & (rng.random(len(right.table)) < 0.75)
    told = replace(explanation, explained=explanation.explained & ~off, contradicted=off)
    wrong = find_lookalikes(right.model, right.table, told, 0)
    imprecise = replace(told, contradicted=off & (rng.random(len(right.table)) < 0.1))
    blurred = find_lookalikes(right.model, right.table, imprecise, 0)
    assert wrong.overall > 0.3
    assert wrong.shifted == wrong.overall
    assert blurred.pairs == wrong.pairs
    assert (blurred.overall, blurred.shifted) == (wrong.overall / 2, wrong.shifted / 2)


def test_spread_counts_cells(scene: Scene) -> None:
    table = match_table(scene.graph)
    sizes = np.tile([[800, 600]], (7, 1))
    everywhere = spread(table, np.ones(len(table), bool), sizes)
    assert (everywhere > 0.3).all()
    left = (table.xy[..., 0] < 400).all(1)
    assert (spread(table, left, sizes) <= 0.5).all()
    np.testing.assert_array_equal(spread(table, np.zeros(len(table), bool), sizes), 0)


def verdicts() -> Verdicts:
    photos = tuple(
        PhotoVerdict(f"{i}.jpg", "trusted" if i else "weak", "why", None if i else "more", trust)
        for i, trust in enumerate([PhotoTrust(neighbours=3), *[PhotoTrust(spread=0.5)] * 4])
    )
    return Verdicts(photos, ("more",), ("halves agree",))


def test_verdicts_survive_the_disk(tmp_path: Path) -> None:
    save(tmp_path, verdicts())
    assert repr(load_verdicts(tmp_path)) == repr(verdicts())


def trained(scores: dict[str, float]) -> TrainedSplats:
    empty = torch.zeros(0, 3)
    splats = Splats(empty, torch.zeros(0, 4), empty, torch.zeros(0), torch.zeros(0, 1, 3))
    held_out = tuple(HeldOutScore(name, psnr, 0.9) for name, psnr in scores.items())
    return TrainedSplats(splats, held_out, True, "cpu", 1, (), Path())


def test_a_rendering_unlike_its_photo_takes_trust_away() -> None:
    scores = {"0.jpg": 30.0, "1.jpg": 29.0, "2.jpg": 14.0, "3.jpg": 28.0}
    revised = with_held_out(verdicts(), trained(scores))
    assert [photo.level for photo in revised.photos] == [
        *("weak", "trusted", "weak", "trusted", "trusted")
    ]
    assert revised.photos[2].evidence.held_out_psnr == 14.0
    assert "dB worse" in revised.photos[2].reason
    assert revised.photos[2].advice in revised.advice
    assert revised.photos[0].reason == "why", "a good rendering does not raise a level"
    assert np.isnan(revised.photos[4].evidence.held_out_psnr)


def test_two_held_out_photos_do_not_tell_what_is_usual() -> None:
    revised = with_held_out(verdicts(), trained({"1.jpg": 30.0, "2.jpg": 10.0}))
    assert [photo.level for photo in revised.photos] == [p.level for p in verdicts().photos]
