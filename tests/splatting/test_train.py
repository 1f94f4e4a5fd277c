"""The training as a whole, on a scene of a few hundred pixels."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scenes.splats import synthetic_views

from splatpose.errors import SplatposeError
from splatpose.events import Event, Message, TrainingStep, ignore_events
from splatpose.render import choose_backend
from splatpose.scene.splats import Splats, TrainedSplats
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.live import SNAPSHOT, LiveView, read_snapshot
from splatpose.splatting.trainer import Trainer
from splatpose.stages.splats.stage import load_splats, train_splats

CONFIG = TrainingConfig(
    backend="cpu",
    steps=120,
    final_steps=20,
    max_gaussians=400,
    pixels_per_gaussian=1.0,
    refine_start=20,
    refine_every=20,
    sh_every=40,
    coarse_factor=1.5,
    fill_below=0,
)


def _train(folder: Path, views: Views, config: TrainingConfig = CONFIG, emit=ignore_events):
    folder.mkdir(exist_ok=True)
    train_splats(views, config, folder, emit, seed=3)
    return load_splats(folder)


def _assert_same(a: Splats, b: Splats) -> None:
    for name in ("means", "quats", "log_scales", "logit_opacities", "sh"):
        assert torch.equal(getattr(a, name), getattr(b, name)), name


@pytest.fixture(scope="module")
def views() -> Views:
    return synthetic_views()


@pytest.fixture(scope="module")
def trained(views: Views, tmp_path_factory: pytest.TempPathFactory) -> TrainedSplats:
    return _train(tmp_path_factory.mktemp("trained"), views)


class _StopAt:
    """Presses Ctrl-C when the training reports a step at or after `step`."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.events: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, TrainingStep) and event.step >= self.step:
            raise KeyboardInterrupt


def test_training_raises_psnr(views: Views, tmp_path: Path, trained: TrainedSplats):
    start = _train(tmp_path, views, replace(CONFIG, steps=1, final_steps=0))
    gain = np.mean([s.psnr for s in trained.held_out]) - np.mean([s.psnr for s in start.held_out])
    assert gain > 3
    assert np.mean([s.ssim for s in trained.held_out]) > np.mean([s.ssim for s in start.held_out])
    assert len(trained.splats) > len(start.splats)
    assert trained.steps == 140
    assert trained.final_pass_on_all
    assert [s.name for s in trained.held_out] == ["photo 2.jpg", "photo 6.jpg"]
    assert {p.name for p in trained.previews_dir.iterdir()} == {"photo_2.png", "photo_6.png"}
    steps = [sample[0] for sample in trained.curve]
    assert steps == sorted(steps)
    assert steps[-1] == 140


