"""Addresses of the page."""

from __future__ import annotations

import socket

import pytest

from splatpose.viewer.web.access import Door, host_name, is_this_machine
from splatpose.viewer.web.server import address_of, tunnel_command


def test_addresses() -> None:
    assert is_this_machine("127.0.0.9")
    assert not is_this_machine("0.0.0.0")
    assert host_name("[::1]:80") == "::1"
    assert address_of("127.0.0.1", 8080, Door()) == "http://localhost:8080/"
    assert address_of("0.0.0.0", 81, Door("t")) == f"http://{socket.gethostname()}:81/?token=t"
    assert address_of("fe80::1", 81, Door("t")) == "http://[fe80::1]:81/?token=t"


def test_the_tunnel_is_named_on_remote_machines_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    assert tunnel_command("127.0.0.1", 8080) == ""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 5000 10.0.0.2 22")
    monkeypatch.setenv("USER", "ann")
    assert tunnel_command("127.0.0.1", 8081) == "ssh -N -L 8081:localhost:8081 ann@10.0.0.2"
    assert tunnel_command("0.0.0.0", 8081) == ""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.1 5000 10.0.0.2 2222")
    assert "-p 2222" in tunnel_command("127.0.0.1", 8081)
