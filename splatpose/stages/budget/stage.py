"""Between poses and views: the numbers of a training of so many minutes, chosen once and kept."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ...errors import SplatposeError
from ...events import EventSink, Message, Progress
from ...keys import Stage
from ...render import Backend, choose_backend
from ...render.cpu import warmup
from ...scene.capture import Capture
from ...scene.sparse_model import SparseModel
from ...scene.training_plan import TrainingPlan
from ...splatting.budget.calibration import (
    FIRST_PROBES,
    Probe,
    miniature,
    one_held_out,
    time_steps,
    weighted,
)
from ...splatting.budget.cost import CostModel, Timing, fit_cost, training_counts
from ...splatting.budget.photo_set import PhotoSet
from ...splatting.budget.planning import Limits, Wish, plan
from ...splatting.config import TrainingConfig
from ...splatting.device import free_memory
from ...undistortion.hold_out import split
from ...undistortion.lens import choose_pinhole
from ...undistortion.make_views import make_views
from ...undistortion.subset import reduced
from ...wording import duration
from .config import BudgetConfig
from .storage import load_plan, save_plan

_PHOTOS = 8
"""Photos that are trained on for a moment, from all over the set."""
_CARD_BYTES = int(0.7 * 2**30)
"""Memory that CUDA and its libraries take on a card before anything is computed."""
_FREE_SHARE = 0.8
"""Share of the free memory that is planned with where nothing is asked about memory."""
_LONGER = 1.3
"""Factor by which a plan must exceed what was timed to be timed itself."""
_PROBE_SHARE, _PROBE_SECONDS = 0.04, 4.0
"""Share of the time asked for, and seconds: the larger is what timing a plan may take."""
_FEWEST, _MOST = 20, 120
"""Steps of the miniature of a plan."""
_PLAN_WEIGHT = 4.0
"""How much more than others the timings of the plan itself count."""


def plan_training(
    capture: Capture,
    poses: SparseModel,
    config: BudgetConfig,
    folder: Path,
    emit: EventSink,
    *,
    training: TrainingConfig,
    max_size: int,
    keep_edges: float,
    eval_every: int,
    hold_out: tuple[str, ...] | None,
    seed: int,
) -> str:
    """Times short trainings on some of the photos, and chooses what fits into the time.

    Args:
        capture: the photos.
        poses: cameras and sparse points.
        config: the time and the memory; `given` names all that is not to be chosen.
        folder: receives the plan.
        emit: receives progress, and what a person should know of the plan.
        training: settings of the training, with its backend.
        max_size: long side of the photos where it is given, in pixels.
        keep_edges: as `ViewsConfig.keep_edges`.
        eval_every: as `ViewsConfig.eval_every`.
        hold_out: as `ViewsConfig.hold_out`.
        seed: of the short trainings.

    Returns:
        One line for a person.

    Raises:
        SplatposeError: the least training needs more memory than was asked for, or none of the
            short ones stayed finite.
    """
    photos = _photo_set(poses, keep_edges, eval_every, hold_out)
    backend = choose_backend(training.backend)
    minutes = config.minutes or 0.0
    wish = Wish(minutes, config.memory, max_size, training, frozenset(config.given))
    if backend.name == "cpu":
        warmup()
    cost = bench = None
    if minutes:
        bench = _Bench(capture, poses, training, backend, seed, emit)
        cost = bench.first()
    base, free = _memory(backend)  # now that all that trains is loaded
    limits = Limits(cost, base, int(_FREE_SHARE * free), estimated=_on_card(backend))
    if bench is not None:
        limits = replace(limits, cost=bench.closer(plan(photos, wish, limits), photos))
    chosen = plan(photos, wish, limits)
    if chosen.note:
        emit(Message("budget", f"{chosen.note}.", "warning"))
    save_plan(folder, chosen, {} if limits.cost is None else limits.cost.rates._asdict())
    return plan_line(chosen)


def plan_line(chosen: TrainingPlan) -> str:
    """The plan for a person: 1,024 px, 7,400 steps, 180,000 Gaussians: about 9 min 40 s."""
    text = f"{chosen.max_size:,} px, {chosen.steps:,} steps, {chosen.max_gaussians:,} Gaussians"
    text += ": about "
    memory = f"{chosen.memory_mb / 1024:.1f} GiB of memory"
    if not chosen.minutes:
        return text + memory
    return text + duration(chosen.seconds) + (f", {memory}" if chosen.memory_gib else "")


class _Bench:
    """Short trainings on some of the photos, and what all of them have told so far."""

    def __init__(
        self,
        capture: Capture,
        poses: SparseModel,
        training: TrainingConfig,
        backend: Backend,
        seed: int,
        emit: EventSink,
    ) -> None:
        self._capture, self._poses = capture, replace(poses, registered=_some(poses))
        self._training, self._backend, self._seed = training, backend, seed
        self._emit = emit
        self._timings: list[Timing] = []
        self._probes = FIRST_PROBES[backend.name]

    def first(self) -> CostModel:
        """What two small trainings tell."""
        largest = max(probe.max_size for probe in self._probes)
        views = one_held_out(make_views(self._capture, self._poses, largest))
        total = len(self._probes) + 1
        for done, probe in enumerate(self._probes, 1):
            config = miniature(replace(self._training, sh_degree=3), probe)
            small = reduced(views, probe.max_size)
            self._timings += time_steps(small, config, self._backend, self._seed)
            self._emit(Progress("budget", done, total, "short trainings timed"))
        if not any(timing.counts.steps for timing in self._timings):
            raise SplatposeError(
                "Short trainings diverged, so that nothing tells what a training would take.",
                "Leave --minutes out, and report it with the photos.",
            )
        return fit_cost(self._timings)

    def closer(self, chosen: TrainingPlan, photos: PhotoSet) -> CostModel:
        """The model with the plan itself timed in miniature, where it is beyond the first ones."""
        known, last = fit_cost(self._timings), self._probes[-1]
        wanted = Probe(chosen.max_size, chosen.max_gaussians, _FEWEST)
        beyond = wanted.max_size > _LONGER * last.max_size
        beyond = beyond or wanted.max_gaussians > _LONGER * last.max_gaussians
        total = len(self._probes) + 1
        if not beyond:
            self._emit(Progress("budget", total, total, "short trainings timed"))
            return known
        config = replace(self._training, sh_degree=chosen.sh_degree)
        counts = training_counts(miniature(config, wanted), photos, wanted.max_size)
        allowed = max(_PROBE_SECONDS, _PROBE_SHARE * 60 * chosen.minutes)
        a_step = known.seconds(counts._replace(prepared=0, measured=0)) / wanted.steps
        steps = int(np.clip(allowed / max(a_step, 1e-6), _FEWEST, _MOST))
        config = miniature(config, replace(wanted, steps=steps))
        views = one_held_out(make_views(self._capture, self._poses, wanted.max_size))
        told = time_steps(views, config, self._backend, self._seed, 3 * allowed)
        self._timings += weighted(told, _PLAN_WEIGHT)
        self._emit(Progress("budget", total, total, "short trainings timed"))
        return fit_cost(self._timings)


def _some(poses: SparseModel) -> np.ndarray:
    """Some of the registered photos, from all over the set."""
    photos = np.flatnonzero(poses.registered)
    index = np.linspace(0, len(photos) - 1, min(_PHOTOS, len(photos))).round().astype(int)
    chosen = np.zeros(len(poses.registered), bool)
    chosen[photos[np.unique(index)]] = True
    return chosen


def _photo_set(
    poses: SparseModel, keep_edges: float, eval_every: int, hold_out: tuple[str, ...] | None
) -> PhotoSet:
    """The registered photos by their sizes; near-copies are held out with others only later."""
    photos = np.flatnonzero(poses.registered)
    cameras, camera = np.unique(poses.camera_index[photos], return_inverse=True)
    full = [choose_pinhole(poses.cameras[i], 1 << 30, keep_edges) for i in cameras.tolist()]
    sizes: Int[np.ndarray, "C 2"] = np.array([(lens.width, lens.height) for lens in full])
    held_out = split(np.arange(len(photos)), eval_every)
    if hold_out:
        held_out = np.isin([poses.names[photo] for photo in photos], hold_out)
    return PhotoSet(sizes[camera], int(held_out.sum()), len(poses.points))


def _memory(backend: Backend) -> tuple[int, int]:
    """Bytes in use before the training, and bytes that are free, where it trains."""
    import psutil

    gc.collect()  # what loading kernels the first time leaves in circles holds a short training
    free = free_memory(backend.device)
    if _on_card(backend):
        return _CARD_BYTES, free
    return int(psutil.Process().memory_info().rss), free


def _on_card(backend: Backend) -> bool:
    return backend.device.type == "cuda"


BUDGET = Stage("budget", plan_training, load_plan)
