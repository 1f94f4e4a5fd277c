"""Depth maps from a folder: every format, every way to name them, every way to get them wrong."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, ignore_events
from splatpose.io.depthmaps import UnreadableDepthMap, read_depth_map
from splatpose.io.exr import read_exr_channel
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.stages.depth.config import DepthConfig
from splatpose.stages.depth.folder import match_maps
from splatpose.stages.depth.stage import build_depth, depth_fingerprint, load_depth, resolve_depth
from splatpose.stages.depth.storage import thinned

DTYPES = {"<f4": 2, "<f2": 1, "<u4": 0}


def capture_of(
    *names: str, width: int = 40, height: int = 30, root: Path = Path("photos")
) -> Capture:
    photos = tuple(Photo(name, root / name, width, height, 0, "") for name in names)
    return Capture(photos, (CameraGroup("test", width, height, None),))


def write_png(path: Path, values: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(values.astype(np.uint16)).save(path)
    return path


def some_map(rows: int = 30, columns: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(500, 60000, (rows, columns)).astype(np.uint16)


def exr(channels: dict[str, np.ndarray], compression: int, *, version: int = 2) -> bytes:
    """An EXR file written straight from the format's description."""
    names = sorted(channels)
    rows, columns = channels[names[0]].shape
    listed = b"".join(
        name.encode() + b"\0" + struct.pack("<iIii", DTYPES[channels[name].dtype.str], 0, 1, 1)
        for name in names
    )
    box = struct.pack("<4i", 0, 0, columns - 1, rows - 1)
    attributes = [
        ("channels", "chlist", listed + b"\0"),
        ("compression", "compression", bytes([compression])),
        ("dataWindow", "box2i", box),
        ("displayWindow", "box2i", box),
        ("lineOrder", "lineOrder", b"\0"),
    ]
    header = b"\x76\x2f\x31\x01" + struct.pack("<I", version)
    for name, kind, value in attributes:
        header += f"{name}\0{kind}\0".encode() + struct.pack("<i", len(value)) + value
    header += b"\0"
    lines = 16 if compression == 3 else 1
    blocks = []
    for top in range(0, rows, lines):
        raw = b"".join(
            channels[name][y].tobytes()
            for y in range(top, min(top + lines, rows))
            for name in names
        )
        if compression:
            halves = np.frombuffer(raw[0::2] + raw[1::2], np.uint8)
            packed = zlib.compress(
                np.diff(halves, prepend=np.uint8(128)).__add__(np.uint8(128)).tobytes()
            )
            raw = packed if len(packed) < len(raw) else raw
        blocks.append(struct.pack("<ii", top, len(raw)) + raw)
    at = len(header) + 8 * len(blocks)
    table = b""
    for block in blocks:
        table += struct.pack("<Q", at)
        at += len(block)
    return header + table + b"".join(blocks)


def test_png_is_read_to_the_bit_and_marks_what_is_missing(tmp_path: Path) -> None:
    values = some_map()
    values[0, :2] = 0, 65535
    found = read_depth_map(write_png(tmp_path / "a.png", values))
    assert found.dtype == np.float32
    assert np.isnan(found[0, :2]).all()
    np.testing.assert_array_equal(found[1:], values[1:])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint16, np.int32])
@pytest.mark.parametrize("shape", [(30, 40), (1, 30, 40), (30, 40, 1)])
def test_numpy_arrays_of_all_kinds(tmp_path: Path, dtype, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).uniform(-30, 30, shape).astype(dtype)
    np.save(tmp_path / "a.npy", values)
    flat = values.reshape(30, 40).astype(np.float32)
    np.testing.assert_array_equal(
        read_depth_map(tmp_path / "a.npy"), np.where(flat == 0, np.nan, flat)
    )


