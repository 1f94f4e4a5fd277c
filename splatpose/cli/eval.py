"""`splatpose eval`: how good a result is, measured against the truth.

One function a mode; `run` picks the mode by the options that were given.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..evaluation.formats import Format, PhotoChoice
from .arguments import parse
from .main import DONE, USAGE

PROG = "splatpose eval"


@dataclass(frozen=True)
class Eval:
    """Measures cameras against the true ones: splatpose's, or anybody's.

    Prints position and rotation errors, the literature's RPE in both its units, AUC, focal error,
    and which photos are wrong.
    """

    result: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="OUT")] = None
    """What to measure: output folder of `splatpose fit`, folder with a COLMAP model,
    transforms.json, or TUM trajectory."""
    truth: Path | None = None
    """The true cameras: poses.json, transforms.json, COLMAP model, TUM file, or the folder of a
    data set (Tanks and Temples as NoPe-NeRF distributes it, LLFF, Mip-NeRF 360, CO3D, ScanNet,
    7-Scenes, TUM RGB-D, DTU)."""
    format: Format = "auto"
    """Format of the truth, where it is not recognised or taken for another."""
    photos: PhotoChoice = "all"
    """Which photos count: all, or one side of the data set's own split (without one, NoPe-NeRF's:
    every 8th from the fifth is a test photo). The literature measures poses on train."""
    json: Path | None = None
    """Also write all figures, and every photo's, to this file."""


def run(words: list[str]) -> int:
    """Runs `splatpose eval` and returns the exit code."""
    arguments = parse(Eval, words, prog=PROG)
    if arguments.truth is not None:
        return _against_truth(arguments, arguments.truth)
    return _wrong_usage("what to measure against is missing; give the true cameras with --truth")


def _against_truth(arguments: Eval, truth: Path) -> int:
    """Estimated cameras against true ones."""
    if arguments.result is None:
        return _wrong_usage("OUT, the result to measure, is missing")
    from ..evaluation.describe import describe_poses
    from ..evaluation.estimate import read_estimate
    from ..evaluation.poses import evaluate_poses
    from ..evaluation.readers import read_dataset
    from ..io.atomic import write_json

    estimate = read_estimate(arguments.result)
    evaluation = evaluate_poses(read_dataset(truth, arguments.format), estimate, arguments.photos)
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        source = {"result": arguments.result.as_posix(), "truth": truth.as_posix()}
        write_json(arguments.json, source | {"counted": arguments.photos} | evaluation.to_json())
    print(f"{arguments.result} ({estimate.kind}) against {truth}")
    print("\n".join(describe_poses(evaluation)))
    return DONE


def _wrong_usage(text: str) -> int:
    print(f"{PROG}: {text}. See {PROG} --help.", file=sys.stderr)
    return USAGE
