"""The controls of the crop box."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import viser

from splatpose.errors import SplatposeError
from splatpose.stages.outputs.crop import CropBox, read_crop, write_crop

from .geometry import around
from .world import World

_AXES = ("Left to right", "Up to down", "Near to far")


class CropPanel:
    """A range for each axis of the world; saved beside the results, where export finds it.

    Args:
        client: the browser.
        folder: the run's.
        changed: is told when another box is wanted.
    """

    def __init__(
        self, client: viser.ClientHandle, folder: Path, changed: Callable[[], None]
    ) -> None:
        self._client, self._folder, self._changed = client, folder, changed
        self._ready = False
        gui = client.gui
        with gui.add_folder("Crop", expand_by_default=False):
            self._on = gui.add_checkbox("Show only what is in a box", False)
            self._ranges = [
                gui.add_multi_slider(axis, -1.0, 1.0, 0.01, (-1.0, 1.0), min_range=0.01)
                for axis in _AXES
            ]
            save = gui.add_button("Save for export", icon=viser.Icon.CROP)
            remove = gui.add_button("Remove", icon=viser.Icon.TRASH)
        self._on.on_update(lambda _: changed())
        for handle in self._ranges:
            handle.on_update(lambda _: changed())
        save.on_click(lambda _: self._write(self._of_sliders()))
        remove.on_click(lambda _: self._write(None))

    @property
    def box(self) -> CropBox | None:
        """What is wanted, or None where everything is."""
        return self._of_sliders() if self._ready and self._on.value else None

    def update(self, world: World) -> None:
        """Sets the ranges once it is known where the scene is."""
        if self._ready:
            return
        if world.poses is not None and len(world.poses.points) > 10:
            points = world.poses.points
        elif world.splats is not None and world.capture is None and len(world.splats.browser) > 10:
            points = world.splats.browser.centers.astype(np.float64)
        else:
            return
        inner, outer = around(points)
        saved = self._saved()
        box = saved or inner
        for axis, handle in enumerate(self._ranges):
            ends = (box.low[axis], box.high[axis])
            handle.min = min(outer.low[axis], ends[0])
            handle.max = max(outer.high[axis], ends[1])
            handle.step = (handle.max - handle.min) / 200
            handle.value = ends
        self._ready = True
        if saved is not None:
            self._on.value = True

    def _of_sliders(self) -> CropBox:
        (ax, bx), (ay, by), (az, bz) = (handle.value[:2] for handle in self._ranges)
        return CropBox((float(ax), float(ay), float(az)), (float(bx), float(by), float(bz)))

    def _saved(self) -> CropBox | None:
        try:
            return read_crop(self._folder)
        except SplatposeError:
            return None

    def _write(self, box: CropBox | None) -> None:
        try:
            write_crop(self._folder, box)
        except OSError as error:
            self._client.add_notification("Not saved", str(error), color="red")
            return
        self._on.value = box is not None
        text = "Export leaves out what is outside." if box else "Export takes everything."
        self._client.add_notification("Crop box", text, auto_close_seconds=6, color="green")
        self._changed()
