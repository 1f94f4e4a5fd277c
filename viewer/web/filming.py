"""The panel in which a film is made: a path, keyframes, and the rendering of it."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Literal, cast

import numpy as np
import viser
import viser.transforms

from splatpose.camera_path.paths import (
    CameraPath,
    Keyframe,
    read_keyframes,
    through,
    write_keyframes,
)
from splatpose.errors import SplatposeError

from .world import World

KEYFRAMES = "keyframes.json"
_SIZES = {"1280 x 720": (1280, 720), "1920 x 1080": (1920, 1080), "960 x 540": (960, 540)}
_RATE = 30
_PREVIEW_RATE = 20

_Path = Literal["orbit", "trajectory", "keyframes"]


class FilmPanel:
    """Keyframes are the views of this page; the film is rendered here, beside everything else.

    Args:
        client: the browser.
        folder: where keyframes and film are written.
    """

    def __init__(self, client: viser.ClientHandle, folder: Path) -> None:
        self._client, self._folder = client, folder
        self._world = World()
        self._keys: list[Keyframe] = []
        self._busy = threading.Lock()
        gui = client.gui
        self._path = gui.add_dropdown("Path", ("orbit", "trajectory", "keyframes"))
        with gui.add_folder("Keyframes"):
            self._list = gui.add_html("")
            self._pace = gui.add_slider("Seconds to the next", 0.5, 10.0, 0.5, 2.0)
            add = gui.add_button("Add this view", icon=viser.Icon.CAMERA_PLUS)
            back = gui.add_button("Remove the last", icon=viser.Icon.TRASH)
            saved = gui.add_button("Save keyframes.json", icon=viser.Icon.DEVICE_FLOPPY)
            load = gui.add_button("Load keyframes.json", icon=viser.Icon.FOLDER_OPEN)
        self._length = gui.add_slider("Length (s)", 1.0, 60.0, 1.0, 8.0)
        self._size = gui.add_dropdown("Size", tuple(_SIZES))
        preview = gui.add_button("Preview", icon=viser.Icon.EYE)
        film = gui.add_button("Render film.mp4", icon=viser.Icon.MOVIE)
        self._bar = gui.add_progress_bar(0.0, visible=False)
        add.on_click(lambda _: self._add())
        back.on_click(lambda _: self._remove())
        saved.on_click(lambda _: self._save())
        load.on_click(lambda _: self._load())
        preview.on_click(lambda _: self._preview())
        film.on_click(lambda _: self._render())
        self._show_keys()

    def update(self, world: World) -> None:
        """What will be filmed."""
        self._world = world

    def _add(self) -> None:
        camera = self._client.camera
        seconds = self._keys[-1].seconds + float(self._pace.value) if self._keys else 0.0
        x, y, z = (float(value) for value in camera.position)
        qw, qx, qy, qz = (float(value) for value in camera.wxyz)
        self._keys.append(Keyframe(seconds, (x, y, z), (qw, qx, qy, qz), float(camera.fov)))
        self._path.value = "keyframes"
        self._show_keys()

    def _remove(self) -> None:
        if self._keys:
            self._keys.pop()
        self._show_keys()

    def _save(self) -> None:
        path = self._folder / KEYFRAMES
        try:
            write_keyframes(path, self._keys)
        except OSError as error:
            self._say("Not saved", str(error), bad=True)
            return
        self._say("Saved", str(path))

    def _load(self) -> None:
        try:
            self._keys = read_keyframes(self._folder / KEYFRAMES)
        except SplatposeError as error:
            self._say("Not loaded", error.message, bad=True)
            return
        self._path.value = "keyframes"
        self._show_keys()

    def _show_keys(self) -> None:
        count = len(self._keys)
        length = f", {self._keys[-1].seconds:.1f} s" if count > 1 else ""
        text = f'<span data-keyframes="{count}">{count} set{length}</span>'
        self._list.content = f'<div style="font-size:.8em;padding:0 .9em">{text}</div>'
        if count > 1:
            self._length.value = max(1.0, round(self._keys[-1].seconds))

    def _frames(self, rate: int) -> CameraPath:
        """The path that is chosen.

        Raises:
            SplatposeError: there is nothing to lay it by.
        """
        from splatpose.camera_path.movie import lay_path

        frames = max(2, round(float(self._length.value) * rate))
        kind = cast(_Path, self._path.value)
        if kind == "keyframes":
            return through(self._keys, frames)
        poses, splats = self._world.poses, self._world.splats
        if poses is None or splats is None:
            raise SplatposeError("There are no cameras and Gaussians yet.", "Wait for them.")
        width, height = _SIZES[self._size.value]
        placed = np.flatnonzero(poses.registered)
        Ks = [poses.cameras[poses.camera_index[i]].K for i in placed]
        cam_from_world = poses.cam_from_world[placed]
        return lay_path(kind, splats.full, cam_from_world, Ks, frames, width / height)

    def _preview(self) -> None:
        """Moves this page's camera along the path."""
        if not self._busy.acquire(blocking=False):
            return
        try:
            path = self._frames(_PREVIEW_RATE)
            pause = threading.Event()
            camera = self._client.camera
            for pose, fov in zip(np.linalg.inv(path.cam_from_world), path.fov, strict=True):
                turn = viser.transforms.SO3.from_matrix(pose[:3, :3])
                with self._client.atomic():
                    camera.wxyz, camera.position, camera.fov = turn.wxyz, pose[:3, 3], float(fov)
                self._client.flush()
                pause.wait(1 / _PREVIEW_RATE)
        except SplatposeError as error:
            self._say("No film", f"{error.message} {error.hint}", bad=True)
        finally:
            self._busy.release()

    def _render(self) -> None:
        """Writes the film beside the results; the progress bar follows it."""
        from splatpose.camera_path.movie import Shot, write_movie
        from splatpose.render import choose_backend

        splats = self._world.splats
        if splats is None or not self._busy.acquire(blocking=False):
            return
        target = self._folder / "film.mp4"
        try:
            self._bar.visible = True
            write_movie(
                target,
                Shot(splats.full, self._frames(_RATE)),
                choose_backend(),
                size=_SIZES[self._size.value],
                rate=_RATE,
                progress=self._progress,
            )
            self._say("The film is done", str(target))
        except SplatposeError as error:
            self._say("No film", f"{error.message} {error.hint}", bad=True)
        finally:
            self._bar.visible = False
            self._busy.release()

    def _progress(self, done: int, total: int) -> None:
        self._bar.value = 100 * done / total

    def _say(self, title: str, text: str, *, bad: bool = False) -> None:
        color = "red" if bad else "green"
        self._client.add_notification(title, text, auto_close_seconds=10, color=color)
