"""LightGlue with random weights, and features for it."""

from __future__ import annotations

import numpy as np
import torch
from kornia.feature import LightGlue

from splatpose.features.matcher import Features


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
