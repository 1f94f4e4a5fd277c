"""`splatpose info`: what one pastes into a bug report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from .arguments import parse
from .json_output import STDOUT, JsonTarget, with_target
from .machine import (
    Facts,
    describe_caches,
    describe_cuda,
    describe_machine,
    describe_packages,
    describe_splatpose,
)
from .main import DONE
from .weights import describe_status


@dataclass(frozen=True)
class Info:
    """Tells what a bug report needs: versions, devices, chosen backends and why, caches.

    Downloads and compiles nothing.
    """

    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE|-")] = None
    """Write a JSON object to this file too; - or no name prints it instead of text."""


def run(words: list[str]) -> int:
    """Runs `splatpose info` and returns the exit code."""
    arguments = parse(Info, with_target(words), prog="splatpose info")
    sections = {name: _answer(describe) for name, describe in SECTIONS.items()}
    JsonTarget(arguments.json).write(sections)
    if arguments.json == Path(STDOUT):
        return DONE
    for section, facts in sections.items():
        print(f"{section}")
        width = max(map(len, facts), default=0)
        for name, value in facts.items():
            print(f"  {name:<{width}}  {value}")
    return DONE


def describe_choices() -> Facts:
    """What `auto` means on this machine, and why."""
    from ..render import choose_backend

    backend = choose_backend("auto")
    return {"rasterizer": f"{backend.name} ({backend.reason})", "matcher": _matcher()}


def describe_weights() -> Facts:
    """Where the known weight files are."""
    from ..weights import list_weights

    return {status.weight.name: describe_status(status) for status in list_weights()}


def _matcher() -> str:
    """What the matcher `auto` would come to, without trying a download."""
    from ..stages.matching.config import MatchingConfig
    from ..weights import MATCHER_WEIGHTS, is_offline, origins, verify

    statuses = [verify(name) for name in MATCHER_WEIGHTS["xfeat"]]
    damaged = [status.weight.name for status in statuses if status.state == "damaged"]
    if damaged:
        return f"sift (xfeat's weights are damaged: {', '.join(damaged)})"
    if all(status.state == "ready" for status in statuses):
        few = MatchingConfig().sift_limit
        return f"xfeat, with sift beside it up to {few} photos (weights: {origins(statuses)})"
    if is_offline():
        return "sift (xfeat's weights are not here, and SPLATPOSE_OFFLINE forbids a download)"
    return "xfeat if its weights can be downloaded at the first fit, else sift"


SECTIONS: dict[str, Callable[[], Facts]] = {
    "splatpose": describe_splatpose,
    "packages": describe_packages,
    "machine": describe_machine,
    "cuda": describe_cuda,
    "choices": describe_choices,
    "weights": describe_weights,
    "caches": describe_caches,
}


def _answer(describe: Callable[[], Facts]) -> Facts:
    """A broken installation is when this report is needed most, so it says what is broken."""
    try:
        return describe()
    except (ImportError, OSError, RuntimeError, AttributeError) as error:
        return {"could not be found out": f"{type(error).__name__}: {error}"}
