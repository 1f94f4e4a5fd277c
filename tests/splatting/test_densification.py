"""Splitting Gaussians leaves the image as it is; strategies keep to their budget."""

from __future__ import annotations

from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import torch
from scenes.splats import orbit, random_splats, render_reference

from splatpose.render.relocation import split_opacity_and_scale
from splatpose.scene.splats import Splats
from splatpose.splatting.densification import Refinement, default, mcmc
from splatpose.splatting.densification.default import DefaultDensifier
from splatpose.splatting.densification.mcmc import McmcDensifier, split
from splatpose.splatting.gaussian_model import GaussianModel
from splatpose.splatting.scale_limits import limit_scales

CPU = torch.device("cpu")


@pytest.mark.parametrize("opacity", [0.01, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("copies", [1, 2, 3, 10, 51])
def test_copies_composite_to_the_original(opacity: float, copies: int):
    """Equation 9's two conditions, by quadrature along a line through the centre."""
    new, scales = split_opacity_and_scale(
        torch.tensor([opacity], dtype=torch.float64),
        torch.ones(1, 3, dtype=torch.float64),
        torch.tensor([copies]),
    )
    x = np.linspace(-12, 12, 20001)
    profile = float(new) * np.exp(-0.5 * (x / float(scales[0, 0])) ** 2)
    composited = 1 - (1 - profile) ** copies
    assert composited.max() == pytest.approx(opacity, rel=1e-6)
    integral = np.trapezoid(composited, x)
    assert integral == pytest.approx(opacity * np.sqrt(2 * np.pi), rel=1e-4)


def test_one_copy_is_the_original():
    opacities, scales = torch.rand(20) * 0.98 + 0.01, torch.rand(20, 3)
    new, new_scales = split_opacity_and_scale(opacities, scales, torch.ones(20, dtype=torch.long))
    torch.testing.assert_close(new, opacities)
    torch.testing.assert_close(new_scales, scales)


def _isolated() -> Splats:
    """Faint, well separated Gaussians, where the formula is good over the whole image."""
    splats = random_splats(4, seed=0)
    splats.means[:] = torch.tensor([[-0.6, 0, 0], [0.6, 0, 0], [0, 0.5, 0], [0, -0.5, 0]])
    splats.log_scales[:] = -2.2
    splats.logit_opacities[:] = -0.5
    return splats


def test_split_keeps_the_image():
    splats = _isolated()
    poses, Ks = orbit(1, 48, 48)
    before = render_reference(splats, poses[0], Ks[0], (48, 48))
    model = GaussianModel(splats, CPU)
    split(model, torch.ones(4, dtype=torch.bool), torch.tensor([0, 0, 1, 3]))
    assert len(model) == 8
    after = render_reference(model.splats(), poses[0], Ks[0], (48, 48))
    # The copies keep the integral along a line, not the profile: mere clones are 30 % off.
    assert (after - before).abs().max() < 0.05 * before.max()
    assert abs(float(after.sum() / before.sum()) - 1) < 0.02


def test_split_carries_the_optimizer_along():
    model = GaussianModel(random_splats(6, seed=1, degree=1), CPU)
    for value in model.params.values():
        value.grad = torch.randn_like(value)
    model.set_learning_rates(dict.fromkeys(model.params, 0.01))
    model.step()
    moments = model.optimizers["means"].state[model.params["means"]]["exp_avg"].clone()
    keep = torch.tensor([True, True, False, True, True, True])
    split(model, keep, torch.tensor([4, 4]))
    new = model.optimizers["means"].state[model.params["means"]]["exp_avg"]
    assert new.shape == (7, 3)
    torch.testing.assert_close(new[[0, 1, 2, 4]], moments[[0, 1, 3, 5]])
    assert (new[[3, 5, 6]] == 0).all()
    # Still trainable: another step moves the copies.
    before = model.params["means"].detach().clone()
    for value in model.params.values():
        value.grad = torch.ones_like(value)
    model.step()
    assert (model.params["means"] != before).all()


def test_mcmc_moves_the_transparent_and_stops_at_the_budget():
    splats = random_splats(100, seed=2)
    splats.logit_opacities[:30] = -8.0
    dead = splats.means[:30].clone()
    model = GaussianModel(splats, CPU)
    refinement = Refinement(
        start=0, stop=100, every=1, max_gaussians=150, first_gaussians=100, full=2
    )
    densifier = McmcDensifier(
        refinement, 0, noise=0.0, min_opacity=0.005, by_gradient=False, spread=0.0
    )
    for step, expected in ((1, 122), (2, 150), (3, 150), (100, 150)):
        densifier.after_step(model, step, {}, 0.0)
        assert len(model) == expected
    distances = torch.cdist(dead, model.params["means"].detach())
    assert distances.min() > 0
    assert (torch.sigmoid(model.params["opacities"]) >= 0.0049).all()


def test_the_budget_grows_by_the_same_factor_every_time():
    refinement = Refinement(
        start=100, stop=900, every=50, max_gaussians=6400, first_gaussians=100, full=400
    )
    budgets = [refinement.budget(step) for step in (0, 100, 150, 200, 250, 300, 350, 400, 800)]
    assert budgets == [100, 100, 200, 400, 800, 1600, 3200, 6400, 6400]


def test_more_points_than_the_budget_do_not_exceed_it():
    refinement = Refinement(
        start=0, stop=9, every=1, max_gaussians=100, first_gaussians=500, full=4
    )
    assert {refinement.budget(step) for step in range(9)} == {100}


def test_no_gaussian_spans_more_than_its_share_of_the_nearest_view():
    """By the definition, one Gaussian and camera at a time."""
    splats = random_splats(50, seed=4)
    splats.log_scales[:] = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    centers = torch.tensor([[0.0, 0, -2], [1.0, 0, -2], [0, 3.0, 0]])
    limited = splats.log_scales.clone()
    limit_scales(splats.means, limited, centers, 0.5)
    for mean, before, after in zip(splats.means, splats.log_scales, limited, strict=True):
        largest = 0.5 * min(float((mean - center).norm()) for center in centers)
        torch.testing.assert_close(after.exp(), before.exp().clamp(max=largest))
    assert (limited < splats.log_scales).any()
    assert (limited == splats.log_scales).any()


def test_noise_moves_only_faint_gaussians_along_their_shape():
    splats = random_splats(2000, seed=3)
    splats.logit_opacities[:1000] = -6.0
    splats.logit_opacities[1000:] = 3.0
    splats.quats[:] = torch.tensor([1.0, 0, 0, 0])
    splats.log_scales[:] = torch.tensor([-1.0, -2.0, -3.0])
    model = GaussianModel(splats, CPU)
    refinement = Refinement(
        start=50, stop=100, every=10, max_gaussians=2000, first_gaussians=2000, full=60
    )
    densifier = McmcDensifier(
        refinement, 0, noise=1.0, min_opacity=0.005, by_gradient=False, spread=0.0
    )
    densifier.after_step(model, 10, {}, 1.0)
    moved = model.params["means"].detach() - splats.means
    assert (moved[1000:] == 0).all()
    deviation = moved[:1000].std(dim=0)
    ratios = deviation / deviation[0]
    torch.testing.assert_close(ratios, torch.exp(torch.tensor([0.0, -2.0, -4.0])), rtol=0.1, atol=0)


@pytest.mark.parametrize("module", [default, mcmc])
def test_nothing_private_of_gsplat_is_overridden(module: ModuleType):
    for cls in (value for value in vars(module).values() if isinstance(value, type)):
        if cls.__module__ == module.__name__:
            theirs = {n for b in cls.mro() if b.__module__.startswith("gsplat") for n in vars(b)}
            assert not {n for n in vars(cls) if n.startswith("_") and n[:2] != "__"} & theirs


@pytest.mark.parametrize("room", [0, 4, 1000])
def test_the_gaussians_of_largest_gradient_grow_until_space_is_short(room: int):
    """Against gsplat's own strategy without a budget, where there is room for all."""
    count = 60
    gradient = 0.01 * torch.rand(1, count, 2, generator=torch.Generator().manual_seed(0))
    means2d = torch.zeros(1, count, 2)
    means2d.absgrad = gradient  # type: ignore[attr-defined]  # where rasterizers put it
    meta = {"means2d": means2d, "radii": torch.ones(1, count, 2, dtype=torch.int32)}
    meta |= {"width": 40, "height": 40, "n_cameras": 1}
    splats = random_splats(count, seed=5)
    splats.logit_opacities[:] = 0.0
    splats.log_scales[:] = -8.0
    model = GaussianModel(splats, CPU)
    refinement = Refinement(
        start=0, stop=100, every=5, max_gaussians=count + room, first_gaussians=count, full=1
    )
    densifier = DefaultDensifier(refinement, 0, scene_scale=1.0, min_opacity=0.005)
    densifier.after_step(model, 4, meta, 0.0)
    assert len(model) == count
    densifier.after_step(model, 5, meta, 0.0)
    size = gradient[0].norm(dim=-1)
    large = (size > 0.0008 / 20).nonzero()[:, 0]
    grown = size.argsort(descending=True)[: max(0, room - 1)].sort().values if room < 60 else large
    torch.testing.assert_close(model.params["means"].detach()[count:], splats.means[grown])


def test_packed_renders_are_read_as_all_others():
    """Gradients of the visible Gaussians alone come to the same scores."""
    count, visible = 6, torch.tensor([0, 2, 5])
    gradients = torch.rand(1, count, 2)
    radii = torch.zeros(1, count, 2, dtype=torch.int32)
    radii[:, visible] = 3
    shape = {"width": 64, "height": 48}
    plain = {"means2d": SimpleNamespace(absgrad=gradients), "radii": radii, "gaussian_ids": None}
    packed = {
        "means2d": SimpleNamespace(absgrad=gradients[0, visible]),
        "radii": radii[0, visible],
        "gaussian_ids": visible,
    }
    scores = []
    for meta in (plain, packed):
        densifier = McmcDensifier(
            Refinement(1, 100, 10, 50, 6, 100), 0,
            noise=0, min_opacity=0.01, by_gradient=True, spread=0.8,
        )  # fmt: skip
        model = GaussianModel(random_splats(count, 0), CPU)
        densifier.after_step(model, 3, {**shape, **meta}, 0.0)
        densifier.after_step(model, 4, {**shape, **meta}, 0.0)
        scores.append(densifier.state_dict()["score"])
    assert torch.equal(*scores)
    assert (scores[0] > 0).nonzero()[:, 0].tolist() == visible.tolist()


def test_more_gaussians_than_torch_draws_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(mcmc, "_MOST_CATEGORIES", 2)
    weights = torch.tensor([0.0, 1.0, 0.0, 3.0, 0.0])
    index = mcmc.drawn(weights, 4000, torch.Generator().manual_seed(0))
    counts = torch.bincount(index, minlength=5)
    assert counts[[0, 2, 4]].tolist() == [0, 0, 0]
    assert counts[3] == pytest.approx(3000, abs=100)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_not_finite_are_neither_drawn_from_nor_kept(value: float):
    """Drawing from them would end the process; and they would never become finite again."""
    model = GaussianModel(random_splats(20, seed=2), CPU)
    model.params["opacities"].data[:5] = -8.0
    refinement = Refinement(
        start=1, stop=100, every=5, max_gaussians=30, first_gaussians=20, full=2
    )
    densifier = McmcDensifier(
        refinement, 0, noise=0.0, min_opacity=0.005, by_gradient=False, spread=0.0
    )
    bad = torch.ones(20)
    bad[7] = value
    densifier.load_state_dict({"score": bad})
    densifier.after_step(model, 5, {}, 0.0)
    assert len(model) == 20
    assert densifier.state_dict() == {"score": None}
    densifier.after_step(model, 10, {}, 0.0)
    assert len(model) == 30, "the next time as ever"


def test_scores_are_of_the_steps_since_the_last_time_whatever_came_of_them():
    model = GaussianModel(random_splats(20, seed=2), CPU)
    model.params["opacities"].data[:] = -8.0
    refinement = Refinement(1, 100, 5, 30, 20, 2)
    densifier = McmcDensifier(
        refinement, 0, noise=0.0, min_opacity=0.005, by_gradient=False, spread=0.0
    )
    densifier.load_state_dict({"score": torch.ones(20)})
    densifier.after_step(model, 5, {}, 0.0)
    assert densifier.state_dict() == {"score": None}
