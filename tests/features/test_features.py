"""Local features and their matches, against exact homographies and true camera poses."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from kornia.feature import LightGlue
from scenes.matching import texture, transform, warp

from splatpose.errors import SplatposeError
from splatpose.features.aliked import AlikedMatcher
from splatpose.features.lightglue import load_lightglue, match_lightglue, read_state_dict
from splatpose.features.matcher import Features
from splatpose.features.sift import SiftMatcher
from splatpose.features.xfeat import XFeatMatcher
from splatpose.io.photos import read_photo

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def xfeat(shared: Path) -> XFeatMatcher:
    folder = shared / "weights" / "xfeat"
    return XFeatMatcher(
        folder / "xfeat.pt", folder / "lighterglue_l3.pt", max_keypoints=1024, working_size=640
    )


def epipolar_distances(
    shared: Path, first: int, second: int, xy1: np.ndarray, xy2: np.ndarray
) -> np.ndarray:
    """Distances in pixels of points in the second fountain photo to their true epipolar lines."""
    frames = json.loads((shared / "data/fountain_p11/poses.json").read_text())["frames"]
    poses, inverse_K = [], []
    for frame in (frames[first], frames[second]):
        # The file has the top-left pixel's centre at (0, 0).
        K = np.array(
            [
                [frame["fx"], 0, frame["cx"] + 0.5],
                [0, frame["fy"], frame["cy"] + 0.5],
                [0, 0, 1],
            ]
        )
        poses.append(np.array(frame["c2w"]))
        inverse_K.append(np.linalg.inv(K))
    relative = np.linalg.inv(poses[1]) @ poses[0]
    R, t = relative[:3, :3], relative[:3, 3]
    cross = np.array([[0, -t[2], t[1]], [t[2], 0, -t[0]], [-t[1], t[0], 0]])
    F = inverse_K[1].T @ cross @ R @ inverse_K[0]
    lines = np.c_[xy1, np.ones(len(xy1))] @ F.T
    return np.abs((np.c_[xy2, np.ones(len(xy2))] * lines).sum(1)) / np.hypot(*lines[:, :2].T)


def test_sift_follows_a_homography() -> None:
    matcher = SiftMatcher(max_keypoints=1000, working_size=1600)
    photo = texture(360, 280)
    H = np.array([[0.9, -0.25, 60], [0.2, 0.95, -20], [1e-4, -5e-5, 1]])
    first, second = matcher.extract(photo), matcher.extract(warp(photo, H, 360, 280))
    matches = matcher.match(first, second)
    assert len(matches) >= 150
    assert len(np.unique(matches[:, 0])) == len(np.unique(matches[:, 1])) == len(matches)
    expected = transform(H, first.keypoints[matches[:, 0]])
    off = np.linalg.norm(expected - second.keypoints[matches[:, 1]], axis=1)
    assert (off < 1.5).mean() > 0.97
    assert np.median(off) < 0.3


def bias_between_scales(large: Features, small: Features, matches: np.ndarray) -> np.ndarray:
    off = large.keypoints[matches[:, 0]] - 2 * small.keypoints[matches[:, 1]]
    return np.median(off[np.linalg.norm(off, axis=1) < 3], axis=0)


def test_sift_keypoints_scale_with_the_photo() -> None:
    """With pixel centres at half numbers a photo of half the size has half the coordinates."""
    photo = texture(640, 480, seed=1)
    matcher = SiftMatcher(max_keypoints=1500, working_size=1600)
    half = cv2.resize(photo, (320, 240), interpolation=cv2.INTER_AREA)
    large, small = matcher.extract(photo), matcher.extract(half)
    matches = matcher.match(large, small)
    assert len(matches) > 60
    assert np.abs(bias_between_scales(large, small, matches)).max() < 0.1


def test_sift_reduces_large_photos_and_reports_their_own_pixels() -> None:
    photo = texture(640, 480, seed=2)
    full = SiftMatcher(max_keypoints=1500, working_size=640).extract(photo)
    reduced = SiftMatcher(max_keypoints=1500, working_size=320).extract(photo)
    assert (reduced.width, reduced.height) == (640, 480)
    assert reduced.keypoints.max(0) == pytest.approx([640, 480], abs=40)
    matches = SiftMatcher(max_keypoints=1, working_size=1).match(full, reduced)
    off = full.keypoints[matches[:, 0]] - reduced.keypoints[matches[:, 1]]
    assert np.abs(np.median(off, axis=0)).max() < 0.1


def test_sift_keeps_no_more_than_asked_and_none_of_a_blank_photo() -> None:
    matcher = SiftMatcher(max_keypoints=50, working_size=1600)
    found = matcher.extract(texture(320, 240))
    assert len(found) == 50
    blank = matcher.extract(np.full((100, 120, 3), 128, np.uint8))
    assert len(blank) == 0
    assert matcher.match(found, blank).shape == (0, 2)
    assert matcher.match(blank, blank).shape == (0, 2)


def test_features_survive_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    features = Features(
        rng.normal(size=(7, 2)).astype(np.float32), rng.normal(size=(7, 4)).astype(np.float32), 9, 8
    )
    features.save(tmp_path / "f.npz")
    loaded = Features.load(tmp_path / "f.npz")
    assert loaded is not None
    np.testing.assert_array_equal(loaded.keypoints, features.keypoints)
    np.testing.assert_array_equal(loaded.descriptors, features.descriptors)
    assert (loaded.width, loaded.height) == (9, 8)
    assert Features.load(tmp_path / "absent.npz") is None
    damaged = (tmp_path / "f.npz").read_bytes()[:-30]
    (tmp_path / "f.npz").write_bytes(damaged)
    assert Features.load(tmp_path / "f.npz") is None


def test_xfeat_agrees_with_true_poses(xfeat: XFeatMatcher, shared: Path) -> None:
    images = shared / "data/fountain_p11/images"
    first, second = (xfeat.extract(read_photo(images / f"{i:04d}.jpg")) for i in (4, 5))
    assert (first.width, first.height) == (1024, 683)
    np.testing.assert_allclose(np.linalg.norm(first.descriptors, axis=1), 1, atol=1e-4)
    matches = xfeat.match(first, second)
    assert len(matches) > 250
    xy = first.keypoints[matches[:, 0]], second.keypoints[matches[:, 1]]
    distance = epipolar_distances(shared, 4, 5, *xy)
    assert (distance < 3).mean() > 0.8
    assert np.median(distance) < 0.8


def test_xfeat_keypoints_scale_with_the_photo(xfeat: XFeatMatcher, shared: Path) -> None:
    photo = read_photo(shared / "data/fountain_p11/images/0004.jpg")[:640, :960]
    half = cv2.resize(photo, (480, 320), interpolation=cv2.INTER_AREA)
    large, small = xfeat.extract(photo), xfeat.extract(half)
    matches = xfeat.match(large, small)
    assert len(matches) > 200
    assert np.abs(bias_between_scales(large, small, matches)).max() < 0.15


def test_xfeat_of_a_tiny_or_blank_photo(xfeat: XFeatMatcher) -> None:
    blank = xfeat.extract(np.zeros((70, 90, 3), np.uint8))
    assert blank.descriptors.shape == (len(blank), 64)
    assert xfeat.match(blank, blank).shape[1] == 2


def random_lightglue(layers: int, dim: int, heads: int, input_dim: int) -> LightGlue:
    torch.manual_seed(layers)
    net = LightGlue(
        None,  # pyright: ignore[reportArgumentType]
        n_layers=layers,
        input_dim=input_dim,
        descriptor_dim=dim,
        num_heads=heads,
        depth_confidence=-1,
        width_confidence=-1,
        filter_threshold=0.1,
        weights=None,
    )
    return net.eval()


def random_features(rng: np.random.Generator, count: int, dim: int) -> Features:
    descriptors = rng.normal(size=(count, dim)).astype(np.float32)
    descriptors /= np.linalg.norm(descriptors, axis=1, keepdims=True)
    keypoints = rng.uniform(0, 200, (count, 2)).astype(np.float32)
    return Features(keypoints, descriptors, 200, 200)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("authors_names", [False, True])
def test_lightglue_is_kornias_at_any_depth(
    tmp_path: Path, layers: int, authors_names: bool
) -> None:
    """Our loading and our attention, against kornia's own network with the same weights."""
    oracle = random_lightglue(layers, 32, 2, 16)
    state = dict(oracle.state_dict())
    if authors_names:
        for kind in ("self_attn", "cross_attn"):
            for i in range(layers):
                before, after = f"transformers.{i}.{kind}.", f"matcher.{kind}.{i}."
                state = {k.replace(before, after): v for k, v in state.items()}
    torch.save(state, tmp_path / "w.pt")
    net = load_lightglue(tmp_path / "w.pt", 16, 32, 2)
    assert len(net.transformers) == layers
    rng = np.random.default_rng(5)
    first, second = random_features(rng, 40, 16), random_features(rng, 55, 16)
    inputs = {
        f"image{i}": {
            "keypoints": torch.from_numpy(f.keypoints)[None],
            "descriptors": torch.from_numpy(f.descriptors)[None],
            "image_size": torch.tensor([[200, 200]]),
        }
        for i, f in enumerate((first, second))
    }
    with torch.inference_mode():
        expected, got = oracle(inputs)["log_assignment"], net(inputs)["log_assignment"]
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=1e-4)
    assert match_lightglue(net, first, second, CPU).shape[1] == 2


