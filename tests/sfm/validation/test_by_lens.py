"""Which photos of a group count as one camera when halves of the matches are mapped."""

from __future__ import annotations

import numpy as np
from scenes.poses import arc
from scenes.zooms import zoomed

from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.validation.split_reconstructions import by_lens, group_cameras


def model(factors: list[float], index: list[int]) -> SparseModel:
    names = [f"{i}.jpg" for i in range(len(index))]
    cameras = [zoomed(factor) for factor in factors]
    return SparseModel.of_cameras(names, arc(len(index)), np.array(index), cameras)


def test_a_group_is_divided_where_focal_lengths_are_apart() -> None:
    found = model([1.0, 1.5], [0, 1, 0, 0, 1])
    lenses = by_lens(found, np.zeros(5, np.int64))
    assert lenses.tolist() == [0, 1, 0, 0, 1]
    cameras = group_cameras(found, lenses)
    assert {number: camera.params[0] for number, camera in cameras.items()} == {0: 700, 1: 1050}


def test_focal_lengths_of_one_lens_stay_one_group() -> None:
    groups = np.array([0, 0, 0, 1, 1])
    found = model([1.0, 1.02, 1.04, 2.0], [0, 1, 2, 3, 3])
    assert by_lens(found, groups).tolist() == groups.tolist()


def test_what_no_lens_has_is_no_lens() -> None:
    """Every group that is told apart has a camera."""
    found = model([1.0, 20.0], [0, 1, 0, 0, 1])
    lenses = by_lens(found, np.zeros(5, np.int64))
    assert lenses.tolist() == [0] * 5
    assert set(group_cameras(found, lenses)) == {0}
