"""Evidence of pairs, against its plain definitions."""

from __future__ import annotations

import numpy as np

from splatpose.sfm.validation import pair_residuals


def test_medians_of_the_rows_that_name_a_photo() -> None:
    rng = np.random.default_rng(1)
    photos, values = rng.integers(0, 9, (40, 6)), rng.normal(size=40)
    photos[photos == 4] = 5
    found = pair_residuals._median_of_each(photos, values, 11)
    for photo in range(11):
        own = (photos == photo).any(1)
        assert own.any() or np.isnan(found[photo])
        assert not own.any() or found[photo] == np.median(values[own])
