"""Vectors from and to memory: loads, stores, pixels taken apart, and one atomic counter."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from splatpose.render.cpu.simd_type import (
    FLAGS,
    LANES,
    VECTOR,
    typed_intrinsic,
    vector,
)

_INDEX = ir.IntType(64)
_PIXEL = 3
"""Numbers of a pixel."""


def data_pointer(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.make_array(kind)(context, builder, value).data


def _vector_pointer(builder: Any, data: Any, index: Any) -> Any:
    return builder.bitcast(builder.gep(data, [index]), VECTOR.as_pointer())


@typed_intrinsic
def load(typingctx, array, index):
    """LANES consecutive numbers of a flat float32 array from `index` on."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        return builder.load(_vector_pointer(builder, data, args[1]), align=4)

    return vector(array, types.int64), codegen


@typed_intrinsic
def store(typingctx, array, index, value):
    """Write LANES consecutive numbers of a flat float32 array."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        builder.store(args[2], _vector_pointer(builder, data, args[1]), align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), codegen


@typed_intrinsic
def accumulate(typingctx, array, index, value):
    """Add to LANES consecutive numbers of a flat float32 array."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        pointer = _vector_pointer(builder, data, args[1])
        before = builder.load(pointer, align=4)
        builder.store(builder.fadd(before, args[2], flags=FLAGS), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), codegen


@typed_intrinsic
def prefetch(typingctx, array, index):
    """Ask for array[index] to be brought into the cache; any index will do."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        pointer = builder.bitcast(builder.gep(data, [args[1]]), ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
        # For reading, into all levels, data.
        builder.call(function, [pointer, number(0), number(3), number(1)])
        return context.get_dummy_value()

    return types.void(array, types.int64), codegen


@typed_intrinsic
def load_pixels(typingctx, array, place):
    """Red, green and blue of LANES pixels that lie one after the other from `place` on."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        kind = ir.VectorType(ir.FloatType(), _PIXEL * LANES)
        pointer = builder.bitcast(builder.gep(data, [args[1]]), kind.as_pointer())
        pixels = builder.load(pointer, align=4)
        channels = []
        for channel in range(_PIXEL):
            lanes = [_PIXEL * lane + channel for lane in range(LANES)]
            mask = ir.Constant(ir.VectorType(ir.IntType(32), LANES), lanes)
            channels.append(builder.shuffle_vector(pixels, pixels, mask))
        return context.make_tuple(builder, sig.return_type, channels)

    return types.UniTuple(vector, _PIXEL)(array, types.int64), codegen


@typed_intrinsic
def store_pixels(typingctx, array, place, channels):
    """Write red, green and blue of LANES pixels one after the other from `place` on."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        red, green, blue = cgutils.unpack_tuple(builder, args[2], _PIXEL)
        lanes = ir.VectorType(ir.IntType(32), 2 * LANES)
        both = builder.shuffle_vector(red, green, ir.Constant(lanes, list(range(2 * LANES))))
        # As long as the others, undefined beyond.
        last = builder.shuffle_vector(blue, blue, ir.Constant(lanes, list(range(2 * LANES))))
        order = [channel * LANES + lane for lane in range(LANES) for channel in range(_PIXEL)]
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
        pixels = builder.shuffle_vector(both, last, mask)
        pointer = builder.bitcast(builder.gep(data, [args[1]]), pixels.type.as_pointer())
        builder.store(pixels, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.UniTuple(vector, _PIXEL)), codegen


@typed_intrinsic
def clear(typingctx, array, first, count):
    """Set `count` numbers of a flat float32 array to zero, from `first` on."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        size = builder.mul(args[2], ir.Constant(_INDEX, 4))
        cgutils.memset(builder, builder.gep(data, [args[1]]), size, 0)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), codegen


@typed_intrinsic
def store_int(typingctx, array, index, value):
    """Write LANES whole numbers, truncated from floats, to a flat int32 array."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        kind = ir.VectorType(ir.IntType(32), LANES)
        pointer = builder.bitcast(builder.gep(data, [args[1]]), kind.as_pointer())
        builder.store(builder.fptosi(args[2], kind), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, vector), codegen


@typed_intrinsic
def element(typingctx, array, index):
    """array[index] of a flat array without Python's meaning of negative indices."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        return builder.load(builder.gep(data, [args[1]]))

    return array.dtype(array, types.int64), codegen


def lane_positions(builder: Any, first: Any, count: Any) -> list[Any]:
    """first, first + 1, ... with the last valid position repeated beyond `count`."""
    last = builder.sub(count, ir.Constant(_INDEX, 1))
    positions = []
    for lane in range(LANES):
        position = builder.add(first, ir.Constant(_INDEX, lane))
        positions.append(builder.select(builder.icmp_signed("<", position, last), position, last))
    return positions


@typed_intrinsic
def opaque(typingctx, number):
    """The same whole number, of which the compiler knows nothing: what counts by it is a loop.

    Loops of a handful of rounds are slower unrolled: more branches, each guessed wrong once.
    """

    def codegen(context, builder, sig, args):
        kind = ir.FunctionType(_INDEX, [_INDEX])
        return builder.call(ir.InlineAsm(kind, "", "=r,0"), args)

    return types.int64(types.int64), codegen


@typed_intrinsic
def fetch_add(typingctx, counter, amount):
    """Add to counter[0] of an int64 array in one indivisible step and return what it was."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        return builder.atomic_rmw("add", data, args[1], "monotonic")

    return types.int64(counter, types.int64), codegen
