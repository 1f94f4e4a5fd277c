"""LightGlue matchers from kornia, with weights read from files of known layout."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int, Shaped
from kornia.feature import LightGlue
from kornia.feature.lightglue import CrossBlock

from ..errors import SplatposeError
from .matcher import Features

FILTER_THRESHOLD = 0.1
"""Lowest assignment score of a match, as published with the weights."""
_GPU_PAIRS = 16
"""Pairs that go through the network together on a GPU."""


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of a PyTorch weight file. No code in the file is ever run.

    Raises:
        SplatposeError: the file does not hold plain tensors.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except _UNREADABLE as error:
        raise SplatposeError(
            f"{path} is not a readable weight file ({type(error).__name__}).",
            "Delete it and fetch it again with `splatpose weights fetch`.",
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise SplatposeError(
            f"{path} does not hold network weights.",
            "Delete it and fetch it again with `splatpose weights fetch`.",
        )
    return state


def load_weights(net: torch.nn.Module, state: dict[str, torch.Tensor], path: Path) -> None:
    """Loads every learned parameter of `net`; surplus tensors and derived buffers are ignored.

    Raises:
        SplatposeError: a learned parameter is missing or has another shape.
    """
    learned = dict(net.named_parameters())
    own = {k: v for k, v in state.items() if k in net.state_dict()}
    missing = [k for k in learned if k not in own]
    wrong = [k for k, v in net.state_dict().items() if k in own and own[k].shape != v.shape]
    if missing or wrong:
        raise SplatposeError(
            f"{path} does not fit the network: {len(missing)} of {len(learned)} parameters are "
            f"missing and {len(wrong)} have another shape (first: {(missing + wrong)[0]}).",
            "Delete it and fetch it again with `splatpose weights fetch`.",
        )
    net.load_state_dict(own, strict=False)
    net.eval()


def load_lightglue(path: Path, input_dim: int, descriptor_dim: int, num_heads: int) -> LightGlue:
    """A LightGlue whose depth is that of the weight file (LighterGlue comes with 3 or 6 layers).

    Files of the authors (`self_attn.0...`, `matcher.` in front) and of kornia
    (`transformers.0.self_attn...`) are both read. Early stopping and point pruning are off: they
    save little on a CPU and make a match depend on unrelated keypoints.
    """
    state = {_own_name(k): v for k, v in read_state_dict(path).items()}
    depth = 1 + max((int(m[1]) for k in state if (m := _LAYER.match(k))), default=-1)
    if depth == 0:
        raise SplatposeError(
            f"{path} does not hold a LightGlue matcher.",
            "Delete it and fetch it again with `splatpose weights fetch`.",
        )
    config: dict[str, Any] = {
        "n_layers": depth,
        "input_dim": input_dim,
        "descriptor_dim": descriptor_dim,
        "num_heads": num_heads,
        "depth_confidence": -1,
        "width_confidence": -1,
        "filter_threshold": FILTER_THRESHOLD,
        "weights": None,
    }
    # kornia annotates the argument as a string, but None is its documented way to load nothing.
    net = LightGlue(None, **config)  # pyright: ignore[reportArgumentType]
    # Without early stopping and pruning only the last layer's head is used, and shortened weight
    # files hold no other.
    net.token_confidence = torch.nn.ModuleList()
    for i in range(depth - 1):
        net.log_assignment[i] = torch.nn.Identity()
    load_weights(net, state, path)
    for layer in net.transformers:
        block = layer.cross_attn
        assert isinstance(block, CrossBlock)
        layer.cross_attn = FusedCrossBlock(block, descriptor_dim, num_heads)
    return net


class FusedCrossBlock(CrossBlock):
    """kornia's cross-attention without the matrix of all similarities, which on a CPU costs more
    time than the rest of the block."""

    def __init__(self, block: CrossBlock, embed_dim: int, num_heads: int) -> None:
        super().__init__(embed_dim, num_heads, flash=True)
        self.load_state_dict(block.state_dict())
        self.eval()

    def forward(
        self, x0: torch.Tensor, x1: torch.Tensor, mask: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Updated descriptors of both photos, `x0` [B, M, D] and `x1` [B, N, D]."""
        if x0.device.type != "cpu" or mask is not None:
            return super().forward(x0, x1, mask)
        heads = (
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for t in (self.to_qk(x0), self.to_qk(x1), self.to_v(x0), self.to_v(x1))
        )
        qk0, qk1, v0, v1 = heads
        to_first = F.scaled_dot_product_attention(qk0, qk1, v1)
        to_second = F.scaled_dot_product_attention(qk1, qk0, v0)
        return self._updated(x0, to_first), self._updated(x1, to_second)

    def _updated(self, x: torch.Tensor, message: torch.Tensor) -> torch.Tensor:
        message = self.to_out(message.transpose(1, 2).flatten(start_dim=-2))
        return x + self.ffn(torch.cat([x, message], -1))


