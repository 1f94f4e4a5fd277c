"""A picture, and its encoding as HDR."""

from __future__ import annotations

import cv2
import numpy as np

from splatpose.io.hdr import PQ

# BT.2087: BT.709's primaries in BT.2020's.
WIDE_FROM_709 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


def hdr_scene() -> np.ndarray:
    """Colours below the brightness from which on light is compressed."""
    noise = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    smooth = cv2.GaussianBlur(noise, (0, 0), 3)
    return cv2.normalize(smooth, np.empty_like(smooth), 20, 220, cv2.NORM_MINMAX)


def encoded(picture: np.ndarray, transfer: int) -> np.ndarray:
    """sRGB in HDR as BT.2408 has it: diffuse white at 203 cd/m2."""
    srgb = picture / 255
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    nits = np.clip(light @ WIDE_FROM_709.T, 0, None) * 203
    if transfer == PQ:
        y = (nits / 10000) ** (2610 / 16384)
        signal = ((3424 / 4096 + 2413 / 128 * y) / (1 + 2392 / 128 * y)) ** (2523 / 32)
    else:
        luminance = nits @ [0.2627, 0.6780, 0.0593]
        of_scene = nits / 1000 * ((luminance / 1000) ** (1 / 1.2 - 1))[..., None]
        high = 0.17883277 * np.log(np.maximum(12 * of_scene - 0.28466892, 1e-9)) + 0.55991073
        signal = np.where(of_scene <= 1 / 12, np.sqrt(3 * of_scene), high)
    return np.round(np.clip(signal, 0, 1) * 65535).astype(np.uint16)
