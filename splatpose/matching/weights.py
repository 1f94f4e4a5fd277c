"""Network weights: which files there are, and where this machine gets them from.

Order: the folder of `--weights-dir` or $SPLATPOSE_WEIGHTS, the user's cache, a download. Nothing
is ever loaded or kept whose SHA-256 is not in the registry, wherever it lies.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import SplatposeError
from .download import DownloadProgress, download, sha256_of


@dataclass(frozen=True)
class WeightFile:
    """One file of network weights that splatpose knows."""

    name: str
    purpose: str
    paths: tuple[str, ...]
    """Where it lies below a weights folder. A download takes the first; the others are rebuilt
    or shortened forms that serve as well."""
    urls: tuple[str, ...]
    """Addresses of the published file."""
    sha256: tuple[str, ...]
    """Accepted hashes, the published file's first."""
    size: int | None
    """Bytes of the published file, where known."""
    licence: str
    otherwise: str = "Or use --matcher sift, which needs no weights."
    """What to do without the file, said where it cannot be had."""


@dataclass(frozen=True)
class WeightStatus:
    """Where one weight file stands on this machine."""

    weight: WeightFile
    state: Literal["ready", "damaged", "absent"]
    path: Path | None
    """The file that was found, if any."""
    detail: str
    """One sentence for a person."""


_GITHUB = "https://raw.githubusercontent.com"
_XFEAT = f"{_GITHUB}/verlab/accelerated_features/e92685f57f8318b18725c5c8c0bd28c7fe188d9a/weights"
_ALIKED = f"{_GITHUB}/Shiaoming/ALIKED/683d7c65197395c0b3f01ebe76e1084a27e73a65/models"
_KORNIA = "https://huggingface.co/kornia"
_DEPTH_ANYTHING = (
    "https://huggingface.co/depth-anything/Depth-Anything-V2-Small-hf/resolve/"
    "5426e4f0f36572d16453bbda7a8389317b1bef99"
)

# The hashes of published files are those that several independent public projects record for
# these addresses. A mirror that serves other bytes is refused like any wrong file.
WEIGHTS: dict[str, WeightFile] = {
    weight.name: weight
    for weight in (
        WeightFile(
            name="xfeat",
            purpose="XFeat: finds and describes keypoints (matcher xfeat)",
            paths=("xfeat/xfeat.pt",),
            urls=(f"{_XFEAT}/xfeat.pt",),
            sha256=(
                "0f5187fd7bedd26c7fe6acc9685444493a165a35ecc087b33c2db3627f3ea10b",
                # Rebuilt from the published ONNX file, without the semi-dense head.
                "93640ab6a4fff6913249a198583995287a29466e8e8b053a16971b3fb452596e",
            ),
            size=6_247_949,
            licence="Apache-2.0",
        ),
        WeightFile(
            name="lighterglue",
            purpose="LighterGlue: matches XFeat keypoints (matcher xfeat)",
            paths=("xfeat/xfeat-lighterglue.pt", "xfeat/lighterglue_l3.pt"),
            urls=(
                f"{_XFEAT}/xfeat-lighterglue.pt",
                f"{_KORNIA}/lightglue/resolve/main/xfeat-lighterglue.pt",
            ),
            sha256=(
                "766102df37f11189efe5b0811d1f47c72b22629b79bfabfcfff9d2a2f84654b8",
                # The first 3 of the 6 layers with the third layer's own matching head.
                "91a5c604a25dfc823d325257a5b2f79b9a915e178249dd85498dfc6bb81e9828",
            ),
            size=None,
            licence="Apache-2.0",
        ),
        WeightFile(
            name="aliked",
            purpose="ALIKED-n16: finds and describes keypoints (matcher aliked)",
            paths=("aliked/aliked-n16.pth",),
            urls=(
                f"{_ALIKED}/aliked-n16.pth",
                f"{_KORNIA}/aliked/resolve/main/aliked-n16.pth",
            ),
            sha256=("5be8704840ed662d9d8c561bf7279c222092674e7eb05fd0feab94899e9d82f2",),
            size=2_738_091,
            licence="BSD-3-Clause",
        ),
        WeightFile(
            name="aliked-lightglue",
            purpose="LightGlue: matches ALIKED keypoints (matcher aliked)",
            paths=("aliked/aliked_lightglue.pth",),
            urls=(
                "https://github.com/cvg/LightGlue/releases/download/v0.1_arxiv/aliked_lightglue.pth",
                f"{_KORNIA}/lightglue/resolve/main/aliked_lightglue.pth",
            ),
            sha256=("d975e965b105311a6143194852297dff4f02aea5cc2e10cecfed966ca0e22503",),
            size=47_632_827,
            licence="Apache-2.0",
        ),
        WeightFile(
            name="depth-anything",
            purpose="Depth Anything V2 Small: disparity of a photo (--depth)",
            paths=("depth-anything-v2-small/model.safetensors",),
            urls=(f"{_DEPTH_ANYTHING}/model.safetensors",),
            sha256=("3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70",),
            size=99_173_660,
            licence="Apache-2.0",
            otherwise="Or give --depth a folder of depth maps, or none.",
        ),
    )
}

