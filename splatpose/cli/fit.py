"""`splatpose fit`: the command line in front of `splatpose.pipeline.fit`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import tyro

from ..bounds import PORT, SHARE, SIDE, Bounds
from ..config import FitConfig
from ..configs import PRESETS, PresetName
from ..errors import SplatposeError
from ..events import EventSink, Message
from ..interruption import describe, exit_code
from ..stages.outputs.layout import REPORT
from ..viewer import FanOut, JsonLines, watch_in_terminal
from .arguments import parse
from .fit_words import gathered, named_preset, planned_by_hand, with_json_flag, with_share
from .main import DONE, USAGE
from .short_help import short_help

if TYPE_CHECKING:
    from ..viewer.companion import Companion

PROG = "splatpose fit"


@dataclass(frozen=True)
class Fit:
    """Turns photos with unknown camera poses into camera poses and a 3D Gaussian splat.

    Run the same command again to resume: stages that are done and still valid are kept. Options
    of single stages (--help-all) win over the preset.
    """

    images: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="IMAGES")]
    """Folder of photos, searched recursively, or a video."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=["-o"], metavar="OUT")] = None
    """Folder for the results; made if missing. Default: runs/NAME, with NAME that of IMAGES."""
    preset: PresetName = "default"
    """Start of all other options: fast trains half a minute, quality 12 minutes."""
    minutes: Annotated[float | None, tyro.conf.arg(metavar="M"), Bounds(0.1, 10_000, also=0)] = None
    """Minutes of training, 1.5 unless given (on a GPU 6): size, steps and Gaussians follow. By what
    they cost on this machine; those that are given stay. 0 plans nothing, nor does --max-steps
    alone. Same as --budget.minutes."""
    memory: Annotated[float, tyro.conf.arg(metavar="GIB"), Bounds(0.1, 100_000, also=0)] = 0.0
    """Training memory; on a GPU an estimate. In GiB; 0 sets no bound. Same as --budget.memory."""
    max_size: Annotated[int, tyro.conf.arg(metavar="PX"), SIDE] = 640
    """Long side of training photos, in px. Same as --views.max-size."""
    max_steps: Annotated[int, tyro.conf.arg(metavar="N"), Bounds(1, 10_000_000)] = 2000
    """Training steps, one photo each. Same as --training.steps."""
    matcher: Literal["auto", "xfeat", "xfeat+sift", "aliked", "sift"] = "auto"
    """Local features; sift needs no network weights. Same as --matching.matcher."""
    depth: Annotated[str, tyro.conf.arg(metavar="DIR|auto|none")] = "none"
    """Depth priors: a folder with a map a photo (16-bit PNG, .npy, .exr), or auto for a network.
    Same as --depth.source."""
    backend: Literal["auto", "gsplat", "cpu"] = "auto"
    """Rasterizer: gsplat needs a CUDA GPU. Same as --training.backend."""
    eval_every: Annotated[int, tyro.conf.arg(metavar="N"), Bounds(2, 1_000_000, also=0)] = 8
    """Every N-th photo is held out of training to measure quality; 0 holds out none. Same as
    --views.eval-every."""
    include: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="NAME")] = None
    """Name, folder or pattern of pictures to take though they look like copies of other photos,
    masks, sheets or renderings; may be repeated. Same as --capture.include."""
    keep_holdout: tyro.conf.FlagCreatePairsOff[bool] = False
    """Leave out the last training pass on all photos, so that held-out photos stay unseen. For
    benchmarks. Same as --training.keep-holdout."""
    weights_dir: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of network weights that were fetched elsewhere. Default: $SPLATPOSE_WEIGHTS, then
    installed packages, the cache, a download."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Forget the results of an earlier run and begin anew."""
    strict: Annotated[float, tyro.conf.arg(metavar="SHARE"), SHARE] = 0.0
    """Exit with code 1 when a smaller share of all photos than this is trusted; everything is
    written all the same. --strict alone means 0.9."""
    view: tyro.conf.FlagCreatePairsOff[bool] = False
    """Open a web page on which to watch the run; it stays open until Ctrl-C. Any run can also be
    watched from another terminal with `splatpose view OUT`."""
    port: Annotated[int, PORT] = 8080
    """Port of the page; where it is busy, the next free one."""
    host: str = "127.0.0.1"
    """Address on which the page is served. Any but this machine's own lets others in who have the
    address that is printed, with its access token."""
    json: tyro.conf.FlagCreatePairsOff[bool] = False
    """Print events as JSON, one object a line; the last is run_finished or error."""
    config: Annotated[FitConfig, tyro.conf.arg(name="")] = field(default_factory=FitConfig)
    """All stages' options."""


SHORTCUTS = {
    "minutes": "budget.minutes",
    "memory": "budget.memory",
    "max_size": "views.max_size",
    "max_steps": "training.steps",
    "depth": "depth.source",
    "matcher": "matching.matcher",
    "backend": "training.backend",
    "eval_every": "views.eval_every",
    "include": "capture.include",
    "keep_holdout": "training.keep_holdout",
}
"""Options of `Fit` that are second names of a field of `FitConfig`."""


