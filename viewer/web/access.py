"""Who may see the page: decided from a request's address and headers alone."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Answer:
    """What becomes of a request."""

    refusal: str = ""
    """Why the visitor is refused, as a sentence for a person; empty where it is let in."""
    cookie: str = ""
    """Set-Cookie header by which the browser is known from now on; empty where none is needed."""


@dataclass(frozen=True)
class Door:
    """Lets those in who know the token; without one, those on this machine.

    A web page from elsewhere that the user has open can reach every port of this machine through
    the browser, and a WebSocket is not bound to the page's origin. So a request that another
    page made is refused, and without a token so is one that came under a foreign host name.
    """

    token: str = ""

    @property
    def cookie_name(self) -> str:
        """A cookie is valid for all ports of a machine, so each viewer has its own."""
        return "splatpose_" + hashlib.sha256(self.token.encode()).hexdigest()[:8]

    def judge(self, address: str, headers: Mapping[str, str]) -> Answer:
        """Whether to answer a request.

        Args:
            address: path and query as they stand in the request.
            headers: the first value of each header.
        """
        host = headers.get("Host", "")
        origin = headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            return Answer("This request was made by a page from elsewhere.")
        if not self.token:
            if is_this_machine(host_name(host)):
                return Answer()
            return Answer("This viewer answers only to localhost. Start it with --host to share.")
        query = parse_qs(urlsplit(address).query).get("token", [""])[0]
        if self._is_token(query):
            cookie = f"{self.cookie_name}={self.token}; Path=/; HttpOnly; SameSite=Strict"
            return Answer(cookie=cookie)
        if self._is_token(self._cookie(headers)):
            return Answer()
        return Answer("This viewer needs the access token: open the address that it printed.")

    def _is_token(self, word: str) -> bool:
        return hmac.compare_digest(word.encode(), self.token.encode())

    def _cookie(self, headers: Mapping[str, str]) -> str:
        try:
            cookies = SimpleCookie(headers.get("Cookie", ""))
        except CookieError:
            return ""
        return cookies[self.cookie_name].value if self.cookie_name in cookies else ""


def door_for(host: str) -> Door:
    """The door of a viewer that listens on `host`: a new token for any but this machine."""
    return Door() if is_this_machine(host) else Door(secrets.token_urlsafe(24))


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address means the machine itself and nobody else can use it."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """The name in a Host header: without port and brackets."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
