"""Depth Anything V2 Small (arXiv 2406.09414) through transformers: disparity from one photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch.nn import functional

from ...errors import SplatposeError
from ...events import EventSink, Progress
from ...io.photos import read_photo
from ...scene.capture import Capture
from .storage import map_path, save_map

if TYPE_CHECKING:
    from torch import nn

PATCH = 14
"""Side of a patch of the vision transformer in pixels."""
_MEAN = (0.485, 0.456, 0.406)
_STD = (0.229, 0.224, 0.225)
# config.json of depth-anything/Depth-Anything-V2-Small-hf, as far as it is not the default.
_BACKBONE = {
    "model_type": "dinov2",
    "hidden_size": 384,
    "num_attention_heads": 6,
    "image_size": 518,
    "patch_size": PATCH,
    "out_indices": [3, 6, 9, 12],
    "reshape_hidden_states": False,
    "apply_layernorm": True,
}
_HEAD = {
    "patch_size": PATCH,
    "reassemble_hidden_size": 384,
    "reassemble_factors": [4, 2, 1, 0.5],
    "neck_hidden_sizes": [48, 96, 192, 384],
    "fusion_hidden_size": 64,
    "head_hidden_size": 32,
    "depth_estimation_type": "relative",
}


def network_config() -> Any:
    """The `DepthAnythingConfig` of the published Small network."""
    from transformers import DepthAnythingConfig  # pyright: ignore[reportMissingImports]

    return DepthAnythingConfig(backbone_config=dict(_BACKBONE), **_HEAD)


def load_network(weights: Path) -> nn.Module:
    """The network with its weights, ready to predict, on the GPU where there is one.

    Args:
        weights: `model.safetensors`, verified; nothing is downloaded.

    Raises:
        SplatposeError: the file does not fit the network.
    """
    from transformers import (  # pyright: ignore[reportMissingImports]
        DepthAnythingForDepthEstimation,
    )
    from transformers.utils.logging import (  # pyright: ignore[reportMissingImports]
        disable_progress_bar,
    )

    disable_progress_bar()  # progress is told in events
    network, told = DepthAnythingForDepthEstimation.from_pretrained(
        weights.parent,
        config=network_config(),
        local_files_only=True,
        use_safetensors=True,
        output_loading_info=True,
    )
    wrong = [name for kind in ("missing_keys", "mismatched_keys") for name in told[kind]]
    if wrong:
        raise SplatposeError(
            f"{weights} does not hold the weights of Depth Anything V2 Small as this version of "
            f"transformers expects them ({len(wrong)} are missing, {wrong[0]} for one).",
            "Install the version of transformers that constraints.txt names.",
        )
    return network.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def input_side(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height that a photo is given to the network in: whole patches, same shape."""
    scale = short_side / min(width, height)
    return (
        max(PATCH, PATCH * round(width * scale / PATCH)),
        max(PATCH, PATCH * round(height * scale / PATCH)),
    )


def prepare(photo: UInt8[np.ndarray, "H W 3"], short_side: int) -> Float[torch.Tensor, "1 3 h w"]:
    """The network's input: resized (bicubic, antialiased) and normalised as in its training."""
    height, width = photo.shape[:2]
    w, h = input_side(width, height, short_side)
    pixels = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    pixels = functional.interpolate(
        pixels, (h, w), mode="bicubic", align_corners=False, antialias=True
    ).clip(0, 1)
    mean, std = (torch.tensor(values)[:, None, None] for values in (_MEAN, _STD))
    return (pixels - mean) / std


def predict(
    network: nn.Module, photo: UInt8[np.ndarray, "H W 3"], short_side: int
) -> Float[np.ndarray, "h w"]:
    """Disparity with unknown scale and shift; NaN where the network sees no end (the sky)."""
    device = next(network.parameters()).device
    with torch.inference_mode():
        found = network(pixel_values=prepare(photo, short_side).to(device)).predicted_depth
    disparity = found[0].float().cpu().numpy()
    return np.where(disparity > 0, disparity, np.nan)


def predict_maps(
    capture: Capture,
    weights: Path,
    folder: Path,
    *,
    short_side: int,
    max_size: int,
    emit: EventSink,
) -> tuple[str, ...]:
    """Predicts the maps of all photos that an interrupted run has not left in `folder`.

    Returns:
        For each photo why it has no map, empty where it has one.

    Raises:
        SplatposeError: the weights do not fit this version of transformers.
    """
    network = load_network(weights)
    reasons = []
    for i, photo in enumerate(capture.photos):
        if map_path(folder, i).exists():
            reasons.append("")
            continue
        # Twice the network's size: what is finer is gone anyway, and photos may have 100 MP.
        long_side = 2 * max(input_side(photo.width, photo.height, short_side))
        values = predict(network, read_photo(photo.path, long_side, bits=photo.bits), short_side)
        if np.isfinite(values).sum() < 2:
            reasons.append("the network sees nothing but sky")
        else:
            save_map(folder, i, values, max_size)
            reasons.append("")
        emit(Progress("depth", i + 1, len(capture.photos), "maps predicted"))
    return tuple(reasons)
