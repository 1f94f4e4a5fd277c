"""The words of `splatpose fit`'s command line, before the parser reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast, get_args

from ..configs import PRESETS, PresetName
from ..stages.budget.config import PlannedOption

USUAL_SHARE = 0.9
"""Share of all photos that `--strict` without a number asks for, 0 to 1."""


def with_share(words: list[str]) -> list[str]:
    """The command line with the usual share after a `--strict` that is given without one."""
    result: list[str] = []
    for place, word in enumerate(words):
        result.append(word)
        if word == "--strict" and not any(map(_is_number, words[place + 1 : place + 2])):
            result.append(str(USUAL_SHARE))
    return result


def gathered(words: list[str]) -> list[str]:
    """The command line with all that is included behind one `--include`, at the end.

    So the option can be repeated, and takes no more than the word behind it.
    """
    rest: list[str] = []
    included: list[str] = []
    following = iter(words)
    for word in following:
        if word == "--include":
            included += [value for value in [next(following, None)] if value is not None]
        elif word.startswith("--include="):
            included.append(word.removeprefix("--include="))
        else:
            rest.append(word)
    return [*rest, "--include", *included] if included else rest


def with_json_flag(words: list[str]) -> list[str]:
    """`--json -`, as other commands have it, is the flag: events go to stdout in any case."""
    result: list[str] = []
    for word in words:
        if word == "-" and result[-1:] == ["--json"]:
            continue
        result.append("--json" if word == "--json=-" else word)
    return result


def named_preset(words: list[str]) -> PresetName:
    """The preset on the command line, which decides the defaults that the parser is given.

    A wrong name is left for the parser to explain.
    """
    name = "default"
    for i, word in enumerate(words):
        if word == "--preset" and i + 1 < len(words):
            name = words[i + 1]
        elif word.startswith("--preset="):
            name = word.removeprefix("--preset=")
    return cast(PresetName, name) if name in PRESETS else "default"


def planned_by_hand(words: list[str], shortcuts: Mapping[str, str]) -> Iterator[PlannedOption]:
    """Options that a plan would choose and that the command line gives, with whatever value.

    Args:
        words: the command line.
        shortcuts: second names of options.
    """
    named = {word.partition("=")[0].replace("_", "-") for word in words if word.startswith("--")}
    for option in get_args(PlannedOption):
        short = next((name for name, path in shortcuts.items() if path == option), option)
        if {f"--{name.replace('_', '-')}" for name in (short, option)} & named:
            yield option


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True
