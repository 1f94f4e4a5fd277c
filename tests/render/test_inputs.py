"""Inputs at and beyond the edge of what can be rendered: empty, not finite, refused by name."""

from __future__ import annotations

import inspect
import math
from typing import Any, get_args

import gsplat
import pytest
import torch
from scenes.rendering import PARAMETERS, Scene, as_leaves, compare
from torch import Tensor

from splatpose.render.cpu.rasterization import rasterization
from splatpose.render.reference import RenderMode


def _spoilt(parameter: int, place: int, value: float, row: int = 5) -> list[Tensor]:
    inputs = Scene(count=20).inputs()
    inputs[parameter].view(20, -1)[row, place] = value
    return inputs


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("parameter", range(5))
def test_a_gaussian_that_is_not_finite_is_left_out(
    parameter: int, value: float, antialiased: bool
) -> None:
    """Each number of each parameter: the others are drawn as if it were not there."""
    mode: Any = "antialiased" if antialiased else "classic"
    arguments = {**Scene().arguments(), "render_mode": "RGB+ED", "rasterize_mode": mode}
    clean = [torch.cat([x[:5], x[6:]]) if i < 5 else x for i, x in enumerate(Scene(20).inputs())]
    others = as_leaves(clean, torch.float32)
    expected, expected_alpha, _ = rasterization(*others, clean[6], **arguments)
    (expected.sum() + expected_alpha.sum()).backward()
    places = Scene(20).inputs()[parameter][0].numel()
    for place in sorted({0, places // 2, places - 1}):
        inputs = _spoilt(parameter, place, value)
        leaves = as_leaves(inputs, torch.float32)
        image, alpha, meta = rasterization(*leaves, inputs[6], **arguments)
        assert torch.equal(image, expected)
        assert torch.equal(alpha, expected_alpha)
        assert (meta["radii"][0, 5] == 0).all()
        (image.sum() + alpha.sum()).backward()
        assert not meta["means2d"].grad[0, 5].any()
        for name, leaf, other in zip(PARAMETERS, leaves, others, strict=True):
            assert leaf.grad is not None
            assert other.grad is not None
            if name == "viewmats":
                torch.testing.assert_close(leaf.grad, other.grad, rtol=1e-4, atol=1e-4)
            else:
                assert not leaf.grad[5].any()
                assert torch.equal(torch.cat([leaf.grad[:5], leaf.grad[6:]]), other.grad)


@pytest.mark.parametrize("opacity", [math.nan, -1.0, 0.0, 0.0039])
def test_a_gaussian_without_opacity_is_not_drawn(opacity: float) -> None:
    inputs = Scene(count=1, scale=1.0).inputs()
    inputs[3][:] = opacity
    leaves = as_leaves(inputs, torch.float32)
    image, alpha, _ = rasterization(*leaves, inputs[6], **Scene().arguments())
    assert (image == 0).all()
    assert (alpha == 0).all()
    image.sum().backward()
    assert all(leaf.grad is not None and not leaf.grad.any() for leaf in leaves)


@pytest.mark.parametrize("scale", [0.0, 1e-30, -0.1, 1e4, 1e6])
@pytest.mark.parametrize("mode", ["classic", "antialiased"])
def test_scales_beyond_reason_are_rendered_as_the_reference_does(scale: float, mode: str) -> None:
    inputs = Scene(count=5, sh_degree=0).inputs()
    inputs[2][3] = scale
    compare(inputs, {**Scene(sh_degree=0).arguments(), "rasterize_mode": mode})


@pytest.mark.parametrize("far", [1e10, 1e19, 1e30])
def test_centres_far_away_disturb_nothing(far: float) -> None:
    inputs = Scene(count=5, sh_degree=0).inputs()
    inputs[0][3, 0] = far
    inputs[0][4] *= far
    compare(inputs, {**Scene(sh_degree=0).arguments(), "far_plane": 1e38})


def test_a_zero_quaternion_is_no_rotation_and_left_out() -> None:
    inputs = Scene(count=20).inputs()
    inputs[1][5] = 0
    leaves = as_leaves(inputs, torch.float32)
    image, _, meta = rasterization(*leaves, inputs[6], **Scene().arguments())
    assert (meta["radii"][0, 5] == 0).all()
    image.sum().backward()
    assert all(leaf.grad is not None and leaf.grad.isfinite().all() for leaf in leaves)


@pytest.mark.parametrize("mode", get_args(RenderMode))
@pytest.mark.parametrize("why", ["none", "behind", "transparent", "beside", "too far"])
def test_where_nothing_is_visible_the_background_is(mode: str, why: str) -> None:
    inputs = Scene(count=30, cameras=2, scale=0.01).inputs()
    if why == "none":
        inputs[:5] = [x[:0] for x in inputs[:5]]
    elif why == "behind":
        inputs[0][:, 2] *= -1
    elif why == "transparent":
        inputs[3][:] = 1e-3
    elif why == "beside":
        inputs[0][:, 0] += 1000
    elif why == "too far":
        inputs[0][:, 2] += 1e5
    leaves = as_leaves(inputs, torch.float32)
    background = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]], requires_grad=True)
    image, alpha, meta = rasterization(
        *leaves, inputs[6], 20, 10, far_plane=1e4, sh_degree=3, backgrounds=background,
        render_mode=mode, absgrad=True,
    )  # type: ignore[call-overload]  # fmt: skip
    assert (alpha == 0).all()
    assert (meta["radii"] == 0).all()
    if "RGB" in mode:
        assert (image[..., :3] == background[:, None, None]).all()
    if "D" in mode:
        assert (image[..., -1] == 0).all()
    assert meta["means2d"].shape == (2, len(inputs[0]), 2)
    (image.sum() + alpha.sum()).backward()
    for leaf in leaves:
        assert leaf.grad is None or not leaf.grad.any()
    assert not meta["means2d"].grad.any()
    if "RGB" in mode:
        assert background.grad is not None
        assert (background.grad == 200).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"packed": True}, "packed"),
        ({"camera_model": "fisheye"}, "camera_model"),
        ({"radius_clip": 1.0}, "radius_clip"),
        ({"covars": torch.eye(3)}, "covars"),
        ({"sh_degree": 4}, "sh_degree"),
        ({"width": 0}, "width"),
        ({"height": 0}, "height"),
        ({"height": -3}, "height"),
        ({"width": 20.5}, "width"),
        ({"render_mode": "depth"}, "render_mode"),
        ({"rasterize_mode": "sharp"}, "rasterize_mode"),
        ({"backgrounds": torch.zeros(1, 4)}, "backgrounds"),
    ],
)
def test_what_is_not_supported_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises((ValueError, TypeError), match=named):
        rasterization(*Scene().inputs(), **{**Scene().arguments(), **change})


