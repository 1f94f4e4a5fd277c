"""The `splatpose` command: picks the sub-command, and turns what happens into an exit code.

Exit codes: 0 done, 1 something the user can mend, 2 wrong usage, 130 interrupted after saving, 143
and 129 ended so by SIGTERM and SIGHUP.
Only the chosen sub-command's module is imported, and none of them imports numpy or torch before
its options are read, so that `--help` answers at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .._version import __version__
from ..errors import SplatposeError
from ..interruption import describe, end_on_signals, exit_code
from ..native import Died
from .streams import OutputLost, guard_streams, prepare_streams, settle
from .supervisor import become_child, is_child, is_supervised, supervise

if TYPE_CHECKING:
    from types import TracebackType

DONE, MENDABLE, USAGE = 0, 1, 2

_UTF8 = "SPLATPOSE_UTF8"
"""Set where the process was begun anew for the sake of its encoding, so that it is so only once."""

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
interrupted, 143 and 129 ended by SIGTERM and SIGHUP (run the same command again to go on)."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns the process's exit code."""
    if argv is None:
        return _main_of_process(sys.argv[1:])
    return _main(list(argv))


def _main_of_process(argv: list[str]) -> int:
    """The same, where the process is ours alone."""
    sys.excepthook = _report_bug
    _speak_utf8()
    supervised = is_supervised(argv)
    if is_child():
        become_child()
        supervised = False
    if not supervised:
        end_on_signals()
    prepare_streams()
    guard_streams()
    return _main(argv, supervised=supervised)


def _main(argv: list[str], *, supervised: bool = False) -> int:
    words = [word for word in argv if word != "--debug"]
    debug = len(words) < len(argv) or os.environ.get("SPLATPOSE_DEBUG", "") not in ("", "0")
    prepare_streams()
    start = time.monotonic()
    try:
        code = supervise() if supervised else _dispatch(words)
        sys.stdout.flush()
    except (SplatposeError, MemoryError, OutputLost) as error:
        if debug:
            _trace(error)
        _complain(_mendable(error))
        if isinstance(error, Died) and words[0] == "fit":
            _end_json(error, words, time.monotonic() - start)
        code = MENDABLE
    except KeyboardInterrupt as error:
        print(describe(error), file=sys.stderr)
        code = exit_code(error)
    except BrokenPipeError:
        code = DONE  # whoever read our output, `head` say, has what it wanted
    settle(sys.stdout)
    settle(sys.stderr)
    return code


def _speak_utf8() -> None:
    """Begins anew in Python's UTF-8 mode where the locale has another encoding.

    Names of files are UTF-8 nearly everywhere, and would be taken for damaged ones.
    """
    if sys.getfilesystemencoding().lower() != "utf-8" and _UTF8 not in os.environ:
        environment = {**os.environ, "PYTHONUTF8": "1", _UTF8: "1"}
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _mendable(error: SplatposeError | MemoryError | OutputLost) -> SplatposeError:
    """What the user is told."""
    if isinstance(error, SplatposeError):
        return error
    if isinstance(error, MemoryError):
        return SplatposeError(
            "There is not enough memory.",
            "Try --max-size with fewer pixels, --preset fast, or fewer photos; close other "
            "programs. Stages that are done are kept.",
        )
    return SplatposeError(
        f"The output could not be written to stdout: {error.strerror or error}.",
        "Send it elsewhere, or free some space where it goes.",
    )


def _end_json(error: Died, words: Sequence[str], elapsed: float) -> None:
    """The last line of the stream of events, which the child could not write."""
    if "--json" in words or "--json=-" in words:
        from ..event_lines import error_line

        print(error_line(error, elapsed))


def _trace(error: BaseException) -> None:
    import traceback

    if isinstance(error, Died):
        print(*error.native, sep="\n", file=sys.stderr)
    traceback.print_exception(error)


def _dispatch(words: list[str]) -> int:
    try:
        if "--version" in words[: words.index("--") if "--" in words else None]:
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
    with contextlib.suppress(OSError):  # a full or closed stderr: the exit code has to do
        print(f"error: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)


def _report_bug(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    sys.__excepthook__(kind, error, trace)
    print(
        "This is an error in splatpose, not in your photos. Please report the lines above "
        "together with the output of `splatpose info`.",
        file=sys.stderr,
    )
