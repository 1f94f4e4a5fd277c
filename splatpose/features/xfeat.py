"""XFeat features with the LighterGlue matcher (Potje et al., CVPR 2024)."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, UInt8
from kornia.feature import XFeat

from .lightglue import LightGlueMatcher, load_lightglue, load_weights, read_state_dict
from .matcher import DescriptorThresholds, Features

MIN_SCORE = 0.05
"""Lowest probability of a keypoint, as published."""
_STRIDE = 32
"""Divisor in pixels of the sides that the network takes."""
_NMS_RADIUS = 2


class XFeatMatcher(LightGlueMatcher):
    """XFeat + LighterGlue on the CPU or a CUDA device.

    Args:
        xfeat: path of XFeat's weights.
        lighterglue: path of LighterGlue's weights, of any depth.
        max_keypoints: keypoints kept a photo, the best scored.
        working_size: longer side in pixels at which photos are looked at.
    """

    name = "xfeat"
    descriptors = DescriptorThresholds(min_cosine=0.82, guided_cosine=0.8)

    def __init__(
        self, xfeat: Path, lighterglue: Path, *, max_keypoints: int, working_size: int
    ) -> None:
        super().__init__(load_lightglue(lighterglue, 64, 96, 1))
        self.max_keypoints = max_keypoints
        self.working_size = working_size
        self._net = XFeat().net
        # Only the semi-dense mode, which is not used, needs this part; not every file has it.
        self._net.fine_matcher = torch.nn.Sequential()
        load_weights(self._net, read_state_dict(xfeat), xfeat)
        self._net.to(self.device)

    @torch.inference_mode()
    def extract(self, photo: UInt8[np.ndarray, "H W 3"]) -> Features:
        height, width = photo.shape[:2]
        scale = self.working_size / max(height, width)
        size = [max(_STRIDE, round(s * scale / _STRIDE) * _STRIDE) for s in (width, height)]
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(photo, size, interpolation=method)
        image = torch.from_numpy(small).to(self.device).permute(2, 0, 1)[None].float() / 255
        dense, logits, reliability = self._net(image)
        heat = _heatmap(logits)
        cells = _strongest(heat, reliability, self.max_keypoints)
        descriptors = F.normalize(_sample(F.normalize(dense, dim=1), cells, size, "bicubic"), dim=1)
        keypoints = cells + 0.5 + _subpixel_offset(heat, cells)
        to_photo = torch.tensor([width / size[0], height / size[1]], device=self.device)
        return Features(
            (keypoints * to_photo).cpu().numpy(), descriptors.cpu().numpy(), width, height
        )


def _heatmap(logits: Float[torch.Tensor, "1 65 h w"]) -> Float[torch.Tensor, "H W"]:
    """Keypoint probability of every pixel: each cell of 8 x 8 pixels is a softmax with a bin for
    "no keypoint"."""
    cells = F.softmax(logits, 1)[:, :64]
    return F.pixel_shuffle(cells, 8)[0, 0]


def _strongest(
    heat: Float[torch.Tensor, "H W"], reliability: Float[torch.Tensor, "1 1 h w"], count: int
) -> Int[torch.Tensor, "K 2"]:
    """Pixels (x, y) of the local maxima, the best scored first."""
    peak = _highest_around(heat)
    inside = torch.zeros_like(heat, dtype=torch.bool)
    inside[_NMS_RADIUS:-_NMS_RADIUS, _NMS_RADIUS:-_NMS_RADIUS] = True
    cells = ((heat == peak) & (heat > MIN_SCORE) & inside).nonzero().flip(-1)
    size = [heat.shape[1], heat.shape[0]]
    score = heat[cells[:, 1], cells[:, 0]] * _sample(reliability, cells, size, "bilinear")[:, 0]
    return cells[score.argsort(descending=True, stable=True)[:count]]


def _highest_around(heat: Float[torch.Tensor, "H W"]) -> Float[torch.Tensor, "H W"]:
    """The largest value in the window of each pixel."""
    window = 2 * _NMS_RADIUS + 1
    if heat.device.type == "cpu":  # the same, some sixty times as fast
        return torch.from_numpy(cv2.dilate(heat.numpy(), np.ones((window, window), np.uint8)))
    return F.max_pool2d(heat[None], window, stride=1, padding=_NMS_RADIUS)[0]


def _sample(
    values: Float[torch.Tensor, "1 C h w"],
    cells: Int[torch.Tensor, "K 2"],
    size: list[int],
    mode: str,
) -> Float[torch.Tensor, "K C"]:
    """Interpolates a coarse map at pixels of the image, the way the weights were trained."""
    grid = 2 * cells / (torch.tensor(size, device=cells.device) - 1) - 1
    return F.grid_sample(values, grid[None, None], mode=mode, align_corners=False)[0, :, 0].T


def _subpixel_offset(
    heat: Float[torch.Tensor, "H W"], cells: Int[torch.Tensor, "K 2"]
) -> Float[torch.Tensor, "K 2"]:
    """Where the peak lies between the pixels: vertex of the parabola through the logarithm of
    the heat at the peak and its two neighbours along each axis. Within half a pixel."""
    x, y = cells[:, 0], cells[:, 1]
    log = torch.log(heat + 1e-6)
    centre = log[y, x]
    offsets = []
    for before, after in ((log[y, x - 1], log[y, x + 1]), (log[y - 1, x], log[y + 1, x])):
        curvature = (2 * centre - before - after).clamp(min=1e-6)
        offsets.append(((after - before) / (2 * curvature)).clamp(-0.5, 0.5))
    return torch.stack(offsets, 1)
