"""Lets gsplat's densification strategies run on CPU tensors.

`DefaultStrategy` does as it is. `MCMCStrategy` calls two CUDA kernels of gsplat's; for tensors on
the CPU they are replaced by the same equations in torch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Float, Int
from torch import Tensor

from splatpose.render.reference import rotation_from_quaternion
from splatpose.render.relocation import split_opacity_and_scale


def compute_relocation(
    opacities: Float[Tensor, " N"],
    scales: Float[Tensor, "N 3"],
    ratios: Int[Tensor, " N"],
    binoms: Float[Tensor, "B B"],
) -> tuple[Float[Tensor, " N"], Float[Tensor, "N 3"]]:
    """gsplat's signature of `split_opacity_and_scale`, which needs no table of binomials."""
    del binoms
    return split_opacity_and_scale(opacities, scales, ratios)


def quat_scale_to_covar_preci(
    quats: Float[Tensor, "N 4"],
    scales: Float[Tensor, "N 3"],
    compute_covar: bool = True,
    compute_preci: bool = True,
    triu: bool = False,
) -> tuple[Float[Tensor, "N 3 3"] | None, Float[Tensor, "N 3 3"] | None]:
    """Covariance and precision matrices of Gaussians.

    Raises:
        ValueError: for `triu`, which no strategy asks for.
    """
    if triu:
        raise ValueError("triu=True is not supported on the CPU")
    rotation = rotation_from_quaternion(quats)
    root, inverse_root = rotation * scales[:, None, :], rotation / scales[:, None, :]
    return (
        root @ root.mT if compute_covar else None,
        inverse_root @ inverse_root.mT if compute_preci else None,
    )


def _by_device(on_cuda: Callable[..., Any], on_cpu: Callable[..., Any]) -> Callable[..., Any]:
    def dispatch(*args: Any, **kwargs: Any) -> Any:
        first = args[0] if args else next(iter(kwargs.values()))
        return (on_cuda if first.is_cuda else on_cpu)(*args, **kwargs)

    dispatch.__wrapped__ = on_cuda  # type: ignore[attr-defined]  # marks what is installed
    return dispatch


def enable_strategies_on_cpu() -> None:
    """Make gsplat's strategies work on CPU tensors too. CUDA tensors take gsplat's own way.

    Changes gsplat's strategy module for the whole process; calling it again changes nothing.
    """
    from gsplat.strategy import ops

    for name, on_cpu in (
        ("compute_relocation", compute_relocation),
        ("quat_scale_to_covar_preci", quat_scale_to_covar_preci),
    ):
        current = getattr(ops, name)
        if not hasattr(current, "__wrapped__"):
            setattr(ops, name, _by_device(current, on_cpu))
