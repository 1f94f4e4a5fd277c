"""HDR pictures as an ordinary display shows it: ITU-R BT.2100's two transfers, brought to sRGB.

What a diffuse white surface sends is 203 cd/m2 in both (BT.2408, table 1) and becomes nearly white;
brighter light is compressed above it. BT.2020's primaries are brought to BT.709's (BT.2087).
"""

from __future__ import annotations

import functools

import numpy as np
from jaxtyping import Float, UInt8, UInt16

PQ, HLG = 16, 18
"""Numbers of the transfer characteristics in ITU-T H.273."""
_WIDE = 9
"""Number of BT.2020's primaries in ITU-T H.273."""
_WHITE = 203.0
"""Luminance of diffuse white in cd/m2."""
_HLG_PEAK, _HLG_GAMMA = 1000.0, 1.2
"""Luminance in cd/m2 of the display that HLG is shown on, and its system gamma (BT.2100, 5)."""
_KNEE = 0.8
"""Linear light, of diffuse white, above which it is compressed."""
_709_FROM_2020 = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)
_ROWS = 128
"""Rows that are converted at once, because floats of a whole photo may not fit into memory."""
_LUMINANCE = np.array([0.2627, 0.6780, 0.0593])


def displayed(
    pixels: UInt16[np.ndarray, "H W 3"], transfer: int, primaries: int
) -> UInt8[np.ndarray, "H W 3"]:
    """An HDR picture in sRGB.

    Args:
        pixels: non-linear RGB, full range of 16 bits.
        transfer: `PQ` or `HLG`.
        primaries: number in ITU-T H.273; any but BT.2020's are taken for BT.709's.
    """
    table = _light_table(transfer)
    shown = np.empty(pixels.shape, np.uint8)
    for start in range(0, len(pixels), _ROWS):
        shown[start : start + _ROWS] = _band(
            pixels[start : start + _ROWS], table, transfer, primaries
        )
    return shown


def _band(
    pixels: UInt16[np.ndarray, "H W 3"],
    table: Float[np.ndarray, " 65536"],
    transfer: int,
    primaries: int,
) -> UInt8[np.ndarray, "H W 3"]:
    light = table[pixels]
    if transfer == HLG:
        luminance = np.maximum(light @ _LUMINANCE.astype(np.float32), 1e-6)
        light *= (luminance ** (_HLG_GAMMA - 1))[..., None] * np.float32(_HLG_PEAK / _WHITE)
    if primaries == _WIDE:
        light = light @ _709_FROM_2020.T.astype(np.float32)
    light = np.clip(light, 0, None)
    above = np.maximum(light - _KNEE, 0) / (1 - _KNEE)
    light = np.minimum(light, _KNEE) + (1 - _KNEE) * (1 - np.exp(-above))
    srgb = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.clip(np.round(srgb * 255), 0, 255).astype(np.uint8)


@functools.cache
def _light_table(transfer: int) -> Float[np.ndarray, " 65536"]:
    """Linear light of each value: of diffuse white in PQ, of the scene (0 to 1) in HLG."""
    signal = np.arange(65536) / 65535
    if transfer == HLG:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - c) / a) + b) / 12)
    else:
        m1, m2 = 2610 / 16384, 2523 / 4096 * 128
        c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
        power = signal ** (1 / m2)
        light = (np.maximum(power - c1, 0) / (c2 - c3 * power)) ** (1 / m1) * 10000 / _WHITE
    return light.astype(np.float32)