@pytest.mark.parametrize("compression", [0, 2, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_exr_is_read_to_the_bit(tmp_path: Path, compression: int, dtype: str) -> None:
    """Smooth values compress, noise is stored as it is; 37 lines end in a part of a block."""
    rng = np.random.default_rng(0)
    smooth = (np.linspace(1, 9, 37)[:, None] * np.linspace(1, 2, 50)).astype(dtype)
    noise = rng.integers(1, 60000, (37, 50)).astype(dtype)
    for values in (smooth, noise):
        for channels in ({"Y": values}, {"B": noise, "Depth.Z": values, "R": smooth}):
            (tmp_path / "a.exr").write_bytes(exr(channels, compression))
            found = read_exr_channel(tmp_path / "a.exr")
            np.testing.assert_array_equal(found, values.astype(np.float32))


@pytest.mark.parametrize("compression", ["NO", "ZIPS", "ZIP"])
def test_exr_agrees_with_openexr(tmp_path: Path, compression: str) -> None:
    library = pytest.importorskip("OpenEXR")
    values = np.random.default_rng(0).uniform(0.5, 9, (37, 50)).astype(np.float32)
    header = {"compression": getattr(library, f"{compression}_COMPRESSION")}
    with library.File(header, {"Z": values}) as file:
        file.write(str(tmp_path / "a.exr"))
    np.testing.assert_array_equal(read_depth_map(tmp_path / "a.exr"), values)


def broken_files(folder: Path) -> dict[str, str]:
    """Files that are no depth maps, and what must be said of each."""
    values = np.ones((5, 6), np.float32)
    Image.new("L", (6, 5), 3).save(folder / "grey.png")
    Image.new("RGB", (6, 5), 3).save(folder / "colour.png")
    whole = write_png(folder / "cut.png", some_map(200, 200)).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("hello")
    (folder / "empty.npy").touch()
    np.save(folder / "colours.npy", np.ones((5, 6, 3)))
    np.save(folder / "words.npy", np.array([["a", "b"]]))
    np.save(folder / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    np.savez(folder / "archive", values)
    (folder / "archive.npz").rename(folder / "archive.npy")
    np.save(folder / "nothing.npy", np.full((5, 6), np.nan))
    (folder / "text.exr").write_text("hello")
    (folder / "piz.exr").write_bytes(exr({"Z": values}, 4))
    (folder / "tiled.exr").write_bytes(exr({"Z": values}, 0, version=2 | 0x200))
    (folder / "cut.exr").write_bytes(exr({"Z": values}, 0)[:-10])
    (folder / "start.exr").write_bytes(exr({"Z": values}, 0)[:30])
    (folder / "picture.exr").write_bytes(exr({"A": values, "B": values}, 0))
    return {
        "grey.png": "8-bit grey",
        "colour.png": "8-bit colours",
        "cut.png": "damaged",
        "text.png": "damaged",
        "empty.npy": "not a NumPy array",
        "colours.npy": "shape is",
        "words.npy": "real numbers",
        "objects.npy": "not a NumPy array",
        "archive.npy": "not a NumPy array",
        "nothing.npy": "no valid values",
        "text.exr": "not an EXR",
        "piz.exr": "PIZ",
        "tiled.exr": "tiled",
        "cut.exr": "damaged",
        "start.exr": "damaged",
        "picture.exr": "A, B",
        "absent.npy": "No such file",
        "odd.jpg": "not read",
    }


def test_what_is_no_depth_map_is_refused_with_its_reason(tmp_path: Path) -> None:
    for name, words in broken_files(tmp_path).items():
        with pytest.raises(UnreadableDepthMap) as error:
            read_depth_map(tmp_path / name)
        assert words in error.value.reason, name
        assert name in error.value.message
        assert "16-bit PNG" in error.value.hint


def test_maps_are_found_by_path_then_by_name(tmp_path: Path) -> None:
    for name in ("a/1.png", "b/1.exr", "2.png", "2.npy", "x/3_depth.png", "4.jpg.npy", "y/5.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / "5.png").touch()
    names = ["a/1.jpg", "b/1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg", "c/1.jpg"]
    found = [path and path.relative_to(tmp_path).as_posix() for path in match_maps(names, tmp_path)]
    # 5 is in two folders and c/1 in none: no guessing.
    assert found == ["a/1.png", "b/1.exr", "2.npy", "x/3_depth.png", "4.jpg.npy", None, None]


def test_unmatched_empty_and_missing_folders(tmp_path: Path) -> None:
    write_png(tmp_path / "maps" / "other.png", some_map())
    with pytest.raises(SplatposeError, match=r"None of the 1 depth maps.*other\.png.*is 1\.jpg"):
        match_maps(["1.jpg"], tmp_path / "maps")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SplatposeError, match="no depth maps"):
        match_maps(["1.jpg"], tmp_path / "empty")
    with pytest.raises(SplatposeError, match="does not exist") as error:
        depth_fingerprint(DepthConfig(source=str(tmp_path / "atuo")))
    assert "auto" in error.value.hint


def build(
    capture: Capture, source: Path, folder: Path, events: list[Event] | None = None, **config
) -> str:
    folder.mkdir()
    sink = ignore_events if events is None else events.append
    wanted = resolve_depth(DepthConfig(source=str(source), **config), None, sink)
    return build_depth(capture, wanted, folder, sink, weights_dir=None)


@pytest.mark.parametrize(("orientation", "turn"), [(6, -1), (8, 1), (3, 0)])
def test_maps_of_pixels_as_stored_are_turned_with_their_photo(
    tmp_path: Path, orientation: int, turn: int
) -> None:
    """Their shape tells; a map of the upright photo stays as it is."""
    capture = capture_of("1.jpg", "2.jpg", width=30 if turn else 40, height=40 if turn else 30)
    photos = tuple(replace(photo, orientation=orientation) for photo in capture.photos)
    stored, upright = some_map(), some_map(40, 30) if turn else some_map(seed=1)
    write_png(tmp_path / "maps" / "1.png", stored)
    write_png(tmp_path / "maps" / "2.png", upright)
    build(replace(capture, photos=photos), tmp_path / "maps", tmp_path / "stage")
    priors = load_depth(tmp_path / "stage")
    np.testing.assert_array_equal(priors.values(0), np.rot90(stored, turn))
    np.testing.assert_array_equal(priors.values(1), upright)


def test_the_stage_keeps_maps_and_says_what_is_missing(tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    values = some_map()
    write_png(maps / "1.png", values)
    write_png(maps / "3.png", some_map(30, 60))
    Image.new("L", (40, 30)).save(maps / "4.png")
    events: list[Event] = []
    capture = capture_of("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    assert "1 of 4 photos" in build(capture, maps, tmp_path / "stage", events)
    (tmp_path / "stage").rename(tmp_path / "done")
    priors = load_depth(tmp_path / "done")
    assert priors.names == ("1.jpg", "2.jpg", "3.jpg", "4.jpg")
    assert priors.source == str(maps)
    assert len(priors) == 1
    found = priors.values(0)
    assert found is not None
    np.testing.assert_array_equal(found, values)
    assert all(priors.values(i) is None for i in (1, 2, 3))
    assert "60x30, its photo 40x30" in priors.reasons[2]
    assert "8-bit" in priors.reasons[3]
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    assert len(warnings) == 3
    assert "2.jpg" in warnings[0]


def test_a_map_of_the_unturned_photo_is_told_apart(tmp_path: Path) -> None:
    write_png(tmp_path / "maps" / "1.png", some_map(40, 30))
    with pytest.raises(SplatposeError, match="turn the map"):
        build(capture_of("1.jpg"), tmp_path / "maps", tmp_path / "stage")


def test_where_no_map_can_be_used_the_first_error_is_raised(tmp_path: Path) -> None:
    (tmp_path / "maps").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "maps" / "1.png")
    with pytest.raises(UnreadableDepthMap, match=r"1\.png"):
        build(capture_of("1.jpg", "2.jpg"), tmp_path / "maps", tmp_path / "stage")


def test_maps_beside_their_photos_and_maps_among_the_photos(tmp_path: Path) -> None:
    """a.png with a.npy is fine; a folder of PNG maps within that of the photos is not."""
    for name in ("a", "b"):
        Image.new("RGB", (40, 30)).save(tmp_path / f"{name}.png")
    np.save(tmp_path / "a.npy", some_map())
    beside = capture_of("a.png", "b.png", root=tmp_path)
    assert "1 of 2" in build(beside, tmp_path, tmp_path / "stage")
    assert load_depth(tmp_path / "stage").reasons[1] == "there is no depth map of its name"
    write_png(tmp_path / "depth" / "a.png", some_map())
    among = capture_of("a.png", "b.png", "depth/a.png", root=tmp_path)
    with pytest.raises(SplatposeError, match="was taken for a photo") as error:
        build(among, tmp_path / "depth", tmp_path / "again")
    assert "out of the folder" in error.value.hint


def test_network_sizes_fit_their_photos(tmp_path: Path) -> None:
    """Sides rounded to multiples of 14 or 32 are the photo's all the same."""
    write_png(tmp_path / "maps" / "1.png", some_map(518, 686))
    write_png(tmp_path / "maps" / "2.png", some_map(192, 256))
    capture = capture_of("1.jpg", "2.jpg", width=4032, height=3024)
    assert "2 of 2" in build(capture, tmp_path / "maps", tmp_path / "stage")


def test_large_maps_are_thinned_not_averaged(tmp_path: Path) -> None:
    values = np.where(np.arange(3000) < 1501, 1000, 9000) * np.ones((2250, 1))
    thin = thinned(values, 768)
    assert thin.shape == (576, 768)
    assert set(np.unique(thin)) == {1000, 9000}
    assert abs((thin[0] == 1000).sum() / 768 - 1501 / 3000) < 1 / 768
    assert thinned(values, 3000) is values


def test_headers_that_claim_what_is_not_there_cost_one_map(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 9000000), }"
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    (tmp_path / "huge.npy").write_bytes(start)
    (tmp_path / "zip.npy").write_bytes(b"PK\x03\x04" + bytes(50))
    (tmp_path / "odd.npy").write_bytes(start.replace(b"'<f8'", b"'<q9'"))
    (tmp_path / "brace.npy").write_bytes(start.replace(b"{'descr'", b"{{'desc"))
    (tmp_path / "syntax.npy").write_bytes(start.replace(b": (1000000", b": )1000000"))
    (tmp_path / "version.npy").write_bytes(start.replace(b"\x01\x00", b"\x09\x00"))
    for path in tmp_path.iterdir():
        with pytest.raises(UnreadableDepthMap):
            read_depth_map(path)


def test_a_map_that_cannot_be_opened_costs_no_more_than_that_map(tmp_path: Path) -> None:
    write_png(tmp_path / "1.png", some_map())
    before = depth_fingerprint(DepthConfig(source=str(tmp_path)))
    os.mkfifo(tmp_path / "2.png")
    (tmp_path / "3.png").symlink_to(tmp_path / "3.png")
    assert depth_fingerprint(DepthConfig(source=str(tmp_path))) == before


def test_the_fingerprint_knows_names_and_bytes(tmp_path: Path) -> None:
    path = write_png(tmp_path / "1.png", some_map())
    config = DepthConfig(source=str(tmp_path))
    first = depth_fingerprint(config)
    os.utime(path, (0, 0))
    (tmp_path / "notes.txt").touch()
    assert depth_fingerprint(config) == first
    path.rename(tmp_path / "2.png")
    second = depth_fingerprint(config)
    write_png(tmp_path / "2.png", some_map(seed=1))
    assert len({first, second, depth_fingerprint(config)}) == 3


def test_none_is_the_default_and_needs_nothing() -> None:
    assert resolve_depth(DepthConfig(), None, ignore_events) == DepthConfig(source="none")


@pytest.mark.parametrize("wrong", [{"source": ""}, {"max_size": 0}, {"input_size": -1}])
def test_nonsense_is_refused(wrong: dict) -> None:
    with pytest.raises(SplatposeError, match=r"depth[:.]"):
        resolve_depth(DepthConfig(**wrong), None, ignore_events)


def test_importing_the_stage_stays_light() -> None:
    code = (
        "import sys, splatpose.depth; "
        "print([m for m in ('numpy', 'torch', 'PIL', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
