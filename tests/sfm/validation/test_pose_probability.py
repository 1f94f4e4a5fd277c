"""Points for figures, added up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from splatpose.sfm.validation.pose_probability import (
    ProbabilityModel,
    Term,
    calibrated,
    fit_probability,
    lowered,
)

UP = Term("up", (1.0, 2.0, 4.0), (0.0, 1.0, 5.0), 0.5)
DOWN = Term("down", (10.0, 5.0, 0.0), (0.0, 2.0, 3.0), 1.0)
NAN = float("nan")


def test_points_follow_the_broken_line_and_stay_beyond_its_ends() -> None:
    values = np.array([0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 99.0, np.inf, NAN])
    np.testing.assert_allclose(UP.lost(values), [0, 0, 0.5, 1, 3, 5, 5, 5, 0.5])
    values = np.array([99.0, 10.0, 7.5, 5.0, 2.5, 0.0, -1.0, NAN])
    np.testing.assert_allclose(DOWN.lost(values), [0, 0, 1, 2, 2.5, 3, 3, 1])


def test_probability_is_of_the_sum() -> None:
    model = ProbabilityModel(4.0, (UP, DOWN))
    lost = model.lost({"up": np.array([1.0, 4.0]), "down": np.array([10.0, 5.0])})
    np.testing.assert_allclose(lost, [[0, 0], [5, 2]])
    expected = 1 / (1 + np.exp(-np.array([4.0, -3.0])))
    np.testing.assert_allclose(model.probability(lost), expected)
    assert lowered(expected[0], 7.0) == pytest.approx(expected[1])


def sample(count: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Figures and outcomes of the model with which they are drawn."""
    rng = np.random.default_rng(seed)
    figures = {"up": rng.uniform(0.5, 5, count), "down": rng.uniform(-1, 12, count)}
    figures["up"][rng.random(count) < 0.2] = NAN
    truth = ProbabilityModel(3.0, (UP, DOWN))
    right = rng.random(count) < truth.probability(truth.lost(figures))
    return figures, right


def test_fit_finds_the_points_and_probabilities_that_hold() -> None:
    figures, right = sample(20_000, 0)
    nothing = ProbabilityModel(
        1.0, tuple(Term(t.figure, t.knots, (0.0, 0.0, 0.0), 0.0) for t in (UP, DOWN))
    )
    fit = fit_probability(nothing, figures, right, np.ones(len(right)), stiffness=1e-6)
    assert fit.most == pytest.approx(3.0, abs=0.3)
    for term, true in zip(fit.terms, (UP, DOWN), strict=True):
        np.testing.assert_allclose(term.points, true.points, atol=0.4)
    assert fit.terms[0].unknown == pytest.approx(UP.unknown, abs=0.3)
    unseen, outcome = sample(20_000, 1)
    said = fit.probability(fit.lost(unseen))
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        own = (said >= low) & (said < high)
        assert outcome[own].mean() == pytest.approx(said[own].mean(), abs=0.03)


def test_what_sums_mean_is_calibrated_and_changes_no_order() -> None:
    figures, right = sample(20_000, 4)
    twice = ProbabilityModel(
        5.0,
        tuple(replace(t, points=tuple(2 * p for p in t.points), unknown=2 * t.unknown)
              for t in (UP, DOWN)),
    )  # fmt: skip
    fit = calibrated(twice, figures, right, np.ones(len(right)), stiffness=1e-6)
    assert fit.terms == twice.terms
    assert (np.diff(fit.link.points) >= 0).all()
    unseen, outcome = sample(20_000, 5)
    lost = fit.lost(unseen)
    said = fit.probability(lost)
    for low, high in ((0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1)):
        own = (said >= low) & (said < high)
        assert outcome[own].mean() == pytest.approx(said[own].mean(), abs=0.04)
    order = np.argsort(lost.sum(1))
    assert (np.diff(said[order]) <= 1e-12).all()


def test_what_the_sample_does_not_show_stays_as_expected() -> None:
    figures, right = sample(2000, 2)
    figures["never bad"] = np.zeros(2000)
    expected = ProbabilityModel(
        3.0, (UP, DOWN, Term("never bad", (0.0, 1.0, 2.0), (0.0, 4.0, 7.0), 2.0))
    )
    fit = fit_probability(expected, figures, right, np.ones(2000), stiffness=1e-3)
    np.testing.assert_allclose(fit.terms[2].points, (0, 4, 7), atol=1e-6)
    assert fit.terms[2].unknown == pytest.approx(2.0)


def test_points_never_come_back() -> None:
    """A figure that is worse the better the pose takes nothing."""
    rng = np.random.default_rng(3)
    figure = rng.uniform(0, 4, 3000)
    right = rng.random(3000) < 0.3 + 0.15 * figure
    expected = ProbabilityModel(1.0, (Term("odd", (0.0, 2.0, 4.0), (0.0, 0.5, 1.0), 0.0),))
    fit = fit_probability(expected, {"odd": figure}, right, np.ones(3000), stiffness=1e-6)
    np.testing.assert_allclose(fit.terms[0].points, 0, atol=1e-3)
