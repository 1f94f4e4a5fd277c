"""Rows of eight numbers in memory against eight vectors in registers: transposed moves.

Gaussians lie in memory one after the other; kernels want one field of many Gaussians in a vector.
Loading rows whole and transposing them takes a quarter of the instructions of a gather.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils

from splatpose.render.cpu.simd_memory import data_pointer, lane_positions
from splatpose.render.cpu.simd_type import FLAGS, LANES, VECTOR, typed_intrinsic, vector

GROUP = 8
"""Numbers a row; vectors that are moved together."""

_INDEX = ir.IntType(64)
_ROW = ir.VectorType(ir.FloatType(), GROUP)
# Masks of the three exchanges of an 8x8 transposition: neighbours, pairs, halves. All of them stay
# within the shuffles that processors have as one instruction.
_LOW = [0, 8, 1, 9, 4, 12, 5, 13]
_HIGH = [2, 10, 3, 11, 6, 14, 7, 15]
_LOW_PAIRS = [0, 1, 8, 9, 4, 5, 12, 13]
_HIGH_PAIRS = [2, 3, 10, 11, 6, 7, 14, 15]
_LOW_HALVES = [0, 1, 2, 3, 8, 9, 10, 11]
_HIGH_HALVES = [4, 5, 6, 7, 12, 13, 14, 15]


def _shuffle(builder: Any, a: Any, b: Any, mask: Sequence[int]) -> Any:
    kind = ir.VectorType(ir.IntType(32), len(mask))
    return builder.shuffle_vector(a, b, ir.Constant(kind, list(mask)))


def _exchange(builder: Any, rows: list[Any], apart: int, low: list[int], high: list[int]) -> list:
    """Replace rows (i, i + apart) by their low and their high halves."""
    result = list(rows)
    for i in range(GROUP):
        if not i & apart:
            a, b = rows[i], rows[i + apart]
            result[i] = _shuffle(builder, a, b, low)
            result[i + apart] = _shuffle(builder, a, b, high)
    return result


def _transpose(builder: Any, rows: list[Any]) -> list[Any]:
    rows = _exchange(builder, rows, 1, _LOW, _HIGH)
    rows = _exchange(builder, rows, 2, _LOW_PAIRS, _HIGH_PAIRS)
    rows = _exchange(builder, rows, 4, _LOW_HALVES, _HIGH_HALVES)
    # Neighbours were exchanged first: column 1 is where row 2 was.
    return [rows[i] for i in (0, 2, 1, 3, 4, 6, 5, 7)]


def _transposed_rows(builder: Any, data: Any, starts: list[Any]) -> list[Any]:
    """Eight vectors of LANES from the rows of eight numbers at `starts`."""
    groups = []
    for first in range(0, LANES, GROUP):
        rows = []
        for start in starts[first : first + GROUP]:
            pointer = builder.bitcast(builder.gep(data, [start]), _ROW.as_pointer())
            rows.append(builder.load(pointer, align=4))
        groups.append(_transpose(builder, rows))
    if len(groups) == 1:
        return groups[0]
    return [_shuffle(builder, a, b, range(LANES)) for a, b in zip(*groups, strict=True)]


def _parts(builder: Any, value: Any) -> list[Any]:
    """A vector cut into pieces of eight lanes."""
    if LANES == GROUP:
        return [value]
    return [
        _shuffle(builder, value, value, range(first, first + GROUP))
        for first in range(0, LANES, GROUP)
    ]


_EIGHT_VECTORS = types.UniTuple(vector, GROUP)


def _pack(builder: Any, context: Any, vectors: list[Any]) -> Any:
    return context.make_tuple(builder, _EIGHT_VECTORS, vectors)


@typed_intrinsic
def load_rows(typingctx, array, first, count, stride, offset):
    """array[row * stride + offset + k] for LANES rows from `first` on, as eight vectors k.

    Rows end at `count`, and the last one is repeated beyond. Eight numbers of each row are read:
    they must lie inside of the array.
    """

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        rows = lane_positions(builder, args[1], args[2])
        starts = [builder.add(builder.mul(row, args[3]), args[4]) for row in rows]
        return _pack(builder, context, _transposed_rows(builder, data, starts))

    return _EIGHT_VECTORS(array, types.int64, types.int64, types.int64, types.int64), codegen


@typed_intrinsic
def load_rows_at(typingctx, array, rows, first, count, stride, offset):
    """The same for rows[i] instead of i."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        row_data = data_pointer(context, builder, sig.args[1], args[1])
        starts = []
        for position in lane_positions(builder, args[2], args[3]):
            row = builder.sext(builder.load(builder.gep(row_data, [position])), _INDEX)
            starts.append(builder.add(builder.mul(row, args[4]), args[5]))
        return _pack(builder, context, _transposed_rows(builder, data, starts))

    integers = (types.int64,) * 4
    return _EIGHT_VECTORS(array, rows, *integers), codegen


