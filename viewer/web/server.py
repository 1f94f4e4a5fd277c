"""viser's server with a guard in front of it."""

from __future__ import annotations

import errno
import http
import http.client
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import rich
import viser
import websockets.asyncio.server
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from splatpose.errors import SplatposeError

from .access import Door, is_this_machine
from .html_head import HtmlHead

_PORTS_TRIED = 100
_TITLE = "splatpose"


class PrivateServer(viser.ViserServer):
    """A server that never opens a tunnel to the public, whatever a page asks for."""

    def request_share_url(self, verbose: bool = True) -> str | None:
        """Does nothing: photos and poses of a run are nobody else's business."""
        del verbose


def open_server(host: str, port: int, door: Door, name: str = "") -> PrivateServer:
    """Starts to listen on `host`, on `port` or the next free one after it.

    Args:
        name: of the scene, for the browser's title.

    Raises:
        SplatposeError: this machine has no such address, or no port is free.
    """
    free = _free_port(host, port)
    logging.getLogger("websockets.server").addFilter(_is_news)
    # It prints its own idea of the address, without the token.
    rich.get_console().quiet = True
    with _guarded(door, HtmlHead(f"{name} - {_TITLE}" if name else _TITLE)):
        server = PrivateServer(host=host, port=free, label=_TITLE, verbose=False)
    if not _refuses_strangers(host, server.get_port()):
        server.stop()
        raise SplatposeError(
            f"viser {viser.__version__} cannot be guarded: it lets everybody in.",
            "Install the version in constraints.txt.",
        )
    server.scene.set_up_direction("-y")
    server.gui.configure_theme(
        dark_mode=True,
        show_logo=False,
        show_share_button=False,
        control_layout="collapsible",
        control_width="large",
    )
    return server


def address_of(host: str, port: int, door: Door) -> str:
    """What to open in a browser."""
    name = socket.gethostname() if host in ("0.0.0.0", "::") else host
    if host == "127.0.0.1":
        name = "localhost"
    if ":" in name:
        name = f"[{name}]"
    query = f"?token={door.token}" if door.token else ""
    return f"http://{name}:{port}/{query}"


def tunnel_command(host: str, port: int) -> str:
    """The ssh command that brings the page to the user's own machine; "" where it is his own."""
    connection = os.environ.get("SSH_CONNECTION", "").split()
    if len(connection) != 4 or not is_this_machine(host):
        return ""
    user = os.environ.get("USER") or os.environ.get("LOGNAME")
    target = f"{user}@{connection[2]}" if user else connection[2]
    ssh_port = "" if connection[3] == "22" else f" -p {connection[3]}"
    return f"ssh -N -L {port}:localhost:{port}{ssh_port} {target}"


@contextmanager
def _guarded(door: Door, head: HtmlHead) -> Iterator[None]:
    """Puts `door` in front of the server that is started inside the block, `head` into its page.

    viser answers every request and has no hook to ask first, but websockets, which it is built
    on, has one: the function that viser gives to it is wrapped. `_refuses_strangers` makes sure.
    """
    module: Any = websockets.asyncio.server
    original = module.serve

    def serve(handler: Any, *args: Any, process_request: Any = None, **options: Any) -> Any:
        def judged(connection: ServerConnection, request: Request) -> Response | None:
            answer = door.judge(request.path, _first_values(request.headers))
            if answer.refusal:
                return connection.respond(http.HTTPStatus.FORBIDDEN, answer.refusal + "\n")
            response = process_request(connection, request)
            if response is not None:
                head.put_into(response)
                response.headers["Referrer-Policy"] = "no-referrer"
                if answer.cookie:
                    response.headers["Set-Cookie"] = answer.cookie
            return response

        return original(handler, *args, process_request=judged, **options)

    module.serve = serve
    try:
        yield
    finally:
        module.serve = original


def _is_news(record: logging.LogRecord) -> bool:
    """Whether a log record is worth a person's time: browsers open connections and leave again."""
    return not record.getMessage().startswith(("opening handshake failed", "connection rejected"))


def _first_values(headers: Headers) -> dict[str, str]:
    return {name.title(): headers.get_all(name)[0] for name in headers}


def _refuses_strangers(host: str, port: int) -> bool:
    """Whether a request that no door lets in is refused."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    connection = http.client.HTTPConnection(reachable, port, timeout=20)
    try:
        connection.request("GET", "/", headers={"Host": "stranger.invalid"})
        return connection.getresponse().status == http.HTTPStatus.FORBIDDEN
    finally:
        connection.close()


def _free_port(host: str, port: int) -> int:
    for candidate in range(port, min(port + _PORTS_TRIED, 65536)):
        try:
            family, _, _, _, where = socket.getaddrinfo(host, candidate)[0]
            with socket.socket(family, socket.SOCK_STREAM) as listener:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                listener.bind(where)
                return listener.getsockname()[1]
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                continue
            raise SplatposeError(
                f"This machine cannot listen on {host}: {error.strerror or error}.",
                "Use --host 127.0.0.1 for this machine alone, or --host 0.0.0.0 for all who "
                "can reach it and know the token.",
            ) from error
    raise SplatposeError(
        f"No port from {port} to {port + _PORTS_TRIED - 1} is free on {host}.",
        "Choose another one with --port.",
    )
