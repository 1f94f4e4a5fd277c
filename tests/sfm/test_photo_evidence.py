"""What is said of a photo follows from how it was placed, not from how that was put before."""

from __future__ import annotations

import pytest

from splatpose.scene.evidence import PhotoEvidence
from splatpose.sfm.photo_evidence import placed_on_splat, updated_evidence

LATE = "placed late, from the finished model: 90 % of its 80 matches agree with its pose"


def test_a_photo_placed_late_stays_so_whatever_its_sentence_says() -> None:
    photo = PhotoEvidence("a.jpg", True, "came in after all others", 80, 0.6, 0.5, "late")
    again = updated_evidence(photo, 0.9, 0.3)
    assert again == PhotoEvidence("a.jpg", True, LATE, 80, 0.9, 0.3, "late")


def test_a_photo_is_not_late_because_its_sentence_begins_so() -> None:
    photo = PhotoEvidence("a.jpg", True, LATE, 80, 0.9, 0.3, "mapping")
    assert updated_evidence(photo, 0.9, 0.3).reason == LATE.replace(
        "placed late, from the finished model", "placed"
    )


@pytest.mark.parametrize(
    ("matches", "share", "reason"),
    [
        (80, 0.9, "placed on the splat's depth: 90 % of its 80 matches agree with its pose"),
        (20, 0.9, "placed on the splat's depth by few matches (20)"),
        (
            80,
            0.3,
            "placed on the splat's depth, but only 30 % of its 80 matches agree with its pose",
        ),
    ],
)
def test_a_photo_placed_on_the_splat_says_so(matches: int, share: float, reason: str) -> None:
    nan = float("nan")
    left_out = PhotoEvidence("a.jpg", False, "too few points", matches, nan, nan)
    assert updated_evidence(left_out, share, 0.2) == left_out
    placed = updated_evidence(placed_on_splat(left_out), share, 0.2)
    assert placed == PhotoEvidence("a.jpg", True, reason, matches, share, 0.2, "splat")
