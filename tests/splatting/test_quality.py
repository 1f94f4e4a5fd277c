"""PSNR and SSIM against independent implementations; names of previews."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from splatpose.splatting.quality import preview_names, psnr, ssim


def _ssim_by_scipy(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Wang et al. 2004 with their 11-tap window; the map of each channel, valid part."""
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    taps /= taps.sum()

    def blur(x: np.ndarray) -> np.ndarray:
        return correlate1d(correlate1d(x, taps, axis=0), taps, axis=1)

    maps = []
    for c in range(3):
        x, y = a[..., c], b[..., c]
        mx, my = blur(x), blur(y)
        vx, vy, cov = blur((x - 0.5) ** 2), blur((y - 0.5) ** 2), blur((x - 0.5) * (y - 0.5))
        vx, vy = vx - (mx - 0.5) ** 2, vy - (my - 0.5) ** 2
        cov = cov - (mx - 0.5) * (my - 0.5)
        top = (2 * mx * my + 1e-4) * (2 * cov + 9e-4)
        maps.append(top / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4)))
    return np.stack(maps, -1)[5:-5, 5:-5]


@pytest.fixture(scope="module")
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    a = rng.random((40, 55, 3)).cumsum(axis=0).cumsum(axis=1)
    a = (a / a.max()) % 0.3 * 3
    return a, np.clip(a + rng.normal(0, 0.1, a.shape), 0, 1)


def test_ssim_agrees_with_scipy(pair: tuple[np.ndarray, np.ndarray]):
    a, b = pair
    expected = _ssim_by_scipy(a, b)
    assert 0.1 < expected.mean() < 0.95
    assert ssim(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(
        expected.mean(), abs=1e-9
    )


def test_masked_ssim_counts_windows_inside_the_mask(pair: tuple[np.ndarray, np.ndarray]):
    a, b = pair
    mask = np.ones(a.shape[:2], bool)
    mask[:, 30:] = False
    expected = _ssim_by_scipy(a[:, :30], b[:, :30]).mean()
    poisoned = b.copy()
    poisoned[:, 30:] = 7.0
    value = ssim(torch.from_numpy(a), torch.from_numpy(poisoned), torch.from_numpy(mask))
    assert value == pytest.approx(expected, abs=1e-9)


def test_psnr_is_its_definition(pair: tuple[np.ndarray, np.ndarray]):
    a, b = (torch.from_numpy(x) for x in pair)
    assert psnr(a, b) == pytest.approx(10 * np.log10(1 / ((pair[0] - pair[1]) ** 2).mean()))
    assert psnr(torch.zeros(4, 4, 3), torch.full((4, 4, 3), 0.1)) == pytest.approx(20.0, abs=1e-5)
    assert psnr(a, a) == np.inf
    assert ssim(a, a) == pytest.approx(1.0)
    mask = torch.zeros(a.shape[:2], dtype=torch.bool)
    mask[3:9, 4:30] = True
    assert psnr(a, b, mask) == pytest.approx(psnr(a[3:9, 4:30], b[3:9, 4:30]))


def test_too_small_for_a_window_is_nan():
    assert np.isnan(ssim(torch.zeros(8, 30, 3), torch.zeros(8, 30, 3)))


def test_preview_names_are_flat_portable_and_unique():
    names = ("a/b.jpg", "a_b.jpg", "a/b.png", "Büro 1/Foto.JPG", "../x.png", "A_B.tif")
    files = preview_names(names)
    assert files[0] == "a_b.png"
    assert len({f.lower() for f in files}) == len(names)
    assert all(set(f) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
               and not f.startswith(".") for f in files)  # fmt: skip
