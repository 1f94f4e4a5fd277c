"""Why photos show no parallax, and what to do about it: the cause that explains matches best."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Int

from ...errors import SplatposeError
from ...scene.capture import Capture
from ...scene.matches import MatchGraph
from ...sfm.correspondences import MatchTable, match_table, overlapping
from ...sfm.image_motion import ImageMotion, image_motion, zoom_share

STEP_HINT = (
    "Walk around the scene: between one photo and the next take a step to the side, so that the "
    "camera itself moves by about a tenth of the distance to what you photograph."
)
_STILL, _MOVING, _ZOOMED, _SURELY_ZOOMED = 0.5, 0.05, 0.9, 0.95
_PATCH, _SEEN_THROUGH = 0.25, 0.6
_BURST_PX = 50.0


def motion_between(
    capture: Capture,
    graph: MatchGraph,
    putative: Mapping[tuple[int, int], Int[np.ndarray, "_ 2"]],
    min_matches: int,
) -> ImageMotion | None:
    """How matches move between photos that overlap, those included that verification dropped.

    Args:
        putative: matches before verification, by photo indices.
        min_matches: verified matches of a pair that counts as overlapping.
    """
    matches = [putative[i, j] for i, j in graph.pairs.tolist()]
    before = replace(
        graph,
        matches=np.concatenate([np.zeros((0, 2), np.int64), *matches]),
        offsets=np.cumsum([0, *map(len, matches)]),
    )
    rows = np.flatnonzero(graph.num_verified >= min_matches)
    return image_motion(match_table(before), _sides(capture), rows)


def perhaps_zoomed(capture: Capture, table: MatchTable, min_matches: int) -> str:
    """A warning where the poses may be those of a camera that zoomed and stood; "" elsewhere.

    By less than what tells it from a camera that walks, see `rotation_only.zoom_only`.
    """
    share = zoom_share(table, _sides(capture), overlapping(table, min_matches))
    if share < _SURELY_ZOOMED:
        return ""
    return (
        f"a change of size alone explains {100 * share:.0f} % of what photos share: if the camera "
        "zoomed and did not move, no pose here is right. Leave the zoom as it is, and step "
        "sideways between photos"
    )


def _sides(capture: Capture) -> Float[np.ndarray, " V"]:
    return np.array([float(max(photo.width, photo.height)) for photo in capture.photos])


def cause_of(motion: ImageMotion | None) -> SplatposeError | None:
    """The refusal that names why the camera seems not to move; None where nothing special does."""
    if motion is None:
        return None
    if motion.still >= _STILL and motion.moving >= _MOVING:
        return _over_all(motion) or _turntable(motion)
    if motion.still >= _STILL:
        return SplatposeError(
            "The camera stood still: "
            f"{100 * motion.still:.0f} % of what photos share is at the same place in them, as in "
            "a video from a tripod. Without another point of view there is no depth to measure.",
            "Carry the camera. " + STEP_HINT,
        )
    if motion.zoom >= _ZOOMED:
        return SplatposeError(
            "The camera zoomed and did not move: a change of size alone explains "
            f"{100 * motion.zoom:.0f} % of what photos share.",
            "Leave the zoom as it is and move instead. " + STEP_HINT,
        )
    if motion.shift <= _BURST_PX:
        return SplatposeError(
            "All photos show nearly the same picture, as those of one burst do: what they share "
            f"shifts by only {motion.shift:.0f} of 1000 pixels.",
            "One photo of each view is enough. " + STEP_HINT,
        )
    return None


def _over_all(motion: ImageMotion) -> SplatposeError | None:
    """Where what stands still lies over what moves."""
    if motion.still_area > _PATCH and motion.mixed <= _SEEN_THROUGH:
        return None
    return SplatposeError(
        f"Something stands still in all photos, and {100 * motion.moving:.0f} % of what they share "
        "moves beneath it: writing, a logo, a watermark or a frame lies over them, and its matches "
        "outvote the scene's.",
        "Use the photos without it, or crop it away.",
    )


def _turntable(motion: ImageMotion) -> SplatposeError:
    return SplatposeError(
        f"The background stands still while {100 * motion.moving:.0f} % of what photos share "
        "moves before it: an object on a turntable, or something that walks by, and a camera on a "
        "tripod. Most matches are the background's, and say that nothing moved.",
        "Walk around the object with the camera instead of turning it; or put it before a plain "
        "background without texture, evenly lit, so that only the object is matched.",
    )


def only_zoomed(share: float, factor: float) -> SplatposeError:
    """The refusal of photos between which the camera only zoomed and turned.

    Args:
        share: of the matches that zooming and turning alone explain, 0 to 1.
        factor: longest over shortest focal length.
    """
    return SplatposeError(
        f"The camera zoomed (by {factor:.2g}) and did not move: one point of view and a focal "
        f"length for every photo explain {100 * share:.0f} % of what photos share. "
        "Walking straight at something flat takes the same photos, and no depth shows in either.",
        "Leave the zoom as it is and move instead. " + STEP_HINT,
    )


def only_turned(share: float) -> SplatposeError:
    """The refusal of photos between which the camera only turned.

    Args:
        share: of the matches that turning alone explains, 0 to 1.
    """
    return SplatposeError(
        "The camera only turned between the photos and did not move: turning alone explains "
        f"{100 * share:.0f} % of the matches, so there is no parallax to measure depth from.",
        "Step sideways between photos instead of turning on the spot. " + STEP_HINT,
    )