@torch.inference_mode()
def match_lightglue(
    net: LightGlue, pairs: Sequence[tuple[Features, Features]], device: torch.device
) -> list[Int[np.ndarray, "_ 2"]]:
    """Keypoint indices of the matches that LightGlue finds in each pair of photos.

    Pairs with the same numbers of keypoints go through the network together.
    """
    found = [np.zeros((0, 2), np.int64)] * len(pairs)
    alike: dict[tuple[int, int], list[int]] = {}
    for index, (first, second) in enumerate(pairs):
        if min(len(first), len(second)) > 0:
            alike.setdefault((len(first), len(second)), []).append(index)
    for group in alike.values():
        images = (_as_input([pairs[index][k] for index in group], device) for k in range(2))
        output = net(dict(zip(("image0", "image1"), images, strict=True)))
        for index, matches in zip(group, output["matches"], strict=True):
            found[index] = matches.cpu().numpy().astype(np.int64)
    return found


class LightGlueMatcher:
    """What all matchers with LightGlue share.

    Args:
        net: LightGlue for their features.
    """

    def __init__(self, net: LightGlue) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.pairs_at_once = 1 if self.device.type == "cpu" else _GPU_PAIRS
        self._matcher = net.to(self.device)

    def match(self, first: Features, second: Features) -> Int[np.ndarray, "M 2"]:
        return self.match_pairs([(first, second)])[0]

    def match_pairs(
        self, pairs: Sequence[tuple[Features, Features]]
    ) -> list[Int[np.ndarray, "_ 2"]]:
        return match_lightglue(self._matcher, pairs, self.device)

    def similarity(self, descriptors: Shaped[np.ndarray, "K D"]) -> Float[np.ndarray, "K D"]:
        return descriptors.astype(np.float32)


_LAYER = re.compile(r"transformers\.(\d+)\.")
_OLD_NAME = re.compile(r"(self_attn|cross_attn)\.(\d+)\.(.+)")
# What torch's restricted unpickler raises on files that are no weights; there is no common base.
_UNREADABLE = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)


def _own_name(key: str) -> str:
    key = key.removeprefix("matcher.")
    old = _OLD_NAME.fullmatch(key)
    return f"transformers.{old[2]}.{old[1]}.{old[3]}" if old else key


def _as_input(photos: Sequence[Features], device: torch.device) -> dict[str, torch.Tensor]:
    # LightGlue centres by half the size and divides by half the longer side, so it does not
    # matter in which resolution the keypoints are given.
    keypoints, descriptors = (
        torch.from_numpy(np.stack(arrays)).float().to(device)
        for arrays in ([f.keypoints for f in photos], [f.descriptors for f in photos])
    )
    size = torch.tensor([[f.width, f.height] for f in photos], device=device)
    return {"keypoints": keypoints, "descriptors": descriptors, "image_size": size}
