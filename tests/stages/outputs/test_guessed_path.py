"""Parts whose distance is a guess are drawn otherwise."""

from __future__ import annotations

import numpy as np

from splatpose.stages.outputs.page.cards import Card
from splatpose.stages.outputs.page.guessed_path import guessed_paths


def card(number: int, hangs_on: str = "") -> Card:
    anchor, name = f"photo-{number}", f"{number}.jpg"
    return Card(anchor, name, "weak", "", None, False, (), (), None, hangs_on=hangs_on)


def test_a_dashed_line_leads_from_the_hinge_along_what_hangs_on_it() -> None:
    places = np.stack([10.0 * np.arange(6), np.zeros(6)], axis=1)
    cards = [card(k, "2.jpg" if k in (0, 1, 4) else "") for k in range(6)]
    before, after = guessed_paths(places, cards)
    assert 'class="guess"' in before
    assert "M20 0L10 0L0 0" in before
    assert "M20 0L40 0" in after
    assert "2.jpg" in before
    assert guessed_paths(places, [card(k) for k in range(6)]) == []
    assert guessed_paths(places, [card(k, "elsewhere.jpg") for k in range(6)]) == []
