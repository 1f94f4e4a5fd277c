"""Pictures rendered here and shown in the browser: the newest request wins."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from .comparing import Reference, Surface, compare, heat_map
from .geometry import SOLID
from .world import ShownSplats

if TYPE_CHECKING:
    from splatpose.render import Backend

RenderMode = Literal["colour", "depth", "opacity", "error"]
_QUICK_SECONDS = 0.12
"""Most seconds that a picture should take while the camera moves."""
_PATIENT_SECONDS = 1.5
"""Most seconds that a picture should take while the camera rests."""
_MOST_PIXELS = 1_500_000
_FEWEST_PIXELS = 160 * 120
_FAR = 160.0
"""Depth of empty pixels: beyond everything in viser's depth pictures, which end at 167."""
_ENOUGH_SEEN = 0.1
"""Share of a view that a photo must see to be compared with."""
_REFERENCE_SIZE = 320
"""Longer side in pixels of the depth that a photo's camera sees."""


@dataclass(frozen=True)
class Overlay:
    """A photo over the rendering from its own pose."""

    image: UInt8[np.ndarray, "H W 3"]
    K: Float[np.ndarray, "3 3"]
    kind: Literal["blend", "split", "error"]
    share: float
    """Opacity of the photo, or the part of the width that shows it, 0 to 1."""


@dataclass(frozen=True)
class Request:
    """One picture that a page wants."""

    splats: ShownSplats
    cam_from_world: Float[np.ndarray, "4 4"]
    fov: float
    """Vertical field of view in radians."""
    size: tuple[int, int]
    """Width and height of the window in pixels."""
    mode: RenderMode = "colour"
    overlay: Overlay | None = None
    reference: Reference | None = None
    """Photo to compare with in the mode "error"."""


@dataclass(frozen=True)
class Picture:
    """The answer."""

    image: UInt8[np.ndarray, "H W 3"]
    depth: Float[np.ndarray, "H W"] | None
    """Depth along the optical axis, for mixing with lines and points. None: they stay hidden."""
    seconds: float
    note: str = ""
    """What to know of the picture, for a person."""


class Renderer:
    """Renders on the machine's backend. Not for two threads at once."""

    def __init__(self) -> None:
        self._backend: Backend | None = None
        self._there: tuple[ShownSplats, Reference, Surface] | None = None

    def render(self, request: Request, width: int, height: int) -> Picture:
        """The picture that `request` asks for, at a size of our choice."""
        start = time.perf_counter()
        focal = height / 2 / np.tan(request.fov / 2)
        K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        seen = self._see(request.splats, request.cam_from_world, K, width, height)
        if request.mode != "error":
            return compose(request, *seen, time.perf_counter() - start)
        colors, depth, opacity = seen
        here = Surface(K, request.cam_from_world, depth, opacity > SOLID)
        picture = self._error(request, _to_bytes(colors), here)
        return replace(picture, seconds=time.perf_counter() - start)

    def _error(
        self, request: Request, pixels: UInt8[np.ndarray, "H W 3"], here: Surface
    ) -> Picture:
        """The error against the reference, or the colours where there is nothing to compare."""
        reference = request.reference
        shown_depth = np.where(here.solid, here.depth, _FAR).astype(np.float32)
        if reference is None:
            return Picture(pixels, shown_depth, 0.0, "Too far from every photo to compare.")
        error, share = compare(pixels, here, reference, self._seen_by(request.splats, reference))
        held_out = " (held out)" if reference.held_out else ""
        seen = f"which sees {100 * share:.0f} % of this view"
        if share < _ENOUGH_SEEN:
            note = f"Too far to compare from the nearest photo, {reference.name}, {seen}."
            return Picture(pixels, shown_depth, 0.0, note)
        note = f"Error against {reference.name}{held_out}, {seen}; the rest is grey."
        return Picture(error, shown_depth, 0.0, note)

    def _seen_by(self, splats: ShownSplats, reference: Reference) -> Surface:
        """The surface that a photo's camera sees; that of the last one is kept."""
        there = self._there
        if there is None or there[0] is not splats or there[1] is not reference:
            height, width = reference.image.shape[:2]
            scale = min(1.0, _REFERENCE_SIZE / max(width, height))
            size = max(1, round(width * scale)), max(1, round(height * scale))
            K = reference.K * [[size[0] / width], [size[1] / height], [1]]
            _, depth, opacity = self._see(splats, reference.cam_from_world, K, *size)
            surface = Surface(K, reference.cam_from_world, depth, opacity > SOLID)
            self._there = there = (splats, reference, surface)
        return there[2]

    def _see(
        self,
        shown: ShownSplats,
        cam_from_world: Float[np.ndarray, "4 4"],
        K: Float[np.ndarray, "3 3"],
        width: int,
        height: int,
    ) -> tuple[Float[np.ndarray, "H W 3"], Float[np.ndarray, "H W"], Float[np.ndarray, "H W"]]:
        """Colours, depths and opacities."""
        import torch

        backend, splats = self._choose(), shown.full
        with torch.no_grad():
            values, alpha, _ = backend.rasterization(
                splats.means.to(backend.device),
                splats.quats.to(backend.device),
                splats.log_scales.exp().to(backend.device),
                splats.logit_opacities.sigmoid().to(backend.device),
                splats.sh.to(backend.device),
                torch.from_numpy(cam_from_world)[None].to(backend.device, torch.float32),
                torch.from_numpy(K)[None].to(backend.device, torch.float32),
                width,
                height,
                sh_degree=splats.sh_degree,
                render_mode="RGB+ED",
                rasterize_mode="antialiased" if splats.antialiased else "classic",
            )
        colors = values[0, ..., :3].clamp(0, 1).cpu().numpy()
        return colors, values[0, ..., 3].cpu().numpy(), alpha[0, ..., 0].cpu().numpy()

    def _choose(self) -> Backend:
        if self._backend is None:
            from splatpose.render import choose_backend

            self._backend = choose_backend()
        return self._backend