def test_lightglue_without_keypoints(tmp_path: Path) -> None:
    torch.save(random_lightglue(1, 32, 2, 16).state_dict(), tmp_path / "w.pt")
    net = load_lightglue(tmp_path / "w.pt", 16, 32, 2)
    rng = np.random.default_rng(6)
    empty, some = random_features(rng, 0, 16), random_features(rng, 5, 16)
    assert match_lightglue(net, empty, some, CPU).shape == (0, 2)


def test_incomplete_weights_are_refused(tmp_path: Path) -> None:
    state = random_lightglue(2, 32, 2, 16).state_dict()
    del state["transformers.1.self_attn.Wqkv.weight"]
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(SplatposeError, match="1 of"):
        load_lightglue(tmp_path / "w.pt", 16, 32, 2)


class _Intruder:
    def __init__(self, target: str) -> None:
        self.target = target

    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


def test_code_in_a_weight_file_is_not_run(tmp_path: Path) -> None:
    intruder = _Intruder(str(tmp_path / "was here"))
    with (tmp_path / "w.pt").open("wb") as file:
        pickle.dump({"x": intruder}, file)
    with pytest.raises(SplatposeError, match="not a readable weight file"):
        read_state_dict(tmp_path / "w.pt")
    assert not (tmp_path / "was here").exists()


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 broken"])
def test_broken_weight_file_is_an_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pt").write_bytes(content)
    with pytest.raises(SplatposeError, match=r"w\.pt"):
        read_state_dict(tmp_path / "w.pt")


