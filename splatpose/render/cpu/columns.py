"""From Gaussians one after the other to columns: one field of a vector of Gaussians."""

from __future__ import annotations

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.harmonics import BASES
from splatpose.render.cpu.simd import GROUP, LANES, load_group, load_rows, store_group, store_rows

SCRATCH = LANES * 3 * BASES + GROUP
"""Floats of scratch memory: the largest input of a vector of Gaussians, and what a row reads
beyond its end."""


@device_function
def load_columns(array, first, count, stride, used, scratch, columns, column):
    """Copy the first `used` fields of LANES Gaussians to columns[(column + field) * LANES].

    Args:
        array: [count * stride]; lanes beyond `count` become undefined.
        scratch: [SCRATCH].
        columns: Room for `used` rounded up to whole groups of eight.
    """
    start = first * stride
    if start + LANES * stride + GROUP <= len(array):
        for field in range(0, used, GROUP):
            group = load_rows(array, first, count, stride, field)
            store_group(columns, (column + field) * LANES, group)
        return
    # Rows are read in eights: the last ones would pass the array's end.
    for k in range(min(LANES, count - first) * stride):
        scratch[k] = array[start + k]
    for field in range(0, used, GROUP):
        group = load_rows(scratch, 0, LANES, stride, field)
        store_group(columns, (column + field) * LANES, group)


@device_function
def store_columns(columns, column, fields, array, first, stride):
    """Write LANES Gaussians' fields, columns[(column + field) * LANES], to array[row * stride].

    Rows are written in eights. What one writes beyond its end, the next one overwrites, and the
    last one spills into the row after it: to be written later, by the same thread.

    Args:
        fields: As many as a row has; columns up to the next multiple of eight are read.
    """
    last = (fields - 1) // GROUP * GROUP
    # From the last eight fields to the first: those must not be overwritten by a row's spill.
    for field in range(last, -1, -GROUP):
        group = load_group(columns, (column + field) * LANES)
        store_rows(array, first * stride + field, stride, group)
