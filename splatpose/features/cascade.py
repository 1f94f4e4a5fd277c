"""A cascade of matchers for pairs of photos: nearest neighbours, a network, guided matching.

What a pair costs depends on how hard it is. Most pairs of neighbouring photos are settled by
nearest neighbours and robust geometry; the network is asked only about the others, and about their
strongest keypoints first, for its cost grows with the square of their number. What both left out
comes back by guided matching of all keypoints along the geometry that was found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Int

from ..geometry.graphs import common_neighbors
from ..tolerance import Tolerance
from .guided_matching import guided_matches
from .magsac import RobustGeometry, fit_robustly
from .matcher import Features, Matcher, error_px
from .nearest_neighbours import mutual_nearest
from .threads import one_thread_each

Pair = tuple[int, int]
"""Indices of two photos."""
Matches = Int[np.ndarray, "_ 2"]

NEAREST = "nearest neighbours"
NETWORK = "network, strongest keypoints"
WHOLE_NETWORK = "network, all keypoints"
NOT_ASKED = "not asked: other photos join them"
_NONE = np.zeros((0, 2), np.int64)


@dataclass(frozen=True)
class CascadeThresholds:
    """When a step of the cascade settles a pair. Set on fountain_p11, hololens_office and fox."""

    settled_inliers: int = 100
    """Nearest neighbours that must agree with one geometry to settle a pair: guided matching along
    it finds as many right matches as the network on all keypoints does."""
    settled_share: float = 0.5
    """Share of the nearest neighbours that must agree: where fewer do, the surroundings of
    keypoints look unlike, and the network sees more."""
    network_keypoints: int = 1024
    """Strongest keypoints that the network is asked about first: with half of them it costs a
    quarter."""
    network_inliers: int = 80
    """Agreeing matches of the strongest keypoints that are enough. Guided matching adds nothing
    good to them: where descriptors differ so, it finds as many false matches as right ones."""
    hint: int = 20
    """Agreeing matches of the strongest keypoints that make a pair worth all keypoints, where they
    do not settle it: where fewer agree, all keypoints hardly ever find more."""
    common: int = 5
    """Photos that settled pairs join to both of a pair, for the network not to be asked: tracks run
    through them, and its matches change poses by less than chance does (fountain_p11,
    herz_jesu_p25, tt_family24; with 3 sacre_coeur10, ten photos of ten cameras, loses by it)."""
    common_of_hinted: int = 2
    settled_each: int = 8
    """Photos that settled pairs join to both of a pair, and pairs that are settled of each of the
    two, for its strongest keypoints to be enough however few of them agree: all keypoints cost four
    to five times as much, and of wide pairs beside a chain of near ones bring what the chain says
    already. Photos that settle with few others, as on dark things and in kitchens, need them."""
    strict: float = 0.5
    """Share of the largest error within which nearest neighbours and guided matches must lie: they
    are the less certain ones, and it is the nearer ones that are right."""


CASCADE = CascadeThresholds()


@dataclass(frozen=True)
class MatchedPair:
    """Matches of two photos."""

    pair: Pair
    putative: Matches
    """Keypoint indices of all that were found."""
    inliers: Matches
    """Those that agree with one geometry; none where too few do."""
    way: str
    """How they were found."""
    geometry: RobustGeometry | None = None
    """The geometry of `putative`; None where there is none, or matches have come from elsewhere."""


class Cascade:
    """Matches pairs of photos at the cost that each needs.

    Args:
        matcher: with learned descriptors; one without matches all pairs by itself.
        features: of every photo.
        names: of the photos.
        max_error: largest error of a match, in pixels at working size.
        min_inliers: fewest matches that make a geometry.
    """

    def __init__(
        self,
        matcher: Matcher,
        features: Sequence[Features],
        names: Sequence[str],
        max_error: float,
        min_inliers: int,
    ) -> None:
        self._matcher, self._features, self._names = matcher, features, names
        self._max_error, self._min_inliers = max_error, min_inliers
        self._strongest = [f.strongest(CASCADE.network_keypoints) for f in features]
        self._tolerances: dict[str, Tolerance] = {}

    def check(self) -> str:
        """A sentence on pairs that could not be matched and count as without matches; "" where all
        could.

        Raises:
            Exception: the first fault, where most pairs of one way failed.
        """
        for tolerance in self._tolerances.values():
            tolerance.check()
        told = (one.told("could not be matched") for one in self._tolerances.values())
        return "; ".join(filter(None, told))

    def match(self, pairs: Sequence[Pair]) -> list[MatchedPair]:
        """Matches of each pair, in the order of the pairs."""
        found = {one.pair: one for one in self.settle(pairs)}
        found |= {one.pair: one for one in self.ask([p for p in pairs if p not in found])}
        return [found[pair] for pair in pairs]

    def settle(self, pairs: Sequence[Pair]) -> list[MatchedPair]:
        """The pairs that nearest neighbours settle, with guided matches along their geometry."""
        if self._matcher.descriptors is None:
            return []
        nearest = self._each(self._nearest, [[pair] for pair in pairs], NEAREST)
        settled = [nearest[pair] for pair in pairs if _is_settled(nearest[pair])]
        return one_thread_each(self._guided, settled)

    def ask(
        self, pairs: Sequence[Pair], joined: Collection[Pair] = frozenset()
    ) -> list[MatchedPair]:
        """What the matcher itself finds in each pair: a network in the strongest keypoints first,
        and in all of them where it left a pair open that there is a hint of.

        Args:
            joined: pairs of which the strongest keypoints are enough.
        """
        if self._matcher.descriptors is None:
            found = self._ask(pairs, self._features, self._matcher.name)
            return [found[pair] for pair in pairs]
        found = self._ask(pairs, self._strongest, NETWORK)
        alone = [one for pair, one in found.items() if pair not in joined]
        open_pairs = [one.pair for one in alone if self._is_worth_all_keypoints(one)]
        whole = self._ask(open_pairs, self._features, WHOLE_NETWORK)
        found |= {pair: _better(found[pair], one) for pair, one in whole.items()}
        return [found[pair] for pair in pairs]

    def _is_worth_all_keypoints(self, strongest: MatchedPair) -> bool:
        """Whether the network should see all keypoints of a pair: the strongest gave a hint, did
        not settle it, and are not all."""
        hinted = CASCADE.hint <= len(strongest.inliers) < CASCADE.network_inliers
        count = CASCADE.network_keypoints
        return hinted and any(len(self._features[i]) > count for i in strongest.pair)

    def _nearest(self, pairs: Sequence[Pair]) -> list[Matches]:
        assert self._matcher.descriptors is not None
        least = self._matcher.descriptors.min_cosine
        described = [[self._features[i].descriptors for i in pair] for pair in pairs]
        return [mutual_nearest(first, second, least) for first, second in described]

    def _ask(
        self, pairs: Sequence[Pair], features: Sequence[Features], way: str
    ) -> dict[Pair, MatchedPair]:
        """What the matcher finds in features of these pairs."""
        step = self._matcher.pairs_at_once
        parts = [pairs[start:][:step] for start in range(0, len(pairs), step)]

        def ask(part: Sequence[Pair]) -> list[Matches]:
            return self._matcher.match_pairs([(features[i], features[j]) for i, j in part])

        return self._each(ask, parts, way)

    def _each(
        self,
        find: Callable[[Sequence[Pair]], list[Matches]],
        parts: Sequence[Sequence[Pair]],
        way: str,
    ) -> dict[Pair, MatchedPair]:
        """The pairs of all parts with what `find` finds in them, and the geometry of it. One that
        cannot be borne costs no other of its part."""
        tolerance = self._tolerances.setdefault(way, Tolerance())

        def work(part: Sequence[Pair]) -> list[MatchedPair]:
            matches = zip(part, find(part), strict=True)
            return [self._fitted(pair, putative, way) for pair, putative in matches]

        def attempt(part: Sequence[Pair]) -> list[MatchedPair]:
            if len(part) > 1:
                found = Tolerance().attempt("", partial(work, part), None)
                if found is not None:
                    return found
                return [one for pair in part for one in attempt([pair])]
            (pair,) = part
            name = " with ".join(self._names[i] for i in pair)
            nothing = [MatchedPair(pair, _NONE, _NONE, way)]
            return tolerance.attempt(name, partial(work, part), nothing)

        return {one.pair: one for part in one_thread_each(attempt, parts) for one in part}

    def _fitted(self, pair: Pair, putative: Matches, way: str) -> MatchedPair:
        """The pair with the geometry of these matches."""
        strict = CASCADE.strict if way == NEAREST else 1.0
        x1, x2 = (self._features[i].keypoints[putative[:, k]] for k, i in enumerate(pair))
        geometry = fit_robustly(x1, x2, strict * self._error_px(pair))
        if geometry is None or geometry.inliers.sum() < self._min_inliers:
            return MatchedPair(pair, putative, putative[:0], way)
        return MatchedPair(pair, putative, putative[geometry.inliers], way, geometry)

    def _guided(self, one: MatchedPair) -> MatchedPair:
        """The pair with more matches along its geometry, of keypoints that have none yet."""
        assert self._matcher.descriptors is not None
        if one.geometry is None:
            return one
        free = [
            np.setdiff1d(np.arange(len(self._features[i])), one.inliers[:, k])
            for k, i in enumerate(one.pair)
        ]
        first, second = (
            self._features[i].rows(rows) for i, rows in zip(one.pair, free, strict=True)
        )
        more = guided_matches(
            first,
            second,
            one.geometry,
            max_error_px=CASCADE.strict * self._error_px(one.pair),
            min_cosine=self._matcher.descriptors.guided_cosine,
        )
        matches = np.concatenate(
            [one.inliers, np.stack([free[k][more[:, k]] for k in range(2)], axis=1)]
        )
        return replace(one, putative=matches, inliers=matches, geometry=None)

    def _error_px(self, pair: Pair) -> float:
        """The largest error in pixels of the photos as given."""
        photos = [self._features[i] for i in pair]
        return error_px(self._max_error, photos, self._matcher.working_size)


def joined_by_others(
    settled: Sequence[Pair], pairs: Sequence[Pair], num_photos: int
) -> tuple[list[MatchedPair], set[Pair]]:
    """Pairs that other photos tell of, for settled pairs join both photos to these.

    Args:
        settled: pairs that nearest neighbours settled.
        pairs: others.

    Returns:
        Those that need not be asked about, as without matches, and those of the rest whose
        strongest keypoints are enough.
    """
    common = common_neighbors(np.array(settled, np.int64).reshape(-1, 2), num_photos)
    settled_of = common.diagonal()
    closely = [pair for pair in pairs if common[pair] >= CASCADE.common]
    loosely = {
        pair
        for pair in pairs
        if common[pair] >= CASCADE.common_of_hinted
        and settled_of[list(pair)].min() >= CASCADE.settled_each
    }
    not_asked = [MatchedPair(pair, _NONE, _NONE, NOT_ASKED) for pair in closely]
    return not_asked, loosely - {*closely}


def _is_settled(nearest: MatchedPair) -> bool:
    """Whether nearest neighbours tell the geometry of a pair for certain."""
    share = CASCADE.settled_share * len(nearest.putative)
    return len(nearest.inliers) >= max(CASCADE.settled_inliers, share)


def _better(first: MatchedPair, second: MatchedPair) -> MatchedPair:
    """The one with more agreeing matches; the network sometimes loses itself in many keypoints."""
    return second if len(second.inliers) > len(first.inliers) else first
