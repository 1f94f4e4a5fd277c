"""Veils: a wall with a box before it has none; those that are hung up before it are counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from splatpose.render import choose_backend
from splatpose.scene.splats import OffPath, Splats
from splatpose.scene.views import Views
from splatpose.splatting.off_path import measure_off_path
from splatpose.splatting.seen_through import Camera, colors_of, seen_through, witnesses
from splatpose.splatting.training_photos import TrainingPhotos

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
