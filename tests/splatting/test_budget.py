"""From minutes and memory to numbers: the cost model, and the plan that is made from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes.splats import synthetic_views

from splatpose.errors import SplatposeError
from splatpose.render import choose_backend
from splatpose.render.cpu import loss
from splatpose.splatting import training_photos
from splatpose.splatting.budget import frontier
from splatpose.splatting.budget.calibration import Probe, miniature, one_held_out, time_steps
from splatpose.splatting.budget.cost import (
    CostModel,
    Counts,
    Timing,
    fit_cost,
    grouped,
    training_counts,
)
from splatpose.splatting.budget.memory import training_bytes
from splatpose.splatting.budget.photo_set import PhotoSet, growth, most_gaussians
from splatpose.splatting.budget.planning import Limits, Wish, plan
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.schedule import Schedule

CONFIG = TrainingConfig(backend="cpu")
RATES = Counts(1e-3, 2e-8, 2e-9, 3e-8, 1e-8, 5e-7, 2e-8, 2e-7)
"""About what two cores of a server take."""
PLENTY = Limits(CostModel(RATES), 2**30, 2**50)


def photo_set(count: int = 24, width: int = 4000, height: int = 3000) -> PhotoSet:
    return PhotoSet(np.tile([width, height], (count, 1)), count // 8, 5_000)


def wish(minutes: float, memory: float = 0.0, *given: str, size: int = 640, **fields) -> Wish:
    return Wish(minutes, memory, size, replace(CONFIG, **fields), frozenset(given))


def work(photos: PhotoSet, chosen) -> float:
    config = replace(CONFIG, max_gaussians=chosen.max_gaussians)
    gaussians = most_gaussians(config, photos, chosen.max_size)
    return photos.pixels(chosen.max_size) * chosen.steps * gaussians


@pytest.mark.parametrize("seed", range(3))
def test_more_minutes_never_give_less(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rates = Counts(*(np.array(RATES) * np.exp(rng.normal(0, 1, len(RATES)))).tolist())
    long = int(rng.choice([300, 700, 1600, 4000]))
    photos = photo_set(int(rng.choice([3, 12, 60, 400])), long, 3 * long // 4)
    plans = [
        plan(photos, wish(minutes), Limits(CostModel(rates), 2**30, 2**50))
        for minutes in (0.1, 0.4, 1, 2.1, 2.2, 5, 60)
    ]
    assert np.all(np.diff([work(photos, chosen) for chosen in plans]) >= 0)
    for chosen in plans:
        assert chosen.seconds <= 61 * chosen.minutes or "too few" in chosen.note


def test_time_is_filled_and_a_slower_machine_gets_less() -> None:
    photos = photo_set()
    for minutes in (0.5, 2, 10):
        chosen = plan(photos, wish(minutes), PLENTY)
        assert 0.9 * 60 * minutes < chosen.seconds <= 61 * minutes
        slow = CostModel(Counts(*(3 * np.array(RATES)).tolist()))
        assert work(photos, plan(photos, wish(minutes), replace(PLENTY, cost=slow))) < work(
            photos, chosen
        )


def test_the_schedule_is_as_long_as_the_training() -> None:
    chosen = plan(photo_set(), wish(10), PLENTY)
    assert chosen.refine_every == round(50 * chosen.steps / 2000)
    assert chosen.sh_every == round(400 * chosen.steps / 2000)
    assert 0 < chosen.final_steps <= 500
    assert chosen.max_size > 640
    assert chosen.max_gaussians > 40_000


def test_what_is_given_stays_and_the_rest_follows() -> None:
    photos = photo_set()
    free = plan(photos, wish(10), PLENTY)
    named = ("views.max_size", "training.sh_degree", "training.refine_every")
    held = plan(photos, wish(10, 0, *named, size=320, sh_degree=0, refine_every=7), PLENTY)
    assert (held.max_size, held.sh_degree, held.refine_every) == (320, 0, 7)
    assert held.steps > free.steps
    held = plan(photos, wish(10, 0, "training.max_gaussians", max_gaussians=12_345), PLENTY)
    assert held.max_gaussians == 12_345
    assert held.max_size > free.max_size or held.steps > free.steps
    held = plan(photos, wish(10, 0, "training.steps", steps=777), PLENTY)
    assert held.steps == 777
    assert held.max_size > free.max_size
    assert "--training.steps" in held.note


def test_too_little_time_says_so_and_makes_the_least() -> None:
    slow = CostModel(Counts(*(100 * np.array(RATES)).tolist()))
    chosen = plan(photo_set(), wish(0.1), replace(PLENTY, cost=slow))
    assert chosen.steps == frontier.LEAST_STEPS
    assert chosen.seconds > 6
    assert chosen.note.startswith("0.1 min are too few for 24 photos: the least training takes")
    chosen = plan(photo_set(), wish(1, 0, "training.steps", steps=10**6), PLENTY)
    assert "with --training.steps as given" in chosen.note


def test_few_photos_are_not_trained_on_for_ever() -> None:
    """Beyond some hundred steps a photo unseen views get worse."""
    chosen = plan(photo_set(11, 640, 480), wish(2000), PLENTY)
    assert chosen.steps <= frontier.MOST_STEPS_A_PHOTO * 10
    assert chosen.max_size == 640, "photos are not enlarged"
    assert "not all of 2000 min is used" in chosen.note


def test_many_photos_get_steps_before_they_get_size() -> None:
    few, many = (plan(photo_set(count), wish(5), PLENTY) for count in (24, 1000))
    assert many.max_size < few.max_size
    assert many.steps >= frontier.LEAST_STEPS_A_PHOTO * 875


def test_memory_bounds_the_plan_and_more_never_gives_less() -> None:
    photos = photo_set()
    sizes = [plan(photos, wish(300, gib), PLENTY) for gib in (1.3, 1.6, 3, 9)]
    for chosen in sizes:
        assert chosen.memory_mb <= 1024 * chosen.memory_gib
    assert np.all(np.diff([work(photos, chosen) for chosen in sizes]) >= 0)
    assert sizes[0].max_gaussians < sizes[-1].max_gaussians
    assert "memory allows no larger" in plan(photo_set(11), wish(5000, 1.3), PLENTY).note


def test_memory_too_small_is_refused_with_what_it_takes() -> None:
    with pytest.raises(SplatposeError, match=r"1 GiB of memory are too little.*1\.\d GiB") as error:
        plan(photo_set(), wish(1, 1.0), PLENTY)
    assert "--memory" in error.value.hint
    both = ("views.max_size", "training.max_gaussians")
    with pytest.raises(SplatposeError) as error:
        plan(photo_set(), wish(1, 1.5, *both, size=4000, max_gaussians=10**7), PLENTY)
    assert "leave --training.max-gaussians and --views.max-size to be chosen" in error.value.hint


def test_memory_alone_takes_nothing_away_that_fits() -> None:
    photos, limits = photo_set(), replace(PLENTY, cost=None)
    same = plan(photos, wish(0, 50), limits)
    assert (same.max_size, same.steps, same.max_gaussians) == (640, 2000, 40_000)
    assert (same.sh_degree, same.refine_every, same.final_steps) == (2, 50, 200)
    whole = training_bytes(CONFIG, photos, 640, limits.base_bytes) / 2**30
    less = plan(photos, wish(0, whole - 0.05), limits)
    assert less.max_size < 640
    assert less.steps == 2000
    assert less.memory_mb <= 1024 * less.memory_gib


def test_free_memory_bounds_plans_that_ask_nothing_about_it() -> None:
    photos = photo_set()
    chosen = plan(photos, wish(300), replace(PLENTY, free_bytes=2**29))
    assert chosen.memory_mb <= 1024 * 1.5
    assert chosen.max_size < plan(photos, wish(300), PLENTY).max_size


def test_costs_are_summed_over_the_schedule() -> None:
    """Against the schedule itself, step by step, for a training of mixed sizes."""
    config = replace(CONFIG, steps=1500, refine_every=40, sh_every=300)
    photos = PhotoSet(np.array([[640, 480]] * 20 + [[480, 480]] * 12), 4, 3_000)
    counts = training_counts(config, photos, 600)
    schedule, grown = Schedule(config, 600, 1.0), growth(config, photos, 600)
    pixels = gaussians = coefficients = refined = 0.0
    for step in range(1700):
        count = max(3_000, grown.budget(min(step, grown.stop)))
        pixels += photos.pixels(600) / schedule.factor(step) ** 2
        gaussians += count
        coefficients += count * (schedule.sh_degree(step) + 1) ** 2
        refined += count * grown.due(step)
    exact = Counts(1700, gaussians, coefficients, pixels, 0, refined)
    for name in ("steps", "gaussians", "coefficients", "pixels", "refined"):
        assert getattr(counts, name) == pytest.approx(getattr(exact, name), rel=0.04), name
    assert counts.pixels < 0.8 * 1700 * photos.pixels(600), "not the last step's, times the steps"
    assert counts.measured == 4 * photos.pixels(600)


def made_timings(noise: float, *sizes: tuple[int, int]) -> list[Timing]:
    """Steps of trainings of so many pixels and Gaussians, at the prices of `RATES`."""
    rng, timings = np.random.default_rng(1), []
    for pixels, most in sizes:
        for colors, share in ((1, 0.2), (4, 0.4), (4, 0.7), (9, 1), (16, 1)):
            for fresh, refined in ((0, 0), (1, 0), (0, 1)):
                n, shown = most * share, pixels * share
                counts = Counts(1, n, n * colors, shown, shown * fresh, n * refined)
                seconds = float(np.dot(counts, RATES))
                timings += [Timing(counts, seconds * rng.normal(1, noise)) for _ in range(5)]
    return timings


def test_the_model_finds_the_prices_that_made_the_timings() -> None:
    timings = made_timings(0, (43_000, 8_000), (170_000, 30_000))
    held_up = [replace(timing, seconds=20 * timing.seconds) for timing in timings[::5]]
    found = fit_cost(grouped([*timings, *held_up])).rates
    np.testing.assert_allclose(found[:6], RATES[:6], rtol=1e-6)
    assert found[6:] == (0, 0), "what was not timed"


def test_noise_does_not_spoil_what_a_training_costs() -> None:
    model = fit_cost(grouped(made_timings(0.1, (43_000, 8_000), (170_000, 30_000), (3e5, 70_000))))
    counts = training_counts(replace(CONFIG, max_gaussians=75_000, sh_degree=3), photo_set(), 800)
    counts = counts._replace(prepared=0, measured=0)
    assert model.seconds(counts) == pytest.approx(float(np.dot(counts, RATES)), rel=0.1)
    assert min(model.rates) >= 0


def test_a_miniature_is_timed_step_by_step() -> None:
    views = one_held_out(synthetic_views(5, held_out_every=0))
    config = miniature(replace(CONFIG, sh_degree=3), Probe(48, 1200, 24))
    timings = time_steps(views, config, choose_backend("cpu"), 0)
    total = np.sum([np.array(t.counts) * t.weight for t in timings], axis=0)
    counts = Counts(*total.tolist())
    assert 15 <= counts.steps <= 21
    assert min(counts) > 0, "everything has been counted at least once"
    assert max(t.counts.gaussians for t in timings) == 1200
    assert {round((t.counts.coefficients / t.counts.gaussians) ** 0.5) for t in timings if
            t.counts.gaussians} >= {2, 3, 4}  # fmt: skip
    assert all(t.seconds > 0 for t in timings)


def test_free_memory_that_nothing_fits_into_is_told_of() -> None:
    photos = photo_set()
    for left in (2**20, 0, -(2**40)):
        chosen = plan(photos, wish(10), replace(PLENTY, free_bytes=left))
        assert chosen.memory_mb > 1024 + left / 2**20
        told = chosen.note.partition("free memory is too little for any training on 24 photos")[2]
        assert "0.0 GiB can be planned with" in told
        needed = (chosen.memory_mb - 1024) / 1024
        assert f"the least takes about {needed:.1f} GiB" in told
    given = wish(10, 0, "views.max_size", size=4000)
    assert (
        "with --views.max-size as given" in plan(photos, given, replace(PLENTY, free_bytes=0)).note
    )
    assert "free memory" not in plan(photos, wish(10), PLENTY).note
    slow = CostModel(Counts(*(100 * np.array(RATES)).tolist()))
    both = plan(photos, wish(0.1), replace(PLENTY, cost=slow, free_bytes=0)).note
    assert both.startswith("0.1 min are too few")
    assert "; free memory is too little" in both


def test_memory_on_a_gpu_is_said_to_be_an_estimate() -> None:
    photos, card = photo_set(), replace(PLENTY, estimated=True)
    for asked in (wish(300, 1.3), wish(0, 50), wish(10, 50)):
        assert "memory on a GPU is an estimate" in plan(photos, asked, card).note
        assert "estimate" not in plan(photos, asked, PLENTY).note
    assert plan(photos, wish(10), card).note == "", "memory decided nothing"
    assert "estimate" in plan(photos, wish(300), replace(card, free_bytes=2**29)).note


@pytest.mark.parametrize("count", [2, 5, 8, 9, 12])
def test_time_is_filled_for_few_photos_too(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose most steps come before those at which the last pass is longest."""
    interp = np.interp

    def checked(x: float, xp: list[float], fp: list[float]) -> float:
        assert np.all(np.diff(xp) > 0), "what numpy asks for"
        return interp(x, xp, fp)

    monkeypatch.setattr(np, "interp", checked)
    photos = PhotoSet(np.tile([640, 480], (count, 1)), int(count > 2), 2_000)
    least, most = (plan(photos, wish(minutes), PLENTY) for minutes in (0.1, 1000))
    for seconds in np.geomspace(max(10.0, least.seconds), most.seconds, 8)[1:-1].tolist():
        chosen = plan(photos, wish(seconds / 60), PLENTY)
        assert 0.95 * seconds < chosen.seconds <= 1.02 * seconds


