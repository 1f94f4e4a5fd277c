"""Two disjoint halves of the matches, and the models that each leads to.

Tracks of keypoints are split at random in two halves that share no keypoint. Each half is mapped
from nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from ...io.match_subset import subset_of_matches
from ...scene.camera import Camera
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...workers import in_threads
from ..correspondences import MatchTable, focal_ratios, with_matches
from ..held_out import split_matches
from ..lens_thresholds import LENS_GROUPS
from ..mapping.hypotheses import Hypothesis, Workshop
from ..mapping.mapper_variants import MANY_PHOTOS, MapperVariant
from ..match_consistency import explain
from ..model_comparison import difference
from ..thresholds import FOCAL_RATIOS
from ..track_selection import select_tracks
from .thresholds import SPLIT

RECIPES: tuple[MapperVariant, ...] = (
    MapperVariant("incremental", "incremental", relaxed=True),
    MapperVariant("view graph", "view graph", focals="pairs"),
    MapperVariant("global", "global"),
)
"""One after the other, until one agrees with the model; none of them alone denies it."""
RECIPES_OF_MANY: tuple[MapperVariant, ...] = (
    MapperVariant("view graph", "view graph", focals="pairs", backbones=(0.0,)),
    MapperVariant("global", "global"),
)
"""The same for many photos, of which incremental mapping takes too long."""


@dataclass(frozen=True)
class Attempt:
    """One mapping of a half."""

    recipe: str
    score: float
    """How well it explains the other half's matches, as `Explanation.score`."""
    cam_from_world: Float[np.ndarray, "V 4 4"]


@dataclass(frozen=True)
class Half:
    """What one half of the matches says."""

    attempts: tuple[Attempt, ...]
    """The best first."""
    held_out: Bool[np.ndarray, " M"]
    """Matches of the other half between photos that the best attempt places."""
    explained: Bool[np.ndarray, " M"]
    """Matches asked that agree with the half's model."""


def map_halves(
    graph: MatchGraph,
    table: MatchTable,
    model: SparseModel,
    groups: Int[np.ndarray, " V"],
    folder: Path,
    *,
    max_error_px: float,
    min_matches: int,
    seed: int,
    workers: int,
    every: bool,
    progress: Callable[[str], None],
) -> tuple[Half, Half]:
    """Maps both halves side by side; what is done in `folder` already is used again.

    Args:
        model: whose intrinsics the mapping starts from.
        groups: of each photo the camera of the matches' database.
        every: try all recipes, also after one that agrees.
        progress: is told what is done.
    """
    half = split_matches(table, seed)
    lenses = by_lens(model, groups)
    cameras = group_cameras(model, lenses)
    further = None if (lenses == groups).all() else lenses
    fewest = max(SPLIT.min_matches, round(SPLIT.share * min_matches))
    many = len(model.names) >= MANY_PHOTOS
    sizes = np.array([(c.width, c.height) for c in model.cameras])[model.camera_index]

    def solve(number: int) -> Half:
        home = folder / f"half {number + 1}"
        home.mkdir(parents=True, exist_ok=True)
        kept = half == number
        if many:
            kept[kept] = select_tracks(with_matches(table, kept), sizes)
        own = subset_of_matches(
            graph,
            kept,
            home / "matches.db",
            fewest=fewest,
            cameras=cameras,
            camera_index=further,
        )
        return _solve_half(
            own,
            with_matches(table, half == number),
            (table, half == 1 - number),
            model,
            lenses,
            home / "models",
            max_error_px=max_error_px,
            fewest=fewest,
            seed=seed,
            every=every,
            progress=progress,
        )

    first, second = in_threads(solve, (0, 1), 2 if workers > 1 else 1)
    return first, second


def by_lens(model: SparseModel, groups: Int[np.ndarray, " V"]) -> Int[np.ndarray, " V"]:
    """The groups, divided where the model has photos of one at clearly different focal lengths.

    Most photos of a group, those without a pose, and those with a focal length that no lens has
    keep its number; further lenses get new ones.
    """
    ratio = focal_ratios(model.cameras)[model.camera_index]
    lenses = groups.copy()
    for group in np.unique(groups).tolist():
        own = np.flatnonzero((groups == group) & model.registered)
        own = own[np.argsort(ratio[own], kind="stable")]
        gaps = np.flatnonzero(np.diff(np.log(ratio[own])) >= LENS_GROUPS.min_apart) + 1
        parts = sorted(np.split(own, gaps), key=len, reverse=True)
        for photos in parts[1:]:
            # As `group_cameras` leaves out others, which then have no camera.
            if FOCAL_RATIOS.plausible_start(float(ratio[photos[len(photos) // 2]])):
                lenses[photos] = lenses.max() + 1
    return lenses


def group_cameras(model: SparseModel, groups: Int[np.ndarray, " V"]) -> dict[int, Camera]:
    """For each group of photos the intrinsics of its photo of median focal length.

    Groups without a registered photo, or whose focal length no lens has, are left out.
    """
    ratio = focal_ratios(model.cameras)[model.camera_index]
    found: dict[int, Camera] = {}
    for group in np.unique(groups).tolist():
        own = np.flatnonzero((groups == group) & model.registered)
        if len(own):
            photo = own[np.argsort(ratio[own], kind="stable")[len(own) // 2]]
            if FOCAL_RATIOS.plausible_start(float(ratio[photo])):
                found[group] = model.cameras[model.camera_index[photo]]
    return found


def _solve_half(
    graph: MatchGraph,
    table: MatchTable,
    judges: tuple[MatchTable, Bool[np.ndarray, " M"]],
    model: SparseModel,
    groups: Int[np.ndarray, " V"],
    folder: Path,
    *,
    max_error_px: float,
    fewest: int,
    seed: int,
    every: bool,
    progress: Callable[[str], None],
) -> Half:
    """Tries the recipes until the best by the judges agrees with the model."""
    everything, held_out = judges
    judging = with_matches(everything, held_out)
    workshop = Workshop(
        folder,
        graph,
        model.names,
        groups,
        table,
        max_error_px=max_error_px,
        min_matches=fewest,
        seed=seed,
    )
    attempts: list[tuple[Attempt, SparseModel]] = []
    for recipe in RECIPES if len(model.names) < MANY_PHOTOS else RECIPES_OF_MANY:
        (result,) = workshop.run([recipe], 1)
        progress(f"{folder.parent.name} of the matches, {recipe.name} mapping")
        if not isinstance(result, Hypothesis):
            continue
        score = explain(result.model, judging, max_error_px=max_error_px).score
        attempts.append((Attempt(recipe.name, score, result.model.cam_from_world), result.model))
        attempts.sort(key=lambda attempt: -attempt[0].score)
        if _same(attempts[0][1], model) and not every:
            break
    if not attempts:
        workshop.tolerance.check()
        none = np.zeros(len(everything), bool)
        return Half((), none, none)
    found = attempts[0][1]
    explained = explain(found, everything, max_error_px=max_error_px).explained
    asked = held_out & found.registered[everything.photos].all(1)
    return Half(tuple(attempt for attempt, _ in attempts), asked, explained & asked)


def _same(found: SparseModel, model: SparseModel) -> bool:
    agrees = difference(found.cam_from_world, model.cam_from_world).agrees
    return bool(agrees.sum() >= SPLIT.agreeing * model.registered.sum())
