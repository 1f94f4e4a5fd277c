"""Veils: a wall with a box before it has none; those that are hung up before it are counted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from splatpose.events import ignore_events
from splatpose.render import choose_backend
from splatpose.scene.splats import OffPath, Splats
from splatpose.scene.views import Views
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.densification import Refinement
from splatpose.splatting.gaussian_model import GaussianModel
from splatpose.splatting.off_path import measure_off_path
from splatpose.splatting.seen_through import Camera, colors_of, seen_through, witnesses
from splatpose.splatting.trainer import Trainer
from splatpose.splatting.training_photos import TrainingPhotos
from splatpose.splatting.veil_clearing import VeilClearing

SIZE = 64, 48
K = np.array([[60.0, 0, 32], [0, 60.0, 24], [0, 0, 1]])
CPU = torch.device("cpu")


def made(means: torch.Tensor, size: float, opacity: float, colors: torch.Tensor) -> Splats:
    count = len(means)
    return Splats(
        means=means.float(),
        quats=torch.tensor([[1.0, 0, 0, 0]]).repeat(count, 1),
        log_scales=torch.full((count, 3), size).log(),
        logit_opacities=torch.full((count,), opacity).logit(),
        sh=((colors - 0.5) / 0.28209479)[:, None].float(),
    )


def joined(*parts: Splats) -> Splats:
    names = ("means", "quats", "log_scales", "logit_opacities", "sh")
    return Splats(**{name: torch.cat([getattr(p, name) for p in parts]) for name in names})


def wall_and_box() -> Splats:
    """A wall 4 in front of the cameras, and a box's front at 2.5."""
    x, y = torch.meshgrid(torch.linspace(-4, 4, 80), torch.linspace(-3, 3, 60), indexing="xy")
    wall = torch.stack([x, y, torch.full_like(x, 4.0)], -1).reshape(-1, 3)
    x, y = torch.meshgrid(
        torch.linspace(-0.4, 0.4, 16), torch.linspace(-0.3, 0.3, 12), indexing="xy"
    )
    box = torch.stack([x, y, torch.full_like(x, 2.5)], -1).reshape(-1, 3)
    g = torch.Generator().manual_seed(0)
    parts = [(wall, 0.07), (box, 0.04)]
    return joined(*(made(m, s, 0.95, torch.rand(len(m), 3, generator=g)) for m, s in parts))


def veils(count: int) -> Splats:
    """Faint, large, between the cameras and the wall."""
    g = torch.Generator().manual_seed(1)
    place = torch.rand(count, 3, generator=g) * torch.tensor([1.2, 0.9, 0.7])
    means = place + torch.tensor([-0.6, -0.45, 1.2])
    return made(means, 0.12, 0.25, torch.rand(count, 3, generator=g))


def poses(count: int = 6) -> np.ndarray:
    result = np.tile(np.eye(4), (count, 1, 1))
    result[:, 0, 3] = -np.linspace(-0.5, 0.5, count)
    return result


BACKEND = choose_backend("cpu")


def photos_of(splats: Splats) -> Views:
    """Photos of a splat."""
    images = []
    for pose in poses():
        camera = Camera(torch.from_numpy(pose).float(), torch.from_numpy(K).float(), SIZE)
        picture = colors_of(splats, camera, BACKEND)[0].clamp(0, 1)
        images.append((picture * 255).round().to(torch.uint8).numpy())
    return Views(
        names=tuple(f"{i}.png" for i in range(len(images))),
        images=tuple(images),
        masks=(None,) * len(images),
        Ks=np.tile(K, (len(images), 1, 1)),
        cam_from_world=poses(),
        held_out=np.zeros(len(images), bool),
        points=np.zeros((0, 3)),
        point_colors=np.zeros((0, 3), np.uint8),
    )


def photographed(splats: Splats) -> TrainingPhotos:
    """The same as a training reads them."""
    return TrainingPhotos(photos_of(splats), (1.0,), CPU)


@pytest.fixture(scope="module")
def scene() -> tuple[Splats, TrainingPhotos]:
    clean = wall_and_box()
    return clean, photographed(clean)


def looked_at(splats: Splats, photos: TrainingPhotos) -> OffPath:
    found = measure_off_path(splats, photos, BACKEND)
    assert found is not None
    return found


