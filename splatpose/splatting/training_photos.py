"""The photos as training reads them: every resolution made once, in a fixed random order."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from ..scene.views import Views

_CACHE_BYTES = 300 * 2**20


@dataclass(frozen=True)
class Photo:
    """One photo at one resolution."""

    image: UInt8[torch.Tensor, "H W 3"]
    mask: Bool[torch.Tensor, "H W"] | None
    K: Float[torch.Tensor, "3 3"]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.image.shape[1], self.image.shape[0]

    @property
    def colors(self) -> Float[torch.Tensor, "H W 3"]:
        """RGB in [0, 1], a new tensor."""
        return self.image.float().mul_(1 / 255)


class TrainingPhotos:
    """Pyramids of the photos and their cameras on the training device.

    Photos stay 8-bit, because floats of all levels of many photos would not fit into memory.
    """

    def __init__(self, views: Views, factors: tuple[float, ...], device: torch.device) -> None:
        """
        Args:
            views: the photos.
            factors: how many times smaller each level is, for example (4, 2, 1).
        """
        self.names = views.names
        self.held_out = torch.from_numpy(np.asarray(views.held_out, bool))
        self.viewmats = torch.from_numpy(views.cam_from_world).to(device, torch.float32)
        self._levels = {
            factor: tuple(
                _resized(image, mask, K, factor, device)
                for image, mask, K in zip(views.images, views.masks, views.Ks, strict=True)
            )
            for factor in dict.fromkeys((*factors, 1.0))
        }
        self._cached: dict[int, torch.Tensor] = {}
        self._cached_factor = 0.0

    def __len__(self) -> int:
        return len(self.names)

    def at(self, photo: int, factor: float = 1.0) -> Photo:
        """Photo number `photo`, `factor` times smaller."""
        return self._levels[factor][photo]

    def target(self, photo: int, factor: float) -> Float[torch.Tensor, "H W 3"]:
        """RGB in [0, 1] of `at(photo, factor)`.

        The same tensor again while the level stays the same and its photos fit into a few hundred
        megabytes, so that a loss may keep what it computed from it.
        """
        if factor != self._cached_factor:
            self._cached.clear()
            self._cached_factor = factor
        colors = self._cached.get(photo)
        if colors is None:
            colors = self.at(photo, factor).colors
            if (len(self._cached) + 1) * colors.nbytes <= _CACHE_BYTES:
                self._cached[photo] = colors
        return colors


def viewing_order(photos: Int[np.ndarray, " P"], seed: int, step: int) -> int:
    """The photo that step number `step` trains on: shuffled anew every epoch.

    A function of its arguments alone, so that a resumed training sees the same order.
    """
    epoch, place = divmod(step, len(photos))
    return int(photos[np.random.default_rng([seed, epoch]).permutation(len(photos))[place]])


def _resized(
    image: np.ndarray, mask: np.ndarray | None, K: np.ndarray, factor: float, device: torch.device
) -> Photo:
    height, width = image.shape[:2]
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    scale = np.diag([size[0] / width, size[1] / height, 1.0])
    small = (
        image if size == (width, height) else cv2.resize(image, size, None, 0, 0, cv2.INTER_AREA)
    )
    small_mask = None
    if mask is not None:
        # A small pixel counts only where every pixel under it exists.
        share = cv2.resize(mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        small_mask = torch.from_numpy(share > 0.999).to(device)
    return Photo(
        image=torch.from_numpy(np.ascontiguousarray(small)).to(device),
        mask=small_mask,
        K=torch.from_numpy(scale @ K).to(device, torch.float32),
    )
