"""Held-out photos against their renderings: evidence that comes after the training."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...scene.splats import TrainedSplats
from ...scene.verdicts import PhotoVerdict, Verdicts
from ...sfm.validation.pose_probability import lowered
from .advice import retake
from .judge import RENDERING_POINTS, worse_rendering

_FEWEST = 3
"""Held-out photos that it takes to know what is usual."""


def with_held_out(verdicts: Verdicts, trained: TrainedSplats) -> Verdicts:
    """The verdicts after the training: what held-out photos look like from their poses counts too.

    A photo that its rendering does not resemble, far less than the others resemble theirs, is not
    trusted any more. No verdict becomes better.
    """
    psnr = {score.name: score.psnr for score in trained.held_out}
    usual = float(np.median(list(psnr.values()))) if len(psnr) >= _FEWEST else float("nan")
    photos = tuple(_revised(photo, psnr.get(photo.name), usual) for photo in verdicts.photos)
    added = tuple(
        new.advice
        for old, new in zip(verdicts.photos, photos, strict=True)
        if new.advice is not None and new.advice != old.advice
    )
    return replace(verdicts, photos=photos, advice=(*verdicts.advice, *added))


def _revised(photo: PhotoVerdict, psnr: float | None, usual: float) -> PhotoVerdict:
    if psnr is None:
        return photo
    photo = replace(photo, evidence=replace(photo.evidence, held_out_psnr=psnr))
    if photo.level != "trusted" or not worse_rendering(psnr, usual):
        return photo
    reason = f"its rendering is {usual - psnr:.0f} dB worse than those of the other held-out photos"
    return replace(
        photo,
        level="weak",
        reason=reason,
        advice=retake(photo.name),
        probability=lowered(photo.probability, RENDERING_POINTS),
    )
