"""`splatpose eval`: how good a result is, measured against the truth.

One function a mode; `run` picks the mode by the options that were given.
"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..viewer import watch_in_terminal
from .arguments import parse
from .eval_options import Eval
from .json_output import JsonTarget, with_target
from .main import DONE, MENDABLE, USAGE

PROG = "splatpose eval"


def run(words: list[str]) -> int:
    """Runs `splatpose eval` and returns the exit code."""
    arguments = parse(Eval, with_target(words), prog=PROG)
    with JsonTarget(arguments.json).leaving_stdout() as target:
        return _run(arguments, target)


def _run(arguments: Eval, target: JsonTarget) -> int:
    if arguments.verify_model is not None:
        return _verify(arguments, arguments.verify_model, target)
    if arguments.suite is not None:
        from .suites import run_suite

        return run_suite(arguments, arguments.suite, target)
    if arguments.truth is None and not arguments.split:
        return _wrong_usage(
            "what to measure is missing; give the true cameras with --truth, name test photos "
            "with --split, give a model to judge with --verify-model, or run a --suite"
        )
    if arguments.result is None:
        return _wrong_usage("OUT, the result to measure, is missing")
    figures: dict[str, Any] = {"result": arguments.result.as_posix()}
    if arguments.truth is not None:
        figures |= _against_truth(arguments, arguments.result, arguments.truth)
    if arguments.split:
        figures |= _novel_views(arguments, arguments.result)
    target.write(figures)
    return DONE


def _against_truth(arguments: Eval, result: Path, truth: Path) -> dict[str, Any]:
    """Estimated cameras against true ones."""
    from ..evaluation.describe import describe_poses
    from ..evaluation.estimate import read_estimate
    from ..evaluation.poses import evaluate_poses
    from ..evaluation.readers import read_dataset

    estimate = read_estimate(result)
    evaluation = evaluate_poses(read_dataset(truth, arguments.format), estimate, arguments.photos)
    print(f"{result} ({estimate.kind}) against {truth}")
    print("\n".join(describe_poses(evaluation)))
    return {"truth": truth.as_posix(), "counted": arguments.photos} | evaluation.to_json()


def _novel_views(arguments: Eval, result: Path) -> dict[str, Any]:
    """Test photos of a run against their renderings."""
    from ..evaluation.held_out_run import novel_views_of
    from ..evaluation.novel_views_table import as_json, as_markdown

    with watch_in_terminal(sys.stdout) as emit:
        scores = novel_views_of(
            result,
            arguments.split,
            images=arguments.images,
            weights_dir=arguments.weights_dir,
            lpips=arguments.lpips,
            emit=emit,
        )
    print(as_markdown(scores), end="")
    return {"novel_views": {"split": arguments.split} | as_json(scores)}


def _verify(arguments: Eval, model: Path, target: JsonTarget) -> int:
    """A COLMAP model against matches that it was not made from."""
    if arguments.result is None:
        return _wrong_usage("OUT, the run that gives photos and matches, is missing")
    from ..evaluation.verify_model import describe_verification, verify_model

    with watch_in_terminal(sys.stderr) as emit:
        found = verify_model(arguments.result, model, emit)
    source = {"result": arguments.result.as_posix(), "model": model.as_posix()}
    target.write(source | asdict(found))
    print("\n".join(describe_verification(found)))
    return DONE if found.judgement == "right" else MENDABLE


def _wrong_usage(text: str) -> int:
    print(f"{PROG}: {text}. See {PROG} --help.", file=sys.stderr)
    return USAGE
