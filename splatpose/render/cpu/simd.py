"""The vector type and its operations, gathered for the kernels."""

from __future__ import annotations

from splatpose.render.cpu.simd_math import absolute as absolute
from splatpose.render.cpu.simd_math import any_lane as any_lane
from splatpose.render.cpu.simd_math import broadcast as broadcast
from splatpose.render.cpu.simd_math import ceil as ceil
from splatpose.render.cpu.simd_math import column_index as column_index
from splatpose.render.cpu.simd_math import divide as divide
from splatpose.render.cpu.simd_math import floor as floor
from splatpose.render.cpu.simd_math import fma as fma
from splatpose.render.cpu.simd_math import index as index
from splatpose.render.cpu.simd_math import log as log
from splatpose.render.cpu.simd_math import maximum as maximum
from splatpose.render.cpu.simd_math import minimum as minimum
from splatpose.render.cpu.simd_math import nearest as nearest
from splatpose.render.cpu.simd_math import row_index as row_index
from splatpose.render.cpu.simd_math import select as select
from splatpose.render.cpu.simd_math import sqrt as sqrt
from splatpose.render.cpu.simd_math import times_power_of_two as times_power_of_two
from splatpose.render.cpu.simd_math import total as total
from splatpose.render.cpu.simd_memory import accumulate as accumulate
from splatpose.render.cpu.simd_memory import clear as clear
from splatpose.render.cpu.simd_memory import element as element
from splatpose.render.cpu.simd_memory import fetch_add as fetch_add
from splatpose.render.cpu.simd_memory import load as load
from splatpose.render.cpu.simd_memory import load_pixels as load_pixels
from splatpose.render.cpu.simd_memory import opaque as opaque
from splatpose.render.cpu.simd_memory import prefetch as prefetch
from splatpose.render.cpu.simd_memory import store as store
from splatpose.render.cpu.simd_memory import store_int as store_int
from splatpose.render.cpu.simd_memory import store_pixels as store_pixels
from splatpose.render.cpu.simd_rows import GROUP as GROUP
from splatpose.render.cpu.simd_rows import add_totals as add_totals
from splatpose.render.cpu.simd_rows import copy_row as copy_row
from splatpose.render.cpu.simd_rows import load_group as load_group
from splatpose.render.cpu.simd_rows import load_rows as load_rows
from splatpose.render.cpu.simd_rows import load_rows_at as load_rows_at
from splatpose.render.cpu.simd_rows import store_group as store_group
from splatpose.render.cpu.simd_rows import store_rows as store_rows
from splatpose.render.cpu.simd_type import LANES as LANES
from splatpose.render.cpu.simd_type import SCALES as SCALES
from splatpose.render.cpu.simd_type import mask as mask
from splatpose.render.cpu.simd_type import vector as vector
