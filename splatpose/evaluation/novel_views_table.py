"""Novel-view scores of one run as JSON and Markdown."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, get_args

import numpy as np

from .novel_views import Metric, NovelViews, PoseSource

METRICS: tuple[Metric, ...] = get_args(Metric)
COLOR_FIT = (
    "After a colour fit: an affine map of colour is fitted on each half of a photo (left, right) "
    "and applied to the other."
)
SOURCE_NAMES: dict[PoseSource, str] = {
    "registered": "as registered, no test-time optimisation",
    "from neighbour": "test-time optimised, from the neighbouring training photo",
    "from registered": "test-time optimised, from the registered pose",
}


def as_json(scores: NovelViews) -> dict[str, Any]:
    """All scores, and their means."""
    return asdict(scores) | {"mean": means(scores)}


def means(scores: NovelViews) -> dict[PoseSource, dict[str, float]]:
    """Mean of every metric, by where the poses are from."""
    return {
        source: {metric: scores.mean(source, metric) for metric in METRICS}
        for source in scores.scores
    }


def as_markdown(scores: NovelViews) -> str:
    """A row for each way to a test photo's pose."""
    counts = [len(rows) for rows in scores.scores.values()]
    text = f"{counts[0] if counts else 0} test photos measured, {scores.num_training} trained on"
    if scores.missing:
        text += f", {len(scores.missing)} test photos not registered: {', '.join(scores.missing)}"
    head = "| poses of test photos | PSNR | after a colour fit | SSIM | LPIPS (VGG) |"
    lines = [text, "", head, "|---|---|---|---|---|"]
    for source, mean in means(scores).items():
        lines.append("| " + " | ".join([SOURCE_NAMES[source], *cells(mean)]) + " |")
    lines += ["", f"{COLOR_FIT} PSNR without it is the score to compare."]
    if scores.lpips_missing:
        lines += ["", f"n/a: {scores.lpips_missing}"]
    return "\n".join(lines) + "\n"


def cells(mean: dict[str, float]) -> list[str]:
    """PSNR raw and after a colour fit, SSIM and LPIPS: what was not measured says so."""
    fitted = mean["color_fitted_psnr"]
    return [
        "-" if np.isnan(mean["psnr"]) else f"{mean['psnr']:.2f}",
        "-" if np.isnan(fitted) else f"{fitted:.2f}",
        "-" if np.isnan(mean["ssim"]) else f"{mean['ssim']:.3f}",
        "n/a" if np.isnan(mean["lpips"]) else f"{mean['lpips']:.3f}",
    ]
