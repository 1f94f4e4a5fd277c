"""Which reconstruction is right? Rounds of hypotheses until two independent ones agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...events import EventSink, Message, Progress
from ...sfm.mapping.hypotheses import Failure, Hypothesis, Workshop, ranked
from ...sfm.mapping.mapper_variants import MapperVariant
from ...sfm.model_comparison import compare

_FEW_LEFT = 0.01
"""Share of the connected photos that may be left out without a further round, which takes minutes
with many: the final refinement tries each of them by itself."""


@dataclass(frozen=True)
class SearchResult:
    """All hypotheses that were tried, the best first."""

    hypotheses: tuple[Hypothesis, ...]
    failures: tuple[Failure, ...]
    agreeing: bool
    """Whether two independent hypotheses, the best among them, say the same."""
    skipped: tuple[str, ...]
    """Recipes that were not needed."""
    rounds: int = 1
    """Rounds that were run."""

    @property
    def contenders(self) -> list[Hypothesis]:
        """Those worth refining: the best, and unless another confirms it the best one of each
        other mapper, which fails for other reasons."""
        first: dict[str, Hypothesis] = {}
        for hypothesis in self.hypotheses:
            first.setdefault(hypothesis.mapper, hypothesis)
        return [self.hypotheses[0]] if self.agreeing else list(first.values())

    @property
    def tried(self) -> list[str]:
        return [h.name for h in self.hypotheses] + [f.name for f in self.failures]


def search(
    workshop: Workshop,
    *,
    max_rounds: int,
    workers: int,
    num_photos: int,
    num_connected: int,
    emit: EventSink,
) -> SearchResult:
    """Runs rounds of recipes until the best by evidence is confirmed by an independent one.

    The first result is never accepted alone. A hypothesis is confirmed when another from a
    different mapper or start places the same photos the same way; then the other rounds are
    skipped, unless it leaves out photos that could be placed, more than one of a hundred: then one
    more round is tried.
    Without confirmation all rounds run and evidence alone decides.

    Args:
        num_connected: photos that verified matches connect, directly or through others.
    """
    rounds = workshop.rounds[:max_rounds]
    total = sum(map(len, rounds))
    hypotheses: list[Hypothesis] = []
    failures: list[Failure] = []
    done = 0
    for number, recipes in enumerate(rounds):
        emit(Progress("poses", done, total, _doing(recipes)))
        for result in workshop.run(recipes, workers):
            done += 1
            if isinstance(result, Hypothesis):
                hypotheses.append(result)
            else:
                failures.append(result)
            emit(Progress("poses", done, total, _outcome(result, num_photos)))
        workshop.forget_databases(recipe for rest in rounds[number + 1 :] for recipe in rest)
        hypotheses = ranked(hypotheses)
        last = number + 1 == len(rounds)
        agreeing = _confirmed(hypotheses)
        left = num_connected - hypotheses[0].num_registered if hypotheses else num_connected
        complete = left <= int(_FEW_LEFT * num_connected)
        if agreeing and (complete or number > 0 or last):
            skipped = tuple(recipe.name for rest in rounds[number + 1 :] for recipe in rest)
            if skipped:
                emit(Message("poses", _why_enough(hypotheses, skipped)))
            return SearchResult(tuple(hypotheses), tuple(failures), True, skipped, number + 1)
        if agreeing:
            emit(Message("poses", f"{left} connected photos are left out: trying other ways"))
        elif not last:
            emit(Message("poses", _why_more(hypotheses, failures)))
    return SearchResult(tuple(hypotheses), tuple(failures), False, (), len(rounds))


def _confirmed(ranked: Sequence[Hypothesis]) -> bool:
    """Whether another hypothesis says the same as the best one."""
    if not ranked or not ranked[0].explanation.plausible:
        return False
    return any(compare(ranked[0].model, rival.model).holds() for rival in _independent(ranked))


def _independent(ranked: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Those that can confirm the best one; two view graphs share most of their pairs."""
    best = ranked[0]
    return [h for h in ranked[1:] if not h.mapper == best.mapper == "view graph"]


def _doing(recipes: Sequence[MapperVariant]) -> str:
    return " and ".join(recipe.name for recipe in recipes) + " mapping"


def _outcome(result: Hypothesis | Failure, num_photos: int) -> str:
    if isinstance(result, Failure):
        return f"{result.name}: no reconstruction"
    share = 100 * result.explanation.share
    return (
        f"{result.name}: {result.num_registered}/{num_photos} photos, "
        f"{share:.1f} % of the matches explained"
    )


def _why_enough(ranked: Sequence[Hypothesis], skipped: Sequence[str]) -> str:
    rival = next(h for h in _independent(ranked) if compare(ranked[0].model, h.model).holds())
    return (
        f"{ranked[0].name} and {rival.name} mapping agree: {len(skipped)} other attempts not needed"
    )


def _why_more(hypotheses: Sequence[Hypothesis], failures: Sequence[Failure]) -> str:
    if len(hypotheses) < 2:
        lost = ", ".join(failure.name for failure in failures)
        return f"no reconstruction from {lost} mapping: trying other ways"
    best, rival = hypotheses[:2]
    agreement = compare(best.model, rival.model)
    return (
        f"{best.name} and {rival.name} mapping disagree (rotations differ by up to "
        f"{agreement.rotation_error:.1f} degrees, centres by {100 * agreement.center_error:.0f} % "
        f"of the radius, {100 * agreement.overlap:.0f} % of the photos in both): trying other ways"
    )
