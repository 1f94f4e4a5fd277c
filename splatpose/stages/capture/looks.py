"""What photos look like, small: enough to tell which show the same exposure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from ...io.photos import PHOTO_SUFFIXES

SIDE, COARSE_SIDE, FINE_SIDE = 64, 32, 128
"""Sides in pixels at which pictures are compared."""
_DETAIL = 2.0
"""Standard deviation in pixels of the blur whose difference to the picture is its detail."""
_MARKS = ("_mask", "-mask", ".mask", "_seg", "_depth", "_normal", "_small", "_thumb", "_copy")
"""Endings that programs put behind a photo's name."""


@dataclass(frozen=True)
class Look:
    """A photo's name, size and small grey picture."""

    name: str
    """Path relative to the input folder, with forward slashes."""
    width: int
    height: int
    grey: UInt8[np.ndarray, "h w"]

    @property
    def folder(self) -> str:
        """Path of its folder, "." for the input folder itself."""
        return PurePosixPath(self.name).parent.as_posix()

    @cached_property
    def stem(self) -> str:
        """The file's name without suffixes and without what programs put behind it."""
        name = PurePosixPath(self.name).name.lower()
        while PurePosixPath(name).suffix in PHOTO_SUFFIXES and PurePosixPath(name).stem != name:
            name = PurePosixPath(name).stem
        for mark in _MARKS:
            name = name.removesuffix(mark)
        return name

    @cached_property
    def fine(self) -> Float[np.ndarray, "F F"]:
        """Its detail at `FINE_SIDE`."""
        return detail(self.grey, FINE_SIDE)

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    @property
    def size_class(self) -> tuple[int, int]:
        """Long and short side in pixels: upright and lying photos of a camera are of one class."""
        return max(self.width, self.height), min(self.width, self.height)


def detail(grey: UInt8[np.ndarray, "_ _"], side: int = SIDE) -> Float[np.ndarray, "side side"]:
    """A picture's fine structure, stretched to a square, of mean 0 and norm 1.

    The scalar product of two is their correlation: above 0.95 for copies of one exposure at other
    sizes, and in the photo sets that were looked at below 0.98 for any two exposures.
    """
    shrinks = min(grey.shape) >= side
    way = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    small = cv2.resize(grey.astype(np.float32), (side, side), interpolation=way)
    small -= cv2.GaussianBlur(small, (0, 0), _DETAIL)
    small -= small.mean()
    norm = float(np.linalg.norm(small))
    # Below a hundredth of a grey level there is no structure, only rounding.
    return small / norm if norm > 0.01 * side else np.zeros_like(small)


def details(looks: Sequence[Look], side: int = SIDE) -> Float[np.ndarray, "N S S"]:
    """`detail` of every photo."""
    empty = np.empty((0, side, side), np.float32)
    return np.stack([detail(look.grey, side) for look in looks]) if looks else empty


def correlations(
    first: Float[np.ndarray, "N S S"], second: Float[np.ndarray, "M S S"]
) -> Float[np.ndarray, "N M"]:
    """Of every detail with every other."""
    return first.reshape(len(first), -1) @ second.reshape(len(second), -1).T


def nearly_same(one: Look, other: Look, *, strict: bool = True) -> bool:
    """Whether two photos of one size show the same moment, or one that nothing tells from it.

    Such are copies that were compressed again, and a burst from a tripod.

    Args:
        one: a photo.
        other: another one.
        strict: False where names speak for a copy, which may then have been compressed a lot.
    """
    least, most = (0.98, 1.5) if strict else (0.9, 4.0)
    if one.grey.shape != other.grey.shape or float((one.fine * other.fine).sum()) < least:
        return False
    a, b = (look.grey.astype(np.float32) for look in (one, other))
    spread = float(a.std())
    slope = float(((a - a.mean()) * (b - b.mean())).mean()) / spread**2 if spread else 1.0
    return bool(np.abs(slope * (a - a.mean()) - (b - b.mean())).mean() <= most)


def same_shape(looks: Sequence[Look], *, turned: bool = False) -> Bool[np.ndarray, "N N"]:
    """Whether two photos' sides have the same ratio, rounding of small ones allowed for.

    Args:
        looks: the photos.
        turned: compare with the second one lying on its side.
    """
    logs = np.log([look.aspect for look in looks])
    short = np.array([min(look.width, look.height) for look in looks], np.float64)
    slack = 0.01 + 1 / np.minimum(short[:, None], short[None, :])
    return np.abs(logs[:, None] - (-logs if turned else logs)[None, :]) <= slack
