"""Exposure maps: identity at first, learnable, and baked without changing any rendering."""

from __future__ import annotations

import torch
from scenes.splats import orbit, random_splats, render_reference

from splatpose.splatting.exposure import Exposure
from splatpose.splatting.gaussian_model import GaussianModel

CPU = torch.device("cpu")


def test_starts_as_identity_without_penalty():
    exposure = Exposure(3, CPU)
    image = torch.rand(5, 7, 3)
    torch.testing.assert_close(exposure.apply(image, 1), image)
    assert float(exposure.penalty(1).detach()) == 0


def test_recovers_a_known_map_and_leaves_the_other_photos_alone():
    exposure = Exposure(2, CPU)
    image = torch.rand(20, 20, 3)
    A, b = torch.tensor([[1.2, 0.1, 0], [0, 0.8, 0], [0, 0, 1.1]]), torch.tensor([0.05, 0, -0.1])
    target = image @ A.T + b
    for _ in range(800):
        (exposure.apply(image, 0) - target).square().mean().backward()
        exposure.step(0, 0.01)
    learned = exposure.maps[0].detach()
    torch.testing.assert_close(learned, torch.cat([A, b[:, None]], 1), atol=5e-3, rtol=0)
    torch.testing.assert_close(exposure.maps[1].detach(), torch.eye(3, 4))


def test_baking_moves_the_mean_into_the_colors_and_keeps_every_photo():
    splats = random_splats(40, seed=0, degree=1)
    # No colour near the clamp at zero, over which the move is not exact; hardly any background.
    splats.sh[:, 0].clamp_(-0.5, 0.5)
    splats.sh[:, 1:] *= 0.1
    splats.log_scales[:] = 0.5
    splats.logit_opacities[:] = 6.0
    model = GaussianModel(splats, CPU)
    exposure = Exposure(3, CPU)
    torch.manual_seed(0)
    with torch.no_grad():
        for value in exposure.maps:
            value += 0.1 * torch.randn(3, 4)
    poses, Ks = orbit(3, 24, 24)

    def photo(index: int) -> torch.Tensor:
        image = render_reference(model.splats(), poses[index], Ks[index], (24, 24))
        return exposure.apply(image, index).detach()

    before = [photo(i) for i in range(3)]
    unseen = exposure.maps[2].detach().clone()
    exposure.bake_mean(model, torch.tensor([True, True, False]))
    for index in (0, 1):
        torch.testing.assert_close(photo(index), before[index], atol=2e-3, rtol=0)
    mean = (exposure.maps[0] + exposure.maps[1]).detach() / 2
    torch.testing.assert_close(mean, torch.eye(3, 4), atol=1e-6, rtol=0)
    torch.testing.assert_close(exposure.maps[2].detach(), unseen)


def test_state_round_trip_continues_the_same():
    torch.manual_seed(0)
    image, target = torch.rand(6, 6, 3), torch.rand(6, 6, 3)

    def train(exposure: Exposure) -> None:
        (exposure.apply(image, 1) - target).square().mean().backward()
        exposure.step(1, 0.01)

    a = Exposure(2, CPU)
    train(a)
    b = Exposure(2, CPU)
    b.load_state_dict(a.state_dict())
    train(a)
    train(b)
    assert torch.equal(a.maps[1], b.maps[1])
