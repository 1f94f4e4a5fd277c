"""What report.json says of held-out photos and their renderings."""

from __future__ import annotations

from collections.abc import Sequence

from ...scene.splats import HeldOutScore

Row = dict[str, float | None]


def held_out_row(score: HeldOutScore | None) -> Row:
    """Scores of one photo; null where it was not held out."""
    return {
        "held_out_psnr": score.psnr if score else None,
        "held_out_color_fitted_psnr": score.color_fitted_psnr if score else None,
        "held_out_ssim": score.ssim if score else None,
    }


def held_out_means(scores: Sequence[HeldOutScore]) -> Row:
    """Means over the held-out photos; null without any."""
    return {
        "held_out_psnr": mean([score.psnr for score in scores]),
        "held_out_color_fitted_psnr": mean([score.color_fitted_psnr for score in scores]),
        "held_out_ssim": mean([score.ssim for score in scores]),
    }


def mean(values: Sequence[float]) -> float | None:
    """Of nothing there is none."""
    return sum(values) / len(values) if values else None
