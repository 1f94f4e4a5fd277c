"""The last five lines of a run: what came out, how far to trust it, and what to do next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...wording import short_name
from .formatting import known, percent, plural, training_time
from .layout import MODEL, PAGE, REPORT, SPLAT, TRANSFORMS


def closing_lines(out: Path) -> tuple[str, ...]:
    """Five lines for the terminal from the report in a finished run's folder."""
    report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    return summary_lines(report, out)


def summary_lines(report: Mapping[str, Any], out: Path) -> tuple[str, ...]:
    """Photos, poses, splat, what is weakest or to be photographed next, and the files.

    Args:
        report: what report.json says, with or without verdicts.
        out: the run folder.
    """
    label, text = _next(report)
    rows = (
        ("photos", _photos(report)),
        ("poses", _poses(report)),
        ("splat", "; ".join(filter(None, (_splat(report), training_time(report))))),
        (label, text),
        ("files", f"{out / PAGE} tells more; {SPLAT}, {MODEL}, {TRANSFORMS} lie beside it"),
    )
    return tuple(f"{name:<9} {_printable(words)}" for name, words in rows)


def _photos(report: Mapping[str, Any]) -> str:
    levels = [row.get("verdict") for row in report["photos"]]
    total = len(levels)
    if all(levels) and total:
        parts = [f"{levels.count('trusted')} of {total} trusted"]
        parts += [f"{levels.count(k)} {k}" for k in ("weak", "refused") if k in levels]
        lacking = (report.get("verdicts") or {}).get("lacking")
        if lacking:
            parts.append(f"all tests but one are good ({lacking})")
    else:
        parts = [f"{report['summary']['registered']} of {total} have a pose"]
    if report["skipped"]:
        parts.append(f"{plural(len(report['skipped']), 'file')} skipped")
    return ", ".join(parts)


def _poses(report: Mapping[str, Any]) -> str:
    """Which reconstruction, how it was confirmed, and the error of its points."""
    chosen = next((h for h in report["hypotheses"] if h["chosen"]), None)
    parts = [plural(report["summary"]["points"], "point")]
    errors = [p["reprojection_error"] for p in report["photos"] if known(p["reprojection_error"])]
    if errors:
        parts.append(f"{sorted(errors)[len(errors) // 2]:.2f} px median error")
    if report.get("units") == "metres":
        parts.append("in metres")
    if chosen:
        parts.append(f"{chosen['name']} mapping: {chosen['note']}")
    return ", ".join(parts)


def _splat(report: Mapping[str, Any]) -> str:
    summary = report["summary"]
    text = plural(summary["gaussians"], "Gaussian")
    if not known(summary["held_out_psnr"]):
        return f"{text}; no photo was held out, so nothing is known of unseen views"
    text += f"; unseen views: PSNR {summary['held_out_psnr']:.2f} dB"
    if known(summary["held_out_ssim"]):
        text += f", SSIM {summary['held_out_ssim']:.3f}"
    return f"{text} on {plural(summary['held_out'], 'held-out photo')}"


def _next(report: Mapping[str, Any]) -> tuple[str, str]:
    """What to photograph next, or else the weakest photo and why."""
    advice = (report.get("verdicts") or {}).get("advice") or ()
    if advice:
        more = f" ({len(advice) - 1} more in the report)" if len(advice) > 1 else ""
        return "next", advice[0] + more
    photos = report["photos"]
    for level in ("refused", "weak"):
        found = [row for row in photos if row.get("verdict") == level]
        if found:
            return "weakest", _one_of(found, "verdict_reason", level)
    lost = [row for row in photos if not row["registered"]]
    if lost:
        return "weakest", _one_of(lost, "reason", "without a pose")
    measured = [row for row in photos if known(row["held_out_psnr"])]
    if measured:
        worst = min(measured, key=lambda row: row["held_out_psnr"])
        return (
            "weakest",
            f"{short_name(worst['name'])}, rendered at {worst['held_out_psnr']:.2f} dB",
        )
    asked = [row for row in photos if known(row["inlier_share"])]
    if asked:
        worst = min(asked, key=lambda row: row["inlier_share"])
        share = percent(worst["inlier_share"])
        return "weakest", f"{short_name(worst['name'])}, {share} of its matches agree with its pose"
    return "weakest", "nothing was measured of single photos"


def _one_of(rows: list[Mapping[str, Any]], reason: str, what: str) -> str:
    more = f" ({len(rows) - 1} more {what})" if len(rows) > 1 else ""
    return f"{short_name(rows[0]['name'])}: {rows[0].get(reason) or what}{more}"


def _printable(text: str) -> str:
    """One line, whatever photos are called: no line breaks, no terminal control."""
    return "".join(c if c.isprintable() else "?" for c in text)
