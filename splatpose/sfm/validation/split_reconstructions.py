"""Two disjoint halves of the matches, and the models that each leads to.

Tracks of keypoints are split at random in two halves that share no keypoint. Each half is mapped
from nothing. Mapping of half of the matches also fails by itself; where one half's model is not the
one under test, the other half's is a hypothesis that it is asked about: adjusted to its own
matches, that counts if it explains clearly more than what it found alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from ...io.colmap import model_from_reconstruction
from ...io.match_subset import subset_of_matches
from ...scene.camera import Camera
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...workers import in_threads
from ..correspondences import MatchTable, focal_ratios, with_matches
from ..held_out import split_matches
from ..lens_thresholds import LENS_GROUPS
from ..mapping.global_mapper import grown_once
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
    of_other_half: bool = False
    """Begun from what the other half found: no further way of mapping."""


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

    def solve(number: int) -> _HalfAtWork:
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
        work = _HalfAtWork(
            own,
            with_matches(table, half == number),
            (table, half == 1 - number),
            model,
            lenses,
            home,
            max_error_px=max_error_px,
            fewest=fewest,
            seed=seed,
        )
        work.solve(every, progress)
        return work

    threads = 2 if workers > 1 else 1
    solved = in_threads(solve, (0, 1), threads)
    # What each found by itself: asking one must not change what the other is asked about.
    found = [work.attempts[0] if work.attempts else None for work in solved]

    def ask(number: int) -> Half:
        own, other = found[number], found[1 - number]
        if own is not None and other is not None and _is_in_doubt(own[1], other[1], model):
            progress(f"half {number + 1} of the matches, asked about the other half's model")
            solved[number].ask_about(*other, cameras)
        return solved[number].result()

    first, second = in_threads(ask, (0, 1), threads)
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
            if FOCAL_RATIOS.plausible_result(float(ratio[photos[len(photos) // 2]])):
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
            if FOCAL_RATIOS.plausible_result(float(ratio[photo])):
                found[group] = model.cameras[model.camera_index[photo]]
    return found


class _HalfAtWork:
    """One half while it is mapped."""

    def __init__(
        self,
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
    ) -> None:
        self._everything, self._held_out = judges
        self._judging = with_matches(*judges)
        self._graph, self._model, self._groups, self._folder = graph, model, groups, folder
        self._max_error_px, self._fewest, self._seed = max_error_px, fewest, seed
        self._workshop = Workshop(
            folder / "models",
            graph,
            model.names,
            groups,
            table,
            max_error_px=max_error_px,
            min_matches=fewest,
            seed=seed,
        )
        self.attempts: list[tuple[Attempt, SparseModel]] = []
        """The best first."""

    def solve(self, every: bool, progress: Callable[[str], None]) -> None:
        """Tries the recipes until the best by the judges agrees with the model."""
        many = len(self._model.names) >= MANY_PHOTOS
        for recipe in RECIPES_OF_MANY if many else RECIPES:
            (result,) = self._workshop.run([recipe], 1)
            progress(f"{self._folder.name} of the matches, {recipe.name} mapping")
            if isinstance(result, Hypothesis):
                found = result.model
                own = Attempt(recipe.name, self._score(found), found.cam_from_world)
                self._add(own, found)
                if _same(self.attempts[0][1], self._model) and not every:
                    break
        if not self.attempts:
            self._workshop.tolerance.check()

    def ask_about(
        self, attempt: Attempt, found: SparseModel, cameras: Mapping[int, Camera]
    ) -> None:
        """Adjusts the other half's model to this half's matches."""
        start = SparseModel.of_cameras(
            found.names,
            found.cam_from_world,
            self._groups,
            _cameras_of_groups(found, self._groups, cameras),
        )
        name = "mapping from the other half"
        adopted = self._workshop.tolerance.attempt(name, lambda: self._adjusted(start), None)
        if adopted is not None:
            score = self._score(adopted)
            if score >= self.attempts[0][0].score + SPLIT.clearly:
                self._add(Attempt(attempt.recipe, score, adopted.cam_from_world, True), adopted)

    def result(self) -> Half:
        if not self.attempts:
            none = np.zeros(len(self._everything), bool)
            return Half((), none, none)
        found, everything = self.attempts[0][1], self._everything
        explained = explain(found, everything, max_error_px=self._max_error_px).explained
        asked = self._held_out & found.registered[everything.photos].all(1)
        return Half(tuple(attempt for attempt, _ in self.attempts), asked, explained & asked)

    def _add(self, attempt: Attempt, found: SparseModel) -> None:
        self.attempts.append((attempt, found))
        self.attempts.sort(key=lambda known: -known[0].score)

    def _score(self, found: SparseModel) -> float:
        return explain(found, self._judging, max_error_px=self._max_error_px).score

    def _adjusted(self, start: SparseModel) -> SparseModel | None:
        """Cameras adjusted to points of the half's own matches; None where there are none."""
        folder = self._folder / "from the other half"
        found = grown_once(start, self._graph, folder, self._fewest, self._seed)
        return None if found is None else model_from_reconstruction(found, start.names)


def _cameras_of_groups(
    found: SparseModel, groups: Int[np.ndarray, " V"], usual: Mapping[int, Camera]
) -> tuple[Camera, ...]:
    """The camera of each group in a model; where it has none there, the usual one, or that of its
    first photo."""
    own = group_cameras(found, groups)
    cameras = []
    for group in range(groups.max() + 1):
        photos = np.flatnonzero(groups == group)
        any_ = found.cameras[found.camera_index[photos[0]] if len(photos) else 0]
        cameras.append(own.get(group, usual.get(group, any_)))
    return tuple(cameras)


def _is_in_doubt(own: SparseModel, other: SparseModel, model: SparseModel) -> bool:
    """Whether a half found neither the model nor what the other half found."""
    return not _same(own, model) and not _same(own, other)


def _same(found: SparseModel, model: SparseModel) -> bool:
    agrees = difference(found.cam_from_world, model.cam_from_world).agrees
    return bool(agrees.sum() >= SPLIT.agreeing * model.registered.sum())
