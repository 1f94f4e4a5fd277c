"""A scene: which world, which photos, and whether anybody could reconstruct it."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..stress.scenes import Split
from .lenses import Lens
from .photos import Label, Shot, Weather
from .sites import Site

_SPLIT = {"tune": 11, "test": 22}


@dataclass(frozen=True)
class Scene:
    """Everything that makes the photos of a folder."""

    family: str
    number: int
    split: Split
    about: str
    shots: tuple[Shot, ...]
    worlds: tuple[str, ...]
    """Names of the worlds by the shots' places."""
    decidable: bool = True
    """Whether the photos tell where they were taken."""
    weathers: tuple[Weather | None, ...] = ()
    """What moves in the worlds; none of it where empty."""
    backdrop: tuple[str, np.ndarray] | None = None
    """World that stands still behind the first one, and the pose [4, 4] that sees it so."""
    names: tuple[str, ...] | None = None
    """Of the photos, without suffix; None for IMG_01 and so on."""

    @property
    def name(self) -> str:
        return f"{self.family}-{self.split}-{self.number}"

    @property
    def seed(self) -> int:
        return seed_of(self.family, self.split, self.number)


def seed_of(family: str, split: Split, number: int) -> int:
    """No two scenes share one."""
    return zlib.crc32(f"{family} {_SPLIT[split]} {number}".encode()) % 2_000_000


@dataclass(frozen=True)
class Draft:
    """What a family's maker gets: which of its scenes, and chance that belongs to it alone."""

    family: str
    split: Split
    number: int
    rng: np.random.Generator = field(repr=False)

    def pick(self, tune: Sequence, test: Sequence | None = None):
        """The scene's of several choices, in turn; others for the test split where given."""
        choices = test if test is not None and self.split == "test" else tune
        return choices[self.number % len(choices)]

    def scene(self, about: str, site: Site, shots: Sequence[Shot], **more: object) -> Scene:
        """The scene of shots in one world."""
        given = {"worlds": (site.world,), **more}
        return Scene(self.family, self.number, self.split, about, tuple(shots), **given)  # type: ignore[arg-type]


def shots_of(poses: np.ndarray, lens: Lens, **more: object) -> list[Shot]:
    """One lens for all poses [V, 4, 4]; the moments go from 0 to 1."""
    moments = np.linspace(0, 1, len(poses)).tolist()
    return [Shot(p, lens, moment=m, **more) for p, m in zip(poses, moments, strict=True)]  # type: ignore[arg-type]


def label_of(lens: Lens) -> Label:
    """What a camera with this lens writes of itself: 35 mm equivalents are of the diagonal."""
    focal = lens.focal / np.hypot(lens.width, lens.height) * np.hypot(36, 24)
    return Label("Vesta", "V11", float(round(focal)))


def draft(family: str, split: Split, number: int) -> Draft:
    return Draft(family, split, number, np.random.default_rng(seed_of(family, split, number)))


SIZES = ((480, 360), (480, 320), (512, 384), (360, 480))


def lens_of(kind: str, rng: np.random.Generator, *, size: tuple[int, int] = SIZES[0]) -> Lens:
    """A lens of a kind; how strong its distortion is varies by a tenth from scene to scene."""
    long_side = max(size)
    ratio, model, k = LENSES[kind]
    vary = 1 + 0.1 * rng.normal()
    focal = ratio * (1 + 0.04 * rng.normal()) * long_side
    return Lens(*size, focal, None, model, tuple(round(each * vary, 4) for each in k))  # type: ignore[arg-type]


LENSES: dict[str, tuple[float, str, tuple[float, ...]]] = {
    "plain": (0.75, "radial", ()),
    "phone": (0.78, "radial", (0.05, -0.12, 0.08)),
    "mild": (0.72, "radial", (-0.07, 0.02)),
    "barrel": (0.66, "radial", (-0.24, 0.08)),
    "moustache": (0.76, "radial", (0.23, -0.78, 0.92)),
    "wide": (0.46, "radial", (-0.08, 0.012)),
    "wide plain": (0.45, "radial", ()),
    "long": (1.9, "radial", (0.1,)),
    "long plain": (2.0, "radial", ()),
    "fisheye": (0.6, "fisheye", (-0.02, 0.004)),
    "action": (0.58, "radial", (-0.2, 0.045, -0.004)),
    "zoomed out": (0.7, "radial", (-0.16, 0.12, -0.05)),
    "pincushion": (0.95, "radial", (0.14, -0.05)),
}
"""Focal length over the longer side, the model, and its terms."""
