"""Reading command lines with tyro, quickly.

tyro can do all of this by itself, but takes twice as long over `splatpose fit --help`: it walks
the syntax tree of a whole module for each class in it, and loads typeguard to check the default of
a `Path | None`. `_documented_dataclass` reads each module once and spells such a type `Optional`.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import gc
import inspect
import sys
import types
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

import tyro
from tyro.constructors import (
    ConstructorRegistry,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from ..bounds import OutOfBounds, check_bounds, fields_with_hints
from ..host import expanded

T = TypeVar("T")


def parse(arguments: type[T], words: Sequence[str], *, prog: str, default: T | None = None) -> T:
    """Reads a command line into a dataclass, whose docstrings are the help.

    Args:
        arguments: the dataclass, or a union of dataclasses for sub-commands.
        words: the command line after the command's name.
        prog: the command as the user types it.
        default: values of what the command line leaves out, in place of the class's own.

    Raises:
        SystemExit: with 0 after printing help, 2 after explaining wrong usage.
    """
    start = tyro.MISSING_NONPROP if default is None else default
    with _without_collection():
        given, unknown = tyro.cli(
            arguments,
            prog=prog,
            args=[_at_home(word) for word in words],
            default=start,
            return_unknown_args=True,
            registry=_registry(),
        )
    if unknown:
        from .usage import unknown_words

        print(unknown_words(unknown, arguments, prog), file=sys.stderr)
        raise SystemExit(2)
    try:
        check_bounds(given)
    except OutOfBounds as error:
        option = _option(type(given), error.path)
        print(f"{prog}: {option} must be {error.allowed}. See {prog} --help.", file=sys.stderr)
        raise SystemExit(2) from error
    return given


def _at_home(word: str) -> str:
    """The word with a leading `~`, or one after `--option=`, as a shell reads it."""
    option, equals, value = word.partition("=")
    if word.startswith("-") and equals and value.startswith("~"):
        return f"{option}={expanded(value)}"
    return str(expanded(word)) if word.startswith("~") else word


def _option(arguments: type, path: tuple[str, ...]) -> str:
    """How a field is spelled on the command line."""
    words = []
    for name in path:
        hint = dict(fields_with_hints(arguments))[name]
        options = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
        named = next((n for o in options if (n := getattr(o, "name", None)) is not None), name)
        if tyro.conf.Positional in options:
            return next((v for o in options if (v := getattr(o, "metavar", None))), named)
        words += [named.replace("_", "-")] if named else []
        arguments = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    return "--" + ".".join(words)


def choose_command(
    words: Sequence[str], commands: Mapping[str, str], *, prog: str, description: str
) -> None:
    """Prints the list of commands, or why `words` name none of them, and exits.

    The commands' own options are not read, nor their modules imported.

    Raises:
        SystemExit: with 0 after printing help, 2 after explaining wrong usage.
    """
    choices: Any = Union[  # noqa: UP007 (made at run time, and tyro is slower with X | Y)
        tuple(
            Annotated[_Command, tyro.conf.subcommand(name, description=text)]
            for name, text in commands.items()
        )
    ]
    if words and not words[0].startswith("-"):
        from .usage import unknown_command

        print(unknown_command(words[0], list(commands)), file=sys.stderr)
        raise SystemExit(2)
    with _without_collection():
        tyro.cli(choices, prog=prog, description=description, args=words)


def field_docs(config: type) -> dict[str, str]:
    """The docstring under each field of a dataclass, joined to one line."""
    return _docs_of_module(config.__module__).get(config.__name__, {})


@dataclasses.dataclass(frozen=True)
class _Command:
    """Stands for a command in the list of commands."""


@functools.cache
def _docs_of_module(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _docs_of_class(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _docs_of_class(node: ast.ClassDef) -> dict[str, str]:
    docs: dict[str, str] = {}
    for field, below in zip(node.body, node.body[1:], strict=False):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                docs[name] = " ".join(text.split())
    return docs


@functools.cache
def _registry() -> ConstructorRegistry:
    registry = ConstructorRegistry()
    registry.struct_rule(_documented_dataclass)
    return registry


def _documented_dataclass(info: StructTypeInfo) -> StructConstructorSpec | None:
    """A tyro rule: how to read a dataclass of ours (tyro has some of its own) from the words."""
    ours = info.type.__module__.partition(".")[0] == "splatpose"
    if not (ours and dataclasses.is_dataclass(info.type)):
        return None
    hints = get_type_hints(info.type, include_extras=True)
    docs = field_docs(info.type)
    fields = tuple(
        StructFieldSpec(
            f.name, _spelled_out(hints[f.name]), _default(f, info.default), docs.get(f.name)
        )
        for f in dataclasses.fields(info.type)
    )
    return StructConstructorSpec(instantiate=info.type, fields=fields)


def _spelled_out(annotation: Any) -> Any:
    """`X | None` as `Union[None, X]`, which tyro checks without help.

    None first: whether it is a `tuple[str, ...]` is not asked then, for which typeguard is loaded.
    """
    if get_origin(annotation) is Annotated:
        inner, *metadata = get_args(annotation)
        return Annotated[(_spelled_out(inner), *metadata)]
    if isinstance(annotation, types.UnionType):
        members = sorted(get_args(annotation), key=lambda member: member is not types.NoneType)
        return Union[tuple(members)]  # noqa: UP007 (it is what this function is for)
    return annotation


def _default(field: dataclasses.Field[Any], instance: Any) -> Any:
    if dataclasses.is_dataclass(instance):
        return getattr(instance, field.name)
    if field.default is not dataclasses.MISSING:
        return field.default
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return tyro.MISSING


@contextmanager
def _without_collection() -> Iterator[None]:
    """Building a parser makes many objects and no garbage: a tenth faster without the collector."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
