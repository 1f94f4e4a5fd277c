"""The vector type and its operations, gathered for the kernels."""

from __future__ import annotations

from splatpose.render.cpu.simd_memory import accumulate as accumulate
from splatpose.render.cpu.simd_memory import clear as clear
from splatpose.render.cpu.simd_memory import element as element
from splatpose.render.cpu.simd_memory import fetch_add as fetch_add
from splatpose.render.cpu.simd_memory import gather as gather
from splatpose.render.cpu.simd_memory import load as load
from splatpose.render.cpu.simd_memory import prefetch as prefetch
from splatpose.render.cpu.simd_memory import store as store
from splatpose.render.cpu.simd_memory import store_int as store_int
from splatpose.render.cpu.simd_rows import GROUP as GROUP
from splatpose.render.cpu.simd_rows import add_totals as add_totals
from splatpose.render.cpu.simd_rows import copy_row as copy_row
from splatpose.render.cpu.simd_rows import load_group as load_group
from splatpose.render.cpu.simd_rows import load_rows as load_rows
from splatpose.render.cpu.simd_rows import load_rows_at as load_rows_at
from splatpose.render.cpu.simd_rows import store_group as store_group
from splatpose.render.cpu.simd_rows import store_rows as store_rows
from splatpose.render.cpu.simd_type import LANES as LANES
from splatpose.render.cpu.simd_type import absolute as absolute
from splatpose.render.cpu.simd_type import any_lane as any_lane
from splatpose.render.cpu.simd_type import broadcast as broadcast
from splatpose.render.cpu.simd_type import ceil as ceil
from splatpose.render.cpu.simd_type import column_index as column_index
from splatpose.render.cpu.simd_type import floor as floor
from splatpose.render.cpu.simd_type import fma as fma
from splatpose.render.cpu.simd_type import index as index
from splatpose.render.cpu.simd_type import log as log
from splatpose.render.cpu.simd_type import mask as mask
from splatpose.render.cpu.simd_type import maximum as maximum
from splatpose.render.cpu.simd_type import minimum as minimum
from splatpose.render.cpu.simd_type import nearest as nearest
from splatpose.render.cpu.simd_type import row_index as row_index
from splatpose.render.cpu.simd_type import select as select
from splatpose.render.cpu.simd_type import sqrt as sqrt
from splatpose.render.cpu.simd_type import times_power_of_two as times_power_of_two
from splatpose.render.cpu.simd_type import total as total
from splatpose.render.cpu.simd_type import vector as vector
