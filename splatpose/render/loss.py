"""The photometric loss (1 - w) L1 + w (1 - SSIM) in plain torch: the oracle of the faster ones.

SSIM is Wang et al. 2004 as 3DGS uses it: images in [0, 1], an 11 x 11 Gaussian window of sigma
1.5, means and variances of each channel on its own, zeros beyond the border (so that windows
there are too dark in both images alike), the mean over all pixels of the image and channels.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import conv2d

WINDOW = 11
SIGMA = 1.5
C1 = 0.01**2
C2 = 0.03**2


def window_weights() -> tuple[float, ...]:
    """The 11 weights of the separable window; they sum to 1."""
    offsets = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(offsets**2) / (2 * SIGMA**2))
    return tuple((weights / weights.sum()).tolist())


def _blur(images: Float[Tensor, "C 1 H W"]) -> Float[Tensor, "C 1 H W"]:
    window = images.new_tensor(window_weights())
    rows = conv2d(images, window.view(1, 1, 1, -1), padding=(0, WINDOW // 2))
    return conv2d(rows, window.view(1, 1, -1, 1), padding=(WINDOW // 2, 0))


def ssim_map(
    image: Float[Tensor, "H W 3"], target: Float[Tensor, "H W 3"]
) -> Float[Tensor, "H W 3"]:
    """Structural similarity of the windows around each pixel."""
    x, y = image.permute(2, 0, 1)[:, None], target.permute(2, 0, 1)[:, None]
    mean_x, mean_y = _blur(x), _blur(y)
    var_x, var_y = _blur(x * x) - mean_x**2, _blur(y * y) - mean_y**2
    covariance = _blur(x * y) - mean_x * mean_y
    similarity = ((2 * mean_x * mean_y + C1) * (2 * covariance + C2)) / (
        (mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2)
    )
    return similarity[:, 0].permute(1, 2, 0)


def photometric_loss(
    render: Float[Tensor, "H W 3"],
    target: Float[Tensor, "H W 3"],
    mask: Bool[Tensor, "H W"] | None = None,
    dssim_weight: float = 0.2,
) -> Float[Tensor, ""]:
    """How much a rendering differs from a photo.

    Args:
        render, target: RGB, [0, 1].
        mask: True where the photo is valid. Elsewhere the photo is put in place of the
            rendering, so that no window sees a difference there, and the means are over valid
            pixels: invalid ones neither count nor get a gradient. No valid pixel: loss 0.
        dssim_weight: w, the weight of 1 - SSIM beside that of L1.
    """
    if mask is None:
        similarity = ssim_map(render, target).mean()
        return (1 - dssim_weight) * (render - target).abs().mean() + dssim_weight * (1 - similarity)
    valid = mask[..., None]
    render = torch.where(valid, render, target)
    count = (3 * valid.sum()).clamp(min=1)
    difference = (render - target).abs().sum() / count
    dissimilarity = ((1 - ssim_map(render, target)) * valid).sum() / count
    return (1 - dssim_weight) * difference + dssim_weight * dissimilarity
