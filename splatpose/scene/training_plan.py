"""What a training of a given time is to be like, in plain numbers."""

from __future__ import annotations

from dataclasses import dataclass

_NAN = float("nan")


@dataclass(frozen=True)
class TrainingPlan:
    """Numbers that were chosen for a time and a memory, and what they are expected to cost."""

    minutes: float
    """Minutes of training that were asked for; 0 where only memory was bounded."""
    memory_gib: float
    """Memory that was asked for, in GiB; 0 where none was."""
    max_size: int
    """Long side of the photos that are trained on, in pixels."""
    steps: int
    """Training steps before the held-out photos are measured."""
    final_steps: int
    """Steps of the last pass, on all photos."""
    max_gaussians: int
    """Largest number of Gaussians."""
    sh_degree: int
    """Degree of the spherical harmonics of colour."""
    refine_every: int
    """Steps between two densifications."""
    refine_start: int
    """First step at which Gaussians are added or moved."""
    sh_every: int
    """Steps after which the degree of colour is raised by one."""
    seconds: float = _NAN
    """Seconds that the training is expected to take, with the preparation of the photos and the
    measurement of those held out; NaN where nothing was timed."""
    memory_mb: float = _NAN
    """Memory that the training is expected to take at most, in MiB: of the process, or of the card
    where it runs on one."""
    given: tuple[str, ...] = ()
    """Options that were taken as they are."""
    note: str = ""
    """What the time or the memory is too little or too much for, and whether memory on a GPU is
    estimated; empty where it fits."""
