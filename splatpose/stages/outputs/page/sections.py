"""The sections of the page: what the template is given of matches, poses, splat and run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from ....scene.capture import Capture
from ....scene.sparse_model import SparseModel
from ....scene.splats import TrainedSplats
from ....sfm.model_comparison import change
from ....sfm.reprojection import reprojection_errors
from ....splatting.quality import preview_names
from ..formatting import known, plural, quantity
from . import texts
from .cards import Card
from .charts import Dot, curve, histogram, strip
from .listing import is_many
from .support import PairSupport
from .thumbnails import preview

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


def residuals(report: Mapping[str, Any], poses: SparseModel) -> list[dict[str, Any]]:
    """One histogram of all observations, and one a camera where there are several."""
    errors = reprojection_errors(poses)
    label = "Histogram of reprojection errors"
    rows = [{"title": "All photos", "count": len(errors), "chart": histogram(errors, label)}]
    labels = [camera["label"] for camera in report["cameras"]]
    of_camera = poses.camera_index[poses.observations[:, 1]]
    used = np.flatnonzero(np.bincount(of_camera, minlength=len(labels))[: len(labels)]).tolist()
    if len(used) > 1:
        for number in used[:_MOST_CAMERAS]:
            own = errors[of_camera == number]
            chart = histogram(own, f"{label}, {labels[number]}")
            rows.append({"title": labels[number], "count": len(own), "chart": chart})
    return [row for row in rows if row["chart"] is not None]


def photo_errors(report: Mapping[str, Any], cards: Sequence[Card]) -> Markup | None:
    """The median reprojection error of each photo."""
    errors = [row["reprojection_error"] for row in report["photos"]]
    values = np.array([e if known(e) else np.nan for e in errors])
    series = [("first", _dots(cards, values, "has a median error of {} px"))]
    return _strip(series, "Reprojection error of each photo", floor=0.01, unit=" px")


def _strip(
    series: Sequence[tuple[str, Sequence[Dot]]], label: str, *, floor: float, unit: str
) -> Markup | None:
    """A strip with a link for each dot, unless photos are many."""
    batched = any(is_many(len(dots)) for _, dots in series)
    return strip(series, label, floor=floor, unit=unit, batched=batched)


def changes(poses: SparseModel, cards: Sequence[Card]) -> dict[str, Any] | None:
    """How far photos moved from stage to stage; None without snapshots."""
    names = [card.name for card in cards]
    rotations, positions, notes = [], [], []
    for number, (a, b) in enumerate(pairwise(poses.snapshots)):
        found = change(a.cam_from_world, b.cam_from_world)
        kind = "second" if number else "first"
        rotations.append((kind, _dots(cards, found.rotation, "turned by {}°")))
        positions.append((kind, _dots(cards, found.position, "moved by {} % of the radius")))
        notes.append(
            {
                "kind": kind,
                "step": _STEPS.get((a.stage, b.stage), f"{a.stage} → {b.stage}"),
                "rotation": texts.summary_of_changes(found.rotation.tolist(), "°", names),
                "position": texts.summary_of_changes(found.position.tolist(), " %", names),
            }
        )
    charts = [
        _strip(rotations, "Change of direction of each photo", floor=_ROTATION_FLOOR, unit="°"),
        _strip(positions, "Change of place of each photo", floor=_POSITION_FLOOR, unit=" %"),
    ]
    return {"charts": charts, "notes": notes} if all(charts) else None


def _dots(cards: Sequence[Card], values: Float[np.ndarray, " V"], words: str) -> list[Dot]:
    return [
        Dot(
            i,
            float(value),
            f"{card.name} {words.format(quantity(float(value)))}",
            f"#{card.anchor}",
            words,
        )
        for i, (card, value) in enumerate(zip(cards, values.tolist(), strict=True))
        if np.isfinite(value)
    ]


def training(report: Mapping[str, Any]) -> list[dict[str, Any]]:
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


def worst(trained: TrainedSplats, cards: Sequence[Card]) -> list[dict[str, Any]]:
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


def shape(capture: Capture) -> float:
    """Width over height of the usual photo, within what a contact sheet can show well."""
    ratios = [photo.width / photo.height for photo in capture.photos]
    return round(min(max(float(np.median(ratios)), 0.66), 1.8), 3)


def stages(report: Mapping[str, Any]) -> list[dict[str, Any]]:
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


def command(report: Mapping[str, Any]) -> str:
    """The command line as it can be typed again."""
    words = [str(word) for word in report.get("command") or ()]
    if not words:
        return ""
    program = Path(words[0]).name
    words[0] = "splatpose" if program in ("__main__.py", "splatpose", "splatpose.exe") else words[0]
    return shlex.join(words)


def checks(report: Mapping[str, Any], support: PairSupport) -> list[str]:
    """Sentences on the optional stages."""
    lines = []
    against = int(support.contradicted.sum())
    if against:
        what = "has matches that contradict" if against == 1 else "have matches that contradict"
        lines.append(f"{plural(against, 'pair')} of photos {what} the poses: see the matrix.")
    local, joint, depth = (report.get(key) for key in ("local", "joint", "depth"))
    if local:
        lines.append(
            f"Relative poses: {local['num_refined']} of {local['num_pairs']} pairs were refined in "
            f"{len(local['clusters'])} clusters of neighbouring photos."
        )
    if joint:
        lines.append(
            f"Poses refined together with Gaussians: {joint['decision']}. {joint['reason']}."
        )
    if depth:
        total = sum(photo["depth_prior"] is not None for photo in report["photos"])
        lines.append(
            f"Depth maps ({depth['source']}): {depth['kept']} of {total} agree and are used."
        )
    return lines
