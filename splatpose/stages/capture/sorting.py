"""Which readable pictures are photos of the scene, and which of them show the same exposure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

import cv2
import numpy as np
from jaxtyping import UInt8

from ...io.photos import UnreadablePhoto, read_photo
from ...scene.capture import SkippedFile
from . import composites, crops
from .check import GoodPhoto
from .copies import exposure_numbers, find_copies
from .layouts import auxiliary_kind
from .looks import Look
from .masks import few_colours, few_levels, is_blank, is_flat, is_matte

_NAMED = 0.5
"""Share of a folder's files that bear the names of photos elsewhere, from which on it goes with
them."""


@dataclass(frozen=True)
class Sorted:
    """Photos, and pictures that are left out."""

    photos: tuple[GoodPhoto, ...]
    exposures: tuple[int, ...]
    """For each photo the number of what it shows: equal for near-copies."""
    left_out: tuple[SkippedFile, ...]


def is_included(name: str, include: Sequence[str]) -> bool:
    """Whether a name, or a folder above it, is among the patterns."""
    above = [str(parent) for parent in PurePosixPath(name).parents]
    return any(
        fnmatchcase(part, pattern.rstrip("/"))
        for pattern in include
        for part in (name, *above[:-1])
    )


def sort_out(
    good: Sequence[GoodPhoto], outputs: Mapping[str, str], include: Sequence[str]
) -> Sorted:
    """Leaves out what programs made of photos: copies, masks, maps, renderings, sheets.

    Args:
        good: readable pictures.
        outputs: what lies in folders (relative names) that a program wrote, see `layouts`.
        include: patterns of names that are not left out.
    """
    return _Sorting(good, outputs, include).run()


class _Sorting:
    def __init__(
        self, good: Sequence[GoodPhoto], outputs: Mapping[str, str], include: Sequence[str]
    ) -> None:
        self._good, self._outputs, self._include = good, outputs, include
        self._looks = [
            Look(photo.candidate.name, photo.header.width, photo.header.height, photo.grey)
            for photo in good
        ]
        self._why: dict[int, tuple[str, str]] = {}
        """Kind and reason of what is left out, by number."""
        self._parts: list[tuple[int, int]] = []
        """Pictures of which one shows a part of the other."""
        self._named: dict[str, bool] = {}

    def run(self) -> Sorted:
        self._programs_folders()
        self._masks()
        self._copies()
        self._composites()
        self._crops()
        kept = [i for i in range(len(self._good)) if i not in self._why]
        return Sorted(
            tuple(self._good[i] for i in kept),
            self._exposures(kept),
            tuple(
                SkippedFile(self._looks[i].name, reason, kind)
                for i, (kind, reason) in sorted(self._why.items())
            ),
        )

    def _rest(self) -> list[int]:
        return [i for i in range(len(self._good)) if i not in self._why]

    def _leave_out(self, i: int, kind: str, reason: str) -> None:
        if not is_included(self._looks[i].name, self._include):
            self._why.setdefault(i, (kind, reason))

    def _programs_folders(self) -> None:
        for folder, what in self._outputs.items():
            if "undistorted" in what and not self._named_elsewhere(folder):
                continue
            for i, look in enumerate(self._looks):
                if look.name.startswith(f"{folder}/"):
                    self._leave_out(i, what.removeprefix("a "), what)

    def _masks(self) -> None:
        for i in self._rest():
            look = self._looks[i]
            if is_blank(look.grey):
                self._leave_out(i, "picture of one colour", "it shows a single colour")
                continue
            kind = auxiliary_kind(look.folder)
            if kind is not None and kind != "mask" and self._named_elsewhere(look.folder):
                what = f"{kind} view" if kind == "rendered" else f"{kind} map"
                self._leave_out(i, what, f"a {what}, named like a photo")
            elif kind == "mask" or is_flat(look.grey):
                self._mask(i, look, kind)

    def _mask(self, i: int, look: Look, kind: str | None) -> None:
        try:
            pixels = read_photo(self._good[i].candidate.path)
        except (UnreadablePhoto, MemoryError):
            return
        if kind == "mask" and self._named_elsewhere(look.folder) and is_matte(pixels):
            self._leave_out(i, "mask", "a mask, named like a photo")
            return
        count, word = few_colours(pixels), "colours"
        if count is None and (kind == "mask" or self._has_twin(look)):
            count, word = few_levels(pixels), "grey levels"
        if count is not None:
            self._leave_out(i, "mask", f"a mask, no photo: it has {count} {word}")

    def _has_twin(self, look: Look) -> bool:
        """Whether another picture is named alike, but for its folder, suffix and marks."""
        return any(other.stem == look.stem and other is not look for other in self._looks)

    def _named_elsewhere(self, folder: str) -> bool:
        """Whether the files of a folder are named like files outside of it."""
        if folder not in self._named:
            self._named[folder] = self._is_named_elsewhere(folder)
        return self._named[folder]

    def _is_named_elsewhere(self, folder: str) -> bool:
        inside = [look for look in self._looks if look.name.startswith(f"{folder}/")]
        outside = {look.stem for look in self._looks if not look.name.startswith(f"{folder}/")}
        shared = sum(look.stem in outside for look in inside)
        return bool(inside) and shared >= _NAMED * len(inside)

    def _composites(self) -> None:
        rest = self._rest()
        looks = [self._looks[i] for i in rest]
        search = composites.Composites(looks, lambda k: self._grey(rest[k], composites.READ_SIZE))
        for k, (text, shown) in search.find().items():
            kind = "contact sheet" if "sheet" in text else "picture of several side by side"
            self._leave_out(rest[k], kind, text)
            self._parts += [(rest[k], rest[photo]) for photo in shown]

    def _copies(self) -> None:
        rest = self._rest()
        looks = [self._looks[i] for i in rest]
        for copy in find_copies(looks):
            text = f"{copy.kind} of {looks[copy.original].name}"
            self._leave_out(rest[copy.copy], copy.kind, text)

    def _crops(self) -> None:
        rest = self._rest()
        looks = [self._looks[i] for i in rest]
        for crop in crops.find_crops(looks, lambda k: self._grey(rest[k], crops.READ_SIZE)):
            self._leave_out(rest[crop.copy], "crop", f"crop of {looks[crop.original].name}")
            self._parts.append((rest[crop.copy], rest[crop.original]))

    def _exposures(self, kept: list[int]) -> tuple[int, ...]:
        place = {i: k for k, i in enumerate(kept)}
        parts = [(place[a], place[b]) for a, b in self._parts if a in place and b in place]
        return exposure_numbers([self._looks[i] for i in kept], parts)

    def _grey(self, i: int, size: int) -> UInt8[np.ndarray, "_ _"] | None:
        try:
            pixels = read_photo(self._good[i].candidate.path, max_size=size)
        except (UnreadablePhoto, MemoryError):
            return None
        return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
