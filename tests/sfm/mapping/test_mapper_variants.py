"""Which ways of mapping are tried with how many photos."""

from __future__ import annotations

import pytest

from splatpose.sfm.mapping.mapper_variants import MANY_PHOTOS, ROUNDS, rounds_of


@pytest.mark.parametrize("count", [2, 30, MANY_PHOTOS - 1])
def test_few_photos_are_mapped_in_every_way(count: int) -> None:
    assert rounds_of(count) == ROUNDS


@pytest.mark.parametrize("count", [MANY_PHOTOS, 250, 1000])
def test_many_photos_begin_with_two_independent_ways_that_are_not_incremental(count: int) -> None:
    first, *others = rounds_of(count)
    assert {recipe.mapper for recipe in first} == {"global", "view graph"}
    assert others
    assert all(others)
    assert len({recipe.name for round_ in (first, *others) for recipe in round_}) == sum(
        map(len, (first, *others))
    )


def test_incremental_mapping_is_not_tried_where_it_would_take_hours() -> None:
    def incremental(count: int) -> bool:
        return any(recipe.mapper == "incremental" for r in rounds_of(count) for recipe in r)

    assert incremental(250)
    assert not incremental(1000)
