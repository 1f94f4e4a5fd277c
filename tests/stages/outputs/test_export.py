"""Exports: each format read back, targets never overwritten unasked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pycolmap
import pytest
import torch
from plyfile import PlyData
from scenes.outputs import COUNT, Scene, make_scene

from splatpose.cli.export import Export
from splatpose.cli.main import main
from splatpose.errors import SplatposeError
from splatpose.io.nerfstudio import read_transforms
from splatpose.io.ply import copy_splat_ply, read_splat_ply
from splatpose.io.splat32 import write_splat32
from splatpose.io.tum import read_stamp_names, read_tum
from splatpose.scene.splats import Splats
from splatpose.stages.outputs.crop import CropBox, read_crop, write_crop
from splatpose.stages.outputs.export import export
from splatpose.stages.outputs.rescale import scale_of_outputs, set_scale


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = make_scene(tmp_path)
    scene.write()
    for photo in scene.capture.photos:
        photo.path.parent.mkdir(exist_ok=True)
        photo.path.touch()
    return scene


def test_copies_are_what_they_were(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "a b" / "ü.ply"
    assert str(target) in export(scene.out, target)
    assert target.read_bytes() == (scene.out / "splat.ply").read_bytes()
    export(scene.out, tmp_path / "path.txt")
    assert len(read_tum(tmp_path / "path.txt")[0]) == COUNT - 1
    export(scene.out, tmp_path / "points.ply", format="points")
    assert len(PlyData.read(str(tmp_path / "points.ply"))["vertex"]) == 12


def test_a_colmap_folder(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "colmap" / "0"
    export(scene.out, target)
    assert pycolmap.Reconstruction(str(target)).num_reg_images() == COUNT - 1
    export(scene.out, target, overwrite=True)
    (target / "notes.md").touch()
    with pytest.raises(SplatposeError, match="more than a COLMAP model"):
        export(scene.out, target, overwrite=True)
    assert (target / "notes.md").exists()


@pytest.mark.parametrize("name", ["m" * 255, "s" * 251 + ".ply", "t" * 250 + ".json"])
def test_targets_may_have_the_longest_names(scene: Scene, tmp_path: Path, name: str) -> None:
    export(scene.out, tmp_path / "to" / name)
    assert [path.name for path in (tmp_path / "to").iterdir()] == [name]


def test_nerfstudio_paths_follow_the_target(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "x" / "y" / "transforms.json"
    export(scene.out, target)
    there, here = read_transforms(scene.out / "transforms.json"), read_transforms(target)
    assert [p.resolve() for p in here.photos] == [p.resolve() for p in there.photos]
    np.testing.assert_allclose(here.cam_from_world, there.cam_from_world, atol=1e-12)
    assert here.point_cloud is not None
    assert here.point_cloud.is_file()


def test_photos_that_moved_are_told_of_and_named_where_they_are(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that names no photo that exists would fail later, elsewhere."""
    target, moved = tmp_path / "t.json", tmp_path / "archive" / "2026"
    moved.parent.mkdir()
    scene.capture.photos[0].path.parent.rename(moved)
    assert main(["export", str(scene.out), str(target)]) == 1
    err = capsys.readouterr().err
    assert "None of the 5 photos is there" in err
    assert ".." not in err
    assert "--images DIR" in err
    assert not target.exists()
    assert main(["export", str(scene.out), str(target), "--images", str(moved)]) == 0
    names = [scene.capture.photos[i].name for i in np.flatnonzero(scene.poses.registered)]
    found = read_transforms(target)
    assert [p.resolve() for p in found.photos] == [(moved / name).resolve() for name in names]
    np.testing.assert_allclose(
        found.cam_from_world, read_transforms(scene.out / "transforms.json").cam_from_world
    )
    with pytest.raises(SplatposeError, match="None of the 5 photos"):
        export(scene.out, tmp_path / "u.json", images=tmp_path)
    with pytest.raises(SplatposeError, match="names no photos"):
        export(scene.out, tmp_path / "u.ply", images=moved)
    words = ["export", str(scene.out), str(tmp_path / "u.html"), "--images", str(moved)]
    assert main(words) == 1


