"""Several reconstructions from the same matches, so that evidence can choose between them.

Incremental and global mapping fail on different scenes, a wrong focal length breaks either, and
none of them says so. Each recipe runs on its own copy of the database, in one thread, so that its
result depends on the seed alone; recipes of one round run side by side.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pycolmap
from jaxtyping import Float, Int

from ...depth.keypoints import KeypointPriors
from ...io.atomic import write_json
from ...io.colmap import model_from_reconstruction
from ...io.colmap_database import read_cameras
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...tolerance import Tolerance
from ...workers import in_threads
from ..correspondences import MatchTable
from ..match_consistency import Explanation, explain
from ..step_lengths import handicap, step_jumps, unevenness
from ..viewgraph.focal_calibration import calibrate_focal_lengths
from ..viewgraph.focal_priors import calibrate, write_focal_lengths
from ..viewgraph.refined_pairs import RefinedPairs
from .bundle_adjustment import FEW_PHOTOS
from .colmap_mappers import MapperTask, run_mapper
from .global_mapper import reconstructions
from .mapper_variants import FROM_DEPTH, FROM_REFINED_PAIRS, MapperVariant, rounds_of
from .matches_to_map import matches_to_map

_DONE = "done.json"
_FOCALS = "focals from"
_SELECTED = "selected.db"


@dataclass(frozen=True)
class Hypothesis:
    """One reconstruction with what speaks for it."""

    name: str
    mapper: str
    reconstruction: pycolmap.Reconstruction
    model: SparseModel
    explanation: Explanation
    reprojection_error: float
    seconds: float
    jumps: Float[np.ndarray, " V"]
    """How the step length jumps at each photo, as `step_jumps` has it."""

    @property
    def num_registered(self) -> int:
        return int(self.model.registered.sum())


@dataclass(frozen=True)
class Failure:
    """A recipe that gave no reconstruction."""

    name: str
    seconds: float


class Workshop:
    """Runs recipes on copies of one database inside one folder; what is done there is kept."""

    def __init__(
        self,
        folder: Path,
        graph: MatchGraph,
        names: Sequence[str],
        camera_index: Int[np.ndarray, " V"],
        table: MatchTable,
        *,
        max_error_px: float,
        min_matches: int,
        seed: int,
        refined: RefinedPairs | None = None,
        priors: KeypointPriors | None = None,
        order: Int[np.ndarray, " V"] | None = None,
    ) -> None:
        self._refined = refined
        self._order = order
        self._priors = priors
        self._folder = folder
        folder.mkdir(exist_ok=True)
        self._graph = matches_to_map(graph, camera_index, folder / _SELECTED)
        self.on_selected = self._graph is not graph
        """Whether mappers are given some of the matches, see `matches_to_map`."""
        self._camera_index = camera_index
        self._names = tuple(names)
        self._table = table
        self._max_error_px = max_error_px
        self._min_matches = min_matches
        self._seed = seed
        self._calibration_lock = threading.Lock()
        self.tolerance = Tolerance()
        """Mappings that raised; each counts as one that gave no reconstruction."""

    @property
    def rounds(self) -> tuple[tuple[MapperVariant, ...], ...]:
        """What can be tried, in the order to try it."""
        first, second, *others = rounds_of(len(self._names))
        if self._refined is not None and self._refined.refined.any():
            second = (*second, FROM_REFINED_PAIRS)
        if self._priors is not None:
            second = (*second, FROM_DEPTH)
        return (first, second, *others)

    def run(self, recipes: Sequence[MapperVariant], workers: int) -> list[Hypothesis | Failure]:
        """Runs recipes, at most `workers` side by side; results in the order of `recipes`."""
        token = pycolmap.CancellationToken()
        # In this process the global mapper cannot be cancelled; its thread is left behind.
        seconds = in_threads(
            lambda recipe: self._try(recipe, token), recipes, workers, token.cancel
        )
        return [self._judge(*done) for done in zip(recipes, seconds, strict=True)]

    def forget_databases(self, to_come: Iterable[MapperVariant] = ()) -> None:
        """Removes databases that none of the recipes to come sets out from."""
        needed = {self._focals(recipe.focals) for recipe in to_come}
        for path in self._folder.glob(f"{_FOCALS} *.db"):
            if path not in needed:
                path.unlink()

    def _focals(self, source: str) -> Path:
        return self._folder / f"{_FOCALS} {source}.db"

    def _try(self, recipe: MapperVariant, token: pycolmap.CancellationToken) -> float:
        """Seconds it took, 0 where it raised."""
        name = f"{recipe.name} mapping"
        return self.tolerance.attempt(name, lambda: self._done_or_run(recipe, token), 0.0)

    def _done_or_run(self, recipe: MapperVariant, token: pycolmap.CancellationToken) -> float:
        """Seconds it took; the models are in the recipe's folder."""
        folder = self._folder / recipe.name
        if not folder.exists():
            # A folder of its own: a mapper that was given up may still be writing to its.
            unfinished = Path(tempfile.mkdtemp(prefix=f".{recipe.name}.", dir=self._folder))
            start = time.perf_counter()
            self._map(recipe, unfinished, token)
            if token.is_cancelled:
                raise CancelledError
            write_json(unfinished / _DONE, {"seconds": time.perf_counter() - start})
            unfinished.rename(folder)
        return json.loads((folder / _DONE).read_text(encoding="utf-8"))["seconds"]

    def _map(self, recipe: MapperVariant, folder: Path, token: pycolmap.CancellationToken) -> None:
        database = folder / "database.db"
        seed = self._seed + recipe.restart
        shutil.copyfile(self._source(recipe), database)
        models = folder / "models"
        models.mkdir()
        if recipe.mapper == "view graph":
            refined = self._refined if recipe.refined else None
            priors = self._priors if recipe.by_depth else None
            starts = recipe.backbones
            self._from_view_graph(database, folder, models, seed, refined, priors, starts, token)
        else:
            few = len(self._names) <= FEW_PHOTOS
            task = MapperTask(
                mapper=recipe.mapper,
                database=str(database),
                models=str(models),
                seed=seed,
                min_matches=self._min_matches,
                relaxed=recipe.relaxed,
                few=few,
            )
            run_mapper(task, token)
        os.unlink(database)

    def _source(self, recipe: MapperVariant) -> Path:
        """The database with the focal lengths that a recipe starts from."""
        source = self._graph.database
        if recipe.focals == "given":
            return source
        target = self._focals(recipe.focals)
        with self._calibration_lock:
            if recipe.focals == "view graph":
                return calibrate(source, target, seed=self._seed).database
            if not target.exists():
                cameras, known = read_cameras(source)
                cameras = calibrate_focal_lengths(
                    self._table,
                    cameras,
                    self._camera_index,
                    known,
                    min_matches=self._min_matches,
                    seed=self._seed,
                )
                write_focal_lengths(source, target, cameras)
        return target

    def _from_view_graph(
        self,
        database: Path,
        folder: Path,
        models: Path,
        seed: int,
        refined: RefinedPairs | None,
        priors: KeypointPriors | None,
        backbones: Sequence[float],
        token: pycolmap.CancellationToken,
    ) -> None:
        cameras, _ = read_cameras(database)
        found = reconstructions(
            replace(self._graph, database=database),
            self._table,
            cameras,
            self._camera_index,
            self._names,
            folder,
            min_matches=self._min_matches,
            seed=seed,
            refined=refined,
            priors=priors,
            backbones=backbones,
            cancelled=lambda: token.is_cancelled,
        )
        for number, reconstruction in enumerate(found):
            (models / str(number)).mkdir()
            reconstruction.write_binary(models / str(number))

    def _judge(self, recipe: MapperVariant, seconds: float) -> Hypothesis | Failure:
        """The best of the models that the recipe left."""
        found = []
        models = self._folder / recipe.name / "models"
        for folder in sorted(models.iterdir()) if models.exists() else ():
            if (folder / "images.bin").exists():
                reconstruction = pycolmap.Reconstruction(folder)
                model = model_from_reconstruction(reconstruction, self._names)
                explanation = explain(model, self._table, max_error_px=self._max_error_px)
                error = float(reconstruction.compute_mean_reprojection_error())
                jumps = step_jumps(model, self._order)
                parts = (reconstruction, model, explanation, error, seconds, jumps)
                found.append(Hypothesis(recipe.name, recipe.mapper, *parts))
        found = [h for h in found if h.num_registered >= 2]
        return ranked(found)[0] if found else Failure(recipe.name, seconds)


def scores(hypotheses: Sequence[Hypothesis]) -> list[float]:
    """What speaks for each: the matches, less what is uneven in the steps of an ordered capture."""
    if not hypotheses:
        return []
    uneven = unevenness([h.jumps for h in hypotheses]).tolist()
    return [h.explanation.score - handicap(u) for h, u in zip(hypotheses, uneven, strict=True)]


def ranked(hypotheses: Sequence[Hypothesis]) -> list[Hypothesis]:
    """The best first."""
    order = np.argsort(-np.array(scores(hypotheses)), kind="stable")
    return [hypotheses[k] for k in order.tolist()]
