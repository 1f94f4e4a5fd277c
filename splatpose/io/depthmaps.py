"""Maps of depth or disparity that other programs wrote: 16-bit PNG, .npy and .exr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped
from PIL import Image

from ..errors import SplatposeError
from .arrays import DAMAGED_ARRAYS
from .exr import UnsupportedExr, read_exr_channel
from .regular_files import check_regular

DEPTH_SUFFIXES = (".npy", ".exr", ".png")
"""Suffixes of files that `read_depth_map` reads, the most precise first."""
DEPTH_FORMATS_TEXT = "16-bit PNG, .npy and .exr"
_FULL_16 = 65535
_DAMAGE = (*DAMAGED_ARRAYS, Image.DecompressionBombError)


class UnreadableDepthMap(SplatposeError):
    """A file that cannot be used as a depth map; `reason` says why without naming the file."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(
            f"{path} cannot be used as a depth map: {reason}.",
            f"Depth maps are read from {DEPTH_FORMATS_TEXT}, one value a pixel.",
        )
        self.reason = reason


def read_depth_map(path: Path) -> Float[np.ndarray, "H W"]:
    """The values of a map in its own unit, NaN where it says nothing.

    Nothing is said by 0 and by what is not finite, in 16-bit PNG by 65535 as well: sensors mark
    missing depth so, and networks stretched to 16 bits lose no more than their extreme values.

    Raises:
        UnreadableDepthMap: missing, damaged, of another format, or without two valid values.
    """
    if path.suffix.lower() not in _READERS:
        raise UnreadableDepthMap(path, f"{path.suffix or 'no suffix'} is not read")
    try:
        check_regular(path)
        values = _READERS[path.suffix.lower()](path)
    except UnsupportedExr as error:
        raise UnreadableDepthMap(path, str(error)) from error
    except OSError as error:
        raise UnreadableDepthMap(path, error.strerror or f"damaged ({error})") from error
    except _DAMAGE as error:
        reason = f"damaged, or too large ({str(error) or type(error).__name__})"
        raise UnreadableDepthMap(path, reason) from error
    values = np.where(np.isfinite(values) & (values != 0), values, np.nan).astype(np.float32)
    if np.isfinite(values).sum() < 2:
        raise UnreadableDepthMap(path, "it has no valid values")
    return values


def _read_png(path: Path) -> Shaped[np.ndarray, "H W"]:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.mode not in ("I;16", "I;16B", "I"):
                kind = "grey levels" if image.mode in ("1", "L") else "colours"
                raise UnreadableDepthMap(path, f"a picture of 8-bit {kind}, not 16-bit depth")
            values = np.array(image).astype(np.float32)
    except (SyntaxError, ValueError, EOFError) as error:
        raise UnreadableDepthMap(path, f"damaged or cut off ({error})") from error
    return np.where(values == _FULL_16, np.nan, values)


def _read_npy(path: Path) -> Shaped[np.ndarray, "H W"]:
    try:
        values = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise UnreadableDepthMap(path, f"not a NumPy array of numbers ({error})") from error
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "fiu":
        raise UnreadableDepthMap(path, "not a NumPy array of real numbers")
    shape = values.shape
    values = values.reshape([side for side in shape if side != 1] or [1])
    if values.ndim != 2:
        raise UnreadableDepthMap(path, f"its shape is {shape}, not (height, width)")
    return values.astype(np.float64)


_READERS = {".png": _read_png, ".npy": _read_npy, ".exr": read_exr_channel}