MATCHER_WEIGHTS: dict[str, tuple[str, ...]] = {
    "xfeat": ("xfeat", "lighterglue"),
    "aliked": ("aliked", "aliked-lightglue"),
    "sift": (),
}
"""Names of the weight files that each matcher needs."""


def cache_dir() -> Path:
    """The user's folder for downloaded weights; it need not exist yet."""
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "splatpose" / "weights"
    if sys.platform == "win32":
        local = os.environ.get("LOCALAPPDATA")
        return (Path(local) if local else Path.home() / "AppData/Local") / "splatpose" / "weights"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "splatpose" / "weights"
    return Path.home() / ".cache" / "splatpose" / "weights"


def is_offline() -> bool:
    """Whether $SPLATPOSE_OFFLINE forbids downloads."""
    return os.environ.get("SPLATPOSE_OFFLINE", "").lower() not in ("", "0", "false", "no")


def resolve(
    weight: WeightFile,
    weights_dir: Path | None = None,
    progress: DownloadProgress = lambda received, total: None,
) -> Path:
    """Path of the verified file, downloaded into the cache where it is nowhere yet.

    Raises:
        SplatposeError: a file by that name is damaged, or there is none and it cannot be had.
    """
    status = locate(weight, weights_dir)
    if status.path is not None:
        if status.state == "damaged":
            raise SplatposeError(status.detail, f"Replace it: {_by_hand(weight, status.path)}")
        return status.path
    return _download(weight, cache_dir() / weight.paths[0], progress)


def locate(weight: WeightFile, weights_dir: Path | None = None) -> WeightStatus:
    """Looks for the file in the weights folder and the cache, and checks its hash.

    Raises:
        SplatposeError: the weights folder that was asked for does not exist.
    """
    for folder in _folders(weights_dir):
        for relative in weight.paths:
            path = folder / relative
            if not path.is_file():
                continue
            found = sha256_of(path)
            if found in weight.sha256:
                return WeightStatus(weight, "ready", path, f"{path} is as published.")
            detail = (
                f"{path} is damaged or not the published file: its SHA-256 is {found}, "
                f"not {weight.sha256[0]}."
            )
            return WeightStatus(weight, "damaged", path, detail)
    return WeightStatus(weight, "absent", None, f"{weight.paths[0]} is not on this machine.")


def list_weights(weights_dir: Path | None = None) -> tuple[WeightStatus, ...]:
    """Every known weight file and where it stands on this machine."""
    return tuple(locate(weight, weights_dir) for weight in WEIGHTS.values())


def verify(name: str, weights_dir: Path | None = None) -> WeightStatus:
    """Checks the file that would be used for `name`.

    Raises:
        SplatposeError: there is no weight file by that name.
    """
    return locate(_known(name), weights_dir)


def fetch(
    name: str,
    weights_dir: Path | None = None,
    progress: DownloadProgress = lambda received, total: None,
) -> Path:
    """Gets a file ahead of time, replacing a damaged one in the cache.

    Raises:
        SplatposeError: there is no weight file by that name, or it cannot be had.
    """
    weight = _known(name)
    status = locate(weight, weights_dir)
    if status.path is not None and status.state == "ready":
        return status.path
    if status.path is not None and not status.path.is_relative_to(cache_dir()):
        raise SplatposeError(status.detail, f"Replace it: {_by_hand(weight, status.path)}")
    return _download(weight, cache_dir() / weight.paths[0], progress)


def _download(weight: WeightFile, target: Path, progress: DownloadProgress) -> Path:
    if is_offline():
        raise SplatposeError(
            f"{weight.paths[0]} is not on this machine, and SPLATPOSE_OFFLINE forbids to download "
            f"it from {weight.urls[0]}.",
            _by_hand(weight, target),
        )
    try:
        download(weight.urls, target, weight.sha256, progress)
    except SplatposeError as error:
        raise SplatposeError(error.message, _by_hand(weight, target)) from error
    except OSError as error:
        raise SplatposeError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Free some space, or choose another cache folder with $XDG_CACHE_HOME.",
        ) from error
    return target


def _by_hand(weight: WeightFile, target: Path) -> str:
    return (
        f"On a machine with a network, get {weight.urls[0]} and put it at {target}, or into a "
        f"folder as {weight.paths[0]} and name that folder with --weights-dir or "
        f"$SPLATPOSE_WEIGHTS. {weight.otherwise}"
    )


def _folders(weights_dir: Path | None) -> list[Path]:
    named = weights_dir or os.environ.get("SPLATPOSE_WEIGHTS")
    if not named:
        return [cache_dir()]
    folder = Path(named)
    if not folder.is_dir():
        raise SplatposeError(
            f"The weights folder {folder} does not exist.",
            "Correct --weights-dir or $SPLATPOSE_WEIGHTS, or leave it out.",
        )
    return [folder, cache_dir()]


def _known(name: str) -> WeightFile:
    if name not in WEIGHTS:
        raise SplatposeError(
            f"There is no weight file called {name!r}.", f"Choose one of {', '.join(WEIGHTS)}."
        )
    return WEIGHTS[name]
