"""Adam for all of a model's tensors in one kernel, to the last bit as torch's fused one.

Torch's optimizers take a call each, whose overhead is as much as a small model's arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from splatpose.render.cpu.autograd import flat
from splatpose.render.cpu.camera_pass import share
from splatpose.render.cpu.compilation import device_function, kernel
from splatpose.render.cpu.simd import LANES, broadcast, divide, fetch_add, fma, load, sqrt, store
from splatpose.render.cpu.threads import available_threads

_BLOCK = 1 << 14
"""Numbers that a thread takes at a time."""
# What a tensor's step depends on: decay of the two moments and what each takes of the gradient,
# minus the length of the step, and the square root of the second one's correction of bias.
_TAKES, _KEEPS_SQUARE, _TAKES_SQUARE, _STEP, _CORRECTION, _EPS, _RATES = range(7)
_NOTHING = np.empty(0, np.float32)


@device_function
def _move(value, gradient, moment, square, place, rates, at):
    """One step of LANES numbers."""
    g, m, v = load(gradient, at), load(moment, at), load(square, at)
    m = fma(broadcast(rates[place + _TAKES]), g - m, m)
    v = fma(g * rates[place + _TAKES_SQUARE], g, v * rates[place + _KEEPS_SQUARE])
    store(moment, at, m)
    store(square, at, v)
    scale = divide(sqrt(v), broadcast(rates[place + _CORRECTION])) + rates[place + _EPS]
    store(value, at, load(value, at) + divide(m * rates[place + _STEP], scale))


@kernel
def adam(counter, blocks, rates, values, gradients, moments, squares):
    """Move the numbers of block after block until none is left.

    Args:
        counter: [1] int64 shared between threads: blocks taken.
        blocks: [tensors + 1] int64: first block of each tensor.
        rates: [tensors * _RATES].
        values, gradients, moments, squares: Flat tensors, all but the gradients changed.
    """
    rest = np.zeros((4, LANES), np.float32)
    while True:
        block = fetch_add(counter, 1)
        if block >= blocks[-1]:
            return
        k = 0
        while block >= blocks[k + 1]:
            k += 1
        value, gradient, moment, square = values[k], gradients[k], moments[k], squares[k]
        first = (block - blocks[k]) * _BLOCK
        last = min(first + _BLOCK, len(value))
        whole = first + (last - first) // LANES * LANES
        for at in range(first, whole, LANES):
            _move(value, gradient, moment, square, k * _RATES, rates, at)
        for at in range(whole, last):
            rest[0, at - whole], rest[1, at - whole] = value[at], gradient[at]
            rest[2, at - whole], rest[3, at - whole] = moment[at], square[at]
        if whole < last:
            _move(rest[0], rest[1], rest[2], rest[3], k * _RATES, rates, 0)
        for at in range(whole, last):
            value[at], moment[at], square[at] = (
                rest[0, at - whole],
                rest[2, at - whole],
                rest[3, at - whole],
            )


def adam_step(optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """One step of optimizers, each a `torch.optim.Adam(fused=True)` of one float32 CPU tensor.

    Their states are left as theirs would be. Tensors without gradient or numbers stay as they are.
    """
    rates: list[float] = []
    sizes, flats = [], []
    for optimizer in optimizers:
        (group,) = optimizer.param_groups
        (value,) = group["params"]
        if value.grad is None or value.numel() == 0:
            # In its place nothing: another number of tensors would be compiled for anew.
            rates += [0.0] * _RATES
            sizes.append(0)
            flats.append((_NOTHING,) * 4)
            continue
        state = optimizer.state[value]
        if not state:
            state["step"] = torch.zeros((), dtype=torch.float32)
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(value), torch.zeros_like(value)
        state["step"] += 1
        rates += _rates(group, float(state["step"]))
        sizes.append(-(-value.numel() // _BLOCK))
        tensors: tuple[Tensor, ...] = (value, value.grad, state["exp_avg"], state["exp_avg_sq"])
        flats.append(tuple(flat(tensor) for tensor in tensors))
    blocks = np.cumsum([0, *sizes])
    if not blocks[-1]:
        return
    with np.errstate(over="ignore"):  # an absurd rate is infinite, and the training told of it
        numbers = np.array(rates, np.float32)
    threads = available_threads()
    share(adam, threads, int(blocks[-1]), blocks, numbers, *zip(*flats, strict=True))


def _rates(group: dict, step: float) -> list[float]:
    """In the order of `_TAKES` to `_EPS`."""
    (beta1, beta2), rate = group["betas"], group["lr"]
    return [
        1 - beta1,
        beta2,
        1 - beta2,
        -rate / (1 - beta1**step),
        (1 - beta2**step) ** 0.5,
        group["eps"],
    ]
