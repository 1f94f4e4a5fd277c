"""What image size, number of Gaussians, degree of colour and steps are worth together: data.

All that is tuned about `--minutes` stands here. Where the numbers are from:

* 320 px with 20,000 Gaussians and 1,000 steps, and 640 px with 40,000 and 2,000, are what learning
  rates and schedules were set at, on real photos.
* Time alone buys little where the number of Gaussians stays (tests/benchmarks/results/
  training.json, fox at 640 px with 40,000: 33.33 dB after 7,082 steps, 33.73 after 27,515). So size
  and Gaussians rise with the time, and steps no faster than is needed for both.
* More steps than some hundreds a photo make worse what few photos show (fountain_p11, 10 training
  photos: 28.49 dB after 4,606 steps, 27.42 after 21,784; fox, 58 photos, still gains at 474 a
  photo). `MOST_STEPS_A_PHOTO` lies between.
* The last rung is what 3DGS (arXiv:2308.04079) and 3DGS-MCMC (arXiv:2404.09591) train on GPUs.
* What lies between the third rung and the last is interpolated, not measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal


@dataclass(frozen=True)
class Rung:
    """A training that is worth its time, each more than the one before."""

    max_size: int
    """Long side of the photos in pixels."""
    max_gaussians: int
    sh_degree: Literal[0, 1, 2, 3]
    steps: int
    """Steps below which the rung before gives more."""


RUNGS = (
    Rung(240, 10_000, 1, 500),
    Rung(320, 20_000, 1, 1_000),
    Rung(480, 30_000, 2, 1_500),
    Rung(640, 40_000, 2, 2_000),
    Rung(800, 75_000, 3, 3_500),
    Rung(1024, 150_000, 3, 6_000),
    Rung(1280, 300_000, 3, 10_000),
    Rung(1600, 600_000, 3, 18_000),
    Rung(1600, 1_000_000, 3, 30_000),
)
"""What is known, lowest first. Planning takes the highest rung whose steps the time allows, of
these and those between them, and fills what is left with further steps."""
_BETWEEN = 3
"""Rungs that are made of one: itself, and others on the way to the next."""

LEAST_STEPS_A_PHOTO = 10
"""Steps for each training photo without which a rung above the first is not taken: every photo has
to be seen at most of the coarse sizes and some times at full size. By reasoning, not measured."""
MOST_STEPS_A_PHOTO = 600
"""Steps for each training photo beyond which a training is not stretched (see above)."""
ENOUGH_SHARE = 0.75
"""Share of the most steps with which any rung is taken, so that a longer time always finds one."""
MOST_STEPS_OF_FEW = 2_000
"""Steps that a training of however few photos may have: the default's."""
LEAST_STEPS = 200
"""Steps below which a training is no training."""
FINAL_SHARE, MOST_FINAL_STEPS = 0.1, 500
"""Share of the steps that the last pass has, and its most steps."""


def ladder() -> tuple[Rung, ...]:
    """`RUNGS` with others between them, each by the same factors above the one before."""
    rungs = []
    for low, high in pairwise(RUNGS):
        for part in range(_BETWEEN):
            share = part / _BETWEEN
            rungs.append(
                Rung(
                    _between(low.max_size, high.max_size, share, 16),
                    _between(low.max_gaussians, high.max_gaussians, share, 1000),
                    low.sh_degree,
                    _between(low.steps, high.steps, share, 10),
                )
            )
    return (*rungs, RUNGS[-1])


def _between(low: int, high: int, share: float, unit: int) -> int:
    """A number between two, by a factor, in whole units."""
    return round(low ** (1 - share) * high**share / unit) * unit
