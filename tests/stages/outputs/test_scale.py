"""A run's true scale: every output in metres, whatever was there before and whoever asks for it."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pycolmap
import pytest
from plyfile import PlyData
from scenes.outputs import MISSING, Scene, make_scene, taken_at
from scipy.spatial.transform import Rotation

from splatpose.camera_path.movie import shot_of_run
from splatpose.cli.main import main
from splatpose.errors import SplatposeError
from splatpose.events import Message
from splatpose.geometry.centers import centers_of
from splatpose.geometry.similarity import Similarity
from splatpose.io.nerfstudio import read_transforms
from splatpose.io.ply import read_splat_ply
from splatpose.io.tum import read_tum
from splatpose.runs import RunFolder
from splatpose.stages.outputs.crop import CropBox, write_crop
from splatpose.stages.outputs.export import export
from splatpose.stages.outputs.rescale import apply_scale, scale_of_outputs, set_scale
from splatpose.stages.outputs.scale import Scale, metres_per_unit, read_scale, write_scale
from splatpose.stages.outputs.summary import closing_lines


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = make_scene(tmp_path)
    scene.write()
    for photo in scene.capture.photos:
        photo.path.parent.mkdir(exist_ok=True)
        photo.path.touch()
    return scene


def scale_of(scene: Scene, metres: float) -> Scale:
    return Scale.of(metres, scene.poses.names, scene.poses.cam_from_world)


def poses_in_report(folder: Path) -> np.ndarray:
    rows = json.loads((folder / "report.json").read_text())["photos"]
    return np.array([row["cam_from_world"] for row in rows if row["registered"]])


def without_poses(report: dict) -> dict:
    """They are compared as lengths."""
    rows = [{k: v for k, v in row.items() if k != "cam_from_world"} for row in report["photos"]]
    return report | {"photos": rows}


def sizes(folder: Path) -> dict[str, np.ndarray]:
    """Lengths in every output: all of them grow with the scale."""
    splats = read_splat_ply(folder / "splat.ply")
    cloud = PlyData.read(str(folder / "sparse_pc.ply"))["vertex"]
    model = pycolmap.Reconstruction(folder / "sparse" / "0")
    images = [model.images[number] for number in sorted(model.images)]
    is_run = (folder / "report.json").exists()
    return {
        "gaussians": splats.means.numpy(),
        "their size": splats.log_scales.exp().numpy(),
        "points": np.stack([cloud["x"], cloud["y"], cloud["z"]], 1),
        "model": np.array([image.projection_center() for image in images]),
        "its points": np.array([model.points3D[i].xyz for i in sorted(model.points3D)]),
        "transforms": centers_of(read_transforms(folder / "transforms.json").cam_from_world),
        "path": centers_of(read_tum(folder / "trajectory.tum")[1]),
        **({"report": centers_of(poses_in_report(folder))} if is_run else {}),
    }


def assert_grown(before: dict[str, np.ndarray], after: dict[str, np.ndarray], factor: float):
    for name, values in before.items():
        np.testing.assert_allclose(after[name], factor * values, rtol=2e-5, atol=1e-6, err_msg=name)


def test_a_trajectory_in_the_order_of_time_stays_so(scene: Scene) -> None:
    taken_at(scene, {0: 50.25, 1: 40.0, 3: 60.5, 4: 30.0, 5: 70.0}).write()
    path = scene.out / "trajectory.tum"
    stamps, poses = read_tum(path)
    header, table = path.read_text().splitlines()[0], (path.with_suffix(".csv")).read_bytes()
    assert set_scale(scene.out, scale_of_outputs(scene.out, 2.0))
    again, scaled = read_tum(path)
    np.testing.assert_array_equal(again, stamps)
    np.testing.assert_allclose(centers_of(scaled), 2 * centers_of(poses), atol=1e-6)
    assert path.read_text().splitlines()[0] == header
    assert path.with_suffix(".csv").read_bytes() == table


def rotations(folder: Path) -> np.ndarray:
    return read_transforms(folder / "transforms.json").cam_from_world[:, :3, :3]


@pytest.mark.parametrize("metres", [0.003, 0.5, 40.0])
def test_all_outputs_are_in_metres_and_can_be_put_back(scene: Scene, metres: float) -> None:
    before, turns = sizes(scene.out), rotations(scene.out)
    report = json.loads((scene.out / "report.json").read_text())
    assert (report["units"], report["metres_per_unit"]) == ("arbitrary", None)
    page = (scene.out / "report.html").read_bytes()
    assert set_scale(scene.out, scale_of(scene, metres))
    assert_grown(before, sizes(scene.out), metres)
    np.testing.assert_allclose(rotations(scene.out), turns, atol=1e-12)
    scaled = json.loads((scene.out / "report.json").read_text())
    expected = report | {"units": "metres", "metres_per_unit": metres}
    assert without_poses(scaled) == without_poses(expected)
    assert metres_per_unit(scene.out) == metres
    assert (scene.out / "report.html").read_bytes() == page
    assert (scene.out / "previews" / "photo_4.png").read_bytes() == b"preview"
    assert set_scale(scene.out, scale_of(scene, 3 * metres)), (
        "another scale, not one upon the other"
    )
    assert_grown(before, sizes(scene.out), 3 * metres)
    assert set_scale(scene.out, None)
    assert_grown(before, sizes(scene.out), 1.0)
    last = json.loads((scene.out / "report.json").read_text())
    assert without_poses(last) == without_poses(report)
    assert not list(scene.out.glob(".*")), "nothing is left lying about"


def test_the_photos_are_still_named_from_where_the_file_lies(scene: Scene) -> None:
    before = read_transforms(scene.out / "transforms.json")
    set_scale(scene.out, scale_of(scene, 0.2))
    after = read_transforms(scene.out / "transforms.json")
    assert after.photos == before.photos
    assert after.point_cloud == before.point_cloud
    np.testing.assert_allclose(after.cameras[0].params, before.cameras[0].params)


def test_every_export_is_in_metres_and_says_so(scene: Scene, tmp_path: Path) -> None:
    def exported(folder: Path, words: str) -> dict[str, np.ndarray]:
        names = ("splat.ply", "trajectory.tum", "transforms.json", "sparse/0", "s.splat")
        for name in names:
            assert words in export(scene.out, folder / name)
        assert words in export(scene.out, folder / "sparse_pc.ply", format="points")
        rows = np.frombuffer((folder / "s.splat").read_bytes(), "<f4").reshape(-1, 8)
        found = sizes(folder)
        return found | {"splat32": rows[np.lexsort(rows[:, :3].T), :6]}

    before = exported(tmp_path / "units", "no true scale")
    set_scale(scene.out, scale_of(scene, 0.25))
    assert_grown(before, exported(tmp_path / "metres", "in metres"), 0.25)


def test_a_crop_box_holds_the_same_gaussians_in_any_scale(scene: Scene, tmp_path: Path) -> None:
    write_crop(scene.out, CropBox((-1.0, -1.0, -5.0), (1.0, 2.0, 5.0)))
    export(scene.out, tmp_path / "a.ply")
    set_scale(scene.out, scale_of(scene, 12.0))
    export(scene.out, tmp_path / "b.ply")
    a, b = read_splat_ply(tmp_path / "a.ply"), read_splat_ply(tmp_path / "b.ply")
    assert 0 < len(a) < len(scene.trained.splats)
    np.testing.assert_allclose(b.means, 12 * a.means, rtol=1e-5)


def test_films_are_the_same_in_any_scale(scene: Scene) -> None:
    """Keyframes are set in the viewer, in the run's own units."""
    before = shot_of_run(scene.out, "trajectory", 4, 1.5)
    set_scale(scene.out, scale_of(scene, 0.01))
    after = shot_of_run(scene.out, "trajectory", 4, 1.5)
    np.testing.assert_allclose(after.path.cam_from_world, before.path.cam_from_world, atol=1e-5)
    np.testing.assert_allclose(after.splats.means, before.splats.means, rtol=1e-5)
    np.testing.assert_allclose(after.splats.log_scales, before.splats.log_scales, atol=1e-5)


