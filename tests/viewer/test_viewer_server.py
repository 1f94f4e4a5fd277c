"""Who gets the page: a real server, plain HTTP and WebSocket clients."""

from __future__ import annotations

import gzip
import http.client
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from splatpose.errors import SplatposeError
from splatpose.viewer.web.access import Door
from splatpose.viewer.web.follow import RunFollower
from splatpose.viewer.web.opening import scene_name
from splatpose.viewer.web.page import Page
from splatpose.viewer.web.server import PrivateServer, open_server
from splatpose.viewer.web.show import Show

TOKEN = "a-secret-word"


@pytest.fixture(scope="module")
def guarded() -> Iterator[int]:
    """A server that wants a token; its port."""
    server = open_server("127.0.0.1", 18300, Door(TOKEN))
    yield server.get_port()
    server.stop()


@pytest.fixture(scope="module")
def local() -> Iterator[PrivateServer]:
    server = open_server("127.0.0.1", 18400, Door(), "my <kitchen>")
    yield server
    server.stop()


def get(port: int, path: str, **headers: str) -> tuple[int, bytes, str]:
    """Status, body and cookie."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(
            "GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, answer.read(), answer.getheader("Set-Cookie") or ""
    finally:
        connection.close()


def shake_hands(port: int, path: str = "/", **headers: str) -> int:
    """Status of a WebSocket's opening; 101 where it is let in."""
    import viser

    try:
        with connect(
            f"ws://127.0.0.1:{port}{path}",
            additional_headers=headers,
            subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
            open_timeout=30,
        ):
            return 101
    except InvalidStatus as error:
        return error.response.status_code


@pytest.mark.parametrize("path", ["/", "/?token=wrong", "/index.html", f"/?Token={TOKEN}"])
def test_without_the_token_there_is_nothing(guarded: int, path: str) -> None:
    status, body, cookie = get(guarded, path)
    assert status == 403
    assert b"token" in body
    assert len(body) < 200
    assert TOKEN.encode() not in body
    assert cookie == ""
    assert shake_hands(guarded, path) == 403


def test_the_token_gives_the_page_and_a_cookie_for_the_socket(guarded: int) -> None:
    status, body, cookie = get(guarded, f"/?token={TOKEN}")
    assert status == 200
    assert b"<html" in body[:1000]
    word = cookie.split(";")[0]
    assert get(guarded, "/", Cookie=word)[0] == 200
    assert shake_hands(guarded, Cookie=word) == 101
    assert shake_hands(guarded, Cookie=word[:-1]) == 403


def test_pages_from_elsewhere_cannot_reach_the_local_server(local: PrivateServer) -> None:
    port = local.get_port()
    assert get(port, "/")[0] == 200
    assert shake_hands(port, Origin=f"http://127.0.0.1:{port}") == 101
    assert shake_hands(port, Origin="http://evil.example") == 403
    assert get(port, "/", Host="evil.example")[0] == 403


def test_no_tunnel_to_the_public_is_ever_opened(local: PrivateServer) -> None:
    assert local.request_share_url() is None


def test_a_busy_port_gives_the_next_one(local: PrivateServer) -> None:
    server = open_server("127.0.0.1", local.get_port(), Door())
    try:
        assert local.get_port() < server.get_port() < local.get_port() + 20
    finally:
        server.stop()


def test_an_address_that_is_not_ours_is_refused() -> None:
    with pytest.raises(SplatposeError, match=r"listen on 192\.0\.2\.1"):
        open_server("192.0.2.1", 18500, Door("x"))
    with pytest.raises(SplatposeError, match=r"no\.such\.host"):
        open_server("no.such.host.invalid", 18500, Door("x"))


def test_ports_that_are_all_busy_are_said_so() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 65535))
        listener.listen()
        with pytest.raises(SplatposeError, match="No port"):
            open_server("127.0.0.1", 65535, Door())


def test_the_page_has_the_scene_s_name_and_room_on_narrow_screens(local: PrivateServer) -> None:
    for encoding in ("identity", "gzip"):
        status, body, _ = get(local.get_port(), "/", Accept_Encoding=encoding)
        page = gzip.decompress(body) if encoding == "gzip" else body
        assert status == 200
        assert b"<title>my &lt;kitchen&gt; - splatpose</title>" in page
        assert page.count(b"<title>") == 1
        assert page.index(b"max-width: 36em") < page.index(b"</head>")


def test_a_browser_that_fails_fails_alone(
    local: PrivateServer, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    shown: list[str] = []

    class Odd(Page):
        def __init__(self, name: str) -> None:
            self.name = name

        def show(self, *_: object) -> None:
            shown.append(self.name)
            if self.name == "odd":
                raise KeyError("a dropdown's option")

    show = Show(local, RunFollower(tmp_path), "out")
    show._pages = {1: Odd("odd"), 2: Odd("good")}  # pyright: ignore
    show._update()
    show._update()
    assert shown == ["odd", "good"] * 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("target", "name"), [("runs/kitchen", "kitchen"), ("a/b.splat.ply", "b.splat"), ("x/", "x")]
)
def test_a_scene_is_called_as_its_folder_or_file(target: str, name: str) -> None:
    assert scene_name(Path(target)) == name
