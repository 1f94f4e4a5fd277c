"""Prior depth in a training: its loss, the first Gaussians from it, and what both are worth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes.few_photos import FewPhotos, few_photos

from splatpose.events import ignore_events
from splatpose.render import choose_backend
from splatpose.scene.views import Views
from splatpose.splatting.checkpoint import training_identity
from splatpose.splatting.config import TrainingConfig
from splatpose.splatting.depth_loss import DepthTerm, depth_loss
from splatpose.splatting.depth_points import depth_points
from splatpose.splatting.initialization import initial_splats
from splatpose.splatting.quality import mean_psnr, measure
from splatpose.splatting.trainer import Trainer
from splatpose.undistortion.subset import reduced, with_views

CONFIG = TrainingConfig(
    backend="cpu",
    steps=200,
    final_steps=0,
    refine_every=20,
    refine_start=20,
    sh_degree=0,
    fill_below=0,
    exposure=False,
)


@pytest.fixture(scope="module")
def scene() -> FewPhotos:
    return few_photos()


def guided(scene: FewPhotos) -> Views:
    return replace(scene.views, depths=scene.disturbed())


def on_surfaces(scene: FewPhotos, view: int, points: np.ndarray) -> np.ndarray:
    """Relative distance, along a view's rays, of points that it sees to what it sees there."""
    pose, depth = scene.views.cam_from_world[view], scene.depth[view]
    in_camera = points @ pose[:3, :3].T + pose[:3, 3]
    pixels = (in_camera @ scene.views.Ks[view].T)[:, :2] / in_camera[:, 2:]
    inside = ((pixels >= 0) & (pixels < depth.shape[::-1])).all(axis=1)
    column, row = pixels[inside].astype(int).T
    return in_camera[inside, 2] / depth[row, column] - 1


def trained(views: Views, config: TrainingConfig, seed: int = 0) -> Trainer:
    trainer = Trainer(views, config, choose_backend("cpu"), seed, ignore_events)
    while trainer.step < config.steps:
        trainer.advance()
    return trainer


def psnr(views: Views, config: TrainingConfig) -> float:
    trainer = trained(views, config)
    return mean_psnr(measure(trainer.photos, trainer.render_photo))


def test_the_loss_is_its_formula_and_its_gradient_the_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    depth, prior, alpha = (
        torch.rand(5, 7, generator=generator, dtype=torch.float64) + 0.5 for _ in range(3)
    )
    prior[0, :3], prior[1, 2] = float("nan"), 0.0
    expected = 0.0
    for z, known, weight in zip(depth.ravel(), prior.ravel(), alpha.ravel(), strict=True):
        if known > 0:
            expected += float(weight * 0.1 * (1 + (z / known).log().abs() / 0.1).log()) / 35
    assert float(depth_loss(depth, prior, alpha)) == pytest.approx(expected, rel=1e-12)
    depth.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: depth_loss(z, prior, alpha), [depth], eps=1e-7)
    depth_loss(depth, prior, alpha).backward()
    assert depth.grad is not None
    assert depth.grad.isfinite().all()
    assert (depth.grad[~(prior > 0)] == 0).all()
    assert (depth.grad[prior > 0] != 0).all()


def test_pixels_that_are_far_off_pull_less_and_faint_ones_gain_nothing() -> None:
    depth = torch.tensor([[1.01, 1.1, 2.0, 50.0]], requires_grad=True)
    alpha = torch.ones(1, 4, requires_grad=True)
    depth_loss(depth, torch.ones(1, 4), alpha).backward()
    assert depth.grad is not None
    pull = (depth.grad * depth.detach())[0]
    assert (pull.diff() < 0).all()
    assert pull[3] < 0.05 * pull[0]
    assert alpha.grad is None


def test_the_weight_falls_to_a_hundredth_and_the_last_pass_knows_no_depth(
    scene: FewPhotos,
) -> None:
    views = guided(scene)
    term = DepthTerm(views, CONFIG, torch.device("cpu"))
    assert [term.wants(view, 0) for view in range(7)] == [True, False] * 3 + [True]
    assert not term.wants(0, CONFIG.steps)
    depth = torch.full((36, 48), 3.0)
    first, last = (float(term.term(0, step, depth, depth)) for step in (0, CONFIG.steps))
    assert last == pytest.approx(0.01 * first, rel=1e-5)
    none = DepthTerm(views, replace(CONFIG, depth_weight=0.0), torch.device("cpu"))
    assert not none.wants(0, 0)


