"""Folders in which programs put pictures that are no photos, by the files beside them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

_RESULTS = ("splat.ply", "transforms.json", "report.html")
"""Files that lie beside `report.json` in a result of splatpose."""

AUXILIARY = {
    "depth": frozenset({"depth", "depths", "depth_maps", "depthmaps", "disparity", "mono_depth"}),
    "normal": frozenset({"normal", "normals", "normal_maps", "mono_normal"}),
    "mask": frozenset(
        {"mask", "masks", "seg", "segmentation", "segmentations", "semantic", "semantics"}
        | {"labels", "matte", "mattes", "alpha", "sky_mask", "sky_masks"}
    ),
    "confidence": frozenset({"confidence", "conf"}),
    "rendered": frozenset({"render", "renders", "rendered", "renderings", "novel_views"}),
}
"""What folders of these names hold for each photo, where their files are named like photos."""


def output_folders(files: Collection[Path], folders: Collection[Path]) -> dict[Path, str]:
    """Which of a folder's folders hold a program's pictures, and what they are.

    Args:
        files: in the folder.
        folders: in the folder.
    """
    beside, inside = {path.name for path in files}, {path.name: path for path in folders}
    found: dict[Path, str] = {}
    result = "report.json" in beside and any(name in beside for name in _RESULTS)
    if result and "previews" in inside:
        found[inside["previews"]] = "a preview of an earlier result"
    if {"renders", "gt"} <= inside.keys():
        found[inside["renders"]] = "a rendering"
        found[inside["gt"]] = "a copy beside a rendering"
    if {"stereo", "sparse", "images"} <= inside.keys():
        found[inside["images"]] = "a photo that COLMAP has undistorted"
        found[inside["stereo"]] = "a depth or normal map of COLMAP"
    return found


def auxiliary_kind(folder: str) -> str | None:
    """What a folder holds by its name, or None where the name says nothing."""
    for part in reversed(folder.split("/")):
        for kind, names in AUXILIARY.items():
            if part.lower() in names:
                return kind
    return None
