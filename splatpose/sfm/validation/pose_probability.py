"""How probable it is that a pose is right: points for every piece of evidence, added up.

An additive, monotone model of the log-odds: every figure takes points away, the more the worse it
is, along a broken line, and one that could not be measured takes a fixed number. So the largest
term is the reason (Ustun & Rudin, "Learning optimized risk scores", JMLR 2019; generalised additive
models as of Lou et al., KDD 2012, with monotone shapes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import minimize
from scipy.special import expit, logit

_SUMS, _SUMS_EXPECTED = (0.0, 2.0, 4.0, 6.0, 10.0, 20.0, 40.0), (0.0, 1.5, 4.2, 5.5, 7.0, 8.0, 8.5)
"""Sums of points, and what they are expected to take from the log-odds: doubts have causes in
common, so that ten of them say less than ten times as much as one."""
_MAX_POINTS = 12.0
"""That one figure may take: e^-12 is one in 160,000."""


@dataclass(frozen=True)
class Term:
    """One figure's broken line."""

    figure: str
    knots: tuple[float, ...]
    """Values of the figure, from good to bad."""
    points: tuple[float, ...]
    """What each takes away from the log-odds, from 0 on and never falling."""
    unknown: float
    """What it takes away where it could not be measured."""

    def lost(self, values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
        """Points that values take away."""
        sign = 1.0 if self.knots[-1] >= self.knots[0] else -1.0
        found = np.interp(sign * values, sign * np.array(self.knots), np.array(self.points))
        return np.where(np.isnan(values), self.unknown, found)


_PLAIN = Term("points", (0.0, 1000.0), (0.0, 1000.0), 0.0)


@dataclass(frozen=True)
class ProbabilityModel:
    """Points of every figure, and what their sum means."""

    most: float
    """Log-odds of a pose against which nothing speaks."""
    terms: tuple[Term, ...]
    link: Term = _PLAIN
    """What the sum of the points takes away from the log-odds: itself, unless it was calibrated."""

    def lost(self, figures: Mapping[str, Float[np.ndarray, " N"]]) -> Float[np.ndarray, "N K"]:
        """Points that each figure takes away from each of N poses."""
        return np.stack([term.lost(figures[term.figure]) for term in self.terms], axis=1)

    def probability(self, lost: Float[np.ndarray, "N K"]) -> Float[np.ndarray, " N"]:
        """That each pose is right."""
        return np.asarray(expit(self.most - self.link.lost(lost.sum(1))), np.float64)


def lowered(probability: float, points: float) -> float:
    """A probability after one more piece of evidence has taken points away."""
    return float(expit(logit(probability) - points))


def calibrated(
    model: ProbabilityModel,
    figures: Mapping[str, Float[np.ndarray, " N"]],
    right: Bool[np.ndarray, " N"],
    weight: Float[np.ndarray, " N"],
    *,
    stiffness: float,
) -> ProbabilityModel:
    """The same points with the meaning that their sum has for N poses.

    The other arguments are those of `fit_probability`.
    """
    total = {_PLAIN.figure: model.lost(figures).sum(1)}
    spread = ProbabilityModel(model.most, (_of_sums(),))
    fit = fit_probability(spread, total, right, weight, stiffness=stiffness)
    return ProbabilityModel(fit.most, model.terms, fit.terms[0])


def _of_sums() -> Term:
    """What is expected of sums: as many points of log-odds as they are, up to a few."""
    return Term(_PLAIN.figure, _SUMS, _SUMS_EXPECTED, 0.0)


def fit_probability(
    expected: ProbabilityModel,
    figures: Mapping[str, Float[np.ndarray, " N"]],
    right: Bool[np.ndarray, " N"],
    weight: Float[np.ndarray, " N"],
    *,
    stiffness: float,
) -> ProbabilityModel:
    """Points by maximum likelihood, drawn to those that are expected; none ever gives any back.

    Args:
        expected: its knots are kept.
        figures: of N poses.
        right: whether each pose is right.
        weight: of each pose in the likelihood.
        stiffness: of the penalty on the squares of what each step differs from the expected one.
    """
    parts = [_passed(figures[term.figure], term.knots) for term in expected.terms]
    A = np.concatenate([np.ones((len(right), 1)), *(-part for part in parts)], axis=1)
    sign = np.where(right, 1.0, -1.0)
    weight = weight / weight.sum()
    prior = np.concatenate(
        [[expected.most], *([*np.diff(t.points), t.unknown] for t in expected.terms)]
    )

    def objective(x: Float[np.ndarray, " K"]) -> tuple[float, Float[np.ndarray, " K"]]:
        margin, off = sign * (A @ x), x - prior
        slope = -(weight * sign * expit(-margin)) @ A + 2 * stiffness * off
        return float((weight * np.logaddexp(0, -margin)).sum() + stiffness * (off**2).sum()), slope

    bounds = [(0.0, _MAX_POINTS)] * len(prior)
    steps = minimize(objective, prior, jac=True, bounds=bounds, method="L-BFGS-B").x
    ends = np.cumsum([part.shape[1] for part in parts])
    terms = []
    for term, own in zip(expected.terms, np.split(steps[1:], ends[:-1]), strict=True):
        points = np.r_[0.0, np.cumsum(own[:-1])]
        terms.append(replace(term, points=tuple(points.tolist()), unknown=float(own[-1])))
    return ProbabilityModel(float(steps[0]), tuple(terms))


def _passed(values: Float[np.ndarray, " N"], knots: Sequence[float]) -> Float[np.ndarray, "N K"]:
    """For each part of the broken line how much of it a value has passed, 0 to 1; last, whether the
    value is unknown."""
    places = np.array(knots, np.float64)
    known = np.where(np.isnan(values), places[0], values)
    passed = np.clip((known[:, None] - places[:-1]) / np.diff(places), 0, 1)
    unknown = np.isnan(values)[:, None].astype(np.float64)
    return np.concatenate([passed, unknown], axis=1)
