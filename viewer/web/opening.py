"""Opening a page: quickly, before anything is read that there is to see.

Little is imported here: a browser can load the page while the rest is.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from splatpose.errors import SplatposeError
from splatpose.runs.folder import WORK
from splatpose.stages.outputs.layout import MODEL, SPLAT

from .access import door_for, is_this_machine
from .server import address_of, open_server, tunnel_command


def show(
    target: Path,
    *,
    host: str,
    port: int,
    say: Callable[[str], None],
    stop: threading.Event,
    wait: bool = False,
) -> None:
    """Opens a page for a run's folder or a .ply file and serves it until `stop` is set.

    Args:
        target: the folder, or the file.
        host: address to listen on; any but this machine's own gets an access token.
        port: the first port to try.
        say: receives lines for a person: the address, and what to know about it.
        wait: the run's folder may not be there yet.

    Raises:
        SplatposeError: there is nothing to show, or the address cannot be had.
    """
    check_target(target, wait=wait)
    door = door_for(host)
    server = open_server(host, port, door, scene_name(target))
    try:
        taken = server.get_port()
        if port and taken != port:
            say(f"port {port} is busy; using {taken}")
        if not is_this_machine(host):
            say(
                f"warning: the viewer listens on {host}: whoever can reach this machine and knows "
                "the address below sees the photos and steers the run. It is not encrypted."
            )
        say(f"viewer: {address_of(host, taken, door)}")
        tunnel = tunnel_command(host, taken)
        if tunnel:
            say(f"from your own machine: {tunnel}")
        from .show import show_in

        show_in(server, target, stop, wait=wait)
    finally:
        server.stop()


def check_target(target: Path, *, wait: bool = False) -> None:
    """Whether there is something that can be shown.

    Raises:
        SplatposeError: it is neither a run's folder nor a file.
    """
    if wait or target.is_file() or (target / WORK).is_dir():
        return
    if not target.exists():
        raise SplatposeError(
            f"There is nothing at {target}.",
            "Give the output folder of a `splatpose fit`, finished or running, or a .ply file.",
        )
    if not ((target / SPLAT).is_file() or (target / MODEL).is_dir()):
        raise SplatposeError(
            f"{target} is no output folder of splatpose.",
            "Give the output folder of a `splatpose fit`, finished or running, or a .ply file.",
        )


def scene_name(target: Path) -> str:
    """What the scene is called: its folder's or its file's name."""
    path = target.absolute()
    return path.stem if target.suffix.lower() == ".ply" else path.name


def be_modest() -> None:
    """Leaves the processor to the fit: lower priority, and one thread."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
