"""What people who watch a run may ask of it: the way back, against the stream of events.

A stage that can be steered is given a `SteeringSource` and asks it between two steps. Where the
wishes come from is no concern of the stage; `runs.steering` has those that lie in a run's folder.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Steering:
    """The wishes of this moment."""

    watched: bool = False
    """Somebody looks on: intermediate results are worth writing down."""
    pause: bool = False
    """Wait, until this is false again."""
    stop: bool = False
    """Come to an end now, and save what there is as a result."""


SteeringSource = Callable[[], Steering]
"""Says what is wished now. Cheap enough to be called at every step."""


def unsteered() -> Steering:
    """A `SteeringSource` of a run that nobody watches."""
    return Steering()


@dataclass(frozen=True)
class StoppedEarly:
    """What a stage returns that was asked to stop: there is a result, and it can go on later."""

    summary: str
    """One line for a person: what came out."""
