"""ALIKED features (Zhao et al., IEEE TIM 2023) with the LightGlue matcher trained for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from kornia.feature import ALIKED

from .lightglue import load_lightglue, load_weights, match_lightglue, pairs_at_once, read_state_dict
from .matcher import DescriptorThresholds, Features


class AlikedMatcher:
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
        self.working_size = working_size
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.pairs_at_once = pairs_at_once(self.device)
        net = ALIKED("aliked-n16", max_num_keypoints=max_keypoints)
        load_weights(net, read_state_dict(aliked), aliked)
        self._net = net.to(self.device)
        self._matcher = load_lightglue(lightglue, 128, 256, 4).to(self.device)

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

    def match(self, first: Features, second: Features) -> Int[np.ndarray, "M 2"]:
        return self.match_pairs([(first, second)])[0]

    def match_pairs(
        self, pairs: Sequence[tuple[Features, Features]]
    ) -> list[Int[np.ndarray, "_ 2"]]:
        return match_lightglue(self._matcher, pairs, self.device)

    def similarity(self, descriptors: Shaped[np.ndarray, "K D"]) -> Float[np.ndarray, "K D"]:
        return descriptors.astype(np.float32)
