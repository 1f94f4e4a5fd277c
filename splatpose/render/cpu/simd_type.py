"""A float32 vector type for Numba kernels: `LANES` numbers that live in one register.

Numba has no such type, and its loop vectoriser fails on the rasterizer's inner loops. The type
lowers to LLVM's `<LANES x float>`; operators and the functions below lower to one or a few LLVM
instructions each, so LLVM picks the processor's own. Scalars are broadcast where a vector is
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
from numba.core import cgutils
from numba.core.imputils import lower_cast
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic as _numba_intrinsic
from numba.extending import lower_builtin, models, register_model


def _detect_lanes() -> int:
    features = llvm.get_host_cpu_features()
    return 16 if features.get("avx512f") and features.get("avx512vl") else 8


LANES = _detect_lanes()
"""Numbers a vector: 16 with AVX-512, else 8 (two registers on 128-bit machines)."""

_FLOAT = ir.FloatType()
VECTOR = ir.VectorType(_FLOAT, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
# Contraction to FMA and reassociation are wanted; NaN and infinity keep their meaning.
FLAGS = ("contract", "reassoc", "arcp", "nsz", "afn")
_MANTISSA_BITS = 23
_WHOLE_NUMBERS = 1.5 * 2.0**_MANTISSA_BITS


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


def _call(builder: Any, name: str, result: ir.Type, *args: Any) -> Any:
    kind = ir.FunctionType(result, [a.type for a in args])
    function = cgutils.get_or_insert_function(builder.module, kind, name)
    return builder.call(function, args, fastmath=FLAGS)


def _vector_call(name: str, *, arguments: int) -> Any:
    """Typing and code of a function of vectors that is one LLVM intrinsic."""

    def codegen(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        return _call(builder, f"llvm.{name}.v{LANES}f32", VECTOR, *args)

    return vector(*([vector] * arguments)), codegen


@typed_intrinsic
def fma(typingctx, a, b, c):
    """a * b + c, rounded once."""
    return _vector_call("fma", arguments=3)


@typed_intrinsic
def minimum(typingctx, a, b):
    """The smaller of two numbers; b where one is NaN."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered("<", *args), *args)

    return vector(vector, vector), codegen


@typed_intrinsic
def maximum(typingctx, a, b):
    """The larger of two numbers; b where one is NaN."""

    def codegen(context, builder, sig, args):
        return builder.select(builder.fcmp_ordered(">", *args), *args)

    return vector(vector, vector), codegen


@typed_intrinsic
def sqrt(typingctx, a):
    """Square root."""
    return _vector_call("sqrt", arguments=1)


@typed_intrinsic
def absolute(typingctx, a):
    """|a|."""
    return _vector_call("fabs", arguments=1)


@typed_intrinsic
def log(typingctx, a):
    """Natural logarithm, one lane after the other: for use outside of inner loops."""
    return _vector_call("log", arguments=1)


@typed_intrinsic
def floor(typingctx, a):
    """Largest whole number not above."""
    return _vector_call("floor", arguments=1)


@typed_intrinsic
def ceil(typingctx, a):
    """Smallest whole number not below."""
    return _vector_call("ceil", arguments=1)


@typed_intrinsic
def nearest(typingctx, a):
    """Nearest whole number, halves to even."""
    return _vector_call("rint", arguments=1)


@typed_intrinsic
def times_power_of_two(typingctx, a, exponent):
    """a * 2^exponent for whole exponents; defined where a and the product are normal numbers."""

    def codegen(context, builder, sig, args):
        kind = ir.VectorType(ir.IntType(32), LANES)
        # The addition leaves the whole number in the lowest bits, at less cost than a conversion.
        shifted = builder.fadd(args[1], ir.Constant(VECTOR, [_WHOLE_NUMBERS] * LANES))
        steps = ir.Constant(kind, [_MANTISSA_BITS] * LANES)
        exponent = builder.shl(builder.bitcast(shifted, kind), steps)
        return builder.bitcast(builder.add(builder.bitcast(args[0], kind), exponent), VECTOR)

    return vector(vector, vector), codegen


@typed_intrinsic
def broadcast(typingctx, a):
    """A vector of equal numbers."""

    def codegen(context, builder, sig, args):
        return args[0]

    return vector(vector), codegen


@typed_intrinsic
def select(typingctx, condition, yes, no):
    """`yes` where the mask is set, else `no`."""

    def codegen(context, builder, sig, args):
        return builder.select(*args)

    return vector(mask, vector, vector), codegen


@typed_intrinsic
def any_lane(typingctx, condition):
    """Whether a mask is set anywhere."""

    def codegen(context, builder, sig, args):
        bits = builder.bitcast(args[0], ir.IntType(LANES))
        return builder.icmp_unsigned("!=", bits, ir.Constant(bits.type, 0))

    return types.boolean(mask), codegen


@typed_intrinsic
def total(typingctx, a):
    """Sum over the lanes."""

    def codegen(context, builder, sig, args):
        start = ir.Constant(_FLOAT, -0.0)
        return _call(builder, f"llvm.vector.reduce.fadd.v{LANES}f32", _FLOAT, start, args[0])

    return types.float32(vector), codegen


@typed_intrinsic
def index(typingctx):
    """Lane number."""

    def codegen(context, builder, sig, args):
        return ir.Constant(VECTOR, [float(lane) for lane in range(LANES)])

    return vector(), codegen


@typed_intrinsic
def column_index(typingctx):
    """Lane number modulo 8: a vector covers 8 columns of LANES / 8 rows."""

    def codegen(context, builder, sig, args):
        return ir.Constant(VECTOR, [float(lane % 8) for lane in range(LANES)])

    return vector(), codegen


@typed_intrinsic
def row_index(typingctx):
    """Lane number divided by 8."""

    def codegen(context, builder, sig, args):
        return ir.Constant(VECTOR, [float(lane // 8) for lane in range(LANES)])

    return vector(), codegen
