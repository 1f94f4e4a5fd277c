"""What was meant by a word that nobody knows: the nearest command or option."""

from __future__ import annotations

import dataclasses
import importlib
import os
import shlex
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import get_args, get_type_hints

OPTIONS = {
    "fit": "fit.Fit",
    "view": "view.View",
    "render": "render.Render",
    "export": "export.Export",
    "scale": "scale.Scale",
    "eval": "eval_options.Eval",
    "info": "info.Info",
    "weights": "weights.Fetch",
}
"""The dataclass of each command's options, by its place in this package."""

_LIKENESS = 0.7
"""Likeness of two spellings (Ratcliff and Obershelp), from which on one may be meant by the
other."""


def unknown_command(word: str, commands: Sequence[str], prog: str = "splatpose") -> str:
    """A sentence on a command that does not exist."""
    meant = get_close_matches(word.lower(), commands, 1, 0.6)
    if not meant and "fit" in commands and os.path.exists(word):
        meant = [f"splatpose fit {shlex.quote(word)}"]
    guess = f" Did you mean {meant[0]}?" if meant else f" There are {', '.join(commands)}."
    return f"{prog}: there is no command {word}.{guess} See {prog} --help."


def unknown_words(words: Sequence[str], arguments: type, prog: str) -> str:
    """A sentence on the first of the words that a command's options could not take in."""
    word = words[0]
    if not word.startswith("-"):
        return f"{prog}: {word} is one word too many. See {prog} --help."
    option = word.partition("=")[0].replace("_", "-")
    meant = nearest_option(option, list(option_names(arguments))) or _of_another(option, prog)
    guess = f" Did you mean {meant}?" if meant else ""
    return f"{prog}: there is no option {option}.{guess} See {prog} --help."


def nearest_option(option: str, names: Sequence[str]) -> str | None:
    """The option that is spelled most like `option`, in full or without its stage."""
    bare = option.lstrip("-")
    for name in names:
        if name.rpartition(".")[2] == bare:
            return name
    found = get_close_matches(option.lower(), names, 1, _LIKENESS)
    if found or not bare:
        return found[0] if found else None
    ends = {name.rpartition(".")[2].lstrip("-"): name for name in names}
    close = get_close_matches(bare.lower(), list(ends), 1, _LIKENESS)
    return ends[close[0]] if close else None


def option_names(arguments: type, prefix: str = "--") -> Iterator[str]:
    """The options that a dataclass stands for, with those of the dataclasses in it."""
    if not dataclasses.is_dataclass(arguments):  # a union of sub-commands
        for member in get_args(arguments):
            yield from option_names((get_args(member) or (member,))[0], prefix)
        return
    hints = get_type_hints(arguments)
    for field in dataclasses.fields(arguments):
        name = field.name.replace("_", "-")
        if dataclasses.is_dataclass(hints[field.name]):
            inner = prefix if field.name == "config" else f"{prefix}{name}."
            yield from option_names(hints[field.name], inner)
        else:
            yield f"{prefix}{name}"


def _of_another(option: str, prog: str) -> str | None:
    """An option of another command."""
    for command, place in OPTIONS.items():
        module, name = place.split(".")
        arguments = getattr(importlib.import_module(f"splatpose.cli.{module}"), name)
        meant = nearest_option(option, list(option_names(arguments)))
        if meant and prog != f"splatpose {command}":
            return f"{meant} of splatpose {command}"
    return None
