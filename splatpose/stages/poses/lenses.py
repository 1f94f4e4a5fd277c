"""Photos of one camera that cannot be of one lens: seen, parted, and said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int

from ...events import Message
from ...io.atomic import remove_folder
from ...io.camera_groups import with_cameras
from ...io.colmap_database import read_cameras
from ...keys import key_of
from ...scene.camera import Camera
from ...scene.capture import Capture
from ...scene.matches import MatchGraph
from ...scene.sparse_model import SparseModel
from ...sfm.lens_doubts import photos_to_ask
from ...sfm.viewgraph.lens_groups import LensGroups, find_lens_groups
from ...tolerance import Tolerance
from ...wording import list_photos
from .attempt import Attempt, Lenses, Setting, attempt
from .refusal import NothingReconstructed

_HYPOTHESES, _OF_LENSES = "hypotheses", "of lenses"
_DATABASE = "lenses.db"


def best_of_lenses(
    setting: Setting, lenses: Lenses, folder: Path
) -> tuple[Attempt, tuple[str, ...]]:
    """The best reconstruction, with further lenses where the matches call for them.

    Only where its own matches deny a model, where not all ways of mapping find it, or where there
    is none, focal lengths are asked photo by photo. Further lenses must explain more of the matches
    than the photos' cameras do.

    Returns:
        It, and a sentence for each camera that is several lenses.

    A fault in looking for further lenses is told, and costs them alone.

    Raises:
        NothingReconstructed: there is no reconstruction.
    """
    first: Attempt | None = None
    failure: NothingReconstructed | None = None
    try:
        first = attempt(setting, lenses, folder / _HYPOTHESES)
    except NothingReconstructed as error:
        failure = error
    tolerance = Tolerance()
    further = tolerance.attempt(
        "the search for further lenses", lambda: _further(setting, lenses, first, folder), None
    )
    if text := tolerance.told("failed"):
        kept = "" if first is None else ": the photos' cameras are kept"
        setting.emit(Message("poses", text[0].upper() + text[1:] + kept, "warning"))
    if further is not None:
        return further
    if first is None:
        assert failure is not None
        raise failure
    return first, ()


def clear(folder: Path) -> None:
    """Removes what attempts leave behind."""
    remove_folder(folder / _HYPOTHESES)
    for work in _works_of_lenses(folder):
        remove_folder(work)


def _further(
    setting: Setting, lenses: Lenses, first: Attempt | None, folder: Path
) -> tuple[Attempt, tuple[str, ...]] | None:
    """As `best_of_lenses`; None where matches call for no further lenses, or these for nothing."""
    parted = _parted(setting, lenses, first)
    if parted is None:
        return None
    second = _second(setting, lenses, parted, folder)
    if second is None:
        if first is not None:
            text = "no reconstruction with them: the photos' cameras are kept"
            setting.emit(Message("poses", text))
        return None
    if first is not None and second.explanation.score <= first.explanation.score:
        setting.emit(Message("poses", "they explain no more of the matches: left out"))
        return None
    told = _describe(setting.capture, second.model, parted)
    for text in told:
        setting.emit(Message("poses", text, "warning"))
    return second, told


def _parted(setting: Setting, lenses: Lenses, first: Attempt | None) -> LensGroups | None:
    """The photos parted by lens, where a model gives reason to ask and matches call for it."""
    few = setting.config.min_matches
    asked = np.ones(len(setting.names), bool)
    if first is not None and first.found.agreeing and first.found.rounds == 1:
        asked = photos_to_ask(first.model, setting.table, first.explanation, few)
    if not asked.any():
        return None
    return find_lens_groups(
        setting.table,
        lenses.cameras,
        lenses.camera_index,
        asked,
        min_matches=few,
        seed=setting.seed,
    )


def _second(setting: Setting, lenses: Lenses, parted: LensGroups, folder: Path) -> Attempt | None:
    """The attempt with a camera for each lens; None where it gives no reconstruction."""
    extra = len(parted.cameras) - len(lenses.cameras)
    setting.emit(
        Message(
            "poses",
            f"matches call for {extra} further focal length{'s' * (extra != 1)} among photos of "
            "the same camera: reconstructing once more with a camera for each",
        )
    )
    cameras, known = cameras_of(lenses, parted)
    work = _work(cameras, known, parted.camera_index, folder)
    graph = with_cameras(lenses.graph, cameras, known, parted.camera_index, work / _DATABASE)
    several = Lenses(graph, cameras, known, parted.camera_index)
    try:
        return attempt(setting, several, work / _HYPOTHESES)
    except NothingReconstructed:
        return None


def _work(
    cameras: Sequence[Camera],
    known: Sequence[bool],
    camera_index: Int[np.ndarray, " V"],
    folder: Path,
) -> Path:
    """Folder of the attempt with these cameras alone. Before an interruption the photos may have
    been parted otherwise, where a mapping failed then and does not now: that is forgotten."""
    said = [(c.model, c.width, c.height, c.params.tolist()) for c in cameras]
    key = key_of(repr(said), repr(tuple(known)), repr(camera_index.tolist()))
    work = folder / f"{_OF_LENSES} {key}"
    for other in _works_of_lenses(folder):
        if other != work:
            remove_folder(other)
    work.mkdir(exist_ok=True)
    return work


def _works_of_lenses(folder: Path) -> list[Path]:
    """Such folders, also one of whose removal something is left."""
    names = {path.name.removeprefix(".") for path in folder.glob(f"*{_OF_LENSES} *")}
    return sorted({folder / name.removesuffix(".gone") for name in names})


def cameras_of(lenses: Lenses, parted: LensGroups) -> tuple[tuple[Camera, ...], tuple[bool, ...]]:
    """A camera for each lens, and whether its focal length is known beforehand."""
    split = np.bincount(parted.parent, minlength=len(lenses.cameras)) > 1
    parent = parted.parent.tolist()
    # What EXIF says is of one of several lenses at most; what it says of the others stays.
    known = tuple(bool(lenses.known[p]) and not bool(split[p]) for p in parent)
    cameras = tuple(
        lenses.cameras[p] if told else camera
        for camera, p, told in zip(parted.cameras, parent, known, strict=True)
    )
    return cameras, known


def of_lenses(graph: MatchGraph, capture: Capture, poses: SparseModel, path: Path) -> MatchGraph:
    """The matches on a database with the cameras of the poses, where they found further lenses
    among the photos of a camera: of these EXIF says nothing."""
    groups = np.array([photo.group for photo in capture.photos])
    other = poses.camera_index != groups
    if not other.any():
        return graph
    given, told = read_cameras(graph.database)
    parted = set(groups[other].tolist())
    known = [i < len(told) and told[i] and i not in parted for i in range(len(poses.cameras))]
    cameras = [given[i] if known[i] else camera for i, camera in enumerate(poses.cameras)]
    return with_cameras(graph, cameras, known, poses.camera_index, path)


def _describe(capture: Capture, model: SparseModel, parted: LensGroups) -> tuple[str, ...]:
    """A sentence on each further lens: which photos, and both focal lengths."""
    names = [photo.name for photo in capture.photos]
    focal = _focals(model, parted)
    sentences = []
    for number in range(len(capture.groups), len(parted.cameras)):
        photos = np.flatnonzero(parted.camera_index == number).tolist()
        parent = int(parted.parent[number])
        label = capture.groups[parent].label
        sentences.append(
            f"{list_photos(names, photos)}: taken with another focal length "
            f"({focal[number]:.0f} px against {focal[parent]:.0f}) than the other photos of "
            f"{label}, by zoom or crop: they count as a further camera"
        )
    return tuple(sentences)


def _focals(model: SparseModel, parted: LensGroups) -> Sequence[float]:
    """Focal length of each camera in pixels, as solved where one of its photos has a pose."""
    result = [float(camera.K[0, 0]) for camera in parted.cameras]
    for photo in np.flatnonzero(model.registered).tolist():
        camera = model.cameras[int(model.camera_index[photo])]
        result[int(parted.camera_index[photo])] = float(camera.K[0, 0])
    return result
