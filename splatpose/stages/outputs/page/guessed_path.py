"""Parts of the path whose distance is a guess, as dashed lines in the view from above."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from .cards import Card
from .svg import element, path


def guessed_paths(places: Float[np.ndarray, "C 2"], cards: Sequence[Card]) -> list[Markup]:
    """From each photo on which others hang by a guess two lines: to those before and after it.

    Args:
        places: of all cameras in the picture.
        cards: theirs, in the order of the photos.
    """
    number = {card.name: k for k, card in enumerate(cards)}
    hanging: dict[str, list[int]] = {}
    for k, card in enumerate(cards):
        if card.hangs_on in number:
            hanging.setdefault(card.hangs_on, []).append(k)
    lines = []
    for name, photos in hanging.items():
        hinge = number[name]
        before = [k for k in reversed(photos) if k < hinge]
        after = [k for k in photos if k > hinge]
        for side in (before, after):
            if side:
                route = [(float(x), float(y)) for x, y in places[[hinge, *side]]]
                title = f"The distance from {name} on is a guess"
                lines.append(
                    element("path", element("title", title), d=path(route), class_="guess")
                )
    return lines