def compose(
    request: Request,
    colors: Float[np.ndarray, "H W 3"],
    depth: Float[np.ndarray, "H W"],
    opacity: Float[np.ndarray, "H W"],
    seconds: float = 0.0,
) -> Picture:
    """The picture in the mode that was asked for, from what was rendered."""
    solid = opacity > SOLID
    image = {
        "colour": lambda: colors,
        "depth": lambda: shade_depth(depth, solid),
        "opacity": lambda: np.repeat(opacity[..., None], 3, axis=2),
    }[request.mode]()
    pixels = _to_bytes(image)
    if request.overlay is not None:
        return Picture(lay_over(pixels, request.overlay, request.fov), None, seconds)
    return Picture(pixels, np.where(solid, depth, _FAR).astype(np.float32), seconds)


def shade_depth(depth: Float[np.ndarray, "H W"], solid: np.ndarray) -> Float[np.ndarray, "H W 3"]:
    """Near is bright, on a scale of the inverse depth; black where nothing is."""
    shown = np.zeros((*depth.shape, 3), np.float32)
    if not solid.any():
        return shown
    inverse = 1 / np.maximum(depth, 1e-3)
    low, high = np.percentile(inverse[solid], [2, 98])
    level = np.clip((inverse - low) / max(float(high - low), 1e-6), 0, 1)
    table = cv2.applyColorMap(np.round(level * 255).astype(np.uint8), cv2.COLORMAP_TURBO)
    shown[solid] = cv2.cvtColor(table, cv2.COLOR_BGR2RGB)[solid] / 255
    return shown


def lay_over(
    pixels: UInt8[np.ndarray, "H W 3"], overlay: Overlay, fov: float
) -> UInt8[np.ndarray, "H W 3"]:
    """The photo over a rendering from the same pose with another field of view."""
    height, width = pixels.shape[:2]
    focal = height / 2 / np.tan(fov / 2)
    K = overlay.K
    sx, sy = focal / K[0, 0], focal / K[1, 1]
    # OpenCV counts from the centre of the first pixel, K from its corner.
    to_window = np.array(
        [
            [sx, 0, width / 2 - sx * (K[0, 2] - 0.5) - 0.5],
            [0, sy, height / 2 - sy * (K[1, 2] - 0.5) - 0.5],
        ]
    )
    kind = cv2.INTER_AREA if sx < 1 else cv2.INTER_LINEAR
    photo = cv2.warpAffine(overlay.image, to_window, (width, height), flags=kind)
    inside = np.full(overlay.image.shape[:2], 255, np.uint8)
    inside = cv2.warpAffine(inside, to_window, (width, height))[..., None] / 255.0
    if overlay.kind == "error":
        error = np.abs(photo.astype(np.float32) - pixels).mean(2)
        return np.round(heat_map(error) * inside).astype(np.uint8)
    if overlay.kind == "split":
        left, right = np.flatnonzero(inside[height // 2, :, 0] > 0.5)[[0, -1]]
        edge = left + overlay.share * (right - left + 1)
        share = (np.arange(width) < edge).astype(np.float32)[None, :, None] * inside
    else:
        share = overlay.share * inside
    return np.round(pixels * (1 - share) + photo * share).astype(np.uint8)


def _to_bytes(image: Float[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


class RenderService:
    """One thread that renders for all pages; each page's newest request counts."""

    def __init__(self) -> None:
        self._renderer = Renderer()
        self._waiting: dict[int, tuple[Request, Callable[[Picture], None]]] = {}
        self._change = threading.Condition()
        self._closed = False
        self._seconds_per_pixel = 1e-6
        self._thread = threading.Thread(target=self._work, daemon=True, name="renderer")
        self._thread.start()

    def ask(self, page: int, request: Request, deliver: Callable[[Picture], None]) -> None:
        """Renders soon, first quickly and, if nothing newer is asked for, then finely."""
        with self._change:
            self._waiting[page] = (request, deliver)
            self._change.notify()

    def forget(self, page: int) -> None:
        """Drops what a page has asked for."""
        with self._change:
            self._waiting.pop(page, None)

    def close(self) -> None:
        """Waits for what is being rendered: a thread must not end in the middle of that."""
        with self._change:
            self._closed = True
            self._change.notify()
        self._thread.join()

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return
                page = next(iter(self._waiting))
                request, deliver = self._waiting.pop(page)
            quick = self._render(request, _QUICK_SECONDS)
            deliver(quick)
            with self._change:
                newer = page in self._waiting or self._closed
            fine = fitting_size(request.size, self._seconds_per_pixel, _PATIENT_SECONDS)
            if not newer and fine[1] > quick.image.shape[0]:
                deliver(self._render(request, _PATIENT_SECONDS))

    def _render(self, request: Request, seconds: float) -> Picture:
        width, height = fitting_size(request.size, self._seconds_per_pixel, seconds)
        picture = self._renderer.render(request, width, height)
        pace = picture.seconds / (width * height)
        self._seconds_per_pixel += 0.5 * (pace - self._seconds_per_pixel)
        return picture


def fitting_size(
    window: tuple[int, int], seconds_per_pixel: float, seconds: float
) -> tuple[int, int]:
    """The largest size of the window's shape that renders in the given time."""
    width, height = window
    pixels = min(_MOST_PIXELS, max(_FEWEST_PIXELS, seconds / max(seconds_per_pixel, 1e-12)))
    scale = min(1.0, (pixels / (width * height)) ** 0.5)
    return max(16, round(width * scale)), max(16, round(height * scale))
