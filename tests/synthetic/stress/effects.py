"""What happens to a photo after the light: exposure, white balance, noise, JPEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Light 0..1 of sRGB values 0..1 (IEC 61966-2-1)."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(light: np.ndarray) -> np.ndarray:
    """sRGB values 0..1 of light; what is above 1 is clipped, as a sensor does."""
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def expose(
    photo: np.ndarray, stops: float, balance: tuple[float, float, float] = (1, 1, 1)
) -> np.ndarray:
    """The photo, uint8 [H, W, 3], with 2**stops times the light, each channel times `balance`."""
    light = to_linear(photo / 255.0) * 2.0**stops * np.asarray(balance)
    return np.round(to_srgb(light) * 255).astype(np.uint8)


def sensor_noise(photo: np.ndarray, *, seed: int, amount: float = 1.2) -> np.ndarray:
    """Adds noise of `amount` grey levels, so that no two photos share their pixels."""
    noise = np.random.default_rng(seed).normal(size=photo.shape) * amount
    return np.clip(np.round(photo + noise), 0, 255).astype(np.uint8)


def save_jpeg(path: Path, photo: np.ndarray, quality: int) -> None:
    """Writes uint8 RGB [H, W, 3] without EXIF."""
    Image.fromarray(photo).save(path, quality=quality, subsampling=2, optimize=True)


def save_depth(path: Path, depth: np.ndarray) -> None:
    """Writes metres [H, W] as 16-bit PNG of millimetres; 0 where there is none or beyond 65 m."""
    millimetres = np.round(depth * 1000)
    millimetres[(millimetres < 0) | (millimetres > 65535)] = 0
    Image.fromarray(millimetres.astype(np.uint16)).save(path, optimize=True)
