"""The help that fits on two screens: the options that most people need, a sentence each."""

from __future__ import annotations

import dataclasses
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from .arguments import field_docs

_COLUMN = 26
_WIDEST = 100


def short_help(default: Any, prog: str, *, more: str) -> str:
    """The text for a dataclass of options; those of the stages' dataclasses in it are left out.

    Args:
        default: an instance, whose values are told.
        prog: the command as the user types it.
        more: where the other options are.
    """
    width = min(shutil.get_terminal_size((80, 24)).columns, _WIDEST)
    places: list[str] = []
    rows: list[str] = []
    options = [_row("  -h, --help", f"This text. {more}", width)]
    for name, value, hint, doc in _fields(default):
        if hint.positional:
            places.append(hint.metavar)
            rows.append(_row(f"  {hint.metavar}", _first_sentence(doc), width))
            continue
        names = [*hint.aliases, "--" + name.replace("_", "-")]
        head = "  " + ", ".join(f"{one} {hint.metavar}".rstrip() for one in names)
        usual = "" if value is None or value is False else f" (default: {value})"
        text = _first_sentence(doc) + usual
        options.append(_row(head, text, width))
    lines = [f"usage: {prog} [OPTIONS] {' '.join(places)}", ""]
    lines += _paragraphs(type(default).__doc__ or "", width)
    return "\n".join([*lines, "", *rows, *options])


def _fields(default: Any) -> Iterator[tuple[str, Any, _Hint, str]]:
    """Name, value, annotation and docstring of each option, and of those in `config` itself."""
    docs, hints = field_docs(type(default)), get_type_hints(type(default), include_extras=True)
    for field in dataclasses.fields(default):
        value = getattr(default, field.name)
        if not dataclasses.is_dataclass(value):
            yield field.name, value, _Hint(hints[field.name]), docs.get(field.name, "")
        elif field.name == "config":
            yield from _fields(value)


class _Hint:
    """What a field's annotation says of its option."""

    def __init__(self, annotation: Any) -> None:
        inner, *notes = _flat(annotation)
        self.positional = any("POSITIONAL" in repr(note).upper() for note in notes)
        self.aliases = tuple(a for note in notes for a in getattr(note, "aliases", None) or ())
        named = [note.metavar for note in notes if getattr(note, "metavar", None)]
        self.metavar = named[0] if named else _metavar(inner)


def _flat(annotation: Any) -> tuple[Any, ...]:
    """A type and the notes on it, those of nested annotations too."""
    if get_origin(annotation) is Annotated:
        inner, *notes = get_args(annotation)
        return (*_flat(inner), *notes)
    return (annotation,)


def _metavar(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return "{" + ",".join(map(str, get_args(annotation))) + "}"
    if annotation is Path or Path in get_args(annotation):
        return "PATH"
    return {bool: "", int: "N", float: "X"}.get(annotation, "TEXT")


def _first_sentence(text: str) -> str:
    head, point, _ = text.partition(". ")
    return head + "." if point else text


def _paragraphs(text: str, width: int) -> Iterator[str]:
    for number, block in enumerate(text.strip().split("\n\n")):
        yield from ([""] if number else [])
        yield from textwrap.wrap(" ".join(block.split()), width)


def _row(name: str, text: str, width: int) -> str:
    """A name with its text beside it, or below where the name is long."""
    indent = " " * _COLUMN
    lines = textwrap.wrap(text, max(20, width - _COLUMN)) or [""]
    if len(name) <= _COLUMN - 2:
        return f"\n{indent}".join([f"{name:<{_COLUMN}}{lines[0]}", *lines[1:]])
    return f"\n{indent}".join([name, *lines])