class ContradictionError(Exception):
    """A value was given twice, differently, under its two names."""


def run(words: list[str]) -> int:
    """Runs `splatpose fit` with the command line `words` and returns the exit code."""
    try:
        arguments = read_arguments(words)
    except ContradictionError as error:
        print(f"{PROG}: {error}", file=sys.stderr)
        return USAGE
    from ..pipeline import fit  # here, because --help needs none of it

    out = arguments.out or Path("runs") / _name(arguments.images)
    try:
        with ExitStack() as stack:
            with _consumer(json=arguments.json) as emit:
                if arguments.out is None:
                    emit(Message("capture", f"results go to {out} (choose another folder with -o)"))
                viewer = stack.enter_context(_viewer(arguments, out, emit))
                fit(
                    arguments.images,
                    out,
                    arguments.config,
                    weights_dir=arguments.weights_dir,
                    overwrite=arguments.overwrite,
                    emit=emit,
                )
            for reason in emit.lost:
                print(f"warning: the run was not told to its end: {reason}", file=sys.stderr)
            if viewer is not None and viewer.is_running:
                print("The viewer stays open. Ctrl-C ends it.", file=sys.stderr)
                viewer.wait()
        if arguments.strict:
            check_trust(out, arguments.strict)
    except KeyboardInterrupt as error:
        again = shlex.join(["splatpose", "fit", *(w for w in words if w != "--overwrite")])
        print(
            f"{describe(error)} What is done so far is kept in {out}. To go on:\n  {again}",
            file=sys.stderr,
        )
        return exit_code(error)
    return DONE


def read_arguments(words: list[str]) -> Fit:
    """Reads the command line; unnamed options take the named preset's values.

    Raises:
        SystemExit: help was asked for, or the usage is wrong.
        ContradictionError: the two names of one option were given different values.
    """
    preset = named_preset(words)
    start = PRESETS[preset]
    default = Fit(
        images=cast(Path, tyro.MISSING),
        preset=preset,
        config=start,
        **{short: attrgetter(path)(start) for short, path in SHORTCUTS.items()},
    )
    words = gathered(with_share(with_json_flag(words)))
    if any(word in ("-h", "--help") for word in words):
        print(short_help(default, PROG, more="--help-all lists every option of every stage."))
        raise SystemExit(DONE)
    words = ["--help" if word == "--help-all" else word for word in words]
    arguments = parse(Fit, words, prog=PROG, default=default)
    config = arguments.config
    for short, path in SHORTCUTS.items():
        config = _merge(config, start, short, getattr(arguments, short), path)
    given = tuple(dict.fromkeys((*config.budget.given, *planned_by_hand(words, SHORTCUTS))))
    config = replace(config, budget=replace(config.budget, given=given))
    return replace(arguments, config=config)


def check_trust(out: Path, share: float) -> None:
    """Refuses a finished run in which too few photos are trusted.

    Args:
        out: the run's folder.
        share: of all photos that must be trusted, 0 to 1.

    Raises:
        SplatposeError: fewer are.
    """
    report = json.loads((out / REPORT).read_text(encoding="utf-8"))
    found = report["verdicts"]
    if found["trusted_share"] < share:
        total = len(report["photos"])
        raise SplatposeError(
            f"{found['trusted']} of {total} photos ({100 * found['trusted_share']:.0f} %) are "
            f"trusted, and --strict asks for {100 * share:g} %. Everything is written to {out}.",
            " ".join(found["advice"][:2]) or "report.json says why for each photo.",
        )


def _merge(config: FitConfig, start: FitConfig, short: str, value: Any, path: str) -> FitConfig:
    """Takes over a value that was given under its short name."""
    stage, name = path.split(".")
    preset_value, long_value = attrgetter(path)(start), attrgetter(path)(config)
    if value in (preset_value, long_value):
        return config
    if long_value != preset_value:
        one, other = (f"--{option.replace('_', '-')}" for option in (short, path))
        raise ContradictionError(
            f"{one} {value} and {other} {long_value} are the same option; give one of them."
        )
    return replace(config, **{stage: replace(getattr(config, stage), **{name: value})})


@contextmanager
def _viewer(arguments: Fit, out: Path, emit: EventSink) -> Iterator[Companion | None]:
    if not arguments.view:
        yield None
        return

    from ..viewer.companion import companion_viewer

    def say(line: str) -> None:
        level = "warning" if line.startswith(("warning:", "error:")) else "info"
        emit(Message("capture", line.removeprefix("warning: "), level))

    with companion_viewer(out, host=arguments.host, port=arguments.port, say=say) as viewer:
        yield viewer


@contextmanager
def _consumer(*, json: bool) -> Iterator[FanOut]:
    with ExitStack() as stack:
        view = JsonLines(sys.stdout) if json else watch_in_terminal(sys.stdout)
        yield FanOut(stack.enter_context(view))


def _name(images: Path) -> str:
    """What to call the results of a folder of photos or of a video."""
    images = images.resolve()
    return (images.stem if images.is_file() else images.name) or "photos"
