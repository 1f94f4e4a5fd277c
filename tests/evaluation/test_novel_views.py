"""Novel views: the split, that nothing trained sees test photos, and poses found at test time."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.demo_photos import copy_small, first_photos
from scenes.splats import random_splats, render_reference, synthetic_views

from splatpose.config import FitConfig
from splatpose.errors import SplatposeError
from splatpose.evaluation import held_out_run
from splatpose.evaluation.held_out_run import load_trained, novel_views_of
from splatpose.evaluation.novel_views import SOURCES, neighbour, score_novel_views
from splatpose.evaluation.novel_views_table import as_markdown
from splatpose.evaluation.pose_search import FrozenSplats, PoseSearch, optimise_pose
from splatpose.evaluation.splits import held_out_names
from splatpose.events import Event, Message, StageFinished, ignore_events
from splatpose.geometry.rotations import rotation_angle, so3_exp
from splatpose.pipeline import fit
from splatpose.render import choose_backend
from splatpose.scene.splats import TrainedSplats
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.quality import psnr, ssim
from splatpose.stages.splats.stage import load_splats, train_splats

NAMES = tuple(f"{i:03d}.jpg" for i in range(20))


def test_splits_are_those_of_the_protocol() -> None:
    assert held_out_names(NAMES, "every:8") == ("004.jpg", "012.jpg")
    assert held_out_names(NAMES, "every:8") == NAMES[4::8]
    assert held_out_names(NAMES, "family:2") == held_out_names(NAMES, "family") == NAMES[1::2]
    assert held_out_names(NAMES, "every:5") == NAMES[2::5]
    assert held_out_names(NAMES, "none") == ()


def test_a_split_may_be_a_file(tmp_path: Path) -> None:
    lines, array = tmp_path / "test.txt", tmp_path / "test.json"
    lines.write_text("007.jpg\n\n 003.jpg \n")
    array.write_text('["003.jpg", "007.jpg"]')
    for path in (lines, array):
        assert held_out_names(NAMES, str(path)) == ("003.jpg", "007.jpg")
    lines.write_text("003.jpg\n3.jpg\n")
    with pytest.raises(SplatposeError, match=r"3\.jpg"):
        held_out_names(NAMES, str(lines))


@pytest.mark.parametrize("split", ["every:1", "every:0", "every:x", "sometimes"])
def test_what_is_no_split_is_refused(split: str) -> None:
    with pytest.raises(SplatposeError):
        held_out_names(NAMES, split)


def test_the_neighbour_is_the_nearest_training_photo() -> None:
    views = synthetic_views(8, 16, 16, held_out_every=0)
    held_out = np.array([1, 0, 0, 1, 0, 1, 1, 1], bool)
    views = dataclasses.replace(views, held_out=held_out)
    assert [neighbour(views, i) for i in (0, 3, 5, 6, 7)] == [1, 2, 4, 4, 4]


@pytest.fixture(scope="module")
def truth() -> tuple[TrainedSplats, Views]:
    """Gaussians, and exact pictures of them: what a perfect training would end with."""
    splats = random_splats(150, 0)
    trained = TrainedSplats(splats, (), False, "cpu", 0, (), Path("previews"))
    return trained, synthetic_views(9, 48, 36, held_out_every=4)


def test_test_time_optimisation_finds_a_perturbed_pose(truth: tuple[TrainedSplats, Views]) -> None:
    trained, views = truth
    backend = choose_backend("cpu")
    splats = FrozenSplats(trained.splats, backend)
    exact, K = views.cam_from_world[2], torch.tensor(views.Ks[2], dtype=torch.float32)
    target = torch.from_numpy(views.images[2]).float() / 255
    off = np.eye(4)
    off[:3, :3] = so3_exp(np.radians([1.5, -2.0, 1.0]))
    off[:3, 3] = 0.03, -0.04, 0.05
    before, after = off @ exact, optimise_pose(splats, off @ exact, K, target, None, PoseSearch())

    def errors(pose: np.ndarray) -> tuple[float, float]:
        turn = float(rotation_angle(pose[:3, :3] @ exact[:3, :3].T))
        centre = np.linalg.inv(pose)[:3, 3] - np.linalg.inv(exact)[:3, 3]
        return turn, float(np.linalg.norm(centre))

    assert errors(before)[0] > 2.5
    assert errors(after)[0] < 0.2 * errors(before)[0]
    assert errors(after)[1] < 0.3 * errors(before)[1]
    assert np.allclose(after[:3, :3] @ after[:3, :3].T, np.eye(3), atol=1e-9)
    still = optimise_pose(splats, before, K, target, None, PoseSearch(steps=0))
    assert np.allclose(still, before)


def test_scores_are_those_of_the_renderings(truth: tuple[TrainedSplats, Views]) -> None:
    trained, views = truth
    test = (*(n for n, out in zip(views.names, views.held_out, strict=True) if out), "lost.jpg")
    shifted = views.cam_from_world.copy()
    shifted[2, 0, 3] += 0.03
    found = score_novel_views(
        dataclasses.replace(views, cam_from_world=shifted), trained, test, lpips="no weights"
    )
    assert found.missing == ("lost.jpg",)
    assert found.num_training == int((~views.held_out).sum())
    assert [score.name for score in found.scores["registered"]] == [*test[:-1]]
    K, size = views.Ks[2], views.images[2].shape[1::-1]
    picture = render_reference(trained.splats, shifted[2], K, size).clamp(0, 1)
    target = torch.from_numpy(views.images[2]).float() / 255
    first = found.scores["registered"][0]
    assert first.psnr == pytest.approx(psnr(picture, target), abs=0.02)
    assert first.ssim == pytest.approx(ssim(picture, target), abs=1e-3)
    assert np.isnan(first.lpips)
    assert found.scores["from registered"][0].psnr > first.psnr + 5
    assert found.mean("registered", "psnr") == pytest.approx(
        np.mean([score.psnr for score in found.scores["registered"]])
    )
    table = as_markdown(found)
    assert "LPIPS" in table
    assert "n/a" in table
    assert "no weights" in table
    assert "lost.jpg" in table


def test_a_splat_that_saw_the_test_photos_is_not_scored(
    truth: tuple[TrainedSplats, Views],
) -> None:
    trained, views = truth
    with pytest.raises(SplatposeError, match="trained on 1 of the test photos"):
        score_novel_views(views, trained, (views.names[0], views.names[2]))
    everything = dataclasses.replace(trained, final_pass_on_all=True)
    with pytest.raises(SplatposeError, match="trained on"):
        score_novel_views(views, everything, (views.names[2],))
    with pytest.raises(SplatposeError, match="None of the"):
        score_novel_views(views, trained, ("lost.jpg",))


def test_training_never_looks_at_held_out_photos(tmp_path: Path) -> None:
    """Other pixels in the test photos give the very same Gaussians."""
    views = synthetic_views(8, 32, 24, held_out_every=0)
    held_out = np.isin(np.array(views.names), held_out_names(views.names, "every:4"))
    noise = np.random.default_rng(0).integers(0, 256, views.images[0].shape, np.uint8)
    config = TrainingConfig(backend="cpu", steps=30, keep_holdout=True, sh_every=10)
    results = []
    for name, images in (
        ("as they are", views.images),
        ("noise", tuple(noise if out else image
                        for image, out in zip(views.images, held_out, strict=True))),
    ):  # fmt: skip
        folder = tmp_path / name
        folder.mkdir()
        seen = dataclasses.replace(views, images=images, held_out=held_out)
        train_splats(seen, config, folder, ignore_events, seed=0)
        results.append(load_splats(folder))
    assert not results[0].final_pass_on_all
    assert torch.equal(results[0].splats.means, results[1].splats.means)
    assert torch.equal(results[0].splats.sh, results[1].splats.sh)
    assert results[0].held_out != results[1].held_out


def tiny() -> FitConfig:
    usual = FitConfig()
    return dataclasses.replace(
        usual,
        matching=dataclasses.replace(usual.matching, matcher="sift"),
        views=dataclasses.replace(usual.views, max_size=120),
        training=dataclasses.replace(usual.training, steps=60, final_steps=10, backend="cpu"),
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as anybody has it: its last pass trained on all photos."""
    photos = tmp_path_factory.mktemp("photos")
    copy_small(first_photos(7), photos)
    return fit(photos, tmp_path_factory.mktemp("runs") / "run", tiny())


