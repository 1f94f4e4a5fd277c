"""LPIPS against its definition written out pixel by pixel, with small random weights."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from splatpose.errors import SplatposeError
from splatpose.evaluation.held_out_run import find_lpips
from splatpose.evaluation.lpips import Lpips, load_lpips
from splatpose.events import ignore_events
from splatpose.weights import LPIPS_WEIGHTS, WEIGHTS

LAYERS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
CHANNELS = (2, 3, 4, 3, 2)
CPU = torch.device("cpu")
SIZE = (18, 21)


def small_weights(seed: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    g = torch.Generator().manual_seed(seed)
    features, heads = {}, {}
    wide = 3
    for block, (layers, channels) in enumerate(zip(LAYERS, CHANNELS, strict=True)):
        for layer in layers:
            features[f"features.{layer}.weight"] = torch.randn(channels, wide, 3, 3, generator=g)
            features[f"features.{layer}.bias"] = torch.randn(channels, generator=g) * 0.1
            wide = channels
        heads[f"lin{block}.model.1.weight"] = torch.rand(1, channels, 1, 1, generator=g)
    # What the published files hold besides.
    features["classifier.0.weight"] = torch.randn(2, 2, generator=g)
    return features, heads


def convolved(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Zero padding, 3 x 3 window, ReLU; [C, H, W], one pixel after the other."""
    _, height, width = x.shape
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    out = np.empty((len(weight), height, width))
    for row in range(height):
        for column in range(width):
            window = padded[:, row : row + 3, column : column + 3]
            out[:, row, column] = np.maximum(0, (weight * window).sum(axis=(1, 2, 3)) + bias)
    return out


def pooled(x: np.ndarray) -> np.ndarray:
    channels, height, width = x.shape
    out = np.empty((channels, height // 2, width // 2))
    for row in range(height // 2):
        for column in range(width // 2):
            out[:, row, column] = x[:, 2 * row : 2 * row + 2, 2 * column : 2 * column + 2].max(
                axis=(1, 2)
            )
    return out


def lpips_by_definition(
    a: np.ndarray,
    b: np.ndarray,
    features: dict[str, torch.Tensor],
    heads: dict[str, torch.Tensor],
) -> float:
    """Sum over the blocks of the mean over pixels of the weighted squared feature differences."""
    pictures = []
    for image in (a, b):
        x = (2 * image.astype(np.float64) - 1 - (-0.030, -0.088, -0.188)) / (0.458, 0.448, 0.450)
        pictures.append(np.moveaxis(x, -1, 0))
    total = 0.0
    for block, layers in enumerate(LAYERS):
        if block:
            pictures = [pooled(x) for x in pictures]
        for layer in layers:
            weight = features[f"features.{layer}.weight"].double().numpy()
            bias = features[f"features.{layer}.bias"].double().numpy()
            pictures = [convolved(x, weight, bias) for x in pictures]
        head = heads[f"lin{block}.model.1.weight"].double().numpy().ravel()
        _, height, width = pictures[0].shape
        distances = []
        for row in range(height):
            for column in range(width):
                u, v = (x[:, row, column] for x in pictures)
                u, v = (f / (np.sqrt((f * f).sum()) + 1e-10) for f in (u, v))
                distances.append((head * (u - v) ** 2).sum())
        total += float(np.mean(distances))
    return total


@pytest.fixture
def pictures() -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(3)
    a = torch.rand(*SIZE, 3, generator=g)
    return a, (a + 0.2 * torch.randn(*SIZE, 3, generator=g)).clamp(0, 1)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_is_the_published_formula(seed: int, pictures: tuple[torch.Tensor, ...]) -> None:
    a, b = pictures
    features, heads = small_weights(seed)
    found = Lpips(features, heads, CPU)(a, b)
    assert found == pytest.approx(
        lpips_by_definition(a.numpy(), b.numpy(), features, heads), rel=1e-4
    )
    assert found > 1e-3


def test_it_is_a_distance(pictures: tuple[torch.Tensor, ...]) -> None:
    a, b = pictures
    lpips = Lpips(*small_weights(0), CPU)
    assert lpips(a, a) == 0
    assert lpips(a, b) == pytest.approx(lpips(b, a), rel=1e-5)
    assert np.isnan(lpips(a[:15], b[:15]))


def test_masked_pixels_do_not_differ(pictures: tuple[torch.Tensor, ...]) -> None:
    a, b = pictures
    lpips = Lpips(*small_weights(0), CPU)
    mask = torch.ones(SIZE, dtype=torch.bool)
    mask[:9] = False
    elsewhere = b.clone()
    elsewhere[:9] = 0.3
    assert lpips(a, b, mask) == lpips(a, elsewhere, mask) != lpips(a, b)


def test_without_weights_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("SPLATPOSE_OFFLINE", "1")
    monkeypatch.delenv("SPLATPOSE_WEIGHTS", raising=False)
    with pytest.raises(SplatposeError) as error:
        load_lpips(None, CPU)
    assert error.value.hint is not None
    assert "splatpose weights fetch lpips" in error.value.hint
    text = find_lpips(None, "auto", ignore_events)
    assert isinstance(text, str)
    assert "not on this machine" in text
    assert "weights fetch lpips" in text
    with pytest.raises(SplatposeError, match="SPLATPOSE_OFFLINE"):
        find_lpips(None, "download", ignore_events)


def test_files_are_loaded_by_their_hashes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: tuple[torch.Tensor, ...]
) -> None:
    tensors = small_weights(0)
    for name, value in zip(LPIPS_WEIGHTS, tensors, strict=True):
        path = tmp_path / WEIGHTS[name].paths[0]
        path.parent.mkdir(exist_ok=True)
        torch.save(value, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(WEIGHTS, name, replace(WEIGHTS[name], sha256=(digest,)))
    found = find_lpips(tmp_path, "auto", ignore_events)
    assert isinstance(found, Lpips)
    assert found(*pictures) == Lpips(*tensors, CPU)(*pictures)
    (tmp_path / WEIGHTS["lpips-vgg"].paths[0]).write_bytes(b"something else")
    assert "damaged" in str(find_lpips(tmp_path, "auto", ignore_events))
