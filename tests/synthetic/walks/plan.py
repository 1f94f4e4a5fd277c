"""Plan of the village: where its streets, houses and garden are. Metres, x east, y north, z up.

Streets run along a grid of crossings, `crossing(i, j)`; blocks of houses fill the space between
them, and a ring of houses closes the village. Three blocks are houses, the fourth is the garden.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..stress.rooms import Wall

PITCH = (14.4, 12.4)
"""From one crossing to the next along x and y."""
STREET = 4.4
"""Width of a street."""
SPUR = 14.0
"""Length of the lane that leads into the village from the south, to crossing (0, 0)."""
HALF = STREET / 2
GATE = 2.2
"""Width of the gates in the middle of the garden's west and east walls."""


def crossing(i: float, j: float) -> tuple[float, float]:
    """Where the middles of two streets meet, i from west to east and j from south to north."""
    return (PITCH[0] * i, PITCH[1] * j)


GARDEN = crossing(1.5, 1.5)
"""The middle of the walled garden."""


def block(i: int, j: int) -> list[Wall]:
    """The four fronts of a block, each seen from the street before it."""
    x, y = crossing(i, j)
    u, v = crossing(i + 1, j + 1)
    x, y, u, v = x + HALF, y + HALF, u - HALF, v - HALF
    return [
        Wall((x, y), (u, y)),
        Wall((u, y), (u, v)),
        Wall((u, v), (x, v)),
        Wall((x, v), (x, y)),
    ]


def house_walls() -> Iterator[Wall]:
    """Where rows of houses stand: three blocks, the ring, and both sides of the lane."""
    for i, j in ((0, 0), (1, 0), (0, 1)):
        yield from block(i, j)
    u, v = crossing(2, 2)
    low, right, top = -HALF, u + HALF, v + HALF
    yield Wall((low, -SPUR), (low, low))
    yield Wall((low, low), (low, top))
    yield Wall((low, top), (right, top))
    yield Wall((right, top), (right, low))
    yield Wall((right, low), (HALF, low))
    yield Wall((HALF, low), (HALF, -SPUR))
    yield Wall((HALF, -SPUR), (low, -SPUR))


def garden_walls(side: int) -> list[Wall]:
    """South, east, north or west of the garden; east and west in two parts beside the gate."""
    wall = block(1, 1)[side]
    gate = (wall.length / 2 - GATE / 2, wall.length / 2 + GATE / 2)
    spans = [(0.0, gate[0]), (gate[1], wall.length)] if side % 2 else [(0.0, wall.length)]
    return [Wall(wall.at(start, 0)[:2], wall.at(stop, 0)[:2], 2.3) for start, stop in spans]
