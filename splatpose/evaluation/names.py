"""Which photo of one list is which of another, when folders, suffixes or numbering differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
from jaxtyping import Float, Int

from ..errors import SplatposeError
from ..io.photo_names import natural_key
from ..io.photo_times import times_in_names
from ..io.photos import PHOTO_SUFFIXES
from .readers.assemble import common_folder
from .readers.tum import nearest


@dataclass(frozen=True)
class NameMatch:
    """Photos of a truth found among the photos of an estimate."""

    index: Int[np.ndarray, " V"]
    """Row in the estimate of each photo of the truth, -1 where there is none."""
    rule: str
    """What names had to agree in, for a person."""


def match_names(truth: Sequence[str], estimate: Sequence[str]) -> NameMatch:
    """Matches photos by name: the rule that matches most wins, the stricter one at a draw.

    Rules from strict to loose: the same relative path; the same path below the folder that each
    list has in common; the same file name; path or file name without the suffix; and for names
    that are numbers (trajectories), timestamps within 0.02 s, or the photo's number in the
    list. A name that occurs twice under a rule matches nothing by it.

    Raises:
        SplatposeError: no photo matches.
    """
    best = NameMatch(np.full(len(truth), -1), "")
    for rule, key in _KEYS.items():
        found = _by_key(key(truth), key(estimate))
        if (found >= 0).sum() > (best.index >= 0).sum():
            best = NameMatch(found, rule)
    if not (best.index >= 0).any():
        best = _by_number(truth, estimate)
    if not (best.index >= 0).any():
        raise SplatposeError(
            "No photo of the truth has the name of a photo in the result: the truth has "
            f"{_examples(truth)}, the result {_examples(estimate)}.",
            "Give the truth of the same photos, under the names they had when the result was made.",
        )
    return best


def _below_common_folder(names: Sequence[str]) -> list[str]:
    folder = common_folder(names)
    return [PurePosixPath(name).relative_to(folder).as_posix() for name in names]


def _without_suffix(name: str) -> str:
    path = PurePosixPath(name)
    return path.with_suffix("").as_posix() if path.suffix.lower() in PHOTO_SUFFIXES else name


_KEYS: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "path": list,
    "path below the common folder": _below_common_folder,
    "file name": lambda names: [PurePosixPath(name).name for name in names],
    "path without suffix": lambda names: [
        _without_suffix(name) for name in _below_common_folder(names)
    ],
    "file name without suffix": lambda names: [
        _without_suffix(PurePosixPath(name).name) for name in names
    ],
}


def _by_key(truth: Sequence[str], estimate: Sequence[str]) -> Int[np.ndarray, " V"]:
    often_t, often_e = Counter(truth), Counter(estimate)
    row = {name: i for i, name in enumerate(estimate) if often_e[name] == 1}
    return np.array([row.get(name, -1) if often_t[name] == 1 else -1 for name in truth], np.int64)


def _by_number(truth: Sequence[str], estimate: Sequence[str]) -> NameMatch:
    """Matches the timestamps of a trajectory with the numbers that photos are named by.

    Whole timestamps may also count the photos from 0 (as `splatpose fit` writes them): so they
    are taken unless every one of them is the number in a photo's name.
    """
    numbers_t, numbers_e = _numbers(truth), _numbers(estimate)
    if numbers_t is not None and numbers_e is not None:
        rows = np.array(nearest(numbers_t, numbers_e), np.int64)
        back = np.array(nearest(numbers_e, numbers_t), np.int64)
        mutual = (rows >= 0) & (back[rows] == np.arange(len(rows)))
        by_time = NameMatch(np.where(mutual, rows, -1), "time within 0.02 s")
    else:
        by_time = NameMatch(np.full(len(truth), -1), "")
    matched = int((by_time.index >= 0).sum())
    if _is_trajectory(estimate) and not _is_trajectory(truth) and matched < len(estimate):
        counted = _counting(numbers_e, truth)
        if counted is not None:
            index = np.full(len(truth), -1)
            index[counted] = np.arange(len(estimate))
            return NameMatch(index, _COUNTED)
    if _is_trajectory(truth) and not _is_trajectory(estimate) and matched < len(truth):
        counted = _counting(numbers_t, estimate)
        if counted is not None:
            return NameMatch(counted, _COUNTED)
    return by_time


_COUNTED = "number of the photo, from 0"


def _is_trajectory(names: Sequence[str]) -> bool:
    return not any(PurePosixPath(name).suffix.lower() in PHOTO_SUFFIXES for name in names)


def _numbers(names: Sequence[str]) -> Float[np.ndarray, " V"] | None:
    times = times_in_names(names)
    if times is not None:
        return np.array(times)
    words = [_without_suffix(PurePosixPath(name).name) for name in names]
    if any("_" in word for word in words):  # which Python takes for a separator of digits
        return None
    try:
        numbers = np.array([float(word) for word in words])
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None  # a photo may be called nan.jpg


def _counting(
    numbers: Float[np.ndarray, " W"] | None, photos: Sequence[str]
) -> Int[np.ndarray, " W"] | None:
    """The photos that `numbers` count, from 0 in natural order; None if they do not count."""
    if numbers is None or not (numbers == np.floor(numbers)).all():
        return None
    distinct = len(np.unique(numbers)) == len(numbers)
    if not distinct or numbers.min() < 0 or numbers.max() >= len(photos):
        return None
    order = np.array(sorted(range(len(photos)), key=lambda i: natural_key(photos[i])))
    return order[numbers.astype(np.int64)]


def _examples(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown
