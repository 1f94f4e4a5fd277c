"""The page from the run's results: gather, draw, fill in the template."""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from markupsafe import Markup

from ...splats.evaluate import preview_names
from ...types import Capture, MatchGraph, Poses, TrainedSplats, Views
from . import texts
from .cards import LABELS, MEANINGS, Card, counts, known, percent, photo_cards, quantity
from .charts import Dot, curve, histogram, strip
from .matrix import LEVELS, match_matrix
from .support import PairSupport, pair_support, pose_change, reprojection_errors
from .thumbnails import contact_sheet, preview
from .topview import top_view

_WORST = 4
_MOST_CAMERAS = 6
"""Histograms of single cameras; further ones only count in that of all."""
_ROTATION_FLOOR, _POSITION_FLOOR = 1e-3, 1e-3
_STEPS = {
    ("initial", "local"): "chosen reconstruction → refined in parts",
    ("initial", "global"): "chosen reconstruction → after bundle adjustment",
    ("local", "global"): "refined in parts → after bundle adjustment",
    ("global", "joint"): "bundle adjustment → together with Gaussians",
}


def build_page(
    report: Mapping[str, Any],
    capture: Capture,
    graph: MatchGraph,
    poses: Poses,
    views: Views,
    trained: TrainedSplats,
) -> str:
    """The whole of report.html: one HTML document that refers to nothing outside itself.

    Args:
        report: what report.json says, verdicts included where there are any.
        capture: the photos, for the contact sheet.
        graph: their verified matches.
        poses: cameras, points, and how they came to be.
        views: what the Gaussians were trained on.
        trained: the held-out scores with their previews.
    """
    pixels = report.get("config", {}).get("poses", {}).get("threshold", 1.0)
    support = pair_support(graph, poses, pixels)
    cards = photo_cards(report, contact_sheet(capture, views, _folder(capture)))
    photos = cards[: len(capture.photos)]
    verdicts = report.get("verdicts") or {}
    script, style = _asset("page.js"), _asset("page.css")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    context = {
        "style": Markup(style),
        "script": Markup(script),
        "script_hash": digest,
        "title": capture.photos[0].path.parent.name if capture.photos else "run",
        "report": report,
        "source": _source(report, capture),
        "headline": texts.headline(cards),
        "figures": texts.figures(report, support.share),
        "judged": bool(verdicts),
        "advice": verdicts.get("advice", ()),
        "notes": verdicts.get("notes", ()),
        "cards": cards,
        "counts": counts(cards),
        "labels": LABELS,
        "meanings": MEANINGS,
        "top_view": top_view(poses, photos),
        "unplaced": int((~poses.registered).sum()),
        "matrix": match_matrix(graph, support, len(capture.photos)),
        "shades": _shades(),
        "anchors": [card.anchor for card in photos],
        "names": [card.name for card in photos],
        "hypotheses": report["hypotheses"],
        "residuals": _residuals(report, poses),
        "photo_errors": _photo_errors(report, photos),
        "changes": _changes(poses, photos),
        "training": _training(report),
        "worst": _worst(trained, photos),
        "portrait": _portrait(capture),
        "stages": _stages(report),
        "command": _command(report),
        "checks": _checks(report, support),
    }
    return _environment().get_template("page.html").render(context)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {
        "percent": percent,
        "quantity": quantity,
        "duration": texts.duration,
        "memory": texts.memory,
    }
    environment.tests["known"] = known
    return environment


