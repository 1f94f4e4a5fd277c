"""What mappings of two halves of the matches say of each photo."""

from __future__ import annotations

import numpy as np
from scenes.poses import Scene
from scenes.trust import subject_of

from splatpose.sfm.validation.split_agreement import fold_evidence
from splatpose.sfm.validation.split_reconstructions import Attempt, Half


def test_a_rival_speaks_of_the_photos_that_it_places_elsewhere(scene: Scene) -> None:
    """And of all that it does not place as the model does, where these are several."""
    subject = subject_of(scene)
    true = scene.cam_from_world
    none = np.zeros(len(subject.table), bool)

    def elsewhere(photos: list[int], score: float) -> Attempt:
        poses = true.copy()
        poses[photos, 0, 3] += 2.0
        return Attempt(f"{photos} {score}", score, poses)

    def found(*attempts: Attempt):
        halves = Half(attempts, none, none), Half((elsewhere([], 0.9),), none, none)
        return fold_evidence(halves, subject.model, subject.table)

    agreed = elsewhere([], 0.9)
    one = found(agreed, elsewhere([2], 0.88))
    assert np.flatnonzero(one.rivals).tolist() == [2]
    np.testing.assert_allclose(one.rival_here[2], 1 / 3)
    assert np.flatnonzero(one.rival_here).tolist() == [2]
    several = found(agreed, elsewhere([2, 3], 0.88))
    assert (several.rivals == 1).all()
    assert np.flatnonzero(several.rival_here).tolist() == [2, 3]
    nearer = found(agreed, elsewhere([2, 3], 0.88), elsewhere([3], 0.9))
    np.testing.assert_allclose(nearer.rival_here[[1, 2, 3]], [0, 1 / 3, 1])
    # What explains the matches worse is no rival.
    worse = found(agreed, elsewhere([2, 3], 0.8))
    assert not worse.rivals.any()
    assert not worse.rival_here.any()
    assert (several.ways == np.where(np.isin(np.arange(len(true)), [2, 3]), 1, 2)).all()
