"""Which photos have a card each, and which a line in a list: a thousand cards nobody reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..formatting import plural
from .cards import Card

FEW = 130
"""Most photos that have a card each, and a link each in every drawing."""
_MOST_SKIPPED = 60
"""Most skipped files that have a card each beside those of few photos."""
_MOST_FIRST = 100
"""Most cards where there are many photos."""
_GOOD = ("trusted", "registered")


@dataclass(frozen=True)
class Listing:
    """What the page shows as cards and what as rows; every photo and file is in one of them."""

    cards: list[Card]
    """Cards in full."""
    rows: list[Card]
    """What has a row: all photos and skipped files where photos are many, else those skipped files
    that are too many for cards."""
    first: str
    """What the cards are where rows have all photos, "" where cards are all there is."""

    @property
    def pictured(self) -> set[str]:
        """Names of which a row can have a picture: those of skipped files are read for it."""
        skipped = [row.name for row in self.rows if row.level == "skipped"]
        return {row.name for row in self.rows} - set(skipped[_MOST_SKIPPED:])


def is_many(num_photos: int) -> bool:
    """Whether photos are too many for a card each."""
    return num_photos > FEW


def listing_of(cards: Sequence[Card]) -> Listing:
    """Cards for all of few photos; else for those that need a look, and rows for all.

    Args:
        cards: of all photos, then of the skipped files.
    """
    skipped = [card for card in cards if card.level == "skipped"]
    photos = [card for card in cards if card.level != "skipped"]
    if not is_many(len(photos)):
        in_rows = skipped if len(skipped) > _MOST_SKIPPED else []
        return Listing([*photos, *(skipped if not in_rows else [])], in_rows, "")
    needy = [card for card in photos if card.level not in _GOOD]
    # Neighbours tend to fail alike: what is shown is spread over all of them.
    at = np.unique(np.linspace(0, len(needy) - 1, min(len(needy), _MOST_FIRST)).round().astype(int))
    first = [replace(needy[i], anchor=f"first-{needy[i].anchor}") for i in at.tolist()]
    told = f"{plural(len(needy), 'photo')} to look at first"
    if len(first) < len(needy):
        told = f"{len(first)} of {len(needy)} photos to look at first, spread over all of them"
    return Listing(first, list(cards), f"{told}. All {len(photos):,} are in the list below.")


def facts_table(cards: Sequence[Card]) -> dict[str, Any]:
    """The facts of many photos as columns, each value once, for rows that are opened.

    `names` and `meanings` of the facts; for each fact `values`, and for each photo in `rows` the
    number of its value, -1 where it has none.
    """
    names = list(dict.fromkeys(fact.name for card in cards for fact in card.facts))
    values: dict[str, dict[tuple[str, str], int]] = {name: {} for name in names}
    rows = {name: [-1] * len(cards) for name in names}
    for place, card in enumerate(cards):
        for fact in card.facts:
            known = values[fact.name]
            rows[fact.name][place] = known.setdefault((fact.value, fact.meaning), len(known))
    table = {"names": names, "meanings": [], "values": [], "rows": list(rows.values())}
    for name in names:
        meanings = {meaning for _, meaning in values[name]}
        one = len(meanings) == 1
        table["meanings"].append(next(iter(meanings)) if one else "")
        table["values"].append([v if one else f"{v}: {meaning}" for v, meaning in values[name]])
    return table
