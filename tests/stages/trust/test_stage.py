"""Verdicts after renderings of held-out photos were scored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from scenes.trust import five_verdicts

from splatpose.scene.splats import HeldOutScore, Splats, TrainedSplats
from splatpose.stages.trust.stage import with_held_out


def trained(scores: dict[str, float]) -> TrainedSplats:
    empty = torch.zeros(0, 3)
    splats = Splats(empty, torch.zeros(0, 4), empty, torch.zeros(0), torch.zeros(0, 1, 3))
    held_out = tuple(HeldOutScore(name, psnr, 0.9) for name, psnr in scores.items())
    return TrainedSplats(splats, held_out, True, "cpu", 1, (), Path())


def test_a_rendering_unlike_its_photo_takes_trust_away() -> None:
    scores = {"0.jpg": 30.0, "1.jpg": 29.0, "2.jpg": 14.0, "3.jpg": 28.0}
    revised = with_held_out(five_verdicts(), trained(scores))
    assert [photo.level for photo in revised.photos] == [
        *("weak", "trusted", "weak", "trusted", "trusted")
    ]
    assert revised.photos[2].evidence.held_out_psnr == 14.0
    assert revised.photos[2].probability < 0.5
    assert [photo.probability for photo in revised.photos if photo.name != "2.jpg"] == [0.97] * 4
    assert "dB worse" in revised.photos[2].reason
    assert revised.photos[2].advice in revised.advice
    assert revised.photos[0].reason == "why", "a good rendering does not raise a level"
    assert np.isnan(revised.photos[4].evidence.held_out_psnr)


def test_two_held_out_photos_do_not_tell_what_is_usual() -> None:
    revised = with_held_out(five_verdicts(), trained({"1.jpg": 30.0, "2.jpg": 10.0}))
    assert [photo.level for photo in revised.photos] == [p.level for p in five_verdicts().photos]
