"""Cache keys: everything that a result depends on, and nothing else."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from splatpose.config import FitConfig
from splatpose.keys import Keyed, Unkeyed, key_of, stage_key
from splatpose.stages.local.stage import LOCAL
from splatpose.stages.poses.stage import POSES

GRAPH = Keyed(None, "graph")
CONFIG = FitConfig()


def changed(config: object, field: dataclasses.Field) -> object:
    """The config with another value in one field."""
    value = getattr(config, field.name)
    other = {bool: lambda: not value, int: lambda: value + 1, float: lambda: value + 0.5}
    new = other[type(value)]() if type(value) in other else f"not {value}"
    return dataclasses.replace(config, **{field.name: new})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("part", [field.name for field in dataclasses.fields(FitConfig)])
def test_every_field_is_in_the_key_but_those_that_say_they_change_nothing(part: str) -> None:
    config = getattr(CONFIG, part)
    if not dataclasses.is_dataclass(config):
        return
    before = stage_key(part, config, (), {})
    unkeyed = set()
    for field in dataclasses.fields(config):
        if stage_key(part, changed(config, field), (), {}) == before:
            unkeyed.add(field.name)
    # Of depth maps the content is in the key, wherever they lie.
    expected = {"source"} if part == "depth" else {"workers", "checkpoint_seconds", "measure_every"}
    assert unkeyed <= expected
    assert ("workers" in unkeyed) == hasattr(config, "workers")


def test_clusters_depend_on_what_counts_as_overlapping() -> None:
    """A parameter of another stage's config, which a key written by hand forgot."""
    assert "min_matches" in inspect.signature(LOCAL.compute).parameters
    keys = {
        stage_key("local", CONFIG.local, (GRAPH,), {"min_matches": least, "backend": "cpu"})
        for least in (15, 20)
    }
    assert len(keys) == 2


def test_poses_depend_on_no_rasterizer() -> None:
    assert "backend" not in inspect.signature(POSES.compute).parameters


def test_a_keyed_value_counts_by_its_key_alone() -> None:
    def key(depth: object) -> str:
        return stage_key("poses", CONFIG.poses, (GRAPH,), {"depth": depth})

    assert key(Keyed("maps", "a")) == key(Keyed("the same, read again", "a"))
    assert key(Keyed("maps", "a")) != key(Keyed("maps", "b"))
    assert key(None) != key(Keyed(None, "a"))
    assert key(Unkeyed(1)) == key(Unkeyed(2))
    assert key_of("a", "b") != key_of("b", "a")