@pytest.fixture(scope="module", params=["mcmc", "default"])
def uninterrupted(
    views: Views, trained: TrainedSplats, request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[TrainingConfig, TrainedSplats]:  # fmt: skip
    """A training with each of the strategies."""
    config = replace(CONFIG, strategy=request.param)
    if config == CONFIG:
        return config, trained
    return config, _train(tmp_path_factory.mktemp("whole"), views, config)


@pytest.mark.parametrize("stop", [50, 125])
def test_resumed_is_uninterrupted(
    views: Views, tmp_path: Path, uninterrupted: tuple[TrainingConfig, TrainedSplats], stop: int,
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    # Every step reports, so that the interruption falls on the step that the test names.
    monkeypatch.setattr("splatpose.splatting.train._EVENT_SECONDS", 0.0)
    config, whole = uninterrupted
    cut = tmp_path / "cut"
    with pytest.raises(KeyboardInterrupt):
        _train(cut, views, config, _StopAt(stop))
    events: list[Event] = []
    resumed = _train(cut, views, config, events.append)
    assert any(isinstance(e, Message) and f"from step {stop}" in e.text for e in events)
    _assert_same(resumed.splats, whole.splats)
    assert resumed.held_out == whole.held_out
    assert [s[0] for s in resumed.curve] == [s[0] for s in whole.curve]
    assert not (cut / "checkpoint.pt").exists()


SHORT = replace(CONFIG, steps=45, final_steps=5)


@pytest.fixture(scope="module")
def short(views: Views, tmp_path_factory: pytest.TempPathFactory) -> TrainedSplats:
    return _train(tmp_path_factory.mktemp("short"), views, SHORT)


@pytest.mark.parametrize("damage", ["nan", "truncated", "empty", "other"])
def test_bad_checkpoint_is_announced_and_training_starts_again(
    views: Views, tmp_path: Path, short: TrainedSplats, damage: str
):
    bystander = tmp_path / "bystander.txt"
    bystander.write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path, views, SHORT, _StopAt(30))
    path = tmp_path / "checkpoint.pt"
    if damage == "nan":
        state = torch.load(path, weights_only=True)
        state["trainer"]["model"]["params"]["means"][5, 1] = float("nan")
        torch.save(state, path)
    elif damage == "other":
        state = torch.load(path, weights_only=True)
        torch.save(state | {"identity": "other"}, path)
    else:
        size = path.stat().st_size // 2 if damage == "truncated" else 0
        path.write_bytes(path.read_bytes()[:size])
    events: list[Event] = []
    again = _train(tmp_path, views, SHORT, events.append)
    warnings = [e for e in events if isinstance(e, Message) and e.level == "warning"]
    assert any("checkpoint.pt" in w.text and "from the beginning" in w.text for w in warnings)
    _assert_same(again.splats, short.splats)
    assert bystander.read_text() == "mine"


def test_held_out_photos_never_touch_the_training(
    views: Views, tmp_path: Path, trained: TrainedSplats
):
    rng = np.random.default_rng(0)
    images = [
        rng.integers(0, 256, image.shape, np.uint8) if held_out else image
        for image, held_out in zip(views.images, views.held_out, strict=True)
    ]
    poisoned = replace(views, images=tuple(images))
    config = replace(CONFIG, keep_holdout=True)
    clean = _train(tmp_path / "clean", views, config)
    poison = _train(tmp_path / "poison", poisoned, config)
    assert not clean.final_pass_on_all
    assert clean.steps == CONFIG.steps
    _assert_same(clean.splats, poison.splats)
    assert poison.held_out[0].psnr < clean.held_out[0].psnr - 3
    # The last pass comes after the measurement, and does change the splat.
    assert trained.held_out == clean.held_out
    assert not torch.equal(trained.splats.means, clean.splats.means)


def test_masked_pixels_never_touch_the_training(tmp_path: Path, views: Views):
    mask = np.ones(views.images[0].shape[:2], bool)
    mask[:, :13] = False
    poisoned = [image.copy() for image in views.images]
    for image in poisoned:
        image[:, :13] = 255
    # SSIM's windows reach over the mask's edge, so only the absolute difference is exact.
    config = replace(CONFIG, steps=40, final_steps=0, dssim_weight=0.0)
    masks = (mask,) * len(poisoned)
    clean = _train(tmp_path / "clean", replace(views, masks=masks), config)
    poison = _train(
        tmp_path / "poison", replace(views, masks=masks, images=tuple(poisoned)), config
    )
    _assert_same(clean.splats, poison.splats)
    assert clean.held_out == poison.held_out


def test_exposure_is_kept_out_of_the_gaussians(tmp_path: Path, views: Views):
    gains = np.linspace(0.75, 1.25, len(views.images))
    gains[views.held_out] = 1.0
    images = tuple(
        np.clip(image * gain, 0, 255).round().astype(np.uint8)
        for image, gain in zip(views.images, gains, strict=True)
    )
    ramp = replace(views, images=images)
    # Seven stamp-sized photos overfit at the usual rates and with more Gaussians, which would
    # drown the comparison.
    gentle = {"lr_means": 1e-3, "lr_means_final": 1e-5, "lr_scales": 1e-2, "refine_start": 300}
    config = replace(CONFIG, steps=300, keep_holdout=True, **gentle)
    with_maps = _train(tmp_path / "with", ramp, config)
    without = _train(tmp_path / "without", ramp, replace(config, exposure=False))
    gain = [a.psnr - b.psnr for a, b in zip(with_maps.held_out, without.held_out, strict=True)]
    assert min(gain) > 0.5


def test_divergence_is_rolled_back_and_then_refused(tmp_path: Path, views: Views):
    events: list[Event] = []
    config = replace(CONFIG, lr_means=1e38, lr_means_final=1e38)
    with pytest.raises(SplatposeError, match="diverged"):
        _train(tmp_path, views, config, events.append)
    texts = [e.text for e in events if isinstance(e, Message)]
    assert sum("back to step" in text for text in texts) == 2


def test_without_held_out_photos_it_is_said(tmp_path: Path):
    events: list[Event] = []
    all_in = synthetic_views(held_out_every=0)
    result = _train(tmp_path, all_in, replace(CONFIG, steps=10), events.append)
    assert any(isinstance(e, Message) and "no photo is held out" in e.text for e in events)
    assert result.held_out == ()
    assert result.steps == 10
    assert not result.final_pass_on_all


def test_damaged_result_is_reported(tmp_path: Path, views: Views):
    _train(tmp_path, views, replace(CONFIG, steps=5, final_steps=0))
    (tmp_path / "splats.pt").write_bytes(b"PK")
    with pytest.raises(SplatposeError, match="cannot be read"):
        load_splats(tmp_path)


def test_how_gaussians_have_to_be_drawn_goes_with_them(tmp_path: Path, views: Views):
    """To the result, to the pictures on the way, and through an interruption."""
    config = replace(CONFIG, steps=4, final_steps=0, antialiased=True)
    with pytest.raises(KeyboardInterrupt):
        _train(tmp_path, views, config, _StopAt(0))
    assert _train(tmp_path, views, config).splats.antialiased
    trainer = Trainer(views, config, choose_backend("cpu"), 3, ignore_events)
    LiveView(tmp_path).write(trainer)
    assert read_snapshot(tmp_path / SNAPSHOT)[0].antialiased
    # Earlier versions told it in the stage's manifest alone.
    value = json.loads((tmp_path / "result.json").read_text())
    del value["antialiased"]
    (tmp_path / "result.json").write_text(json.dumps(value))
    assert not load_splats(tmp_path).splats.antialiased
    (tmp_path / "manifest.json").write_text(json.dumps({"config": {"antialiased": True}}))
    assert load_splats(tmp_path).splats.antialiased


def test_large_checkpoints_are_written_less_often(
    tmp_path: Path, views: Views, monkeypatch: pytest.MonkeyPatch
):
    """So that writing them takes no more than its share of the time."""
    written: list[int] = []
    monkeypatch.setattr(
        "splatpose.splatting.train.save_checkpoint",
        lambda path, state, identity: written.append(1) or time.sleep(0.05),
    )
    config = replace(CONFIG, steps=20, final_steps=0, checkpoint_seconds=0.0)
    _train(tmp_path, views, config)
    assert 1 <= len(written) < 5
