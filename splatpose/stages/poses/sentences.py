"""What people are told of the poses while and after they are solved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...events import EventSink, Message
from ...scene.capture import Capture
from ...scene.evidence import PhotoEvidence
from ...scene.sparse_model import SparseModel
from ...sfm.correspondences import MatchTable
from ...sfm.lens_doubts import shifted_crops
from ...sfm.mapping.hypotheses import Hypothesis
from ...sfm.mapping.world_frame import uprightness
from ...sfm.match_consistency import Explanation
from ...wording import list_photos
from .config import PosesConfig
from .focal_lengths import left_by_the_estimate
from .no_parallax import perhaps_zoomed
from .refusal import describe_groups


def tell_left_out(
    names: Sequence[str],
    groups: Sequence[Sequence[int]],
    photos: Sequence[PhotoEvidence],
    emit: EventSink,
) -> None:
    """How many photos have no pose, and which photos hang together."""
    left = [photo for photo in photos if not photo.registered]
    if left:
        text = f"{len(left)} of {len(names)} photos could not be placed. "
        emit(Message("poses", (text + describe_groups(names, groups)).strip(), "warning"))


def tell_doubts(
    capture: Capture, table: MatchTable, model: SparseModel, config: PosesConfig, emit: EventSink
) -> None:
    """What a person should look at: focal lengths, zooms, and which way is down."""
    zoomed = perhaps_zoomed(capture, table, config.min_matches)
    doubts = filter(None, [zoomed, _told_crops(model)])
    for text in (*left_by_the_estimate(capture, model), *doubts):
        emit(Message("poses", text, "warning"))
    _tell_uprightness(model, emit)


def _told_crops(model: SparseModel) -> str:
    """Which photos are crops of another part of the picture than the others; "" for none."""
    shifted = np.flatnonzero(shifted_crops(model)).tolist()
    if not shifted:
        return ""
    return (
        f"{list_photos(model.names, shifted)}: the middle of the lens is not where others "
        "have it, as in stabilised video or photos cropped off the middle: poses may be off. "
        "Use photos as the camera took them, and switch stabilisation off"
    )


def _tell_uprightness(model: SparseModel, emit: EventSink) -> None:
    """Photos that lie on their side though their files do not say so, and whether down is sure."""
    held = uprightness(model.cam_from_world[model.registered])
    turned = np.flatnonzero(model.registered)[held.quarter_turns != 0].tolist()
    if turned:
        text = f"{len(turned)} photos lie on their side: {list_photos(model.names, turned)}"
        emit(Message("poses", f"{text}. Down is where all of them together have it."))
    if not held.certain:
        text = "Which way is down is uncertain: another direction explains how the camera was held"
        emit(Message("poses", f"{text} about as well. Results may lie on their side.", "warning"))


def summary(model: SparseModel, explanation: Explanation, chosen: Hypothesis) -> str:
    """The stage's result in a line."""
    registered = int(model.registered.sum())
    return (
        f"{registered}/{len(model.names)} photos placed, {len(model.points)} points, "
        f"{100 * explanation.share:.0f} % of the matches explained ({chosen.name})"
    )
