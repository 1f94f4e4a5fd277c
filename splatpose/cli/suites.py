"""`splatpose eval --suite`: many scenes, one table."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from .._version import __version__
from ..config import FitConfig
from ..configs import PRESETS
from ..errors import SplatposeError
from ..host import processor_name
from ..io.atomic import write_bytes, write_json
from .main import DONE

if TYPE_CHECKING:
    from ..evaluation.suites.nope_nerf import SceneScores
    from ..evaluation.suites.stress import Method, Row, Split
    from .eval_options import Eval
    from .json_output import JsonTarget

_PACKAGES = ("torch", "gsplat", "numpy", "pycolmap", "kornia", "opencv-python-headless")


def run_suite(arguments: Eval, suite: Literal["nope-nerf", "stress"], target: JsonTarget) -> int:
    """Runs a suite, prints its table and leaves it in the output folder; returns the exit code.

    Args:
        target: gets the table too, at the end.

    Raises:
        SplatposeError: there are no scenes, or an option does not fit the suite.
    """
    out = arguments.out or Path("runs") / suite
    out.mkdir(parents=True, exist_ok=True)
    table, value = "", {}
    # After every row, so that a suite that is stopped leaves what it knows.
    for value, table in (_stress if suite == "stress" else _nope_nerf)(arguments, out):
        write_json(out / f"{suite}.json", _circumstances() | value)
        write_bytes(out / f"{suite}.md", table.encode())
    target.write(_circumstances() | value)
    print(f"\n{table}\nwritten to {out / suite}.json and .md")
    return DONE


def _stress(arguments: Eval, out: Path) -> Iterator[tuple[dict[str, Any], str]]:
    from ..evaluation.suites.stress import METHODS, default_data, find_scenes, run_stress
    from ..evaluation.suites.stress_table import as_json, as_markdown

    split = arguments.split or "test"
    if split not in ("tune", "test", "all"):
        raise SplatposeError(
            f"The stress suite has no split {split}.", "Use --split tune, test or all."
        )
    chosen = {"splatpose": METHODS[0], "incremental": METHODS[1], "global": METHODS[2]}
    methods = cast("list[Method]", [chosen[name] for name in arguments.methods or ()])
    rows: list[Row] = []
    for row in run_stress(
        find_scenes(arguments.data or default_data(), cast("Split", split), arguments.only or ()),
        out,
        _config(arguments),
        methods=methods or METHODS,
        train=arguments.train,
        weights_dir=arguments.weights_dir,
        overwrite=arguments.overwrite,
        tell=_say,
    ):
        rows.append(row)
        yield as_json(rows), as_markdown(rows)


def _nope_nerf(arguments: Eval, out: Path) -> Iterator[tuple[dict[str, Any], str]]:
    from ..evaluation.suites.nope_nerf import find_datasets, run_nope_nerf
    from ..evaluation.suites.nope_nerf_table import as_json, as_markdown

    if arguments.data is None:
        raise SplatposeError(
            "The suite nope-nerf needs its scenes.", "Name their folder with --data DIR."
        )
    rows: list[SceneScores] = []
    for row in run_nope_nerf(
        find_datasets(arguments.data, arguments.only or ()),
        out,
        _config(arguments),
        split=arguments.split or None,
        weights_dir=arguments.weights_dir,
        lpips=arguments.lpips,
        overwrite=arguments.overwrite,
        tell=_say,
    ):
        rows.append(row)
        yield as_json(rows), as_markdown(rows)


def _config(arguments: Eval) -> FitConfig:
    """The preset's time; without one, as many steps on every machine, to compare figures."""
    config = replace(PRESETS[arguments.preset], seed=arguments.seed)
    minutes = 0.0 if arguments.max_steps else config.budget.minutes or 0.0
    config = replace(config, budget=replace(config.budget, minutes=minutes))
    if arguments.max_size:
        config = replace(config, views=replace(config.views, max_size=arguments.max_size))
    if arguments.max_steps:
        config = replace(config, training=replace(config.training, steps=arguments.max_steps))
    return config


def _circumstances() -> dict[str, Any]:
    """What figures were measured with."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "splatpose": __version__,
        "versions": {name: version(name) for name in _PACKAGES},
        "processor": processor_name(),
        "platform": platform.platform(),
    }


def _say(line: str) -> None:
    print(line, flush=True)