@typed_intrinsic
def store_rows(typingctx, array, place, stride, vectors):
    """Write eight vectors as LANES rows: array[place + row * stride + k] = vectors[k][row]."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        columns = cgutils.unpack_tuple(builder, args[3], GROUP)
        start = args[1]
        for group in zip(*(_parts(builder, column) for column in columns), strict=True):
            for row in _transpose(builder, list(group)):
                pointer = builder.bitcast(builder.gep(data, [start]), _ROW.as_pointer())
                builder.store(row, pointer, align=4)
                start = builder.add(start, args[2])
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64, _EIGHT_VECTORS), codegen


@typed_intrinsic
def load_group(typingctx, array, place):
    """Eight vectors that lie one after the other."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        vectors = []
        for k in range(GROUP):
            start = builder.add(args[1], ir.Constant(_INDEX, k * LANES))
            pointer = builder.bitcast(builder.gep(data, [start]), VECTOR.as_pointer())
            vectors.append(builder.load(pointer, align=4))
        return _pack(builder, context, vectors)

    return _EIGHT_VECTORS(array, types.int64), codegen


@typed_intrinsic
def store_group(typingctx, array, place, vectors):
    """Write eight vectors one after the other."""

    def codegen(context, builder, sig, args):
        data = data_pointer(context, builder, sig.args[0], args[0])
        for k, value in enumerate(cgutils.unpack_tuple(builder, args[2], GROUP)):
            start = builder.add(args[1], ir.Constant(_INDEX, k * LANES))
            pointer = builder.bitcast(builder.gep(data, [start]), VECTOR.as_pointer())
            builder.store(value, pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, _EIGHT_VECTORS), codegen


@typed_intrinsic
def copy_row(typingctx, target, place, source, start):
    """Copy eight numbers."""

    def codegen(context, builder, sig, args):
        pointers = []
        for kind, array, index in zip(sig.args[::2], args[::2], args[1::2], strict=True):
            data = data_pointer(context, builder, kind, array)
            pointers.append(builder.bitcast(builder.gep(data, [index]), _ROW.as_pointer()))
        builder.store(builder.load(pointers[1], align=4), pointers[0], align=4)
        return context.get_dummy_value()

    return types.void(target, types.int64, source, types.int64), codegen


@typed_intrinsic
def add_totals(typingctx, array, place, vectors):
    """array[place + k] += sum over the lanes of vectors[k], for eight vectors."""

    def codegen(context, builder, sig, args):
        def add(a: Any, b: Any) -> Any:
            return builder.fadd(a, b, flags=FLAGS)

        def halved(rows: list[Any], low: list[int], high: list[int]) -> list[Any]:
            pairs = zip(rows[::2], rows[1::2], strict=True)
            return [add(_shuffle(builder, *p, low), _shuffle(builder, *p, high)) for p in pairs]

        rows = []
        for column in cgutils.unpack_tuple(builder, args[2], GROUP):
            parts = _parts(builder, column)
            rows.append(parts[0] if len(parts) == 1 else add(*parts))
        rows = halved(rows, _LOW, _HIGH)
        rows = halved(rows, _LOW_PAIRS, _HIGH_PAIRS)
        (sums,) = halved(rows, _LOW_HALVES, _HIGH_HALVES)
        data = data_pointer(context, builder, sig.args[0], args[0])
        pointer = builder.bitcast(builder.gep(data, [args[1]]), _ROW.as_pointer())
        builder.store(add(builder.load(pointer, align=4), sums), pointer, align=4)
        return context.get_dummy_value()

    return types.void(array, types.int64, _EIGHT_VECTORS), codegen
