"""The panel that compares a photo with the rendering from its pose."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import viser
from jaxtyping import Float, UInt8

from splatpose.errors import SplatposeError

from .geometry import fitting_fov
from .server_render import Overlay
from .texts import CHOOSE_A_PHOTO, verdict_text
from .world import World

Comparison = Literal["nothing", "split", "blend", "error"]
_NONE = "—"


@dataclass(frozen=True)
class PhotoView:
    """The pose of a photo that is looked at, and its undistorted picture."""

    index: int
    cam_from_world: Float[np.ndarray, "4 4"]
    K: Float[np.ndarray, "3 3"]
    image: UInt8[np.ndarray, "H W 3"] | None
    """Photo, undistorted; None where it is gone: one can still look from where it was taken."""

    def fov(self, aspect: float) -> float:
        """Vertical field of view in radians that shows all of it in a window."""
        width, height = round(2 * self.K[0, 2]), round(2 * self.K[1, 2])
        if self.image is not None:
            height, width = self.image.shape[:2]
        return fitting_fov(self.K, (width, height), aspect)


class PhotoPanel:
    """Chooses a photo, says what is known of it, and compares it."""

    def __init__(
        self,
        gui: viser.GuiApi,
        fly: Callable[[PhotoView], None],
        changed: Callable[[], None],
    ) -> None:
        self._fly, self._changed = fly, changed
        self._world = World()
        self._names: tuple[str, ...] = ()
        self.view: PhotoView | None = None
        self._choice = gui.add_dropdown("Photo", cast(tuple[str, ...], (_NONE,)))
        self._step = gui.add_button_group("Go to", ("previous", "next"))
        self._text = gui.add_html(CHOOSE_A_PHOTO)
        self._compare = gui.add_dropdown("Compare", ("nothing", "split", "blend", "error"))
        self._share = gui.add_slider("Photo", 0.0, 1.0, 0.01, 0.5, visible=False)
        self._choice.on_update(lambda _: self._chosen())
        self._step.on_click(lambda _: self._go(1 if self._step.value == "next" else -1))
        self._compare.on_update(lambda _: self._set_comparison())
        self._share.on_update(lambda _: changed())

    @property
    def overlay(self) -> Overlay | None:
        """What to lay over the rendering."""
        kind = cast(Comparison, self._compare.value)
        if self.view is None or self.view.image is None or kind == "nothing":
            return None
        return Overlay(self.view.image, self.view.K, kind, float(self._share.value))

    def update(self, world: World) -> None:
        """Offers the photos that have a pose."""
        self._world = world
        names = (
            tuple(v.name for v in world.verdicts if world.poses and v.level != "refused")
            if world.views is not None
            else ()
        )
        if names != self._names:
            self._names = names
            self._choice.options = (_NONE, *names)

    def choose(self, index: int) -> None:
        """Looks through the camera of photo number `index` of the capture."""
        poses = self._world.poses
        if poses is not None and poses.names[index] in self._names:
            self._choice.value = poses.names[index]
            self._chosen()

    def leave(self) -> None:
        """The camera has moved on: there is nothing to compare from here."""
        if self._compare.value != "nothing":
            self._compare.value = "nothing"
            self._share.visible = False

    def _go(self, by: int) -> None:
        if not self._names:
            return
        now = self._names.index(self._choice.value) if self._choice.value in self._names else -by
        self._choice.value = self._names[(now + by) % len(self._names)]
        self._chosen()

    def _chosen(self) -> None:
        world, name = self._world, self._choice.value
        if name == _NONE or world.poses is None or world.views is None:
            self.view = None
            self._text.content = CHOOSE_A_PHOTO
            self._changed()
            return
        index = world.poses.names.index(name)
        if self.view is not None and self.view.index == index:
            return
        number = world.views.names.index(name)
        image = None
        with contextlib.suppress(OSError, SplatposeError):
            image = world.views.picture(number)
        self._text.content = verdict_text(
            world.verdicts[index], world.views.held_out[number], gone=image is None
        )
        self.view = PhotoView(
            index, world.poses.cam_from_world[index], world.views.Ks[number], image
        )
        self._fly(self.view)

    def _set_comparison(self) -> None:
        self._share.visible = self._compare.value in ("split", "blend")
        if self.view is not None and self._compare.value != "nothing":
            self._fly(self.view)
        self._changed()