def test_aliked_finds_keypoints_and_matches(shared: Path, tmp_path: Path) -> None:
    """Real ALIKED, with a random LightGlue of the right shape; a homography checks positions."""
    torch.save(random_lightglue(2, 256, 4, 128).state_dict(), tmp_path / "w.pt")
    matcher = AlikedMatcher(
        shared / "weights/aliked/aliked-n16.pth",
        tmp_path / "w.pt",
        max_keypoints=400,
        working_size=400,
    )
    photo = cv2.resize(
        read_photo(shared / "data/fountain_p11/images/0004.jpg"),
        (400, 267),
        interpolation=cv2.INTER_AREA,
    )
    H = np.array([[0.97, -0.1, 20], [0.1, 0.97, -15], [0, 0, 1]])
    first, second = matcher.extract(photo), matcher.extract(warp(photo, H, 400, 267))
    assert 100 < len(first) <= 400
    assert first.descriptors.shape == (len(first), 128)
    similarity = first.descriptors @ second.descriptors.T
    best = similarity.argmax(1)
    mutual = similarity.argmax(0)[best] == np.arange(len(best))
    off = transform(H, first.keypoints[mutual]) - second.keypoints[best[mutual]]
    near = np.linalg.norm(off, axis=1) < 2
    assert near.mean() > 0.6
    assert np.abs(np.median(off[near], axis=0)).max() < 0.1
    assert matcher.match(first, second).shape[1] == 2
