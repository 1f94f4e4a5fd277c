"""Whatever people may set is compared with its bounds before any work."""

from __future__ import annotations

import dataclasses
import importlib
import math
import pkgutil
from collections.abc import Iterator
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

import splatpose.cli
from splatpose import fit
from splatpose.bounds import (
    Bounds,
    OutOfBounds,
    bounds_of,
    check_bounds,
    fields_with_hints,
    numeric,
)
from splatpose.cli.fit import SHORTCUTS, Fit
from splatpose.cli.main import main
from splatpose.config import FitConfig
from splatpose.configs import PRESETS
from splatpose.pipeline import solve

DEFAULT = FitConfig()


def parts() -> Iterator[tuple[str, Any]]:
    """The whole config, and every part of it, by its name."""
    yield "", DEFAULT
    for field in dataclasses.fields(FitConfig):
        if dataclasses.is_dataclass(value := getattr(DEFAULT, field.name)):
            yield field.name, value


def options() -> list[type]:
    """The dataclasses of all commands' options."""
    modules = [
        importlib.import_module(f"splatpose.cli.{module.name}")
        for module in pkgutil.iter_modules(splatpose.cli.__path__)
    ]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if dataclasses.is_dataclass(value) and isinstance(value, type)
    }
    return sorted(
        (value for value in found if value.__module__.startswith("splatpose.cli.")),
        key=lambda value: value.__name__,
    )


def set_to(part: str, name: str, value: Any) -> FitConfig:
    """The default config with another value in one field."""
    if not part:
        return replace(DEFAULT, **{name: value})
    return replace(DEFAULT, **{part: replace(getattr(DEFAULT, part), **{name: value})})


NUMBERS = [
    (part, name, bounds_of(hint))
    for part, config in parts()
    for name, hint in fields_with_hints(type(config))
    if numeric(hint)
]


@pytest.mark.parametrize(
    "config",
    [*(type(config) for _, config in parts()), *options()],
    ids=lambda config: config.__name__,
)
def test_every_number_has_bounds(config: type) -> None:
    for name, hint in fields_with_hints(config):
        assert not numeric(hint) or bounds_of(hint) is not None, f"{config.__name__}.{name}"


def test_the_walk_finds_numbers_and_commands() -> None:
    assert len(NUMBERS) > 80
    assert {"Fit", "Render", "Scale", "View", "Eval", "Export"} <= {c.__name__ for c in options()}


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_within_their_bounds(preset: str) -> None:
    check_bounds(PRESETS[preset])


def test_what_lies_outside_of_each_field_is_refused() -> None:
    for part, name, bounds in NUMBERS:
        assert bounds is not None
        path = f"{part}.{name}".lstrip(".")
        config = attrgetter(part)(DEFAULT) if part else DEFAULT
        integer = not isinstance(getattr(config, name), float)
        for value in (bounds.low - 1, bounds.high + 1, math.nan, math.inf, "1", True):
            wrong = int(value) if integer and value in (bounds.low - 1, bounds.high + 1) else value
            if wrong == bounds.also:
                continue
            with pytest.raises(OutOfBounds) as caught:
                check_bounds(replace(config, **{name: wrong}), *filter(None, [part]))
            assert caught.value.message.startswith(f"{path} must be ")


@pytest.mark.parametrize(
    ("part", "name", "value", "text"),
    [
        ("training", "steps", -3, "training.steps must be a whole number from 1 to 10_000_000"),
        ("training", "steps", 2000.0, "must be a whole number from 1 to 10_000_000, not 2000.0"),
        ("views", "eval_every", 1, "views.eval_every must be a whole number: 0, or from 2 to"),
        ("matching", "matcher", "surf", "matching.matcher must be one of auto, xfeat"),
        ("matching", "max_keypoints", -1, "matching.max_keypoints must be a whole number from 16"),
        ("matching", "refine", 1, "matching.refine must be True or False, not 1"),
        ("training", "sh_degree", True, "training.sh_degree must be one of 0, 1, 2, 3, not True"),
        ("views", "hold_out", ("a.jpg", 3), "views.hold_out must be a text"),
        ("depth", "source", Path("maps"), "depth.source must be a text"),
        ("", "seed", -1, "seed must be a whole number from 0 to"),
    ],
)
def test_the_message_tells_field_value_and_range(
    part: str, name: str, value: Any, text: str
) -> None:
    with pytest.raises(OutOfBounds) as caught:
        check_bounds(set_to(part, name, value))
    assert text in caught.value.message
    shown = value if isinstance(value, Path) else repr(value)
    assert caught.value.message.endswith(f"not {shown}.") or name == "hold_out"


