"""Several zooms behind one label: seen, parted and said; one lens costs nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scenes.poses import cloud, solve
from scenes.zooms import FOCAL, facade, front, lens_scene, mix, orbit, zoomed

from splatpose.events import Message
from splatpose.sfm.model_comparison import difference
from splatpose.sfm.viewgraph.lens_groups import LensGroups
from splatpose.stages.poses.attempt import Lenses
from splatpose.stages.poses.lenses import cameras_of

COUNT = 8


@pytest.mark.parametrize("kind", ["blocks", "alternating", "two"])
def test_every_photo_of_two_zooms_is_right(kind: str, tmp_path: Path) -> None:
    factors, truth = mix(kind, COUNT), facade(COUNT)
    scene = lens_scene(tmp_path, factors, truth, front(300))
    events: list = []
    model, _ = solve(scene, tmp_path / "poses", events=events)
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
