"""How well a splat predicts a photo, and a picture of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float

from ..io.atomic import write_bytes
from ..io.file_names import flat_names
from ..scene.splats import HeldOutScore
from ..tolerance import Tolerance
from .color_fit import color_fitted
from .training_photos import TrainingPhotos

_log = logging.getLogger("splatpose")

_SSIM_RADIUS = 5
_SSIM_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2
_PREVIEW_GAP = 4

Renderer = Callable[[int], torch.Tensor]
"""Renders photo number i at full size: [H, W, 3]."""


def psnr(
    render: Float[torch.Tensor, "H W 3"],
    target: Float[torch.Tensor, "H W 3"],
    mask: Bool[torch.Tensor, "H W"] | None = None,
) -> float:
    """Peak signal-to-noise ratio in dB of colours in [0, 1]; masked pixels do not count."""
    error = (render - target).double().square()
    mean = float(error.mean() if mask is None else error[mask].mean())
    return float("inf") if mean == 0 else -10 * float(np.log10(mean))


def ssim(
    render: Float[torch.Tensor, "H W 3"],
    target: Float[torch.Tensor, "H W 3"],
    mask: Bool[torch.Tensor, "H W"] | None = None,
) -> float:
    """Structural similarity (Wang et al. 2004, equation 13) of colours in [0, 1].

    Gaussian window of 11 x 11 pixels with sigma 1.5, mean over the channels and over those pixels
    whose whole window lies inside the image (and the mask). NaN where there is no such pixel.
    """
    if min(render.shape[:2]) < 2 * _SSIM_RADIUS + 1:
        return float("nan")
    x, y = (image.double().permute(2, 0, 1)[:, None] for image in (render, target))
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x.square()
    var_y = _blur(y * y) - mean_y.square()
    covariance = _blur(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x.square() + mean_y.square() + _C1)
    structure = (2 * covariance + _C2) / (var_x + var_y + _C2)
    value = (luminance * structure)[:, 0].mean(dim=0)
    if mask is None:
        return float(value.mean())
    size = 2 * _SSIM_RADIUS + 1
    outside = torch.nn.functional.max_pool2d((~mask)[None].float(), size, stride=1)[0]
    inside = value[outside == 0]
    return float(inside.mean()) if inside.numel() else float("nan")


@torch.no_grad()
def measure(
    photos: TrainingPhotos, render: Renderer, previews: Path | None = None
) -> tuple[HeldOutScore, ...]:
    """Scores every held-out photo, and writes photo and rendering side by side to `previews`."""
    indices = photos.held_out.nonzero()[:, 0].tolist()
    files = preview_names(tuple(photos.names[i] for i in indices))
    if previews is not None:
        previews.mkdir(exist_ok=True)
    scores, tolerance = [], Tolerance()
    for index, file in zip(indices, files, strict=True):
        photo = photos.at(index)
        target = photo.colors
        image = render(index).clamp(0, 1)
        scores.append(
            HeldOutScore(
                photos.names[index],
                psnr(image, target, photo.mask),
                ssim(image, target, photo.mask),
                psnr(color_fitted(image, target, photo.mask), target, photo.mask),
            )
        )
        if previews is not None:
            # A picture that cannot be written is no reason to lose the training.
            write = partial(_write_preview, previews / file, target, image)
            tolerance.attempt(file, write, None)
    if text := tolerance.told("could not be written"):
        _log.warning(text)
    return tuple(scores)


def mean_psnr(scores: Sequence[HeldOutScore]) -> float:
    """Mean over the photos, in dB."""
    return float(np.mean([score.psnr for score in scores]))


def told(scores: Sequence[HeldOutScore]) -> str:
    """The scores in a few words."""
    if not scores:
        return "no photo held out"
    photos = f"{len(scores)} held-out photo{'s' * (len(scores) != 1)}"
    return f"PSNR {mean_psnr(scores):.2f} dB on {photos}"


def preview_names(names: tuple[str, ...]) -> tuple[str, ...]:
    """A file name for the preview of each photo: `sub/a b.jpg` -> `sub_a_b.png`."""
    return flat_names(names, ".png")


def _blur(images: Float[torch.Tensor, "C 1 H W"]) -> Float[torch.Tensor, "C 1 h w"]:
    offsets = torch.arange(-_SSIM_RADIUS, _SSIM_RADIUS + 1, device=images.device).double()
    window = torch.exp(-0.5 * (offsets / _SSIM_SIGMA) ** 2)
    window = window / window.sum()
    rows = torch.nn.functional.conv2d(images, window[None, None, None, :])
    return torch.nn.functional.conv2d(rows, window[None, None, :, None])


def _write_preview(
    path: Path, target: Float[torch.Tensor, "H W 3"], render: Float[torch.Tensor, "H W 3"]
) -> None:
    gap = target.new_ones(target.shape[0], _PREVIEW_GAP, 3)
    pair = torch.cat([target, gap, render], dim=1).mul(255).round().to(torch.uint8)
    pixels = cv2.cvtColor(pair.cpu().numpy(), cv2.COLOR_RGB2BGR)
    done, data = cv2.imencode(".png", pixels)
    assert done, path
    write_bytes(path, data.tobytes())
