"""Gradients of the pieces of the EWA projection, a vector of Gaussians at a time."""

from __future__ import annotations

from splatpose.render.cpu.compilation import device_function
from splatpose.render.cpu.ewa import (
    C_FX,
    C_FY,
    C_MAX_SLOPE_X,
    C_MAX_SLOPE_Y,
    C_MIN_SLOPE_X,
    C_MIN_SLOPE_Y,
)
from splatpose.render.cpu.simd import LANES, broadcast, load, select


@device_function
def covariance_gradient(sums, cov):
    """Gradient of the 2-D mean (2) and of the symmetric 2-D covariance (xx, xy, yy).

    With Q the inverse covariance and M the second moments of g: dL/d covariance = Q M Q / 2.
    """
    xx, xy, yy, det, _sharp = cov
    inverse = 1.0 / det
    a, b, c = yy * inverse, -(xy * inverse), xx * inverse
    mx, my = load(sums, LANES), load(sums, 2 * LANES)
    mxx, mxy, myy = load(sums, 3 * LANES), load(sums, 4 * LANES), load(sums, 5 * LANES)
    p00, p01 = a * mxx + b * mxy, a * mxy + b * myy
    p10, p11 = b * mxx + c * mxy, b * mxy + c * myy
    gxx = (p00 * a + p01 * b) * 0.5
    gxy = (p00 * b + p01 * c) * 0.5
    gyy = (p10 * b + p11 * c) * 0.5
    return a * mx + b * my, b * mx + c * my, gxx, gxy, gyy


@device_function
def rotation_gradient(rotation, v):
    """Gradient w.r.t. a small rotation, from that w.r.t. the matrix.

    Returns t such that dL = t . w for a small rotation w applied from the left; the quaternion's
    gradient is then 2 (0, t) q.
    """
    r0, r1, r2, r3, r4, r5, r6, r7, r8 = rotation
    v0, v1, v2, v3, v4, v5, v6, v7, v8 = v
    t0 = (v6 * r3 + v7 * r4 + v8 * r5) - (v3 * r6 + v4 * r7 + v5 * r8)
    t1 = (v0 * r6 + v1 * r7 + v2 * r8) - (v6 * r0 + v7 * r1 + v8 * r2)
    t2 = (v3 * r0 + v4 * r1 + v5 * r2) - (v0 * r3 + v1 * r4 + v2 * r5)
    return t0, t1, t2


@device_function
def root_gradient(root, gxx, gxy, gyy):
    """Gradient of the covariance's root from that of the covariance."""
    a0, a1, a2, b0, b1, b2 = root
    gxx, gxy, gyy = gxx * 2.0, gxy * 2.0, gyy * 2.0
    return (
        gxx * a0 + gxy * b0,
        gxx * a1 + gxy * b1,
        gxx * a2 + gxy * b2,
        gyy * b0 + gxy * a0,
        gyy * b1 + gxy * a1,
        gyy * b2 + gxy * a2,
    )


@device_function
def antialias_gradient(root, cov, peak_gradient):
    """What the opacity compensation adds to the gradient of the root.

    log compensation = (log |b0 x b1|^2 - log det) / 2; the first part's gradient w.r.t. b0 is
    (b1 x (b0 x b1)) / |b0 x b1|^2 up to sign, the second's is -inverse covariance / 2.
    """
    a0, a1, a2, b0, b1, b2 = root
    xx, xy, yy, det, sharp = cov
    n0, n1, n2 = a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0
    scale = peak_gradient / sharp
    va = ((b1 * n2 - b2 * n1) * scale, (b2 * n0 - b0 * n2) * scale, (b0 * n1 - b1 * n0) * scale)
    vb = ((n1 * a2 - n2 * a1) * scale, (n2 * a0 - n0 * a2) * scale, (n0 * a1 - n1 * a0) * scale)
    half = peak_gradient / det * -0.5
    blur = root_gradient(root, yy * half, -(xy * half), xx * half)
    return (
        va[0] + blur[0],
        va[1] + blur[1],
        va[2] + blur[2],
        vb[0] + blur[3],
        vb[1] + blur[4],
        vb[2] + blur[5],
    )


@device_function
def point_gradient(camera, point, jacobian, mean_gradient, jacobian_gradient):
    """Gradient of the camera-frame centre from those of the 2-D mean and the Jacobian."""
    px, py, pz = point
    v_x, v_y = mean_gradient
    v_j00, v_j11, v_j02, v_j12 = jacobian_gradient
    j00, j11, j02, j12 = jacobian
    inverse = 1.0 / pz
    sx, sy = px * inverse, py * inverse
    v_z = -(v_j00 * j00 + v_j02 * j02 + v_j11 * j11 + v_j12 * j12) * inverse
    # Through the slopes in the last column, where they are not clamped.
    zero = broadcast(0.0)
    free_x = select(
        (sx >= camera[C_MIN_SLOPE_X]) & (sx <= camera[C_MAX_SLOPE_X]), v_j02 * j00, zero
    )
    free_y = select(
        (sy >= camera[C_MIN_SLOPE_Y]) & (sy <= camera[C_MAX_SLOPE_Y]), v_j12 * j11, zero
    )
    v_sx = v_x * camera[C_FX] - free_x
    v_sy = v_y * camera[C_FY] - free_y
    return v_sx * inverse, v_sy * inverse, v_z - (v_sx * sx + v_sy * sy) * inverse


@device_function
def camera_times(camera, rotation):
    """R_camera R_gaussian, row after row."""
    t0, t1, t2, t3, t4, t5, t6, t7, t8 = rotation
    r = camera
    return (
        t0 * r[0] + t3 * r[1] + t6 * r[2],
        t1 * r[0] + t4 * r[1] + t7 * r[2],
        t2 * r[0] + t5 * r[1] + t8 * r[2],
        t0 * r[3] + t3 * r[4] + t6 * r[5],
        t1 * r[3] + t4 * r[4] + t7 * r[5],
        t2 * r[3] + t5 * r[4] + t8 * r[5],
        t0 * r[6] + t3 * r[7] + t6 * r[8],
        t1 * r[6] + t4 * r[7] + t7 * r[8],
        t2 * r[6] + t5 * r[7] + t8 * r[8],
    )
