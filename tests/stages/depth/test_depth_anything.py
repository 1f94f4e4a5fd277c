"""Depth Anything V2 Small: the real network code with random weights, since its own are large."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatpose.errors import SplatposeError
from splatpose.events import Message, ignore_events
from splatpose.scene.capture import CameraGroup, Capture, Photo
from splatpose.stages.depth.config import DepthConfig
from splatpose.stages.depth.depth_anything import (
    input_side,
    load_network,
    network_config,
    predict,
    prepare,
)
from splatpose.stages.depth.stage import build_depth, depth_fingerprint, load_depth, resolve_depth
from splatpose.weights import WEIGHTS

NAME = "depth-anything"


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with an empty cache that may not use the network."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SPLATPOSE_OFFLINE", "1")
    monkeypatch.delenv("SPLATPOSE_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published file's place and format, with random values in it."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    network = transformers.DepthAnythingForDepthEstimation(network_config())
    torch.nn.init.constant_(network.head.conv3.bias, 1.0)  # before the last ReLU
    folder = tmp_path_factory.mktemp("weights") / "depth-anything-v2-small"
    network.save_pretrained(folder)
    (folder / "config.json").unlink()
    safetensors = pytest.importorskip("safetensors")
    with safetensors.safe_open(folder / "model.safetensors", "pt") as file:
        # The published file's names; newer versions of transformers call them otherwise inside.
        assert "backbone.encoder.layer.0.attention.attention.query.weight" in file.keys()  # noqa: SIM118
    return folder / "model.safetensors"


@pytest.fixture
def known(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A weights folder whose file counts as the published one."""
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    monkeypatch.setitem(WEIGHTS, NAME, replace(WEIGHTS[NAME], sha256=(found,)))
    return weights.parent.parent


@pytest.fixture
def photo() -> np.ndarray:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (9, 12, 3), np.uint8)
    return np.array(Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC))


def test_input_is_whole_patches_of_the_same_shape() -> None:
    assert input_side(4032, 3024, 518) == (686, 518)
    assert input_side(3024, 4032, 518) == (518, 686)
    assert input_side(640, 360, 518) == (924, 518)
    assert input_side(100, 100, 20) == (14, 14)


def test_the_published_network_has_24_8_million_parameters(weights: Path) -> None:
    """The size of the published file is that of these parameters as float32, and its header."""
    network = load_network(weights)
    count = sum(parameter.numel() for parameter in network.parameters())
    assert 0 <= (WEIGHTS[NAME].size or 0) - 4 * count < 200_000


def test_preparation_is_that_of_transformers(photo: np.ndarray) -> None:
    pytest.importorskip("transformers")
    processors = pytest.importorskip("transformers.models.dpt.image_processing_pil_dpt")
    processor = processors.DPTImageProcessorPil(
        size={"height": 252, "width": 252},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
        resample=3,
    )
    large = np.array(Image.fromarray(photo).resize((640, 480), Image.Resampling.BICUBIC))
    expected = np.asarray(processor(images=large, return_tensors="np")["pixel_values"])
    found = prepare(large, 252).numpy()
    assert found.shape == expected.shape == (1, 3, 252, 336)
    # Pillow rounds to 8 bits in between.
    assert np.abs(found - expected).max() < 0.03
    assert np.abs(found - expected).mean() < 0.006


def test_prediction_is_the_networks_disparity(weights: Path, photo: np.ndarray) -> None:
    network = load_network(weights)
    found = predict(network, photo, 140)
    assert found.shape == (140, 182)
    with torch.no_grad():
        expected = network(pixel_values=prepare(photo, 140).to(network.device)).predicted_depth
    expected = expected[0].cpu().numpy()
    np.testing.assert_array_equal(np.isfinite(found), expected > 0)
    np.testing.assert_array_equal(np.nan_to_num(found), expected)
    assert np.nanstd(found) > 0


def test_loading_prints_nothing(weights: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_network(weights)
    assert capfd.readouterr() == ("", "")


def test_the_stage_predicts_every_photo_and_goes_on_after_a_stop(
    known: Path, photo: np.ndarray, tmp_path: Path
) -> None:
    Image.fromarray(photo).save(tmp_path / "a.png")
    Image.fromarray(photo[::-1].copy()).save(tmp_path / "b.png")
    photos = tuple(Photo(n, tmp_path / n, 320, 240, 0, "") for n in ("a.png", "b.png"))
    capture = Capture(photos, (CameraGroup("test", 320, 240, None),))
    events: list = []
    config = resolve_depth(DepthConfig("auto", input_size=140), known, events.append)
    assert config.source == NAME
    assert config.kind == "disparity"
    assert [event.level for event in events] == ["info"]
    assert depth_fingerprint(config) == WEIGHTS[NAME].sha256[0]
    folder = tmp_path / "stage"
    folder.mkdir()
    assert "2 of 2" in build_depth(capture, config, folder, ignore_events, weights_dir=known)
    priors = load_depth(folder)
    maps = [priors.values(i) for i in range(2)]
    assert maps[0] is not None
    assert maps[1] is not None
    assert maps[0].shape == (140, 182)
    assert not np.array_equal(maps[0], maps[1])
    kept = folder / "maps" / "00000.npy"
    np.save(kept, maps[0] + 1)
    (folder / "maps" / "00001.npy").unlink()
    build_depth(capture, config, folder, ignore_events, weights_dir=known)
    again = load_depth(folder)
    np.testing.assert_array_equal(again.values(0), maps[0] + 1)
    np.testing.assert_array_equal(again.values(1), maps[1])


def test_weights_of_something_else_are_refused(weights: Path, tmp_path: Path) -> None:
    safetensors = pytest.importorskip("safetensors.torch")
    values = safetensors.load_file(weights)
    del values["head.conv1.weight"]
    safetensors.save_file(values, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SplatposeError, match=r"head\.conv1\.weight"):
        load_network(tmp_path / "model.safetensors")


def test_auto_without_the_network_says_so_and_goes_on() -> None:
    events: list = []
    assert resolve_depth(DepthConfig("auto"), None, events.append).source == "none"
    (message,) = events
    assert isinstance(message, Message)
    assert message.level == "warning"
    assert "transformers" in message.text or "not on this machine" in message.text


def test_the_network_asked_for_by_name_never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    for there, words in ((None, "splatpose[depth]"), (find("json"), WEIGHTS[NAME].urls[0])):
        monkeypatch.setattr(
            importlib.util,
            "find_spec",
            lambda name, there=there: there if name == "transformers" else find(name),
        )
        with pytest.raises(SplatposeError) as error:
            resolve_depth(DepthConfig(NAME), None, ignore_events)
        assert "--depth" in error.value.hint
        assert "sift" not in error.value.hint
        assert words in error.value.hint
