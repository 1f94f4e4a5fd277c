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
from splatpose.render.cpu.ewa import CAMERA
from splatpose.render.cpu.gaussian_gradients import CAMERA_SUMS
from splatpose.render.cpu.gaussian_inputs import BLOCK
from splatpose.render.cpu.kernel_arguments import (
    GaussianGradients,
    Gaussians,
    Picture,
    PictureGradients,
    Projected,
    Slots,
    TileLists,
    View,
)
from splatpose.render.cpu.layout import RECORD, SLOT, TILE
from splatpose.render.cpu.projection import project
from splatpose.render.cpu.projection_backward import project_backward
from splatpose.render.cpu.raster_backward import backward
from splatpose.render.cpu.raster_forward import forward
from splatpose.render.cpu.simd import LANES
from splatpose.render.cpu.threads import run_on_threads
from splatpose.render.cpu.workspace import Workspace


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

    view: View
    projected: Projected
    slots: Slots
    tiles: TileLists
    transmittance: np.ndarray


def share(kernel: Callable[..., None], threads: int, pieces: int, *args: Any) -> None:
    """Run a kernel that takes pieces of work from a shared counter."""
    counter = np.zeros(1, np.int64)
    run_on_threads(lambda _thread: kernel(counter, *args), max(1, min(threads, pieces)))


def make_view(viewmat: np.ndarray, K: np.ndarray, center: np.ndarray, settings: Settings) -> View:
    """What the projection kernels are to know of a camera.

    Args: viewmat: [4, 4]. K: [3, 3]. center: [3] in the world.
    """
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
    return View(
        camera,
        settings.sh_degree,
        settings.color_channels,
        settings.depth_channel,
        settings.antialiased,
    )


def _picture(settings: Settings, image: np.ndarray, transmittance: np.ndarray) -> Picture:
    return Picture(settings.width, settings.height, settings.expected_depth, image, transmittance)


def _list_tiles(
    projected: Projected, settings: Settings, workspace: Workspace
) -> tuple[Slots, TileLists]:
    """Slots of the Gaussians' gradients, and the Gaussians of each tile by depth."""
    count, threads = len(projected.depths), settings.threads
    slot_start = workspace.array("slot_start", count + 1, np.int64)
    reserve_slots(projected.depths, projected.boxes, slot_start)
    slots = Slots(
        slot_start,
        workspace.array("slots_used", count, np.int32),
        workspace.array("slot_tiles", int(slot_start[count]), np.int32),
    )
    chunks = max(1, min(threads, count // BLOCK))
    bounds = [count * chunk // chunks for chunk in range(chunks + 1)]
    places = workspace.array("places", chunks * settings.tiles, np.int64)
    places = places.reshape(chunks, settings.tiles)

    def find(chunk: int) -> None:
        first, last = bounds[chunk : chunk + 2]
        find_tiles(first, last, projected, slots, places[chunk], settings.tiles_x, settings.width)

    run_on_threads(find, chunks)
    offsets = workspace.array("offsets", settings.tiles + 1, np.int64)
    entries = tile_offsets(places, offsets)
    tiles = TileLists(
        offsets,
        workspace.array("members", entries, np.int32),
        workspace.array("slots", entries, np.int32),
    )
    run_on_threads(
        lambda chunk: fill_tiles(*bounds[chunk : chunk + 2], slots, places[chunk], tiles), chunks
    )
    share(sort_tiles, threads, settings.tiles, tiles, projected.depths.view(np.uint32))
    return slots, tiles


def draw(
    gaussians: Gaussians,
    view: View,
    background: np.ndarray,
    settings: Settings,
    workspace: Workspace,
    image: np.ndarray,
    means2d: np.ndarray,
    radii: np.ndarray,
) -> Drawn:
    """Render one camera.

    Args:
        background: [channels].
        image: [H * W * channels] out.
        means2d: [N * 2] out. radii: [N * 2] int32 out.
    """
    count, threads = len(gaussians.opacities), settings.threads
    projected = Projected(
        workspace.array("records", (count + LANES) * RECORD),
        workspace.array("depths", count),
        workspace.array("boxes", count * 4, np.int32),
    )
    blocks = -(-count // BLOCK)
    share(project, threads, blocks, gaussians, view, projected, means2d, radii)
    slots, tiles = _list_tiles(projected, settings, workspace)
    transmittance = workspace.array("transmittance", settings.width * settings.height)
    share(
        forward,
        threads,
        settings.tiles,
        (0,) * settings.channels,
        tiles,
        projected.records,
        background,
        _picture(settings, image, transmittance),
    )
    return Drawn(view, projected, slots, tiles, transmittance)


def draw_backward(
    gaussians: Gaussians,
    drawn: Drawn,
    settings: Settings,
    workspace: Workspace,
    image: np.ndarray,
    picture_gradients: PictureGradients,
    gradients: GaussianGradients,
    *,
    accumulate: bool,
) -> np.ndarray:
    """Gradients of one camera's image.

    Args:
        gradients: Out: set, or with `accumulate` added to but for those of the 2-D means.

    Returns: gradients of the camera's rotation (9), translation (3) and centre (3), float64.
    """
    slot_gradients = workspace.array("slot_gradients", len(drawn.slots.tiles) * SLOT)
    share(
        backward,
        settings.threads,
        settings.tiles,
        (0,) * settings.channels,
        (0,) * settings.absgrad,
        drawn.tiles,
        drawn.projected.records,
        _picture(settings, image, drawn.transmittance),
        picture_gradients,
        slot_gradients,
    )
    blocks = -(-len(gaussians.opacities) // BLOCK)
    camera_sums = np.zeros((blocks, CAMERA_SUMS), np.float32)
    share(
        project_backward,
        settings.threads,
        blocks,
        gaussians,
        drawn.view,
        drawn.projected,
        drawn.slots,
        slot_gradients,
        accumulate,
        gradients,
        camera_sums.reshape(-1),
    )
    return camera_sums.sum(0, dtype=np.float64)[:15]
