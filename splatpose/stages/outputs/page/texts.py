"""Sentences of the report: the headline, and the figures below it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..formatting import duration, known, memory, percent, plural, training_time
from .cards import Card, counts

_MOSTLY, _PARTLY = 0.9, 0.5


@dataclass(frozen=True)
class Headline:
    """What a reader in a hurry takes along."""

    question: str
    verdict: str
    """Yes, no, or how far; "" where no verdicts were made."""
    answer: str
    detail: str
    level: str
    """Class that gives the colour: of trusted, weak or refused photos, or neutral."""


@dataclass(frozen=True)
class Figure:
    """One number of the overview."""

    name: str
    value: str
    note: str
    meaning: str


def headline(cards: Sequence[Card], lacking: str = "") -> Headline:
    """Whether the model can be trusted, by the verdicts; without any, how many photos it has.

    Args:
        cards: of all photos.
        lacking: the one test that weak photos fail, as `Verdicts.lacking`.
    """
    photos = [card for card in cards if card.level != "skipped"]
    count = counts(photos)
    total = len(photos)
    if "registered" in count or "missing" in count:
        placed, lost = count.get("registered", 0), count.get("missing", 0)
        answer = f"All {total} photos have a pose." if not lost else (
            f"{placed} of {total} photos have a pose."
        )  # fmt: skip
        detail = f"{lost} could not be placed; the contact sheet says why." if lost else ""
        return Headline("Camera poses", "", answer, detail, "neutral")
    trusted, weak, refused = (count.get(k, 0) for k in ("trusted", "weak", "refused"))
    share = trusted / total if total else 0.0
    answer = f"{trusted} of {total} photos {'is' if trusted == 1 else 'are'} trusted."
    if trusted == total:
        verdict, answer, level = "Yes.", f"All {total} photos are trusted.", "trusted"
    elif share >= _MOSTLY:
        verdict, level = "Yes, with exceptions.", "trusted"
    elif share >= _PARTLY:
        verdict, level = "In part.", "weak"
    elif lacking and trusted + weak >= _MOSTLY * total:
        verdict, level = "Not confirmed yet.", "weak"
        answer = f"{trusted + weak} of {total} photos have a pose that all tests but one speak for."
        detail = f"What is missing: {lacking}. {_rest(0, refused)}".strip()
        return Headline("Can this model be trusted?", verdict, answer, detail, level)
    elif trusted:
        verdict, level = "Hardly.", "refused"
    else:
        verdict, answer, level = "No.", f"None of the {total} photos is trusted.", "refused"
    question = "Can this model be trusted?"
    return Headline(question, verdict, answer, _rest(weak, refused), level)


def photos_lead(report: Mapping[str, Any]) -> str:
    """What the photos are; of a video how much of it they stand for."""
    video = report.get("video")
    if not video:
        return "Every photo of the folder, with what was decided and why."
    text = f"Frames of {video['name']}, {video['seconds']:.1f} s long."
    spans = [
        f"{span['start']:.1f} to {span['end']:.1f} s ({span['reason']})" for span in video["unused"]
    ]
    if spans:
        more = f" and {len(spans) - 5} more spans" if len(spans) > 5 else ""
        text += f" Not used: {', '.join(spans[:5])}{more}."
    return " ".join([text, *(f"Of the file: {note}." for note in video["notes"])])


def matching_ways(matching: Mapping[str, Any]) -> str:
    """How many pairs were matched in each way; "" where nobody recorded it, or all were matched by
    the matcher itself."""
    rows = matching["ways"]
    if [row["way"] for row in rows] in ([], [matching["matcher"]]):
        return ""
    parts = [f"{row['pairs']:,} by {_in_brackets(row['way'])}" for row in rows]
    first = rows[0]["pairs"]
    parts[0] = parts[0].replace(f"{first:,}", f"{first:,} of {matching['pairs']:,} pairs", 1)
    beside = sum(row["sift_beside"] for row in rows)
    return ", ".join(parts) + (f"; {beside:,} with sift beside." if beside else ".")


def _in_brackets(way: str) -> str:
    """The way with what follows its first comma in brackets: network (all keypoints)."""
    what, _, of = way.partition(", ")
    return f"{what} ({of})" if of else what


def _rest(weak: int, refused: int) -> str:
    parts = []
    if weak:
        be = "is" if weak == 1 else "are"
        parts.append(f"{weak} {be} weak: posed, on thin or contradictory evidence")
    if refused:
        parts.append(f"{refused} {'was' if refused == 1 else 'were'} refused a pose")
    return "; ".join(parts) + "." if parts else ""


def figures(report: Mapping[str, Any], agreeing: float) -> list[Figure]:
    """The overview's numbers; those that were not measured are left out.

    Args:
        agreeing: share of the verified matches that agree with the final poses.
    """
    summary, skipped = report["summary"], len(report["skipped"])
    errors = [p["reprojection_error"] for p in report["photos"] if known(p["reprojection_error"])]
    rows = [
        Figure(
            "Photos with a pose", f"{summary['registered']:,}",
            f"of {summary['photos']:,}" + (f", {skipped} skipped" if skipped else ""),
            "Photos whose camera is part of the model.",
        ),
        Figure(
            "Matches that agree", percent(agreeing), f"{_short(summary['points'])} points",
            "Share of all verified matches, used or not, that the final cameras explain.",
        ),
    ]  # fmt: skip
    if errors:
        middle = sorted(errors)[len(errors) // 2]
        meaning = "Distance between where points are seen in a photo and where the model puts them."
        rows.append(Figure("Reprojection error", f"{middle:.2f} px", "median photo", meaning))
    if known(summary["held_out_psnr"]):
        ssim = summary["held_out_ssim"]
        note = plural(summary["held_out"], "held-out photo")
        if known(ssim):
            note = f"{ssim:.3f} SSIM, {note}"
        fitted = summary.get("held_out_color_fitted_psnr")
        if known(fitted):
            note += f"; {fitted:.1f} dB after a colour fit"
        meaning = (
            "How close renderings come to photos that the splat had not seen. PSNR in dB: 20 is "
            "coarse, 30 is good; SSIM: 1 is equal. The colour fit is made on one half of a photo "
            "and judged by the other."
        )
        psnr = f"{summary['held_out_psnr']:.1f} dB"
        rows.append(Figure("Unseen views", psnr, note, meaning))
    meaning = "The soft coloured ellipsoids that make up the splat."
    steps = f"{report['training']['steps']:,} steps"
    steps = ", ".join(filter(None, (steps, training_time(report))))
    rows.append(Figure("Gaussians", f"{summary['gaussians']:,}", steps, meaning))
    seconds = sum(stage["seconds"] for stage in report.get("stages", ()))
    if seconds:
        peak = max(stage["peak_memory_mb"] for stage in report["stages"])
        note = f"{memory(peak)} of memory at most"
        rows.append(Figure("Time", duration(seconds), note, "All stages together."))
    return rows


def off_path(report: Mapping[str, Any]) -> str:
    """How the splat looks from beside the photos; "" where that was not measured."""
    found = report["training"].get("off_path")
    if not found:
        return ""
    return (
        f"Seen from beside the photos, veils cover {found['veil_percent']:.1f} % of the picture: "
        "Gaussians in the air, where several photos see through."
    )


def _short(number: int) -> str:
    return f"{number:,}" if number < 1_000_000 else f"{number / 1e6:.1f} million"


def summary_of_changes(values: Sequence[float], unit: str, names: Sequence[str]) -> str:
    """Median and largest change with the photo's name; "" without any."""
    known_values = [(v, n) for v, n in zip(values, names, strict=True) if math.isfinite(v)]
    if not known_values:
        return ""
    ordered = sorted(known_values)
    middle, (largest, name) = ordered[len(ordered) // 2][0], ordered[-1]
    return f"median {_small(middle)}{unit}, largest {_small(largest)}{unit} ({name})"


def _small(value: float) -> str:
    return f"{value:.3f}" if value < 0.1 else f"{value:.2f}" if value < 10 else f"{value:.0f}"
