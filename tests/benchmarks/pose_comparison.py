"""A run of poses.py beside COLMAP in the same run, and beside an earlier run of ours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_LEAST_ATE = 1e-4
"""The last digit of the scoring tool's ATE, in percent: ratios of less mean nothing."""


def costs(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Seconds of our matching and poses over those of COLMAP's matching and better mapper, a set.

    The better mapper is the one with the lower ATE of those that place the most photos. Sets that
    either leaves unsolved, and times that are not of this run, are left out.
    """
    found = []
    for own in filter(is_ours, rows):
        theirs = better_mapper([r for r in rows if r["set"] == own["set"] and not is_ours(r)])
        if theirs is None or not photos(own) or own.get("reused") or theirs.get("reused"):
            continue
        ours_s, theirs_s = (_seconds(row) for row in (own, theirs))
        found.append(
            {
                "set": own["set"],
                "splatpose_s": ours_s,
                "colmap_s": theirs_s,
                "mapper": theirs["method"],
                "ratio": ours_s / theirs_s,
            }
        )
    return found


def better_mapper(rows: Sequence[Row]) -> Row | None:
    """The row with most photos; of equal ones that with the lower ATE."""
    solved = [row for row in rows if photos(row)]
    return min(solved, key=lambda row: (-photos(row), _ate(row) or math.inf), default=None)


def changes(now: Sequence[Row], before: Sequence[Row]) -> list[dict[str, Any]]:
    """Our ATE in percent and photos of the sets of both runs, now and then.

    `ratio` is of the ATE, and None where it compares nothing: unsolved, or other photos.
    """
    earlier = {row["set"]: row for row in before if is_ours(row)}
    found = []
    for row in filter(is_ours, now):
        then = earlier.get(row["set"])
        if then is None:
            continue
        ates, counts = [_ate(r) for r in (row, then)], [photos(r) for r in (row, then)]
        comparable = None not in ates and counts[0] == counts[1]
        found.append(
            {
                "set": row["set"],
                "ate": ates,
                "photos": counts,
                "ratio": ates[0] / ates[1] if comparable else None,
            }
        )
    return found


def lost(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Sets of `changes` with fewer photos than before."""
    return [row["set"] for row in rows if row["photos"][0] < row["photos"][1]]


def mean_ratio(rows: Iterable[Mapping[str, Any]]) -> float | None:
    """Geometric mean of the ratios that there are."""
    ratios = [row["ratio"] for row in rows if row["ratio"] is not None]
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else None


def photos(row: Row) -> int:
    """Photos that are placed; none by a refusal."""
    return int(str(row.get("registered") or 0).partition("/")[0])


def is_ours(row: Row) -> bool:
    return row["method"].startswith("splatpose")


def print_costs(found: Sequence[Mapping[str, Any]]) -> None:
    """As Markdown; nothing where COLMAP did not run."""
    if not found:
        return
    print("\n| set | splatpose s | COLMAP s | ratio | better mapper |")
    print("|---" * 5 + "|")
    for row in found:
        times = f"{row['splatpose_s']:.0f} | {row['colmap_s']:.0f} | {row['ratio']:.2f}"
        print(f"| {row['set']} | {times} | {row['mapper']} |")
    print(f"\nGeometric mean of the ratios: {mean_ratio(found):.2f}")


def print_changes(found: Sequence[Mapping[str, Any]]) -> None:
    """As Markdown, with the sets that lost photos."""
    print("\n| set | ATE % now | then | ratio | photos now | then |")
    print("|---" * 6 + "|")
    for row in found:
        ates = ["" if ate is None else f"{ate:.3f}" for ate in row["ate"]]
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.2f}"
        print("| " + " | ".join([row["set"], *ates, ratio, *map(str, row["photos"])]) + " |")
    mean, count = mean_ratio(found), sum(row["ratio"] is not None for row in found)
    if mean is not None:
        print(f"\nGeometric mean of the ATE ratios of {count} sets with as many photos: {mean:.3f}")
    print(f"Sets that lost photos: {', '.join(lost(found)) or 'none'}")


def _seconds(row: Row) -> float:
    return row["seconds"]["matching"] + row["seconds"]["poses"]


def _ate(row: Row) -> float | None:
    """In percent; None where there is none."""
    ate = row.get("ate")
    return max(ate, _LEAST_ATE) if isinstance(ate, int | float) and math.isfinite(ate) else None
