"""ALIKED features (Zhao et al., IEEE TIM 2023) with the LightGlue matcher trained for them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import UInt8
from kornia.feature import ALIKED

from .lightglue import LightGlueMatcher, load_lightglue, load_weights, read_state_dict
from .matcher import DescriptorThresholds, Features


class AlikedMatcher(LightGlueMatcher):
    """ALIKED-n16 + LightGlue on the CPU or a CUDA device. torchvision is not needed: kornia
    brings the deformable convolution in plain PyTorch.

    Args:
        aliked: path of ALIKED's weights.
        lightglue: path of the weights of LightGlue for ALIKED.
        max_keypoints: keypoints kept a photo, the best scored.
        working_size: longer side in pixels above which photos are scaled down.
    """

    name = "aliked"
    descriptors = DescriptorThresholds(min_cosine=0.82, guided_cosine=0.8)

    def __init__(
        self, aliked: Path, lightglue: Path, *, max_keypoints: int, working_size: int
    ) -> None:
        super().__init__(load_lightglue(lightglue, 128, 256, 4))
        self.working_size = working_size
        net = ALIKED("aliked-n16", max_num_keypoints=max_keypoints)
        load_weights(net, read_state_dict(aliked), aliked)
        self._net = net.to(self.device)

    @torch.inference_mode()
    def extract(self, photo: UInt8[np.ndarray, "H W 3"]) -> Features:
        height, width = photo.shape[:2]
        scale = min(1.0, self.working_size / max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = cv2.resize(photo, size, interpolation=cv2.INTER_AREA) if scale < 1 else photo
        image = torch.from_numpy(small).to(self.device).permute(2, 0, 1)[None].float() / 255
        found = self._net(image)[0]
        order = torch.argsort(found.keypoint_scores, descending=True, stable=True)
        to_photo = torch.tensor([width / size[0], height / size[1]], device=self.device)
        # kornia's pixel centres are whole numbers.
        keypoints = (found.keypoints[order] + 0.5) * to_photo
        return Features(
            keypoints.float().cpu().numpy(),
            found.descriptors[order].float().cpu().numpy(),
            width,
            height,
        )
