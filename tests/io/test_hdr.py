"""HDR video: what an ordinary camera shows comes back from its HDR encoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from scenes.hdr import encoded, hdr_scene

from splatpose.io.hdr import HLG, PQ, displayed
from splatpose.io.video import VideoSampling


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_ordinary_colours_come_back(transfer: int) -> None:
    back = displayed(encoded(hdr_scene(), transfer), transfer, 9)
    assert np.abs(back.astype(int) - hdr_scene()).max() <= 2


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
    wide = encoded(hdr_scene(), transfer)
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
    assert np.abs(frames[0].pixels.astype(int) - hdr_scene()).mean() < 3
    assert f"HDR ({name})" in sampling.use([frames[0].index]).notes[0]
