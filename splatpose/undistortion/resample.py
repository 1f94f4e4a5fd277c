"""A photo resampled to its pinhole camera, once and without aliasing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

from ..errors import SplatposeError
from ..io.photos import read_header, read_photo
from ..scene.camera import Camera
from .lens import Pinhole, distort

# Photos with more pixels than this a new pixel are averaged, not only interpolated.
_AVERAGE_ABOVE = 1.25
# Samples a new pixel and axis where photos are averaged.
_SAMPLES = 2
# Pixels beyond the photo's edge that still count as inside: the accuracy of the bounds.
_EDGE = 0.01


@dataclass(frozen=True)
class Resampler:
    """Turns photos of one camera into pictures of one pinhole camera."""

    camera: Camera
    pinhole: Pinhole

    def __call__(
        self, path: Path, bits: int | None = None
    ) -> tuple[UInt8[np.ndarray, "H W 3"], Bool[np.ndarray, "H W"] | None]:
        """The undistorted photo, and where it has pixels (None where that is everywhere).

        Args:
            path: the photo.
            bits: see `read_photo`.

        Raises:
            SplatposeError: the photo cannot be read, or no longer has the camera's size.
        """
        self._check_size(path)
        width, height = self.pinhole.width, self.pinhole.height
        if not np.any(self.camera.distortion):
            return read_photo(path, max_size=max(width, height), bits=bits), None
        photo = read_photo(path, max_size=self._photo_size, bits=bits)
        scale = np.array(photo.shape[1::-1]) / (self.camera.width, self.camera.height)
        # OpenCV has the centre of the top-left pixel at (0, 0).
        x, y = (self._samples_in_photo[0][axis] * scale[axis] - 0.5 for axis in (0, 1))
        # Beyond the outermost pixels' centres there is half a pixel more of photo.
        image = cv2.remap(
            photo,
            x.astype(np.float32),
            y.astype(np.float32),
            # OpenCV's cubic kernel shifts detail by up to 0.05 pixel; averaged samples halve that.
            cv2.INTER_LANCZOS4 if self._samples == 1 else cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_REPLICATE,
        )
        if self._samples > 1:
            image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        if self._mask is not None:
            image[~self._mask] = 0
        return image, self._mask

    @property
    def _reduction(self) -> float:
        """Photo pixels a new pixel, along one axis at the centre."""
        return float(self.camera.K[0, 0] / self.pinhole.K[0, 0])

    @property
    def _samples(self) -> int:
        return _SAMPLES if self._reduction > _AVERAGE_ABOVE else 1

    @property
    def _photo_size(self) -> int:
        """Long side at which the photo is read: one photo pixel a sample, about."""
        long_side = max(self.camera.width, self.camera.height)
        if self._samples == 1:
            return long_side
        return min(long_side, math.ceil(long_side * self._samples / self._reduction))

    @cached_property
    def _samples_in_photo(self) -> tuple[Float32[np.ndarray, "2 h w"], Bool[np.ndarray, "h w"]]:
        """Each sample's x and y in the photo in pixels, and whether the photo has such a place."""
        n, K = self._samples, self.pinhole.K
        x = ((np.arange(self.pinhole.width * n) + 0.5) / n - K[0, 2]) / K[0, 0]
        y = ((np.arange(self.pinhole.height * n) + 0.5) / n - K[1, 2]) / K[1, 1]
        rays: Float[np.ndarray, "h w 2"] = np.stack(np.meshgrid(x, y), axis=-1)
        distorted, possible = distort(self.camera, rays)
        K = self.camera.K
        pixels = distorted * (K[0, 0], K[1, 1]) + K[:2, 2]
        size = np.array([self.camera.width, self.camera.height])
        inside = np.all((pixels > -_EDGE) & (pixels < size + _EDGE), axis=-1)
        return np.moveaxis(pixels, -1, 0).astype(np.float32), inside & possible

    @cached_property
    def _mask(self) -> Bool[np.ndarray, "H W"] | None:
        valid, n = self._samples_in_photo[1], self._samples
        height, width = self.pinhole.height, self.pinhole.width
        valid = valid.reshape(height, n, width, n).all(axis=(1, 3))
        return None if np.all(valid) else np.asarray(valid)

    def _check_size(self, path: Path) -> None:
        header = read_header(path)
        if (header.width, header.height) != (self.camera.width, self.camera.height):
            raise SplatposeError(
                f"{path} is {header.width}x{header.height} now; it was "
                f"{self.camera.width}x{self.camera.height} when its pose was found.",
                "Leave the photos as they are while splatpose works, and run it again.",
            )
