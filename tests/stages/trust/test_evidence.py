"""What is collected of each photo is what was measured of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.poses import Scene, arc, cloud, make_scene
from scenes.trust import subject_of

from splatpose.scene.verdicts import PhotoTrust
from splatpose.sfm.mapping.focal_settlement import lens_priors
from splatpose.sfm.mapping.pose_covariance import pose_uncertainty
from splatpose.sfm.validation.lookalike_pairs import Lookalikes
from splatpose.stages.trust import evidence
from splatpose.stages.trust.config import TrustConfig
from splatpose.stages.trust.evidence import _calls_for_every_way, _imprecise, collect


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return make_scene(tmp_path_factory.mktemp("arc"), arc(7), cloud(), outliers=0.1)


def test_what_is_open_of_the_lens_is_told_of_the_photo(scene: Scene, tmp_path: Path) -> None:
    subject = subject_of(scene)
    found = collect(subject, TrustConfig(folds=False), tmp_path, seed=0, progress=lambda text: None)
    model = subject.model
    expected = pose_uncertainty(model, priors=lens_priors(model.cameras, [None]))
    for i, photo in enumerate(found.photos):
        for name in ("lens_rotation", "lens_position", "drift_rotation", "drift_position"):
            assert getattr(photo, name) == pytest.approx(getattr(expected, name)[i])
        assert photo.rotation_sigma == pytest.approx(expected.rotation[i])
        assert photo.position_sigma == pytest.approx(expected.position[i])
        assert photo.focal_sigma == pytest.approx(expected.focal[0])
        assert photo.focal_drift == pytest.approx(abs(expected.focal_drift[0]))


def test_exif_is_asked_of_the_camera_that_took_the_photo(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Models may have other cameras than the photos' groups: further lenses, or a foreign model's
    own."""
    subject = subject_of(scene)
    count = len(subject.model.names)
    own = np.arange(count) % 2
    camera = subject.model.cameras[0]
    model = replace(subject.model, cameras=(camera, camera, camera), camera_index=own)
    asked: list[list[float | None]] = []

    def spied(cameras, exif):
        asked.append(list(exif))
        return lens_priors(cameras, exif)

    monkeypatch.setattr(evidence, "lens_priors", spied)
    exif = np.where(own == 0, np.nan, 690.0)
    given = replace(subject, model=model, exif=exif)
    collect(given, TrustConfig(folds=False), tmp_path, seed=0, progress=lambda text: None)
    assert asked == [[None, 690.0, None]]


def test_crops_that_moved_are_told_of_every_placed_photo(scene: Scene, tmp_path: Path) -> None:
    """Two thirds of the photos see everything shifted by 3 % of their longer side."""
    subject = subject_of(scene)
    model, side = subject.model, scene.camera.width
    rows = model.observations[:, 1]
    shift = 0.03 * side * np.where(rows % 3 == 0, 0, np.where(rows % 2 == 0, 1, -1))
    xy = model.observation_xy + np.stack([shift, np.zeros(len(shift))], axis=1)
    moved = replace(subject, model=replace(model, observation_xy=xy))
    given = TrustConfig(folds=False), tmp_path
    found = collect(moved, *given, seed=0, progress=lambda text: None).photos
    (told,) = {photo.center_shift for photo in found}
    assert told == pytest.approx(0.03, rel=0.1)
    still = collect(subject, *given, seed=0, progress=lambda text: None).photos
    assert {photo.center_shift for photo in still} == {0.0}


def test_matches_off_by_little_are_those_that_neither_agree_nor_contradict() -> None:
    one = PhotoTrust(held_out_share=0.5, contradicted_share=0.3)
    assert _imprecise([one, one, one]) == pytest.approx(0.2)
    assert _imprecise([replace(one, held_out_share=0.9)]) == 0, "shares of different matches"
    denied = replace(one, held_out_share=0.0, folds_denying=1)
    assert _imprecise([one, one, denied, denied]) == pytest.approx(0.2), "other poses say nothing"
    assert _imprecise([one, denied, denied]) == pytest.approx(0.7), "unless most have others"
    assert np.isnan(_imprecise([PhotoTrust()]))


def test_all_ways_are_tried_for_the_sake_of_several_photos_near_things_that_look_alike() -> None:
    """Of a whole model they may be few: one way is not believed about the photos near them."""

    def calls(photos: int, overall: float = 0.05) -> bool:
        near = np.full(60, np.nan)
        near[:40], near[:photos] = 0.02, 0.2
        return _calls_for_every_way(Lookalikes(near, overall, near, near, ()))

    assert [calls(count) for count in (0, 2, 3, 30)] == [False, False, True, True]
    assert calls(0, overall=0.2)
