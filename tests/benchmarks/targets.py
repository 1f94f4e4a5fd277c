"""What the rasterizer has to reach, what it reaches, and what it reached last time."""

from __future__ import annotations

from typing import Any, NamedTuple

PEAK = 117.0
"""GFLOP/s of multiply-adds of one core of the machine that the targets are meant for."""
REGRESSION = 0.2
"""A figure worse than last time by more than this share is a regression."""


class Target(NamedTuple):
    """One line of the table."""

    name: str
    key: str
    """Of `figures`."""
    unit: str
    must: float
    aim: float
    grows: int
    """How the target changes with the machine's peak: 1 as the peak, -1 as its inverse, 0 not."""
    more_is_better: bool


TARGETS = (
    Target("forward, 20k 640x480", "forward 20k", "G/s/core", 1.1, 1.6, 1, True),
    Target("backward, 20k 640x480", "backward 20k", "G/s/core", 0.6, 0.9, 1, True),
    Target("forward, 100k 640x480", "forward 100k", "G/s/core", 1.1, 1.6, 1, True),
    Target("backward, 100k 640x480", "backward 100k", "G/s/core", 0.6, 0.9, 1, True),
    Target("forward+backward, 20k 640x480", "total 20k", "ms", 27, 18, -1, False),
    Target("forward+backward, 100k 640x480", "total 100k", "ms", 42, 28, -1, False),
    Target("forward+backward, 500k 1280x960", "total 500k", "ms", 175, 120, -1, False),
    Target("training, 20k 320x240", "training 20k", "it/s", 70, 100, 1, True),
    Target("training, 100k 640x480", "training 100k", "it/s", 16, 24, 1, True),
    Target("scaling 1 -> 2 threads", "scaling", "x", 1.85, 1.95, 0, True),
    Target("against torch, lists per tile", "torch ratio", "x", 200, 300, 0, True),
    Target("first call, compiling", "first cold", "s", 15, 10, 0, False),
    Target("first call, cached", "first cached", "s", 0.5, 0.3, 0, False),
    Target("extra memory, 100k 640x480", "memory", "MB", 300, 150, 0, False),
)


def figures(result: dict[str, Any]) -> dict[str, float]:
    """The measured values that there are targets for, and that are compared over time."""
    values: dict[str, float] = {}
    for scene in result["scenes"]:
        short = scene["name"].split()[0].rstrip(",")
        if scene["threads"] == result["threads"]:
            values[f"total {short}"] = scene["total_ms"]
            values[f"forward {short}"] = scene["forward_giga_per_core"]
            values[f"backward {short}"] = scene["backward_giga_per_core"]
    for training in result["training"]:
        values[f"training {training['name'].split()[0]}"] = training["steps_per_second"]
    if "scaling" in result:
        values["scaling"] = result["scaling"]
    if "tiles_reference" in result:
        values["torch ratio"] = result["tiles_reference"]["ratio"]
    if "first_call" in result:
        values["first cold"] = result["first_call"]["cold_s"]
        values["first cached"] = result["first_call"]["cached_s"]
    if "memory" in result:
        values["memory"] = result["memory"]["extra_mb"]
    values["loss ratio"] = result["loss"]["ratio"]
    return values


def print_table(result: dict[str, Any]) -> None:
    """Every target that was measured, scaled to this machine."""
    values, peak = figures(result), result["peak_gflops_per_core"]
    print(f"\n| target (x {peak / PEAK:.2f} for this machine) | must | aim | measured | |")
    print("|---|---|---|---|---|")
    for target in TARGETS:
        factor = (peak / PEAK) ** target.grows
        must, aim = target.must * factor, target.aim * factor
        if target.key not in values:
            print(f"| {target.name} | {must:.3g} | {aim:.3g} {target.unit} | not measured | |")
            continue
        value = values[target.key]
        sign = 1 if target.more_is_better else -1
        verdict = "aim" if sign * (value - aim) >= 0 else "must"
        if sign * (value - must) < 0:
            verdict = f"short: {max(value / must, must / value):.2f}x"
        print(f"| {target.name} | {must:.3g} | {aim:.3g} {target.unit} | {value:.3g} | {verdict} |")


def regressions(result: dict[str, Any], history: list[dict[str, Any]]) -> list[str]:
    """What became worse by more than `REGRESSION` since the last entry of the same machine.

    Only ratios inside one run are compared: times and rates relative to the machine's peak in
    that run, since the same machine is not always as fast. First calls are left out: they are
    seconds of a compiler.
    """
    earlier = [entry for entry in history if _machine(entry) == _machine(result)]
    if not earlier:
        return []
    before, now = _ratios(earlier[-1]), _ratios(result)
    return [
        f"{key}: {now[key]:.3g}, was {before[key]:.3g} on {earlier[-1]['machine']['date']}"
        for key in now
        if key in before and now[key] < (1 - REGRESSION) * before[key]
    ]


def _machine(entry: dict[str, Any]) -> tuple[Any, ...]:
    return (entry["version"], entry["machine"]["cpu"], entry["lanes"], entry.get("threads"))


def _ratios(result: dict[str, Any]) -> dict[str, float]:
    """Figures as numbers of which more is better."""
    peak = result["peak_gflops_per_core"]
    ratios = {}
    for key, value in figures(result).items():
        kind = key.split()[0]
        if kind in ("forward", "backward", "training"):
            ratios[key] = value / peak
        elif kind == "total":
            ratios[key] = 1 / (value * peak)
        elif kind == "memory":
            ratios[key] = result["memory"]["inputs_mb"] / max(value, 1.0)
        elif kind != "first":
            ratios[key] = value
    return ratios