def test_a_scene_without_veils_has_none(scene: tuple[Splats, TrainingPhotos]):
    clean, photos = scene
    found = looked_at(clean, photos)
    assert found.veil_percent < 0.1
    assert found.photo_psnr > 40
    assert found.psnr > 20


def test_more_veils_are_more(scene: tuple[Splats, TrainingPhotos]):
    clean, photos = scene
    found = [looked_at(joined(clean, veils(count)), photos) for count in (4, 16, 64)]
    shares = [f.veil_percent for f in found]
    assert shares[0] > 0.5
    assert shares == sorted(shares)
    assert shares[2] > 10
    differences = [f.psnr for f in found]
    assert differences == sorted(differences, reverse=True)


def test_those_and_no_others_are_found(scene: tuple[Splats, TrainingPhotos]):
    clean, photos = scene
    both = joined(clean, veils(6))
    found = seen_through(both.means, witnesses(both, photos, BACKEND))
    assert not found[: len(clean)].any()
    assert found[len(clean) :].float().mean() > 0.8


def test_two_cameras_are_too_few_to_tell(scene: tuple[Splats, TrainingPhotos]):
    clean, photos = scene
    both = joined(clean, veils(6))
    assert not seen_through(both.means, witnesses(both, photos, BACKEND)[:2]).any()


def test_where_nothing_is_solid_nothing_is_said(scene: tuple[Splats, TrainingPhotos]):
    clean, photos = scene
    faint = replace(clean, logit_opacities=torch.full((len(clean),), -9.0))
    assert measure_off_path(faint, photos, BACKEND) is None


REFINEMENT = Refinement(start=10, stop=100, every=5, max_gaussians=9999, first_gaussians=1, full=50)


def cleared(config: TrainingConfig, splats: Splats, photos: TrainingPhotos, step: int) -> Splats:
    model = GaussianModel(splats, CPU)
    VeilClearing(config, REFINEMENT, photos, BACKEND).after_step(model, step)
    return model.splats()


@pytest.mark.parametrize("step", [60, 80, 98])
def test_veils_are_made_too_faint_to_stay(scene: tuple[Splats, TrainingPhotos], step: int):
    clean, photos = scene
    both = joined(clean, veils(6))
    opacities = cleared(
        TrainingConfig(clear_veils=True), both, photos, step
    ).logit_opacities.sigmoid()
    gone = opacities < TrainingConfig().min_opacity
    assert not gone[: len(clean)].any()
    assert gone[len(clean) :].sum() >= 5
    torch.testing.assert_close(opacities[~gone], both.logit_opacities.sigmoid()[~gone])


@pytest.mark.parametrize(
    ("step", "fields"),
    [(61, {"clear_veils": True}), (60, {}), (60, {"clear_veils": True, "min_opacity": 0.0})],
)
def test_otherwise_nothing_is_taken(
    scene: tuple[Splats, TrainingPhotos], step: int, fields: dict[str, Any]
):
    clean, photos = scene
    both = joined(clean, veils(6))
    after = cleared(TrainingConfig(**fields), both, photos, step)
    assert torch.equal(after.logit_opacities, both.logit_opacities)


def test_a_training_clears_them():
    """And puts the Gaussians where they are of use."""
    clean = wall_and_box()
    views = photos_of(clean)
    hung = veils(40)
    views = replace(
        views,
        points=torch.cat([clean.means[::4], hung.means]).double().numpy(),
        point_colors=np.full((len(clean.means[::4]) + 40, 3), 128, np.uint8),
    )
    config = TrainingConfig(
        backend="cpu", steps=60, final_steps=0, refine_start=5, refine_every=5, fill_below=0,
        max_gaussians=1600, pixels_per_gaussian=1.0, coarse_factor=1.0, lr_opacities=0.01,
    )  # fmt: skip
    found = []
    for clear in (True, False):
        trainer = Trainer(views, replace(config, clear_veils=clear), BACKEND, 0, ignore_events)
        for _ in range(config.steps):
            trainer.advance()
        found.append(looked_at(trainer.splats(), trainer.photos))
    assert found[0].veil_percent < 0.5 * found[1].veil_percent
    assert found[0].photo_psnr > found[1].photo_psnr - 1
