"""Which pairs are settled, left alone, asked about and added, with a cascade that knows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
import pytest

from splatpose.features.cascade import NEAREST, NETWORK, NOT_ASKED, Cascade, MatchedPair, Pair
from splatpose.io.colmap_database import opened, write_keypoints, write_photos
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.stages.matching.match_pairs import match_pairs, read_unaligned
from splatpose.stages.matching.ways import read_ways

PHOTOS = 20
EASY = np.stack([np.arange(200)] * 2, 1)


class KnownCascade(Cascade):
    """Photos up to `settled` apart are settled, the nearer by the more matches; those listed are
    found by the network."""

    def __init__(self, settled: int, found: Sequence[Pair] = (), patience: int = 10**6) -> None:
        self.settled, self.found, self.patience = settled, set(found), patience
        self.asked: list[Pair] = []
        self.joined: set[Pair] = set()

    def settle(self, pairs: Sequence[Pair]) -> list[MatchedPair]:
        near = [(i, j, EASY[20 * (j - i) :]) for i, j in pairs if j - i <= self.settled]
        return [MatchedPair((i, j), matches, matches, NEAREST) for i, j, matches in near]

    def ask(
        self, pairs: Sequence[Pair], joined: Collection[Pair] = frozenset()
    ) -> list[MatchedPair]:
        self.joined |= {*joined}
        if len(self.asked) + len(pairs) > self.patience:
            raise KeyboardInterrupt
        self.asked += pairs
        some = {pair: EASY[100:] if pair in self.found else EASY[:0] for pair in pairs}
        return [MatchedPair(pair, m, m, NETWORK) for pair, m in some.items()]

    def check(self) -> str:
        return ""


def band(width: int) -> np.ndarray:
    return np.array([(i, j) for i in range(PHOTOS) for j in range(i + 1, PHOTOS) if j - i <= width])


def run(folder: Path, cascade: KnownCascade, pairs: np.ndarray, most_added: int = 0) -> np.ndarray:
    """The pairs that were tried; the database stays, as that of an interrupted run does."""
    photos = tuple(Photo(f"{i}.png", Path("x"), 64, 48, 0, "") for i in range(PHOTOS))
    with opened(folder / "x.db") as database:
        if not database.num_images():
            write_photos(database, Capture(photos, (CameraGroup("x", 64, 48, None),)))
            write_keypoints(database, [np.zeros((200, 2))] * PHOTOS)
        record = folder / "ways.csv"
        return match_pairs(
            database, cascade, pairs, record, lambda event: None, most_added=most_added
        )


def ways_of(folder: Path, pairs: np.ndarray) -> dict[Pair, str]:
    told = read_ways(folder / "ways.csv", pairs)
    return {(i, j): way for (i, j), way in zip(pairs.tolist(), told, strict=True)}


def test_pairs_that_others_join_are_left_alone_and_recorded(tmp_path: Path) -> None:
    """Photos 6 apart have five between them that are settled with both; those 8 apart three."""
    cascade = KnownCascade(settled=5)
    pairs = band(8)
    run(tmp_path, cascade, pairs)
    ways = ways_of(tmp_path, pairs)
    apart = {way: {j - i for (i, j), own in ways.items() if own == way} for way in ways.values()}
    assert apart[NEAREST] == {1, 2, 3, 4, 5}
    assert NOT_ASKED in apart
    assert apart[NOT_ASKED] == {6}
    assert {j - i for i, j in cascade.asked} == apart[NETWORK] == {7, 8}
    held = read_unaligned(tmp_path / "x.db", tmp_path / "ways.csv").pairs
    assert {j - i for i, j in held} == {1, 2, 3, 4, 5}
    again = KnownCascade(settled=5)
    run(tmp_path, again, pairs)
    assert not again.asked


def test_of_pairs_between_photos_settled_with_many_the_strongest_keypoints_are_enough(
    tmp_path: Path,
) -> None:
    """Those five apart have four neighbours in common, and in the middle eight settled pairs."""
    cascade = KnownCascade(4)
    run(tmp_path, cascade, band(5))
    five_apart = {(i, i + 5) for i in range(PHOTOS - 5)}
    assert set(cascade.asked) == five_apart
    assert cascade.joined == {(i, j) for i, j in five_apart if i >= 4 and j < PHOTOS - 4}
    assert cascade.joined


def test_an_interrupted_run_asks_about_what_it_would_have_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("splatpose.stages.matching.match_pairs.BATCH", 4)
    whole, first, second = KnownCascade(5), KnownCascade(5, patience=8), KnownCascade(5)
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    run(tmp_path / "whole", whole, band(9))
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", first, band(9))
    run(tmp_path / "parts", second, band(9))
    assert len(first.asked) == 8
    assert first.asked + second.asked == whole.asked
    assert ways_of(tmp_path / "parts", band(9)) == ways_of(tmp_path / "whole", band(9))


def test_a_run_interrupted_among_those_left_alone_leaves_them_alone(tmp_path: Path) -> None:
    """Pairs settled before the interruption count when the others are looked at."""
    run(tmp_path, KnownCascade(settled=5), band(5))
    cascade = KnownCascade(settled=5)
    run(tmp_path, cascade, band(6))
    assert not cascade.asked


def test_what_is_found_suggests_pairs_that_are_matched_too(tmp_path: Path) -> None:
    """Photo 15 shows the place of photo 2 again."""
    pairs = np.concatenate([band(5), [(2, 15)]])
    near = [(i, j) for i in range(1, 4) for j in range(14, 17)]
    cascade = KnownCascade(settled=5, found=near)
    tried = run(tmp_path, cascade, pairs, most_added=8)
    added = {(i, j) for i, j in tried.tolist()} - {(i, j) for i, j in pairs.tolist()}
    assert {(1, 15), (3, 15), (2, 14), (2, 16)} <= added
    held = read_unaligned(tmp_path / "x.db", tmp_path / "ways.csv").pairs
    assert {(1, 15), (3, 15), (2, 14), (2, 16)} <= set(held)
    assert len(run(tmp_path, KnownCascade(settled=5), pairs)) == len(pairs)


@pytest.mark.parametrize("patience", [1, 5, 9])
def test_a_run_interrupted_among_the_suggested_tries_the_same_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: int
) -> None:
    """What later rounds have found suggests nothing in the earlier ones."""
    monkeypatch.setattr("splatpose.stages.matching.match_pairs.BATCH", 1)
    pairs = np.concatenate([band(5), [(2, 15)]])
    near = [(i, j) for i in range(8) for j in range(10, 20)]
    for name in ("whole", "parts"):
        (tmp_path / name).mkdir()
    whole = run(tmp_path / "whole", KnownCascade(5, near), pairs, most_added=2)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", KnownCascade(5, near, patience), pairs, most_added=2)
    parts = run(tmp_path / "parts", KnownCascade(5, near), pairs, most_added=2)
    np.testing.assert_array_equal(parts, whole)
    assert ways_of(tmp_path / "parts", whole) == ways_of(tmp_path / "whole", whole)
