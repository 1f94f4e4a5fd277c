"""`splatpose view`: a run or a splat in the browser."""

from __future__ import annotations

import signal
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ..bounds import PORT
from .arguments import parse
from .main import DONE

FOR_FIT = "--for-fit"
"""How `fit --view` starts it, no option for people: wait for the folder to appear, and end when the
standard input does."""


@dataclass(frozen=True)
class View:
    """Shows a run, finished or still being computed by another process, or a splat in the browser.

    Prints the address of the page and serves it until Ctrl-C. Looking on changes nothing in the
    run, and ending the viewer does not end the run.
    """

    target: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="OUT|SPLAT.ply")]
    """Output folder of a `splatpose fit`, or a .ply file with Gaussians."""
    port: Annotated[int, PORT] = 8080
    """Port to listen on; where it is busy, the next free one."""
    host: str = "127.0.0.1"
    """Address to listen on. Any but this machine's own lets others in who have the address that
    is printed, with its access token; the connection is not encrypted."""


def run(words: list[str]) -> int:
    """Runs `splatpose view` and returns the exit code."""
    arguments = parse(View, [word for word in words if word != FOR_FIT], prog="splatpose view")
    for_fit = FOR_FIT in words
    from ..viewer.web.opening import be_modest, show

    stop = threading.Event()
    if for_fit:
        be_modest()
        threading.Thread(target=_await_end_of_input, args=(stop,), daemon=True).start()
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: stop.set())
    show(
        arguments.target,
        host=arguments.host,
        port=arguments.port,
        say=lambda line: print(line, flush=True),
        stop=stop,
        wait=for_fit,
    )
    return DONE


def _await_end_of_input(stop: threading.Event) -> None:
    """The fit that started us holds the other end, and lets go of it however it ends."""
    while sys.stdin.read(4096):
        pass
    stop.set()
