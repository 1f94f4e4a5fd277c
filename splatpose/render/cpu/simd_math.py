"""Functions of vectors, each one or a few LLVM instructions."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from splatpose.render.cpu.simd_type import (
    FLAGS,
    LANES,
    SCALES,
    VECTOR,
    mask,
    typed_intrinsic,
    vector,
)

_FLOAT = ir.FloatType()
_MANTISSA_BITS = 23
_WHOLE_NUMBERS = 1.5 * 2.0**_MANTISSA_BITS


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
def divide(typingctx, a, b):
    """a / b, rounded once: never a product with the inverse of b."""

    def codegen(context, builder, sig, args):
        # Without any flag of its own Numba would give it the kernel's.
        return builder.fdiv(*args, flags=("nsz",))

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
    """a * 2^exponent for whole exponents, where a and the product are normal numbers.

    Beyond, anything, or with `SCALES` what it is.
    """

    def codegen(context, builder, sig, args):
        kind = ir.VectorType(ir.IntType(32), LANES)
        if SCALES:
            everywhere, rounding = ir.IntType(16)(0xFFFF), ir.IntType(32)(4)
            name = "llvm.x86.avx512.mask.scalef.ps.512"
            return _call(builder, name, VECTOR, *args, args[0], everywhere, rounding)
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
