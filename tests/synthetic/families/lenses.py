"""True lenses, and how a pinhole's picture becomes one through them.

Written on its own and not with splatpose's lenses, so that the truth does not share their mistakes,
nor what they cannot do: three radial terms, fisheyes, a principal point anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import cv2
import numpy as np

_STEPS = 30_000
"""Of the table that inverts a lens: linear interpolation is then exact to 1e-8."""
_WIDEST = {"radial": 4.0, "fisheye": 8.0}
"""Tangent of the widest angle from the axis that is ever asked about."""
_SHARPER = 1.6
"""Pixels of the pinhole's picture for one of the photo, along one axis in its middle."""
_SAMPLES = 2
"""For one pixel of the photo, along one axis."""
_LARGEST = 2800


@dataclass(frozen=True)
class Lens:
    """Size of the photo and what its lens does. Pixels; the top left one's centre is (0.5, 0.5)."""

    width: int = 480
    height: int = 360
    focal: float = 360.0
    center: tuple[float, float] | None = None
    """Principal point; None for the middle."""
    kind: Literal["radial", "fisheye"] = "radial"
    """radial: r (1 + k1 r^2 + k2 r^4 + ...) of the tangent r (Brown 1971); fisheye: the same of the
    angle in place of r (Kannala & Brandt 2006)."""
    k: tuple[float, ...] = ()

    @property
    def principal_point(self) -> tuple[float, float]:
        return self.center or (self.width / 2, self.height / 2)

    @property
    def straight(self) -> bool:
        """Whether straight lines stay straight."""
        return self.kind == "radial" and not any(self.k)

    def bent(self, radius: np.ndarray) -> np.ndarray:
        """Distance from the principal point in focal lengths, for the tangent of the angle."""
        r = np.arctan(radius) if self.kind == "fisheye" else radius
        return r * (1 + sum(k * r ** (2 * n + 2) for n, k in enumerate(self.k)))

    def straightened(self, radius: np.ndarray) -> np.ndarray:
        """Inverse of `bent`, as far out as that grows."""
        tangents, table = self._table
        if radius.max(initial=0.0) > table[-1]:
            raise ValueError(f"{self} does not reach its own corners")
        return np.interp(radius, table, tangents)

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        tangents = np.linspace(0, _WIDEST[self.kind], _STEPS)
        table = self.bent(tangents)
        turns = np.flatnonzero(np.diff(table) <= 0)
        end = int(turns[0]) + 1 if len(turns) else _STEPS
        return tangents[:end], table[:end]

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Where points [N, 3] of the camera's frame are seen."""
        plane = points[:, :2] / points[:, 2:]
        radius = np.linalg.norm(plane, axis=1, keepdims=True)
        return self.focal * plane * _ratio(self.bent(radius), radius) + self.principal_point

    def rays(self, pixels: np.ndarray) -> np.ndarray:
        """Places [..., 2] on the plane z = 1 that pixels [..., 2] show."""
        bent = (pixels - self.principal_point) / self.focal
        radius = np.linalg.norm(bent, axis=-1, keepdims=True)
        return bent * _ratio(self.straightened(radius), radius)

    def cropped(self, left: float, top: float, width: int, height: int) -> Lens:
        """Part of the photo as a photo."""
        x, y = self.principal_point
        return replace(self, width=width, height=height, center=(x - left, y - top))

    def scaled(self, scale: float) -> Lens:
        """The photo with `scale` times the pixels along each side."""
        width, height = round(self.width * scale), round(self.height * scale)
        x, y = self.principal_point
        center = (x * width / self.width, y * height / self.height)
        return replace(self, width=width, height=height, focal=self.focal * scale, center=center)


def _ratio(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.where(second > 1e-12, first / np.maximum(second, 1e-12), 1.0)


@dataclass(frozen=True)
class Warp:
    """Which pinhole's picture holds a photo, and the photo from it."""

    lens: Lens

    @cached_property
    def pinhole(self) -> tuple[np.ndarray, int, int]:
        """Calibration matrix, width and height of the picture to draw."""
        lens = self.lens
        if lens.straight:
            x, y = lens.principal_point
            return np.array([[lens.focal, 0, x], [0, lens.focal, y], [0, 0, 1]]), *self._size
        rays = lens.rays(_edge(lens.width, lens.height))
        low, high = rays.min(0), rays.max(0)
        focal = _SHARPER * lens.focal
        width, height = (int(side) for side in np.ceil(focal * (high - low)) + 4)
        if max(width, height) > _LARGEST:
            raise ValueError(f"{lens} is too wide for a pinhole's picture")
        x, y = 2 - focal * low
        return np.array([[focal, 0, x], [0, focal, y], [0, 0, 1]]), width, height

    @property
    def _size(self) -> tuple[int, int]:
        return self.lens.width, self.lens.height

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """The photo [H, W, C] of a picture [h, w, C] that the pinhole draws, in linear light."""
        if self.lens.straight:
            return picture
        x, y = self._places
        # OpenCV's smoother kernels shift what they interpolate by some hundredths of a pixel.
        photo = cv2.remap(picture.astype(np.float32), x, y, cv2.INTER_LINEAR)
        return cv2.resize(photo, self._size, interpolation=cv2.INTER_AREA)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """Where in the picture each sample lies; OpenCV has the first pixel's centre at (0, 0)."""
        (width, height), K = self._size, self.pinhole[0]
        x, y = ((np.arange(side * _SAMPLES) + 0.5) / _SAMPLES for side in (width, height))
        rays = self.lens.rays(np.stack(np.meshgrid(x, y), -1))
        places = rays * K[0, 0] + K[:2, 2] - 0.5
        return places[..., 0].astype(np.float32), places[..., 1].astype(np.float32)


def _edge(width: int, height: int, count: int = 200) -> np.ndarray:
    """Points [4 count, 2] all along the photo's edge."""
    t = np.linspace(0, 1, count)
    zero, one = np.zeros(count), np.ones(count)
    sides = ((t, zero), (t, one), (zero, t), (one, t))
    return np.concatenate([np.stack(side, 1) for side in sides]) * (width, height)
