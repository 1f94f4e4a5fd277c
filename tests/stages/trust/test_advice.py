"""What to photograph next, for groups of photos that are not sure."""

from __future__ import annotations

import numpy as np

from splatpose.scene.verdicts import Level
from splatpose.sfm.correspondences import MatchTable
from splatpose.sfm.match_consistency import Explanation
from splatpose.sfm.validation.connectivity import Ties
from splatpose.sfm.validation.lookalike_pairs import Lookalikes
from splatpose.sfm.validation.scale_ties import ScaleTies
from splatpose.stages.trust.advice import Advice, advise
from splatpose.stages.trust.evidence import Evidence
from splatpose.stages.trust.judge import Finding


def advice(
    levels: list[Level], pairs: dict[tuple[int, int], tuple[int, int]]
) -> tuple[Advice, list[str]]:
    """Advice where nothing is known but levels, and of pairs the matches that agree and that do
    not."""
    count = len(levels)
    table_pairs = np.array(list(pairs), np.int64).reshape(-1, 2)
    agree = np.array([value[0] for value in pairs.values()], np.int64)
    total = np.array([sum(value) for value in pairs.values()], np.int64)
    pair = np.repeat(np.arange(len(pairs)), total)
    rank = np.arange(len(pair)) - np.searchsorted(pair, pair)
    explained = rank < agree[pair]
    keypoints = np.zeros((len(pair), 2), np.int64)
    table = MatchTable(table_pairs, pair, table_pairs[pair], keypoints, np.zeros((len(pair), 2, 2)))
    told = Explanation(np.ones(count, bool), explained, ~explained, 0.0, 0.0, 0.0, 1.0, 1.0)
    ties = Ties(np.zeros(count, np.int64), (None,) * count, ())
    alike = Lookalikes(np.zeros(count), 0.0, np.zeros(count), np.zeros(count), ())
    scales = ScaleTies(np.full(count, np.nan), (None,) * count)
    names = [f"{i:03d}.jpg" for i in range(count)]
    findings = [
        Finding(level, None if level == "trusted" else "unconfirmed", "why") for level in levels
    ]
    return advise(names, findings, Evidence((), ties, alike, told, None, scales), table), names


def test_groups_are_bridged_where_most_matches_lead() -> None:
    levels: list[Level] = ["trusted"] * 4 + ["weak"] * 3 + ["refused"] * 2 + ["weak"]
    pairs = {
        (0, 1): (90, 0),
        (2, 5): (30, 0),
        (3, 4): (20, 40),
        (4, 5): (25, 0),
        (6, 7): (5, 20),
        (7, 8): (0, 50),
        (8, 9): (0, 12),
    }
    found, _ = advice(levels, pairs)
    group = "3 photos between 002.jpg and 005.jpg would confirm 004.jpg..005.jpg"
    # Matches of refused photos count, whether they agree or not; 6 and 9 have a pose.
    refused = "3 photos between 006.jpg and 007.jpg would connect 007.jpg..008.jpg"
    lone = "3 photos between 003.jpg and 006.jpg would confirm 006.jpg..007.jpg"
    assert found.photos[:4] == (None,) * 4
    assert found.photos[4] == found.photos[5] == f"{group}."
    assert found.photos[6] == f"{lone}."
    assert found.photos[7] == found.photos[8] == f"{refused}."
    assert found.photos[9] == "3 photos between 003.jpg and 009.jpg would confirm 009.jpg."
    assert len(found.overall) == 4


def test_without_sure_photos_the_place_is_photographed_again() -> None:
    found, _ = advice(["refused"] * 3, {(0, 1): (0, 9)})
    assert found.overall[0].startswith("Photograph the place again")


def test_no_photo_is_to_be_taken_between_one_and_itself() -> None:
    found, _ = advice(["weak"] * 3, {(0, 1): (0, 9)})
    assert found.photos[0] == "3 photos between 000.jpg and 001.jpg would confirm 000.jpg."
    assert found.photos[2] == "3 photos between 001.jpg and 002.jpg would confirm 002.jpg."
    alone, _ = advice(["weak"], {})
    assert alone.overall[0].startswith("Photograph the place again")


def test_a_long_chain_is_one_group() -> None:
    """Each of its photos would otherwise walk along all of it, and ask all pairs on the way."""
    count = 1500
    levels: list[Level] = ["trusted"] + ["weak"] * (count - 1)
    found, _ = advice(levels, {(i, i + 1): (20, 0) for i in range(count - 1)})
    assert len(found.overall) == 1
    assert "between 000.jpg and 001.jpg" in found.overall[0]
