"""One browser's page: its panels, its scene, its camera."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import viser
import viser.transforms

from splatpose.stages.outputs.crop import CropBox

from .comparing import References
from .cropping import CropPanel
from .drawing import Drawer, Shown
from .filming import FilmPanel
from .geometry import UP, first_view
from .measuring import MeasurePanel
from .panels import Controls, Rendering, RunPanel, ScenePanel
from .photos import PhotoPanel, PhotoView
from .progress import RunProgress
from .reading import cropped_splats
from .server_render import Overlay, Picture, RenderMode, RenderService, Request
from .texts import counts, headline, rendering_line
from .world import ShownSplats, World

_FLIGHT_FRAMES = 24
_FRAME_SECONDS = 1 / 30
_MOVED = 0.02
_BROWSER = ("browser",)


class Page:
    """Shows a run in one browser. `show` is called by one thread; callbacks only leave notes.

    Args:
        client: the browser.
        where: what is shown, for the heading.
        controls: what the buttons do.
        renderer: renders here, for all pages.
        wake: has `show` called soon.
    """

    def __init__(
        self,
        client: viser.ClientHandle,
        where: str,
        controls: Controls,
        renderer: RenderService,
        wake: Callable[[], None],
    ) -> None:
        self.client = client
        self._where, self._renderer, self._wake = where, renderer, wake
        self._shown = Shown()
        self._asked: tuple[object, ...] = ()
        self._has_picture = False
        self._started = False
        self._cropping: tuple[int, CropBox, ShownSplats] | None = None
        self._flying = threading.Lock()
        self._references = References()
        gui = client.gui
        self._headline = gui.add_html("")
        self._counts = gui.add_html("")
        tabs = gui.add_tab_group()
        with tabs.add_tab("Run"):
            self._run = RunPanel(gui, controls)
        with tabs.add_tab("Scene"):
            self._scene = ScenePanel(gui, self._shown, wake)
            self._measure = MeasurePanel(client, controls)
            self._crop = CropPanel(client, controls.folder, wake)
        with tabs.add_tab("Photos"):
            self._photos = PhotoPanel(gui, self._fly_to_photo, wake)
        with tabs.add_tab("Film"):
            self._film = FilmPanel(client, controls.folder)
        self._drawer = Drawer(client.scene, self._clicked_photo)
        client.camera.on_update(lambda _: wake())

    def show(self, world: World, progress: RunProgress, paused: bool, can_steer: bool) -> None:
        """Brings the page up to date."""
        self._look_first(world)
        self._crop.update(world)
        whole = 0 if world.splats is None else len(world.splats.browser)
        world = self._cropped(world)
        self._photos.update(world)
        self._scene.update(world)
        self._measure.update(world)
        self._film.update(world)
        self._run.update(progress, world, paused, can_steer)
        rendered_here = self._render(world)
        self._drawer.draw(world, self._what_to_draw(rendered_here), self.client.camera.position)
        splats = self._drawer.splats_shown
        if rendered_here and world.splats is not None:
            splats = len(world.splats.browser)
        _set_content(self._headline, headline(progress, world, self._where))
        _set_content(self._counts, counts(world, self._drawer.cameras_shown, splats, whole))

    def close(self) -> None:
        """The browser is gone."""
        self._renderer.forget(self.client.client_id)

    def _clicked_photo(self, index: int) -> None:
        if not self._measure.active:
            self._photos.choose(index)

    def _cropped(self, world: World) -> World:
        """The world with only those Gaussians that are in the crop box, if there is one."""
        self._shown.crop = box = self._crop.box
        if box is None or world.splats is None:
            self._cropping = None
            return world
        if self._cropping is None or self._cropping[:2] != (id(world.splats), box):
            self._cropping = (id(world.splats), box, cropped_splats(world.splats, box))
        return replace(world, splats=self._cropping[2])

    def _what_to_draw(self, rendered_here: bool) -> Shown:
        shown = replace(self._shown)
        if rendered_here:
            shown.splats = False
            if self._photos.overlay is not None or self._scene.rendering == "error":
                shown.points = shown.links = shown.path = shown.ground = False
        if self._is_at(self._photos.view):
            shown.cameras = False  # they would stand in front of what they look at
        return shown

    def _look_first(self, world: World) -> None:
        """Puts the camera in a good place as soon as it is known where the scene is."""
        if self._started:
            return
        camera = self.client.camera
        if world.poses is not None:
            self._started = True
            view = first_view(world.poses)
            position, look_at = view.position, view.look_at
        elif world.splats is not None and world.capture is None:
            self._started = True
            centers = world.splats.browser.limited(20_000).centers
            look_at = np.median(centers, axis=0)
            spread = float(np.median(np.linalg.norm(centers - look_at, axis=1)))
            position = look_at + spread * np.array([0.0, -0.8, -2.5])
        elif world.capture is not None and not self._asked:
            position, look_at = np.array([0.0, -1.6, -3.2]), np.zeros(3)
            self._asked = ("ring",)
        else:
            return
        with self.client.atomic():
            camera.up_direction = np.array(UP)
            camera.position = position
            camera.look_at = look_at

    def _render(self, world: World) -> bool:
        """Asks for a picture from here where the page wants one; says whether it has one."""
        overlay = self._photos.overlay
        if overlay is not None and not self._is_at(self._photos.view):
            if not self._flying.locked():
                self._photos.leave()
            overlay = None
        mode = self._scene.rendering
        wanted = overlay is not None or (mode != "in the browser" and self._shown.splats)
        if not wanted or world.splats is None:
            self._asked = _BROWSER
            self._renderer.forget(self.client.client_id)
            if self._has_picture:
                self._has_picture = False
                self.client.scene.set_background_image(None)
                _set_content(self._scene.speed, "")
            return False
        camera = self.client.camera
        size = (max(camera.image_width, 16), max(camera.image_height, 16))
        pose = cam_from_world(camera.wxyz, camera.position)
        look = _look(mode, overlay)
        reference = self._references.nearest(world, pose) if look == "error" else None
        key = (id(world.splats), look, size, camera.fov, pose.tobytes(), _overlay_key(overlay))
        if key != self._asked:
            self._asked = key
            request = Request(
                world.splats,
                pose,
                camera.fov,
                size,
                look,
                overlay,
                reference,
            )
            if not self._has_picture:
                _set_content(self._scene.speed, "<small>rendering …</small>")
            self._renderer.ask(self.client.client_id, request, self._deliver)
        return self._has_picture

    def _deliver(self, picture: Picture) -> None:
        if self._asked == _BROWSER:  # it was not wanted any more
            return
        self._has_picture = True
        self._wake()
        self.client.scene.set_background_image(
            picture.image, format="jpeg", jpeg_quality=88, depth=picture.depth
        )
        height, width = picture.image.shape[:2]
        pace = f"{width} x {height} pixels in {picture.seconds * 1000:.0f} ms"
        _set_content(self._scene.speed, rendering_line(picture.note, pace))

    def _is_at(self, view: PhotoView | None) -> bool:
        if view is None:
            return False
        pose = cam_from_world(self.client.camera.wxyz, self.client.camera.position)
        return bool(np.abs(pose - view.cam_from_world).max() < _MOVED)

    def _fly_to_photo(self, view: PhotoView) -> None:
        """Moves the camera smoothly to where the photo was taken."""
        with self._flying:
            camera = self.client.camera
            target = np.linalg.inv(view.cam_from_world)
            end = viser.transforms.SO3.from_matrix(target[:3, :3])
            start = viser.transforms.SO3(camera.wxyz)
            turn = (start.inverse() @ end).log()
            origin, fov, goal = camera.position.copy(), camera.fov, view.fov(camera.aspect)
            pause = threading.Event()
            for frame in range(1, _FLIGHT_FRAMES + 1):
                t = frame / _FLIGHT_FRAMES
                t = t * t * (3 - 2 * t)
                with self.client.atomic():
                    camera.wxyz = (start @ viser.transforms.SO3.exp(t * turn)).wxyz
                    camera.position = origin + t * (target[:3, 3] - origin)
                    camera.fov = fov + t * (goal - fov)
                self.client.flush()
                pause.wait(_FRAME_SECONDS)
        self._wake()


def cam_from_world(wxyz: np.ndarray, position: np.ndarray) -> np.ndarray:
    """The pose of viser's camera, whose axes are OpenCV's."""
    rotation = viser.transforms.SO3(wxyz).as_matrix().T
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = rotation, -rotation @ position
    return pose


def _look(mode: Rendering, overlay: Overlay | None) -> RenderMode:
    """What to render: only colours can be compared with a photo that lies over them."""
    if mode == "in the browser" or (overlay is not None and "error" in (mode, overlay.kind)):
        return "colour"
    return mode


def _overlay_key(overlay: Overlay | None) -> tuple[object, ...]:
    return () if overlay is None else (id(overlay.image), overlay.kind, overlay.share)


def _set_content(handle: viser.GuiHtmlHandle, content: str) -> None:
    if handle.content != content:
        handle.content = content
