"""Adam in one kernel against torch's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from splatpose.render.cpu import use_threads
from splatpose.render.cpu.adam import adam_step

# Of a whole number of vectors, with a rest, below a vector, of several blocks, empty.
SHAPES = [(64, 3), (77, 4), (5,), (401, 15, 3), (9, 1, 3), (9, 0, 3)]


def _optimizers(seed: int = 0) -> list[torch.optim.Optimizer]:
    generator = torch.Generator().manual_seed(seed)
    return [
        torch.optim.Adam(
            [torch.nn.Parameter(torch.randn(shape, generator=generator))],
            lr=0.01 * (k + 1), betas=(0.9, 0.999), eps=1e-15, fused=True,
        )
        for k, shape in enumerate(SHAPES)
    ]  # fmt: skip


def _value(optimizer: torch.optim.Optimizer) -> Tensor:
    return optimizer.param_groups[0]["params"][0]


def _give_gradients(optimizers: list[torch.optim.Optimizer], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for optimizer in optimizers:
        value = _value(optimizer)
        size = 10.0 ** (torch.randint(-12, 3, value.shape, generator=generator))
        seen = torch.rand(value.shape, generator=generator) < 0.7
        value.grad = torch.randn(value.shape, generator=generator) * size * seen


def _tensors(optimizers: list[torch.optim.Optimizer]) -> list[Tensor]:
    tensors = []
    for optimizer in optimizers:
        value = _value(optimizer)
        state = optimizer.state.get(value, {})
        tensors += [value.detach(), *(state[key] for key in sorted(state))]
    return tensors


def test_steps_are_those_of_torch() -> None:
    ours, theirs = _optimizers(), _optimizers()
    for step in range(30):
        for optimizers in (ours, theirs):
            _give_gradients(optimizers, step)
        adam_step(ours)
        for optimizer in theirs:
            if _value(optimizer).numel():
                optimizer.step()
    assert len(_tensors(ours)) == 4 * (len(SHAPES) - 1) + 1
    for own, other in zip(_tensors(ours), _tensors(theirs), strict=True):
        torch.testing.assert_close(own, other, rtol=2e-6, atol=0)


def test_torch_goes_on_from_our_state_and_we_from_its() -> None:
    mixed, theirs = _optimizers(), _optimizers()
    for step in range(6):
        for optimizers in (mixed, theirs):
            _give_gradients(optimizers, step)
        if step % 2:
            adam_step(mixed)
        for optimizer in theirs if step % 2 else (*mixed, *theirs):
            if _value(optimizer).numel():
                optimizer.step()
    for own, other in zip(_tensors(mixed), _tensors(theirs), strict=True):
        torch.testing.assert_close(own, other, rtol=2e-6, atol=0)


@pytest.mark.parametrize("threads", [2, 3])
def test_steps_do_not_depend_on_the_number_of_threads(threads: int) -> None:
    results = []
    for count in (1, threads):
        optimizers = _optimizers()
        with use_threads(count):
            for step in range(3):
                _give_gradients(optimizers, step)
                adam_step(optimizers)
        results.append(_tensors(optimizers))
    for one, many in zip(*results, strict=True):
        assert torch.equal(one, many)


def test_what_has_no_gradient_stays_as_it_is() -> None:
    optimizers = _optimizers()
    before = [_value(optimizer).detach().clone() for optimizer in optimizers]
    adam_step(optimizers)
    _value(optimizers[1]).grad = torch.ones(SHAPES[1])
    adam_step(optimizers)
    for k, (optimizer, old) in enumerate(zip(optimizers, before, strict=True)):
        assert torch.equal(_value(optimizer).detach(), old) == (k != 1)
        assert bool(optimizer.state) == (k == 1)


def test_what_is_not_finite_stays_in_its_place() -> None:
    optimizers = _optimizers()
    _give_gradients(optimizers, 0)
    gradient = _value(optimizers[0]).grad
    assert gradient is not None
    gradient[3, 1] = torch.nan
    adam_step(optimizers)
    assert _value(optimizers[0]).isnan().nonzero().tolist() == [[3, 1]]
    assert all(_value(optimizer).isfinite().all() for optimizer in optimizers[1:])


def test_a_rate_beyond_float32_is_infinite() -> None:
    optimizers = _optimizers()
    _give_gradients(optimizers, 0)
    optimizers[0].param_groups[0]["lr"] = 1e60
    adam_step(optimizers)
    assert not _value(optimizers[0]).isfinite().all()
    assert all(_value(optimizer).isfinite().all() for optimizer in optimizers[1:])
