"""Several zooms behind one label: seen, parted and said; one lens costs nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scenes.poses import CONFIG, cloud, solve
from scenes.zooms import FOCAL, facade, front, lens_scene, mix, orbit, zoomed

from splatpose.errors import SplatposeError
from splatpose.events import Message
from splatpose.io.colmap_database import opened, read_cameras
from splatpose.scene.sparse_model import SparseModel
from splatpose.sfm.correspondences import match_table
from splatpose.sfm.match_consistency import Explanation
from splatpose.sfm.model_comparison import difference
from splatpose.sfm.viewgraph.lens_groups import LensGroups
from splatpose.stages.poses.attempt import Attempt, Lenses, Setting
from splatpose.stages.poses.lenses import best_of_lenses, cameras_of, clear
from splatpose.stages.poses.refusal import NothingReconstructed
from splatpose.stages.poses.search import SearchResult
from splatpose.stages.poses.stage import POSES

COUNT = 8


@pytest.mark.parametrize("kind", ["blocks", "alternating", "two"])
def test_every_photo_of_two_zooms_is_right(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    factors, truth = mix(kind, COUNT), facade(COUNT)
    scene = lens_scene(tmp_path, factors, truth, front(300))
    space: list[int] = []
    copyfile = shutil.copyfile

    def copied(source: Path, target: Path) -> None:
        copyfile(source, target)
        space.append(sum(path.stat().st_size for path in (tmp_path / "poses").rglob("*.db")))

    monkeypatch.setattr(shutil, "copyfile", copied)
    events: list = []
    model, _ = solve(scene, tmp_path / "poses", events=events)
    # Further cameras are some more rows.
    asked_for = POSES.space(scene.capture, scene.graph, CONFIG) + 5 * 2**14
    assert max(space) <= asked_for
    assert model.registered.all()
    assert len(model.cameras) == 2
    focal = np.array([model.cameras[i].params[0] for i in model.camera_index.tolist()])
    np.testing.assert_allclose(focal, FOCAL * factors, rtol=0.03)
    off = difference(model.cam_from_world, truth)
    assert off.rotation.max() < 2
    assert off.position.max() < 2
    told = [e.text for e in events if isinstance(e, Message) and "another focal length" in e.text]
    assert len(told) == 1
    assert "further camera" in told[0]
    # Nothing of the attempts is left.
    assert {path.name for path in (tmp_path / "poses").iterdir()} == {
        "model",
        "poses.json",
        "snapshots.npz",
    }


def test_what_exif_says_of_a_camera_of_one_lens_stays(tmp_path: Path) -> None:
    scene = lens_scene(tmp_path, mix("one", 4), orbit(4), cloud(80))
    index = np.array([0, 2, 1, 1])
    lenses = Lenses(scene.graph, (zoomed(1.0), zoomed(1.2)), (True, True), index % 2)
    fitted = (zoomed(0.98), zoomed(1.1), zoomed(1.5))
    parted = LensGroups(fitted, index, np.array([0, 1, 0]), 0.5, 9.0)
    cameras, known = cameras_of(lenses, parted)
    assert known == (False, True, False)
    assert [camera.params[0] / FOCAL for camera in cameras] == pytest.approx([0.98, 1.2, 1.5])


def test_photos_of_one_lens_are_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        "splatpose.stages.poses.lenses.find_lens_groups", lambda *a, **k: asked.append(a)
    )
    scene = lens_scene(tmp_path, mix("one", COUNT), orbit(COUNT), cloud(250))
    model, _ = solve(scene, tmp_path / "poses")
    assert len(model.cameras) == 1
    assert not asked


class Search:
    """Attempts that only look at what they are given, and do not end."""

    def __init__(self, folder: Path) -> None:
        self.scene = lens_scene(folder, mix("one", 4), orbit(4), cloud(80))
        self.parted = LensGroups((zoomed(1.0), zoomed(1.5)), SPLIT, np.array([0, 0]), 0.5, 9.0)
        self.found: list[tuple[list[int], list[float], list[str]]] = []
        self.messages: list[str] = []

    def best(self, folder: Path):
        """As the stage asks for it."""
        graph = self.scene.graph
        names = tuple(photo.name for photo in self.scene.capture.photos)
        given = graph, match_table(graph), [[0, 1, 2, 3]], CONFIG, 0, None, None, None
        setting = Setting(self.scene.capture, names, *given, self.tell)
        one = Lenses(graph, (zoomed(1.2),), (False,), np.zeros(4, np.int64))
        folder.mkdir(exist_ok=True)
        return best_of_lenses(setting, one, folder)

    def tell(self, event: object) -> None:
        if isinstance(event, Message):
            self.messages.append(event.text)

    def attempt(self, setting: Setting, lenses: Lenses, folder: Path):
        """Notes whose photos the database says they are, and what an earlier attempt left."""
        folder.mkdir(exist_ok=True)
        if len(lenses.cameras) == 1:
            raise NothingReconstructed("nothing with one camera")
        with opened(lenses.graph.database) as database:
            images = sorted(database.read_all_images(), key=lambda image: image.image_id)
            owners = [image.camera_id - 1 for image in images]
        focals = [c.params[0] / FOCAL for c in read_cameras(lenses.graph.database)[0]]
        self.found.append((owners, focals, [path.name for path in folder.iterdir()]))
        (folder / "incremental").mkdir(exist_ok=True)
        raise KeyboardInterrupt


SPLIT = np.array([0, 1, 0, 1])


@pytest.fixture
def search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Search:
    search = Search(tmp_path)
    module = "splatpose.stages.poses.lenses"
    monkeypatch.setattr(f"{module}.attempt", search.attempt)
    monkeypatch.setattr(f"{module}.find_lens_groups", lambda *a, **k: search.parted)
    return search


def test_what_an_interrupted_run_left_is_used_for_the_same_lenses_alone(
    search: Search, tmp_path: Path
) -> None:
    folder = tmp_path / "poses"
    asked = [
        (SPLIT, 1.5),
        (SPLIT, 1.5),  # goes on
        (np.array([0, 0, 1, 1]), 1.5),  # other photos
        (np.array([0, 0, 1, 1]), 1.6),  # another focal length
        (SPLIT, 1.5),  # what was forgotten does not come back
    ]
    for index, factor in asked:
        cameras = (zoomed(1.0), zoomed(factor))
        search.parted = replace(search.parted, cameras=cameras, camera_index=index)
        with pytest.raises(KeyboardInterrupt):
            search.best(folder)
    assert [owners for owners, _, _ in search.found] == [index.tolist() for index, _ in asked]
    assert [focals[1] for _, focals, _ in search.found] == pytest.approx([f for _, f in asked])
    assert [left for _, _, left in search.found] == [[], ["incremental"], [], [], []]
    assert len(list(folder.glob("*lenses*"))) == 1
    clear(folder)
    assert not list(folder.iterdir())


def test_a_fault_in_the_search_for_lenses_is_told_as_what_it_is(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "splatpose.stages.poses.lenses"
    first = object.__new__(Attempt)

    def broken(*args: object, **kwargs: object):
        raise np.linalg.LinAlgError("Singular matrix")

    def attempts(failure: Exception):
        def attempt(setting: Setting, lenses: Lenses, folder: Path):
            if len(lenses.cameras) == 1:
                return first
            raise failure

        return attempt

    monkeypatch.setattr(f"{module}._parted", lambda *args: search.parted)
    monkeypatch.setattr(f"{module}.attempt", attempts(NothingReconstructed("nothing")))
    assert search.best(tmp_path / "a")[0] is first
    assert any("no reconstruction" in text for text in search.messages)
    assert not any("failed" in text for text in search.messages)

    for fault in (RuntimeError("odd"), SplatposeError("odd")):
        search.messages.clear()
        monkeypatch.setattr(f"{module}.attempt", attempts(fault))
        assert search.best(tmp_path / "b")[0] is first
        (told,) = (text for text in search.messages if "failed" in text)
        assert told.startswith(f"The search for further lenses failed ({type(fault).__name__}: odd")
        assert not any("no reconstruction" in text for text in search.messages)

    search.messages.clear()
    monkeypatch.setattr(f"{module}._parted", broken)
    assert search.best(tmp_path / "c")[0] is first
    assert "LinAlgError: Singular matrix" in search.messages[-1]
    # Without a first reconstruction its refusal stands, the fault is told beside it.
    monkeypatch.setattr(f"{module}.attempt", search.attempt)
    with pytest.raises(NothingReconstructed, match="nothing with one camera"):
        search.best(tmp_path / "d")
    assert "LinAlgError" in search.messages[-1]
    # What concerns all goes through.
    monkeypatch.setattr(f"{module}.attempt", attempts(OSError(28, "No space left")))
    monkeypatch.setattr(f"{module}._parted", lambda *args: search.parted)
    with pytest.raises(OSError, match="No space left"):
        search.best(tmp_path / "e")


def result(score: float, *, agreeing: bool = True, rounds: int = 1) -> Attempt:
    """What an attempt came to, as far as lenses are concerned."""
    some = np.ones(3, bool)
    explanation = Explanation(np.ones(4, bool), some, ~some, score, score, 0.0, 0.9, 20.0)
    found = SearchResult((), (), agreeing, (), rounds)
    names = [f"IMG_{i + 1}.png" for i in range(4)]
    model = SparseModel.of_cameras(names, orbit(4), SPLIT, (zoomed(1.02), zoomed(1.61)))
    one = object.__new__(Attempt)
    for name, value in {"explanation": explanation, "found": found, "model": model}.items():
        object.__setattr__(one, name, value)
    return one


@pytest.mark.parametrize(("score", "taken"), [(0.81, True), (0.8, False), (0.5, False)])
def test_further_lenses_must_explain_more(
    score: float, taken: bool, search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = {1: result(0.8, agreeing=False), 2: result(score)}
    monkeypatch.setattr(
        "splatpose.stages.poses.lenses.attempt",
        lambda setting, lenses, folder: attempts[len(lenses.cameras)],
    )
    best, told = search.best(tmp_path / "poses")
    assert best is attempts[2 if taken else 1]
    assert any("they explain no more" in text for text in search.messages) != taken
    expected = (
        "IMG_2.png, IMG_4.png: taken with another focal length (1127 px against 714) than the "
        "other photos of test, by zoom or crop: they count as a further camera"
    )
    assert told == ((expected,) if taken else ())
    assert (expected in search.messages) == taken


def test_focal_lengths_are_asked_where_a_model_gives_reason(
    search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = "splatpose.stages.poses.lenses"
    doubted = np.array([False, True, False, False])
    asked: list[list[bool]] = []
    monkeypatch.setattr(f"{module}.photos_to_ask", lambda *args: doubted)
    monkeypatch.setattr(
        f"{module}.find_lens_groups", lambda *args, **kwargs: asked.append(args[3].tolist())
    )
    firsts = [result(0.8), result(0.8, agreeing=False), result(0.8, rounds=2)]
    for number, first in enumerate(firsts):
        monkeypatch.setattr(f"{module}.attempt", lambda *args, first=first: first)
        assert search.best(tmp_path / f"{number}")[0] is first
    # Where not all ways of mapping found it, all are asked; where it is confirmed, those in doubt.
    assert asked == [doubted.tolist(), [True] * 4, [True] * 4]
    doubted = np.zeros(4, bool)
    monkeypatch.setattr(f"{module}.attempt", lambda *args: firsts[0])
    search.best(tmp_path / "none")
    assert len(asked) == 3
