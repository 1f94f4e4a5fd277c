"""`splatpose weights`: the networks that a fit needs, and getting them ahead of time."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union

import tyro

from ..errors import SplatposeError
from ..viewer.pace import Counter
from .arguments import parse
from .json_output import STDOUT, JsonTarget, with_target
from .main import DONE, USAGE

if TYPE_CHECKING:
    from ..weights import WeightStatus

_Folder = Annotated[Path | None, tyro.conf.arg(metavar="DIR")]
_Name = Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")]


@dataclass(frozen=True)
class List:
    """Lists the known weight files: where each is and came from, its size and its licence."""

    weights_dir: _Folder = None
    """Folder to look in before packages and the cache. Default: $SPLATPOSE_WEIGHTS."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE|-")] = None
    """Write a JSON object to this file too; - or no name prints it instead of text."""


@dataclass(frozen=True)
class Fetch:
    """Downloads weights that are not here into the cache, checked by SHA-256, so that fit needs no
    network."""

    name: _Name = "xfeat"
    """A matcher (xfeat, aliked), lpips, a single file as `list` names it, or all."""
    weights_dir: _Folder = None
    """Folder to look in before anything is downloaded. Default: $SPLATPOSE_WEIGHTS."""


@dataclass(frozen=True)
class Verify:
    """Checks the SHA-256 of the weights that fit would use."""

    name: _Name = "all"
    """A matcher (xfeat, aliked), lpips, a single file as `list` names it, or all that are here."""
    weights_dir: _Folder = None
    """Folder to look in before packages and the cache. Default: $SPLATPOSE_WEIGHTS."""


_NAMES = ("list", "fetch", "verify")
_COMMANDS: Any = Union[  # noqa: UP007 (tyro is slower with X | Y)
    Annotated[List, tyro.conf.subcommand("list")],
    Annotated[Fetch, tyro.conf.subcommand("fetch")],
    Annotated[Verify, tyro.conf.subcommand("verify")],
]


def run(words: list[str]) -> int:
    """Runs `splatpose weights` and returns the exit code."""
    if words and not words[0].startswith("-") and words[0] not in _NAMES:
        from .usage import unknown_command

        print(unknown_command(words[0], _NAMES, "splatpose weights"), file=sys.stderr)
        return USAGE
    match parse(_COMMANDS, with_target(words), prog="splatpose weights"):
        case List(weights_dir, target):
            _list(weights_dir, target)
        case Fetch(name, weights_dir):
            _fetch(name, weights_dir)
        case Verify(name, weights_dir):
            _verify(name, weights_dir)
    return DONE


def describe_status(status: WeightStatus) -> str:
    """State, origin, place, size and licence of one weight file in a line."""
    weight = status.weight
    where = f"{status.origin}: {status.path}" if status.path else "not on this machine"
    size = f"{weight.size / 1e6:.1f} MB, " if weight.size else ""
    return f"{status.state:<8} {where} ({size}{weight.licence}; {weight.purpose})"


def _list(weights_dir: Path | None, target: Path | None) -> None:
    from ..weights import cache_dir, list_weights

    statuses = list_weights(weights_dir)
    JsonTarget(target).write({"cache": str(cache_dir()), "weights": [_row(s) for s in statuses]})
    if target == Path(STDOUT):
        return
    for status in statuses:
        print(f"{status.weight.name:<17} {describe_status(status)}")
    print(f"The cache is {cache_dir()}. The matcher sift needs no weights.")


def _row(status: WeightStatus) -> dict[str, Any]:
    weight = status.weight
    return {
        "name": weight.name,
        "state": status.state,
        "origin": status.origin or None,
        "path": status.path and str(status.path),
        "bytes": weight.size,
        "licence": weight.licence,
        "purpose": weight.purpose,
    }


def _fetch(name: str, weights_dir: Path | None) -> None:
    from ..weights import cache_dir, fetch

    for file in _files(name):
        try:
            path = fetch(file, weights_dir, _download_counter())
        except OSError as error:
            raise SplatposeError(
                f"{error.filename or cache_dir()} cannot be written: {error.strerror}.",
                "Free some space, or set XDG_CACHE_HOME to a folder that you may write to.",
            ) from error
        print(f"{file}: {path}")


def _verify(name: str, weights_dir: Path | None) -> None:
    from ..weights import verify

    statuses = [verify(file, weights_dir) for file in _files(name)]
    wanted = [s for s in statuses if name != "all" or s.state != "absent"]
    for status in wanted:
        origin = f" ({status.origin})" if status.origin else ""
        print(f"{status.weight.name}: {status.state}{origin}. {status.detail}")
    if not wanted:
        print("There are no weights on this machine.")
    bad = [status.weight.name for status in wanted if status.state != "ready"]
    if bad:
        raise SplatposeError(
            f"Not usable: {', '.join(bad)}.", f"Run: splatpose weights fetch {bad[0]}"
        )


def _files(name: str) -> tuple[str, ...]:
    """The files that a matcher's name, "lpips", a file's name or "all" stands for."""
    from ..weights import LPIPS_WEIGHTS, MATCHER_WEIGHTS, WEIGHTS

    if name == "all":
        return tuple(WEIGHTS)
    if name == "sift":
        raise SplatposeError("The matcher sift needs no weights.", "There is nothing to do.")
    return ({"lpips": LPIPS_WEIGHTS} | MATCHER_WEIGHTS).get(name, (name,))


def _download_counter() -> Callable[[int, int | None], None]:
    """Moves a counter where somebody is looking, and tells a line now and then elsewhere."""
    lines = Counter(sys.stderr, "bytes")

    def show(received: int, total: int | None) -> None:
        if not sys.stderr.isatty():
            lines(received, total or received)
            return
        share = f" of {total / 1e6:.1f}" if total else ""
        end = "\n" if received == total else "\r"
        print(f"{received / 1e6:.1f}{share} MB", end=end, file=sys.stderr, flush=True)

    return show
