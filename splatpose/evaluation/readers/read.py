"""One function for every format: which reader a file or folder is for, and what it says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from ...errors import SplatposeError
from ..dataset import Dataset
from ..formats import Format
from . import co3d, colmap, dtu, llff, nerfstudio, poses_json, scannet, seven_scenes, tum


@dataclass(frozen=True)
class Reader:
    """How one format is recognised and read."""

    looks_for: str
    """Files that the format consists of, for an error message."""
    recognises: Callable[[Path], bool]
    read: Callable[[Path, str | None], Dataset]
    """Function of the path, and of the photos' folder in it where that is not the usual one."""


READERS: dict[Format, Reader] = {
    "poses-json": Reader(poses_json.LOOKS_FOR, poses_json.recognises, poses_json.read),
    "nerfstudio": Reader(nerfstudio.LOOKS_FOR, nerfstudio.recognises, nerfstudio.read),
    "nope-nerf": Reader(llff.NOPE_LOOKS_FOR, llff.recognises_nope, llff.read_nope),
    "mipnerf360": Reader(colmap.MIP_LOOKS_FOR, colmap.recognises_mip, colmap.read_mip),
    "co3d": Reader(co3d.LOOKS_FOR, co3d.recognises, co3d.read),
    "scannet": Reader(scannet.LOOKS_FOR, scannet.recognises, scannet.read),
    "7scenes": Reader(seven_scenes.LOOKS_FOR, seven_scenes.recognises, seven_scenes.read),
    "dtu": Reader(dtu.LOOKS_FOR, dtu.recognises, dtu.read),
    "tum": Reader(tum.LOOKS_FOR, tum.recognises, tum.read),
    "colmap": Reader(colmap.LOOKS_FOR, colmap.recognises, colmap.read),
    "llff": Reader(llff.LOOKS_FOR, llff.recognises, llff.read),
}
"""Readers by format, in the order in which `auto` tries them: a data set may also hold a more
general format."""


def read_dataset(path: Path, format: Format = "auto", *, subfolder: str | None = None) -> Dataset:
    """Photos with their true cameras, from a file or folder of any format in `READERS`.

    Args:
        path: the file, or the data set's folder (one scene or sequence).
        format: how to read it; `auto` takes the first format that recognises it.
        subfolder: the photos' folder inside the data set, where it is not the format's usual
            one (`images_4` of LLFF or Mip-NeRF 360, say); calibrations are then those of the
            photos there.

    Raises:
        SplatposeError: nothing is there, or nothing of that format.
    """
    if not path.exists():
        raise SplatposeError(f"{path} does not exist.", "Check the path.")
    if format != "auto":
        return READERS[format].read(path, subfolder)
    for reader in READERS.values():
        if reader.recognises(path):
            return reader.read(path, subfolder)
    wanted = "; ".join(reader.looks_for for reader in READERS.values())
    raise SplatposeError(
        f"{path} holds no true cameras in a format that splatpose reads.",
        f"Looked for: {wanted}. Name the format with --format "
        f"({', '.join(name for name in get_args(Format) if name != 'auto')}).",
    )
