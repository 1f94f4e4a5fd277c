"""When a reconstruction is enough, and when others are tried."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pycolmap
import pytest
from scenes.poses import CAMERA, arc

from splatpose.events import Message
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.mapping.hypotheses import Failure, Hypothesis, Workshop
from splatpose.sfm.mapping.mapper_variants import MapperVariant
from splatpose.sfm.match_consistency import Explanation
from splatpose.stages.poses.search import search

ROUNDS = (
    (MapperVariant("a", "global"), MapperVariant("b", "incremental")),
    (MapperVariant("c", "view graph"), MapperVariant("d", "global")),
)


class Known(Workshop):
    """Finds what it is told to."""

    def __init__(self, found: Callable[[MapperVariant], Hypothesis]) -> None:
        self._found = found

    @property
    def rounds(self) -> tuple[tuple[MapperVariant, ...], ...]:
        return ROUNDS

    def run(self, recipes: Sequence[MapperVariant], workers: int) -> list[Hypothesis | Failure]:
        return [self._found(recipe) for recipe in recipes]

    def forget_databases(self, to_come: Iterable[MapperVariant] = ()) -> None:
        """There are none."""


def rounds_run(count: int, left_out: int, turned: bool = False) -> tuple[int, list[str]]:
    """Rounds until it is enough, and what is said, where all mappings leave out the last photos.

    Args:
        turned: the second mapping turns half of the photos.
    """
    names = tuple(f"{i}.png" for i in range(count))
    poses = arc(count)
    poses[count - left_out :] = np.nan
    other = poses.copy()
    if turned:
        other[: count // 2, :3] = np.diag([-1.0, -1.0, 1.0]) @ other[: count // 2, :3]
    some = np.ones(3, bool)
    told = Explanation(np.ones(count, bool), some, ~some, 0.9, 0.9, 0.0, 1.2, 20.0)

    def hypothesis(variant: MapperVariant) -> Hypothesis:
        own = other if variant.name == "b" else poses
        model = SparseModel.of_cameras(names, own, np.zeros(count, np.int64), (CAMERA,))
        parts = (pycolmap.Reconstruction(), model, told, 0.5, 1.0, np.zeros(count))
        return Hypothesis(variant.name, variant.mapper, *parts)

    said: list[str] = []
    found = search(
        Known(hypothesis),
        max_rounds=2,
        workers=1,
        num_photos=count,
        num_connected=count,
        emit=lambda event: said.append(event.text) if isinstance(event, Message) else None,
    )
    return found.rounds, said


@pytest.mark.parametrize(
    ("count", "left_out", "rounds"),
    [(12, 0, 1), (12, 1, 2), (99, 1, 2), (100, 1, 1), (250, 2, 1), (250, 3, 2), (250, 12, 2)],
)
def test_a_few_of_many_photos_that_are_left_out_ask_for_no_further_round(
    count: int, left_out: int, rounds: int
) -> None:
    found, said = rounds_run(count, left_out)
    assert found == rounds
    told = f"{left_out} connected photos are left out: trying other ways"
    assert (told in said) == (rounds == 2)


def test_mappings_that_disagree_ask_for_another_however_many_they_place() -> None:
    found, said = rounds_run(250, 1, turned=True)
    assert found == 2
    assert "disagree" in said[0]
