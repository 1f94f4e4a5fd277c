"""What matching will hold in memory, planned from what the machine has left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...features.matcher import Features
from ...host import available_memory
from ...scene.capture import Capture, Photo

_SHARE = 0.25
"""Share of the memory that is left, for grey photos; those beyond are decoded again."""
_FEWEST_KEPT = 50
_GIB = 2**30


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes."""

    features: int
    """Keypoints and descriptors of all photos."""
    left: int
    """What is left beside them."""
    photo: int
    """The largest grey photo."""
    count: int

    @property
    def photos_kept(self) -> int:
        """Grey photos that are held at a time."""
        return max(_FEWEST_KEPT, int(_SHARE * self.left / self.photo))

    def __str__(self) -> str:
        gray = min(self.count, self.photos_kept) * self.photo
        return (
            f"Memory: keypoints of {self.count} photos take {self.features / _GIB:.1f} GiB, grey "
            f"photos up to {gray / _GIB:.1f} GiB; {self.left / _GIB:.1f} GiB are left."
        )


def plan_memory(capture: Capture, features: Sequence[Features], size: int) -> MemoryPlan:
    """The plan, once the features are there.

    Args:
        size: longer side in pixels above which grey photos are scaled down.
    """
    held = sum(f.keypoints.nbytes + f.descriptors.nbytes for f in features)
    largest = max((_reduced_pixels(photo, size) for photo in capture.photos), default=1)
    return MemoryPlan(held, available_memory(), largest, len(capture.photos))


def _reduced_pixels(photo: Photo, size: int) -> int:
    factor = min(1.0, size / max(photo.width, photo.height))
    return max(1, round(photo.width * photo.height * factor**2))