def moved(scene: Scene, frame: Similarity) -> Scene:
    """The same run in another world frame."""
    splats = scene.trained.splats
    poses = frame.cam_from_world(scene.poses.cam_from_world)
    points = frame.points(scene.poses.points)
    means = splats.means * frame.scale
    trained = dataclasses.replace(scene.trained, splats=dataclasses.replace(splats, means=means))
    solved = dataclasses.replace(scene.poses, cam_from_world=poses, points=points)
    return dataclasses.replace(scene, poses=solved, trained=trained)


def test_a_later_fit_keeps_the_scale_though_its_units_are_others(scene: Scene) -> None:
    set_scale(scene.out, scale_of(scene, 0.25))
    before = sizes(scene.out)
    events: list[object] = []
    scene.write(events)
    assert_grown(before, sizes(scene.out), 1.0)
    assert read_scale(scene.out) == scale_of(scene, 0.25)
    assert any(isinstance(event, Message) and "metres" in event.text for event in events)
    assert "in metres" in closing_lines(scene.out)[1]

    turn = Rotation.from_rotvec([0.3, -1.0, 0.2]).as_matrix()
    later = moved(scene, Similarity(2.0, turn, np.array([1.0, 2.0, 3.0])))
    later.write()
    assert metres_per_unit(scene.out) == pytest.approx(0.125)
    after = sizes(scene.out)
    for name in ("transforms", "path"):
        distances = [np.linalg.norm(x[name][1:] - x[name][0], axis=1) for x in (before, after)]
        np.testing.assert_allclose(distances[1], distances[0], rtol=1e-6)
    scale = read_scale(scene.out)
    assert scale is not None
    assert scale.metres_per_unit == pytest.approx(0.125), "kept for the new cameras"


