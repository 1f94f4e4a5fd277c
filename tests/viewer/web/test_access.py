"""Who is let in."""

from __future__ import annotations

import pytest

from splatpose.viewer.web.access import Door, door_for

LOCAL = {"Host": "localhost:8080"}


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.0.0.1:80", "[::1]:8080"])
def test_without_a_token_this_machine_is_let_in(host: str) -> None:
    assert Door().judge("/", {"Host": host}).refusal == ""


@pytest.mark.parametrize("host", ["", "evil.example", "192.168.0.7:8080", "[nonsense"])
def test_without_a_token_a_foreign_name_is_refused(host: str) -> None:
    """A foreign name that leads to this machine is how pages from elsewhere get round origins."""
    assert Door().judge("/", {"Host": host}).refusal


@pytest.mark.parametrize("door", [Door(), Door("secret")])
def test_pages_from_elsewhere_are_refused(door: Door) -> None:
    address = "/?token=secret"
    assert door.judge(address, LOCAL | {"Origin": "http://evil.example"}).refusal
    assert door.judge(address, LOCAL | {"Origin": "null"}).refusal
    assert not door.judge(address, LOCAL | {"Origin": "http://localhost:8080"}).refusal


def test_the_token_opens_and_its_cookie_keeps_the_door_open() -> None:
    door = Door("secret")
    for address in ("/", "/?token=", "/?token=wrong", "/?token=secre", "/?other=secret"):
        assert "token" in door.judge(address, {"Host": "box:8080"}).refusal
    answer = door.judge("/?token=secret", {"Host": "box:8080"})
    assert answer.refusal == ""
    assert "HttpOnly" in answer.cookie
    assert "SameSite=Strict" in answer.cookie
    cookie = answer.cookie.split(";")[0]
    assert door.judge("/", {"Host": "box:8080", "Cookie": f"a=b; {cookie}"}).refusal == ""
    for wrong in (f"{door.cookie_name}=wrong", "splatpose=secret", "\x00=;;"):
        assert door.judge("/", {"Host": "box:8080", "Cookie": wrong}).refusal


def test_only_other_hosts_get_a_token_and_each_another() -> None:
    assert door_for("127.0.0.1").token == door_for("localhost").token == ""
    first, second = door_for("0.0.0.0").token, door_for("0.0.0.0").token
    assert len(first) >= 32
    assert first != second
