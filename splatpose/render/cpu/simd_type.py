"""A float32 vector type for Numba kernels: `LANES` numbers that live in one register.

Numba has no such type, and its loop vectoriser fails on the rasterizer's inner loops. The type
lowers to LLVM's `<LANES x float>`; operators and the functions of `simd_math` lower to one or a few
LLVM instructions each, so LLVM picks the processor's own. Scalars are broadcast where a vector is
expected. Masks are vectors of `i1`.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types
from numba.core.imputils import lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic as _numba_intrinsic
from numba.extending import lower_builtin, models, register_model


def _detect_lanes() -> int:
    features = llvm.get_host_cpu_features()
    return 16 if features.get("avx512f") and features.get("avx512vl") else 8


def _detect_scaling() -> bool:
    """Whether one instruction of vectors multiplies by a power of two."""
    return LANES == 16 and bool(llvm.get_host_cpu_features().get("avx512dq"))


LANES = _detect_lanes()
"""Numbers a vector: 16 with AVX-512, else 8 (two registers on 128-bit machines)."""
SCALES = _detect_scaling()

VECTOR = ir.VectorType(ir.FloatType(), LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
# Contraction to FMA and reassociation are wanted; NaN and infinity keep their meaning.
FLAGS = ("contract", "reassoc", "arcp", "nsz", "afn")


class _VectorType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"float32x{LANES}")


class _MaskType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"boolx{LANES}")


vector = _VectorType()
mask = _MaskType()


@register_model(_VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, VECTOR)


@register_model(_MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _MASK)


def _broadcast(builder: Any, scalar: Any) -> Any:
    first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, lane_number(0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)
    return builder.shuffle_vector(first, ir.Constant(VECTOR, ir.Undefined), zeros)


def lane_number(lane: int) -> ir.Constant:
    return ir.Constant(ir.IntType(32), lane)


@lower_cast(types.Float, vector)
@lower_cast(types.Integer, vector)
def _cast_scalar(context: Any, builder: Any, fromty: Any, toty: Any, value: Any) -> Any:
    return _broadcast(builder, context.cast(builder, value, fromty, types.float32))


def _is_operand(kind: types.Type) -> bool:
    return isinstance(kind, _VectorType | types.Float | types.Integer)


def _register_typing(op: Callable, template: type[AbstractTemplate]) -> None:
    decorate: Any = infer_global(op)
    decorate(template)


def _register_binary(op: Callable, result: types.Type, emit: Callable) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: tuple, kws: dict) -> Any:
            if len(args) == 2 and vector in args and all(_is_operand(a) for a in args):
                return signature(result, vector, vector)
            return None

    _register_typing(op, Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return emit(builder, *args)

    lower_builtin(op, vector, vector)(lower)


def _arithmetic(name: str) -> Callable:
    return lambda builder, a, b: getattr(builder, name)(a, b, flags=FLAGS)


def _comparison(symbol: str) -> Callable:
    return lambda builder, a, b: builder.fcmp_ordered(symbol, a, b)


for _op, _name in (
    (operator.add, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _register_binary(_op, vector, _arithmetic(_name))
for _op, _inplace in (
    (operator.iadd, "fadd"),
    (operator.isub, "fsub"),
    (operator.imul, "fmul"),
):
    _register_binary(_op, vector, _arithmetic(_inplace))
for _op, _symbol in (
    (operator.lt, "<"),
    (operator.le, "<="),
    (operator.gt, ">"),
    (operator.ge, ">="),
):
    _register_binary(_op, mask, _comparison(_symbol))


class _Negate(AbstractTemplate):
    def generic(self, args: tuple, kws: dict) -> Any:
        return signature(vector, vector) if args == (vector,) else None


_register_typing(operator.neg, _Negate)


@lower_builtin(operator.neg, vector)
def _lower_negate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    return builder.fneg(args[0])


def _register_mask_operator(op: Callable, name: str) -> None:
    class Template(AbstractTemplate):
        def generic(self, args: tuple, kws: dict) -> Any:
            return signature(mask, mask, mask) if args == (mask, mask) else None

    _register_typing(op, Template)

    def lower(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return getattr(builder, name)(*args)

    lower_builtin(op, mask, mask)(lower)


_register_mask_operator(operator.and_, "and_")
_register_mask_operator(operator.or_, "or_")


def typed_intrinsic(function: Callable) -> Any:
    return _numba_intrinsic(inspect.unwrap(function))