def test_many_photos_are_not_called_few() -> None:
    notes = [plan(photo_set(count, 640, 480), wish(10_000), PLENTY).note for count in (1, 300)]
    assert "worth nothing for 1 photo" in notes[0]
    assert notes[1].endswith("worth nothing for 300 photos")


def test_what_is_kept_of_photos_is_what_the_model_counts() -> None:
    """Figures of the model of cost and memory, against what training itself keeps."""
    height, width = 40, 200
    target = torch.rand(height, width, 3)
    loss.photometric_loss(torch.rand(height, width, 3), target)
    blurs = loss._cache.get(target)
    assert blurs is not None
    assert 1 <= blurs.nbytes / (loss.BLURS_PIXEL_BYTES * height * width) < 1.5, "with their margins"
    photos = training_photos.TrainingPhotos(synthetic_views(2), (1.0,), torch.device("cpu"))
    colors = photos.target(0, 1.0)
    assert colors.nbytes == training_photos.FLOAT_PIXEL_BYTES * colors.shape[0] * colors.shape[1]
    assert loss._cache._capacity == loss.KEPT_BYTES
    few, many = (training_bytes(CONFIG, photo_set(count), 4000) for count in (800, 1600))
    stored = 3 * 12e6 * (1 + sum(1 / f**2 for f in Schedule(CONFIG, 4000, 1.0).factors))
    assert many - few == pytest.approx(800 * stored), "beyond the bounds photos alone count"
