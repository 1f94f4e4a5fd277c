"""The CPU rasterizer against the dense float64 reference."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from splatpose.render import reference
from splatpose.render.cpu import use_threads
from splatpose.render.cpu.rasterization import rasterization

PARAMETERS = ("means", "quats", "scales", "opacities", "colors", "viewmats")


@dataclass(frozen=True)
class Scene:
    """Random Gaussians before one or more cameras that are turned a little."""

    count: int = 60
    width: int = 70
    height: int = 45
    seed: int = 0
    cameras: int = 1
    depth: tuple[float, float] = (1.5, 4.5)
    scale: float = 0.1
    scale_spread: float = 0.8
    logit_spread: float = 2.0
    sh_degree: int | None = 3
    channels: int = 3
    options: dict[str, Any] = field(default_factory=dict)

    def inputs(self) -> list[Tensor]:
        """Means, quats, scales, opacities, colors, viewmats, Ks."""
        generator = torch.Generator().manual_seed(self.seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator)

        n = self.count
        low, high = self.depth
        z = low + (high - low) * torch.rand(n, generator=generator)
        means = torch.stack([normal(n) * 0.5 * z.abs(), normal(n) * 0.4 * z.abs(), z], 1)
        scales = torch.exp(normal(n, 3) * self.scale_spread + math.log(self.scale))
        colors = normal(n, self.channels) if self.sh_degree is None else normal(n, 16, 3) * 0.5
        viewmats = torch.eye(4).repeat(self.cameras, 1, 1)
        for viewmat in viewmats:
            turn = reference.rotation_from_quaternion(
                torch.tensor([[1.0, 0, 0, 0]]) + 0.05 * normal(1, 4)
            )
            viewmat[:3, :3], viewmat[:3, 3] = turn[0], 0.1 * normal(3)
        focal = 0.9 * self.width
        K = torch.tensor([[focal, 0, self.width * 0.48], [0, focal * 1.05, self.height * 0.53]])
        K = torch.cat([K, torch.tensor([[0, 0, 1.0]])]).repeat(self.cameras, 1, 1)
        opacities = torch.sigmoid(normal(n) * self.logit_spread)
        return [means, normal(n, 4), scales, opacities, colors, viewmats, K]

    def arguments(self) -> dict[str, Any]:
        return {
            "width": self.width,
            "height": self.height,
            "sh_degree": self.sh_degree,
            **self.options,
        }


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
    "one column": Scene(seed=17, width=1, height=90, scale=0.5, sh_degree=0),
    "blur": Scene(seed=18, options={"eps2d": 0.05}),
}


def as_leaves(inputs: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    return [x.detach().clone().to(dtype).requires_grad_() for x in inputs[:6]]


def render_reference(leaves: list[Tensor], K: Tensor, arguments: dict[str, Any]) -> Any:
    arguments = dict(arguments)
    if arguments.get("backgrounds") is not None:
        arguments["backgrounds"] = arguments["backgrounds"].to(leaves[0].dtype)
    return reference.rasterization(*leaves, K.to(leaves[0].dtype), **arguments)


def steady_pixels(inputs: list[Tensor], arguments: dict[str, Any]) -> Tensor:
    """Pixels at which no Gaussian is so close to a threshold that rounding decides.

    There the image jumps by up to 1/255 of a colour when opacities change by 1e-5.
    """
    arguments = {**arguments, "sh_degree": None, "render_mode": "RGB", "backgrounds": None}
    steady = torch.ones(())
    for factor in (1 - 2e-5, 1 + 2e-5):
        # A colour of one makes the image its alpha: every jump shows.
        images = []
        for scale in (factor, 1.0):
            changed = [x.double() for x in inputs]
            changed[3] = changed[3] * scale
            changed[4] = torch.rand(
                len(changed[0]), 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
            )
            with torch.no_grad():
                images.append(reference.rasterization(*changed, **arguments))
        jump = (images[0][0] - images[1][0]).abs().amax(-1, keepdim=True)
        steady = steady * (jump < 1e-4)
    return steady


def compare(inputs: list[Tensor], arguments: dict[str, Any], tolerance: float = 1.0) -> None:
    """Image within 5e-5, gradients within 1e-4 (relative L2), cameras within 3e-4."""
    ours, exact = as_leaves(inputs, torch.float32), as_leaves(inputs, torch.float64)
    image, alpha, _meta = rasterization(*ours, inputs[6], **arguments)
    image64, alpha64 = render_reference(exact, inputs[6], arguments)
    steady = steady_pixels(inputs, arguments)
    assert steady.mean() > 0.95
    largest = max(1.0, image64.abs().max().item())
    assert ((image - image64) * steady).abs().max() <= 5e-5 * largest * tolerance
    assert ((alpha - alpha64) * steady).abs().max() <= 5e-5 * tolerance

    generator = torch.Generator().manual_seed(1)
    image_weight = torch.randn(image.shape, generator=generator) * steady
    alpha_weight = torch.randn(alpha.shape, generator=generator) * steady
    ((image * image_weight.float()).sum() + (alpha * alpha_weight.float()).sum()).backward()
    ((image64 * image_weight).sum() + (alpha64 * alpha_weight).sum()).backward()
    for name, mine, true in zip(PARAMETERS, ours, exact, strict=True):
        if true.grad is None:
            assert mine.grad is None
            continue
        assert mine.grad is not None
        error = (mine.grad - true.grad).norm() / true.grad.norm().clamp(min=1e-12)
        assert error <= (3e-4 if name == "viewmats" else 1e-4) * tolerance, (name, error)


@pytest.mark.parametrize("name", SCENES)
def test_image_and_gradients_are_those_of_the_reference(name: str) -> None:
    compare(SCENES[name].inputs(), SCENES[name].arguments())


@settings(max_examples=12, deadline=None, derandomize=True,
          suppress_health_check=list(HealthCheck))  # fmt: skip
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 40),
    width=st.integers(1, 80),
    height=st.integers(1, 70),
    scale=st.floats(0.005, 0.5),
    depth=st.floats(0.5, 20.0),
    antialiased=st.booleans(),
)
def test_any_scene_is_rendered_as_the_reference_does(
    seed: int, count: int, width: int, height: int, scale: float, depth: float, antialiased: bool
) -> None:
    scene = Scene(
        count, width, height, seed, depth=(0.5 * depth, depth), scale=scale * depth, sh_degree=1
    )
    mode = "antialiased" if antialiased else "classic"
    compare(scene.inputs(), {**scene.arguments(), "rasterize_mode": mode}, tolerance=2.0)


def test_gaussians_that_are_not_finite_are_left_out() -> None:
    scene = Scene(count=40)
    inputs = scene.inputs()
    clean = [x[12:] if i < 5 else x for i, x in enumerate(inputs)]
    row = 0
    for value in (math.nan, math.inf, -math.inf):
        for parameter in (0, 1, 2, 4):
            inputs[parameter].view(40, -1)[row, -1] = value
            row += 1
    leaves = as_leaves(inputs, torch.float32)
    image, alpha, meta = rasterization(*leaves, inputs[6], **scene.arguments())
    expected, expected_alpha, _ = rasterization(*clean, **scene.arguments())
    torch.testing.assert_close(image, expected, rtol=0, atol=0)
    torch.testing.assert_close(alpha, expected_alpha, rtol=0, atol=0)
    assert (meta["radii"][0, :12] == 0).all()
    image.sum().backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert leaf.grad.isfinite().all()


@pytest.mark.parametrize("opacity", [math.nan, -1.0, 0.0])
def test_a_gaussian_without_opacity_is_not_drawn(opacity: float) -> None:
    inputs = Scene(count=1, scale=1.0).inputs()
    inputs[3][:] = opacity
    image, alpha, _ = rasterization(*inputs, **Scene().arguments())
    assert (image == 0).all()
    assert (alpha == 0).all()


@pytest.mark.parametrize("mode", ["RGB", "ED", "RGB+ED"])
def test_no_gaussians_show_the_background(mode: str) -> None:
    inputs = [x[:0] if i < 5 else x for i, x in enumerate(Scene().inputs())]
    leaves = as_leaves(inputs, torch.float32)
    background = torch.tensor([[0.1, 0.2, 0.3]])
    image, alpha, meta = rasterization(
        *leaves, inputs[6], 20, 10, sh_degree=3, backgrounds=background, render_mode=mode
    )
    assert (alpha == 0).all()
    if "RGB" in mode:
        assert (image[..., :3] == background).all()
    if "D" in mode:
        assert (image[..., -1] == 0).all()
    assert meta["means2d"].shape == (1, 0, 2)
    (image.sum() + alpha.sum()).backward()


def test_background_gradient_is_what_shines_through() -> None:
    scene = Scene()
    background = torch.tensor([[0.1, 0.2, 0.3]], requires_grad=True)
    image, alpha, _ = rasterization(*scene.inputs(), **scene.arguments(), backgrounds=background)
    image.sum().backward()
    assert background.grad is not None
    expected = (1 - alpha).sum().item()
    assert background.grad[0].tolist() == pytest.approx([expected] * 3, rel=1e-5)


def _gradients(scene: Scene, threads: int) -> list[Tensor]:
    inputs = scene.inputs()
    leaves = as_leaves(inputs, torch.float32)
    with use_threads(threads):
        image, alpha, meta = rasterization(
            *leaves, inputs[6], **scene.arguments(), render_mode="RGB+ED", absgrad=True
        )
        (image.square().sum() + alpha.sum()).backward()
    gradients = [leaf.grad for leaf in leaves]
    assert all(g is not None for g in gradients)
    return [image, alpha, meta["means2d"].grad, meta["means2d"].absgrad, *gradients]  # type: ignore[list-item]  # asserted above


LARGE = Scene(count=6000, width=200, height=150, scale=0.03, seed=20, sh_degree=1)


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_results_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    for one, many in zip(_gradients(LARGE, 1), _gradients(LARGE, threads), strict=True):
        assert torch.equal(one, many)


def test_renders_at_the_same_time_do_not_disturb_each_other() -> None:
    """A viewer renders while a training step is between forward and backward."""
    scenes = [replace(LARGE, seed=seed, count=2000 + 500 * seed) for seed in range(4)]
    expected = [_gradients(scene, 1) for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            results = list(pool.map(lambda scene: _gradients(scene, 2), scenes))
            for result, truth in zip(results, expected, strict=True):
                for a, b in zip(result, truth, strict=True):
                    assert torch.equal(a, b)


def test_a_second_backward_pass_gives_the_same_gradients() -> None:
    scene = Scene()
    inputs = scene.inputs()
    leaves = as_leaves(inputs, torch.float32)
    image, _, _ = rasterization(*leaves, inputs[6], **scene.arguments())
    image.sum().backward(retain_graph=True)
    first = [leaf.grad.clone() for leaf in leaves if leaf.grad is not None]
    rasterization(*Scene(seed=1).inputs(), **scene.arguments())
    image.sum().backward()
    for leaf, before in zip(leaves, first, strict=True):
        assert leaf.grad is not None
        torch.testing.assert_close(leaf.grad, 2 * before)


def test_inputs_that_are_not_contiguous_are_read_right() -> None:
    scene = Scene()
    inputs = scene.inputs()
    strided = [x.transpose(0, -1).contiguous().transpose(0, -1) for x in inputs]
    expected, _, _ = rasterization(*inputs, **scene.arguments())
    image, _, _ = rasterization(*strided, **scene.arguments())
    assert torch.equal(image, expected)


def test_nothing_is_recorded_without_gradients() -> None:
    inputs = [x.requires_grad_() for x in Scene().inputs()[:6]]
    with torch.no_grad():
        image, _, meta = rasterization(*inputs, Scene().inputs()[6], **Scene().arguments())
    assert not image.requires_grad
    assert not meta["means2d"].requires_grad


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"packed": True}, "packed"),
        ({"camera_model": "fisheye"}, "camera_model"),
        ({"radius_clip": 1.0}, "radius_clip"),
        ({"covars": torch.eye(3)}, "covars"),
        ({"sh_degree": 4}, "sh_degree"),
        ({"width": 0}, "width"),
        ({"render_mode": "depth"}, "render_mode"),
        ({"rasterize_mode": "sharp"}, "rasterize_mode"),
        ({"backgrounds": torch.zeros(1, 4)}, "backgrounds"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises((ValueError, TypeError), match=named):
        rasterization(*Scene().inputs(), **{**Scene().arguments(), **change})


def test_arguments_that_cannot_work_are_refused_by_name() -> None:
    inputs = Scene().inputs()
    for position, name in enumerate(("means", "quats", "scales", "opacities", "colors")):
        wrong = [x.double() if i == position else x for i, x in enumerate(inputs)]
        with pytest.raises(ValueError, match=f"{name} is torch.float64"):
            rasterization(*wrong, **Scene().arguments())
    with pytest.raises(TypeError, match="colour"):
        rasterization(*inputs, **Scene().arguments(), colour=1)
    with pytest.raises(ValueError, match="Ks"):
        rasterization(*inputs[:6], inputs[6].clone().requires_grad_(), **Scene().arguments())
    with pytest.raises(ValueError, match="channels"):
        rasterization(*inputs[:4], torch.rand(60, 4), *inputs[5:], 8, 8, render_mode="RGB+D")
