"""LightGlue against kornia's own, and weight files that are not to be trusted."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.random_lightglue import random_features, random_lightglue

from splatpose.errors import SplatposeError
from splatpose.features.lightglue import load_lightglue, match_lightglue, read_state_dict

CPU = torch.device("cpu")


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
    assert match_lightglue(net, [(first, second)], CPU)[0].shape[1] == 2


def test_lightglue_without_keypoints(tmp_path: Path) -> None:
    torch.save(random_lightglue(1, 32, 2, 16).state_dict(), tmp_path / "w.pt")
    net = load_lightglue(tmp_path / "w.pt", 16, 32, 2)
    rng = np.random.default_rng(6)
    empty, some = random_features(rng, 0, 16), random_features(rng, 5, 16)
    assert match_lightglue(net, [(empty, some)], CPU)[0].shape == (0, 2)


def test_pairs_of_one_batch_are_matched_as_alone(tmp_path: Path) -> None:
    """Pairs of the same sizes go through the network together; others and empty ones do not."""
    torch.save(random_lightglue(1, 32, 2, 16).state_dict(), tmp_path / "w.pt")
    net = load_lightglue(tmp_path / "w.pt", 16, 32, 2)
    net.conf.filter_threshold = 0.0
    rng = np.random.default_rng(7)
    sizes = [(40, 55), (40, 55), (0, 55), (30, 30), (40, 55)]
    pairs = [tuple(random_features(rng, n, 16) for n in both) for both in sizes]
    together = match_lightglue(net, pairs, CPU)
    alone = [match_lightglue(net, [pair], CPU)[0] for pair in pairs]
    assert [len(matches) > 0 for matches in alone] == [True, True, False, True, True]
    for ours, own in zip(together, alone, strict=True):
        np.testing.assert_array_equal(ours, own)


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
