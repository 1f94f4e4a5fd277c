"""The stress suite's rows as JSON and as one Markdown table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .stress import METHODS, OURS, Method, Row

_HEAD = (
    "| scene | photos | splatpose right | wrong | trusted | silent | right ones trusted "
    "| COLMAP inc. right | wrong | COLMAP glob. right | wrong | seconds |"
)


@dataclass(frozen=True)
class Totals:
    """What the suite is run for."""

    scenes: int
    """Scenes that splatpose and at least one COLMAP have a row of."""
    silent_failures: int | None
    """Photos called trusted whose pose is wrong; None where there are no verdicts."""
    right: int
    """Photos that splatpose places rightly and gives a verdict on, over the scenes that can be
    reconstructed."""
    right_trusted: int | None
    """Photos that splatpose places rightly and trusts, over the scenes that can be reconstructed;
    None where there are no verdicts."""
    at_least_as_many: int
    """Scenes where splatpose has at least as many right photos as the better COLMAP."""
    more: int
    """Scenes where splatpose has more right photos than the better COLMAP."""
    wrong: dict[Method, int]
    """Photos with a wrong pose, by method."""
    errors: int
    """Rows of methods that crashed."""

    @property
    def right_trusted_share(self) -> float:
        """Share of the right photos that are trusted, 0 to 1."""
        if self.right_trusted is None or not self.right:
            return float("nan")
        return self.right_trusted / self.right


def by_scene(rows: Sequence[Row]) -> dict[tuple[str, int], dict[Method, Row]]:
    """Rows of each scene and seed, by method."""
    scenes: dict[tuple[str, int], dict[Method, Row]] = {}
    for row in rows:
        scenes.setdefault((row.scene, row.seed), {})[row.method] = row
    return scenes


def totals(rows: Sequence[Row]) -> Totals:
    """Sums over the scenes. A scene that can be reconstructed to nothing counts like the others:
    its photos are right without a pose."""
    ours = [row for row in rows if row.method == OURS]
    judged = [row for row in ours if row.silent is not None]
    solvable = [row for row in judged if row.reconstructable]
    compared = [(methods[OURS].right, better) for methods in by_scene(rows).values()
                if OURS in methods and (better := _better_colmap(methods)) is not None]  # fmt: skip
    trusted = [row.trusted_right for row in solvable if row.trusted_right is not None]
    return Totals(
        scenes=len(compared),
        silent_failures=sum(row.silent or 0 for row in judged) if judged else None,
        right=sum(row.right for row in solvable),
        right_trusted=sum(trusted) if trusted else None,
        at_least_as_many=sum(own >= other for own, other in compared),
        more=sum(own > other for own, other in compared),
        wrong={
            method: sum(row.wrong for row in rows if row.method == method)
            for method in METHODS
            if any(row.method == method for row in rows)
        },
        errors=sum(row.error is not None for row in rows),
    )


def as_json(rows: Sequence[Row]) -> dict[str, Any]:
    """All rows, and the totals."""
    total = totals(rows)
    return {
        "suite": "stress",
        "totals": asdict(total) | {"right_trusted_share": total.right_trusted_share},
        "rows": [asdict(row) for row in rows],
    }


def as_markdown(rows: Sequence[Row]) -> str:
    """One row a scene, the totals below."""
    lines = [_HEAD, "|---" * 12 + "|"]
    lines += [_scene_line(methods) for methods in by_scene(rows).values()]
    return "\n".join([*lines, "", *_total_lines(totals(rows)), "", *_NOTES]) + "\n"


_NOTES = (
    "Right: within 5 degrees and 5 % of the scene's radius under the alignment that most photos "
    "agree on; in scenes marked *, which hold nothing to reconstruct, a photo without a pose. "
    "Silent: trusted, and wrong. Of COLMAP the model with most photos counts. Seconds: splatpose, "
    "COLMAP incremental, COLMAP global, each with features and matching.",
)


def _scene_line(methods: dict[Method, Row]) -> str:
    first = next(iter(methods.values()))
    name = f"{first.scene}{'' if first.reconstructable else ' *'} ({first.seed})"
    ours = methods.get(OURS)
    cells = [name, str(first.photos), *_right_wrong(ours)]
    cells += [_cell(None if ours is None else value) for value in _verdict_figures(ours)]
    for method in METHODS[1:]:
        cells += _right_wrong(methods.get(method))
    seconds = [methods[m].seconds if m in methods else float("nan") for m in METHODS]
    cells.append(" / ".join("-" if s != s else f"{s:.0f}" for s in seconds))
    return "| " + " | ".join(cells) + " |"


def _right_wrong(row: Row | None) -> list[str]:
    if row is None:
        return ["-", "-"]
    if row.error is not None:
        return ["crashed", "-"]
    return [str(row.right), str(row.wrong)]


def _verdict_figures(row: Row | None) -> list[int | str | None]:
    if row is None or row.trusted is None:
        return [None, None, None]
    share = None
    if row.reconstructable and row.right and row.trusted_right is not None:
        share = f"{row.trusted_right / row.right:.0%}"
    return [row.trusted, row.silent, share]


def _cell(value: int | str | None) -> str:
    return "-" if value is None else str(value)


def _better_colmap(methods: dict[Method, Row]) -> int | None:
    found = [methods[m].right for m in METHODS[1:] if m in methods and methods[m].error is None]
    if not found and any(m in methods for m in METHODS[1:]):
        return 0
    return max(found, default=None)


def _total_lines(total: Totals) -> list[str]:
    silent = "no verdicts" if total.silent_failures is None else str(total.silent_failures)
    lines = [f"- Silent failures (trusted and wrong): {silent}"]
    if total.right_trusted is not None:
        share = f"{total.right_trusted_share:.0%}"
        lines.append(
            f"- Right photos that are trusted: {total.right_trusted} of {total.right} ({share})"
        )
    if total.scenes:
        lines += [
            f"- Scenes with at least as many right photos as the better COLMAP: "
            f"{total.at_least_as_many} of {total.scenes}, with more: {total.more}",
        ]
    wrong = ", ".join(f"{method} {count}" for method, count in total.wrong.items())
    lines.append(f"- Photos with a wrong pose: {wrong}")
    if total.errors:
        lines.append(f"- Runs that crashed: {total.errors}")
    return lines