def test_a_run_that_saw_the_test_photos_is_trained_again(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shutil.copytree(run, tmp_path / "run")
    events: list[Event] = []
    search = PoseSearch(steps=2)
    found = novel_views_of(out, "every:3", search=search, lpips="none", emit=events.append)
    assert any("trained on" in e.text for e in events if isinstance(e, Message))
    computed = {event.stage for event in events if isinstance(event, StageFinished)}
    assert computed == {"views", "splats", "outputs"}, "poses are those of the run"
    test = ("photo_02.jpg", "photo_05.jpg")
    assert tuple(score.name for score in found.scores["registered"]) == test
    again = out / "novel_views"
    report = json.loads((again / "report.json").read_text())
    assert [p["name"] for p in report["photos"] if p["held_out"]] == list(test)
    views, trained = load_trained(again, report)
    assert not trained.final_pass_on_all
    # The training measured the same photos with the same poses.
    measured = {score.name: score.psnr for score in trained.held_out}
    for score in found.scores["registered"]:
        assert score.psnr == pytest.approx(measured[score.name], abs=0.01)
    assert all(np.isfinite(score.ssim) for source in SOURCES for score in found.scores[source])
    assert [n for n, out in zip(views.names, views.held_out, strict=True) if out] == list(test)
    monkeypatch.setattr(held_out_run, "fit", None)  # nothing is to be trained now
    once_more = novel_views_of(again, "every:3", search=search, lpips="none")
    for source in SOURCES:
        assert [s.psnr for s in once_more.scores[source]] == [s.psnr for s in found.scores[source]]


def test_a_name_that_is_not_there_is_not_trained_on_silently(run: Path, tmp_path: Path) -> None:
    images = Path(json.loads((run / "report.json").read_text())["images"])
    config = tiny()
    views = dataclasses.replace(config.views, hold_out=("photo_2.jpg",))
    out = shutil.copytree(run, tmp_path / "run")
    with pytest.raises(SplatposeError, match=r"photo_2\.jpg"):
        fit(images, out, dataclasses.replace(config, views=views))
