"""The NoPe-NeRF benchmark's scores as JSON and Markdown, beside what others published."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from ..novel_views import SOURCES, Metric, PoseSource
from ..novel_views_table import COLOR_FIT, METRICS, SOURCE_NAMES, cells, means
from ..pose_metrics import PoseMetrics
from ..published import published
from .nope_nerf import SceneScores

_POSE_COLUMNS = {
    "ATE": "ate",
    "RPE_t x100": "rpe_translation",
    "RPE_r deg": "rpe_rotation",
    "ATE, normalised": "ate_normalized",
    "RPE_t x100, normalised": "rpe_translation_normalized",
    "ATE % of radius": "ate_percent",
    "rotation deg": "rotation_mean",
    "AUC@5": "auc5",
    "AUC@10": "auc10",
    "AUC@30": "auc30",
    "focal %": "focal_percent",
}
_NOTES = (
    "Poses are those of the training photos after a similarity fit of the camera centres "
    "(Umeyama). ATE and RPE_t stand in the truth's units, as NoPe-NeRF has them, and normalised, "
    "as CF-3DGS has them: centres centred and divided by their Frobenius norm. Photos that are "
    "not registered count as failures in AUC, and in no other column.",
    "Novel views: means over the registered test photos; the others are counted as missing. "
    "Gaussians never saw a test photo. Test-time optimisation: 200 steps of Adam at 1e-3 on "
    "0.8 L1 + 0.2 D-SSIM, Gaussians held fast.",
    COLOR_FIT,
)


def as_json(rows: Sequence[SceneScores]) -> dict[str, Any]:
    """Everything, means and published rows included."""
    return {
        "suite": "nope-nerf",
        "scenes": [_scene_json(row) for row in rows],
        "mean": {
            "poses": {name: _mean(rows, _pose(name)) for name in _POSE_COLUMNS.values()},
            "views": {
                source: {metric: _mean(rows, _view(source, metric)) for metric in METRICS}
                for source in SOURCES
            },
        },
        "published": [asdict(row) for row in published("nope-nerf")],
    }


def as_markdown(rows: Sequence[SceneScores]) -> str:
    """Novel views, poses, and what others published, as tables."""
    parts = [_views_table(rows), _poses_table(rows), _published_table(), *_NOTES]
    missing = {row.views.lpips_missing for row in rows if row.views and row.views.lpips_missing}
    parts += [f"n/a: {text}" for text in sorted(missing)]
    failed = [f"- {row.scene}: {row.refused or row.error}" for row in rows if row.views is None]
    if failed:
        parts.append("Without a result:\n" + "\n".join(failed))
    return "\n\n".join(parts) + "\n"


def _views_table(rows: Sequence[SceneScores]) -> str:
    lines = ["| scene | split | test photos | missing | size | poses of test photos | PSNR "
             "| after a colour fit | SSIM | LPIPS (VGG) |", "|---" * 10 + "|"]  # fmt: skip
    for row in rows:
        if row.views is None:
            row_cells = [row.scene, row.split, str(len(row.test)), "-", "-", "no result"]
            lines.append(_joined([*row_cells, *"----"]))
            continue
        for source in SOURCES:
            row_cells = [row.scene, row.split, str(len(row.test)), str(len(row.views.missing)),
                     f"{row.size[0]}x{row.size[1]}", SOURCE_NAMES[source]]  # fmt: skip
            lines.append(_joined([*row_cells, *cells(means(row.views)[source])]))
    count = sum(row.views is not None for row in rows)
    for source in SOURCES:
        mean = {metric: _mean(rows, _view(source, metric)) for metric in METRICS}
        row_cells = ["mean", f"{count} scenes", "", "", "", SOURCE_NAMES[source]]
        lines.append(_joined([*row_cells, *cells(mean)]))
    return "\n".join(lines)


def _poses_table(rows: Sequence[SceneScores]) -> str:
    lines = [_joined(["scene", "registered", *_POSE_COLUMNS, "fit seconds"])]
    lines.append("|---" * (len(_POSE_COLUMNS) + 3) + "|")
    for row in rows:
        if row.poses is None:
            lines.append(_joined([row.scene, "no result", *["-"] * (len(_POSE_COLUMNS) + 1)]))
            continue
        figures = [_number(getattr(row.poses, name)) for name in _POSE_COLUMNS.values()]
        registered = f"{row.poses.registered}/{row.poses.photos}"
        lines.append(_joined([row.scene, registered, *figures, f"{row.seconds:.0f}"]))
    means = [_number(_mean(rows, _pose(name))) for name in _POSE_COLUMNS.values()]
    lines.append(_joined(["mean", "", *means, ""]))
    return "\n".join(lines)


def _published_table() -> str:
    lines = ["Published by others (their hardware and image sizes, not run here):", ""]
    lines += ["| method | PSNR, mean of the benchmark's scenes in dB | source |", "|---|---|---|"]
    lines += [f"| {row.method} | {row.psnr:.2f} | {row.source} |" for row in published("nope-nerf")]
    return "\n".join(lines)


def _scene_json(row: SceneScores) -> dict[str, Any]:
    value = asdict(row)
    if row.views is not None:
        value["views"]["mean"] = means(row.views)
    return value


def _view(source: PoseSource, metric: Metric) -> Callable[[SceneScores], float]:
    return lambda row: row.views.mean(source, metric) if row.views else float("nan")


def _pose(name: str) -> Callable[[SceneScores], float]:
    assert name in {field.name for field in fields(PoseMetrics)}
    return lambda row: getattr(row.poses, name) if row.poses else float("nan")


def _mean(rows: Sequence[SceneScores], figure: Callable[[SceneScores], float]) -> float:
    """Over the scenes that have the figure."""
    values = np.array([figure(row) for row in rows], np.float64)
    values = values[np.isfinite(values)]
    return float(values.mean()) if len(values) else float("nan")


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def _joined(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
