"""The photos as training reads them: every resolution made once, in a fixed random order."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8

from ..scene.views import Views
from .device import free_memory

KEPT_BYTES = 300 * 2**20
"""Bytes of photos of one size that a CPU keeps as floats at most."""
FLOAT_PIXEL_BYTES = 3 * 4
"""Bytes that such a photo takes a pixel."""
_GPU_SHARE = 0.4
"""Share of a GPU's free memory, when a training begins, that photos may take."""


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

    @property
    def nbytes(self) -> int:
        """Size in memory."""
        return self.image.nbytes + (0 if self.mask is None else self.mask.nbytes)

    def pinned(self) -> Photo:
        """The same in memory that a GPU reads while it computes."""
        mask = None if self.mask is None else self.mask.pin_memory()
        return replace(self, image=self.image.pin_memory(), mask=mask)

    def to(self, device: torch.device) -> Photo:
        """The same on a device; the host does not wait for what was pinned."""
        mask = None if self.mask is None else self.mask.to(device, non_blocking=True)
        return replace(self, image=self.image.to(device, non_blocking=True), mask=mask)


class TrainingPhotos:
    """Pyramids of the photos and their cameras on the training device.

    Photos stay 8-bit, because floats of all levels of many photos would not fit into memory. Where
    a GPU has no room for all of them, those that are read first stay there and the others come
    from pinned memory each time: a random order would throw the least recently read one out just
    before its turn.
    """

    def __init__(
        self,
        views: Views,
        factors: tuple[float, ...],
        device: torch.device,
        room: int | None = None,
    ) -> None:
        """
        Args:
            views: the photos.
            factors: how many times smaller each level is, for example (4, 2, 1).
            device: where they are read.
            room: bytes that they may take there; a share of a GPU's free memory, if not given.
        """
        self.names = views.names
        self.held_out = torch.from_numpy(np.asarray(views.held_out, bool))
        self.viewmats = torch.from_numpy(views.cam_from_world).to(device, torch.float32)
        levels = {
            factor: tuple(
                _resized(image, mask, K, factor, device)
                for image, mask, K in zip(views.images, views.masks, views.Ks, strict=True)
            )
            for factor in dict.fromkeys((*factors, 1.0))
        }
        self._device, self._free = device, 0
        self._resident: dict[tuple[float, int], Photo] = {}
        self._latest: tuple[tuple[float, int], Photo] | None = None
        if device.type != "cpu":
            self._free = _room(device) if room is None else room
            if sum(photo.nbytes for level in levels.values() for photo in level) > self._free:
                levels = _in_pinned_memory(levels, device)
        self._levels = levels
        self._cached: dict[int, torch.Tensor] = {}
        self._cached_factor = 0.0

    def __len__(self) -> int:
        return len(self.names)

    def training_centers(self) -> Float[torch.Tensor, "P 3"]:
        """Where the photos that are not held out were taken."""
        poses = self.viewmats[~self.held_out]
        return -torch.einsum("vji,vj->vi", poses[:, :3, :3], poses[:, :3, 3])

    def at(self, photo: int, factor: float = 1.0) -> Photo:
        """Photo number `photo`, `factor` times smaller."""
        stored = self._levels[factor][photo]
        if self._device.type == "cpu":
            return stored
        key = (factor, photo)
        if self._latest is not None and self._latest[0] == key:
            return self._latest[1]
        here = self._resident.get(key)
        if here is None:
            here = stored.to(self._device)
            if here.nbytes <= self._free:
                self._resident[key] = here
                self._free -= here.nbytes
        self._latest = key, here
        return here

    def target(self, photo: int, factor: float) -> Float[torch.Tensor, "H W 3"]:
        """RGB in [0, 1] of `at(photo, factor)`.

        The same tensor again while the level stays the same and its photos fit into a few hundred
        megabytes, so that a loss may keep what it computed from it.
        """
        if factor != self._cached_factor:
            self._cached.clear()
            self._leave(self._cached_factor)
            self._cached_factor = factor
        colors = self._cached.get(photo)
        if colors is None:
            colors = self.at(photo, factor).colors
            room = KEPT_BYTES if self._device.type == "cpu" else 0  # a GPU's loss keeps nothing
            if (len(self._cached) + 1) * colors.nbytes <= room:
                self._cached[photo] = colors
        return colors

    def _leave(self, factor: float) -> None:
        """Makes room on the device: training has gone on from this level."""
        for key in [key for key in self._resident if key[0] == factor != 1.0]:
            self._free += self._resident.pop(key).nbytes


class ViewingOrder:
    """Which photo each step trains on: shuffled anew every epoch.

    A function of photos, seed and step alone, so that a resumed training sees the same order.
    """

    def __init__(self, photos: Int[np.ndarray, " P"], seed: int) -> None:
        self._photos, self._seed = photos, seed
        self._epoch, self._shuffled = -1, photos

    def at(self, step: int) -> int:
        """The photo of step number `step`."""
        epoch, place = divmod(step, len(self._photos))
        if epoch != self._epoch:
            order = np.random.default_rng([self._seed, epoch]).permutation(len(self._photos))
            self._epoch, self._shuffled = epoch, self._photos[order]
        return int(self._shuffled[place])


def _room(device: torch.device) -> int:
    return int(_GPU_SHARE * free_memory(device))


def _in_pinned_memory(
    levels: dict[float, tuple[Photo, ...]], device: torch.device
) -> dict[float, tuple[Photo, ...]]:
    if device.type != "cuda":
        return levels
    return {factor: tuple(photo.pinned() for photo in level) for factor, level in levels.items()}


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
        small_mask = torch.from_numpy(share > 0.999)
    return Photo(
        image=torch.from_numpy(np.ascontiguousarray(small)),
        mask=small_mask,
        K=torch.from_numpy(scale @ K).to(device, torch.float32),
    )
