"""The choice among a cluster's solutions, and when its optimisation stops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scenes.clusters import CONFIG

from splatpose.refinement.cluster_optimization import choose, optimise
from splatpose.refinement.cluster_problem import place
from splatpose.stages.local.stage import cluster_settings


def test_the_choice_needs_a_gain_larger_than_its_error() -> None:
    rng = np.random.default_rng(0)
    before = rng.uniform(0.5, 1.5, 100)
    better, worse = before - 0.2 + 0.1 * rng.standard_normal(100), before + 0.1
    noise = before - 0.05 + np.resize([1.0, -1.0], 100)
    assert choose({"two views": before, "tracks": better, "joint": worse}, 1.0)[0] == "tracks"
    assert choose({"two views": before, "tracks": worse, "joint": better}, 1.0)[0] == "joint"
    both = {"two views": before, "tracks": better, "joint": better - 0.1}
    assert choose(both, 1.0)[0] == "joint"
    unclear = {"two views": before, "tracks": noise, "joint": worse}
    assert choose(unclear, 1.0)[0] == "two views"
    broken = {"two views": before, "tracks": worse, "joint": np.full(100, np.nan)}
    assert choose(broken, 1.0)[0] == "two views"


def test_a_cluster_that_does_not_move_stops_early(problems) -> None:
    placed = place(problems[0], min_matches=15, seed=0)
    assert placed is not None
    given = (problems[0], placed.members, placed.tracks, placed.cam_from_world)
    settings = cluster_settings(replace(CONFIG, steps=200, settled=1e6))
    # Half of the steps are for coarse photos.
    assert optimise(*given, settings, "cpu", 0).steps == 100
    settings = cluster_settings(replace(CONFIG, steps=60, settled=0.0))
    assert optimise(*given, settings, "cpu", 0).steps == 60
