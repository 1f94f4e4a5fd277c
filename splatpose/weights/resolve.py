"""Where this machine gets network weights from.

Order: the folder of `--weights-dir` or $SPLATPOSE_WEIGHTS, a package that carries the file, the
user's cache, a download. Nothing is ever loaded or kept whose SHA-256 is not in the registry,
wherever it lies.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Literal

from ..errors import SplatposeError
from ..events import EventSink, Message, Progress, StageName
from ..host import expanded
from .download import DownloadProgress, download, sha256_of
from .registry import WEIGHTS, WeightFile


@dataclass(frozen=True)
class WeightStatus:
    """Where one weight file stands on this machine."""

    weight: WeightFile
    state: Literal["ready", "damaged", "absent"]
    path: Path | None
    """The file that was found, if any."""
    detail: str
    """One sentence for a person."""


def cache_dir() -> Path:
    """The user's folder for downloaded weights; it need not exist yet.

    In the folder for temporary files where the user has no home: what lies there is believed by
    its hash alone, as anywhere.
    """
    return _caches() / "splatpose" / "weights"


def _caches() -> Path:
    named = os.environ.get("XDG_CACHE_HOME")
    if not named and sys.platform == "win32":
        named = os.environ.get("LOCALAPPDATA")
    try:
        if named:
            return expanded(named)
        usual = {"win32": "AppData/Local", "darwin": "Library/Caches"}.get(sys.platform, ".cache")
        return Path.home() / usual
    except RuntimeError:  # neither $HOME nor an entry for this user
        return Path(tempfile.gettempdir())


def is_offline() -> bool:
    """Whether $SPLATPOSE_OFFLINE forbids downloads."""
    return os.environ.get("SPLATPOSE_OFFLINE", "").lower() not in ("", "0", "false", "no")


def resolve(
    weight: WeightFile,
    weights_dir: Path | None = None,
    progress: DownloadProgress = lambda received, total: None,
) -> Path:
    """Path of the verified file, downloaded into the cache where it is nowhere yet.

    Raises:
        SplatposeError: a file by that name is damaged, or there is none and it cannot be had.
    """
    status = locate(weight, weights_dir)
    if status.path is not None:
        if status.state == "damaged":
            raise SplatposeError(status.detail, f"Replace it: {_by_hand(weight, status.path)}")
        return status.path
    return _download(weight, cache_dir() / weight.paths[0], progress)


def locate(weight: WeightFile, weights_dir: Path | None = None) -> WeightStatus:
    """Looks for the file in the weights folder, the packages and the cache, and checks its hash.

    Raises:
        SplatposeError: the weights folder that was asked for does not exist.
    """
    for path, origin in _places(weight, weights_dir):
        if not path.is_file():
            continue
        try:
            found = sha256_of(path)
        except OSError as error:
            detail = f"{path} cannot be read: {error.strerror or error}."
            return WeightStatus(weight, "damaged", path, detail)
        if found in weight.sha256:
            return WeightStatus(weight, "ready", path, f"{path} is as published{origin}.")
        detail = (
            f"{path} is damaged or not the published file: its SHA-256 is {found}, "
            f"not {weight.sha256[0]}."
        )
        return WeightStatus(weight, "damaged", path, detail)
    return WeightStatus(weight, "absent", None, f"{weight.paths[0]} is not on this machine.")


def list_weights(weights_dir: Path | None = None) -> tuple[WeightStatus, ...]:
    """Every known weight file and where it stands on this machine."""
    return tuple(locate(weight, weights_dir) for weight in WEIGHTS.values())


def verify(name: str, weights_dir: Path | None = None) -> WeightStatus:
    """Checks the file that would be used for `name`.

    Raises:
        SplatposeError: there is no weight file by that name.
    """
    return locate(_known(name), weights_dir)


def fetch(
    name: str,
    weights_dir: Path | None = None,
    progress: DownloadProgress = lambda received, total: None,
) -> Path:
    """Gets a file ahead of time, replacing a damaged one in the cache.

    Raises:
        SplatposeError: there is no weight file by that name, or it cannot be had.
    """
    weight = _known(name)
    status = locate(weight, weights_dir)
    if status.path is not None and status.state == "ready":
        return status.path
    if status.path is not None and not status.path.is_relative_to(cache_dir()):
        raise SplatposeError(status.detail, f"Replace it: {_by_hand(weight, status.path)}")
    return _download(weight, cache_dir() / weight.paths[0], progress)


def _download(weight: WeightFile, target: Path, progress: DownloadProgress) -> Path:
    if is_offline():
        raise SplatposeError(
            f"{weight.paths[0]} is not on this machine, and SPLATPOSE_OFFLINE forbids to download "
            f"it from {weight.urls[0]}.",
            _by_hand(weight, target),
        )
    try:
        download(weight.addresses, target, weight.sha256, progress)
    except SplatposeError as error:
        raise SplatposeError(error.message, _by_hand(weight, target)) from error
    except OSError as error:
        raise SplatposeError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Free some space, or choose another cache folder with $XDG_CACHE_HOME.",
        ) from error
    return target


def _by_hand(weight: WeightFile, target: Path) -> str:
    return (
        f"On a machine with a network, get {weight.urls[0]} and put it at {target}, or into a "
        f"folder as {weight.paths[0]} and name that folder with --weights-dir or "
        f"$SPLATPOSE_WEIGHTS. {weight.otherwise}"
    )


def _places(weight: WeightFile, weights_dir: Path | None) -> Iterator[tuple[Path, str]]:
    """Where the file may lie, in order, and what to say of its origin."""
    named = weights_dir or os.environ.get("SPLATPOSE_WEIGHTS")
    if named:
        folder = expanded(named)
        if not folder.is_dir():
            raise SplatposeError(
                f"The weights folder {folder} does not exist.",
                "Correct --weights-dir or $SPLATPOSE_WEIGHTS, or leave it out.",
            )
        yield from ((folder / relative, "") for relative in weight.paths)
    if weight.carrier is not None:
        with suppress(PackageNotFoundError):
            package = distribution(weight.carrier.distribution)
            origin = f", from the package {weight.carrier.distribution} {package.version}"
            yield Path(str(package.locate_file(weight.carrier.path))), origin
    yield from ((cache_dir() / relative, ", downloaded") for relative in weight.paths)


def _known(name: str) -> WeightFile:
    if name not in WEIGHTS:
        raise SplatposeError(
            f"There is no weight file called {name!r}.", f"Choose one of {', '.join(WEIGHTS)}."
        )
    return WEIGHTS[name]


def announce_download(file: str, stage: StageName, emit: EventSink) -> DownloadProgress:
    """A progress callback that says once what is being downloaded, then counts."""
    started = False

    def progress(received: int, total: int | None) -> None:
        nonlocal started
        if not started:
            emit(Message(stage, f"Downloading the network weights {file}."))
            started = True
        if total:
            emit(Progress(stage, received, total, f"bytes of {file}"))

    return progress
