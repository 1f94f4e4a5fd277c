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
from ...sfm.mapping.focal_settlement import SettledFocal
from ...sfm.mapping.hypotheses import Hypothesis
from ...sfm.mapping.world_frame import uprightness
from ...sfm.match_consistency import Explanation
from ...wording import camera_label, groups_of_cameras, list_photos
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


def told_focal_lengths(
    settled: Sequence[SettledFocal], capture: Capture, model: SparseModel
) -> tuple[str, ...]:
    """A sentence on each focal length that matches leave open: what it rests on.

    Args:
        model: the final one, by whose focal lengths lenses behind one label are told apart.
    """
    groups = [photo.group for photo in capture.photos]
    owners = groups_of_cameras(groups, model.camera_index.tolist(), len(model.cameras))
    labels = [group.label for group in capture.groups]
    sentences = []
    for one in settled:
        label = camera_label(labels, owners, one.camera, float(model.cameras[one.camera].K[0, 0]))
        by = "what lenses are like" if one.exif is None else f"EXIF ({one.exif:.0f} px)"
        sentences.append(
            f"{label}: matches leave the focal length open by {100 * one.open_share:.0f} %: "
            f"{one.by_matches:.0f} px by them alone, {one.focal:.0f} px with {by}"
        )
    return tuple(sentences)


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