def test_points_of_depth_lie_on_the_surfaces_evenly(scene: FewPhotos) -> None:
    exact = tuple(
        None if out else depth for depth, out in zip(scene.depth, scene.views.held_out, strict=True)
    )
    points, colors, depths, widths = depth_points(replace(scene.views, depths=exact), 400)
    assert len(points) == len(colors) == len(depths) == len(widths)
    assert 250 < len(points) < 400  # none beside the known points
    near = np.array([on_surfaces(scene, view, points) for view in (0, 6)], object)
    for off in near:  # what the other views see is on the surface, or hidden behind it
        assert np.quantile(off, 0.05) > -0.02
        assert np.median(np.abs(off)) < 0.01
    np.testing.assert_allclose(widths, depths / scene.views.Ks[0, 0, 0])


def test_points_that_another_view_sees_through_are_left_out(scene: FewPhotos) -> None:
    near = [None if depth is None else depth.copy() for depth in scene.disturbed()]
    assert near[0] is not None
    near[0][20:50, 30:60] *= 0.6
    points, *_ = depth_points(replace(scene.views, depths=tuple(near)), 400)
    for view in (2, 4, 6):
        assert (on_surfaces(scene, view, points) > -0.25).all()


def test_held_out_views_and_masked_pixels_give_no_points(scene: FewPhotos) -> None:
    masks = (np.zeros((72, 96), bool), *(None,) * 6)
    views = replace(guided(scene), masks=masks)
    views = replace(views, held_out=np.array([False, False, True, True, True, True, True]))
    assert len(depth_points(views, 400)[0]) == 0


def test_the_first_gaussians_are_those_of_the_points_and_of_depth(scene: FewPhotos) -> None:
    options = {"fill_below": 0, "max_gaussians": 10_000, "seed": 0}
    plain = initial_splats(scene.views, ignore_events, **options)  # pyright: ignore
    views = guided(scene)
    both = initial_splats(views, ignore_events, **options, from_depth=400)  # pyright: ignore
    assert len(both) == len(plain) + len(depth_points(views, 400)[0])
    torch.testing.assert_close(both.means[: len(plain)], plain.means, rtol=0, atol=0)


def test_four_photos_gain_by_disturbed_depth(scene: FewPhotos) -> None:
    """By the loss alone, and by more with first Gaussians where depth has surfaces."""
    views, config = reduced(guided(scene), 64), replace(CONFIG, steps=150)
    without = psnr(reduced(scene.views, 64), config)
    assert psnr(views, replace(config, depth_start=0.0, depth_weight=1.0)) > without + 0.5
    assert psnr(views, config) > without + 3


def test_without_any_depth_a_training_is_the_same_bit_by_bit(scene: FewPhotos) -> None:
    config = replace(CONFIG, steps=5)
    plain = trained(scene.views, config).splats()
    unknown = trained(replace(scene.views, depths=(None,) * 7), config).splats()
    assert torch.equal(plain.means, unknown.means)
    assert torch.equal(plain.sh, unknown.sh)


def test_a_checkpoint_belongs_to_its_depth(scene: FewPhotos) -> None:
    views = guided(scene)
    other = replace(scene.views, depths=scene.disturbed(seed=1))
    seen = {training_identity(v, CONFIG, 0) for v in (scene.views, views, other)}
    assert len(seen) == 3
    unknown = replace(scene.views, depths=(None,) * 7)
    assert training_identity(unknown, CONFIG, 0) == training_identity(scene.views, CONFIG, 0)


def test_some_of_the_views_keep_their_depth(scene: FewPhotos) -> None:
    views = guided(scene)
    assert views.depths is not None
    some = with_views(views, np.arange(7) > 3)
    assert some.depths is not None
    assert [depth is views.depths[4 + i] for i, depth in enumerate(some.depths)] == [True] * 3
    assert with_views(scene.views, np.arange(7) > 3).depths is None
