"""What keeps a refinement or rolls it back."""

from __future__ import annotations

import numpy as np
import pytest

from splatpose.refinement.gate import Figures, GateThresholds, decide, split_views

THRESHOLDS = GateThresholds(min_gain=0.1, min_standard_errors=1.0, match_tolerance=0.05)


def test_validation_photos_are_training_photos_with_neighbours():
    held_out = np.zeros(20, bool)
    held_out[4::8] = True
    split = split_views(held_out, 8)
    assert split is not None
    assert split.validation.sum() == 2
    assert not (split.validation & held_out).any()
    assert not (split.learning & (held_out | split.validation)).any()
    assert (split.learning | split.validation | held_out).all()
    assert split.learning[[0, -1]].all()
    assert split_views(np.zeros(5, bool), 8) is None


def test_near_copies_of_a_photo_that_judges_are_not_learned_from() -> None:
    exposures = np.repeat(np.arange(12), 2)
    split = split_views(np.zeros(24, bool), 8, exposures)
    assert split is not None
    judging = set(exposures[split.validation].tolist())
    assert len(judging) == 3
    assert not judging & set(exposures[split.learning].tolist())
    assert split.learning.sum() == 24 - 6
    assert split_views(np.zeros(12, bool), 8, np.zeros(12, np.int64)) is None


@pytest.mark.parametrize(
    ("psnr", "error", "kept"),
    [
        (26.0, 0.50, True),
        (26.0, 0.505, True),
        (26.0, 0.60, False),
        (25.0, 0.40, False),
        (25.01, 0.40, False),
        (float("nan"), 0.40, False),
        (26.0, float("nan"), False),
    ],
)
def test_gate(psnr: float, error: float, kept: bool):
    decision, reason = decide(
        Figures((24.0, 26.0), 0.5), Figures((psnr - 1, psnr + 1), error), THRESHOLDS
    )
    assert (decision == "kept") == kept
    assert "25.00" in reason
    assert "0.500" in reason


def test_one_photo_does_not_decide_against_the_others():
    before = Figures((25.0, 25.0, 25.0, 25.0), 0.5)
    outlier = Figures((24.9, 24.9, 24.9, 27.0), 0.5)
    assert decide(before, outlier, THRESHOLDS)[0] == "rolled back"
    alike = Figures((25.4, 25.4, 25.4, 25.5), 0.5)
    assert decide(before, alike, THRESHOLDS)[0] == "kept"
