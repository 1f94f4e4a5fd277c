"""The loops over the matches of a pair, as machine code: a refinement takes a fifth of the time,
and pairs in several threads do not wait for each other. `relative_pose` says what they compute.

No linear algebra of Numba's: compiling that takes ten seconds on the first day.
"""

from __future__ import annotations

import numpy as np

from ...geometry.robust import CAUCHY_BEND, SIGMA_OF_MEDIAN
from ...machine_code import compiled

_ROTATION_ROUNDS = 8
_SCALE_ROUNDS = 3
_STEPS = 5
_SWEEPS = 8
"""Of Jacobi's rotations; six are enough for sixteen digits."""
_TOLERANCE = 1e-4
_LEAST = 1e-9
"""Scale in normalised coordinates, under which nothing is resolved."""


@compiled
def cross(v: np.ndarray) -> np.ndarray:
    """Matrix of the vector product with v."""
    return np.array([[0.0, -v[2], v[1]], [v[2], 0.0, -v[0]], [-v[1], v[0], 0.0]])


@compiled
def product(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Of two matrices of 3 x 3, which a library's call takes longer to begin."""
    C = np.zeros((3, 3))
    multiply(A, B, C)
    return C


@compiled
def multiply(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> None:
    """The same into C: for Numba's assignment of whole arrays four seconds of compiling go into the
    message of an error that cannot occur."""
    for i in range(3):
        for j in range(3):
            C[i, j] = A[i, 0] * B[0, j] + A[i, 1] * B[1, j] + A[i, 2] * B[2, j]


@compiled
def tangent(t: np.ndarray) -> np.ndarray:
    """An orthonormal basis (3 x 2) of the plane at right angles to a unit vector."""
    x, y, z = t[0], t[1], t[2]
    # The product of t with the axis it has least of.
    if abs(x) <= abs(y) and abs(x) <= abs(z):
        a0, a1, a2 = 0.0, z, -y
    elif abs(y) <= abs(z):
        a0, a1, a2 = -z, 0.0, x
    else:
        a0, a1, a2 = y, -x, 0.0
    length = np.sqrt(a0 * a0 + a1 * a1 + a2 * a2)
    a0, a1, a2 = a0 / length, a1 / length, a2 / length
    basis = np.empty((3, 2))
    basis[0, 0], basis[1, 0], basis[2, 0] = a0, a1, a2
    basis[0, 1] = y * a2 - z * a1
    basis[1, 1] = z * a0 - x * a2
    basis[2, 1] = x * a1 - y * a0
    return basis


@compiled
def retract(R: np.ndarray, t: np.ndarray, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A relative pose after a step of rotation vector (on the left) and direction."""
    squared = step[0] ** 2 + step[1] ** 2 + step[2] ** 2
    angle = np.sqrt(squared)
    K = cross(step)
    a = 1 - squared / 6 if angle < 1e-4 else np.sin(angle) / angle
    b = 0.5 - squared / 24 if angle < 1e-4 else (1 - np.cos(angle)) / squared
    turn = product(K, K)
    for i in range(3):
        for j in range(3):
            turn[i, j] = b * turn[i, j] + a * K[i, j]
        turn[i, i] += 1.0
    basis, moved, length = tangent(t), np.empty(3), 0.0
    for i in range(3):
        moved[i] = t[i] + basis[i, 0] * step[3] + basis[i, 1] * step[4]
        length += moved[i] ** 2
    for i in range(3):
        moved[i] /= np.sqrt(length)
    return product(turn, R), moved


@compiled
def median(values: np.ndarray) -> float:
    """The upper one of two, of numbers that are put in another order."""
    low, high, wanted = 0, len(values) - 1, len(values) // 2
    while low < high:
        pivot = values[(low + high) // 2]
        i, j = low, high
        while i <= j:
            while values[i] < pivot:
                i += 1
            while values[j] > pivot:
                j -= 1
            if i <= j:
                values[i], values[j] = values[j], values[i]
                i += 1
                j -= 1
        if wanted <= j:
            high = j
        elif wanted >= i:
            low = i
        else:
            break
    return values[wanted]


@compiled
def solve(A: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Solution of five equations with a positive definite matrix (Cholesky)."""
    L, x = np.zeros((5, 5)), np.zeros(5)
    for i in range(5):
        for j in range(i + 1):
            rest = A[i, j]
            for k in range(j):
                rest -= L[i, k] * L[j, k]
            L[i, j] = np.sqrt(max(rest, 1e-300)) if i == j else rest / L[j, j]
    for i in range(5):
        rest = b[i]
        for k in range(i):
            rest -= L[i, k] * x[k]
        x[i] = rest / L[i, i]
    for i in range(4, -1, -1):
        rest = x[i]
        for k in range(i + 1, 5):
            rest -= L[k, i] * x[k]
        x[i] = rest / L[i, i]
    return x


@compiled
def nearest_rotation(H: np.ndarray) -> np.ndarray:
    """The rotation R with the largest trace of R^T H: that of the quaternion that is the first
    eigenvector of a symmetric matrix (Horn, JOSA A 1987), which Jacobi's rotations find."""
    N, V = np.zeros((4, 4)), np.eye(4)
    # H = sum of y x^T for pairs of rays y = R x.
    N[0, 0] = H[0, 0] + H[1, 1] + H[2, 2]
    N[0, 1], N[0, 2], N[0, 3] = H[2, 1] - H[1, 2], H[0, 2] - H[2, 0], H[1, 0] - H[0, 1]
    N[1, 1], N[1, 2], N[1, 3] = H[0, 0] - H[1, 1] - H[2, 2], H[0, 1] + H[1, 0], H[0, 2] + H[2, 0]
    N[2, 2], N[2, 3] = H[1, 1] - H[0, 0] - H[2, 2], H[1, 2] + H[2, 1]
    N[3, 3] = H[2, 2] - H[0, 0] - H[1, 1]
    for i in range(4):
        for j in range(i):
            N[i, j] = N[j, i]
    for _ in range(_SWEEPS):
        for p in range(3):
            for q in range(p + 1, 4):
                if abs(N[p, q]) < 1e-18 * (abs(N[p, p]) + abs(N[q, q])):
                    continue
                theta = 0.5 * (N[q, q] - N[p, p]) / N[p, q]
                t = 1 / (abs(theta) + np.sqrt(theta * theta + 1))
                if theta < 0:
                    t = -t
                c = 1 / np.sqrt(t * t + 1)
                s = t * c
                for k in range(4):
                    a, b = N[k, p], N[k, q]
                    N[k, p], N[k, q] = c * a - s * b, s * a + c * b
                for k in range(4):
                    a, b = N[p, k], N[q, k]
                    N[p, k], N[q, k] = c * a - s * b, s * a + c * b
                    a, b = V[k, p], V[k, q]
                    V[k, p], V[k, q] = c * a - s * b, s * a + c * b
    best = 0
    for k in range(1, 4):
        if N[k, k] > N[best, best]:
            best = k
    w, x, y, z = V[0, best], V[1, best], V[2, best], V[3, best]
    R = np.empty((3, 3))
    R[0, 0], R[0, 1] = w * w + x * x - y * y - z * z, 2 * (x * y - w * z)
    R[1, 1], R[1, 2] = w * w - x * x + y * y - z * z, 2 * (y * z - w * x)
    R[2, 2], R[2, 0] = w * w - x * x - y * y + z * z, 2 * (x * z - w * y)
    R[0, 2], R[1, 0], R[2, 1] = 2 * (x * z + w * y), 2 * (x * y + w * z), 2 * (y * z + w * x)
    return R


@compiled
def signed_sampson(R: np.ndarray, t: np.ndarray, h1: np.ndarray, h2: np.ndarray) -> np.ndarray:
    """Signed Sampson distances of matches in homogeneous coordinates."""
    E = product(cross(t), R)
    distance = np.empty(len(h1))
    for m in range(len(h1)):
        a0, a1, a2 = h1[m, 0], h1[m, 1], h1[m, 2]
        b0, b1, b2 = h2[m, 0], h2[m, 1], h2[m, 2]
        x2 = E[0, 0] * a0 + E[0, 1] * a1 + E[0, 2] * a2
        y2 = E[1, 0] * a0 + E[1, 1] * a1 + E[1, 2] * a2
        z2 = E[2, 0] * a0 + E[2, 1] * a1 + E[2, 2] * a2
        x1 = E[0, 0] * b0 + E[1, 0] * b1 + E[2, 0] * b2
        y1 = E[0, 1] * b0 + E[1, 1] * b1 + E[2, 1] * b2
        g = np.sqrt(max(x2 * x2 + y2 * y2 + x1 * x1 + y1 * y1, 1e-24))
        distance[m] = (b0 * x2 + b1 * y2 + b2 * z2) / g
    return distance


@compiled
def sampson_derivatives(
    R: np.ndarray, t: np.ndarray, h1: np.ndarray, h2: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The same, with their derivatives (M x 5) by what `retract` steps along."""
    T, basis = cross(t), tangent(t)
    E = product(T, R)
    dE = np.empty((5, 3, 3))
    axis = np.zeros(3)
    for k in range(3):
        for i in range(3):
            axis[i] = 1.0 if i == k else 0.0
        multiply(T, product(cross(axis), R), dE[k])
    for k in range(2):
        for i in range(3):
            axis[i] = basis[i, k]
        multiply(cross(axis), R, dE[3 + k])
    distance, J = np.empty(len(h1)), np.empty((len(h1), 5))
    for m in range(len(h1)):
        a0, a1, a2 = h1[m, 0], h1[m, 1], h1[m, 2]
        b0, b1, b2 = h2[m, 0], h2[m, 1], h2[m, 2]
        x2 = E[0, 0] * a0 + E[0, 1] * a1 + E[0, 2] * a2
        y2 = E[1, 0] * a0 + E[1, 1] * a1 + E[1, 2] * a2
        z2 = E[2, 0] * a0 + E[2, 1] * a1 + E[2, 2] * a2
        x1 = E[0, 0] * b0 + E[1, 0] * b1 + E[2, 0] * b2
        y1 = E[0, 1] * b0 + E[1, 1] * b1 + E[2, 1] * b2
        g = np.sqrt(max(x2 * x2 + y2 * y2 + x1 * x1 + y1 * y1, 1e-24))
        d = (b0 * x2 + b1 * y2 + b2 * z2) / g
        distance[m] = d
        for k in range(5):
            D = dE[k]
            u2 = D[0, 0] * a0 + D[0, 1] * a1 + D[0, 2] * a2
            v2 = D[1, 0] * a0 + D[1, 1] * a1 + D[1, 2] * a2
            w2 = D[2, 0] * a0 + D[2, 1] * a1 + D[2, 2] * a2
            u1 = D[0, 0] * b0 + D[1, 0] * b1 + D[2, 0] * b2
            v1 = D[0, 1] * b0 + D[1, 1] * b1 + D[2, 1] * b2
            top = b0 * u2 + b1 * v2 + b2 * w2
            J[m, k] = (top - d / g * (u2 * x2 + v2 * y2 + u1 * x1 + v1 * y1)) / g
    return distance, J


@compiled
def _cost(distance: np.ndarray, scale: float) -> float:
    total = 0.0
    for d in distance:
        total += np.log1p((d / scale) ** 2)
    return total


@compiled
def _normal_equations(
    distance: np.ndarray, J: np.ndarray, scale: float
) -> tuple[np.ndarray, np.ndarray]:
    A, b = np.zeros((5, 5)), np.zeros(5)
    for m in range(len(J)):
        weight = 1 / (1 + (distance[m] / scale) ** 2)
        for i in range(5):
            weighted = weight * J[m, i]
            b[i] += weighted * distance[m]
            for j in range(i + 1):
                A[i, j] += weighted * J[m, j]
    for i in range(5):
        for j in range(i):
            A[j, i] = A[i, j]
    return A, b


@compiled
def refine(
    R: np.ndarray, t: np.ndarray, h1: np.ndarray, h2: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, float, np.ndarray]:
    """Rotation, direction, normal matrix (5 x 5, before the noise), sigma and distances."""
    distance, J = sampson_derivatives(R, t, h1, h2)
    damping, sigma = 1e-3, 1.0
    for _ in range(_SCALE_ROUNDS):
        sigma = max(SIGMA_OF_MEDIAN * median(np.abs(distance)), _LEAST)
        scale = CAUCHY_BEND * sigma
        cost = _cost(distance, scale)
        for _ in range(_STEPS):
            A, b = _normal_equations(distance, J, scale)
            ridge = damping * (A[0, 0] + A[1, 1] + A[2, 2] + A[3, 3] + A[4, 4]) / 5 + 1e-12
            for i in range(5):
                A[i, i] += ridge
            new_R, new_t = retract(R, t, solve(A, -b))
            new_distance = signed_sampson(new_R, new_t, h1, h2)
            new_cost = _cost(new_distance, scale)
            if new_cost >= cost:
                damping *= 10
                continue
            settled = cost - new_cost < _TOLERANCE * cost
            damping *= 0.1
            R, t, cost = new_R, new_t, new_cost
            distance, J = sampson_derivatives(R, t, h1, h2)
            if settled:
                break
    A, _ = _normal_equations(distance, J, CAUCHY_BEND * sigma)
    return R, t, A, sigma, distance


@compiled
def rotations(
    rays1: np.ndarray, rays2: np.ndarray, starts: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For pairs whose matches begin at `starts` the rotation, the median residual, and the
    residual of every match."""
    count = len(starts) - 1
    R, medians = np.zeros((count, 3, 3)), np.zeros(count)
    residual = np.zeros(len(rays1))
    for p in range(count):
        first, end = starts[p], starts[p + 1]
        weight, turn = np.ones(end - first), np.zeros((3, 3))
        for _ in range(_ROTATION_ROUNDS):
            H = np.zeros((3, 3))
            for m in range(first, end):
                w = weight[m - first]
                for i in range(3):
                    for j in range(3):
                        H[i, j] += w * rays2[m, i] * rays1[m, j]
            turn = nearest_rotation(H)
            for m in range(first, end):
                squared = 0.0
                for i in range(3):
                    turned = (
                        turn[i, 0] * rays1[m, 0]
                        + turn[i, 1] * rays1[m, 1]
                        + turn[i, 2] * rays1[m, 2]
                    )
                    squared += (turned - rays2[m, i]) ** 2
                residual[m] = np.sqrt(squared)
            medians[p] = max(median(residual[first:end].copy()), _LEAST)
            for m in range(first, end):
                weight[m - first] = 1 / (1 + (residual[m] / medians[p]) ** 2)
        for i in range(3):
            for j in range(3):
                R[p, i, j] = turn[i, j]
    return R, medians, residual
