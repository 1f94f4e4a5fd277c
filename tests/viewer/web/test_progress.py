"""Progress from the run's events."""

from __future__ import annotations

import pytest

from splatpose.viewer.web.progress import RunProgress


def test_a_run_that_goes_back_to_a_checkpoint_has_one_curve() -> None:
    progress = RunProgress()
    for step in (1, 5, 9, 5, 7):
        progress = progress.after(
            {
                "event": "training_step",
                "elapsed": 1,
                "step": step,
                "total_steps": 10,
                "loss": 0.1 * step,
                "num_gaussians": 5,
                "image_size": [4, 4],
                "held_out_psnr": 20.0,
            }
        )
    assert [step for step, _, _ in progress.curve] == [1, 5, 7]
    assert [step for step, _ in progress.psnr] == [1, 5, 7]


def test_the_time_that_is_left_recovers_from_a_pause() -> None:
    progress = RunProgress().after({"event": "stage_started", "elapsed": 0, "stage": "splats"})
    elapsed = 0.0
    for step in range(1, 201):
        elapsed += 1000 if step == 100 else 2
        line = {"event": "training_step", "elapsed": elapsed, "step": step, "total_steps": 300}
        progress = progress.after(line | {"loss": 0.1, "num_gaussians": 5, "image_size": [4, 4]})
    assert progress.remaining() == pytest.approx(200)
