"""Settings of depth priors, and the names of their sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ...bounds import Bounds
from ...keys import UNKEYED

NO_DEPTH = "none"
DEPTH_ANYTHING = "depth-anything"


@dataclass(frozen=True)
class DepthConfig:
    """Where depth priors come from."""

    # The maps' bytes and the network's hash are in the key, wherever they lie.
    source: str = field(default=NO_DEPTH, metadata=UNKEYED)
    """none; a folder with a map a photo, named like it (16-bit PNG, .npy, .exr; phone LiDAR or any
    network); depth-anything: Depth Anything V2 Small, with the extra splatpose[depth]; auto:
    depth-anything where it can be had, else none."""
    kind: Literal["auto", "depth", "disparity"] = "auto"
    """Meaning of a folder's values. depth: bigger is farther. disparity: bigger is nearer. auto: as
    the matches say."""
    input_size: Annotated[int, Bounds(14, 8192)] = 518
    """Shorter side at which the network sees a photo, in pixels."""
    max_size: Annotated[int, Bounds(14, 65_536)] = 768
    """Longer side that maps are kept at, in pixels."""
