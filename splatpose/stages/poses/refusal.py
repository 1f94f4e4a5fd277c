"""When there is nothing to reconstruct: why, and what to photograph next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...errors import SplatposeError
from ...geometry.graphs import components
from ...io.colmap_database import read_putative
from ...scene.camera import Camera
from ...scene.capture import Capture
from ...scene.matches import MatchGraph
from ...sfm.correspondences import MatchTable
from ...sfm.mapping.rotation_only import rotation_only_share, zoom_only
from ...sfm.match_consistency import Explanation
from ...wording import list_photos
from .no_parallax import STEP_HINT, cause_of, motion_between, only_turned, only_zoomed

_TURN_PIXELS = 6.0
_TURN_SHARE = 0.75
_ZOOM_PIXELS = 5.0
_ZOOM_SHARE = 0.85
_MIN_ANGLE_DEG = 0.3
_OVERLAP_HINT = (
    "Photograph one place from many positions, neighbouring photos sharing at least two thirds "
    "of what they show."
)


def overlap_groups(graph: MatchGraph, num_photos: int, min_matches: int) -> list[list[int]]:
    """Photos connected by verified matches, the largest group first."""
    strong = graph.pairs[graph.num_verified >= min_matches]
    return sorted(components(strong, num_photos), key=lambda group: (-len(group), group[0]))


def check_count(capture: Capture) -> None:
    """Refuses a single photo.

    Raises:
        SplatposeError: there is only one.
    """
    if len(capture.photos) == 1:
        raise SplatposeError(
            f"There is only one photo ({capture.photos[0].name}): camera poses need at least two "
            "that overlap.",
            _OVERLAP_HINT,
        )


def check_overlap(capture: Capture, groups: Sequence[Sequence[int]]) -> None:
    """Refuses captures in which no two photos show the same thing.

    Raises:
        SplatposeError: no or next to no overlap.
    """
    names = [photo.name for photo in capture.photos]
    if len(groups[0]) == 1:
        raise SplatposeError(
            f"No two of the {len(names)} photos show the same thing: no pair shares enough "
            "matches, so nothing connects their cameras.",
            _OVERLAP_HINT,
        )
    if _too_few(len(groups[0]), len(names)):
        raise SplatposeError(
            f"Only {len(groups[0])} of {len(names)} photos overlap "
            f"({list_photos(names, groups[0])}); the others show other places. "
            f"{describe_groups(names, groups)}",
            _OVERLAP_HINT,
        )


def check_turning(
    capture: Capture,
    graph: MatchGraph,
    table: MatchTable,
    cameras: tuple[Camera, ...],
    known: Sequence[bool],
    min_matches: int,
) -> None:
    """Refuses captures in which the camera only turned, or zoomed, and never moved.

    Raises:
        SplatposeError: one rotation a pair, or with it a focal length for every photo, explains
            nearly all verified matches. It names what explains that best: turning, or a camera
            that stood still, zoomed, looked at a turntable, or took photos with something over
            them.
    """
    groups = np.array([photo.group for photo in capture.photos])
    share = rotation_only_share(
        table,
        cameras,
        groups,
        known_focal=all(known),
        max_error_px=_TURN_PIXELS,
        min_matches=min_matches,
    )
    if share >= _TURN_SHARE:
        raise _cause(capture, graph, min_matches) or only_turned(share)
    zoom = zoom_only(table, cameras, groups, max_error_px=_ZOOM_PIXELS, min_matches=min_matches)
    if zoom.share >= _ZOOM_SHARE:
        raise only_zoomed(zoom.share, zoom.factor)


class NothingReconstructed(SplatposeError):
    """Photos match, and no way of mapping gave a reconstruction."""


def nothing_reconstructed(
    capture: Capture,
    graph: MatchGraph,
    groups: Sequence[Sequence[int]],
    tried: Sequence[str],
    min_matches: int,
) -> NothingReconstructed:
    """The refusal for photos that match and yet gave no reconstruction."""
    if (cause := _cause(capture, graph, min_matches)) is not None:
        return NothingReconstructed(cause.message, cause.hint)
    names = [photo.name for photo in capture.photos]
    verified = graph.num_verified[graph.num_verified > 0]
    typical = int(np.median(verified)) if len(verified) else 0
    return NothingReconstructed(
        f"No camera poses could be found from {len(names)} photos (all {len(tried)} ways of "
        f"mapping failed): overlapping pairs share {typical} verified matches on median. "
        f"{describe_groups(names, groups)}".strip(),
        "Take more photos with more overlap, of surfaces with texture, sharp and evenly lit. "
        + STEP_HINT,
    )


def check_result(
    capture: Capture,
    graph: MatchGraph,
    groups: Sequence[Sequence[int]],
    num_registered: int,
    median_angle: float,
    min_matches: int,
) -> None:
    """Refuses a reconstruction that holds next to nothing, or nothing but noise as depth.

    Args:
        median_angle: between the rays of explained matches, in degrees.

    Raises:
        SplatposeError: too few photos registered, or hardly any parallax.
    """
    names = [photo.name for photo in capture.photos]
    if _too_few(num_registered, len(names)):
        raise SplatposeError(
            f"Only {num_registered} of {len(names)} photos could be placed. "
            f"{describe_groups(names, groups)}".strip(),
            _OVERLAP_HINT,
        )
    if median_angle < _MIN_ANGLE_DEG:
        raise _cause(capture, graph, min_matches) or SplatposeError(
            "The camera hardly moved: the same point is seen under angles that differ by only "
            f"{median_angle:.2f} degrees on median, so its depth cannot be measured.",
            STEP_HINT,
        )


def check_support(
    num_photos: int, num_registered: int, explanation: Explanation, *, confirmed: bool
) -> None:
    """Refuses a reconstruction that its own photos' matches speak against.

    Photos of different places share false matches, and some mapper makes something of them.

    Args:
        confirmed: whether an independent reconstruction says the same: where a place repeats, a
            right one may have most matches against it.

    Raises:
        SplatposeError: no fewer matches contradict it than agree with it.
    """
    agree, deny = int(explanation.explained.sum()), int(explanation.contradicted.sum())
    if not confirmed and deny >= agree:
        raise SplatposeError(
            f"No reconstruction of these photos can be believed. In the best one {num_registered} "
            f"of {num_photos} have poses; {deny} matches between them contradict it, {agree} agree "
            "with it, and no other way of mapping confirms it.",
            _OVERLAP_HINT,
        )


def describe_groups(names: Sequence[str], groups: Sequence[Sequence[int]]) -> str:
    """Which groups of photos share no matches with each other; empty if all are connected."""
    several = [group for group in groups if len(group) > 1]
    single = [group[0] for group in groups if len(group) == 1]
    parts = []
    if len(several) > 1:
        listed = " and ".join(list_photos(names, group) for group in several[:4])
        parts.append(
            f"{len(several)} groups share no matches with each other: {listed}. "
            "Photos between them would connect them."
        )
    if single and several:
        parts.append(f"No match with any other photo: {list_photos(names, single)}.")
    return " ".join(parts)


def _cause(capture: Capture, graph: MatchGraph, min_matches: int) -> SplatposeError | None:
    """What else than its way makes a camera look as if it had not moved, if matches tell."""
    putative = read_putative(graph.database)
    return cause_of(motion_between(capture, graph, putative, min_matches))


def _too_few(registered: int, total: int) -> bool:
    return registered < 2 or (registered < 3 and total >= 5)
