"""Rows by label, and medians, against their definitions."""

from __future__ import annotations

import numpy as np

from splatpose.geometry.groups import groups_of, rows_of_each
from splatpose.geometry.robust import median_of_few


def test_groups_are_the_rows_of_each_label() -> None:
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 50):
        label = rng.integers(-3, 9, count)
        found = groups_of(label)
        names = np.unique(label)
        assert len(found) == len(names)
        for own, name in zip(found, names, strict=True):
            np.testing.assert_array_equal(own, np.flatnonzero(label == name))


def test_rows_of_each_label_up_to_a_count() -> None:
    label = np.random.default_rng(0).integers(0, 7, 30)
    label[label == 3] = 2
    found = rows_of_each(label, 9)
    assert len(found) == 9
    for name, own in enumerate(found):
        np.testing.assert_array_equal(own, np.flatnonzero(label == name))
    assert all(len(own) == 0 for own in rows_of_each(label[:0], 4))


def test_medians_are_those_of_numpy() -> None:
    rng = np.random.default_rng(0)
    for count in range(1, 20):
        values = rng.normal(size=count)
        assert median_of_few(values) == np.median(values)
