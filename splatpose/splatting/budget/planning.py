"""Chooses the numbers of a training for a time and a memory. Pure: a cost model in, a plan out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import numpy as np

from ...errors import SplatposeError
from ...scene.training_plan import TrainingPlan
from ...wording import duration
from ..config import TrainingConfig
from . import frontier
from .cost import CostModel, training_counts
from .frontier import Rung
from .memory import training_bytes
from .photo_set import PhotoSet, most_gaussians

_DEFAULT = TrainingConfig()
_LADDER = frontier.ladder()
_TOLERANCE = 1.02
"""Factor by which a plan may exceed the time that was asked for: it is interpolated."""
_UNUSED_SHARE = 0.85
"""Share of the time below which it is said that a plan does not need it all."""


@dataclass(frozen=True)
class Wish:
    """What was asked for, and what is not to be chosen."""

    minutes: float
    """Minutes of training; 0 leaves the time open."""
    memory_gib: float
    """Memory in GiB; 0 leaves it open."""
    max_size: int
    """Long side of the photos where it is given, or not planned."""
    training: TrainingConfig
    """Settings of the training where they are given, or not planned."""
    given: frozenset[str] = frozenset()
    """Options that stay as they are, such as `training.steps`."""


@dataclass(frozen=True)
class Limits:
    """What there is."""

    cost: CostModel | None
    """None where time does not matter."""
    base_bytes: int
    """Memory that is taken before the training."""
    free_bytes: int
    """Memory that is left, for plans that are asked nothing about it."""
    estimated: bool = False
    """Whether the model of memory, which is that of trainings on a CPU, is used for a GPU."""


@dataclass(frozen=True)
class _Candidate:
    max_size: int
    config: TrainingConfig
    seconds: float
    bytes: int
    work: float
    """Pixels x steps x Gaussians."""


def plan(photos: PhotoSet, wish: Wish, limits: Limits) -> TrainingPlan:
    """The training that is worth most in the time and the memory.

    Of the rungs of the frontier whose least steps fit into the time, each with as many steps as
    fit, the one is taken that has most pixels x steps x Gaussians, the higher of equal ones. So
    more time or memory never gives less of these.

    Raises:
        SplatposeError: the least that is possible needs more memory than was asked for.
    """
    planner = _Planner(photos, wish, limits)
    if not wish.minutes:
        return planner.within_memory()
    return planner.within_time()


class _Planner:
    def __init__(self, photos: PhotoSet, wish: Wish, limits: Limits) -> None:
        self._photos, self._wish, self._limits = photos, wish, limits
        self._seconds = 60 * wish.minutes
        self._bounded = False
        left = max(0, limits.free_bytes) + limits.base_bytes
        self._bytes = wish.memory_gib * 2**30 or float(left)

    def within_time(self) -> TrainingPlan:
        every = [self._shortest(rung) for rung in _LADDER]
        possible = [i for i, candidate in enumerate(every) if candidate.bytes <= self._bytes]
        self._bounded = len(possible) < len(every)
        if not possible:
            possible = [self._least_memory(every)]
        fitting = [i for i in possible if every[i].seconds <= self._seconds]
        if not fitting:
            return self._told(min((every[i] for i in possible), key=lambda c: c.seconds))
        steps = {i: self._filled(_LADDER[i], every[i]) for i in fitting}
        best = max(fitting, key=lambda i: (every[i].work * steps[i] / every[i].config.steps, i))
        return self._told(self._candidate(_LADDER[best], steps[best]))

    def within_memory(self) -> TrainingPlan:
        """The settings as they are, or the highest rung below them that the memory allows."""
        steps = self._wish.training.steps
        lower = [self._candidate(rung, steps, capped=True) for rung in _LADDER]
        every = [*lower, self._candidate(None, steps)]
        fitting = [candidate for candidate in every if candidate.bytes <= self._bytes]
        return self._told(fitting[-1] if fitting else every[self._least_memory(every)])

    def _least_memory(self, every: Sequence[_Candidate]) -> int:
        """Number of the candidate that takes least, if that may be.

        Raises:
            SplatposeError: memory was bounded, and no candidate fits.
        """
        least = min(range(len(every)), key=lambda i: every[i].bytes)
        if self._wish.memory_gib:
            given = _listed(self._wish.given)
            raise SplatposeError(
                f"{self._wish.memory_gib:g} GiB of memory are too little to train on "
                f"{len(self._photos)} photos: the least takes about "
                f"{every[least].bytes / 2**30:.1f} GiB, of which "
                f"{self._limits.base_bytes / 2**30:.1f} GiB are in use already.",
                "Ask for more with --memory, or take fewer photos"
                + (f"; or leave {given} to be chosen." if given else "."),
            )
        return least

    def _shortest(self, rung: Rung) -> _Candidate:
        """The rung with the fewest steps that it is taken with."""
        return self._candidate(rung, self._steps_of(rung)[0])

    def _steps_of(self, rung: Rung) -> tuple[int, int]:
        """Fewest and most steps of a rung for so many photos."""
        if "training.steps" in self._wish.given:
            return self._wish.training.steps, self._wish.training.steps
        photos = self._photos.num_training
        most = max(frontier.MOST_STEPS_OF_FEW, frontier.MOST_STEPS_A_PHOTO * photos)
        if rung is _LADDER[0]:
            return frontier.LEAST_STEPS, most
        enough = int(frontier.ENOUGH_SHARE * most)
        return min(enough, max(rung.steps, frontier.LEAST_STEPS_A_PHOTO * photos)), most

    def _filled(self, rung: Rung, least: _Candidate) -> int:
        """As many steps of a rung as the time allows, rounded down to three digits.

        A training's time rises with its steps in straight lines, which bend only where the last
        pass has its most steps.
        """
        fewest, most = self._steps_of(rung)
        bend = int(frontier.MOST_FINAL_STEPS / frontier.FINAL_SHARE)
        ends = [steps for steps in sorted({min(bend, most), most}) if steps > fewest]
        seconds = [least.seconds, *(self._candidate(rung, end).seconds for end in ends)]
        steps = int(np.interp(self._seconds, seconds, [fewest, *ends]))
        return max(fewest, min(most, _rounded_down(steps, 3)))

    def _candidate(self, rung: Rung | None, steps: int, *, capped: bool = False) -> _Candidate:
        """The training of a rung, or as it was wished; `capped` takes no more than was wished."""
        size, config = self._wish.max_size, replace(self._wish.training, steps=steps)
        if rung is not None:
            size, config = self._on(_below(rung, size, config) if capped else rung, size, config)
            if not capped:
                config = _stretched(config, self._wish.given)
        cost, photos = self._limits.cost, self._photos
        gaussians = most_gaussians(config, photos, size)
        seconds = float("nan")
        if cost is not None:
            seconds = cost.seconds(training_counts(config, photos, size))
        return _Candidate(
            max_size=size,
            config=config,
            seconds=seconds,
            bytes=training_bytes(config, photos, size, self._limits.base_bytes),
            work=photos.pixels(size) * config.steps * gaussians,
        )

    def _on(self, rung: Rung, size: int, config: TrainingConfig) -> tuple[int, TrainingConfig]:
        """Size and settings of a rung where they are not given, no more than the photos have."""
        given, photos = self._wish.given, self._photos
        if "views.max_size" not in given:
            size = photos.long_side(rung.max_size)
        if "training.sh_degree" not in given:
            config = replace(config, sh_degree=rung.sh_degree)
        if "training.max_gaussians" not in given:
            config = replace(config, max_gaussians=rung.max_gaussians)
            most = min(rung.max_gaussians, most_gaussians(config, photos, size))
            config = replace(config, max_gaussians=_rounded_down(most, 2))
        return size, config

    def _told(self, chosen: _Candidate) -> TrainingPlan:
        config = chosen.config
        return TrainingPlan(
            minutes=self._wish.minutes,
            memory_gib=self._wish.memory_gib,
            max_size=chosen.max_size,
            steps=config.steps,
            final_steps=config.final_steps,
            max_gaussians=config.max_gaussians,
            sh_degree=config.sh_degree,
            refine_every=config.refine_every,
            refine_start=config.refine_start,
            sh_every=config.sh_every,
            seconds=chosen.seconds,
            memory_mb=chosen.bytes / 2**20,
            given=tuple(sorted(self._wish.given)),
            note=self._note(chosen),
        )

    def _note(self, chosen: _Candidate) -> str:
        """What a person should know of time and memory."""
        return "; ".join(filter(None, (self._time_note(chosen), self._memory_note(chosen))))

    def _memory_note(self, chosen: _Candidate) -> str:
        """That the free memory does not suffice, or how far the figures can be trusted."""
        notes = []
        if chosen.bytes > self._bytes:
            given, base = _listed(self._wish.given), self._limits.base_bytes
            why = f"with {given} as given" if given else f"on {_counted(self._photos)}"
            notes.append(
                f"free memory is too little for any training {why}: the least takes about "
                f"{(chosen.bytes - base) / 2**30:.1f} GiB, "
                f"{(self._bytes - base) / 2**30:.1f} GiB can be planned with; it is made "
                "all the same, and may end for lack of memory"
            )
        if self._limits.estimated and (self._wish.memory_gib or self._bounded):
            notes.append("memory on a GPU is an estimate, by what trainings on a CPU take")
        return "; ".join(notes)

    def _time_note(self, chosen: _Candidate) -> str:
        """That the time does not suffice, or is not needed."""
        if not self._wish.minutes:
            return ""
        given = _listed(self._wish.given)
        asked = f"{self._wish.minutes:g} min"
        if chosen.seconds > _TOLERANCE * self._seconds:
            why = f"with {given} as given" if given else f"for {_counted(self._photos)}"
            return (
                f"{asked} are too few {why}: the least training takes about "
                f"{duration(chosen.seconds)}, and is made"
            )
        if chosen.seconds < _UNUSED_SHARE * self._seconds:
            if "training.steps" in self._wish.given:
                return f"not all of {asked} is used: {given} as given"
            if self._bounded:
                return f"not all of {asked} is used: memory allows no larger photos and Gaussians"
            photos = _counted(self._photos)
            return f"not all of {asked} is used: more steps are worth nothing for {photos}"
        return ""


def _below(rung: Rung, size: int, config: TrainingConfig) -> Rung:
    """The rung, nowhere above a size and settings."""
    return Rung(
        min(rung.max_size, size),
        min(rung.max_gaussians, config.max_gaussians),
        cast(Literal[0, 1, 2, 3], min(rung.sh_degree, config.sh_degree)),
        rung.steps,
    )


def _stretched(config: TrainingConfig, given: frozenset[str]) -> TrainingConfig:
    """The usual schedule over the config's number of steps, where it is not given."""
    factor = config.steps / _DEFAULT.steps
    usual = {
        "final_steps": min(
            frontier.MOST_FINAL_STEPS, max(1, round(frontier.FINAL_SHARE * config.steps))
        ),
        "refine_every": max(1, round(_DEFAULT.refine_every * factor)),
        "refine_start": round(_DEFAULT.refine_start * factor),
        "sh_every": max(1, round(_DEFAULT.sh_every * factor)),
    }
    free = {name: value for name, value in usual.items() if f"training.{name}" not in given}
    return replace(config, **free)


def _rounded_down(number: int, digits: int) -> int:
    """The number with zeros behind its first digits."""
    unit = 10 ** max(0, len(str(number)) - digits)
    return number // unit * unit


def _counted(photos: PhotoSet) -> str:
    return f"{len(photos)} photo{'s' * (len(photos) != 1)}"


def _listed(given: frozenset[str]) -> str:
    """Options as a person types them."""
    names = ["--" + name.replace("_", "-") for name in sorted(given)]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
