"""Videos whose containers claim what is not so, and whose frames are not all pictures."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from splatpose.errors import SplatposeError
from splatpose.io.video import Frame, VideoSampling, sample_frames
from splatpose.io.video_times import frame_times, stretches

WIDTH, HEIGHT = 64, 48


def place(number: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    """What is seen from a place: red tells its number, the rest is its own pattern."""
    noise = np.random.default_rng(number).integers(0, 256, (height, width), np.uint8)
    pattern = cv2.GaussianBlur(noise, (0, 0), 1.5)
    return np.dstack([np.full_like(pattern, 12 * number), pattern, pattern])


def seen(frame: Frame) -> int:
    return round(float(np.median(frame.pixels[..., 0])) / 12)


def write(
    path: Path,
    pictures: Sequence[np.ndarray],
    stamps: Sequence[float],
    *,
    codec: str = "mpeg4",
    rate: int = 30,
    base: Fraction = Fraction(1, 1000),
    rotation: int = 0,
    aspect: Fraction | None = None,
    interlaced: bool = False,
    pix_fmt: str = "yuv420p",
    title: str = "",
) -> None:
    """A video of pictures that are shown at `stamps` seconds."""
    with av.open(str(path), "w") as file:
        file.metadata["title"] = title
        stream: Any = file.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.time_base = stream.codec_context.time_base = base
        stream.options = {} if codec == "ffv1" else {"qmin": "1", "b": "8M"}
        if interlaced:
            stream.options |= {"flags": "+ildct+ilme", "top": "1"}
        if rotation:
            stream.set_display_rotation(rotation)
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        for picture, stamp in zip(pictures, stamps, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = round(stamp / base), base
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def taken(path: Path, rate: float = 2.0, most: int = 100) -> tuple[list[Frame], VideoSampling]:
    sampling = VideoSampling(path, rate=rate, max_frames=most)
    return list(sampling.frames()), sampling


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_a_video_below_one_frame_a_second_gives_all_its_frames(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    write(path, [place(i) for i in range(12)], [5.0 * i for i in range(12)])
    frames, sampling = taken(path)
    assert [seen(frame) for frame in frames] == list(range(12))
    assert [frame.seconds for frame in frames] == pytest.approx([5.0 * i for i in range(12)])
    assert not sampling.use([frame.index for frame in frames]).unused


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("most", [12, 100])
def test_a_pause_loses_no_place(tmp_path: Path, suffix: str, most: int) -> None:
    """Half a second at each of 12 places, and ten minutes of nothing after the sixth."""
    path = tmp_path / f"a.{suffix}"
    shown = [place(i // 5) for i in range(60)]
    stamps = [i / 10 + 600 * (i >= 30) for i in range(60)]
    write(path, shown, stamps, rate=10)
    frames, sampling = taken(path, most=most)
    assert [seen(frame) for frame in frames] == list(range(12))
    use = sampling.use([frame.index for frame in frames])
    assert use.seconds == pytest.approx(606, abs=0.2)
    assert [(round(s.start), round(s.end)) for s in use.unused] == [(3, 603)]
    assert "pause" in use.unused[0].reason


def test_a_claim_of_1000_frames_a_second_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write(path, [place(i // 5) for i in range(70)], [i / 10 for i in range(70)], rate=1000)
    frames, sampling = taken(path)
    assert [seen(frame) for frame in frames] == list(range(14))
    assert not sampling.use([frame.index for frame in frames]).notes


def test_stamps_that_cannot_be_right_are_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "a.avi"
    # An AVI has no stamps of its own: they follow from the rate that it claims.
    base = Fraction(1, 1000)
    write(path, [place(i // 15) for i in range(180)], [i / 1000 for i in range(180)], base=base)
    frames, sampling = taken(path)
    assert [seen(frame) for frame in frames] == list(range(12))
    assert "time stamps cannot be right" in sampling.use([frame.index for frame in frames]).notes[0]


def test_frames_that_are_no_pictures_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    black = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    shown = [place(i // 5) for i in range(60)]
    shown[10:20] = [black] * 10
    shown[30:35] = [black, place(6), place(6), black, black]
    write(path, shown, [i / 10 for i in range(60)], codec="ffv1", pix_fmt="yuv444p", rate=10)
    frames, sampling = taken(path)
    assert [seen(frame) for frame in frames] == [0, 1, 4, 5, 6, 7, 8, 9, 10, 11]
    unused = sampling.use([frame.index for frame in frames]).unused
    assert [(s.start, s.end) for s in unused] == [pytest.approx((1.0, 2.0), abs=1e-3)]
    assert unused[0].reason == "its frames show a single colour"


def test_a_frozen_picture_is_taken_once(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    shown = [place(0)] * 5 + [place(1)] * 20 + [place(2)] * 5
    write(path, shown, [i / 10 for i in range(30)], codec="ffv1", pix_fmt="yuv444p", rate=10)
    frames, sampling = taken(path)
    assert [seen(frame) for frame in frames] == [0, 1, 2]
    assert (
        sampling.use([frame.index for frame in frames]).unused[0].reason
        == "its frames repeat the one before"
    )


@pytest.mark.parametrize("rotation", [0, 90, 180, -90])
def test_a_turned_video_is_upright_as_others_show_it(tmp_path: Path, rotation: int) -> None:
    path = tmp_path / "a.mp4"
    picture = cv2.resize(place(3), (96, 72))
    picture[:20, :30] = (250, 20, 20)
    write(path, [picture] * 3, [0, 0.1, 0.2], rotation=rotation)
    frames, _ = taken(path, rate=0.1)
    other = cv2.VideoCapture(str(path))
    wanted = cv2.cvtColor(other.read()[1], cv2.COLOR_BGR2RGB)
    assert frames[0].pixels.shape == wanted.shape
    assert np.abs(frames[0].pixels.astype(int) - wanted).mean() < 6


def test_pixels_are_made_square(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write(path, [place(i) for i in range(3)], [0, 1, 2], aspect=Fraction(4, 3))
    frames, _ = taken(path)
    assert {frame.pixels.shape for frame in frames} == {(HEIGHT, round(WIDTH * 4 / 3), 3)}


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "mpeg2video"), ("mp4", "mpeg4")])
def test_interlaced_video_has_no_combs(tmp_path: Path, suffix: str, codec: str) -> None:
    """A bar moves 8 pixels from field to field; in a frame of both its edge is a comb."""
    path = tmp_path / f"a.{suffix}"

    def bar(moment: int) -> np.ndarray:
        picture = np.full((96, 160, 3), 40, np.uint8)
        picture[:, 8 + 8 * moment : 48 + 8 * moment] = 200
        return picture

    shown = []
    for i in range(6):
        frame = bar(2 * i)
        frame[1::2] = bar(2 * i + 1)[1::2]
        shown.append(frame)
    write(
        path,
        shown,
        [i / 25 for i in range(6)],
        codec=codec,
        rate=25,
        interlaced=True,
        base=Fraction(1, 25),
    )
    with av.open(str(path)) as file:
        if not all(frame.interlaced_frame for frame in file.decode(video=0)):
            pytest.skip(f"this encoder of {codec} writes no interlaced frames")
    frames, _ = taken(path, rate=25)
    assert len(frames) == 6
    for frame in frames[1:-1]:
        rows = frame.pixels[8:-8, :, 1].astype(int)
        assert np.abs(np.diff(rows, axis=0)).mean() < 4
        assert np.abs(np.diff(rows, axis=1)).max() > 80


def test_a_cut_off_video_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        stream: Any = file.add_stream("mpeg4", rate=5)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for i in range(50):
            frame = av.VideoFrame.from_ndarray(place(i % 20), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
    frames, sampling = taken(path)
    assert 4 <= len(frames) <= 14
    last = sampling.use([frame.index for frame in frames]).unused[-1]
    assert last.end == pytest.approx(10, abs=0.3)
    assert 1 < last.start < 8


def test_a_title_that_is_no_utf_8_is_of_no_concern(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    write(path, [place(i) for i in range(3)], [0, 1, 2], title="Caf~ am See")
    content = path.read_bytes()
    assert b"Caf~" in content
    path.write_bytes(content.replace(b"Caf~", b"Caf\xe9"))
    assert len(taken(path)[0]) == 3


def test_sound_alone_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as file:
        stream: Any = file.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
    with pytest.raises(SplatposeError, match="only sound"):
        list(sample_frames(path, rate=1.0, max_frames=1))


def test_joined_recordings_follow_each_other() -> None:
    """Stamps of both presentation and decoding begin anew; B-frames are shown out of order."""
    first = [(i + 1, i) for i in range(10)]
    first[3], first[4] = (first[4][0], 3), (first[3][0], 4)
    packets = [(Fraction(s, 10), Fraction(d, 10)) for s, d in first + first]
    times = frame_times(packets, 2.0)
    assert times.seconds == pytest.approx(np.arange(20) / 10)
    assert times.believed
    assert stretches(times, 4).tolist() == [i // 5 for i in range(20)]


@pytest.mark.parametrize(
    "packets",
    [
        [(None, None)] * 5,
        [(Fraction(0), Fraction(0))] * 5,
        [(Fraction(i), None) if i else (None, None) for i in range(5)],
        [(Fraction(i, 90000), Fraction(i, 90000)) for i in range(5)],
    ],
)
def test_without_stamps_frames_count(packets: list) -> None:
    times = frame_times(packets, 2.0)
    assert not times.believed
    assert times.seconds == pytest.approx(np.arange(5) / 30)
