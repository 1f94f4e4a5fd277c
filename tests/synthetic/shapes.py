"""Triangle meshes with texture coordinates. Metres, z up; (u, v) = (0, 0) is the top left."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True)
class Mesh:
    vertices: np.ndarray
    """[N, 3]."""
    faces: np.ndarray
    """[F, 3] vertex numbers."""
    uv: np.ndarray
    """[N, 2]."""

    def moved(
        self, to: tuple[float, float, float], *, turn: float = 0.0, tilt: float = 0.0
    ) -> Mesh:
        """Tilted about x, then turned about z (degrees), then carried to `to`."""
        a, b = np.radians(turn), np.radians(tilt)
        about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
        about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
        return Mesh(self.vertices @ (about_z @ about_x).T + to, self.faces, self.uv)

    def write_ply(self, path: Path) -> None:
        vertex = np.concatenate([self.vertices, self.uv], 1).astype("<f4")
        face = np.empty(len(self.faces), [("count", "u1"), ("index", "<i4", 3)])
        face["count"], face["index"] = 3, self.faces
        names = "".join(f"property float {name}\n" for name in "xyzuv")
        header = (
            f"ply\nformat binary_little_endian 1.0\nelement vertex {len(vertex)}\n{names}"
            f"element face {len(face)}\nproperty list uchar int vertex_indices\nend_header\n"
        )
        path.write_bytes(header.encode() + vertex.tobytes() + face.tobytes())


def grid(points: np.ndarray) -> Mesh:
    """A surface through points [H, W, 3]; u runs along W and v along H."""
    rows, columns = points.shape[:2]
    v, u = np.meshgrid(np.linspace(0, 1, rows), np.linspace(0, 1, columns), indexing="ij")
    corner = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)).ravel()
    lower = np.stack([corner, corner + columns, corner + 1], 1)
    upper = np.stack([corner + 1, corner + columns, corner + columns + 1], 1)
    uv = np.stack([u, v], -1).reshape(-1, 2)
    return Mesh(points.reshape(-1, 3).astype(float), np.concatenate([lower, upper]), uv)


def quad(top_left: ArrayLike, across: ArrayLike, down: ArrayLike) -> Mesh:
    """A parallelogram: where its texture's top left lies, and its two edges."""
    s, t = np.meshgrid((0.0, 1.0), (0.0, 1.0))
    right, low = s[..., None] * np.asarray(across), t[..., None] * np.asarray(down)
    return grid(np.asarray(top_left) + right + low)


def box(size: tuple[float, float, float]) -> dict[str, Mesh]:
    """The faces of a box that stands on z = 0 about the z axis, each upright seen from outside."""
    x, y, z = size
    h = np.array([x / 2, y / 2])
    return {
        "front": quad((-h[0], -h[1], z), (x, 0, 0), (0, 0, -z)),
        "back": quad((h[0], h[1], z), (-x, 0, 0), (0, 0, -z)),
        "left": quad((-h[0], h[1], z), (0, -y, 0), (0, 0, -z)),
        "right": quad((h[0], -h[1], z), (0, y, 0), (0, 0, -z)),
        "top": quad((-h[0], h[1], z), (x, 0, 0), (0, -y, 0)),
    }


def revolved(profile: np.ndarray, *, segments: int = 96) -> Mesh:
    """A surface of revolution about z from (radius, z) pairs [P, 2], the topmost first."""
    angle = np.linspace(0, 2 * np.pi, segments + 1)
    r, z = profile[:, 0, None], profile[:, 1, None]
    return grid(np.stack([r * np.cos(angle), r * np.sin(angle), z + 0 * angle], -1))


def smooth_profile(points: list[tuple[float, float]], *, samples: int = 64) -> np.ndarray:
    """A Catmull-Rom curve [samples, 2] through (radius, z) points."""
    p = np.array([points[0], *points, points[-1]], float)
    t = np.linspace(0, len(points) - 1 - 1e-9, samples)
    i, f = t.astype(int), (t % 1)[:, None]
    a, b, c, d = p[i], p[i + 1], p[i + 2], p[i + 3]
    return 0.5 * (
        2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3
    )


def torus(radius: float, thickness: float, *, arc: float = 360.0) -> Mesh:
    """A ring (or an arc of one, degrees) in the x-z plane about the origin."""
    around = np.radians(np.linspace(-arc / 2, arc / 2, 64))[:, None]
    tube = np.linspace(0, 2 * np.pi, 17)[None]
    r = radius + thickness * np.cos(tube)
    return grid(
        np.stack(
            [r * np.cos(around), thickness * np.sin(tube) + 0 * around, r * np.sin(around)], -1
        )
    )


def leaf(length: float, width: float, *, bend: float, kind: int) -> Mesh:
    """One blade from the origin along +y, arched by `bend`; `kind` of 4 picks its texture strip."""
    t = np.linspace(0, 1, 9)
    half = width / 2 * np.sin(np.pi * np.clip(t, 0.02, 0.99) ** 0.75)
    across = np.linspace(-1, 1, 5)
    x = half[:, None] * across
    y = length * np.sin(bend * t[:, None]) / max(bend, 1e-3) + 0 * across
    z = length * (np.cos(bend * t[:, None]) - 1) / max(bend, 1e-3) + 0.25 * np.abs(x)
    mesh = grid(np.stack([x, y, z], -1))
    return Mesh(
        mesh.vertices,
        mesh.faces,
        np.stack([(mesh.uv[:, 0] * 0.96 + 0.02 + kind) / 4, mesh.uv[:, 1]], 1),
    )


def joined(meshes: list[Mesh]) -> Mesh:
    """Several meshes with one texture as one mesh."""
    starts = np.cumsum([0, *(len(mesh.vertices) for mesh in meshes)])
    return Mesh(
        np.concatenate([mesh.vertices for mesh in meshes]),
        np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=False)]),
        np.concatenate([mesh.uv for mesh in meshes]),
    )