def test_a_run_that_moved_without_its_photos_still_names_them(scene: Scene, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "deep" / "run"
    moved.parent.mkdir(parents=True)
    scene.out.rename(moved)
    export(moved, tmp_path / "t.json")
    found = read_transforms(tmp_path / "t.json").photos
    assert [photo.resolve() for photo in found] == [
        scene.capture.photos[i].path.resolve() for i in np.flatnonzero(scene.poses.registered)
    ]


def test_cameras_of_photos_that_are_gone_are_left_out_aloud(scene: Scene, tmp_path: Path) -> None:
    scene.capture.photos[3].path.unlink()
    (scene.out / "sparse_pc.ply").unlink()
    text = export(scene.out, tmp_path / "t.json")
    assert "4 cameras" in text
    assert "are gone: 1" in text
    assert "photo_3.jpg" in text
    found = read_transforms(tmp_path / "t.json")
    assert len(found.photos) == len(found.cam_from_world) == 4
    assert all(photo.is_file() for photo in found.photos)
    assert found.point_cloud is None, "it is gone too"


def test_a_model_as_text(scene: Scene, tmp_path: Path) -> None:
    target = tmp_path / "text"
    assert "blank" not in export(scene.out, target, format="colmap-text")
    ours, text = (
        pycolmap.Reconstruction(scene.out / "sparse" / "0"),
        pycolmap.Reconstruction(target),
    )
    assert text.summary() == ours.summary()
    assert sorted(path.name for path in target.iterdir()) == [
        *("cameras.txt", "images.txt", "points3D.txt"),
    ]
    export(scene.out, target, format="colmap-text", overwrite=True)


def test_the_names_of_a_path(scene: Scene, tmp_path: Path) -> None:
    export(scene.out, tmp_path / "path.csv")
    assert read_stamp_names(tmp_path / "path.csv") == tuple(
        scene.poses.names[i] for i in np.flatnonzero(scene.poses.registered)
    )


def test_the_hint_for_an_unknown_ending_lists_every_ending(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="ending") as caught:
        export(scene.out, tmp_path / "x.obj")
    help_text = " ".join((Export.__doc__ or "").split())
    for ending in (".ply", ".splat", ".json", ".tum", ".txt", ".csv", ".html", "no ending"):
        assert ending in caught.value.hint
        assert ending in help_text


def test_splat_bytes(tmp_path: Path) -> None:
    """Two Gaussians with numbers that can be worked out by hand; the more visible one first."""
    splats = Splats(
        means=torch.tensor([[1.0, 2, 3], [4, 5, 6]]),
        quats=torch.tensor([[1.0, 0, 0, 0], [0, 0, -3, 0]]),
        log_scales=torch.tensor([[-5.0, -5, -5], [0, 0, np.log(2.0)]]),
        logit_opacities=torch.tensor([0.0, 100]),
        sh=torch.tensor([[[0.0, 0, 0]], [[9, -9, 0.5 / 0.28209479]]]),
    )
    assert write_splat32(tmp_path / "s.splat", splats) == 0
    data = (tmp_path / "s.splat").read_bytes()
    assert len(data) == 64
    first, second = data[:32], data[32:]
    np.testing.assert_allclose(np.frombuffer(first[:24], "<f4"), [4, 5, 6, 1, 1, 2])
    assert list(first[24:]) == [255, 0, 255, 255, 128, 128, 0, 128]
    np.testing.assert_allclose(np.frombuffer(second[:24], "<f4"), [1, 2, 3, *[np.exp(-5)] * 3])
    assert list(second[24:]) == [128, 128, 128, 128, 255, 128, 128, 128]


def test_a_splat_of_a_run(scene: Scene, tmp_path: Path) -> None:
    text = export(scene.out, tmp_path / "s.splat")
    assert "20 Gaussians" in text
    means = np.frombuffer((tmp_path / "s.splat").read_bytes(), "<f4").reshape(-1, 8)[:, :3]
    stored = read_splat_ply(scene.out / "splat.ply").means.numpy()
    order = np.lexsort(stored.T)
    np.testing.assert_allclose(means[np.lexsort(means.T)], stored[order])


@pytest.mark.parametrize("earlier", [False, True])
def test_how_a_splat_has_to_be_drawn_is_kept(scene: Scene, tmp_path: Path, earlier: bool) -> None:
    """Through copies, crops and another scale; earlier versions told it in the report alone."""
    config = {"training": {"antialiased": True}}
    trained = scene.trained
    if not earlier:
        trained = replace(trained, splats=replace(trained.splats, antialiased=True))
    replace(scene, trained=trained).write(config=config)
    set_scale(scene.out, scale_of_outputs(scene.out, 2.0))
    assert read_splat_ply(scene.out / "splat.ply").antialiased
    export(scene.out, tmp_path / "copy.ply")
    write_crop(scene.out, CropBox((-1.0, -1.0, -5.0), (1.0, 2.0, 5.0)))
    export(scene.out, tmp_path / "cropped.ply")
    assert read_splat_ply(tmp_path / "copy.ply").antialiased
    assert read_splat_ply(tmp_path / "cropped.ply").antialiased
    assert "no word for antialiased" in export(scene.out, tmp_path / "cropped.splat")
    assert "no word for antialiased" in export(scene.out, tmp_path / "whole.splat", crop=False)


@pytest.mark.parametrize("name", ["a.ply", "a.splat", "a.json", "a.tum", "a model"])
def test_nothing_is_overwritten_unasked(scene: Scene, tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    target.write_text("mine")
    with pytest.raises(SplatposeError, match="exists already"):
        export(scene.out, target)
    assert target.read_text() == "mine"
    if name != "a model":
        export(scene.out, target, overwrite=True)
        assert target.read_bytes() != b"mine"


def test_the_run_s_own_files_are_safe(scene: Scene) -> None:
    with pytest.raises(SplatposeError, match="own file"):
        export(scene.out, scene.out / "splat.ply", overwrite=True)


def test_a_folder_in_a_file_s_place(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "x.ply").mkdir()
    with pytest.raises(SplatposeError, match="is a folder"):
        export(scene.out, tmp_path / "x.ply", overwrite=True)


def test_unfinished_runs_and_unknown_endings_are_explained(scene: Scene, tmp_path: Path) -> None:
    with pytest.raises(SplatposeError, match="ending"):
        export(scene.out, tmp_path / "x.obj")
    with pytest.raises(SplatposeError, match="no folder"):
        export(tmp_path / "nowhere", tmp_path / "x.ply")
    (scene.out / "report.json").unlink()
    with pytest.raises(SplatposeError, match=r"report\.json is missing"):
        export(scene.out, tmp_path / "x.ply")
    assert not (tmp_path / "x.ply").exists()


def test_a_crop_box_is_honoured(scene: Scene, tmp_path: Path) -> None:
    means = read_splat_ply(scene.out / "splat.ply").means
    box = CropBox((-1.0, -1.0, -5.0), (1.0, 2.0, 5.0))
    inside = sum(mean.numpy() in box for mean in means)
    assert 0 < inside < len(means)
    write_crop(scene.out, box)
    assert read_crop(scene.out) == box
    for name, size in (("a.ply", None), ("a.splat", 32)):
        text = export(scene.out, tmp_path / name)
        assert f"{inside} of {len(means)}" in text
        if size:
            assert (tmp_path / name).stat().st_size == size * inside
    assert all(mean.numpy() in box for mean in read_splat_ply(tmp_path / "a.ply").means)
    export(scene.out, tmp_path / "whole.ply", crop=False)
    assert len(read_splat_ply(tmp_path / "whole.ply").means) == len(means)
    write_crop(scene.out, CropBox((9.0, 9.0, 9.0), (9.5, 9.5, 9.5)))
    with pytest.raises(SplatposeError, match="no Gaussian"):
        export(scene.out, tmp_path / "b.ply")
    (scene.out / "crop.json").write_text("{}")
    with pytest.raises(SplatposeError, match="no crop box"):
        export(scene.out, tmp_path / "c.ply")
    write_crop(scene.out, None)
    assert read_crop(scene.out) is None
    export(scene.out, tmp_path / "d.ply")
    assert len(read_splat_ply(tmp_path / "d.ply").means) == len(means)


def test_the_splat_of_an_earlier_version_is_exported_with_what_its_report_says(
    scene: Scene, tmp_path: Path
) -> None:
    scene.write(config={"training": {"antialiased": True}})
    source, target = scene.out / "splat.ply", tmp_path / "copy.ply"
    assert not read_splat_ply(source).antialiased
    export(scene.out, target)
    assert read_splat_ply(target).antialiased
    mark = b"comment SplatRenderMode: mip\n"
    assert target.read_bytes().replace(mark, b"", 1) == source.read_bytes()
    copy_splat_ply(target, tmp_path / "again.ply", antialiased=True)
    assert (tmp_path / "again.ply").read_bytes() == target.read_bytes(), "said once"
    other = source.read_bytes().replace(
        b"end_header", b"comment SplatRenderMode: classic\nend_header", 1
    )
    (tmp_path / "other.ply").write_bytes(other)
    copy_splat_ply(tmp_path / "other.ply", tmp_path / "marked.ply", antialiased=True)
    assert read_splat_ply(tmp_path / "marked.ply").antialiased, "of several the last one holds"
    strange = b"ply\r\nformat binary_little_endian 1.0\r\nend_header\r\n\0\xff"
    (tmp_path / "strange.ply").write_bytes(strange)
    copy_splat_ply(tmp_path / "strange.ply", tmp_path / "as it is.ply", antialiased=True)
    assert (tmp_path / "as it is.ply").read_bytes() == strange
