"""`splatpose scale`: a run's outputs in metres."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..bounds import Bounds
from ..errors import SplatposeError
from .arguments import parse
from .main import DONE


@dataclass(frozen=True)
class Scale:
    """Sets the true scale of a finished run, which photos alone do not tell.

    All outputs in OUT are rewritten in metres, and a later `splatpose fit` into OUT keeps the
    scale. Without an option it says what the scale is. In the viewer it is set by measuring
    something whose size is known.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """Output folder of an earlier `splatpose fit`."""
    metres_per_unit: Annotated[float | None, Bounds(1e-9, 1e9)] = None
    """Metres in one of the run's own units, in which the cameras' RMS distance from their centre
    is 1."""
    forget: tyro.conf.FlagCreatePairsOff[bool] = False
    """Put the outputs back in the run's own units."""


def run(words: list[str]) -> int:
    """Runs `splatpose scale` and returns the exit code."""
    arguments = parse(Scale, words, prog="splatpose scale")
    if arguments.forget and arguments.metres_per_unit is not None:
        raise SplatposeError("There is a scale to set and one to forget.", "Give one of the two.")
    if not arguments.run.is_dir():
        raise SplatposeError(
            f"There is no folder {arguments.run}.", "Give the output folder of a `splatpose fit`."
        )
    from ..stages.outputs.rescale import scale_of_outputs, set_scale
    from ..stages.outputs.scale import metres_per_unit

    out, metres = arguments.run, arguments.metres_per_unit
    if arguments.forget:
        done = set_scale(out, None)
    elif metres is not None:
        done = set_scale(out, scale_of_outputs(out, metres))
    else:
        done = True
    if not done:
        print("A fit is at work in this folder: it will write its results so.", file=sys.stderr)
        return DONE
    present = metres_per_unit(out)
    print(
        f"{out}: the run's own units, no true scale"
        if present is None
        else f"{out}: in metres, {present:.6g} to one of the run's own units"
    )
    return DONE
