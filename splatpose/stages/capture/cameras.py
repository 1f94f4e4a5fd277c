"""Which photos share intrinsics, and what EXIF says of the focal length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from ...io.exif import PhotoHeader
from ...scene.capture import CameraGroup, Photo
from .check import GoodPhoto

# Diagonal of 35 mm film, 36 x 24 mm. CIPA DCG-001 defines the 35 mm equivalent by the diagonal.
_FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)

# Focal lengths outside these multiples of the long side (119 degrees to 5.7) are taken for wrong.
_PLAUSIBLE = (0.3, 10.0)

# Photos whose shape differs more than this from what the camera wrote have been cropped since.
_SHAPE_TOLERANCE = 0.02


def focal_pixels(header: PhotoHeader) -> float | None:
    """Focal length in pixels that EXIF tells, or None where it does not or cannot be right.

    From the 35 mm equivalent (which already contains digital zoom), else from the focal length
    and the resolution of the sensor. A photo cropped after it was taken gives None: how much of
    the sensor is left is then unknown.
    """
    long_side = max(header.width, header.height)
    if _is_cropped(header):
        return None
    focal = None
    if header.focal_35mm:
        diagonal = math.hypot(header.width, header.height)
        focal = header.focal_35mm / _FILM_DIAGONAL_MM * diagonal
    elif header.focal_mm and header.pixels_per_mm and header.exif_size:
        zoom = max(1.0, header.digital_zoom or 1.0)
        resized = long_side / header.exif_size[0]
        focal = header.focal_mm * header.pixels_per_mm * zoom * resized
    if focal is None or not _PLAUSIBLE[0] <= focal / long_side <= _PLAUSIBLE[1]:
        return None
    return focal


def group_photos(
    photos: Sequence[GoodPhoto],
    exposures: Sequence[int] | None = None,
) -> tuple[tuple[Photo, ...], tuple[CameraGroup, ...]]:
    """Numbers the cameras in order of appearance and gives each photo its camera.

    Photos share a camera where make, model, lens, body, focal length, digital zoom and size agree.
    Without EXIF the size alone decides, unless the sizes are so mixed that the photos cannot come
    from one or two cameras: then each such photo is its own camera.

    Args:
        photos: in the capture's order.
        exposures: number of what each shows, see `Photo.exposure`.
    """
    keys: dict[tuple, int] = {}
    groups: list[CameraGroup] = []
    result: list[Photo] = []
    mixed = _is_mixed_collection(photos)
    for number, photo in enumerate(photos):
        header, name = photo.header, photo.candidate.name
        alone = mixed and not _has_camera(header)
        key = (name,) if alone else _camera_key(header)
        if key not in keys:
            keys[key] = len(groups)
            label = f"{_label(header)} ({name})" if alone else _label(header)
            groups.append(CameraGroup(label, header.width, header.height, focal_pixels(header)))
        result.append(
            Photo(
                name,
                photo.candidate.path,
                header.width,
                header.height,
                keys[key],
                photo.sha256,
                header.stored_orientation,
                photo.candidate.seconds,
                header.seconds,
                photo.bits,
                None if exposures is None else exposures[number],
            )
        )
    return _with_common_bits(result), tuple(groups)


def _with_common_bits(photos: list[Photo]) -> tuple[Photo, ...]:
    """What a camera's brightest photo needs holds for all of its photos."""
    most: dict[int, int] = {}
    for photo in photos:
        if photo.bits is not None:
            most[photo.group] = max(photo.bits, most.get(photo.group, 0))
    return tuple(
        photo if photo.bits is None else replace(photo, bits=most[photo.group]) for photo in photos
    )


def _is_cropped(header: PhotoHeader) -> bool:
    if header.exif_size is None:
        return False
    long_side, short_side = header.exif_size
    ratio = max(header.width, header.height) / min(header.width, header.height)
    return abs(ratio / (long_side / short_side) - 1) > _SHAPE_TOLERANCE


def _has_camera(header: PhotoHeader) -> bool:
    return bool(header.make or header.model or header.focal_mm or header.focal_35mm)


def _camera_key(header: PhotoHeader) -> tuple:
    # The focal length in pixels tells crops and their originals apart.
    return (
        header.make,
        header.model,
        header.lens,
        header.serial,
        header.focal_mm,
        header.focal_35mm,
        header.digital_zoom,
        focal_pixels(header),
        header.width,
        header.height,
    )


def _is_mixed_collection(photos: Sequence[GoodPhoto]) -> bool:
    """Whether the photos without EXIF look like a collection from many cameras.

    In such a collection two photos of the same size are a coincidence (websites resize to the
    same few widths), while a single camera yields at most a landscape and a portrait size.
    """
    sizes = [(p.header.width, p.header.height) for p in photos if not _has_camera(p.header)]
    return len(sizes) >= 4 and 2 * len(set(sizes)) > len(sizes)


def _label(header: PhotoHeader) -> str:
    size = f"{header.width}x{header.height}"
    # Many models repeat their make: "Canon", "Canon EOS 5D".
    repeats = header.model.lower().startswith(header.make.split(" ")[0].lower())
    name = header.model if repeats else f"{header.make} {header.model}".strip()
    parts = [name or header.make]
    if header.focal_mm:
        parts.append(f"{header.focal_mm:.4g} mm")
    elif header.focal_35mm:
        parts.append(f"{header.focal_35mm:.4g} mm (35 mm equivalent)")
    parts.append(size)
    return " ".join(part for part in parts if part)
