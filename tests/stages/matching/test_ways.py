"""The record of how pairs were matched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from splatpose.stages.matching.ways import append_ways, read_ways

PAIRS = np.array([[0, 1], [0, 2], [1, 2]])


def test_the_last_word_counts_and_unknown_pairs_have_none(tmp_path: Path) -> None:
    append_ways(tmp_path / "w.csv", [(0, 1, "nearest neighbours"), (1, 2, "network, all")])
    append_ways(tmp_path / "w.csv", [(0, 1, "nearest neighbours, sift beside")])
    assert read_ways(tmp_path / "w.csv", PAIRS) == (
        "nearest neighbours, sift beside",
        "",
        "network, all",
    )


def test_a_torn_line_is_none(tmp_path: Path) -> None:
    append_ways(tmp_path / "w.csv", [(0, 1, "sift")])
    with (tmp_path / "w.csv").open("a") as file:
        file.write("0,2\n1,")
    assert read_ways(tmp_path / "w.csv", PAIRS) == ("sift", "", "")
    assert read_ways(tmp_path / "nowhere.csv", PAIRS) == ("", "", "")


@pytest.mark.parametrize("torn", ["0,2,si", "1", "1,", "0,2"])
def test_what_follows_a_torn_line_is_told(tmp_path: Path, torn: str) -> None:
    """A full disk or a power cut; the pairs of that batch are matched and told again."""
    path = tmp_path / "w.csv"
    append_ways(path, [(0, 1, "sift")])
    with path.open("a") as file:
        file.write(torn)
    append_ways(path, [(0, 2, "sift"), (1, 2, "sift")])
    assert read_ways(path, PAIRS) == ("sift",) * 3
