"""One camera, from Gaussians to an image and back, as calls of kernels on numpy arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from splatpose.render.cpu.binning import (
    fill_tiles,
    find_tiles,
    reserve_slots,
    sort_tiles,
    tile_offsets,
)
from splatpose.render.cpu.gaussian_gradients import CAMERA_SUMS
from splatpose.render.cpu.layout import RECORD, SLOT, TILE
from splatpose.render.cpu.projection import BLOCK, CAMERA, project
from splatpose.render.cpu.projection_backward import project_backward
from splatpose.render.cpu.raster_backward import backward
from splatpose.render.cpu.raster_forward import forward
from splatpose.render.cpu.simd import LANES
from splatpose.render.cpu.threads import run_on_threads
from splatpose.render.cpu.workspace import Workspace


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians as flat float32 arrays."""

    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray
    opacities: np.ndarray
    colors: np.ndarray
    """[N * color_stride]."""
    color_stride: int

    def __len__(self) -> int:
        return len(self.opacities)


@dataclass(frozen=True)
class Settings:
    """What is rendered, the same for all cameras of a call."""

    width: int
    height: int
    near_plane: float
    far_plane: float
    eps2d: float
    sh_degree: int
    """-1 for plain colours."""
    color_channels: int
    """3 with spherical harmonics; 0 where only depth is rendered."""
    has_depth: bool
    expected_depth: bool
    antialiased: bool
    absgrad: bool
    threads: int

    @property
    def channels(self) -> int:
        return self.color_channels + self.has_depth

    @property
    def depth_channel(self) -> int:
        return self.color_channels if self.has_depth else -1

    @property
    def tiles_x(self) -> int:
        return -(-self.width // TILE)

    @property
    def tiles(self) -> int:
        return self.tiles_x * -(-self.height // TILE)


@dataclass(frozen=True)
class Drawn:
    """What the backward pass needs of a forward pass, in the memory of its workspace."""

    camera: np.ndarray
    records: np.ndarray
    depths: np.ndarray
    slot_start: np.ndarray
    tile_count: np.ndarray
    offsets: np.ndarray
    members: np.ndarray
    slots: np.ndarray
    transmittance: np.ndarray
    num_slots: int


@dataclass(frozen=True)
class Gradients:
    """Flat float32 gradients, of the sizes of the inputs."""

    means: np.ndarray
    quats: np.ndarray
    scales: np.ndarray
    opacities: np.ndarray
    colors: np.ndarray


def share(kernel: Callable[..., None], threads: int, pieces: int, *args: Any) -> None:
    """Run a kernel that takes pieces of work from a shared counter."""
    counter = np.zeros(1, np.int64)
    run_on_threads(lambda _thread: kernel(counter, *args), max(1, min(threads, pieces)))


def pack_camera(
    viewmat: np.ndarray, K: np.ndarray, center: np.ndarray, settings: Settings
) -> np.ndarray:
    """The camera's numbers in the order of `projection.C_*`."""
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    width, height = settings.width, settings.height
    margin_x, margin_y = 0.15 * width / fx, 0.15 * height / fy
    camera = np.zeros(CAMERA, np.float32)
    camera[0:9] = viewmat[:3, :3].ravel()
    camera[9:12] = viewmat[:3, 3]
    camera[12:16] = fx, fy, cx, cy
    camera[16:18] = -cx / fx - margin_x, (width - cx) / fx + margin_x
    camera[18:20] = -cy / fy - margin_y, (height - cy) / fy + margin_y
    camera[20:23] = settings.near_plane, settings.far_plane, settings.eps2d
    camera[23:26] = center
    camera[26:28] = width, height
    return camera


def _projection_arguments(gaussians: Gaussians, settings: Settings, camera: np.ndarray) -> tuple:
    return (
        gaussians.means,
        gaussians.quats,
        gaussians.scales,
        gaussians.opacities,
        gaussians.colors,
        gaussians.color_stride,
        settings.sh_degree,
        settings.color_channels,
        settings.depth_channel,
        settings.antialiased,
        camera,
    )


def draw(
    gaussians: Gaussians,
    camera: np.ndarray,
    background: np.ndarray,
    settings: Settings,
    workspace: Workspace,
    image: np.ndarray,
    means2d: np.ndarray,
    radii: np.ndarray,
) -> Drawn:
    """Render one camera.

    Args:
        camera: From `pack_camera`.
        background: [channels].
        image: [H * W * channels] out.
        means2d: [N * 2] out. radii: [N * 2] int32 out.
    """
    count, threads = len(gaussians), settings.threads
    records = workspace.array("records", (count + LANES) * RECORD)
    depths = workspace.array("depths", count)
    boxes = workspace.array("boxes", count * 4, np.int32)
    blocks = -(-count // BLOCK)
    arguments = _projection_arguments(gaussians, settings, camera)
    share(project, threads, blocks, *arguments, records, depths, boxes, radii, means2d)

    slot_start = workspace.array("slot_start", count + 1, np.int64)
    reserve_slots(depths, boxes, slot_start)
    num_slots = int(slot_start[count])
    tile_count = workspace.array("tile_count", count, np.int32)
    slot_tile = workspace.array("slot_tile", num_slots, np.int32)
    chunks = max(1, min(threads, count // BLOCK))
    bounds = [count * chunk // chunks for chunk in range(chunks + 1)]
    places = workspace.array("places", chunks * settings.tiles, np.int64)
    places = places.reshape(chunks, settings.tiles)
    run_on_threads(
        lambda chunk: find_tiles(
            bounds[chunk],
            bounds[chunk + 1],
            depths,
            records,
            boxes,
            slot_start,
            slot_tile,
            tile_count,
            places[chunk],
            settings.tiles_x,
            settings.width,
        ),
        chunks,
    )
    offsets = workspace.array("offsets", settings.tiles + 1, np.int64)
    entries = tile_offsets(places, offsets)
    members = workspace.array("members", entries, np.int32)
    slots = workspace.array("slots", entries, np.int32)
    run_on_threads(
        lambda chunk: fill_tiles(
            bounds[chunk],
            bounds[chunk + 1],
            slot_start,
            slot_tile,
            tile_count,
            places[chunk],
            members,
            slots,
        ),
        chunks,
    )

    share(sort_tiles, threads, settings.tiles, offsets, members, slots, depths.view(np.uint32))
    transmittance = workspace.array("transmittance", settings.width * settings.height)
    share(
        forward,
        threads,
        settings.tiles,
        (0,) * settings.channels,
        offsets,
        members,
        records,
        background,
        settings.expected_depth,
        settings.width,
        settings.height,
        image,
        transmittance,
    )
    return Drawn(
        camera,
        records,
        depths,
        slot_start,
        tile_count,
        offsets,
        members,
        slots,
        transmittance,
        num_slots,
    )


def draw_backward(
    gaussians: Gaussians,
    drawn: Drawn,
    settings: Settings,
    workspace: Workspace,
    image: np.ndarray,
    image_gradient: np.ndarray,
    alpha_gradient: np.ndarray,
    gradients: Gradients,
    means2d_gradient: np.ndarray,
    absolute_gradient: np.ndarray,
    *,
    accumulate: bool,
) -> np.ndarray:
    """Gradients of one camera's image.

    Args:
        gradients: Out: set, or added to with `accumulate`.
        means2d_gradient: [N * 2] out. absolute_gradient: the same, or empty without absgrad.

    Returns: gradients of the camera's rotation (9), translation (3) and centre (3), float64.
    """
    slot_gradients = workspace.array("slot_gradients", drawn.num_slots * SLOT)
    share(
        backward,
        settings.threads,
        settings.tiles,
        (0,) * settings.channels,
        (0,) * settings.absgrad,
        drawn.offsets,
        drawn.members,
        drawn.slots,
        drawn.records,
        settings.expected_depth,
        settings.width,
        settings.height,
        image,
        drawn.transmittance,
        image_gradient,
        alpha_gradient,
        slot_gradients,
    )
    blocks = -(-len(gaussians) // BLOCK)
    camera_sums = np.zeros((blocks, CAMERA_SUMS), np.float32)
    share(
        project_backward,
        settings.threads,
        blocks,
        *_projection_arguments(gaussians, settings, drawn.camera),
        drawn.records,
        drawn.depths,
        drawn.slot_start,
        drawn.tile_count,
        slot_gradients,
        accumulate,
        gradients.means,
        gradients.quats,
        gradients.scales,
        gradients.opacities,
        gradients.colors,
        means2d_gradient,
        absolute_gradient,
        camera_sums.reshape(-1),
    )
    return camera_sums.sum(0, dtype=np.float64)[:15]