def test_every_argument_of_gsplat_is_taken_or_refused_by_name() -> None:
    """None is ignored: what we do not take raises as soon as it is not at its neutral value."""
    ours = inspect.signature(rasterization).parameters
    for name, parameter in inspect.signature(gsplat.rasterization).parameters.items():
        if name in ours:
            continue
        neutral: Any = {"packed": False, "tile_size": None}.get(name, parameter.default)
        rasterization(*Scene().inputs(), **Scene().arguments(), **{name: neutral})
        with pytest.raises(ValueError, match=name):
            rasterization(*Scene().inputs(), **Scene().arguments(), **{name: "something else"})


def test_arguments_that_cannot_work_are_refused_by_name() -> None:
    inputs = Scene().inputs()
    for position, name in enumerate(("means", "quats", "scales", "opacities", "colors")):
        wrong = [x.double() if i == position else x for i, x in enumerate(inputs)]
        with pytest.raises(ValueError, match=f"{name} is torch.float64"):
            rasterization(*wrong, **Scene().arguments())
    harmonics = inputs[4].split([1, 15], dim=1)
    for colors in ((harmonics[0],) * 2, (harmonics[0], harmonics[1].double())):
        with pytest.raises(ValueError, match="colors"):
            rasterization(*inputs[:4], colors, *inputs[5:], **Scene().arguments())
    with pytest.raises(TypeError, match="colour"):
        rasterization(*inputs, **Scene().arguments(), colour=1)
    with pytest.raises(ValueError, match="Ks"):
        rasterization(*inputs[:6], inputs[6].clone().requires_grad_(), **Scene().arguments())
    with pytest.raises(ValueError, match="channels"):
        rasterization(*inputs[:4], torch.rand(60, 4), *inputs[5:], 8, 8, render_mode="RGB+D")
    with pytest.raises(ValueError, match="camera"):
        rasterization(*inputs[:5], inputs[5][:0], inputs[6][:0], **Scene().arguments())


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_cameras_that_are_not_finite_are_refused(value: float) -> None:
    """All would be invisible, without a word."""
    for position, name in ((5, "viewmats"), (6, "Ks")):
        inputs = Scene().inputs()
        inputs[position][0, 0, 2] = value
        with pytest.raises(ValueError, match=name):
            rasterization(*inputs, **Scene().arguments())


@pytest.mark.parametrize(("row", "column", "value"), [(0, 1, 0.5), (0, 0, 0.0), (1, 1, -20.0)])
def test_calibrations_that_are_no_plain_pinhole_are_refused(
    row: int, column: int, value: float
) -> None:
    inputs = Scene().inputs()
    inputs[6][0, row, column] = value
    with pytest.raises(ValueError, match="Ks"):
        rasterization(*inputs, **Scene().arguments())
