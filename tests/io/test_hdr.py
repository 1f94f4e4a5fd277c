"""HDR video: what an ordinary camera shows comes back from its HDR encoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from splatpose.io.hdr import HLG, PQ, displayed
from splatpose.io.video import VideoSampling

# BT.2087: BT.709's primaries in BT.2020's.
WIDE_FROM_709 = np.array(
    [[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]
)


def scene() -> np.ndarray:
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


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_ordinary_colours_come_back(transfer: int) -> None:
    back = displayed(encoded(scene(), transfer), transfer, 9)
    assert np.abs(back.astype(int) - scene()).max() <= 2


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_brighter_light_stays_apart(transfer: int) -> None:
    ramp = np.linspace(0, 65535, 400).round().astype(np.uint16)[None, :, None].repeat(3, 2)
    shown = displayed(ramp, transfer, 9)[0, :, 0].astype(int)
    assert (np.diff(shown) >= 0).all()
    assert (shown[0], shown[-1]) == (0, 255)
    white = np.full((1, 1, 3), 255, np.uint8)
    assert 240 <= displayed(encoded(white, transfer), transfer, 9).min() < 255


@pytest.mark.parametrize(("transfer", "name"), [(PQ, "PQ"), (HLG, "HLG")])
def test_an_hdr_video_has_ordinary_colours(tmp_path: Path, transfer: int, name: str) -> None:
    path = tmp_path / "a.mkv"
    wide = encoded(scene(), transfer)
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("ffv1", rate=5)
        stream.height, stream.width = wide.shape[:2]
        stream.pix_fmt, stream.time_base = "yuv444p10le", Fraction(1, 5)
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        for number in range(3):
            frame = av.VideoFrame.from_ndarray(wide, format="rgb48le")
            frame = frame.reformat(format="yuv444p10le", dst_colorspace=9)
            frame.pts, frame.time_base = number, Fraction(1, 5)
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    sampling = VideoSampling(path, rate=1.0, max_frames=5)
    frames = list(sampling.frames())
    assert np.abs(frames[0].pixels.astype(int) - scene()).mean() < 3
    assert f"HDR ({name})" in sampling.use([frames[0].index]).notes[0]
