"""The `splatpose` command: picks the sub-command, and turns what happens into an exit code.

Exit codes: 0 done, 1 something the user can mend, 2 wrong usage, 130 interrupted after saving.
Only the chosen sub-command's module is imported, and none of them imports numpy or torch before
its options are read, so that `--help` answers at once.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._version import __version__
from ..errors import SplatposeError

if TYPE_CHECKING:
    from types import TracebackType

DONE, MENDABLE, USAGE, INTERRUPTED = 0, 1, 2, 130

COMMANDS = {
    "fit": "Photos with unknown poses in, camera poses and a 3D Gaussian splat out.",
    "view": "Shows a run, finished or running, or a splat in the browser.",
    "render": "Films a finished run along a camera path, as mp4.",
    "export": "Copies a finished run's splat, cameras or points to a file of another format.",
    "scale": "Sets the true scale of a finished run: its outputs in metres.",
    "eval": "Measures cameras, splatpose's or anybody's, against the true ones.",
    "info": "What a bug report needs: versions, devices, chosen backends and why, caches.",
    "weights": "Lists, fetches ahead or verifies network weights.",
    "warmup": "Compiles the CPU rasterizer now instead of during the first fit.",
}

DESCRIPTION = """\
Photos with unknown camera poses in, camera poses and a 3D Gaussian splat out.

Start with: splatpose fit PHOTOS -o OUT

splatpose --version prints the version. --debug with any command, or SPLATPOSE_DEBUG=1, adds the
traceback to an error. Exit codes: 0 done, 1 something you can mend, 2 wrong usage, 130
interrupted (run the same command again to go on)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns the process's exit code."""
    if argv is None:
        sys.excepthook = _report_bug
        argv = sys.argv[1:]
    words = [word for word in argv if word != "--debug"]
    debug = len(words) < len(argv) or os.environ.get("SPLATPOSE_DEBUG", "") not in ("", "0")
    _prepare_streams()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
    except SplatposeError as error:
        if debug:
            import traceback

            traceback.print_exception(error)
        _complain(error)
        code = MENDABLE
    except MemoryError:
        _complain(
            SplatposeError(
                "There is not enough memory.",
                "Try --max-size with fewer pixels, --preset fast, or fewer photos; close other "
                "programs. Stages that are done are kept.",
            )
        )
        code = MENDABLE
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        code = INTERRUPTED
    except BrokenPipeError:
        code = DONE  # whoever read our output, `head` say, has what it wanted
    _settle_stdout()
    return code


def _prepare_streams() -> None:
    """Makes every text printable: a photo's name may hold what the terminal's encoding cannot."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the caller closed it
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (stays open to the end)
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _dispatch(words: list[str]) -> int:
    try:
        if words[:1] == ["--version"]:
            print(f"splatpose {__version__}")
            return DONE
        if words and words[0] in COMMANDS:
            command = importlib.import_module(f"splatpose.cli.{words[0]}")
            return command.run(words[1:])
        return _overview(words)
    except SystemExit as end:  # how the argument parser ends after --help or wrong usage
        return end.code if isinstance(end.code, int) else USAGE


def _overview(words: list[str]) -> int:
    """Lists the commands, or says which one was meant."""
    from .arguments import choose_command

    choose_command(words, COMMANDS, prog="splatpose", description=DESCRIPTION)
    return USAGE


def _complain(error: SplatposeError) -> None:
    print(f"error: {error.message}", file=sys.stderr)
    if error.hint:
        print(f"hint: {error.hint}", file=sys.stderr)


def _settle_stdout() -> None:
    """Keeps the interpreter from failing when it flushes a closed pipe at its end."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.__excepthook__(kind, error, trace)
    print(
        "This is an error in splatpose, not in your photos. Please report the lines above "
        "together with the output of `splatpose info`.",
        file=sys.stderr,
    )
