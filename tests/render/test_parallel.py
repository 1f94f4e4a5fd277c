"""Threads: the same results whatever their number, and renderings that do not meet."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from scenes.rendering import Scene, as_leaves
from torch import Tensor

from splatpose.render.cpu import use_threads
from splatpose.render.cpu.loss import photometric_loss
from splatpose.render.cpu.rasterization import rasterization


def _results(scene: Scene, threads: int) -> list[Tensor]:
    """Image, alpha, loss and every gradient, of a rendering and its comparison with a photo."""
    inputs = scene.inputs()
    leaves = as_leaves(inputs, torch.float32)
    background = torch.full((scene.cameras, 3), 0.3, requires_grad=True)
    target = torch.rand(
        scene.height, scene.width, 3, generator=torch.Generator().manual_seed(scene.seed)
    )
    with use_threads(threads):
        image, alpha, meta = rasterization(
            *leaves,
            inputs[6],
            **scene.arguments(),
            backgrounds=background,
            render_mode="RGB+ED",
            absgrad=True,
        )
        loss = photometric_loss(image[0, ..., :3], target)
        (100 * loss + image.square().sum() + alpha.sum()).backward()
    gradients = [leaf.grad for leaf in (*leaves, background)]
    results = [image, alpha, loss, meta["radii"], meta["means2d"].grad, meta["means2d"].absgrad]
    for gradient in gradients:
        assert gradient is not None
        results.append(gradient)
    return results


LARGE = Scene(count=6000, width=200, height=150, scale=0.03, seed=20, sh_degree=1, cameras=2)


@pytest.mark.parametrize("threads", [1, 2, 3, 4, 7])
def test_results_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    """To the last bit, the cameras' gradients included; also from run to run."""
    for one, many in zip(_results(LARGE, 1), _results(LARGE, threads), strict=True):
        assert torch.equal(one, many)


def test_renders_at_the_same_time_do_not_disturb_each_other() -> None:
    """A viewer renders while a training step is between forward and backward."""
    scenes = [replace(LARGE, seed=seed, count=2000 + 500 * seed) for seed in range(4)]
    expected = [_results(scene, 1) for scene in scenes]
    for workers in (2, 4):
        with ThreadPoolExecutor(workers) as pool:
            for _ in range(2):
                results = list(pool.map(lambda scene: _results(scene, 2), scenes))
                for result, truth in zip(results, expected, strict=True):
                    for a, b in zip(result, truth, strict=True):
                        assert torch.equal(a, b)


def test_a_graph_keeps_what_it_needs_while_others_render() -> None:
    """More graphs alive than workspaces are kept, differentiated in another order and thread."""
    scenes = [Scene(seed=seed, count=300, width=90) for seed in range(7)]

    def gradients(order: list[int], *, elsewhere: bool) -> list[list[Tensor]]:
        leaves = [as_leaves(scene.inputs(), torch.float32) for scene in scenes]
        losses = [
            rasterization(*its, scene.inputs()[6], **scene.arguments())[0].square().sum()
            for its, scene in zip(leaves, scenes, strict=True)
        ]
        if elsewhere:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(lambda i: losses[i].backward(), order))
        else:
            for i in order:
                losses[i].backward()
        return [[leaf.grad for leaf in its if leaf.grad is not None] for its in leaves]

    expected = gradients(list(range(7)), elsewhere=False)
    for result in (
        gradients(list(reversed(range(7))), elsewhere=False),
        gradients([3, 0, 6, 2, 5, 1, 4], elsewhere=True),
    ):
        for one, other in zip(expected, result, strict=True):
            assert len(one) == len(other) == 6
            for a, b in zip(one, other, strict=True):
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
