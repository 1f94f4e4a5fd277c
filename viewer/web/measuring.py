"""The distance between two clicked points, and the scene's true scale from it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import viser
from jaxtyping import Float

from .panels import Controls
from .picking import seen_along
from .texts import length, measured, scale_line
from .world import World

_COLOR = (255, 235, 60)
_DOT = 0.006
"""Radius of an end's ball over its distance from the camera."""
_REACH = 0.15
"""Distance from the camera at which the line is drawn, so that nothing hides it."""


class MeasurePanel:
    """Two clicks make a line with its length; what it really is makes the scale.

    Args:
        client: the browser.
        controls: what sets the scale.
    """

    def __init__(self, client: viser.ClientHandle, controls: Controls) -> None:
        self._client, self._controls = client, controls
        self._world = World()
        self._ends: list[Float[np.ndarray, " 3"]] = []
        self._drawn: list[Any] = []
        self._eye: Float[np.ndarray, " 3"] = np.zeros(3)
        self._clicks = threading.Lock()
        self.active = False
        """Whether clicks are for measuring."""
        gui = client.gui
        with gui.add_folder("Measure", expand_by_default=False):
            self._start = gui.add_button("Click two points", icon=viser.Icon.RULER_MEASURE)
            self._text = gui.add_html("")
            self._metres = gui.add_number(
                "True length (m)", 1.0, min=0.0, step=0.001, visible=False
            )
            self._set = gui.add_button("Set the scale", icon=viser.Icon.CHECK, visible=False)
            self._scale = gui.add_html("")
            self._forget = gui.add_button("Forget the scale", icon=viser.Icon.TRASH, visible=False)
        self._start.on_click(lambda _: self._begin())
        self._set.on_click(lambda _: self._set_scale())
        self._forget.on_click(lambda _: controls.set_scale(None))

    def update(self, world: World) -> None:
        """What is measured: the scene as it is shown, and its scale."""
        before, self._world = self._world, world
        self._scale.content = scale_line(world.metres_per_unit)
        self._forget.visible = world.metres_per_unit is not None
        with self._clicks:
            if before.metres_per_unit != world.metres_per_unit:
                self._draw()
            elif self._drawn and not np.array_equal(self._eye, self._client.camera.position):
                self._place()

    @property
    def _distance(self) -> float:
        """Distance of the ends in the run's own units; 0 where there are not two ends."""
        return float(np.linalg.norm(self._ends[1] - self._ends[0])) if len(self._ends) == 2 else 0.0

    def _begin(self) -> None:
        with self._clicks:
            if not self.active:
                self._client.scene.on_click()(self._clicked)
            self.active = True
            self._ends.clear()
            self._draw()

    def _clicked(self, event: viser.SceneClickEvent) -> None:
        origin, direction = np.array(event.ray_origin), np.array(event.ray_direction)
        world = self._world
        points = np.zeros((0, 3)) if world.poses is None else world.poses.points
        splats = None if world.splats is None else world.splats.full
        found = seen_along(splats, points, origin, direction)
        with self._clicks:
            if not self.active:
                return
            if found is None:
                self._client.add_notification(
                    "Nothing there", "Click on something.", auto_close_seconds=4, color="yellow"
                )
                return
            self._ends.append(found)
            self.active = len(self._ends) < 2
            self._draw()
            done = not self.active
        if done:
            self._client.scene.remove_click_callback(self._clicked)

    def _draw(self) -> None:
        """The ends, the line, and the words that go with them."""
        for handle in self._drawn:
            handle.remove()
        self._drawn.clear()
        scene, metres = self._client.scene, self._world.metres_per_unit
        for number in range(len(self._ends)):
            self._drawn.append(scene.add_icosphere(f"/measure/{number}", _DOT * _REACH, _COLOR))
        whole = len(self._ends) == 2
        if whole:
            self._drawn.append(
                scene.add_line_segments(
                    "/measure/line",
                    np.zeros((1, 2, 3), np.float32),
                    np.full((1, 2, 3), _COLOR, np.uint8),
                    thickness=3.0,
                    thickness_units="screen",
                )
            )
            label = length(self._distance, metres)
            middle = np.mean(self._ends, axis=0)
            self._drawn.append(
                scene.add_label("/measure/length", label, position=middle, anchor="bottom-center")
            )
        self._place()
        self._text.content = measured(len(self._ends), self.active, self._distance, metres)
        can_set = whole and self._distance > 0 and self._world.poses is not None
        self._metres.visible = self._set.visible = can_set

    def _place(self) -> None:
        """Puts ends and line where they are seen at the right place from where the camera is."""
        if not self._ends:
            return
        self._eye = eye = np.array(self._client.camera.position)
        offsets = np.array(self._ends) - eye
        near = eye + _REACH / max(float(np.linalg.norm(offsets, axis=1).max()), 1e-9) * offsets
        for handle, end in zip(self._drawn, near, strict=False):
            handle.position = end
        if len(near) == 2:
            self._drawn[2].points = near[None].astype(np.float32)

    def _set_scale(self) -> None:
        metres, distance = float(self._metres.value), self._distance
        if not (metres > 0 and distance > 0):
            self._client.add_notification(
                "No scale", "The true length is a positive number.", color="red"
            )
            return
        self._controls.set_scale(metres / distance)