def _asset(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


def _folder(capture: Capture) -> Path | None:
    """The input folder: photos' names are relative to it."""
    if not capture.photos:
        return None
    photo = capture.photos[0]
    return photo.path.parents[photo.name.count("/")]


def _source(report: Mapping[str, Any], capture: Capture) -> str:
    return str(report.get("images") or _folder(capture) or "")


def _shades() -> list[tuple[int, str]]:
    """The matrix's legend: class number and range."""
    ends = [*(f"{a}–{b - 1}" for a, b in zip(LEVELS, LEVELS[1:], strict=False)), f"{LEVELS[-1]}+"]
    return list(enumerate(ends, 1))


def _residuals(report: Mapping[str, Any], poses: Poses) -> list[dict[str, Any]]:
    """One histogram of all observations, and one a camera where there are several."""
    errors = reprojection_errors(poses)
    label = "Histogram of reprojection errors"
    rows = [{"title": "All photos", "count": len(errors), "chart": histogram(errors, label)}]
    labels = [camera["label"] for camera in report["cameras"]]
    of_camera = poses.camera_index[poses.observations[:, 1]]
    used = [number for number in range(len(labels)) if (of_camera == number).any()]
    if len(used) > 1:
        for number in used[:_MOST_CAMERAS]:
            own = errors[of_camera == number]
            chart = histogram(own, f"{label}, {labels[number]}")
            rows.append({"title": labels[number], "count": len(own), "chart": chart})
    return [row for row in rows if row["chart"] is not None]


def _photo_errors(report: Mapping[str, Any], cards: Sequence[Card]) -> Markup | None:
    """The median reprojection error of each photo."""
    errors = [row["reprojection_error"] for row in report["photos"]]
    values = np.array([e if known(e) else np.nan for e in errors])
    dots = _dots(cards, values, "has a median error of {} px")
    return strip([("first", dots)], "Reprojection error of each photo", floor=0.01, unit=" px")


def _changes(poses: Poses, cards: Sequence[Card]) -> dict[str, Any] | None:
    """How far photos moved from stage to stage; None without snapshots."""
    names = [card.name for card in cards]
    rotations, positions, notes = [], [], []
    for number, (a, b) in enumerate(zip(poses.snapshots, poses.snapshots[1:], strict=False)):
        turned, moved = pose_change(a.cam_from_world, b.cam_from_world)
        kind = "second" if number else "first"
        rotations.append((kind, _dots(cards, turned, "turned by {}°")))
        positions.append((kind, _dots(cards, moved, "moved by {} % of the radius")))
        notes.append(
            {
                "kind": kind,
                "step": _STEPS.get((a.stage, b.stage), f"{a.stage} → {b.stage}"),
                "rotation": texts.summary_of_changes(turned.tolist(), "°", names),
                "position": texts.summary_of_changes(moved.tolist(), " %", names),
            }
        )
    charts = [
        strip(rotations, "Change of direction of each photo", floor=_ROTATION_FLOOR, unit="°"),
        strip(positions, "Change of place of each photo", floor=_POSITION_FLOOR, unit=" %"),
    ]
    return {"charts": charts, "notes": notes} if all(charts) else None


def _dots(cards: Sequence[Card], values: np.ndarray, words: str) -> list[Dot]:
    return [
        Dot(i, float(value), f"{card.name} {words.format(quantity(float(value)))}", f"#{card.anchor}")
        for i, (card, value) in enumerate(zip(cards, values.tolist(), strict=True))
        if np.isfinite(value)
    ]


def _training(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    samples = report["training"]["curve"]
    steps = [sample["step"] for sample in samples]
    rows = []
    for key, title, options in (
        ("loss", "Loss", {"log": True}),
        ("gaussians", "Number of Gaussians", {"area": True}),
        ("held_out_psnr", "Held-out PSNR, dB", {}),
    ):
        values = [v if known(v := sample.get(key)) else float("nan") for sample in samples]
        chart = curve(steps, values, f"{title} over the training steps", **options)
        if chart is not None:
            rows.append({"title": title, "chart": chart})
    return rows


def _worst(trained: TrainedSplats, cards: Sequence[Card]) -> list[dict[str, Any]]:
    """The held-out photos that the splat predicts worst, with their previews."""
    names = tuple(score.name for score in trained.held_out)
    anchors = {card.name: card.anchor for card in cards}
    scored = zip(trained.held_out, preview_names(names), strict=True)
    ordered = sorted(scored, key=lambda item: item[0].psnr)
    rows = []
    for score, file in ordered[:_WORST]:
        picture = preview(trained.previews_dir / file)
        rows.append({"score": score, "picture": picture, "anchor": anchors[score.name]})
    return rows


def _portrait(capture: Capture) -> bool:
    """Whether most photos are higher than wide."""
    return 2 * sum(photo.height > photo.width for photo in capture.photos) > len(capture.photos)


def _stages(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = list(report.get("stages", ()))
    slowest = max((row["seconds"] for row in rows), default=0.0) or 1.0
    largest = max((row["peak_memory_mb"] for row in rows), default=0.0) or 1.0
    return [
        {
            **row,
            "time_share": 100 * row["seconds"] / slowest,
            "memory_share": 100 * row["peak_memory_mb"] / largest,
        }
        for row in rows
    ]


def _command(report: Mapping[str, Any]) -> str:
    """The command line as it can be typed again."""
    words = [str(word) for word in report.get("command") or ()]
    if not words:
        return ""
    program = Path(words[0]).name
    words[0] = "splatpose" if program in ("__main__.py", "splatpose", "splatpose.exe") else words[0]
    return shlex.join(words)


def _checks(report: Mapping[str, Any], support: PairSupport) -> list[str]:
    """Sentences on the optional stages."""
    lines = []
    against = int(support.contradicted.sum())
    if against:
        pairs = f"{against} pair{'s' * (against != 1)} of photos"
        lines.append(f"{pairs} share matches that contradict the poses; outlined in the matrix.")
    local, joint, depth = (report.get(key) for key in ("local", "joint", "depth"))
    if local:
        lines.append(
            f"Relative poses: {local['num_refined']} of {local['num_pairs']} pairs were refined in "
            f"{len(local['clusters'])} clusters of neighbouring photos."
        )
    if joint:
        lines.append(f"Poses refined together with Gaussians: {joint['decision']}. {joint['reason']}.")
    if depth:
        total = sum(photo["depth_prior"] is not None for photo in report["photos"])
        lines.append(f"Depth maps ({depth['source']}): {depth['kept']} of {total} agree and are used.")
    return lines
