"""Spherical harmonics up to degree 3 and their derivatives, a vector of directions at a time.

Polynomials of the unit direction in the order and with the signs of 3DGS; derivatives are those
of the polynomials, so a gradient has still to be projected on the sphere.
"""

from __future__ import annotations

import numpy as np

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.simd import LANES, broadcast, store

BASES = 16

_C0 = np.float32(0.28209479177387814)
_C1 = np.float32(0.4886025119029199)
_C2A = np.float32(1.0925484305920792)
_C2B = np.float32(0.31539156525252005)
_C2C = np.float32(0.5462742152960396)
_C3A = np.float32(0.5900435899266435)
_C3B = np.float32(2.890611442640554)
_C3C = np.float32(0.4570457994644658)
_C3D = np.float32(0.3731763325901154)
_C3E = np.float32(1.445305721320277)


@device_function
def store_bases(degree, x, y, z, out):
    """Write the bases at unit directions to out[k * LANES]."""
    store(out, 0, broadcast(_C0))
    if degree >= 1:
        store(out, LANES, y * -_C1)
        store(out, 2 * LANES, z * _C1)
        store(out, 3 * LANES, x * -_C1)
    if degree >= 2:
        store(out, 4 * LANES, x * y * _C2A)
        store(out, 5 * LANES, y * z * -_C2A)
        store(out, 6 * LANES, (z * z * 3.0 - 1.0) * _C2B)
        store(out, 7 * LANES, x * z * -_C2A)
        store(out, 8 * LANES, (x * x - y * y) * _C2C)
    if degree >= 3:
        xx, yy, zz = x * x, y * y, z * z
        store(out, 9 * LANES, y * (xx * 3.0 - yy) * -_C3A)
        store(out, 10 * LANES, x * y * z * _C3B)
        store(out, 11 * LANES, y * (zz * 5.0 - 1.0) * -_C3C)
        store(out, 12 * LANES, z * (zz * 5.0 - 3.0) * _C3D)
        store(out, 13 * LANES, x * (zz * 5.0 - 1.0) * -_C3C)
        store(out, 14 * LANES, z * (xx - yy) * _C3E)
        store(out, 15 * LANES, x * (xx - yy * 3.0) * -_C3A)


@device_function
def store_derivatives(degree, x, y, z, out):
    """Write d basis k / d (x, y, z) to out[(3 k + axis) * LANES]."""
    zero = broadcast(0.0)
    store(out, 0 * LANES, zero)
    store(out, 1 * LANES, zero)
    store(out, 2 * LANES, zero)
    if degree >= 1:
        store(out, 3 * LANES, zero)
        store(out, 4 * LANES, broadcast(-_C1))
        store(out, 5 * LANES, zero)
        store(out, 6 * LANES, zero)
        store(out, 7 * LANES, zero)
        store(out, 8 * LANES, broadcast(_C1))
        store(out, 9 * LANES, broadcast(-_C1))
        store(out, 10 * LANES, zero)
        store(out, 11 * LANES, zero)
    if degree >= 2:
        store(out, 12 * LANES, y * _C2A)
        store(out, 13 * LANES, x * _C2A)
        store(out, 14 * LANES, zero)
        store(out, 15 * LANES, zero)
        store(out, 16 * LANES, z * -_C2A)
        store(out, 17 * LANES, y * -_C2A)
        store(out, 18 * LANES, zero)
        store(out, 19 * LANES, zero)
        store(out, 20 * LANES, z * (_C2B * np.float32(6.0)))
        store(out, 21 * LANES, z * -_C2A)
        store(out, 22 * LANES, zero)
        store(out, 23 * LANES, x * -_C2A)
        store(out, 24 * LANES, x * (_C2C * np.float32(2.0)))
        store(out, 25 * LANES, y * (_C2C * np.float32(-2.0)))
        store(out, 26 * LANES, zero)
    if degree >= 3:
        xx, yy, zz = x * x, y * y, z * z
        xy, xz, yz = x * y, x * z, y * z
        a6, c10 = _C3A * np.float32(6.0), _C3C * np.float32(10.0)
        e2 = _C3E * np.float32(2.0)
        store(out, 27 * LANES, xy * -a6)
        store(out, 28 * LANES, (xx - yy) * (_C3A * np.float32(-3.0)))
        store(out, 29 * LANES, zero)
        store(out, 30 * LANES, yz * _C3B)
        store(out, 31 * LANES, xz * _C3B)
        store(out, 32 * LANES, xy * _C3B)
        store(out, 33 * LANES, zero)
        store(out, 34 * LANES, (zz * 5.0 - 1.0) * -_C3C)
        store(out, 35 * LANES, yz * -c10)
        store(out, 36 * LANES, zero)
        store(out, 37 * LANES, zero)
        store(out, 38 * LANES, (zz * 15.0 - 3.0) * _C3D)
        store(out, 39 * LANES, (zz * 5.0 - 1.0) * -_C3C)
        store(out, 40 * LANES, zero)
        store(out, 41 * LANES, xz * -c10)
        store(out, 42 * LANES, xz * e2)
        store(out, 43 * LANES, yz * -e2)
        store(out, 44 * LANES, (xx - yy) * _C3E)
        store(out, 45 * LANES, (xx - yy) * (_C3A * np.float32(-3.0)))
        store(out, 46 * LANES, xy * a6)
        store(out, 47 * LANES, zero)
