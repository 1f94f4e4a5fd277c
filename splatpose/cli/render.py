"""`splatpose render`: a film of a finished run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from ..bounds import Bounds
from ..errors import SplatposeError
from ..viewer.pace import Counter
from .arguments import parse
from .main import DONE

_SIDE = Bounds(16, 8192)
"""Sides of a film, in pixels."""


@dataclass(frozen=True)
class Render:
    """Renders a finished run along a camera path into an mp4."""

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT")]
    """Output folder of an earlier `splatpose fit`."""
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="VIDEO.mp4")]
    """File to write."""
    path: Annotated[str, tyro.conf.arg(metavar="orbit|trajectory|KEYFRAMES.json")] = "orbit"
    """Path of the camera: around the scene, along the photos, or through keyframes that were set in
    the viewer."""
    seconds: Annotated[float, Bounds(0.01, 3600)] = 8.0
    """Length of the film in seconds."""
    rate: Annotated[int, Bounds(1, 240)] = 30
    """Frames a second."""
    width: Annotated[int, _SIDE] = 1280
    """Width in pixels."""
    height: Annotated[int, _SIDE] = 720
    """Height in pixels."""
    backend: Literal["auto", "gsplat", "cpu"] = "auto"
    """Rasterizer: gsplat needs a CUDA GPU."""
    overwrite: tyro.conf.FlagCreatePairsOff[bool] = False
    """Replace the file if it exists."""


def run(words: list[str]) -> int:
    """Runs `splatpose render` and returns the exit code."""
    arguments = parse(Render, words, prog="splatpose render")
    _check(arguments)
    from ..camera_path.movie import shot_of_run, write_movie
    from ..render import choose_backend

    frames = max(1, round(arguments.seconds * arguments.rate))
    size = (arguments.width, arguments.height)
    shot = shot_of_run(arguments.run, arguments.path, frames, size[0] / size[1])
    backend = choose_backend(arguments.backend)
    print(f"rasterizer: {backend.name} ({backend.reason})")
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    with _progress() as progress:
        write_movie(arguments.out, shot, backend, size=size, rate=arguments.rate, progress=progress)
    megabytes = arguments.out.stat().st_size / 1e6
    print(f"{arguments.out}: {frames} frames, {size[0]}x{size[1]}, {megabytes:.1f} MB")
    return DONE


def _check(arguments: Render) -> None:
    if arguments.out.suffix.lower() != ".mp4":
        raise SplatposeError(f"{arguments.out} does not end in .mp4.", "Name an .mp4 file with -o.")
    if arguments.out.exists() and not arguments.overwrite:
        raise SplatposeError(
            f"{arguments.out} exists already.", "Choose another file, or add --overwrite."
        )


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """A bar on a screen, a line now and then elsewhere."""
    if not sys.stdout.isatty():
        yield Counter(sys.stdout, "frames")
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(BarColumn(), MofNCompleteColumn(), "frames", TimeRemainingColumn()) as bar:
        task = bar.add_task("render")
        yield lambda done, total: bar.update(task, completed=done, total=total)
