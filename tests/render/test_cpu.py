"""The CPU rasterizer against the dense float64 reference."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scenes.rendering import (
    Scene,
    as_leaves,
    compare,
    relative_error,
    render_reference,
    steady_pixels,
)
from torch import Tensor

from splatpose.render import reference
from splatpose.render.cpu.rasterization import rasterization
from splatpose.render.reference import RasterizeMode, RenderMode

SCENES = {
    "harmonics": Scene(),
    "two cameras": Scene(
        cameras=2,
        sh_degree=1,
        options={"render_mode": "RGB+D", "backgrounds": torch.tensor([[0.2, 0.5, 1], [1, 0, 0.3]])},
    ),
    "expected depth": Scene(seed=1, sh_degree=2, options={"render_mode": "RGB+ED"}),
    "depth only": Scene(seed=2, sh_degree=None, options={"render_mode": "ED"}),
    "antialiased": Scene(seed=3, scale=0.02, options={"rasterize_mode": "antialiased"}),
    "sub-pixel": Scene(seed=4, scale=1e-3, logit_spread=1.0, sh_degree=0),
    "needles": Scene(seed=5, scale=0.05, scale_spread=1.6),
    "image-sized": Scene(seed=6, count=25, scale=3.0, sh_degree=0),
    "near plane": Scene(seed=7, depth=(0.05, 2.0), scale=0.05, options={"near_plane": 0.4}),
    "very near": Scene(seed=8, depth=(0.02, 0.3), scale=0.02, logit_spread=1.0),
    "far plane": Scene(seed=9, options={"far_plane": 3.0}),
    "behind": Scene(seed=10, depth=(-3.0, 3.0)),
    "extreme opacities": Scene(seed=11, count=150, logit_spread=12.0),
    "opaque crowd": Scene(seed=12, count=250, scale=0.3, logit_spread=1.0, sh_degree=0),
    "one channel": Scene(seed=13, sh_degree=None, channels=1),
    "four channels": Scene(seed=14, sh_degree=None, channels=4),
    "odd size": Scene(seed=15, width=67, height=33),
    "one pixel": Scene(seed=16, width=1, height=1, scale=0.5, sh_degree=0),
    "one row": Scene(seed=19, width=90, height=1, scale=0.5, sh_degree=0),
    "one column": Scene(seed=17, width=1, height=90, scale=0.5, sh_degree=0),
    "one column more than tiles": Scene(
        count=21,
        width=33,
        height=70,
        seed=218375,
        cameras=2,
        depth=(1.0, 21.0),
        scale=1.4178895935759088,
        logit_spread=1.0,
        options={"near_plane": 1.0, "rasterize_mode": "antialiased", "eps2d": 0.1},
    ),
    "depth beside harmonics": Scene(seed=21, cameras=3, options={"render_mode": "D"}),
    "depth beside two channels": Scene(
        seed=22,
        sh_degree=None,
        channels=2,
        options={"render_mode": "RGB+D", "backgrounds": torch.tensor([[0.3, 0.9]])},
    ),
    "no blur": Scene(seed=23, scale=0.2, options={"eps2d": 0.0}),
    "blur": Scene(seed=18, options={"eps2d": 0.05}),
}


@pytest.mark.parametrize("name", SCENES)
def test_image_and_gradients_are_those_of_the_reference(name: str) -> None:
    compare(SCENES[name].inputs(), SCENES[name].arguments())


@st.composite
def scenes(draw: st.DrawFn) -> Scene:
    """Scenes over the whole range of what can be asked for."""
    mode = draw(st.sampled_from(get_args(RenderMode)))
    sh_degree = draw(st.sampled_from((None, 0, 1, 2, 3)))
    channels = draw(st.integers(1, 4)) if mode == "RGB" and sh_degree is None else 3
    cameras = draw(st.integers(1, 2))
    nearest = draw(st.floats(-2.0, 2.0))
    options = {
        "render_mode": mode,
        "rasterize_mode": draw(st.sampled_from(get_args(RasterizeMode))),
        "near_plane": draw(st.sampled_from((0.01, 0.2, 1.0))),
        "eps2d": draw(st.sampled_from((0.3, 0.1))),
    }
    if draw(st.booleans()):
        options["backgrounds"] = torch.linspace(0, 1, cameras * channels).view(cameras, channels)
    # Around whole vectors, strips and tiles, and anything else.
    side = st.sampled_from((1, 2, 8, 9, 31, 32, 33, 64, 65)) | st.integers(1, 80)
    return Scene(
        count=draw(st.integers(1, 40)),
        width=draw(side),
        height=draw(side),
        seed=draw(st.integers(0, 10**6)),
        cameras=cameras,
        depth=(nearest, nearest + draw(st.sampled_from((0.5, 3.0, 20.0)))),
        scale=10 ** draw(st.floats(-3.0, 0.0)),
        scale_spread=draw(st.sampled_from((0.3, 0.8, 1.5))),
        logit_spread=draw(st.sampled_from((1.0, 2.0, 8.0))),
        highest_opacity=0.9985,
        sh_degree=sh_degree,
        channels=channels,
        options=options,
    )


@settings(max_examples=60, deadline=None, derandomize=True,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(scene=scenes())
def test_any_scene_is_rendered_as_the_reference_does(scene: Scene) -> None:
    compare(scene.inputs(), scene.arguments())


@pytest.mark.parametrize("size", [20, 52])
@pytest.mark.parametrize("sh_degree", [None, 0])
def test_expected_depth_of_one_faint_gaussian(size: int, sh_degree: int | None) -> None:
    """Large, far to the side and alone: its gradients are what is left when large parts cancel."""
    scene = Scene(
        count=1, width=size, height=size, seed=192, depth=(-0.3, 19.7), scale=0.991,
        scale_spread=0.3, logit_spread=1.0, highest_opacity=0.9985, sh_degree=sh_degree,
        options={"render_mode": "RGB+ED", "rasterize_mode": "antialiased"},
    )  # fmt: skip
    compare(scene.inputs(), scene.arguments())


@pytest.mark.parametrize("width", [9, 17, 33, 65, 97])
def test_a_last_strip_of_one_column_is_drawn(width: int) -> None:
    """Its left and right borders are the same number, which rounding must not put in disorder.

    The order of additions matters to rounding where x and x + 1/2 differ in exponent.
    """
    generator = torch.Generator().manual_seed(width)
    count, height = 200, 41
    K = torch.tensor([[[50.0, 0, 0], [0, 50.0, 20.3], [0, 0, 1]]])
    for power in (2, 4, 8, 16):
        x = power - 0.5 * torch.rand(count, generator=generator)
        inputs = [
            torch.stack([x / 50, torch.zeros(count), torch.ones(count)], 1),
            torch.randn(count, 4, generator=generator),
            torch.full((count, 3), 3.0),
            torch.full((count,), 0.02),
            torch.ones(count, 1),
            torch.eye(4)[None],
            K,
        ]
        _, alpha, _ = rasterization(*inputs, width, height)
        _, expected = reference.rasterization(*(x.double() for x in inputs), width, height)
        # One that is missing from a tile makes 2e-2 x transmittance of at least 2e-2.
        assert float((alpha - expected).abs().max()) < 2e-4


def test_a_loss_on_alpha_alone_moves_the_gaussians() -> None:
    scene = Scene()
    inputs = scene.inputs()
    ours, exact = as_leaves(inputs, torch.float32), as_leaves(inputs, torch.float64)
    steady = steady_pixels(inputs, scene.arguments())
    (rasterization(*ours, inputs[6], **scene.arguments())[1] * steady).square().sum().backward()
    (render_reference(exact, inputs[6], scene.arguments())[1] * steady).square().sum().backward()
    for mine, true in zip(ours[:4], exact[:4], strict=True):
        assert mine.grad is not None
        assert true.grad is not None
        assert relative_error(mine.grad, true.grad) < 1e-4


def test_background_gradient_is_what_shines_through() -> None:
    scene = Scene(cameras=2)
    background = torch.tensor([[0.1, 0.2, 0.3], [0.5, 0.0, 1.0]], requires_grad=True)
    image, alpha, _ = rasterization(*scene.inputs(), **scene.arguments(), backgrounds=background)
    weight = torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
    (image * weight).sum().backward()
    assert background.grad is not None
    expected = ((1 - alpha.double()) * weight).sum((1, 2))
    torch.testing.assert_close(background.grad.double(), expected, rtol=1e-4, atol=1e-4)


def _exact_image_gradients(scene: Scene, weight: Tensor, camera: int) -> tuple[Tensor, Tensor]:
    """Gradient w.r.t. the centres in the image, and its absolute values summed over pixels."""
    means, quats, scales, opacities, colors, viewmats, Ks = (x.double() for x in scene.inputs())
    projected = reference.project(
        means, quats, scales, viewmats[camera], Ks[camera], scene.width, scene.height
    )
    order = projected.depths.argsort()
    assert (projected.depths > 0.01).all()
    centers = projected.means2d.requires_grad_()
    nearest_first = reference.Projected(
        centers[order],
        projected.covariances2d[order],
        projected.depths[order],
        projected.compensations[order],
    )
    weights, _ = reference._blend_weights(
        nearest_first, opacities[order], scene.width, scene.height
    )
    image = torch.einsum("nhw,nd->hwd", weights, colors[order])
    by_pixel = torch.stack(
        [
            torch.autograd.grad(pixel, centers, retain_graph=True)[0]
            for pixel in (image * weight[camera]).sum(-1).flatten()
        ]
    )
    return by_pixel.sum(0), by_pixel.abs().sum(0)


def test_gradients_in_the_image_and_their_absolute_sums_are_exact() -> None:
    """`means2d.grad` and `.absgrad` of every Gaussian in each camera, as densification reads."""
    scene = Scene(
        count=12, width=37, height=9, cameras=2, seed=3, scale=0.3, sh_degree=None,
        highest_opacity=0.9,
    )  # fmt: skip
    inputs = [x.requires_grad_() for x in scene.inputs()[:6]]
    image, _, meta = rasterization(*inputs, scene.inputs()[6], **scene.arguments(), absgrad=True)
    weight = torch.randn(image.shape, generator=torch.Generator().manual_seed(1))
    weight = weight * steady_pixels(scene.inputs(), scene.arguments())
    (image * weight).sum().backward()
    for camera in range(2):
        gradient, absolute = _exact_image_gradients(scene, weight.double(), camera)
        assert relative_error(meta["means2d"].grad[camera], gradient) < 1e-4
        assert relative_error(meta["means2d"].absgrad[camera], absolute) < 1e-4


def test_centres_and_radii_tell_where_a_gaussian_is_seen() -> None:
    """Radii are 0 exactly where nothing is drawn, and cover all that is drawn."""
    scene = Scene(count=120, cameras=2, seed=5, depth=(-1.0, 4.0), sh_degree=None, channels=1)
    inputs = scene.inputs()
    _, _, meta = rasterization(*inputs, **scene.arguments())
    radii = meta["radii"]
    assert radii.shape == (2, 120, 2)
    assert (radii[..., 0] > 0).any()
    assert (radii[..., 0] == 0).any()
    rows, columns = torch.arange(scene.height) + 0.5, torch.arange(scene.width) + 0.5
    for n in range(scene.count):
        alone = [x[n : n + 1] if i < 5 else x for i, x in enumerate(inputs)]
        _, alpha, _ = rasterization(*alone, **scene.arguments())
        for camera in range(2):
            drawn = alpha[camera, ..., 0] > 0
            x, y = meta["means2d"][camera, n]
            near = ((columns - x).abs() <= radii[camera, n, 0]) & (
                (rows[:, None] - y).abs() <= radii[camera, n, 1]
            )
            assert not (drawn & ~near).any()


@pytest.mark.parametrize(("first", "degree"), [(1, 3), (1, 0), (4, 2), (16, 3), (3, 1)])
def test_harmonics_in_two_tensors_are_those_in_one(first: int, degree: int) -> None:
    """Image and gradients, to the last bit; also where not all of them are in use."""
    scene = Scene(count=203, cameras=2, sh_degree=degree, scale=0.05)
    inputs = scene.inputs()
    results = []
    for parts in (1, 2):
        leaves = as_leaves(inputs, torch.float32)
        colors: Any = leaves[4]
        if parts == 2:
            colors = tuple(
                part.detach().clone().requires_grad_()
                for part in leaves[4].split([first, 16 - first], dim=1)
            )
        image, _, _ = rasterization(*leaves[:4], colors, leaves[5], inputs[6], **scene.arguments())
        image.square().sum().backward()
        gradient = (
            leaves[4].grad if parts == 1 else torch.cat([part.grad for part in colors], dim=1)
        )
        results.append([image, gradient, *(leaf.grad for leaf in (*leaves[:4], leaves[5]))])
    for one, other in zip(*results, strict=True):
        assert torch.equal(one, other)