def test_a_wrong_value_touches_nothing_in_python(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for run in (fit, solve):
        # The photos do not exist either: the value is told of before anything is opened.
        with pytest.raises(OutOfBounds, match=r"training\.steps"):
            run(tmp_path / "photos", out, set_to("training", "steps", -3))
        assert not out.exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["fit", "P", "-o", "R", "--max-steps", "-3"], "--max-steps must be a whole number from 1"),
        (["fit", "P", "-o", "R", "--training.steps", "0"], "--training.steps must be a whole"),
        (["fit", "P", "-o", "R", "--matching.working-size", "-5"], "--matching.working-size must"),
        (["fit", "P", "-o", "R", "--seed", "-1"], "--seed must be a whole number from 0"),
        (["fit", "P", "-o", "R", "--poses.max-error-px", "nan"], "--poses.max-error-px must be"),
        (["fit", "P", "-o", "R", "--port", "70000"], "--port must be a whole number from 0"),
        (["view", "R", "--port", "-1"], "--port must be"),
        (["view", "a" * 256], "OUT|SPLAT.ply must be names of at most 255 bytes"),
        (["fit", "P", "-o", "ö" * 128], "--out must be names of at most 255 bytes"),
        (["fit", "P", "-o", "R", "--depth", "m" * 256], "--depth must be names of at most 255"),
        (["export", "R", "/".join(["x" * 200] * 21)], "TARGET must be names of at most 255 bytes"),
        (["render", "R", "-o", "a.mp4", "--rate", "0"], "--rate must be a whole number from 1"),
        (["render", "R", "-o", "a.mp4", "--seconds", "inf"], "--seconds must be a number from"),
        (["render", "R", "-o", "a.mp4", "--width", "15"], "--width must be a whole number from 16"),
        (["scale", "R", "--metres-per-unit", "-3"], "--metres-per-unit must be a number from"),
        (["eval", "--suite", "stress", "--max-steps", "-1"], "--max-steps must be a whole number"),
    ],
)
def test_a_wrong_value_is_wrong_usage_and_loses_nothing(
    words: list[str],
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "R").mkdir()
    (tmp_path / "R" / "splat.ply").write_bytes(b"a splat of 30 dB")
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert text in err
    assert f"See splatpose {words[0]} --help" in err
    assert [path.name for path in tmp_path.rglob("*")] == ["R", "splat.ply"]


def test_names_that_no_file_system_takes_are_told_of_in_python(tmp_path: Path) -> None:
    for photos, out in ((tmp_path / ("p" * 256), tmp_path), (tmp_path, tmp_path / ("o" * 256))):
        with pytest.raises(OutOfBounds, match="names of at most 255 bytes"):
            fit(photos, out)


def test_second_names_of_options_have_the_same_bounds() -> None:
    for short, path in SHORTCUTS.items():
        part, name = path.split(".")
        config = type(getattr(DEFAULT, part))
        first, second = (
            bounds_of(dict(fields_with_hints(owner))[field])
            for owner, field in ((Fit, short), (config, name))
        )
        assert first == second, short


def test_bounds_are_said_as_people_say_them() -> None:
    assert str(Bounds(0.01, 1000)) == "from 0.01 to 1_000"
    assert str(Bounds(2, 9, also=0)) == "0, or from 2 to 9"
    assert math.nan not in Bounds(0, 1)
