"""Features of every photo, each on disk as soon as it is done."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from ...events import EventSink, Message, Progress
from ...features.matcher import Features, Matcher
from ...features.threads import one_thread_each
from ...io.photos import read_photo
from ...scene.capture import Capture, Photo
from ...tolerance import Tolerance

_PHOTOS_AT_ONCE = 8


def work_folder(folder: Path, matcher: Matcher, hashes: dict[str, str]) -> Path:
    """The part of `folder` for a matcher with its weights: the same stage may be continued with
    other ones, whose features and matches must not be mixed."""
    work = folder / "-".join([matcher.name, *(h[:8] for h in hashes.values())])
    work.mkdir(parents=True, exist_ok=True)
    return work


def extract_features(
    capture: Capture, matcher: Matcher, folder: Path, emit: EventSink
) -> list[Features]:
    """Features of every photo, read back from `folder` where an interrupted run left them."""
    features: list[Features | None] = []
    tolerance = Tolerance()

    def extract(task: tuple[int, Photo]) -> Features | None:
        index, photo = task
        path = folder / f"{index:06d}.npz"
        found = Features.load(path)
        if found is None:
            found = tolerance.attempt(photo.name, partial(_features_of, matcher, photo), None)
            if found is not None:
                found.save(path)
        return found

    tasks = list(enumerate(capture.photos))
    for start in range(0, len(tasks), _PHOTOS_AT_ONCE):
        features += one_thread_each(extract, tasks[start:][:_PHOTOS_AT_ONCE])
        emit(Progress("matching", len(features), len(tasks), "photos: keypoints found"))
    tolerance.check()
    if told := tolerance.told("could not be searched for keypoints and stays out"):
        emit(Message("matching", told, "warning"))
    return _with_empty(features, capture)


def _features_of(matcher: Matcher, photo: Photo) -> Features:
    return matcher.extract(read_photo(photo.path, bits=photo.bits))


def _with_empty(features: Sequence[Features | None], capture: Capture) -> list[Features]:
    """Photos that could not be searched have no keypoints, of the kind that the others have."""
    kind = next(
        (f.descriptors[:0] for f in features if f is not None), np.zeros((0, 1), np.float32)
    )
    return [
        Features(np.zeros((0, 2)), kind, photo.width, photo.height) if f is None else f
        for f, photo in zip(features, capture.photos, strict=True)
    ]