def test_a_camera_that_moved_does_not_change_the_scale(scene: Scene) -> None:
    """The median of the distances between cameras: one photo placed elsewhere is one of many."""
    rng = np.random.default_rng(0)
    poses = np.tile(np.eye(4), (20, 1, 1))
    poses[:, :3, 3] = rng.normal(size=(20, 3))
    names = [str(number) for number in range(20)]
    scale = Scale.of(2.0, names, poses)
    disturbed = poses.copy()
    disturbed[3, :3, 3] += 30
    disturbed[:, :3, 3] *= 5
    here = scale.in_frame_of(names, disturbed)
    assert here is not None
    assert here.metres_per_unit == pytest.approx(0.4, rel=1e-9)
    assert scale.in_frame_of(names[:1], poses[:1]) is None
    assert scale.in_frame_of([f"x{name}" for name in names], poses) is None
    assert scale.in_frame_of(names, np.tile(np.eye(4), (20, 1, 1))) is None


@pytest.mark.parametrize("text", ["{", '{"metres_per_unit": -1, "cameras": {}}', "[]", "{}"])
def test_a_damaged_scale_costs_no_results(scene: Scene, text: str) -> None:
    (scene.out / "scale.json").write_text(text)
    with pytest.raises(SplatposeError, match="no scale"):
        read_scale(scene.out)
    events: list[object] = []
    scene.write(events)
    assert metres_per_unit(scene.out) is None
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    assert any("no scale" in text for text in warnings)


def test_a_scale_of_other_photos_is_refused_aloud(scene: Scene) -> None:
    before = sizes(scene.out)
    stranger = Scale(2.0, {"a.jpg": (0.0, 0.0, 0.0), "b.jpg": (1.0, 0.0, 0.0)})
    with pytest.raises(SplatposeError, match="other photos"):
        set_scale(scene.out, stranger)
    assert read_scale(scene.out) is None
    write_scale(scene.out, stranger)
    events: list[object] = []
    scene.write(events)
    assert_grown(before, sizes(scene.out), 1.0)
    assert any(isinstance(e, Message) and "other photos" in e.text for e in events)


def test_while_a_fit_runs_the_scale_waits_for_its_results(scene: Scene) -> None:
    shutil.rmtree(scene.out)
    with RunFolder.open(scene.out):
        assert not set_scale(scene.out, scale_of(scene, 0.5)), "there is nothing yet"
        scene.write()
        assert metres_per_unit(scene.out) == 0.5
        before = sizes(scene.out)
        assert not set_scale(scene.out, scale_of(scene, 2.0))
        assert_grown(before, sizes(scene.out), 1.0)
    assert apply_scale(scene.out)
    assert_grown(before, sizes(scene.out), 4.0)


def test_what_cannot_be_rewritten_stays_as_it_was(scene: Scene) -> None:
    (scene.out / "splat.ply").write_text("ply\n")
    before = {p: p.read_bytes() for p in scene.out.rglob("*") if p.is_file()}
    with pytest.raises(SplatposeError, match="readable"):
        set_scale(scene.out, scale_of(scene, 2.0))
    assert {p: p.read_bytes() for p in scene.out.rglob("*") if p.is_file()} == before


def test_only_numbers_of_metres_are_scales(scene: Scene) -> None:
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(SplatposeError, match="no length"):
            scale_of(scene, wrong)
    scale = scale_of(scene, 2.0)
    assert scene.poses.names[MISSING] not in scale.cameras
    write_scale(scene.out, scale)
    assert read_scale(scene.out) == scale
    assert scale_of_outputs(scene.out, 2.0).cameras.keys() == scale.cameras.keys()


def test_the_command(scene: Scene, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    before = sizes(scene.out)
    words = ["scale", str(scene.out)]
    assert main(words) == 0
    assert "no true scale" in capsys.readouterr().out
    assert main([*words, "--metres-per-unit", "0.5"]) == 0
    assert "in metres, 0.5" in capsys.readouterr().out
    assert_grown(before, sizes(scene.out), 0.5)
    assert main([*words, "--metres-per-unit", "0.5", "--forget"]) == 1
    assert main([*words, "--metres-per-unit", "-3"]) == 2
    assert_grown(before, sizes(scene.out), 0.5)
    assert main([*words, "--forget"]) == 0
    assert_grown(before, sizes(scene.out), 1.0)
    assert main(["scale", str(tmp_path / "nowhere")]) == 1
    assert main(["scale", str(tmp_path), "--metres-per-unit", "1"]) == 1
