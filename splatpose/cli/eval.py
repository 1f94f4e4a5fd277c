"""`splatpose eval`: how good a result is, measured against the truth.

One function a mode; `run` picks the mode by the options that were given.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from ..configs import PresetName
from ..evaluation.formats import Format, PhotoChoice
from ..io.atomic import write_json
from ..viewer import watch_in_terminal
from .arguments import parse
from .main import DONE, MENDABLE, USAGE

PROG = "splatpose eval"


@dataclass(frozen=True)
class Eval:
    """Measures cameras against the true ones, splatpose's or anybody's; novel views; whole suites.

    With --truth it prints position and rotation errors, the literature's RPE in both its units,
    AUC, focal error, and which photos are wrong. With --split it measures renderings of test
    photos. With --suite it runs splatpose on many scenes and makes the published kind of table.
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
    verify_model: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Judge anybody's COLMAP model of the same photos without truth: OUT, a run of `splatpose fit`,
    gives photos and matches. Prints a verdict for every photo; exit code 1 where the model is not
    found right."""
    json: Path | None = None
    """Also write all figures, and every photo's, to this file."""
    split: Annotated[str, tyro.conf.arg(metavar="SPLIT")] = ""
    """Measure novel views: which photos are test photos. every:8 is NoPe-NeRF's, family:2 its one
    for Tanks and Temples Family, a file names them line by line. Where OUT's splat saw them it is
    trained again without them. With --suite stress: tune, test (default) or all."""
    lpips: Literal["auto", "download", "none"] = "auto"
    """LPIPS of novel views: auto measures it where its weights are at hand, download gets them
    (0.5 GB)."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """The photos of OUT, where they are no longer where its run had them."""
    weights_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of network weights that were fetched elsewhere."""
    suite: Literal["nope-nerf", "stress"] | None = None
    """Run a whole suite instead: nope-nerf (every scene under --data: poses and novel views beside
    published figures) or stress (scenes that break tools, with COLMAP on the same photos)."""
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Scenes of the suite. Default for stress: $SPLATPOSE_STRESS, then the cache."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="DIR")] = None
    """Where the suite keeps runs and tables; run it again to go on. Default: runs/SUITE."""
    only: tuple[str, ...] | None = None
    """Scenes of the suite, by name; all by default."""
    methods: tuple[Literal["splatpose", "incremental", "global"], ...] | None = None
    """Who takes part in the stress suite: splatpose and COLMAP's two mappers by default."""
    train: tyro.conf.FlagCreatePairsOff[bool] = False
    """Stress suite: let splatpose train Gaussians too; poses and verdicts do without."""
    preset: PresetName = "default"
    """Options of splatpose in a suite."""
    max_size: Annotated[int, tyro.conf.arg(metavar="PX")] = 0
    """Long side of the photos that a suite trains on, in pixels; 0 leaves it to the preset."""
    max_steps: Annotated[int, tyro.conf.arg(metavar="N")] = 0
    """Training steps in a suite; 0 leaves it to the preset."""
    seed: int = 0
    """Seed of everything random in a suite."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Forget what an earlier run of the suite left."""


def run(words: list[str]) -> int:
    """Runs `splatpose eval` and returns the exit code."""
    arguments = parse(Eval, words, prog=PROG)
    if arguments.verify_model is not None:
        return _verify(arguments, arguments.verify_model)
    if arguments.suite is not None:
        from .suites import run_suite

        return run_suite(arguments, arguments.suite)
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
    if arguments.json is not None:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        write_json(arguments.json, figures)
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


def _verify(arguments: Eval, model: Path) -> int:
    """A COLMAP model against matches that it was not made from."""
    if arguments.result is None:
        return _wrong_usage("OUT, the run that gives photos and matches, is missing")
    from ..trust.verify import describe_verification, verify_model

    with watch_in_terminal(sys.stderr) as emit:
        found = verify_model(arguments.result, model, emit)
    if arguments.json is not None:
        source = {"result": arguments.result.as_posix(), "model": model.as_posix()}
        write_json(arguments.json, source | asdict(found))
    print("\n".join(describe_verification(found)))
    return DONE if found.judgement == "right" else MENDABLE


def _wrong_usage(text: str) -> int:
    print(f"{PROG}: {text}. See {PROG} --help.", file=sys.stderr)
    return USAGE
